"""What a model that plays together with others can do: hear what is played step by step, and go on.

A family says by `ModelFamily.live` whether it can. Nothing is computed at the end of what is heard, for
it was heard while it was played.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from config_bach import Composing
from music.events import COMMON_TIME, Event

SIXTEENTHS = tuple(Fraction(i, 4) for i in range(4))


@dataclass(frozen=True)
class Place:
    """Where a step stands: quarter lengths since playing began, the length of a bar, and how much is
    left until the phrase ends (None: not known)."""

    time: Fraction
    bar: Fraction = COMMON_TIME
    left: Fraction | None = None

    @property
    def beat(self) -> Fraction:
        """Quarter lengths since the bar began."""
        return self.time % self.bar


@dataclass(frozen=True)
class Surprise:
    """How surprised a model is by some notes: nats of all together, and how many notes they are.

    Of models that hear chords as one, a chord is a note.
    """

    nats: float = 0.0
    notes: int = 0

    def __add__(self, other: Surprise) -> Surprise:
        return Surprise(self.nats + other.nats, self.notes + other.notes)

    @property
    def per_note(self) -> float | None:
        """Nats per note; None without notes."""
        return self.nats / self.notes if self.notes else None


class Sampled:
    """What is the same for all that go on by a sampler (see sampling.StepSampler)."""

    _sampler: Any

    @property
    def settings(self) -> Composing:
        """How it samples."""
        settings: Composing = self._sampler.settings
        return settings

    @settings.setter
    def settings(self, settings: Composing) -> None:
        self._sampler.settings = settings

    def reseed(self, seed: int) -> None:
        """Draw by another seed from here on."""
        self._sampler.rng = np.random.default_rng(seed)

    def copy(self) -> Self:
        """Another that goes on by itself from here."""
        twin = copy.copy(self)
        twin._sampler = self._sampler.copy()
        return twin


class LiveComposer(Protocol):
    """Hears music and goes on with it; one for each who plays."""

    settings: Composing  # may be replaced at any time; the next step follows the new ones
    grid: tuple[Fraction, ...]  # where in a quarter the steps begin that it hears
    percussion: bool  # whether it knows what percussion is

    def hear(self, event: Event, place: Place) -> Surprise:
        """Take a step of its grid that others play: `sounds` tell what is struck and what is held."""

    def settle(self) -> Surprise:
        """Take what was heard last, if it is not known yet how long it lasts: it ends here."""

    def next(self, place: Place) -> tuple[Event, Surprise]:
        """Compose what comes at a place, for a step or longer."""

    def copy(self) -> Self:
        """Another that goes on by itself from here."""

    def reseed(self, seed: int) -> None:
        """Draw by another seed from here on."""


@runtime_checkable
class Accompanist(LiveComposer, Protocol):
    """Plays all voices but one, at once with whoever plays that one."""

    def plan(self, place: Place, sounding: bool) -> tuple[Event, Surprise]:
        """What the other voices do at the next step if the given voice goes on as it is.

        sounding: whether it sounds, or is silent. The step before is over: it was as the last plan or
        correction says; the surprise is that of what the given voice did in it.
        """

    def correct(self, pitch: int, kept: Collection[int]) -> Event:
        """What they do at that step now that the given voice strikes a pitch in it.

        kept: voices that have struck already, and stay.
        """
