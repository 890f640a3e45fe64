"""A training in several processes, on this machine or on those of a Ray cluster: started, watched, and
started again from the last checkpoint when one of them ends too early.

The processes run on JAX (worker.py). This one only waits; it imports neither JAX nor Keras.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from config_bach import UserError
from storage import bundle as bundles
from storage.bundle import Bundle
from storage.files import write_text

log = logging.getLogger("play_bach")

PLAN, START, LAST = "plan.json", "start.zip", "last.zip"
ADDRESS = "coordinator.txt"  # where the first process is
ROOT = Path(__file__).resolve().parent.parent
POLL = 0.2  # seconds
ATTEMPTS = 3  # starts without any progress before giving up
GRACE = 10  # seconds a process has to end


@dataclass(frozen=True)
class Plan:
    """What the processes of a training have to know: where the shards are, and how many they are."""

    shards: str
    processes: int

    def save(self, folder: Path) -> None:
        """Write it where the processes look for it."""
        write_text(folder / PLAN, json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> Plan:
        """The inverse of `save`."""
        data = json.loads((folder / PLAN).read_text("utf-8"))
        return cls(str(data["shards"]), int(data["processes"]))


class Process(Protocol):
    """A process that was started somewhere."""

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""

    def end(self) -> None:
        """Let it end, and wait for that."""


Start = Callable[[Path, int], Process]  # folder, index


def train(
    bundle: Bundle, plan: Plan, folder: Path, start: Start, check: Callable[[], None]
) -> Bundle:
    """Train to the end in several processes; returns what the last checkpoint holds.

    check: is called now and then, and may raise; then all processes end, and the exception goes on.
    Raises UserError if they end again and again without getting on.
    """
    bundle.save(folder / START)
    plan.save(folder)
    failures, reached = 0, len(bundle.metadata["history"])
    while failures < ATTEMPTS:
        if _together(plan, folder, start, check):
            return newest(folder)
        epochs = len(newest(folder).metadata["history"])
        failures = 1 if epochs > reached else failures + 1
        reached = epochs
        log.info("a process of the training has ended: going on from epoch %d", epochs)
    raise UserError(
        f"the processes of the training ended {ATTEMPTS} times before an epoch was learned: see what "
        f"they wrote in {folder}/worker-0.log; with fewer of them each has more memory."
    )


def _together(plan: Plan, folder: Path, start: Start, check: Callable[[], None]) -> bool:
    """Run all processes until the first one is done (True) or any has failed (False)."""
    (folder / ADDRESS).unlink(missing_ok=True)
    running = [start(folder, i) for i in range(plan.processes)]
    try:
        while True:
            check()
            codes = [process.poll() for process in running]
            if codes[0] == 0:
                return True
            if any(code is not None and code != 0 for code in codes):
                return False
            time.sleep(POLL)
    finally:
        for process in running:
            process.end()


def newest(folder: Path) -> Bundle:
    """The last checkpoint of a training or, where there is none that got further, its start."""
    begun = bundles.load(folder / START)
    if not (folder / LAST).is_file():
        return begun
    last = bundles.load(folder / LAST)
    if len(last.metadata["history"]) <= len(begun.metadata["history"]):
        return begun
    return last.with_metadata(epochs=begun.metadata["epochs"])


class LocalProcess:
    """A process of this machine. What it complains of goes to worker-INDEX.log in its folder."""

    def __init__(self, folder: Path, index: int, one_machine: bool = True) -> None:
        """one_machine: whether all the others are here, too."""
        with (folder / f"worker-{index}.log").open("w") as complaints:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "workflows.worker", str(folder), str(index)],
                env=environment(one_machine),
                cwd=ROOT,
                stdout=None if index == 0 else complaints,
                stderr=complaints,
            )
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """See Process."""
        return self._process.poll()

    def end(self) -> None:
        """See Process."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def environment(one_machine: bool) -> dict[str, str]:
    """The environment of a worker: Keras on JAX."""
    where = {"PLAY_BACH_ONE_MACHINE": "1"} if one_machine else {}
    return {**os.environ, "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3", **where}


def starter(ray: Any = None) -> Start:
    """What starts a process: here or, given Ray, on one of its machines."""
    return partial(RayProcess, ray) if ray else LocalProcess


class RayProcess:
    """A process on one of the machines of a Ray cluster."""

    def __init__(self, ray: Any, folder: Path, index: int) -> None:
        self._ray = ray
        run = ray.remote(num_cpus=1, max_retries=0)(_run_there)
        self._task = run.remote(str(folder), index)

    def poll(self) -> int | None:
        """See Process; a lost machine is a failure."""
        done, _ = self._ray.wait([self._task], timeout=0)
        if not done:
            return None
        try:
            return int(self._ray.get(self._task))
        except self._ray.exceptions.RayError:
            return 1

    def end(self) -> None:
        """See Process."""
        self._ray.cancel(self._task, force=True)


def _run_there(folder: str, index: int) -> int:
    """On the machine of a Ray worker: run a process until it ends, or end it with this one."""
    process = LocalProcess(Path(folder), index, one_machine=False)
    try:
        while (code := process.poll()) is None:
            time.sleep(POLL)
        return code
    finally:
        process.end()
