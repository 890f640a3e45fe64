"""A network of types 1 to 3 that plays together with others: hears what sounds, and goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from config_bach import Composing
from families.base import LoadedModel
from families.events.encoding import knows_durations
from families.events.rhythm import Rhythm
from families.events.sampler import LONGEST_RUN, EventSampler
from families.live import SIXTEENTHS, Place, Sampled, Surprise
from families.sampling import LEAST
from music.events import HELD, Event


class LiveSampler(EventSampler):
    """An EventSampler that also takes events of others, and says how surprising they were."""

    def give(self, event: Event) -> float:
        """Take an event that somebody else plays; returns nats."""
        row = self._encoder.encode([event])[0].tolist()
        features = self.features[0]
        rows = np.array([features.row()], np.int32)
        heads, self._state = self._predictor.advance(rows, self._state)
        features.feed(row)
        self._durations = [*self._durations[-LONGEST_RUN:], event.duration]
        return self._nats([p[0] for p in heads], row)

    def chosen_nats(self) -> float:
        """How surprising the event was that it composed last."""
        heads = [self.probabilities[head] for head in self._predictor.order]
        return self._nats(heads, self.row)

    @property
    def row(self) -> list[int]:
        """The token ids of the last event."""
        return self.features[0].row()[: len(self._encoder.vocabulary.fields)]

    def _nats(self, heads: Sequence[np.ndarray], row: Sequence[int]) -> float:
        fields = self._encoder.vocabulary.fields
        return sum(
            float(-np.log(max(float(p[token]), LEAST))) + (token == 0) * f.unknown_nats
            for p, token, f in zip(heads, row, fields, strict=True)
        )


class EventLive(Sampled):
    """Steps that nothing is struck in are joined to the event before, so a chord is one event.

    The event that sounds is heard when another begins: at the end of a call there is one to hear.
    """

    grid = SIXTEENTHS
    percussion = False

    def __init__(self, model: LoadedModel, settings: Composing, lookback: bool) -> None:
        """Equal seeds, and equal music heard, give equal music."""
        vocabulary = model.vocabulary
        rhythm = None if knows_durations(vocabulary) else Rhythm(model.metadata["rhythm"])
        self._sampler = LiveSampler(model.predictor, settings, vocabulary, lookback, rhythm=rhythm)
        self._longest = vocabulary.encoding.max_duration
        self._model, self._begun = model, False
        self._pending: Event | None = None

    def hear(self, event: Event, place: Place) -> Surprise:
        pending, struck = self._pending, any(s.struck for s in event.sounds if not s.drum)
        same = pending is not None and not struck and pending.pitches == event.pitches
        if same and pending is not None and pending.duration + event.duration <= self._longest:
            self._pending = replace(pending, duration=pending.duration + event.duration)
            return Surprise()
        surprise = self.settle()
        plain = Event(event.pitches, event.duration, event.velocity)
        self._pending = replace(plain, struck=HELD) if same else plain
        return surprise

    def settle(self) -> Surprise:
        event, self._pending = self._pending, None
        if event is None or (not self._begun and not event.pitches):
            return Surprise()
        if not self._begun:
            self._begin([event])
            return Surprise()
        return Surprise(self._sampler.give(event), int(bool(event.pitches)))

    def _begin(self, events: Sequence[Event]) -> None:
        self._sampler.begin(events)
        self._begun = True

    def next(self, place: Place) -> tuple[Event, Surprise]:
        self.settle()
        if not self._begun:  # nobody has played: it begins as a piece does that it never learned
            _, prime = self._model.prime(self.settings.seed)
            self._begin(prime[: self._model.bundle.network.seqlen])
        event = self._sampler.next()
        nats = Surprise(self._sampler.chosen_nats(), int(bool(event.pitches)))
        return replace(event, beat=place.beat), nats
