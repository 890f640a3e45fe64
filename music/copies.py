"""How much of a piece stands verbatim in the training corpus, in whatever key, and where.

Music is compared as a row of moments. A moment is what sounds (as intervals from its lowest note),
which voices strike it, for how long, and how far its lowest note lies from the one before. So a
passage is found in any transposition. The length of a copy is the number of notes struck in it.
"""

import copy
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import repeat
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from config_bach import BAR_AFTER, counted
from music.events import TICKS, Event

LONGEST = 4096  # moments of a passage whose beginning is remembered
SIXTEENTH = Fraction(1, 4)  # quarter lengths


@dataclass(frozen=True)
class Copy:
    """A passage that stands in the corpus: its notes, and the piece and the quarter it begins at there.

    `begins` is where it begins in the new piece, in quarter lengths.
    """

    notes: int = 0
    piece: str = ""
    quarter: Fraction = Fraction(0)
    begins: Fraction = Fraction(0)

    def __str__(self) -> str:
        if not self.notes:
            return "nothing"
        return f"{counted(self.notes, 'note')} of {self.piece} from quarter {float(self.quarter) + 1:g}"


def moment(before: Event | None, event: Event) -> tuple[int, int, int]:
    """The shape of an event, its shape with the leap from the event before, and its notes."""
    base = min(event.pitches, default=0)
    since = _since(before, event)
    lasts = ticks(event.duration) if since is None else 0
    shape = hash((_intervals(event, base), event.struck, lasts))
    was = min(before.pitches, default=None) if before else None
    leap: Any = base - was if event.pitches and was is not None else 0
    if since is not None:
        leap = ticks(since)
    struck = [s.struck for s in event.sounds] or event.struck
    notes = sum(struck) if struck else len(event.pitches)
    return shape, hash((shape, leap)), notes


def _since(before: Event | None, event: Event) -> Fraction | None:
    """The time since the event before, in percussion alone; else None.

    Strokes end at once. So it is the time from one to the next that counts, and not how long nothing
    comes after them, which is not known when they are composed.
    """
    if event.pitches or event.voices:  # as nearly always
        return None
    if before and (before.pitches or before.voices):
        return None
    if not (event.sounds or (before and before.sounds)):
        return None
    return before.duration if before else Fraction(0)


def _intervals(event: Event, base: int) -> Any:
    """What sounds, as semitones above a pitch; percussion by its kind."""
    if event.sounds:
        return tuple((s.program, s.transposed(-base).pitch, s.struck) for s in event.sounds)
    if event.voices:
        return tuple(p - base if p >= 0 else None for p in event.voices)
    return tuple(p - base for p in event.pitches)


def ticks(duration: Fraction) -> int:
    """A duration as a whole number, which is quicker to add and to compare; see TICKS."""
    below = duration.denominator  # in whole numbers: a hundred thousand are asked for at a time
    return (2 * duration.numerator * TICKS + below) // (2 * below)


def sixteenths(events: Iterable[Event]) -> Iterator[Event]:
    """Music in voices cut into sixteenths, so that held voices are compared step by step."""
    for event in events:
        if not event.voices:
            yield event
            continue
        yield replace(event, duration=SIXTEENTH)
        held = replace(event, duration=SIXTEENTH, struck=(False,) * len(event.voices))
        yield from repeat(held, round(event.duration / SIXTEENTH) - 1)


class CopyIndex:
    """All training pieces as one row of moments, to be searched for copied passages."""

    def __init__(self, pieces: Iterable[tuple[str, Sequence[Event]]]) -> None:
        self.names: list[str] = []
        rows: list[tuple[int, int, int]] = []
        self._piece: list[int] = []
        self._time: list[int] = []  # ticks since the piece began
        for name, events in pieces:
            before, time = None, 0
            for event in sixteenths(events):
                rows.append(moment(before, event))
                self._piece.append(len(self.names))
                self._time.append(time)
                before, time = event, time + ticks(event.duration)
            rows.append((0, 0, 0))  # no copy goes over the end of a piece
            self._piece.append(len(self.names))
            self._time.append(time)
            self.names.append(name)
        table = np.array(rows, np.int64).reshape(-1, 3)
        self.shapes, self.leaps = table[:, 0], table[:, 1]
        self._order = np.argsort(self.shapes, kind="stable")
        self._sorted = self.shapes[self._order]

    def __len__(self) -> int:
        return len(self.shapes)

    def longest(self, events: Sequence[Event], but: str = "") -> Copy:
        """The longest passage of a piece that stands here; `but` names a piece that does not count."""
        tracker = CopyTracker(self, but)
        best = Copy()
        how = {"delay": BAR_AFTER, "leave": False, "disable": None}
        for event in tqdm(list(sixteenths(events)), "looking for copies", **how):
            notes = tracker.feed(event)
            if notes > best.notes:
                best = tracker.copy()
        return best

    def locate(self, row: int) -> tuple[str, Fraction]:
        """The piece that a moment belongs to, and its quarter in that piece."""
        return self.names[self._piece[row]], Fraction(self._time[row], TICKS)

    def places(self, shape: int) -> npt.NDArray[np.intp]:
        """The moments that have a shape, in order."""
        first = np.searchsorted(self._sorted, shape, "left")
        return self._order[first : np.searchsorted(self._sorted, shape, "right")]

    def rows_of(self, name: str) -> npt.NDArray[np.bool_]:
        """Which moments belong to the piece of that name [moments]."""
        wanted = {i for i, known in enumerate(self.names) if known == name}
        return np.isin(np.array(self._piece), list(wanted))


class CopyTracker:
    """Takes music event by event, and knows how long the passage is that it copies just now."""

    def __init__(self, index: CopyIndex, but: str = "") -> None:
        """but: the name of a piece that does not count."""
        self._index = index
        self._excluded = index.rows_of(but) if but else None
        self._ends = _Ends()
        self._next: tuple[Event, _Ends] | None = None  # an event that was asked for, and its ends
        self._before: Event | None = None
        self._times = deque([Fraction(0)], maxlen=LONGEST)

    def feed(self, event: Event) -> int:
        """Take one event; returns the notes of the longest copied passage that ends with it."""
        self._ends = self._after(event)
        self._before, self._next = event, None
        self._times.append(self._times[-1] + event.duration)
        return self._ends.longest

    def lasted(self, duration: Fraction) -> None:
        """The event that was taken last is so long, as came out since."""
        if self._before is not None and self._before.duration != duration:
            gone = duration - self._before.duration
            self._before = replace(self._before, duration=duration)
            self._times[-1] += gone
            self._next = None

    def would_be(self, event: Event) -> int:
        """What `feed` would return, without taking the event."""
        return self._after(event).longest

    def twin(self) -> Self:
        """Another that goes on by itself."""
        other = copy.copy(self)
        other._times = self._times.copy()
        return other

    def copy(self) -> Copy:
        """The longest passage that ends with the last event."""
        if not self._ends.longest:
            return Copy()
        end = int(self._ends.notes.argmax())
        length = int(self._ends.moments[end])
        name, quarter = self._index.locate(int(self._ends.rows[end]) - length + 1)
        begins = self._times[max(len(self._times) - 1 - length, 0)]
        return Copy(self._ends.longest, name, quarter, begins)

    def _after(self, event: Event) -> "_Ends":
        if self._next is None or self._next[0] is not event:
            self._next = (event, self._extended(event))
        return self._next[1]

    def _extended(self, event: Event) -> "_Ends":
        """Where passages end after one more event: those that go on, and those that begin with it."""
        shape, leap, notes = moment(self._before, event)
        rows, before = self._index.places(shape), self._ends
        if self._excluded is not None:
            rows = rows[~self._excluded[rows]]
        if not len(before.rows):
            return _Ends(rows, np.full(len(rows), notes), np.ones(len(rows), int))
        place = np.minimum(np.searchsorted(before.rows, rows - 1), len(before.rows) - 1)
        goes_on = (before.rows[place] == rows - 1) & (self._index.leaps[rows] == leap)
        copied = notes + np.where(goes_on, before.notes[place], 0)
        return _Ends(rows, copied, 1 + np.where(goes_on, before.moments[place], 0))


NONE = np.zeros(0, np.intp)


@dataclass(frozen=True)
class _Ends:
    """The moments at which copied passages end, in order; their notes and their lengths in moments."""

    rows: npt.NDArray[np.intp] = field(default_factory=lambda: NONE)
    notes: npt.NDArray[np.intp] = field(default_factory=lambda: NONE)
    moments: npt.NDArray[np.intp] = field(default_factory=lambda: NONE)

    @property
    def longest(self) -> int:
        """The notes of the longest."""
        return int(self.notes.max(initial=0))
