"""Percussion step after step: a piece, music without end, or an answer to what is heard."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from config_bach import Composing
from families.base import LoadedModel, Prediction
from families.drums.encoding import FIRST, KINDS, DrumPiece, Grid, event_of, places_of
from families.drums.features import DrumFeatures
from families.drums.kit import NAMES
from families.sampling import StepSampler, nucleus, with_temperature
from families.steps import Predictor, Probabilities
from music.copies import CopyTracker
from music.events import Event

SONG = 32  # bars of a piece of music without end
LIKELY = 5  # kinds that are shown

Place = tuple[int, int, int]  # bar, slot, slots of the bar


class DrumSampler(StepSampler[DrumFeatures]):
    """A StepSampler of one piece whose heads are kinds of percussion.

    `hear` takes a step that somebody else plays, `play` composes one; so it can answer in time.
    """

    def __init__(
        self,
        predictor: Predictor,
        settings: Composing,
        rng: np.random.Generator,
        tracker: CopyTracker | None = None,
    ) -> None:
        steps: Any = StepTracker(tracker) if tracker else None
        super().__init__(predictor, settings, rng, [DrumFeatures()], steps)

    def hear(self, symbols: Sequence[int], place: Place) -> None:
        """Take a step that is known: a symbol for each kind of percussion."""
        self.features[0].place = place
        self.step(dict(enumerate(symbols)))

    def play(self, place: Place) -> list[int]:
        """Compose the step at a place: a symbol for each kind of percussion."""
        self.features[0].place = place
        return [int(symbol) for symbol in self.step()[0]]

    @property
    def chances(self) -> dict[str, float]:
        """How likely each kind of percussion was to be struck in the last step."""
        return {NAMES[k]: float(p[FIRST:].sum()) for k, p in self.probabilities.items()}

    def _pick(
        self, p: Probabilities, mask: npt.NDArray[np.bool_] | None, closed: Collection[int]
    ) -> int:
        """The nucleus is that of the whole step: of each kind as much remains as gives that together.

        A nucleus for each kind alone would leave out all strokes that are seldom.
        """
        temperature, top_p = self.settings.temperature, self.settings.top_p ** (1 / KINDS)
        flat = p if temperature <= 1 else p ** (1 / temperature)
        likeliest = int(p.argmax())
        if not closed and likeliest and flat[likeliest] >= top_p * flat.sum():
            return likeliest  # as nearly all kinds at nearly all steps
        q = nucleus(with_temperature(p, temperature, list(closed)), top_p)
        return int(self.rng.choice(len(q), p=q))

    def event(self, tokens: Sequence[int], row: Sequence[int]) -> Event:
        return event_of(tokens, self.features[0].place[1], 1)

    def detour(self, tokens: Sequence[int], given: Mapping[int, int]) -> int | None:
        """The last kind that is struck; None if none is, or all is given."""
        struck = [k for k, symbol in enumerate(tokens) if symbol >= FIRST and k not in given]
        return struck[-1] if struck else None


class StepTracker:
    """Tells a CopyTracker of steps: where nothing is struck, the event before only becomes longer."""

    def __init__(self, tracker: CopyTracker) -> None:
        self._tracker = tracker
        self._lasts = Fraction(0)

    def would_be(self, event: Event) -> int:
        """What `feed` would return, without taking the step."""
        if not _begins(event):
            return 0
        self._tracker.lasted(self._lasts)
        return self._tracker.would_be(event)

    def feed(self, event: Event) -> int:
        """Take the event of a step; returns the strokes of the longest copied passage."""
        if not _begins(event):
            self._lasts += event.duration
            return 0
        self._tracker.lasted(self._lasts)
        self._lasts = event.duration
        return self._tracker.feed(event)


def _begins(event: Event) -> bool:
    """Whether an event begins with a step: something is struck, or a bar begins."""
    return bool(event.sounds) or not event.beat


@dataclass(frozen=True)
class Drawn:
    """A composed step: its place, its symbols, and how likely each kind was to be struck."""

    place: Place
    symbols: list[int]
    chances: dict[str, float]
    probabilities: Probabilities  # of the first kind [SYMBOLS]


def sampler_of(model: LoadedModel, settings: Composing) -> DrumSampler:
    """A sampler of a model. Equal seeds give equal music.

    Raises UserError if copies are to be limited and the bundle does not carry what it learned.
    """
    rng = np.random.default_rng(settings.seed)
    return DrumSampler(model.predictor, settings, rng, model.copy_tracker(settings))


def compose(
    model: LoadedModel, settings: Composing, slots: int, prime: DrumPiece | None = None
) -> DrumPiece:
    """Whole bars of so many slots, of `settings.notes` events in all or a few more; after a prime."""
    sampler = sampler_of(model, settings)
    first = _heard(sampler, prime) if prime else 0
    steps: list[list[int]] = []
    struck = bars = 0
    while struck < settings.notes and bars < settings.notes:
        bar = [sampler.play((first + bars, slot, slots)) for slot in range(slots)]
        struck += sum(max(step) >= FIRST for step in bar)
        steps, bars = steps + bar, bars + 1
    symbols: Grid = np.array(steps, np.uint8).reshape(-1, KINDS)
    return DrumPiece("", symbols, places_of([slots] * bars))


def _heard(sampler: DrumSampler, prime: DrumPiece) -> int:
    """Hear a prime; returns the number of the bar that comes after it."""
    bar = -1
    for symbols, place in zip(prime.symbols.tolist(), prime.places.tolist(), strict=True):
        sampler.hear(symbols, tuple(place))
        bar = place[0]
    return bar + 1


def metre_of(model: LoadedModel, seed: int | None) -> int:
    """The slots of a bar of a new piece, as often as in the corpus; by the seed."""
    slots, bars = zip(*model.metadata["metres"], strict=True)
    rng = np.random.default_rng(None if seed is None else (seed, 2))
    return int(rng.choice(slots, p=np.array(bars) / sum(bars)))


class DrumComposer:
    """An endless iterator over predictions of events: piece after piece, of SONG bars each.

    Each piece comes of its seed alone, and so does the seed of the next one.
    """

    def __init__(self, model: LoadedModel, settings: Composing) -> None:
        """`settings` may be replaced at any time; the next step follows the new ones."""
        self.settings = settings
        self._model = model
        seed = settings.seed
        self._seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed
        self._events: Iterator[Prediction] = iter(())

    def __iter__(self) -> Iterator[Prediction]:
        return self

    def __next__(self) -> Prediction:
        """The next event, with how likely each kind of percussion was to be struck."""
        try:
            return next(self._events)
        except StopIteration:
            begins, self._seed = self._seed, _seed_after(self._seed)
            self._events = predictions(self._compose(begins))
            return replace(next(self._events), begins=begins)

    def _compose(self, seed: int) -> Iterator[Drawn]:
        """The steps of a piece."""
        settings = self._model.limited(replace(self.settings, seed=seed))
        sampler = sampler_of(self._model, settings)
        for place in places_of([metre_of(self._model, seed)] * SONG).tolist():
            sampler.settings = self._model.limited(self.settings)
            symbols = sampler.play(tuple(place))
            yield Drawn(tuple(place), symbols, sampler.chances, sampler.probabilities[0])


def _seed_after(seed: int) -> int:
    """The seed of the piece that comes after a piece."""
    return int(np.random.default_rng((seed, 1)).integers(2**31))


def predictions(steps: Iterable[Drawn]) -> Iterator[Prediction]:
    """Steps as events, each with the steps after it in which nothing is struck."""
    first: Drawn | None = None
    length = 0
    for step in steps:
        if first and (max(step.symbols) >= FIRST or step.place[1] == 0):
            yield _prediction(first, length)
            first = None
        if first is None:
            first, length = step, 0
        length += 1
    if first:
        yield _prediction(first, length)


def _prediction(step: Drawn, length: int) -> Prediction:
    """The event of a step, and the kinds that were likeliest to be struck in it."""
    likely = sorted(step.chances.items(), key=lambda x: -x[1])[:LIKELY]
    names = [NAMES[k] for k, symbol in enumerate(step.symbols) if symbol >= FIRST]
    chance = np.prod([p if name in names else 1 - p for name, p in step.chances.items()])
    return Prediction(
        event_of(step.symbols, step.place[1], length),
        step.probabilities,
        step.symbols[0],
        likely=tuple(likely),
        name=" + ".join(names) or "silence",
        probability=float(chance),
    )
