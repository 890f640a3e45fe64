"""Corpora of any size: files a second, CPU seconds and peak memory of encoding, beside symusic alone.

python bench/corpora.py [--files 1000 10000] [--from FOLDER] [--model-type N] [--ray] [--today]

The files are made of those of a folder: moved to another key, with some notes and velocities changed, so
that no two are alike. Each measurement is a process of its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from tqdm import tqdm

from config_bach import Encoding, Paths
from families.large import ShardSequences, order_of, read_shards
from families.registry import family_of
from storage.bundle import Bundle
from workflows.encoding import LocalWorkers, RayWorkers, Target, encode

SOURCE = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "cello"
CHANGED = 0.05  # share of notes


def make_files(source: Path, folder: Path, count: int) -> None:
    """So many MIDI files that differ, made of those of a folder."""
    from symusic import Score

    folder.mkdir()
    originals: list[Any] = [Score(path) for path in sorted(source.rglob("*.mid"))]
    rng = np.random.default_rng(1)
    for i in tqdm(range(count), "making files", leave=False, disable=None):
        score = originals[i % len(originals)].shift_pitch(int(rng.integers(-5, 6)))
        for track in score.tracks:
            for j in np.flatnonzero(rng.random(len(track.notes)) < CHANGED).tolist():
                note = track.notes[j]
                note.pitch = min(max(note.pitch + int(rng.integers(-2, 3)), 0), 127)
                note.velocity = int(rng.integers(40, 120))
        score.dump_midi(folder / f"{i:06d}.mid")


def parse(folder: Path, model_type: int, to: Path) -> int:
    """What symusic alone takes, in one process: returns the notes."""
    from symusic import Score

    scores: Iterator[Any] = (Score(path) for path in sorted(folder.iterdir()))
    return sum(score.note_num() for score in scores)


def encoded(workers: Any) -> Callable[[Path, int, Path], int]:
    """Encoding, by some workers."""

    def work(folder: Path, model_type: int, to: Path) -> int:
        family = family_of(model_type)
        target = Target(model_type, Encoding(transpose=family.transpose), to)
        return encode(str(folder), target, workers(), show=False).files

    return work


def opened(folder: Path, model_type: int, to: Path) -> int:
    """What stands before training: opening the shards, the split, the vocabulary of all of them."""
    family = family_of(model_type)
    encoding = Encoding(transpose=family.transpose)
    corpus = read_shards(to, family, encoding, seed=1)
    assert corpus.shards
    return len(family.codec().vocabulary(corpus.shards, encoding).fields[0].symbols)


def heard(folder: Path, model_type: int, to: Path) -> int:
    """What an epoch reads: every training piece once, in one of its keys; returns the steps."""
    family = family_of(model_type)
    encoding = Encoding(transpose=family.transpose)
    corpus = read_shards(to, family, encoding, seed=1)
    assert corpus.shards
    vocabulary = family.codec().vocabulary(corpus.shards, encoding)
    bundle = Bundle("bench", vocabulary, family.network, family.training, {})
    sequences = ShardSequences(corpus.shards, family, bundle)
    order = order_of(sequences, np.random.default_rng(1))
    return sum(len(sequences.in_key(i, 0)) for i in order)


def read(folder: Path, model_type: int, to: Path) -> int:
    """Reading into memory, as small corpora are."""
    corpus = family_of(model_type).read(str(folder), Paths(to), Encoding(), show=False)
    return len(corpus.pieces)


MEASURED: dict[str, Callable[[Path, int, Path], int]] = {
    "symusic alone": parse,
    "encode, 1 process": encoded(lambda: LocalWorkers(1)),
    "encode, 2 processes": encoded(lambda: LocalWorkers(2)),
    "encode, again": encoded(lambda: LocalWorkers(2)),
    "encode, Ray with 2": encoded(lambda: RayWorkers("local", 2)),
    "split and vocabulary": opened,
    "the same, and an epoch read": heard,
    "into memory, cold": read,
    "into memory, cached": read,
}


def measure(what: str, folder: Path, model_type: int, to: Path) -> dict[str, float]:
    """One measurement in a process of its own: wall and CPU seconds, peak MB of its largest process."""
    words = [sys.executable, __file__, "--measure", what, "--from", str(folder)]
    words += ["--model-type", str(model_type), "--to", str(to)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measured_here(what: str, folder: Path, model_type: int, to: Path) -> None:
    """Do it, and print the figures."""
    wall = time.perf_counter()
    before = sum(os.times()[:4])
    MEASURED[what](folder, model_type, to)
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = [resource.getrusage(w).ru_maxrss / 1024 for w in who]
    cpu = sum(os.times()[:4]) - before
    figures = {"wall": time.perf_counter() - wall, "cpu": cpu, "parent": peak[0], "worker": peak[1]}
    print(json.dumps(figures))


def same(a: Path, b: Path) -> bool:
    """Whether two folders hold the same shards, byte by byte."""
    names = sorted(path.name for path in a.glob("*.parquet"))
    return names == sorted(path.name for path in b.glob("*.parquet")) and all(
        (a / name).read_bytes() == (b / name).read_bytes() for name in names
    )


def table(count: int, home: Path, args: argparse.Namespace) -> None:
    """The figures of so many files, as lines of a table."""
    files = home / f"files{count}"
    make_files(args.source, files, count)
    folders = {"encode, 1 process": "one", "encode, Ray with 2": "ray"}
    alone = 0.0
    for what in MEASURED:
        memory = what.startswith("into")
        if (memory and not args.today) or ("Ray" in what and not args.ray):
            continue
        to = home / f"{folders.get(what, 'memory' if memory else 'two')}{count}"
        f = measure(what, files, args.model_type, to)
        alone = alone or f["cpu"]
        cpu = f"{f['cpu']:.1f} | {f['cpu'] / alone:.1f}"
        if "Ray" in what:  # its workers are no children of this process
            cpu, f["worker"] = "? | ?", float("nan")
        speed = f"{count / f['wall']:.0f}"
        memory_told = f"{f['parent']:.0f} | {f['worker']:.0f}"
        print(f"| {count} | {what} | {speed} | {cpu} | {memory_told} |", flush=True)
    print("the same shards by 1 and 2:", same(home / f"one{count}", home / f"two{count}"))
    if args.ray:
        print("the same shards by Ray:", same(home / f"ray{count}", home / f"two{count}"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--from", type=Path, default=SOURCE, dest="source")
    parser.add_argument("--model-type", type=int, default=2)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--today", action="store_true", help="reading into memory, too")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--to", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measured_here(args.measure, args.source, args.model_type, args.to)
        return
    print("| files | what | files/s | CPU s | times symusic | parent MB | worker MB |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as home:
        for count in args.files:
            table(count, Path(home), args)


if __name__ == "__main__":
    main()
