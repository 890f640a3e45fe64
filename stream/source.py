"""Where a station's events come from: the model or, while that fails, the corpus."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from config_bach import Composing, UserError
from families.base import Composer, LoadedModel
from families.sampling import with_temperature
from music.copies import Copy, CopyTracker, sixteenths
from music.events import Event

log = logging.getLogger("play_bach")

LIKELY = 5  # symbols that are shown
RETRY_AFTER = (1.0, 30.0)  # seconds before the model is tried again: at first, and at most


@dataclass(frozen=True)
class StreamEvent:
    """One event, and what else could have come: (symbol, probability), the likeliest first.

    probability: of the symbol that was chosen. from_corpus: it is not composed, but from a piece.
    """

    event: Event
    likely: tuple[tuple[str, float], ...] = ()
    chosen: str = ""
    probability: float = 0.0
    from_corpus: bool = False


def composer_of(model: LoadedModel, temperature: float, seed: int) -> Composer:
    """Music without end by a model. Raises UserError if the model cannot run."""
    try:
        return model.family.stream(model, Composing(temperature=temperature, seed=seed))
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


class Source:
    """An endless iterator over events that never fails: when the model does, the corpus plays on."""

    def __init__(
        self, model: LoadedModel, temperature: float, seed: int, trouble: str = ""
    ) -> None:
        """trouble: why the model is not to be tried at once; empty if it is."""
        self.trouble = trouble  # empty while the model composes
        self.notes = 0
        self.seconds = 0.0  # spent composing
        self.thrifty = False  # do without what is only shown: the machine is busy
        self._temperature, self._seed = temperature, seed
        self._failures = 1 if trouble else 0
        self._retry = time.monotonic() + RETRY_AFTER[0] if trouble else 0.0
        self._composer: Composer | None = None
        self._use(model)
        if not trouble:
            self._try()

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
        if self._composer is None and time.monotonic() >= self._retry:
            self._try()
        composer, begun = self._composer, time.perf_counter()
        if composer is not None:
            try:
                event = self._predict(composer)
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

    def swap(self, model: LoadedModel, composer: Composer) -> None:
        """Go on with another model."""
        self._use(model)
        self._composer = composer
        self.trouble, self._failures = "", 0

    def set_temperature(self, temperature: float) -> None:
        """Change the temperature of the events to come."""
        self._temperature = temperature
        composer = self._composer
        if composer is not None and composer.settings.temperature != temperature:
            composer.settings = replace(composer.settings, temperature=temperature)

    def _track(self, event: Event) -> None:
        """Remember the longest passage that was copied."""
        if self._tracker is None or self.thrifty:
            return
        for part in sixteenths((event,)):
            if self._tracker.feed(part) > self.copy.notes:
                self.copy = self._tracker.copy()

    def _try(self) -> None:
        """Begin anew with the model."""
        try:
            seed = self._seed + self._failures
            self._composer = composer_of(self._model, self._temperature, seed)
            self.trouble = ""
        except UserError as error:
            log.warning("a model cannot start, the corpus plays on: %s", error)
            self.give_up("the model cannot start")

    def give_up(self, why: str) -> None:
        """Let the corpus play, and try the model again after a while."""
        self._composer = None
        self._failures += 1
        wait = min(RETRY_AFTER[0] * 2.0 ** (self._failures - 1), RETRY_AFTER[1])
        self._retry = time.monotonic() + wait
        self.trouble = why

    def _predict(self, composer: Composer) -> StreamEvent:
        symbols = self._model.vocabulary.fields[0].symbols
        predicted = next(composer)
        if self.thrifty:
            return StreamEvent(predicted.event, chosen=symbols[predicted.chosen])
        p = with_temperature(predicted.probabilities, composer.settings.temperature)
        best = np.argpartition(-p, min(LIKELY, len(p) - 1))[:LIKELY]
        likely = sorted(((symbols[i], float(p[i])) for i in best), key=lambda x: -x[1])
        shown = tuple(x for x in likely if x[1] > 0)
        chosen = predicted.chosen
        return StreamEvent(predicted.event, shown, symbols[chosen], float(p[chosen]))
