"""Percussion as symbols: at every step of a grid each kind is struck or not, and how loud.

The steps of a quarter lie where its sixteenths and its triplets do: at 0, 1/4, 1/3, 1/2, 2/3 and 3/4
of it. So both are exact in one bar, and nobody need know beforehand which will come. A slot is the
number of a step in its bar.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from config_bach import Encoding
from families.drums.kit import KIND_OF, KIT, NAMES
from music.events import COMMON_TIME, Event, bar_starts, duration_of
from music.sounds import DRUMS, Sound
from storage.vocabulary import UNKNOWN, Field, Vocabulary

QUARTER = tuple(Fraction(n, 12) for n in (0, 3, 4, 6, 8, 9))  # where the steps of a quarter lie
STEPS = len(QUARTER)
LONGEST_BAR = 12 * STEPS  # slots
LONGEST = 4096  # bars of a piece

UNHEARD, SILENT, FIRST = 0, 1, 2  # symbols: nothing is known, nothing is struck, struck softest
VELOCITIES = (36, 64, 92, 120)  # of the symbols from FIRST on
SYMBOLS = FIRST + len(VELOCITIES)
KINDS = len(KIT)

BAR, SLOT, SLOTS = range(3)  # columns of places

Grid = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int16]
Hit = tuple[
    Fraction, int, int
]  # quarter lengths since the piece began, General MIDI note, velocity


@dataclass(frozen=True, eq=False)
class DrumPiece:
    """Symbols [steps, KINDS] of a piece; where each step is [steps, (bar, slot, slots of the bar)]."""

    name: str
    symbols: Grid
    places: Places
    bpm: float | None = None

    def __len__(self) -> int:
        return len(self.symbols)

    def part(self, start: int, stop: int, name: str) -> DrumPiece:
        """Some of the steps, under a name of their own; bars are counted anew."""
        places = self.places[start:stop].copy()
        if len(places):
            places[:, BAR] -= places[0, BAR]
        return replace(self, name=name, symbols=self.symbols[start:stop], places=places)

    @cached_property
    def events(self) -> list[Event]:
        """What is struck when, with bars."""
        return events_of(self.symbols, self.places)

    @property
    def fingerprint(self) -> str:
        """The same for the same strokes, however loud."""
        struck = np.packbits(self.symbols >= FIRST)
        return hashlib.sha256(struck.tobytes() + self.places.tobytes()).hexdigest()[:16]

    @property
    def hits(self) -> int:
        """How many strokes it has."""
        return int((self.symbols >= FIRST).sum())


def drum_vocabulary(encoding: Encoding) -> Vocabulary:
    """The same for all corpora: a field for each kind of percussion."""
    symbols = (UNKNOWN, "-", *map(str, VELOCITIES))
    return Vocabulary(encoding, tuple(Field(name, symbols) for name in NAMES))


# ---- the grid


def onset(slot: int) -> Fraction:
    """Where a slot lies in its bar, in quarter lengths; also how long a bar of so many slots is."""
    quarter, step = divmod(slot, STEPS)
    return quarter + QUARTER[step]


def slots_of(length: Fraction) -> int:
    """The slots of a bar. Raises ValueError for one that ends between them, or is too long."""
    quarters, rest = divmod(length, 1)
    if rest not in QUARTER or not 0 < length <= onset(LONGEST_BAR):
        raise ValueError(f"a bar of {length} quarters")
    return int(quarters) * STEPS + QUARTER.index(rest)


def nearest_slot(time: Fraction) -> int:
    """The slot that is nearest to a time in a bar, in quarter lengths; the next bar counts on."""
    quarter, rest = divmod(time, 1)
    marks = (*QUARTER, Fraction(1))
    after = bisect_left(marks, rest)
    near = [i for i in (after - 1, after) if i >= 0]
    return int(quarter) * STEPS + min(near, key=lambda i: abs(marks[i] - rest))


def places_of(bars: Iterable[int]) -> Places:
    """The places of whole bars of so many slots each."""
    rows = [(bar, slot, slots) for bar, slots in enumerate(bars) for slot in range(slots)]
    return np.array(rows, np.int16).reshape(-1, 3)


def symbol(velocity: int) -> int:
    """The symbol of a stroke of a MIDI velocity: the nearest one."""
    return FIRST + min(range(len(VELOCITIES)), key=lambda i: abs(VELOCITIES[i] - velocity))


def gridded(
    name: str, hits: Iterable[Hit], bars: Sequence[tuple[Fraction, Fraction]], bpm: float | None
) -> DrumPiece:
    """Strokes as a piece; bars: the start and the length of each, in quarter lengths.

    Of several strokes of a kind on one step the loudest remains. Raises ValueError for a bar that does
    not fit the grid, and for a note that is no percussion.
    """
    starts = [start for start, _ in bars]
    slots = [slots_of(length) for _, length in bars]
    first = [0, *accumulate(slots)]
    symbols = np.full((first[-1], KINDS), SILENT, np.uint8)
    for time, note, velocity in hits:
        bar = max(bisect_right(starts, time) - 1, 0)
        slot = min(nearest_slot(time - starts[bar]), slots[bar])  # the last one: the next bar
        step = min(first[bar] + slot, len(symbols) - 1)
        if note not in KIND_OF:
            raise ValueError(f"note {note} is no percussion")
        kind = KIND_OF[note]
        symbols[step, kind] = max(symbols[step, kind], symbol(velocity))
    return DrumPiece(name, symbols, places_of(slots), bpm)


# ---- events


def sounds_of(symbols: Sequence[int]) -> list[Sound]:
    """What is struck in a step [KINDS]."""
    return [
        Sound(DRUMS, KIT[kind].note, VELOCITIES[x - FIRST])
        for kind, x in enumerate(symbols)
        if x >= FIRST
    ]


def event_of(symbols: Sequence[int], slot: int, length: int) -> Event:
    """The event of a step, and of the steps after it in which nothing is struck: `length` in all."""
    duration = onset(slot + length) - onset(slot)
    return Event.of(sounds_of(symbols), duration, beat=onset(slot))


def events_of(symbols: Grid, places: Places) -> list[Event]:
    """An event wherever something is struck or a bar begins; it lasts until the next one."""
    begins = (symbols >= FIRST).any(1) | (places[:, SLOT] == 0)
    begins[:1] = True
    starts = [*np.flatnonzero(begins).tolist(), len(symbols)]
    return [event_of(symbols[a].tolist(), int(places[a, SLOT]), b - a) for a, b in pairwise(starts)]


def piece_of(events: Sequence[Event], name: str, bpm: float | None = None) -> DrumPiece:
    """Events as a piece, the first and the last bar filled up. What is no percussion is left out.

    Raises ValueError as `gridded` does.
    """
    starts = bar_starts(events) or [Fraction(0)]
    end = duration_of(events)
    lengths = [b - a for a, b in pairwise(starts)]
    last = lengths[-1] if lengths else _whole(end - starts[-1])
    bars = list(zip(starts, [*lengths, max(last, end - starts[-1])], strict=True))
    hits = []
    time = Fraction(0)
    for event in events:
        hits += [(time, s.pitch, s.velocity) for s in event.sounds if s.drum]
        time += event.duration
    return gridded(name, hits, bars, bpm)


def _whole(length: Fraction) -> Fraction:
    """The length of the only bar there is: as long as it sounds, if that is whole quarters."""
    return length if length.denominator == 1 and length >= 1 else max(COMMON_TIME, length)
