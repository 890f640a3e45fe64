"""Tokens -> events, one token at a time: what plays while it is composed."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from fractions import Fraction

from families.tracks.cursor import Cursor
from families.tracks.tokens import GRID, TEMPI, VELOCITY_STEP, Kind, token
from music.events import FASTEST, SLOWEST, Event
from music.sounds import Sound


class EventBuilder:
    """Takes the tokens of a piece, and gives its events as soon as it is known how long they last.

    An event begins wherever notes begin or end, with each bar, and where the tempo changes.
    """

    def __init__(self, bpm: float | None = None) -> None:
        """bpm: the tempo of the piece, to which those of its events are in proportion.

        None: that of its first tempo.
        """
        self.cursor = Cursor()
        self.bpm = bpm
        self._began: int | None = None  # when the music begins
        self._now = 0  # the beginning of the next event
        self._tempo = 1.0
        self._ends: dict[
            tuple[int, int], int
        ] = {}  # when what sounds stops: (program, pitch) -> time
        self._loud: dict[tuple[int, int], int] = {}
        self._new: set[tuple[int, int]] = set()  # what begins now

    def copy(self) -> EventBuilder:
        """Another that goes on by itself."""
        twin = copy.copy(self)
        twin.cursor = self.cursor.copy()
        twin._ends, twin._loud, twin._new = dict(self._ends), dict(self._loud), set(self._new)
        return twin

    def feed(self, one: int) -> list[Event]:
        """Take a token; the events that ended with it."""
        events: list[Event] = []
        cursor = self.cursor
        bar_before = cursor.bar
        cursor.feed(one)
        if cursor.kind in (Kind.BAR, Kind.POSITION):
            bar = bar_before if cursor.kind == Kind.BAR else cursor.bar
            events = list(self._until(cursor.time, bar))
        elif cursor.kind == Kind.TEMPO:
            self._change_tempo(TEMPI[cursor.index])
        elif cursor.kind == Kind.END:
            events = self.finish()
        elif cursor.struck:
            self._strike(cursor.time, *cursor.struck)
        return events

    def finish(self) -> list[Event]:
        """The events until nothing sounds any more."""
        last = max(self._ends.values(), default=self._now)
        if self._new and last == self._now:  # percussion alone
            last += GRID
        events: list[Event] = []
        while self.cursor.bar + self.cursor.length < last:
            events += self.feed(token(Kind.BAR))
        return events + list(self._until(last, self.cursor.bar))

    def _strike(self, time: int, program: int, pitch: int, velocity: int, duration: int) -> None:
        self._ends[program, pitch] = time + duration
        self._loud[program, pitch] = velocity * VELOCITY_STEP + VELOCITY_STEP // 2
        self._new.add((program, pitch))

    def _change_tempo(self, bpm: float) -> None:
        self.bpm = self.bpm or bpm
        self._tempo = min(max(bpm / self.bpm, SLOWEST), FASTEST)

    def _until(self, time: int, bar: int) -> Iterator[Event]:
        """What sounds from now on until a time, all within a bar."""
        if self._began is None:
            self._began = time if self.cursor.upbeat else 0
            self._now = self._began
        while self._now < time:
            stops = [end for end in self._ends.values() if self._now < end < time]
            stop = min(stops, default=time)
            yield self._event(stop, bar)
            self._now, self._new = stop, set()
            self._ends = {s: end for s, end in self._ends.items() if end > stop}

    def _event(self, stop: int, bar: int) -> Event:
        sounds = [
            Sound(program, pitch, self._loud[program, pitch], (program, pitch) in self._new)
            for program, pitch in self._ends
        ]
        beat = Fraction(self._now - bar, GRID)
        return Event.of(sounds, Fraction(stop - self._now, GRID), beat=beat, tempo=self._tempo)


def events_of(tokens: Iterable[int], bpm: float | None = None) -> tuple[Event, ...]:
    """The events of a piece."""
    builder = EventBuilder(bpm)
    events = [event for one in tokens for event in builder.feed(one)]
    return (*events, *builder.finish())
