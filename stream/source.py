"""Where a station's events come from: the model or, while that fails, the corpus."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bundle as bundles
import numpy as np
from bundle import Bundle
from chorale.composer import ChoraleComposer
from lite.engine import Probabilities
from originality import Copy, Follower, fine
from piece import Event
from predict import Composer, prime_of
from synth import Synths

from config_bach import CHORALE, Composing, Places, Runtime, UserError

log = logging.getLogger("play_bach")

AnyComposer = Composer | ChoraleComposer

LIKELY = 5  # symbols that are shown
PATIENCE = (1.0, 30.0)  # seconds before the model is tried again: at first, and at most


@dataclass(frozen=True)
class Draw:
    """One event, and what else could have come: (symbol, probability), the likeliest first."""

    event: Event
    likely: tuple[tuple[str, float], ...] = ()
    chosen: str = ""
    chance: float = 0.0  # of what was chosen
    from_corpus: bool = False


class Shelf:
    """What all stations share: the trained models, read once and without their weights; synths."""

    def __init__(self, places: Places, variant: str = "", runtime: Runtime | None = None) -> None:
        """variant: what models play with that have it; empty: the fastest on this machine."""
        self.synths = Synths()
        self._places, self._variant, self._runtime = places, variant, runtime or Runtime()
        self._read: dict[str, tuple[tuple[int, int], Bundle]] = {}
        self._lock = threading.Lock()

    def models(self) -> dict[str, dict[str, Any]]:
        """The manifests of all readable models by name, the latest last."""
        return bundles.available(self._places)

    def bundle(self, choice: str) -> Bundle:
        """A model of models/, by a name that `models` gives; 'NAME:int8' is one of its variants.

        Raises UserError for any other name, and for a file that is gone, damaged or cannot compose.
        """
        name, _, variant = choice.partition(":")
        if name not in {p.stem for p in self._places.models.glob(f"*{bundles.SUFFIX}")}:
            raise UserError("there is no such model; choose one of the list.")
        path = bundles.path_of(name, self._places)
        with self._lock:
            stamp = _stamp(path)
            if choice in self._read and self._read[choice][0] == stamp:
                return self._read[choice][1]
            bundle = replace(bundles.load(path), weights=[], optimizer=[])
            usual = self._variant if self._variant in bundle.steps else None
            bundle = bundles.playing(bundle, self._places, variant or usual, self._runtime)
            if not bundle.step or not bundle.facts.get("primes"):
                raise UserError(f"{path} holds nothing to compose with; train it anew.")
            # memory is dear on small machines
            bundle = replace(bundle, steps={bundle.plays: bundle.step})
            self._read[choice] = (stamp, bundle)
            return bundle


def _stamp(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError as error:
        raise UserError(f"there is no model {path.name}; train it with -l 0 -f.") from error
    return facts.st_mtime_ns, facts.st_size


def composer_of(bundle: Bundle, temperature: float, seed: int) -> AnyComposer:
    """A composer that goes on from a held-out piece. Raises UserError if the model cannot run."""
    try:
        if bundle.network.model_type == CHORALE:
            return ChoraleComposer(bundle, Composing(temperature=temperature, seed=seed))
        _, prime = prime_of(bundle, seed)
        return Composer(bundle, Composing(temperature=temperature, seed=seed), prime)
    except UserError:
        raise
    except Exception as error:  # a damaged bundle can fail in any way
        raise UserError(
            f"the model {bundle.name} cannot compose ({error}); train it anew."
        ) from error


def encore(bundle: Bundle, seed: int) -> Iterator[Event]:
    """Music from the corpus, endlessly: the held-out pieces that the bundle carries."""
    rng = np.random.default_rng(seed)
    while True:
        yield from prime_of(bundle, int(rng.integers(2**31)))[1]


class Source:
    """An endless iterator over draws that never fails: when the model does, the corpus plays on."""

    def __init__(self, bundle: Bundle, temperature: float, seed: int, trouble: str = "") -> None:
        """trouble: why the model is not to be tried at once; empty if it is."""
        self.trouble = trouble  # empty while the model composes
        self.notes = 0
        self.seconds = 0.0  # spent composing
        self._bundle, self._temperature, self._seed = bundle, temperature, seed
        self._encore = encore(bundle, seed)
        self._failures = 1 if trouble else 0
        self._retry = time.monotonic() + PATIENCE[0] if trouble else 0.0
        self._composer: AnyComposer | None = None
        self.copy = Copy()  # the longest passage that stands in the training pieces
        self._follower = Follower(bundle.memory) if bundle.memory else None
        if not trouble:
            self._try()

    def __iter__(self) -> Iterator[Draw]:
        return self

    def __next__(self) -> Draw:
        """The next event."""
        if self._composer is None and time.monotonic() >= self._retry:
            self._try()
        composer, begun = self._composer, time.thread_time()
        if composer is not None:
            try:
                draw = self._draw(composer)
            except Exception as error:  # whatever it is, silence would be worse
                log.warning("a model failed, the corpus plays on: %r", error)
                self.give_up(f"the model failed ({type(error).__name__})")
            else:
                self.notes += 1
                self.seconds += time.thread_time() - begun
                self._failures = 0 if self.notes % 100 == 0 else self._failures
                self._follow(draw.event)
                return draw
        return Draw(next(self._encore), from_corpus=True)

    def swap(self, bundle: Bundle, composer: AnyComposer) -> None:
        """Go on with another model."""
        self._bundle, self._composer = bundle, composer
        self._follower, self.copy = Follower(bundle.memory) if bundle.memory else None, Copy()
        self._encore = encore(bundle, self._seed)
        self.trouble, self._failures = "", 0

    def warm(self, temperature: float) -> None:
        """Change the temperature of the events to come."""
        self._temperature = temperature
        composer = self._composer
        if composer is not None and composer.settings.temperature != temperature:
            composer.settings = replace(composer.settings, temperature=temperature)

    def _follow(self, event: Event) -> None:
        """Remember the longest passage that was copied."""
        if self._follower is None:
            return
        for part in fine((event,)):
            if self._follower.feed(part) > self.copy.notes:
                self.copy = self._follower.copy()

    def _try(self) -> None:
        """Begin anew with the model."""
        try:
            seed = self._seed + self._failures
            self._composer = composer_of(self._bundle, self._temperature, seed)
            self.trouble = ""
        except UserError as error:
            log.warning("a model cannot start, the corpus plays on: %s", error)
            self.give_up("the model cannot start")

    def give_up(self, why: str) -> None:
        """Let the corpus play, and try the model again after a while."""
        self._composer = None
        self._failures += 1
        wait = min(PATIENCE[0] * 2.0 ** (self._failures - 1), PATIENCE[1])
        self._retry = time.monotonic() + wait
        self.trouble = why

    def _draw(self, composer: AnyComposer) -> Draw:
        symbols = self._bundle.vocabulary.fields[0].symbols
        event, p, chosen = composer.draw()
        p = softened(p, composer.settings.temperature)
        best = np.argpartition(-p, min(LIKELY, len(p) - 1))[:LIKELY]
        likely = sorted(((symbols[i], float(p[i])) for i in best), key=lambda x: -x[1])
        shown = tuple(x for x in likely if x[1] > 0)
        return Draw(event, shown, symbols[chosen], float(p[chosen]))


def softened(p: Probabilities, temperature: float) -> Probabilities:
    """The softmax at a temperature [symbols], for people to see; sampling leaves its tail out."""
    p = p.copy()
    p[0] = 0  # '?' is never composed
    if temperature == 0:
        p = (p == p.max()).astype(p.dtype)
    elif temperature != 1:
        p = (p / max(float(p.max()), 1e-30)) ** (1 / temperature)
    return p / max(float(p.sum()), 1e-30)
