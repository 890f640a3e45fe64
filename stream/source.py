"""Where a station's events come from: the model or, while that fails, the corpus."""

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from config_bach import Composing, UserError
from families.base import Composer, LoadedModel, Prediction
from families.sampling import with_temperature
from music.cadences import CadenceNamer
from music.copies import Copy, CopyTracker, sixteenths
from music.events import Event
from music.keys import key_named
from stream.piece import Origin, Sampling

log = logging.getLogger("play_bach")

LIKELY = 5  # symbols that are shown
RETRY_AFTER = (1.0, 30.0)  # seconds before the model is tried again: at first, and at most


@dataclass(frozen=True)
class StreamEvent:
    """One event, and what else could have come: (symbol, probability), the likeliest first.

    probability: of the symbol that was chosen. from_corpus: it is not composed, but from a piece; else
    origin tells what it comes of. key: of the piece, where it is known ('F#m'). cadence: the name of the
    chord, where a phrase ends on it.
    """

    event: Event
    likely: tuple[tuple[str, float], ...] = ()
    chosen: str = ""
    probability: float = 0.0
    from_corpus: bool = False
    origin: Origin | None = None
    key: str = ""
    cadence: str = ""


def composer_of(model: LoadedModel, temperature: float, seed: int, scale: str = "") -> Composer:
    """Music without end by a model. Raises UserError if the model cannot run."""
    try:
        settings = Composing(temperature=temperature, seed=seed, scale=scale)
        return model.family.stream(model, settings)
    except UserError:
        raise
    except Exception as error:  # a damaged bundle can fail in any way
        raise UserError(
            f"the model {model.bundle.name} cannot compose ({error}); train it anew."
        ) from error


def fallback(model: LoadedModel, seed: int) -> Iterator[Event]:
    """Music from the corpus, endlessly: the held-out pieces that the bundle carries."""
    rng = np.random.default_rng(seed)
    while True:
        yield from model.prime(int(rng.integers(2**31)))[1]


class TracedComposer:
    """A composer at work, and how far it is: the piece, and the number of the next event in it."""

    def __init__(
        self, model: LoadedModel, composer: Composer, seed: int, samplings: Sequence[Sampling] = ()
    ) -> None:
        """samplings: how the first piece is sampled, where that is fixed beforehand."""
        self.composer, self.symbols = composer, model.vocabulary.fields[0].symbols
        self._model, self._seed, self._number = f"{model.bundle.name}:{model.variant}", seed, 0
        self._fixed = deque(samplings)

    @property
    def free(self) -> bool:
        """Whether the sampling is not fixed, or no longer."""
        return not self._fixed

    def sample(self, temperature: float, scale: str) -> None:
        """How events are sampled from now on; what was fixed no longer holds."""
        self._fixed.clear()
        now = self.composer.settings
        if (now.temperature, now.scale) != (temperature, scale):
            self.composer.settings = replace(now, temperature=temperature, scale=scale)

    def compose(self) -> tuple[Prediction, Origin]:
        """The next event, and what it comes of."""
        self._follow_fixed()
        settings = self.composer.settings
        predicted = next(self.composer)
        if predicted.begins is not None:
            self._fixed = self._fixed if self._number == 0 else deque()
            self._seed, self._number = predicted.begins, 0
        sampling = Sampling(self._number, settings.temperature, settings.scale)
        self._number += 1
        return predicted, Origin(self._model, self._seed, sampling)

    def _follow_fixed(self) -> None:
        while self._fixed and self._fixed[0].first <= self._number:
            to = self._fixed.popleft()
            self.composer.settings = replace(
                self.composer.settings, temperature=to.temperature, scale=to.scale
            )


class Source:
    """An endless iterator over events that never fails: when the model does, the corpus plays on."""

    def __init__(
        self,
        model: LoadedModel,
        temperature: float,
        seed: int,
        trouble: str = "",
        *,
        scale: str = "",
        samplings: Sequence[Sampling] = (),
    ) -> None:
        """trouble: why the model is not to be tried at once; empty if it is. samplings: of the start."""
        self.trouble = trouble  # empty while the model composes
        self.notes = 0
        self.seconds = 0.0  # spent composing
        self.thrifty = False  # do without what is only shown: the machine is busy
        self._told, self._seed = (temperature, scale), seed
        self._failures = 1 if trouble else 0
        self._retry = time.monotonic() + RETRY_AFTER[0] if trouble else 0.0
        self._traced: TracedComposer | None = None
        self._namer = CadenceNamer()
        self._use(model)
        if not trouble:
            self._try(samplings)

    def _use(self, model: LoadedModel) -> None:
        """Take a model, its held-out pieces to fall back on, and what watches for copies."""
        self._model = model
        self._fallback = fallback(model, self._seed)
        self.copy = Copy()  # the longest passage that stands in the training pieces
        self._tracker = CopyTracker(model.copy_index) if model.copy_index else None

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    @property
    def has_voices(self) -> bool:
        """Whether its music has voices."""
        return bool(self._model.family.voices)

    @property
    def passage(self) -> Sequence[Event]:
        """Some music of the model's kind."""
        return self._model.example

    def __next__(self) -> StreamEvent:
        if self._traced is None and time.monotonic() >= self._retry:
            self._try()
        traced, begun = self._traced, time.perf_counter()
        if traced is not None:
            try:
                event = self._predict(traced)
            except Exception as error:  # whatever it is, silence would be worse
                log.warning("a model failed, the corpus plays on: %r", error)
                self.give_up(f"the model failed ({type(error).__name__})")
            else:
                self.notes += 1
                self.seconds += time.perf_counter() - begun
                self._failures = 0 if self.notes % 100 == 0 else self._failures
                self._track(event.event)
                return event
        return StreamEvent(next(self._fallback), from_corpus=True)

    def swap(
        self,
        model: LoadedModel,
        composer: Composer,
        seed: int,
        told: tuple[float, str],
        samplings: Sequence[Sampling] = (),
    ) -> None:
        """Go on with another model, or another piece. told: the temperature and scale that are set."""
        self._use(model)
        self._told, self._seed = told, seed
        self._traced = TracedComposer(model, composer, seed, samplings)
        self.trouble, self._failures = "", 0

    def sample(self, temperature: float, scale: str) -> None:
        """The temperature and the scale (empty: none) that are set for the events to come.

        What is fixed beforehand holds until one of them is changed.
        """
        changed, self._told = (temperature, scale) != self._told, (temperature, scale)
        traced = self._traced
        if traced is not None and (changed or traced.free):
            traced.sample(temperature, scale)

    def _track(self, event: Event) -> None:
        """Remember the longest passage that was copied."""
        if self._tracker is None or self.thrifty:
            return
        for part in sixteenths((event,)):
            if self._tracker.feed(part) > self.copy.notes:
                self.copy = self._tracker.copy()

    def _try(self, samplings: Sequence[Sampling] = ()) -> None:
        """Begin anew with the model."""
        try:
            seed, (temperature, scale) = self._seed + self._failures, self._told
            composer = composer_of(self._model, temperature, seed, scale)
            self._traced = TracedComposer(self._model, composer, seed, samplings)
            self.trouble = ""
        except UserError as error:
            log.warning("a model cannot start, the corpus plays on: %s", error)
            self.give_up("the model cannot start")

    def give_up(self, why: str) -> None:
        """Let the corpus play, and try the model again after a while."""
        self._traced = None
        self._failures += 1
        wait = min(RETRY_AFTER[0] * 2.0 ** (self._failures - 1), RETRY_AFTER[1])
        self._retry = time.monotonic() + wait
        self.trouble = why

    def _predict(self, traced: TracedComposer) -> StreamEvent:
        """The next event, with its key and, at the end of a phrase, the name of its chord."""
        predicted, origin = traced.compose()
        key = key_named(predicted.key) if predicted.key else None
        cadence = self._namer.name(predicted.event, key)
        return replace(
            self._shown(predicted, origin, traced.symbols), key=predicted.key, cadence=cadence
        )

    def _shown(self, predicted: Prediction, origin: Origin, symbols: Sequence[str]) -> StreamEvent:
        """An event, with what else could have come."""
        if predicted.likely:
            told = (predicted.likely, predicted.name, predicted.probability)
            return StreamEvent(predicted.event, *told, origin=origin)
        chosen = symbols[predicted.chosen]
        if self.thrifty:
            return StreamEvent(predicted.event, chosen=chosen, origin=origin)
        p = with_temperature(predicted.probabilities, origin.sampling.temperature)
        best = np.argpartition(-p, min(LIKELY, len(p) - 1))[:LIKELY]
        likely = sorted(((symbols[i], float(p[i])) for i in best), key=lambda x: -x[1])
        shown = tuple(x for x in likely if x[1] > 0)
        chance = float(p[predicted.chosen])
        return StreamEvent(predicted.event, shown, chosen, chance, origin=origin)
