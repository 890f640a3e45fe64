"""Does harmonising follow the rules? Twenty held-out melodies, and some that are unusual.

    python bench/harmonise.py [--app bach] [--first 1] [--count 20] [--json PATH]

The melodies are the sopranos of the first held-out pieces of the bundle by name, with their bars and
fermatas, and nothing else of them. Each is harmonised with the defaults, once, by the seed that is its
place in the list. The table says how many parallels there are in 100 notes and whether the piece ends
on its tonic triad, counted as in the report card (evaluation/style.py), Bach's own figures beside, and
whether all given notes stand. Then melodies in 3/4, with an upbeat, in minor, out of range, with rubato
and swung: what is made of them, or the sentence that refuses them.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from config_bach import Composing, Paths, UserError
from evaluation.style import cadences, faults_per_100
from families.base import Composition, CompositionRequest, LoadedModel, Work
from litert.loading import playing
from music.events import (
    Event,
    Note,
    bar_starts,
    bars_of,
    duration_of,
    fermatas_of,
    notes_from_events,
)
from music.scores import Score
from storage.bundle import load
from storage.catalog import choose

Music = Sequence[Event]
RULES = ("parallel fifths", "parallel octaves")
# a tune as pitches and lengths in sixteenths
TUNE = ((67, 4), (69, 4), (71, 4), (72, 4), (71, 4), (69, 4), (67, 8)) * 2
THREE_FOUR = ((67, 8), (69, 4), (71, 8), (72, 4), (71, 4), (69, 4), (66, 4), (67, 12)) * 2
MINOR = ((69, 4), (71, 4), (72, 4), (74, 4), (76, 4), (74, 4), (72, 4), (71, 4), (69, 16))


@dataclass(frozen=True)
class Row:
    """What is measured of a harmonised melody; real: the same of Bach's own."""

    name: str
    fifths: float  # parallel ones in 100 notes
    octaves: float
    tonic: bool  # whether it ends on the tonic triad
    stands: bool  # whether all given notes do
    real_fifths: float
    real_octaves: float
    real_tonic: bool
    seconds: float  # of a core


def soprano(piece: Work) -> Score:
    """The highest voice of a piece, with its bars and fermatas."""
    events = piece.events
    notes = tuple(n for n in notes_from_events(events) if n.voice == 0)
    bars, fermatas = tuple(bar_starts(events)), tuple(fermatas_of(events))
    return Score(piece.name, notes, piece.bpm, bars=bars, fermatas=fermatas)


def harmonised(model: LoadedModel, score: Score, seed: int) -> Composition:
    """A melody with three voices under it, by the defaults. Raises UserError if it is refused."""
    request = CompositionRequest(Composing(seed=seed), options={"harmonise": score})
    return model.family.compose(model, request, Paths())


def sung(events: Music) -> list[tuple[Fraction, Fraction, int]]:
    """The onsets, lengths and pitches of the soprano, moved to sixteenths."""
    grid = Fraction(1, 4)
    return [
        (round(n.onset / grid) * grid, round(n.duration / grid) * grid, n.pitch)
        for n in notes_from_events(events)
        if n.voice == 0
    ]


def row(piece: Work, made: Music, seconds: float) -> Row:
    """What is measured of one piece."""
    real = piece.events
    found, own = faults_per_100([made]), faults_per_100([real])
    tonic, real_tonic = (bool(cadences([x])["ends on the tonic"]) for x in (made, real))
    return Row(
        piece.name,
        fifths=found[RULES[0]],
        octaves=found[RULES[1]],
        tonic=tonic,
        stands=sung(made) == sung(real),
        real_fifths=own[RULES[0]],
        real_octaves=own[RULES[1]],
        real_tonic=real_tonic,
        seconds=seconds,
    )


def measured(model: LoadedModel, pieces: Sequence[Work]) -> tuple[list[Row], dict[str, Any]]:
    """A row for each melody, and the totals."""
    rows, made = [], []
    for seed, piece in enumerate(tqdm(pieces, "harmonising", disable=None), 1):
        begun = time.process_time()
        made.append(harmonised(model, soprano(piece), seed).events)
        rows.append(row(piece, made[-1], time.process_time() - begun))
    return rows, {"harmonised": totals(made), "Bach": totals([p.events for p in pieces])}


def totals(pieces: Sequence[Music]) -> dict[str, float]:
    """Parallels in 100 notes of all pieces, and how cadences are."""
    return {**{k: faults_per_100(pieces)[k] for k in RULES}, **cadences(pieces)}


def line(r: Row) -> str:
    """A row of the table."""
    end, real_end, stands = ("yes" if x else "no" for x in (r.tonic, r.real_tonic, r.stands))
    return (
        f"| {r.name:<22} | {r.fifths:5.2f} | {r.octaves:5.2f} | {end:<3} | {stands:<3} "
        f"| {r.real_fifths:5.2f} | {r.real_octaves:5.2f} | {real_end:<3} | {r.seconds:5.1f} |"
    )


def tune(
    name: str, rows: Sequence[tuple[int, int]], bar: int = 4, upbeat: int = 0, move: int = 0
) -> Score:
    """A melody of pitches and sixteenths, in bars of so many quarters; the first quarters before them
    are an upbeat."""
    starts = [Fraction(x, 4) for x in accumulate((n for _, n in rows), initial=0)]
    notes = tuple(
        Note(start, Fraction(n, 4), p + move, 90)
        for start, (p, n) in zip(starts, rows, strict=False)
    )
    begins = range(upbeat - bar if upbeat else 0, int(starts[-1]), bar)
    return Score(name, notes, 90, bars=tuple(map(Fraction, begins)))


def played(score: Score, name: str, early: Sequence[Fraction]) -> Score:
    """A melody whose notes begin beside their time by these parts of a quarter, in turn."""
    late = [n.onset + early[i % len(early)] for i, n in enumerate(score.notes)]
    ends = [*late[1:], score.notes[-1].end]
    notes = tuple(
        Note(a, b - a, n.pitch, n.velocity) for n, a, b in zip(score.notes, late, ends, strict=True)
    )
    return Score(name, notes, score.bpm, bars=score.bars)


def unusual() -> Iterator[Score]:
    """Melodies that are not as most are."""
    yield tune("in 3/4", THREE_FOUR, bar=3)
    yield tune("with an upbeat", ((62, 4), *TUNE[:-1], (67, 4)), upbeat=1)
    yield tune("in minor", MINOR * 2)
    yield tune("two octaves too low", TUNE, move=-24)
    yield tune("too high", TUNE, move=17)
    yield tune("too wide", ((48, 8), (84, 8)) * 4)
    rubato = [Fraction(x, 120) for x in (0, 7, -11, 17, 5, -8, 13)]
    yield played(tune("rubato", TUNE), "with rubato", rubato)
    eighths = tune("eighths", [(p, 2) for p, _ in TUNE[:7] * 4] + [(67, 8)])
    yield played(eighths, "swung", [Fraction(0), Fraction(1, 6)])


def told(model: LoadedModel, score: Score) -> str:
    """What is made of a melody, or why it is refused."""
    try:
        made = harmonised(model, score, 1)
    except UserError as error:
        return f"refused: {error}"
    found, bars = totals([made.events]), bars_of(made.events)
    how = [
        f"{len(bars)} bars of {bars[-1].length} quarters",
        f"upbeat of {bars[0].stop} quarters" if not bars[0].number else "no upbeat",
        f"key {made.key}",
        f"fifths {found[RULES[0]]:.2f}, octaves {found[RULES[1]]:.2f}",
        "ends on the tonic" if found["ends on the tonic"] else "does not end on the tonic",
        *(f"assumed: {x}" for x in made.remarks),
    ]
    return "; ".join(how)


def long_melody(pieces: Sequence[Work], seconds: float) -> Score:
    """The first sopranos one after the other, until they last so long at 80 quarters a minute."""
    notes: list[Note] = []
    bars, fermatas, now = [], [], Fraction(0)
    for piece in pieces:
        score = soprano(piece)
        notes += [Note(n.onset + now, n.duration, n.pitch, n.velocity) for n in score.notes]
        bars += [b + now for b in score.bars if b >= 0]
        fermatas += [(a + now, b + now) for a, b in score.fermatas]
        now += duration_of(piece.events)
        if now * 60 / 80 >= seconds:
            break
    return Score(
        f"{float(now * 60 / 80):.0f} seconds",
        tuple(notes),
        80,
        bars=tuple(bars),
        fermatas=tuple(fermatas),
    )


def main() -> None:
    """Print the tables; write the first one as JSON if asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", default="bach")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    model = playing(load(choose(args.app, 5, Paths())), Paths())
    held_out = sorted(model.family.unpack(model.bundle.held_out), key=lambda piece: piece.name)
    pieces = held_out[args.first - 1 :][: args.count]
    rows, found = measured(model, pieces)
    print(f"{model.bundle.name}: {len(rows)} melodies of held-out pieces, by name")
    print(
        "| melody | fifths | octaves | tonic | stands | Bach: fifths | octaves | tonic | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(map(line, rows)))
    for side, figures in found.items():
        print(f"{side}: " + ", ".join(f"{k} {v:.3f}" for k, v in figures.items()))
    print(f"given notes stand in {sum(r.stands for r in rows)} of {len(rows)}")
    for score in unusual():
        print(f"{score.name}: {told(model, score)}")
    begun, long = time.process_time(), long_melody(held_out, 120)
    harmonised(model, long, 1)
    print(f"a melody of {long.name} took {time.process_time() - begun:.1f} s of a core")
    if args.json:
        args.json.write_text(json.dumps({"rows": [asdict(r) for r in rows], **found}, indent=1))


if __name__ == "__main__":
    main()
