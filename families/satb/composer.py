"""Whole chorales on a plan, and the endless stream of them."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from config_bach import Composing
from families.base import LoadedModel, Prediction
from families.satb.constraints import Constraints
from families.satb.encoding import HOLD, SILENCE, VOICES, Chorale, cuts_of, event_of
from families.satb.particles import PlannedComposer, Step
from families.satb.plan import Plan, plan_of_piece
from families.satb.sampler import SatbSampler
from families.satb.style import Style, style_in
from music.keys import Key

REST = 4  # steps of silence between two chorales
LONGEST_EVENT = 16  # steps; a longer chord comes in parts


def sampler_of(
    model: LoadedModel,
    settings: Composing,
    style: Style,
    key: Key | None,
    constraints: Constraints | None = None,
) -> SatbSampler:
    """A sampler that keeps a key, at the temperatures of the model; it watches for copies."""
    settings = model.limited(settings)
    return SatbSampler(
        model.predictor,
        settings,
        np.random.default_rng(settings.seed),
        constraints,
        model.copy_tracker(settings),
        prior=None if key is None else style.prior(key),
        temperatures=(style.onset, style.pitch),
    )


def compose(
    model: LoadedModel,
    settings: Composing,
    constraints: Constraints | None = None,
    prime: Chorale | None = None,
    key: Key | None = None,
) -> tuple[Chorale, Plan]:
    """A whole chorale, on a plan that the seed chooses, and the plan; after a prime, if there is one.

    key: that of the user. Equal seeds give equal music.
    """
    if settings.seed is None:
        settings = replace(settings, seed=drawn())
    style = style_in(model.metadata)
    plan = plan_of_piece(model.metadata, style, settings.seed or 0, key, settings.scale)
    sampler = sampler_of(model, settings, style, plan.key, constraints)
    for symbols, row in zip(prime.symbols, prime.plan, strict=True) if prime else ():
        sampler.step(dict(enumerate(symbols.tolist())), row.tolist())
    steps = [step.symbols for step in PlannedComposer(sampler, plan)]
    name = f"after {prime.name}" if prime else f"on the template of {plan.name}"
    return Chorale(name, np.array(steps, np.int16), plan.grid), plan


class SatbComposer:
    """An endless iterator over predictions of events in four voices: chorale after chorale.

    Each chorale is a piece that comes of its seed alone, and so does the seed of the next one.
    """

    def __init__(self, model: LoadedModel, settings: Composing) -> None:
        """`settings` may be replaced at any time; what is composed from then on follows the new ones."""
        self.settings = settings
        self._model, self._style = model, style_in(model.metadata)
        self._key = ""  # of the chorale that is composed
        self._seed = drawn() if settings.seed is None else settings.seed
        self._steps = self._compose(self._seed)
        self._next: Step | None = None  # the first step of the next event; None: a new piece

    def __iter__(self) -> Iterator[Prediction]:
        return self

    def __next__(self) -> Prediction:
        """The next event, with the probabilities of the soprano [SYMBOLS]."""
        begins = None
        if self._next is None:
            begins, self._seed = self._seed, seed_after(self._seed)
            self._steps = self._compose(begins)
            self._next = next(self._steps)
        first, length = self._next, 1
        while True:
            before, self._next = self._next, next(self._steps, None)
            if self._next is None or length == LONGEST_EVENT or _begins(before, self._next):
                break
            length += 1
        symbols = first.symbols.tolist()
        event = event_of(symbols, first.sounds.tolist(), first.plan.tolist(), length)
        return Prediction(event, first.soprano, symbols[0], begins, key=self._key)

    def _compose(self, seed: int) -> Iterator[Step]:
        """The steps of a chorale and of a rest."""
        settings = replace(self.settings, seed=seed)
        plan = plan_of_piece(self._model.metadata, self._style, seed, scale=settings.scale)
        self._key = plan.key.midi_name
        sampler = sampler_of(self._model, settings, self._style, plan.key)
        yield from PlannedComposer(
            sampler, plan, settings=lambda: self._model.limited(self.settings)
        )
        rest = np.full(len(VOICES), SILENCE, np.int16)
        for step in range(REST):
            symbols = np.full_like(rest, HOLD) if step else rest
            yield Step(symbols, rest, np.zeros(3, np.int16), sampler.soprano[0])


def drawn() -> int:
    """A seed that nobody knew before."""
    return int(np.random.default_rng().integers(2**31))


def seed_after(seed: int) -> int:
    """The seed of the piece that comes after a piece."""
    return int(np.random.default_rng((seed, 1)).integers(2**31))


def _begins(before: Step, now: Step) -> bool:
    """Whether an event begins with the second of two steps; see encoding.cuts_of."""
    symbols, plan = np.stack([before.symbols, now.symbols]), np.stack([before.plan, now.plan])
    return bool(cuts_of(symbols, plan)[1])
