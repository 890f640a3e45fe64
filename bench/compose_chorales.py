"""How near to Bach is what a model of four voices composes, with its defaults?

    python bench/compose_chorales.py [--app bach] [--first 1] [--count 50] [--json PATH]

Composes chorales from seeds in a row, none left out, and puts beside the held-out pieces of the
bundle: the grade (evaluation/judge.py) and its parts, the share of pieces better than the median
real one, parallels per 100 notes, how many end on the tonic, how many phrase ends are triads of the
key in root position, distances (evaluation/style.py), the longest copied passages, and the
processor time. One core.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from config_bach import Composing, Paths
from evaluation.judge import Judge, judge_of, medians
from evaluation.style import cadences, distances, faults_per_100
from families.base import CompositionRequest, LoadedModel
from litert.loading import playing
from music.events import Event, duration_of
from storage.bundle import load
from storage.catalog import choose

Music = Sequence[Event]


def figures(judge: Judge, pieces: Sequence[Music], real: Sequence[Music]) -> dict[str, Any]:
    """What is measured of pieces, beside real ones."""
    grades = [judge.grade(piece) for piece in pieces]
    bar = median(judge.grade(piece).total for piece in real)
    return {
        **medians(grades),
        "better than the median real one": sum(g.total < bar for g in grades) / len(grades),
        **{k: v for k, v in faults_per_100(pieces).items() if k.startswith("parallel")},
        **cadences(pieces),
        **{f"distance, {k}": v for k, v in distances(pieces, real).items()},
    }


def composed(model: LoadedModel, seeds: Sequence[int]) -> tuple[list[Music], list[int], float]:
    """Chorales, the notes that each copies in a row, and seconds of a core for a second of music."""
    pieces, copied, begun, seconds = [], [], time.process_time(), 0.0
    for seed in tqdm(seeds, "composing", disable=None):
        request = CompositionRequest(Composing(seed=seed))
        piece = model.family.compose(model, request, Paths())
        pieces.append(piece.events)
        copied.append(piece.copy.notes if piece.copy else 0)
        seconds += float(duration_of(piece.events)) * 60 / piece.bpm
    return pieces, copied, (time.process_time() - begun) / seconds


def main() -> None:
    """Print a table; write it as JSON if asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", default="bach")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    model = playing(load(choose(args.app, 5, Paths())), Paths())
    judge = judge_of(model)
    real = [piece.events for piece in model.family.unpack(model.bundle.held_out)]
    pieces, copied, cost = composed(model, range(args.first, args.first + args.count))
    found: dict[str, Any] = {
        "composed": figures(judge, pieces, real),
        "real": {
            **figures(judge, real, real),
            **{f"distance, {k}": v for k, v in distances(real[::2], real[1::2]).items()},
        },
        "copied": {"median": median(copied), "longest": max(copied)},
        "seconds of a core for a second of music": cost,
    }
    print(
        f"{model.bundle.name}, seeds {args.first} to {args.first + args.count - 1}, composed, real"
    )
    for name, value in found["composed"].items():
        print(f"  {name:<34} {value:7.3f} {found['real'][name]:7.3f}")
    print(f"  copied in a row: median {median(copied)}, longest {max(copied)}")
    print(f"  {1 / cost:.0f} times faster than real time on one core")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
