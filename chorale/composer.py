"""Chorales composed freely, one after the other, on the forms of held-out ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bundle import Bundle
from chorale.choir import Choir
from chorale.forms import form_of
from chorale.grid import HOLD, SILENCE, VOICES, Chorale, Grid
from chorale.limits import Limits
from chorale.score import event_of
from config_bach import Composing
from lite import Probabilities
from piece import Event
from predict import follower_of

BREATH = 4  # steps of silence between two chorales
MOST_COPIED = 20  # notes; half of Bach's chorales share 15 or more in a row with others of his
LONGEST_EVENT = 16  # steps; a longer chord is told in parts


def compose(
    bundle: Bundle, settings: Composing, limits: Limits | None = None, prime: Chorale | None = None
) -> Chorale:
    """A whole chorale, on a form that the seed chooses; of a prime what comes after it.

    Equal seeds give equal music. Unless told otherwise it copies MOST_COPIED notes in a row at most.
    """
    if settings.max_copy is None and bundle.memory:
        settings = replace(settings, max_copy=MOST_COPIED)
    choir = Choir(bundle.choir, settings, np.random.default_rng(settings.seed), limits=limits)
    choir.follower = follower_of(bundle, settings)
    for symbols, plan in zip(prime.symbols, prime.plan, strict=True) if prime else ():
        choir.step(plan, dict(enumerate(symbols.tolist())))
    form = form_of(bundle, settings.seed)
    steps = [choir.step(plan)[0] for plan in form.plan]
    name = f"after {prime.name}" if prime else f"on the form of {form.name}"
    return Chorale(name, np.array(steps, np.int16), form.plan)


class ChoraleComposer:
    """An endless iterator over events in four voices: chorale after chorale."""

    def __init__(self, bundle: Bundle, settings: Composing, limits: Limits | None = None) -> None:
        """`settings` may be replaced at any time; the next event follows the new ones."""
        self.settings = settings
        self.symbols = bundle.vocabulary.fields[0].symbols
        self._bundle, self._limits = bundle, limits
        self._rng = np.random.default_rng(settings.seed)
        self._steps = self._compose()
        self._coming = next(self._steps)

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        """The next event."""
        return self.draw()[0]

    def draw(self) -> tuple[Event, Probabilities, int]:
        """The next event, what the soprano might have done instead [SYMBOLS], and what it did."""
        symbols, sounds, p = self._coming
        length = 1
        while True:
            self._coming = next(self._steps)
            if length == LONGEST_EVENT or (self._coming[0] != HOLD).any():
                break
            length += 1
        event = event_of(symbols.tolist(), sounds.tolist(), length)
        return event, p, int(symbols[0])

    def _compose(self) -> Iterator[tuple[Grid, Grid, Probabilities]]:
        """Steps without end: symbols [4], what sounds [4], the soprano's probabilities."""
        while True:
            settings = replace(self.settings, seed=int(self._rng.integers(2**31)))
            choir = Choir(self._bundle.choir, settings, self._rng, limits=self._limits)
            choir.follower = follower_of(self._bundle, settings)
            for plan in form_of(self._bundle, settings.seed).plan:
                choir.settings = self.settings
                symbols = choir.step(plan)[0]
                yield symbols, np.array(choir.ears[0].sounding, np.int16), choir.coming[0]
            rest = np.full(len(VOICES), SILENCE, np.int16)
            for step in range(BREATH):
                yield (np.full_like(rest, HOLD) if step else rest), rest, choir.coming[0]
