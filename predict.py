"""The sampler: what was heard goes in, the next event comes out, endlessly.

It keeps the state of the LSTM between events instead of computing the whole window again for every
note. It knows nothing of files or sound.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bundle import Bundle
from config_bach import Composing, UserError
from lite import Probabilities
from lookback import Lookback
from originality import Follower
from piece import Event, from_json
from rhythm import Rhythm

ENOUGH = 256  # symbols that nearly always hold the mass that is sampled from
DETOURS = 24  # other ways that are tried before a copy is let go on
LONGEST_RUN = 8  # the same note or chord in a row
LONGEST_PERIOD = 4  # patterns of up to so many events are watched
LONGEST_LOOP = 32  # events that such a pattern may fill

Memory = dict[str, npt.NDArray[np.float32]]


class Engine(Protocol):
    """What runs a network one event at a time; lite.StepModel does."""

    outputs: int
    inputs: int

    def silence(self) -> Memory:
        """The memory before anything was heard."""

    def step(self, heard: Sequence[int], memory: Memory) -> tuple[list[Probabilities], Memory]:
        """Hear one event; the probabilities of what follows, and the new memory."""


def reshaped(
    probabilities: npt.NDArray[np.floating],
    temperature: float,
    top_p: float,
    forbidden: Collection[int] = (),
) -> npt.NDArray[np.float64]:
    """The distribution that is sampled from: [symbols] -> [symbols], summing to 1.

    Token 0, '?', is never chosen, nor is a forbidden one. temperature 0 leaves the likeliest symbol
    alone; above 1 flattens.
    top_p keeps the fewest symbols that together have that mass (nucleus sampling, Holtzman et al.
    2020), one at the least.
    """
    with np.errstate(divide="ignore", over="ignore", under="ignore"):
        logits = np.log(np.asarray(probabilities, np.float64))
        closed = [0, *forbidden]
        logits[closed] = -np.inf
        if not np.isfinite(logits).any():
            logits[:] = 0.0  # a network that is sure of '?' alone: anything else goes
            logits[closed] = -np.inf
        logits -= logits.max()
        if temperature == 0:
            return _nucleus((logits == 0).astype(np.float64), 0.0)
        shape = np.exp(logits / temperature)
    return _nucleus(shape / shape.sum(), top_p)


def _nucleus(p: npt.NDArray[np.float64], top_p: float) -> npt.NDArray[np.float64]:
    order = _descending(p, top_p)
    mass_before = np.cumsum(p[order]) - p[order]
    kept = order[mass_before < max(top_p, 1e-12)]
    out = np.zeros_like(p)
    out[kept] = p[kept]
    return out / out.sum()


def _descending(p: npt.NDArray[np.float64], mass: float) -> npt.NDArray[np.intp]:
    """The likeliest symbols in order, enough of them for that mass: sorting them all takes longer."""
    if len(p) > ENOUGH:
        best = np.sort(np.argpartition(-p, ENOUGH)[:ENOUGH])
        if p[best].sum() > mass + 1e-9:
            return best[np.argsort(-p[best], kind="stable")]
    return np.argsort(-p, kind="stable")


def stuck(heard: Sequence[int]) -> set[int]:
    """The tokens that would go on with a repetition that has gone on for long enough.

    LONGEST_RUN equal tokens in a row, or LONGEST_LOOP of a pattern of two to four.
    """
    forbidden = set()
    for period in range(1, LONGEST_PERIOD + 1):
        limit = LONGEST_RUN if period == 1 else LONGEST_LOOP
        last = heard[-limit:]
        if len(last) == limit and all(a == b for a, b in zip(last, last[period:], strict=False)):
            forbidden.add(last[-period])
    return forbidden


class Sampler:
    """An endless iterator over rows of token ids, one id per field."""

    def __init__(self, engine: Engine, settings: Composing, rng: np.random.Generator) -> None:
        """`settings` may be replaced at any time; the next event follows the new ones."""
        self.settings = settings
        self._engine = engine
        self._rng = rng
        self._lookback = Lookback() if engine.inputs > engine.outputs else None
        self._memory = engine.silence()
        self._heard: list[int] = []  # the first field of the latest events
        self.coming: list[Probabilities] = []

    def hear(self, row: Sequence[int]) -> None:
        """Take in one event; `coming` then holds the probabilities of the next, by field."""
        self._heard = [*self._heard[1 - LONGEST_LOOP :], row[0]]
        again = self._lookback.feed(row) if self._lookback else ()
        self.coming, self._memory = self._engine.step([*row, *again], self._memory)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return self

    def __next__(self) -> tuple[int, ...]:
        """Sample the next event and hear it. Something must have been heard before."""
        row = self.propose()
        self.hear(row)
        return row

    def propose(self, forbidden: Collection[int] = ()) -> tuple[int, ...]:
        """Sample an event that may come next, without hearing it; its first field is not forbidden."""
        first, *others = self.coming
        closed = stuck(self._heard) | set(forbidden)
        return (self._pick(first, closed), *(self._pick(p) for p in others))

    def _pick(self, probabilities: Probabilities, forbidden: Collection[int] = ()) -> int:
        p = reshaped(probabilities, self.settings.temperature, self.settings.top_p, forbidden)
        return int(self._rng.choice(len(p), p=p))


class Composer:
    """An endless iterator over new events, composed by a bundle after the events of a prime."""

    def __init__(self, bundle: Bundle, settings: Composing, prime: Sequence[Event]) -> None:
        """Of the prime the last `seqlen` events are heard. Equal seeds give equal music."""
        rng = np.random.default_rng(settings.seed)
        self._vocabulary = bundle.vocabulary
        self._rng = rng
        self._rhythm = None if bundle.vocabulary.knows_durations else Rhythm(bundle.facts["rhythm"])
        self.sampler = Sampler(bundle.engine, settings, rng)
        self._follower = follower_of(bundle, settings)
        heard = list(prime)[-bundle.network.seqlen :]
        self._durations = [e.duration for e in heard]
        for row in bundle.vocabulary.encode(heard).tolist():
            self.sampler.hear(row)

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        """The next event."""
        return self.draw()[0]

    def draw(self) -> tuple[Event, Probabilities, int]:
        """The next event, the probabilities of its first field [symbols], and what was chosen."""
        p = self.sampler.coming[0]
        row, event = self._propose()
        self.sampler.hear(row)
        self._durations = [*self._durations[-8:], event.duration]
        return event, p, row[0]

    def _propose(self) -> tuple[tuple[int, ...], Event]:
        """An event that goes on without copying more than is allowed, if there is any."""
        closed: set[int] = set()
        while True:
            row = self.sampler.propose(closed)
            event = self._vocabulary.event(row, self._next_duration())
            most = self.settings.max_copy
            if self._follower is None or most is None or len(closed) >= DETOURS:
                return row, event
            if self._follower.would_be(event) <= most:
                self._follower.feed(event)
                return row, event
            closed.add(row[0])

    @property
    def settings(self) -> Composing:
        """How it samples; may be replaced at any time, the next event follows the new ones."""
        return self.sampler.settings

    @settings.setter
    def settings(self, settings: Composing) -> None:
        self.sampler.settings = settings

    def _next_duration(self) -> Fraction:
        """A duration in quarter lengths, for models that predict pitches alone."""
        return self._rhythm.sample(self._durations, self._rng) if self._rhythm else Fraction(1)


def follower_of(bundle: Bundle, settings: Composing) -> Follower | None:
    """What watches for copies, if they are limited.

    Raises UserError if the bundle does not carry what it was trained on.
    """
    if settings.max_copy is None:
        return None
    if bundle.memory is None:
        raise UserError(
            f"{bundle.name} does not carry the pieces it was trained on, so --max-copy cannot be "
            "kept; train it anew."
        )
    return Follower(bundle.memory)


def prime_of(bundle: Bundle, seed: int | None) -> tuple[str, list[Event]]:
    """The beginning of one of the held-out pieces in a bundle, and its name; chosen by the seed."""
    primes = bundle.facts["primes"]
    chosen = primes[int(np.random.default_rng(seed).integers(len(primes)))]
    return str(chosen["name"]), from_json(chosen["events"])
