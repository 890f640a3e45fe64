"""A corpus of any size into shards: in worker processes of this machine, or of others through Ray.

Files are put together by their content, so that a shard depends on nothing but the files in it: what
is there already is not made again, whether the work was stopped or files have come since.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tqdm import tqdm

from config_bach import Encoding, UserError, require_large
from families.corpus import end_with_parent, find
from families.large import encoder_of
from families.registry import family_of
from midi_io import Refused
from storage.files import check_writable
from storage.shards import Manifest, Shard, ShardRow, encoder_key, has_shards, write_shard

FILES_IN_SHARD = 128  # at the most, on average
HASHED = 256  # files whose content is looked at in one go
WAITING = 4  # jobs for each worker that are handed out at once
CRASHED = "reading it ended the reader"

Job = TypeVar("Job")
Result = TypeVar("Result")


class Workers(Protocol):
    """What does jobs side by side."""

    def map(
        self, work: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Iterator[tuple[Job, Result | None]]:
        """Each job with its result, as they come; None where the job ended its worker."""


@dataclass(frozen=True)
class Target:
    """For which model type files are encoded, how, and in which folder their shards lie."""

    model_type: int
    encoding: Encoding
    folder: Path

    @property
    def encoder(self) -> dict[str, object]:
        """What the manifest says of it."""
        return encoder_of(family_of(self.model_type), self.encoding)


@dataclass(frozen=True)
class ShardJob:
    """Files that are to become a shard. culprits: those that end the reader, and are left alone."""

    target: Target
    name: str
    files: tuple[str, ...]
    culprits: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where the shard lies."""
        return self.target.folder / self.name


def encode(source: str, target: Target, workers: Workers, show: bool = True) -> Manifest:
    """Encode all files of a source into the shards of a folder, and what is new if it has some.

    Raises UserError if there are no files or the folder cannot be written.
    """
    files = [str(path) for path in find(source)]
    folder = target.folder
    check_writable(folder)
    jobs = _jobs(files, target, workers)
    there = [job for job in jobs if job.path.is_file()]
    bar = tqdm(total=len(files), desc="encoding", unit="file", disable=None if show else True)
    with bar:
        bar.update(sum(len(job.files) for job in there))
        missing = [job for job in jobs if not job.path.is_file()]
        for job, done in workers.map(encode_shard, missing):
            if done is None:
                encode_shard(_without_culprits(job))
            bar.update(len(job.files))
    names = tuple(sorted(job.name for job in jobs))
    refused = sum(len(Shard(folder / name).refused) for name in names)
    manifest = Manifest(source, target.encoder, len(files), refused, names)
    manifest.save(folder)
    for path in folder.glob("shard-*.parquet"):
        if path.name not in names:
            path.unlink(missing_ok=True)  # of files that are gone or have changed
    return manifest


def _jobs(files: Sequence[str], target: Target, workers: Workers) -> list[ShardJob]:
    """Files by their content: a power of two of shards, each named after what is in it."""
    count = 1
    while count * FILES_IN_SHARD < len(files):
        count *= 2
    together: list[list[tuple[str, str]]] = [[] for _ in range(count)]
    parts = [tuple(files[i : i + HASHED]) for i in range(0, len(files), HASHED)]
    for part, contents in workers.map(contents_of, parts):
        for file, content in zip(part, contents or [""] * len(part), strict=True):
            together[int(content[:8] or "0", 16) % count].append((content, file))
    jobs, how = [], encoder_key(target.encoder)
    for number, members in enumerate(together):
        members.sort()
        told = [how, *(f"{content} {Path(file).name}" for content, file in members)]
        key = hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
        name = f"shard-{number:05d}-{key}.parquet"
        jobs.append(ShardJob(target, name, tuple(file for _, file in members)))
    return jobs


def contents_of(files: Sequence[str]) -> list[str]:
    """A digest of the content of each file; that of nothing where it cannot be read."""
    return [hashlib.sha256(_bytes(file)).hexdigest() for file in files]


def _bytes(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError:
        return b""


def encode_shard(job: ShardJob) -> int:
    """Make the shard of a job; returns how many pieces are in it."""
    codec = family_of(job.target.model_type).codec()
    rows: list[ShardRow] = []
    refused = [(Path(file).name, CRASHED) for file in job.culprits]
    for file in job.files:
        if file in job.culprits:
            continue
        try:
            rows += codec.rows(Path(file), job.target.encoding)
        except Refused as reason:
            refused.append((Path(file).name, str(reason)))
    write_shard(job.path, rows, refused)
    return len(rows)


def _without_culprits(job: ShardJob) -> ShardJob:
    """A job that ended its worker, with the files named that did so: each is tried alone."""
    culprits = []
    pool: ProcessPoolExecutor | None = None
    for file in job.files:
        pool = pool or ProcessPoolExecutor(1, initializer=end_with_parent)
        try:
            pool.submit(_tried, file, job.target).result()
        except BrokenProcessPool:
            culprits.append(file)
            pool = None
    if pool:
        pool.shutdown()
    return replace(job, culprits=tuple(culprits))


def _tried(file: str, target: Target) -> None:
    try:
        family_of(target.model_type).codec().rows(Path(file), target.encoding)
    except Refused:
        return


class LocalWorkers:
    """Processes of this machine."""

    def __init__(self, count: int = 0) -> None:
        """count: 0 is one for each core."""
        self.count = count or os.cpu_count() or 1

    def map(
        self, work: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Iterator[tuple[Job, Result | None]]:
        """See Workers. Few jobs are handed out at once, so that memory stays bounded."""
        if self.count == 1 or len(jobs) == 1:
            yield from ((job, work(job)) for job in jobs)
            return
        waiting, left = list(jobs), iter(list(jobs))
        try:
            with ProcessPoolExecutor(self.count, initializer=end_with_parent) as pool:
                try:
                    first = islice(left, WAITING * self.count)
                    running = {pool.submit(work, job): job for job in first}
                    while running:
                        done, _ = wait(running, return_when=FIRST_COMPLETED)
                        for future in done:
                            job = running.pop(future)
                            yield job, future.result()
                            waiting.remove(job)
                            running.update({pool.submit(work, j): j for j in islice(left, 1)})
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        except BrokenProcessPool:
            yield from self._one_by_one(work, waiting)

    def _one_by_one(
        self, work: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Iterator[tuple[Job, Result | None]]:
        """The jobs that are left after one ended its worker, each in a process of its own."""
        for job in jobs:
            with ProcessPoolExecutor(1, initializer=end_with_parent) as pool:
                try:
                    result: Result | None = pool.submit(work, job).result()
                except BrokenProcessPool:
                    result = None
            yield job, result


class RayWorkers:
    """The machines of a Ray cluster: all see the same folders, and Play Bach in the same place."""

    def __init__(self, address: str, count: int = 0) -> None:
        """address: of the cluster, 'auto' for the one this machine is part of, or 'local' for this
        machine alone, with `count` workers. Raises UserError if there is no such cluster."""
        self._ray = started_ray(address, count)

    def map(
        self, work: Callable[[Job], Result], jobs: Sequence[Job]
    ) -> Iterator[tuple[Job, Result | None]]:
        """See Workers; a job whose machine is lost is done again on another."""
        ray = self._ray
        task = ray.remote(num_cpus=1, max_retries=2)(work)
        left, running = iter(jobs), {}
        at_once = WAITING * max(1, int(ray.cluster_resources().get("CPU", 1)))
        for job in islice(left, at_once):
            running[task.remote(job)] = job
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(done)
            try:
                result: Result | None = ray.get(done)
            except ray.exceptions.WorkerCrashedError:
                result = None
            yield job, result
            for other in islice(left, 1):
                running[task.remote(other)] = other


def started_ray(address: str, count: int = 0) -> Any:
    """Ray, connected to a cluster. Raises UserError if that is not there."""
    require_large("ray", "--ray")
    import ray

    if ray.is_initialized():
        return ray
    here = {"num_cpus": count or os.cpu_count()} if address == "local" else {"address": address}
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        ray.init(**here, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"there is no Ray cluster at {address} ({error}): start one with 'ray start --head', or "
            "give --ray local."
        ) from error
    return ray


def shards_of(source: str, target: Target, workers: Workers) -> Path:
    """The folder of the shards of a large corpus, encoded now unless that was done before.

    The folder of the target holds those of all corpora that were given as files.
    """
    if has_shards(Path(source)):
        return Path(source)
    told = [str(Path(source).resolve()), encoder_key(target.encoder)]
    folder = target.folder / hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
    encode(source, replace(target, folder=folder), workers)
    return folder
