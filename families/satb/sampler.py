"""Chorales composed sixteenth after sixteenth, voice after voice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from config_bach import Composing
from families.base import LoadedModel, Prediction
from families.sampling import StepSampler
from families.satb.constraints import Constraints
from families.satb.encoding import (
    FIRST,
    HOLD,
    ORDER,
    SILENCE,
    VOICES,
    Chorale,
    Grid,
    cuts_of,
    event_of,
)
from families.satb.features import SatbFeatures
from families.satb.templates import template_of
from families.steps import Predictor, Probabilities, Rows
from music.copies import CopyTracker
from music.events import Event
from music.scales import scale_of

REST = 4  # steps of silence between two chorales
LONGEST_EVENT = 16  # steps; a longer chord comes in parts
NO_PLAN = (0, 0, 0)


class SatbSampler(StepSampler[SatbFeatures]):
    """A StepSampler whose heads are four voices."""

    def __init__(
        self,
        predictor: Predictor,
        settings: Composing,
        rng: np.random.Generator,
        constraints: Constraints | None = None,
        tracker: CopyTracker | None = None,
    ) -> None:
        super().__init__(predictor, settings, rng, [SatbFeatures()], tracker)
        self.constraints = constraints or Constraints()
        self._scale = ""  # that of the settings which the constraints have

    def follow(self, settings: Composing) -> None:
        """Compose by other settings from the next step on, with their scale."""
        if settings.scale != self._scale:
            self._scale = settings.scale
            scale = scale_of(settings.scale) if settings.scale else frozenset()
            self.constraints = replace(self.constraints, scale=scale, _masks={})
        self.settings = settings

    def allowed(
        self, head: int, piece: int, tokens: Rows, row: Rows, given: Mapping[int, int]
    ) -> npt.NDArray[np.bool_]:
        """What a voice may do, by the constraints [SYMBOLS]."""
        before = ORDER[: ORDER.index(head)]
        known = {v: int(row[v]) if tokens[v] == HOLD else int(tokens[v]) for v in before}
        known |= {v: int(row[v]) if s == HOLD else s for v, s in given.items()}
        return self.constraints.allowed(head, int(row[head]), known)

    def event(self, tokens: Sequence[int], row: Sequence[int]) -> Event:
        sounds = [row[v] if s == HOLD else s for v, s in enumerate(tokens)]
        return event_of(tokens, sounds, NO_PLAN, 1)

    def detour(self, tokens: Sequence[int], given: Mapping[int, int]) -> int | None:
        """The voice composed last that strikes a note; None if none does."""
        struck = [v for v in ORDER if v not in given and tokens[v] >= FIRST]
        return struck[-1] if struck else None

    def given_probability(
        self, p: Probabilities, head: int, token: int, rows: Rows
    ) -> npt.NDArray[np.float64]:
        """The probability of a given symbol in every piece [pieces].

        A note struck again and one that is held are taken for the same: who writes a melody down does
        not always tell.
        """
        own = rows[:, head]
        chance = p[:, token].astype(np.float64)
        again = np.take_along_axis(p, own[:, None], 1)[:, 0]
        if token == HOLD:
            chance += np.where(own >= FIRST, again, 0)
        elif token >= FIRST:
            chance += np.where(own == token, p[:, HOLD], 0)
        return chance


def compose(
    model: LoadedModel,
    settings: Composing,
    constraints: Constraints | None = None,
    prime: Chorale | None = None,
) -> Chorale:
    """A whole chorale, on a template that the seed chooses; after a prime, if there is one.

    Equal seeds give equal music.
    """
    settings = model.limited(settings)
    sampler = SatbSampler(
        model.predictor,
        settings,
        np.random.default_rng(settings.seed),
        constraints,
        model.copy_tracker(settings),
    )
    for symbols, plan in zip(prime.symbols, prime.plan, strict=True) if prime else ():
        sampler.step(dict(enumerate(symbols.tolist())), plan.tolist())
    template = template_of(model.metadata, settings.seed)
    steps = [sampler.step(plan=plan)[0] for plan in template.plan.tolist()]
    name = f"after {prime.name}" if prime else f"on the template of {template.name}"
    return Chorale(name, np.array(steps, np.int16), template.plan)


class SatbComposer:
    """An endless iterator over predictions of events in four voices: chorale after chorale.

    Each chorale is a piece that comes of its seed alone, and so does the seed of the next one.
    """

    def __init__(self, model: LoadedModel, settings: Composing) -> None:
        """`settings` may be replaced at any time; the next event follows the new ones."""
        self.settings = settings
        self._model = model
        self._seed = drawn() if settings.seed is None else settings.seed
        self._steps = self._compose(self._seed)
        self._next: tuple[Any, ...] | None = (
            None  # the first step of the next event; None: a new piece
        )

    def __iter__(self) -> Iterator[Prediction]:
        return self

    def __next__(self) -> Prediction:
        """The next event, with the probabilities of the soprano [SYMBOLS]."""
        begins = None
        if self._next is None:
            begins, self._seed = self._seed, seed_after(self._seed)
            self._steps = self._compose(begins)
            self._next = next(self._steps)
        symbols, sounds, plan, p = self._next
        length = 1
        while True:
            before, self._next = self._next, next(self._steps, None)
            if self._next is None or length == LONGEST_EVENT or _begins(before, self._next):
                break
            length += 1
        event = event_of(symbols.tolist(), sounds.tolist(), plan.tolist(), length)
        return Prediction(event, p, int(symbols[0]), begins)

    def _compose(self, seed: int) -> Iterator[tuple[Grid, Grid, Grid, Probabilities]]:
        """The steps of a chorale and of a rest: symbols [4], what sounds [4], the plan [3], the
        soprano's probabilities."""
        settings = self._model.limited(replace(self.settings, seed=seed))
        tracker = self._model.copy_tracker(settings)
        rng = np.random.default_rng(seed)
        sampler = SatbSampler(self._model.predictor, settings, rng, tracker=tracker)
        for plan in template_of(self._model.metadata, seed).plan:
            sampler.follow(self._model.limited(self.settings))
            symbols = sampler.step(plan=plan.tolist())[0].astype(np.int16)
            sounds = np.array(sampler.features[0].sounding, np.int16)
            yield symbols, sounds, plan, sampler.probabilities[0]
        rest, plan = np.full(len(VOICES), SILENCE, np.int16), np.zeros(3, np.int16)
        for step in range(REST):
            symbols = np.full_like(rest, HOLD) if step else rest
            yield symbols, rest, plan, sampler.probabilities[0]


def drawn() -> int:
    """A seed that nobody knew before."""
    return int(np.random.default_rng().integers(2**31))


def seed_after(seed: int) -> int:
    """The seed of the piece that comes after a piece."""
    return int(np.random.default_rng((seed, 1)).integers(2**31))


def _begins(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """Whether an event begins with the second of two steps; see encoding.cuts_of."""
    symbols, plan = (np.stack([before[i], now[i]]) for i in (0, 2))
    return bool(cuts_of(symbols, plan)[1])
