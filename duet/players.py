"""Who plays: a person (or a file in the place of one), and a model."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from duet.parts import Part, Performer
from families.live import LiveComposer, Place, Surprise
from music.events import Event, held_over
from music.sounds import program_of

Key = tuple[int, int]  # voice, pitch


@dataclass(eq=False)
class Person:
    """Somebody whose notes come in by a port, or a file."""

    name: str
    part: Part
    port: str = ""  # only notes of this port are theirs; empty: of any
    channel: int = 0  # on which their notes go out, 0..15

    def first_since(self, beat: float, drums: bool = True) -> float | None:
        """The first onset from a beat on. drums: whether percussion counts."""
        found = None
        for note in reversed(self.part.notes):
            if note.onset < beat:
                break
            if drums or not note.drum:
                found = note.onset
        return found

    def last_end(self, drums: bool = True) -> float | None:
        """When the last note ended; None while one sounds, or before there is any."""
        return self.part.last_end(drums)


class Audible(Protocol):
    """What can be heard step by step: a part, or several together."""

    def step(self, before: Fraction, start: Fraction, stop: Fraction) -> Event:
        """What sounds in a step of a grid; see Part.step."""


class Listener:
    """A composer that hears others, step by step of its grid."""

    def __init__(self, composer: LiveComposer, bar: Fraction) -> None:
        """bar: quarter lengths."""
        self.composer, self._bar = composer, bar
        self.heard_to = Fraction(0)
        self.heard = Surprise()  # since the turn began
        self._silent = Fraction(0)  # how long nothing was heard

    def place(self, time: Fraction, end: Fraction | None = None) -> Place:
        """Where a time stands. end: when the phrase ends."""
        return Place(time, self._bar, None if end is None else end - time)

    def listen(self, at: Fraction) -> None:
        """Hear what comes from a time on."""
        self.heard_to, self.heard, self._silent = at, Surprise(), self._bar

    def hear(self, part: Audible, until: Fraction, most: int = 2**31) -> None:
        """Hear the steps of a part that have ended by a time, or so many. Long silence is left out."""
        while (stop := after(self.heard_to, self.composer.grid)) <= until and most > 0:
            most -= 1
            start, before = self.heard_to, self._before(self.heard_to)
            event = part.step(before, start, stop)
            self._silent = Fraction(0) if event.sounds else self._silent + stop - start
            if self._silent <= self._bar:
                self.heard += self.composer.hear(event, self.place(start))
            self.heard_to = stop

    def settle(self) -> Surprise:
        """What was heard is over; how surprising it was."""
        self.heard += self.composer.settle()
        return self.heard

    def _before(self, time: Fraction) -> Fraction:
        """The last point of its grid before a time."""
        whole = Fraction(-(-time // 1)) - 1
        points = [p for g in self.composer.grid if (p := whole + g) < time]
        return max(points, default=whole)


def after(time: Fraction, grid: Iterable[Fraction]) -> Fraction:
    """The first point of a grid (where in a quarter its steps begin, in order) after a time."""
    whole = Fraction(time // 1)
    return next(p for g in (*grid, Fraction(1)) if (p := whole + g) > time)


class ModelPlayer(Listener):
    """A model that hears others and plays: its composer, its part, and what sounds.

    Times are quarter lengths since playing began.
    """

    def __init__(
        self, composer: LiveComposer, performer: Performer, bar: Fraction, source: str = ""
    ) -> None:
        """source: the name of its model."""
        super().__init__(composer, bar)
        self.performer, self.source = performer, source
        self.next_at = Fraction(0)  # when what it composes next begins
        self.played = Surprise()  # since the turn began
        self._last: Event | None = None  # that sounds
        self._sounding: set[Key] = set()
        self._earlier: tuple[Event | None, set[Key]] = (None, set())

    @property
    def name(self) -> str:
        """What it is called."""
        return self.part.name

    @property
    def part(self) -> Part:
        """What it plays."""
        return self.performer.part

    def become(self, composer: LiveComposer, source: str, at: Fraction) -> None:
        """Another model plays from a time on, which has heard all before.

        What sounds must have been ended (Performer.become).
        """
        self.composer, self.source = composer, source
        self._last, self._sounding = None, set()
        self.listen(at)
        self.begin(at)

    # playing

    def begin(self, at: Fraction) -> None:
        """Play from a time on."""
        self.next_at, self.played = at, Surprise()

    def play(self, until: Fraction, end: Fraction | None = None) -> None:
        """Compose and plan all that begins before a time. end: when the phrase ends."""
        while self.next_at < until:
            event, nats = self.composer.next(self.place(self.next_at, end))
            self.sound(event, self.next_at)
            self.played += nats
            self.next_at += event.duration

    def sound(self, event: Event, at: Fraction) -> None:
        """Plan an event: what it does not hold ends, what is new begins."""
        held = held_over(self._last, event) & self._sounding
        self._earlier = (self._last, set(self._sounding))
        for voice, pitch in sorted(self._sounding - held):
            self.performer.end(float(at), pitch, program_of(voice))
        for voice, pitch in sorted(set(event.sounding) - held):
            velocity = event.velocity_of(voice, pitch)
            self.performer.begin(float(at), pitch, velocity, program_of(voice))
        self._last, self._sounding = event, set(event.sounding)

    def rest(self, at: Fraction) -> None:
        """End what sounds at a time."""
        for voice, pitch in sorted(self._sounding):
            self.performer.end(float(at), pitch, program_of(voice))
        self._last, self._sounding = None, set()

    def stop(self, beat: float) -> None:
        """Be silent at once; it is that beat."""
        self.performer.silence(beat)
        self._last, self._sounding = None, set()

    # accompanying

    def revise(self, event: Event, at: Fraction, now: float, kept: Collection[int]) -> None:
        """Another event in the place of the last one, which begins at `at`; it is the beat `now`.

        kept: voices that have struck already.
        """
        if now < at:
            self.performer.cancel(float(at))
            self._last, self._sounding = self._earlier
            self.sound(event, at)
            return
        for voice, (pitch, struck) in enumerate(zip(event.voices, event.struck, strict=True)):
            changed = {key for key in self._sounding if key[0] == voice and key[1] != pitch}
            if voice in kept or not (struck or (pitch < 0 and changed)):
                continue
            for _, old in {key for key in self._sounding if key[0] == voice}:
                self.performer.end(now, old)
            self._sounding -= {key for key in self._sounding if key[0] == voice}
            if pitch >= 0:
                self.performer.begin(now, pitch, event.velocity)
                self._sounding.add((voice, pitch))
        self._last = event
