"""Music for many instruments composed token after token: the next event, endlessly."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from config_bach import DEFAULT_BPM, Composing
from families.base import LoadedModel, Prediction
from families.sampling import StepSampler
from families.steps import Predictor, Rows
from families.tracks.events import EventBuilder
from families.tracks.features import TrackFeatures
from families.tracks.grammar import Mask, following
from families.tracks.instrumentation import only, programs_of
from families.tracks.tokens import Kind, token
from music.events import Event
from music.scales import scale_of

REST = Event((), Fraction(2))  # between two pieces of a stream
DETOURS = 12  # other ways that are tried before a copied passage is let go on
MOST_REPEATS = 3  # of a passage, in a row; of the tokens of real music 1 in 5,000 at most
BEGIN, END = token(Kind.BEGIN), token(Kind.END)


class TrackSampler(StepSampler[TrackFeatures]):
    """A StepSampler of one piece, whose steps are tokens."""

    def __init__(
        self,
        predictor: Predictor,
        settings: Composing,
        rng: np.random.Generator,
        programs: Sequence[int],
        may_end: bool,
    ) -> None:
        """programs: the only ones that play; empty: any. may_end: whether the piece may end."""
        super().__init__(predictor, settings, rng, [TrackFeatures()])
        self.closed: set[int] = set()  # tokens that may not come next, if there are others
        self.last = BEGIN  # the last token
        self._may_end = may_end
        self._played = only(programs)
        self._scale: tuple[str, frozenset[int]] = ("", frozenset())

    def begin(self, tokens: Sequence[int], heard: int) -> None:
        """Take the tokens that come before; the network hears the last ones."""
        features = self.features[0]
        for i, one in enumerate(tokens):
            if i and i >= len(tokens) - heard:
                rows = np.array([features.row()], np.int32)
                _, self._state = self._predictor.advance(rows, self._state)
            features.feed((one,))

    def next(self) -> int:
        """The next token; what only repeats itself is left."""
        features = self.features[0]
        if features.repeats >= MOST_REPEATS:
            self.closed.add(features.forget())
        self.last = int(self.step()[0, 0])
        return self.last

    def allowed(
        self, head: int, piece: int, tokens: Rows, row: Rows, given: Mapping[int, int]
    ) -> Mask:
        """What makes a piece, in the scale of the settings, for its instruments [SYMBOLS]."""
        mask = following(self.features[0].cursor, self._pitch_classes(), self._may_end)
        others = np.ones(len(mask), bool)
        others[list(self.closed)] = False
        self.closed = set()
        return narrowed(narrowed(mask, self._played), others)

    def _pitch_classes(self) -> frozenset[int]:
        name = self.settings.scale
        if name != self._scale[0]:
            self._scale = (name, scale_of(name) if name else frozenset())
        return self._scale[1]

    def event(self, tokens: Sequence[int], row: Sequence[int]) -> Event:
        """Nothing: an event is made of several tokens, see TrackComposer."""
        return REST

    def snapshot(self) -> tuple[Any, ...]:
        """Where it stands."""
        return self.features[0].copy(), self._state

    def restore(self, kept: tuple[Any, ...]) -> None:
        """Go back to where it stood."""
        features, self._state = kept
        self.features = [features.copy()]


def narrowed(mask: Mask, to: Mask) -> Mask:
    """What both allow; if that is nothing, what the first does."""
    both = mask & to
    return both if both.any() else mask


class TrackComposer:
    """An endless iterator over predictions of events: piece after piece.

    Each piece comes of its seed alone, and so does the seed of the next one.
    """

    def __init__(
        self,
        model: LoadedModel,
        settings: Composing,
        prime: Sequence[int] = (),
        *,
        bpm: float | None = None,
        may_end: bool = True,
    ) -> None:
        """prime: the tokens before the first piece, to the end of a bar. bpm: to which the tempi of
        events are in proportion; None: the first one. may_end: else it is one piece."""
        self._model, self._settings, self._may_end = model, settings, may_end
        self._ready: deque[Prediction] = deque()
        self.prime: list[Event] = []  # the events of the prime
        self._bpm = bpm
        self._tracker = model.copy_tracker(settings)
        self._seed = drawn() if settings.seed is None else settings.seed
        self._start(list(prime) or [BEGIN])

    def __iter__(self) -> Iterator[Prediction]:
        return self

    def __next__(self) -> Prediction:
        while not self._ready:
            self._compose()
        return self._ready.popleft()

    @property
    def settings(self) -> Composing:
        """How it samples; may be replaced at any time, the next event follows the new ones."""
        return self._settings

    @settings.setter
    def settings(self, settings: Composing) -> None:
        self._settings = self._sampler.settings = settings

    @property
    def bpm(self) -> float:
        """The tempo to which those of the events are in proportion."""
        return self._builder.bpm or self._bpm or DEFAULT_BPM

    def _start(self, before: Sequence[int]) -> None:
        """Begin a piece after these tokens."""
        rng = np.random.default_rng(self._seed)
        programs = programs_of(before) or self._instrumentation(rng)
        self._sampler = TrackSampler(
            self._model.predictor, self._settings, rng, programs, self._may_end
        )
        self._sampler.begin(before, self._model.bundle.network.seqlen)
        self._builder = EventBuilder(self._bpm)
        self.prime = [event for one in before for event in self._builder.feed(one)]
        self._begins: int | None = self._seed
        self._silent = not self.prime  # nothing has sounded: a piece does not begin with a rest
        self._seed = seed_after(self._seed)

    def _instrumentation(self, rng: np.random.Generator) -> Sequence[int]:
        """The programs of a piece that was learned from; none if the bundle names none."""
        known = self._model.metadata.get("instrumentations") or [[]]
        return known[int(rng.integers(len(known)))]

    def _compose(self) -> None:
        """The events until something new happens; other ones, if too much of them is copied."""
        kept = self._sampler.snapshot(), self._builder.copy()
        closed: set[int] = set()
        while True:
            events, first, last = self._moment(closed)
            if len(closed) >= DETOURS or not self._copied(events):
                break
            closed.add(first)
            self._sampler.restore(kept[0])
            self._builder = kept[1].copy()
        for event in events:
            self._add(event)
        if last == END:
            self._add(REST)
            self._start([BEGIN])

    def _moment(self, closed: set[int]) -> tuple[list[Event], int, int]:
        """Tokens until events are known; the first and the last token. closed: not as the first."""
        self._sampler.closed = set(closed)
        first = one = self._sampler.next()
        while not (events := self._builder.feed(one)) and one != END:
            one = self._sampler.next()
        return events, first, one

    def _copied(self, events: Sequence[Event]) -> bool:
        """Whether a passage that is too long goes on with these events."""
        most = self._settings.max_copy
        if self._tracker is None or most is None or not events:
            return False
        return self._tracker.would_be(events[0]) > most

    def _add(self, event: Event) -> None:
        self._silent = self._silent and not event.sounds
        if self._silent:
            return
        if self._tracker:
            self._tracker.feed(event)
        begins, self._begins = self._begins, None
        p = self._sampler.probabilities[0]
        self._ready.append(Prediction(event, p, self._sampler.last, begins))


def drawn() -> int:
    """A seed that nobody knew before."""
    return int(np.random.default_rng().integers(2**31))


def seed_after(seed: int) -> int:
    """The seed of the piece that comes after a piece."""
    return int(np.random.default_rng((seed, 1)).integers(2**31))
