"""Stop trainings at random moments with Ctrl-C, SIGTERM and kill -9: is anything lost that was kept?

    python bench/stops.py --moments 20

Each training has three epochs of a small network, in a folder of its own. A line for each says when it
was stopped, how, with which exit code, and what it said last; the exit code of the bench is 1 if a
traceback was printed, or if an epoch that was told is in no file.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from config_bach import Paths, UserError
from midi_io import write_midi
from music.events import Event
from storage.bundle import load

ROOT = Path(__file__).parent.parent
WORDS = ("-f", "--app", "t", "--model-type", "2")
NEW = ("-l", "0", "-e", "3", "--units", "12", "--seqlen", "8")
NAME = "t2_nc_mo"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
CODES = {signal.SIGINT: (0, 130), signal.SIGTERM: (0, 143), signal.SIGKILL: (0, -signal.SIGKILL)}


@dataclass(frozen=True)
class Ended:
    """How a training ended: after how many seconds of it the signal came, exit code, what it told."""

    after: float
    number: signal.Signals
    code: int
    output: str

    @property
    def epochs(self) -> int:
        """The last epoch that was told."""
        return max([0, *map(int, re.findall(r"^epoch (\d+)/", self.output, re.M))])


def write_scores(folder: Path) -> None:
    """Eight scales, of different lengths, from different notes."""
    folder.mkdir(parents=True)
    for piece in range(8):
        steps = (0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5, 4, 2)
        pitches = [48 + piece + steps[i % len(steps)] for i in range(40 + 5 * piece)]
        events = [
            Event((p,), Fraction(1, 2) if i % 3 else Fraction(1)) for i, p in enumerate(pitches)
        ]
        write_midi(folder / f"{piece}.mid", events, 100, 1)


def start(paths: Paths, *words: str) -> subprocess.Popen[str]:
    """Train as a person would."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "play_bach.py"), *WORDS, *words],
        env={**os.environ, "PLAY_BACH_HOME": str(paths.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stopped(paths: Paths, after: float, number: signal.Signals) -> Ended:
    """A new training that gets a signal after so many seconds."""
    process = start(paths, *NEW)
    time.sleep(after)
    process.send_signal(number)
    output = process.communicate(timeout=120)[0]
    return Ended(after, number, process.returncode, output)


def problems(ended: Ended, paths: Paths) -> list[str]:
    """What is wrong with how a training ended."""
    found = []
    noise = [line for line in ended.output.splitlines() if "node PyFunc" in line or "W0000" in line]
    if noise:
        found.append(f"noise: {noise[0]}")
    if "Traceback" in ended.output or "Exception" in ended.output:
        found.append("a traceback")
    at_the_ends = "held out" in ended.output or not ended.output  # Python itself starts or ends
    if ended.code not in (*CODES[ended.number], *([-ended.number] if at_the_ends else [])):
        found.append(f"exit code {ended.code}")
    kept = epochs_in(paths.checkpoint / NAME / "last.zip")
    if kept < ended.epochs:
        found.append(f"epoch {ended.epochs} was told, {kept} are kept")
    if "is kept" in ended.output and not epochs_in(paths.checkpoint / NAME / "best.zip"):
        found.append("kept, it said, but there is nothing")
    if "model saved to" in ended.output and not epochs_in(paths.models / f"{NAME}.zip"):
        found.append("saved, it said, but there is no model")
    return found


def epochs_in(path: Path) -> int:
    """How many epochs a bundle has learned for; 0 if there is none or it cannot be read."""
    try:
        return len(load(path).metadata["history"])
    except UserError:
        return 0


def goes_on(paths: Paths) -> list[str]:
    """Whether a training that was stopped is taken up and ended."""
    process = start(paths, "-l", "1")
    output = process.communicate(timeout=300)[0]
    well = process.returncode == 0 and epochs_in(paths.models / f"{NAME}.zip") == 3
    return [] if well else [f"does not go on: {output[-300:]}"]


def main() -> int:
    """Stop as many trainings as are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng, wrong = random.Random(args.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        paths = Paths(Path(folder) / "whole")
        write_scores(paths.training)
        start(paths, *NEW).communicate()
        whole = time.monotonic() - began
        print(f"a whole training takes {whole:.1f} s")
        for i in range(args.moments):
            paths = Paths(Path(folder) / str(i))
            write_scores(paths.training)
            ended = stopped(paths, rng.uniform(0, whole), SIGNALS[i % len(SIGNALS)])
            found = problems(ended, paths)
            if (
                epochs_in(paths.checkpoint / NAME / "last.zip")
                and "model saved" not in ended.output
            ):
                found += goes_on(paths)
            said = (ended.output.strip().splitlines() or ["nothing"])[-1]
            verdict = "; ".join(found) or "well"
            print(
                f"{ended.after:5.1f} s {ended.number.name:<8} {ended.code:4d} {verdict:<6} {said}"
            )
            wrong += bool(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
