"""Another model in the place of one that plays: it hears what was played before it plays itself.

Loading and hearing take longer than a step, so they are done beside the music (models.py) with copies
of what was played until a moment; what was played since is heard along, a few steps at each point of the
grid. When all is heard, the next beat is that of the change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Protocol

from config_bach import Composing
from duet.parts import Part
from duet.players import Audible, Listener
from families.live import LiveComposer
from music.events import Event

HISTORY = 32  # quarters that are heard at least; more where calls are longer
LONGEST_HISTORY = 128
STEPS = 4  # that are heard at one point of the grid at the most


@dataclass(frozen=True)
class Candidate:
    """A model that was loaded. expects: nats per note, from and to; compose: seed, voice (0..3)."""

    source: str
    program: int  # General MIDI 1..128, or DRUMS
    expects: tuple[float, float]
    compose: Callable[[Composing, int], LiveComposer]


class Models(Protocol):
    """Where other models come from."""

    def choosable(self) -> list[str]:
        """Those that can play together, by name."""

    def candidate(self, source: str) -> Candidate:
        """One of them, loaded. Raises UserError if it cannot be."""


class Ensemble:
    """Several parts that are heard as one."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = list(parts)

    def step(self, before: Fraction, start: Fraction, stop: Fraction) -> Event:
        """What all of them sound in a step of a grid."""
        sounds = [s for p in self._parts for s in p.step(before, start, stop).sounds]
        return Event.of(sounds, stop - start)


class Successor(Listener):
    """A composer that is to take the place of a player's."""

    def __init__(
        self, player: str, candidate: Candidate, composer: LiveComposer, bar: Fraction
    ) -> None:
        """player: whose place it takes."""
        super().__init__(composer, bar)
        self.player, self.candidate = player, candidate
        self._past: Audible | None = None
        self._until = Fraction(0)

    def remember(self, parts: Sequence[Part], at: Fraction, quarters: float) -> None:
        """Take copies of what was played in the last quarters before a time."""
        begin = Fraction(max(floor(at - Fraction(quarters)), 0))
        self._past, self._until = Ensemble([p.since(float(begin) - 1) for p in parts]), at
        self.listen(begin)

    def rehearse(self) -> None:
        """Hear what was remembered: half a second, or less. Whatever thread may do it."""
        if self._past is not None:
            self.hear(self._past, self._until)
            self._past = None

    def follow(self, parts: Sequence[Part], at: Fraction) -> bool:
        """Hear a few steps of what was played since; whether all until a time is heard."""
        self.hear(Ensemble(parts), at, STEPS)
        return self.heard_to >= at
