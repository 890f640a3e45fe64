"""A network of type 6 that plays together with others: hears instruments and percussion, and goes on.

A token of a note says how long it lasts, which is not known while it sounds: a moment is told to the
network when its last note has ended, or after PATIENCE, as if it were to last as long again. The token
that says when something happens next is drawn, but not told before its time comes; if somebody plays
in between it is forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple, Self

import numpy as np

from config_bach import Composing
from families.base import LoadedModel
from families.live import Place, Sampled, Surprise
from families.sampling import LEAST
from families.steps import Rows
from families.tracks.cursor import NO_POSITION
from families.tracks.grammar import LONGEST_NOTE, MOST_SILENT_BARS, Mask
from families.tracks.sampler import BEGIN, MOST_REPEATS, TrackSampler, narrowed
from families.tracks.tokens import (
    GRID,
    HOLDS,
    KINDS,
    LONGEST_DURATION,
    METRES,
    QUARTERS,
    SPAN,
    VELOCITY_STEP,
    Kind,
    token,
)
from music.events import COMMON_TIME, Event
from music.sounds import DRUMS, Sound

HEARD = tuple(
    Fraction(n, 12) for n in (0, 3, 4, 6, 8, 9)
)  # sixteenths, triplets: nobody plays finer
PATIENCE = GRID  # parts of a quarter for which the end of a note is waited for
MOST_NOTES = 6  # that it begins at one moment
TIMES = (Kind.POSITION, Kind.BAR)
Key = tuple[int, int]  # program (1..128, or DRUMS), pitch


def parts(time: Fraction) -> int:
    """A time in parts of a quarter."""
    return round(time * GRID)


def metre_of(bar: Fraction) -> int:
    """The metre of bars so many quarters long, an index into METRES; of longer ones that of a part."""
    whole = int(bar) if bar == int(bar) and bar >= 1 else 4
    beats = max(n for n in range(1, QUARTERS + 1) if whole % n == 0)
    return METRES.index((beats, 4))


class LiveSampler(TrackSampler):
    """A TrackSampler that is told tokens, and whose next token can be drawn before it counts."""

    def __init__(self, model: LoadedModel, settings: Composing, programs: Sequence[int]) -> None:
        rng = np.random.default_rng(settings.seed)
        super().__init__(model.predictor, settings, rng, programs, may_end=False)
        self._looked: tuple[Any, Rows] | None = None  # what the network says after the last token
        self.features[0].feed((BEGIN,))

    def give(self, one: int) -> float:
        """The next token is this one; returns nats."""
        context, rows = self._look()
        p = self._predictor.head(0, context, rows, np.zeros((1, 1), np.int32))
        self.features[0].feed((one,))
        self._looked = None
        return float(-np.log(max(float(p[0, one]), LEAST)))

    def draw(self) -> int:
        """What the next token could be; `give` lets it count."""
        features = self.features[0]
        if features.repeats >= MOST_REPEATS:
            self.closed.add(features.forget())
        context, rows = self._look()
        tokens, _ = self._draw(context, rows, {}, {0: set()})
        return int(tokens[0, 0])

    def _look(self) -> tuple[Any, Rows]:
        if self._looked is None:
            rows = np.array([self.features[0].row()], np.int32)
            context, self._state = self._predictor.advance(rows, self._state)
            self._looked = context, rows
        return self._looked

    def allowed(
        self, head: int, piece: int, tokens: Rows, row: Rows, given: Mapping[int, int]
    ) -> Mask:
        """The same, of one piece in one metre and tempo, with something in every bar [SYMBOLS]."""
        cursor = self.features[0].cursor
        mask = super().allowed(head, piece, tokens, row, given) & STEADY
        if cursor.position == NO_POSITION:
            mask = narrowed(mask, ~IS_BAR)
        return narrowed(mask, IS_TIME) if cursor.notes >= MOST_NOTES else mask


IS_TIME: Mask = np.isin(KINDS, TIMES)
IS_BAR: Mask = KINDS == Kind.BAR
STEADY: Mask = ~np.isin(KINDS, (Kind.METRE, Kind.TEMPO, Kind.UPBEAT, Kind.END))


@dataclass
class HeardNote:
    """A note of somebody: when it began and ended (None: it sounds), in parts of a quarter."""

    onset: int
    end: int | None
    program: int
    pitch: int
    level: int  # of velocity

    def tokens(self) -> Iterator[int]:
        """What it is and how long it lasts."""
        if self.program == DRUMS:
            yield token(Kind.DRUM, self.pitch)
            return
        yield token(Kind.PITCH, self.pitch)
        length = min(max((self.end or 0) - self.onset, 1), LONGEST_NOTE)
        long, rest = divmod(length - 1, LONGEST_DURATION)
        for kind, count in enumerate(divmod(long, HOLDS[0] // HOLDS[1])):
            yield from [token(Kind.HOLD, kind)] * count
        yield token(Kind.DURATION, rest)


class Coming(NamedTuple):
    """A token that is drawn and does not count before its time."""

    time: int
    token: int


class TrackLive(Sampled):
    """Hears sixteenths and triplets, plays on a grid of 24 parts of a quarter."""

    grid = HEARD
    _sampler: LiveSampler

    def __init__(self, model: LoadedModel, settings: Composing) -> None:
        """Equal seeds, and equal music heard, give equal music."""
        known: list[list[int]] = model.metadata.get("instrumentations") or []
        played = (
            known[int(np.random.default_rng(settings.seed).integers(len(known)))] if known else []
        )
        self._sampler = LiveSampler(model, settings, played)
        self._known = Counter(program for row in known for program in row)
        self.percussion = not self._known or DRUMS in self._known
        self._dynamics = len({s.velocity for e in model.example for s in e.sounds}) > 1
        self._length = COMMON_TIME  # of a bar
        self._now = 0  # until when it has heard
        self._moment = -1  # the time of the last position it was told; -1: none in this piece
        self._bar: int | None = None  # when the bar began in which that is
        self._waiting: list[HeardNote] = []  # by onset
        self._coming: Coming | None = None  # None: others play
        self._ends: dict[Key, int] = {}  # when what it plays ends
        self._new: dict[Key, int] = {}  # what begins now, with its velocity
        self._loud: dict[Key, int] = {}

    # hearing

    def hear(self, event: Event, place: Place) -> Surprise:
        self._be_silent()
        start = parts(place.time)
        self._now = start + parts(event.duration)
        heard = [(s, program) for s in event.sounds if (program := self.heard_as(s)) is not None]
        held = {(program, s.pitch) for s, program in heard if not s.struck}
        for note in self._waiting:
            if note.end is None and (note.program, note.pitch) not in held:
                note.end = start
            elif note.end is None and self._now - note.onset >= PATIENCE:
                note.end = 2 * self._now - note.onset
        for sound, program in heard:
            if sound.struck:
                end = start if program == DRUMS else None
                level = sound.velocity // VELOCITY_STEP
                self._waiting.append(HeardNote(start, end, program, sound.pitch, level))
        return self._tell(place.bar)

    def heard_as(self, sound: Sound) -> int | None:
        """The program that a sound is heard as: one that the network never heard as its usual one;
        None: not at all, percussion that it knows nothing of."""
        if not self._known or sound.program in self._known:
            return sound.program
        others = [program for program, _ in self._known.most_common() if program != DRUMS]
        return None if sound.drum or not others else others[0]

    def settle(self) -> Surprise:
        for note in self._waiting:
            note.end = self._now if note.end is None else note.end
        return self._tell(self._length)

    def _tell(self, bar: Fraction) -> Surprise:
        """Tell the network all moments, up to one that has not ended."""
        self._length = bar
        surprise = Surprise()
        while self._waiting:
            onset = self._waiting[0].onset
            notes = [n for n in self._waiting if n.onset == onset]
            if any(n.end is None for n in notes):
                break
            self._waiting = self._waiting[len(notes) :]
            nats = self._go_to(onset)
            for note in sorted(notes, key=lambda n: (n.program, n.pitch)):
                nats += sum(map(self._sampler.give, self._tokens(note)))
            surprise += Surprise(nats, len(notes))
        return surprise

    def _tokens(self, note: HeardNote) -> Iterator[int]:
        cursor = self._sampler.features[0].cursor
        if cursor.program != note.program:
            yield token(Kind.PROGRAM, note.program)
        if self._dynamics and cursor.velocity != note.level:
            yield token(Kind.VELOCITY, note.level)
        yield from note.tokens()

    def _go_to(self, time: int) -> float:
        """Tell the bars and the position of a time that is not before the last one; nats of the
        position, for bars come by themselves."""
        sampler = self._sampler
        metre = metre_of(self._length)
        long = GRID * METRES[metre][0]
        bar = time // long * long
        missing = 1 if self._bar is None else (bar - self._bar) // long
        for _ in range(min(missing, MOST_SILENT_BARS + 1)):
            sampler.give(token(Kind.BAR))
            if self._bar is None or sampler.features[0].cursor.metre != metre:
                sampler.give(token(Kind.METRE, metre))
        if missing > 0:
            self._bar = bar
        if time <= self._moment:
            return 0.0
        self._moment = time
        return sampler.give(token(Kind.POSITION, time - (self._bar or 0)))

    # playing

    def next(self, place: Place) -> tuple[Event, Surprise]:
        self.settle()
        self._length, now = place.bar, parts(place.time)
        surprise = self._play(now)
        self._ends = {key: end for key, end in self._ends.items() if end > now or key in self._new}
        stops = [end for end in self._ends.values() if end > now]
        coming = self._coming.time if self._coming else now + GRID
        stop = min([*stops, coming])
        sounds = [
            Sound(program, pitch, self._loud[program, pitch], (program, pitch) in self._new)
            for program, pitch in self._ends
            if program != DRUMS or (program, pitch) in self._new
        ]
        self._new = {}
        event = Event.of(sounds, Fraction(stop - now, GRID), beat=place.beat)
        return event, surprise

    def _play(self, now: int) -> Surprise:
        """Let all that begins now begin, and know when something happens next."""
        surprise = Surprise()
        if self._coming is None or self._coming.time < now:
            self._coming = None
            self._go_to(now)
            surprise += self._moment_now(now)
        while self._coming and self._coming.time <= now:
            nats = self._sampler.give(self._coming.token)
            if KINDS[self._coming.token] == Kind.BAR:
                self._bar = self._coming.time
            else:
                self._moment = self._coming.time
            surprise += Surprise(nats) + self._moment_now(now)
        return surprise

    def _moment_now(self, now: int) -> Surprise:
        """Draw what begins now, up to the token of another time."""
        surprise = Surprise()
        cursor = self._sampler.features[0].cursor
        while True:
            one = self._sampler.draw()
            if KINDS[one] in TIMES:
                bar = self._bar or 0
                later = cursor.length if KINDS[one] == Kind.BAR else one - SPAN[Kind.POSITION].start
                self._coming = Coming(bar + later, one)
                return surprise
            nats = self._sampler.give(one)
            if cursor.struck:
                self._strike(now, *cursor.struck)
            surprise += Surprise(nats, int(cursor.struck is not None))

    def _strike(self, now: int, program: int, pitch: int, level: int, duration: int) -> None:
        key = program, pitch
        self._ends[key] = now + duration
        self._loud[key] = self._new[key] = level * VELOCITY_STEP + VELOCITY_STEP // 2

    def _be_silent(self) -> None:
        """Others play: what was to come does not."""
        self._coming = None
        self._ends, self._new = {}, {}

    def copy(self) -> Self:
        twin = super().copy()
        twin._waiting = [replace(note) for note in self._waiting]
        twin._ends, twin._new, twin._loud = dict(self._ends), dict(self._new), dict(self._loud)
        return twin
