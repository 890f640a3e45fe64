"""The process of a training: a command line of play_bach.py, at the lowest priority."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from config_bach import Paths
from stream.training_reader import NICE

PROGRAM = Path(__file__).parent.parent / "play_bach.py"


class Job(msgspec.Struct, frozen=True):
    """A training, as it is remembered. base: the model it starts from; '': from scratch.

    tries: how often restarts of the server have taken it up without an epoch learned; learned: how many
    epochs there were at the last of them. told: how it ended, in a sentence.
    """

    user: str
    app: str
    model_type: int
    base: str = ""
    epochs: int = 1
    state: Literal["running", "ended"] = "running"
    told: str = ""
    tries: int = 0
    learned: int = 0


def command(job: Job, corpus: Path, told: Path, again: bool, units: int) -> list[str]:
    """The command line of a training. told: where it tells how far it is. again: an epoch of it was
    learned already, and it goes on. units: of a new network; 0: as many as -f takes."""
    words = ["-f", "--app", job.app, "--corpus", str(corpus), "--progress", str(told)]
    if again:
        return ["-l", "1", *words, "--model-type", str(job.model_type)]
    words += ["-e", str(job.epochs)]
    if job.base:
        return ["-l", "1", *words, "--from", job.base, "--no-scratch"]
    sized = ["--units", str(units)] if units else []
    return ["-l", "0", *words, "--model-type", str(job.model_type), *sized]


def started(
    words: Sequence[str], folder: Path, paths: Paths, threads: int
) -> "subprocess.Popen[bytes]":
    """A play_bach.py at the lowest priority, with few threads; what it says is in output.txt."""
    environment = {
        **os.environ,
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": str(threads),
        "PLAY_BACH_HOME": str(paths.root),
        "PYTHONUNBUFFERED": "1",
    }
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the server, which then ends it
            creationflags=getattr(subprocess, "IDLE_PRIORITY_CLASS", 0),  # on Windows
        )
    with contextlib.suppress(AttributeError, OSError):
        os.setpriority(
            os.PRIO_PROCESS, process.pid, NICE
        )  # its threads, which are to come, inherit it
    with contextlib.suppress(OSError):  # Linux: if memory runs out, this goes, and not the server
        Path(f"/proc/{process.pid}/oom_score_adj").write_text("1000")
    return process
