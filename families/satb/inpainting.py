"""Inpainting: harmonising a melody, filling in voices, composing bars anew.

A given voice is known to its end, but the network only knows the past. So many pieces are composed
side by side, and those in which what is given turns out unlikely give way to copies of those in
which it is likely: a particle filter (Gordon et al. 1993), which samples from what the network would
compose if it knew the given notes to come.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from config_bach import Composing, UserError
from families.satb.constraints import Constraints
from families.satb.encoding import STEP, VOICES, Chorale, Grid, pitches
from families.satb.particles import chord_sounding, cost, goal
from families.satb.plan import ANY, Cadence, phrase_ends
from families.satb.sampler import SatbSampler
from families.satb.style import MODES, Style
from families.steps import Predictor
from music.events import bars_of
from music.keys import Key

PARTICLES = 48  # pieces side by side
LOOKAHEAD = 32  # steps after the last composed one that still weigh the pieces

Mask = npt.NDArray[np.bool_]


def inpaint(
    predictor: Predictor,
    given: Chorale,
    free: Mask,
    settings: Composing,
    constraints: Constraints | None = None,
    *,
    particles: int = PARTICLES,
    aim: Aim | None = None,
) -> Chorale:
    """Compose what is free [steps, 4] of a chorale, and leave the rest as it stands, note for note.

    particles: pieces side by side. aim: what the new voices are to keep to. Equal seeds give equal
    music.
    """
    steps = np.flatnonzero(free.any(1))
    if not len(steps):
        return given
    aim = aim or Aim(given.plan)
    first, last = int(steps[0]), min(int(steps[-1]) + 1 + LOOKAHEAD, len(given))
    rng = np.random.default_rng(settings.seed)
    sampler = SatbSampler(predictor, settings, rng, constraints, **aim.sampling)
    for step in range(lead(given), first):
        sampler.step(dict(enumerate(given.symbols[step].tolist())), aim.plan[step].tolist())
    sampler.spread(particles)
    composed = np.zeros((particles, last - first, len(VOICES)), np.int16)
    for step in tqdm(range(first, last), "composing", leave=False, disable=None):
        fixed = {v: int(given.symbols[step, v]) for v in range(len(VOICES)) if not free[step, v]}
        sampler.goal = aim.goal(step)
        composed[:, step - first] = sampler.step(fixed, aim.plan[step].tolist())
        if free[step].any():
            sampler.log_weights -= aim.costs(step, sampler)
        composed = composed[sampler.resample()]
    best = composed[int(sampler.log_weights.argmax())]
    symbols = given.symbols.copy()
    symbols[first:last] = np.where(free[first:last], best, symbols[first:last])
    return Chorale(given.name, symbols, given.plan, given.bpm, given.tells_struck)


@dataclass(frozen=True)
class Aim:
    """What voices that are composed around others keep to: a plan [steps, 3], with the ends of phrases;
    where it is known, a key, in which phrases end on triads and the piece on the tonic; and a style."""

    plan: Grid
    key: Key | None = None
    style: Style | None = None

    @property
    def sampling(self) -> dict[str, Any]:
        """How a sampler is to choose: its prior and its temperatures."""
        if not self.key or not self.style:
            return {}
        temperatures = (self.style.onset, self.style.pitch)
        return {"prior": self.style.prior(self.key), "temperatures": temperatures}

    @cached_property
    def cadences(self) -> dict[int, Cadence]:
        """The ends of phrases by their first and by their last step."""
        if not self.key:
            return {}
        ends = phrase_ends(self.plan)
        found: dict[int, Cadence] = {}
        for begin, stop in ends:
            final = stop == ends[-1][1]
            quality = MODES[self.key.minor] if final else ANY
            found |= dict.fromkeys(
                (begin, stop), Cadence(begin, stop, self.key.tonic, quality, final)
            )
        return found

    def goal(self, step: int) -> npt.NDArray[np.float64] | None:
        """The notes that are made likelier at a step, see particles.goal."""
        cadence = self.cadences.get(step)
        return goal(cadence) if cadence and cadence.first == step else None

    def costs(self, step: int, sampler: SatbSampler) -> npt.NDArray[np.float64]:
        """What it costs each piece how its phrase ends [pieces]."""
        cadence = self.cadences.get(step)
        if not cadence or not self.key:
            return np.zeros(len(sampler.features))
        sounds = (np.array(features.sounding) for features in sampler.features)
        return np.array([cost(chord_sounding(s), cadence, self.key) for s in sounds])


def lead(given: Chorale) -> int:
    """The steps before the first note."""
    heard = (pitches(given.symbols) >= 0).any(1)
    return int(heard.argmax()) if heard.any() else 0


def free_voices(given: Chorale, kept: Sequence[int]) -> Mask:
    """Everything is free but the voices that are kept, and the silence before the first note."""
    free = np.ones((len(given), len(VOICES)), bool)
    free[:, list(kept)] = False
    free[: lead(given)] = False
    return free


def free_bars(given: Chorale, bars: str, kept: Sequence[int]) -> Mask:
    """Bars '5-8' are free (1 is the first whole bar), but for the voices that are kept.

    Raises UserError if the chorale has no such bars.
    """
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", bars.strip())
    known = {bar.number: bar for bar in bars_of(given.events)}
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
    if first not in known or last not in known or last < first:
        raise UserError(
            f"--regenerate {bars!r}: the score has bars {min(known)} to {max(known)}; write 5-8."
        )
    free = free_voices(given, kept)
    free[: round(known[first].start / STEP)] = False
    free[round(known[last].stop / STEP) :] = False
    return free


def voices_named(text: str) -> list[int]:
    """'soprano,bass' -> [0, 3]. Raises UserError for any other name."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if not names or (unknown := [n for n in names if n not in VOICES]):
        wrong = unknown[0] if names else text
        raise UserError(f"--keep {wrong!r} is no voice; take some of {', '.join(VOICES)}.")
    return [VOICES.index(name) for name in names]


def unchanged(before: Chorale, after: Chorale, free: Mask) -> bool:
    """Whether all that was given stands as it stood."""
    same = (before.symbols == after.symbols) & (pitches(before.symbols) == pitches(after.symbols))
    return bool((same | free).all())
