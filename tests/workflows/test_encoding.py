"""A corpus becomes the same shards however the work is done, and however often it is stopped."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from conftest import home, tune

from config_bach import Encoding, UserError
from families.registry import family_of
from midi_io import write_midi
from storage.shards import Shards, load_manifest
from workflows import encoding
from workflows.encoding import LocalWorkers, RayWorkers, ShardJob, Target, encode, shards_of

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve tunes, one of them twice and once in another key, and two files that are none."""
    folder = tmp_path_factory.mktemp("files")
    for i in range(12):
        piece = tune(50 + i, 30 + 3 * i)
        write_midi(folder / f"{i}.mid", piece.events, 100, 43)
    write_midi(folder / "moved.mid", tune(57, 30).events, 100, 43)
    (folder / "again.mid").write_bytes((folder / "3.mid").read_bytes())
    (folder / "bad.mid").write_bytes(b"no MIDI file")
    (folder / "empty.mid").write_bytes(b"")
    return folder


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "FILES_IN_SHARD", 5)
    monkeypatch.setattr(encoding, "HASHED", 3)


def target(folder: Path, model_type: int = 2) -> Target:
    return Target(model_type, Encoding(), folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


class Here:
    """Does jobs in this process, and counts them; stops after so many, if told to."""

    def __init__(self, stop: int = 10**9) -> None:
        self.done: list[Any] = []
        self._stop = stop

    def map(self, work: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        for job in jobs:
            if isinstance(job, ShardJob):
                if len(self.done) == self._stop:
                    raise KeyboardInterrupt
                self.done.append(job)
            yield job, work(job)


def test_every_file_is_encoded_or_refused(files: Path, tmp_path: Path) -> None:
    told = encode(str(files), target(tmp_path), Here(), show=False)
    shards = Shards(tmp_path)
    assert (told.files, told.refused, shards.duplicates) == (16, 2, 2)
    assert len(told.shards) == 4
    found = {shards[i].file for i in range(len(shards))}
    assert len(found & {"3.mid", "again.mid"}) == len(found & {"0.mid", "moved.mid"}) == 1
    assert len(shards) == 12
    assert load_manifest(tmp_path) == told


def test_pieces_in_shards_are_those_that_are_read_into_memory(files: Path, tmp_path: Path) -> None:
    encode(str(files), target(tmp_path / "to"), Here(), show=False)
    shards, codec = Shards(tmp_path / "to"), family_of(2).codec()
    memory = {p.name: p for p in family_of(2).read(str(files), home(tmp_path), Encoding()).pieces}
    for row in (shards[i] for i in range(len(shards))):
        piece, wanted = codec.piece(row), memory[row.file]
        assert (piece.events, piece.bpm, piece.program) == (wanted.events, 100, 43)
        assert row.fingerprint == wanted.fingerprint
        assert row.steps == len(wanted) - 1


def test_workers_and_processes_make_the_same_shards(files: Path, tmp_path: Path) -> None:
    for name, workers in (("here", Here()), ("two", LocalWorkers(2))):
        encode(str(files), target(tmp_path / name), workers, show=False)
    assert contents(tmp_path / "here") == contents(tmp_path / "two")


def test_what_was_stopped_goes_on_to_the_same_shards(files: Path, tmp_path: Path) -> None:
    encode(str(files), target(tmp_path / "whole"), Here(), show=False)
    with pytest.raises(KeyboardInterrupt):
        encode(str(files), target(tmp_path / "stopped"), Here(stop=2), show=False)
    assert not (tmp_path / "stopped" / "manifest.json").exists()
    rest = Here()
    encode(str(files), target(tmp_path / "stopped"), rest, show=False)
    assert len(rest.done) == 2
    assert contents(tmp_path / "whole") == contents(tmp_path / "stopped")


def test_only_the_shard_of_a_new_file_is_made_again(files: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for path in files.iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    first = encode(str(source), target(tmp_path / "to"), Here(), show=False)
    write_midi(source / "new.mid", tune(40, 77).events, 100, 43)
    again = Here()
    second = encode(str(source), target(tmp_path / "to"), again, show=False)
    assert len(again.done) == 1
    assert len({*first.shards} & {*second.shards}) == len(first.shards) - 1
    assert {p.name for p in (tmp_path / "to").glob("*.parquet")} == {*second.shards}
    assert first.digest != second.digest


def test_other_settings_are_other_shards(files: Path, tmp_path: Path) -> None:
    encode(str(files), target(tmp_path), Here(), show=False)
    other = Target(2, Encoding(max_duration=Fraction(1)), tmp_path)
    again = Here()
    encode(str(files), other, again, show=False)
    assert len(again.done) == 4


def _killer(job: ShardJob) -> int:
    """Reading '5.mid' ends the process, as a fault in a reader would."""
    if any(file.endswith("/5.mid") for file in job.files):
        os.kill(os.getpid(), signal.SIGKILL)
    return encoding.encode_shard(job)


def test_a_worker_that_dies_takes_nothing_with_it(files: Path, tmp_path: Path) -> None:
    jobs = [
        ShardJob(target(tmp_path), f"{i}.parquet", (str(files / f"{i}.mid"),)) for i in range(4, 8)
    ]
    found = dict(LocalWorkers(2).map(_killer, jobs))
    assert {job.name: done for job, done in found.items()} == {
        "4.parquet": 1,
        "5.parquet": None,
        "6.parquet": 1,
        "7.parquet": 1,
    }


def test_files_that_end_the_reader_are_refused(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tried(file: str, target: Target) -> None:
        if file.endswith("/5.mid"):
            os.kill(os.getpid(), signal.SIGKILL)

    tried.__module__, tried.__qualname__ = encoding.__name__, "_tried"
    monkeypatch.setattr(encoding, "_tried", tried)
    job = ShardJob(target(tmp_path), "x", tuple(str(files / f"{i}.mid") for i in (4, 5, 6)))
    assert encoding._without_culprits(job).culprits == (str(files / "5.mid"),)


def test_a_culprit_is_left_alone(files: Path, tmp_path: Path) -> None:
    bad = str(files / "5.mid")
    job = ShardJob(target(tmp_path), "x.parquet", (bad, str(files / "6.mid")), (bad,))
    assert encoding.encode_shard(job) == 1
    from storage.shards import Shard

    assert Shard(job.path).refused == [("5.mid", encoding.CRASHED)]


def test_shards_that_are_given_are_taken(files: Path, tmp_path: Path) -> None:
    encode(str(files), target(tmp_path / "there"), Here(), show=False)
    assert shards_of(str(tmp_path / "there"), target(tmp_path / "cache"), Here()) == (
        tmp_path / "there"
    )
    made = shards_of(str(files), target(tmp_path / "cache"), Here())
    assert made.parent == tmp_path / "cache"
    again = Here()
    assert shards_of(str(files), target(tmp_path / "cache"), again) == made
    assert not again.done


def test_no_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no scores"):
        encode(str(tmp_path), target(tmp_path / "to"), Here(), show=False)


@pytest.mark.slow
def test_ray_makes_the_same_shards(files: Path, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    try:
        encode(str(files), target(tmp_path / "ray"), RayWorkers("local", 2), show=False)
    finally:
        ray.shutdown()
    encode(str(files), target(tmp_path / "here"), Here(), show=False)
    assert contents(tmp_path / "ray") == contents(tmp_path / "here")
