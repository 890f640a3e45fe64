"""Four voices that play together with others: they hear, go on, or accompany one voice at once.

A voice that is not heard is composed silently, so that the network knows a whole chorale: a melody is
heard with the harmony that it would give it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np

from config_bach import Composing
from families.base import LoadedModel
from families.live import SIXTEENTHS, Place, Sampled, Surprise
from families.sampling import LEAST
from families.satb.encoding import (
    BARS,
    FIRST,
    HIGHEST,
    HOLD,
    LOWEST,
    ORDER,
    PHRASES,
    POSITIONS,
    SILENCE,
    STEP,
    VOICES,
    event_of,
    symbol,
)
from families.satb.features import SatbFeatures
from families.satb.retrieval import TuneIndex, TuneTracker
from families.satb.sampler import SatbSampler
from families.steps import Rows, State
from music.events import Event

Tokens = tuple[int, ...]  # a symbol for each voice


def plan_at(place: Place) -> list[int]:
    """The plan of a step: position, length of the bar, how far it is to the end of the phrase."""
    position = min(1 + int(place.beat / STEP), POSITIONS - 1)
    bar = min(max(round(place.bar), 1), BARS - 1)
    if place.left is None:
        return [position, bar, 0]
    quarters = -int(-(place.left - 1) // 1)  # the last quarter is under the fermata
    return [position, bar, min(1 + max(quarters, 0), PHRASES - 1)]


def within(pitch: int) -> int:
    """A pitch, moved by octaves to where there are symbols."""
    while pitch < LOWEST:
        pitch += 12
    while pitch > HIGHEST:
        pitch -= 12
    return pitch


class LiveSampler(SatbSampler):
    """A SatbSampler whose step can be drawn more than once before it counts."""

    def __init__(
        self, model: LoadedModel, settings: Composing, index: TuneIndex | None = None
    ) -> None:
        """index: pieces in which the soprano is looked up, if the network is told of them."""
        super().__init__(model.predictor, settings, np.random.default_rng(settings.seed))
        if index:
            self.features = [SatbFeatures(tracker=TuneTracker(index))]
        self.nats = np.zeros(len(VOICES))  # of each voice in the last draw
        self._closed: dict[int, set[int]] = {head: set() for head in ORDER}
        self._rows: Rows = np.zeros((1, 0), np.int32)
        self._context: Any = None
        self._after: State = self._state

    @property
    def sounding(self) -> list[int]:
        """The symbol that each voice was struck with."""
        return self.features[0].sounding

    def look(self, plan: Sequence[int]) -> None:
        """Begin a step: what it will be like."""
        self.follow(self.settings)
        self._rows = np.array([[*self.features[0].row(), *plan]], np.int32)
        self._context, self._after = self._predictor.advance(self._rows, self._state)

    def draw(self, given: Mapping[int, int]) -> Tokens:
        """Compose the step around what is given; nothing counts before `take`."""
        tokens, _ = self._draw(self._context, self._rows, given, self._closed)
        for voice in range(len(VOICES)):
            chance = self.given_probability(
                self.probabilities[voice][None], voice, int(tokens[0, voice]), self._rows
            )
            self.nats[voice] = -np.log(max(float(chance[0]), LEAST))
        return tuple(int(t) for t in tokens[0])

    def take(self, tokens: Tokens) -> None:
        """The step was like that."""
        self._state = self._after
        self.features[0].feed(tokens)

    def event(self, tokens: Sequence[int], row: Sequence[int]) -> Event:
        sounds = [row[v] if s == HOLD else s for v, s in enumerate(tokens)]
        return event_of(tokens, sounds, row[-3:], 1)

    def event_now(self, tokens: Tokens) -> Event:
        """The event of the step that was begun."""
        return self.event(tokens, self._rows[0].tolist())

    def copy(self) -> Self:
        twin = super().copy()
        twin.nats = self.nats.copy()
        return twin


class SatbLive(Sampled):
    """Hears, goes on and accompanies, a sixteenth at a time."""

    grid = SIXTEENTHS
    percussion = False

    def __init__(
        self, model: LoadedModel, settings: Composing, voice: int, index: TuneIndex | None = None
    ) -> None:
        """voice: that of one line; equal seeds, and equal music heard, give equal music. index: see
        LiveSampler."""
        self._sampler = LiveSampler(model, settings, index)
        self._voice = voice
        self._heard: set[int] = set()  # voices of which the last step was heard
        self._planned: Tokens | None = None

    # hearing and going on

    def hear(self, event: Event, place: Place) -> Surprise:
        sampler, given = self._sampler, self._given(event)
        sampler.look(plan_at(place))
        sampler.take(sampler.draw(given))
        nats = sum(float(sampler.nats[v]) for v in given)
        return Surprise(nats, sum(s >= FIRST for s in given.values()))

    def _given(self, event: Event) -> dict[int, int]:
        """What the voices do that are heard; those that fall silent now are heard for the last time."""
        given: dict[int, int] = {}
        for voice, (pitch, struck) in self._by_voice(event).items():
            now = symbol(within(pitch))
            goes_on = not struck and self._sampler.sounding[voice] == now
            given[voice] = HOLD if goes_on else now
        silent = self._heard - set(given) if given else {self._voice, *self._heard}
        for voice in silent:
            rests = self._sampler.sounding[voice] == SILENCE
            given[voice] = HOLD if rests else SILENCE
        self._heard = {v for v, s in given.items() if s != SILENCE}
        return given

    def _by_voice(self, event: Event) -> dict[int, tuple[int, bool]]:
        """Which voice sounds which pitch, and whether it strikes it: one line stands in our voice, of
        chords the outer notes in the outer voices."""
        notes = {s.pitch: s.struck for s in event.sounds if not s.drum}
        high = sorted(notes, reverse=True)
        if len(high) < 2:
            return {self._voice: (high[0], notes[high[0]])} if high else {}
        lowest = len(VOICES) - 1
        upper = dict(enumerate(high[:-1][:lowest]))
        return {v: (p, notes[p]) for v, p in (upper | {lowest: high[-1]}).items()}

    def settle(self) -> Surprise:
        return Surprise()

    def next(self, place: Place) -> tuple[Event, Surprise]:
        sampler = self._sampler
        sampler.look(plan_at(place))
        tokens = sampler.draw({})
        sampler.take(tokens)
        self._heard = set()
        return sampler.event_now(tokens), self._surprise(tokens, range(len(VOICES)))

    def _surprise(self, tokens: Tokens, voices: Collection[int]) -> Surprise:
        nats = sum(float(self._sampler.nats[v]) for v in voices)
        return Surprise(nats, sum(tokens[v] >= FIRST for v in voices))

    # accompanying

    def plan(self, place: Place, sounding: bool) -> tuple[Event, Surprise]:
        sampler, was = self._sampler, Surprise()
        if self._planned is not None:
            sampler.take(self._planned)
            was = self._surprise(self._planned, [self._voice])
        sampler.look(plan_at(place))
        silent = sampler.sounding[self._voice] < FIRST
        own = HOLD if sounding != silent else SILENCE
        self._planned = sampler.draw({self._voice: own})
        return self._others(), was

    def correct(self, pitch: int, kept: Collection[int]) -> Event:
        planned = self._planned or (SILENCE,) * len(VOICES)
        given = {v: planned[v] for v in kept} | {self._voice: symbol(within(pitch))}
        self._planned = self._sampler.draw(given)
        return self._others()

    def _others(self) -> Event:
        """The event of what the other voices do."""
        event = self._sampler.event_now(self._planned or ())
        own = self._voice
        voices = tuple(-1 if v == own else p for v, p in enumerate(event.voices))
        struck = tuple(v != own and s for v, s in enumerate(event.struck))
        pitches = tuple(sorted({p for p in voices if p >= 0}))
        return Event(pitches, event.duration, event.velocity, voices, struck, event.beat)

    def copy(self) -> Self:
        twin = super().copy()
        twin._heard = set(self._heard)
        return twin
