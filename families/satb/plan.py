"""The plan of a new chorale: bars and phrases, key, the chords that its phrases end on, and its form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from families.satb.encoding import Grid
from families.satb.style import LAST_STEPS, MODES, Style, fermatas, keys_within, openings
from families.satb.templates import Template, template_of
from music.keys import Key
from music.scales import scale_of

T = TypeVar("T")


@dataclass(frozen=True)
class Cadence:
    """The end of a phrase: its first and last step, and the triad that is meant to sound there, in root
    position: its root (pitch class) and quality."""

    first: int
    last: int
    root: int
    quality: str
    final: bool


@dataclass(frozen=True)
class Plan:
    """What is known of a chorale before its notes.

    grid [steps, 3]: see encoding.PLAN. again: steps after which the opening comes again, 0 if it does not;
    whole: with all voices, not with the soprano alone.
    """

    name: str
    grid: Grid
    key: Key
    cadences: tuple[Cadence, ...]
    again: int = 0
    whole: bool = True

    def __len__(self) -> int:
        return len(self.grid)

    def returning(self, step: int) -> int | None:
        """The earlier step that comes again at a step; None where the music is new."""
        return step - self.again if self.again <= step < 2 * self.again else None


def plan_of_piece(
    metadata: Mapping[str, Any], style: Style, seed: int, key: Key | None = None, scale: str = ""
) -> Plan:
    """A plan that the seed chooses: on a template of the bundle, in a key of the corpus.

    key: that of the user. scale: notes that alone may come; the key is one that has them.
    """
    rng = np.random.default_rng((seed, 2))
    template = template_of(metadata, seed)
    possible = keys_within(style, scale_of(scale) if scale else frozenset())
    key = key or _drawn(possible, rng)
    return planned(template, style, key, rng)


def planned(template: Template, style: Style, key: Key, rng: np.random.Generator) -> Plan:
    """A plan on a template, in a key: its cadences and its form are drawn as often as the corpus has them."""
    grid = template.plan
    cadences = tuple(
        Cadence(first, last, (key.tonic + steps) % 12, quality, final)
        for first, last, final in phrase_ends(grid)
        for steps, quality in [_chord(style, key, final, rng)]
    )
    lengths = openings(grid)
    again = int(lengths[0]) if lengths and rng.random() < style.returns else 0
    return Plan(template.name, grid, key, cadences, again, bool(rng.random() < style.whole))


def phrase_ends(grid: Grid) -> list[tuple[int, int, bool]]:
    """The first and last step of the end of each phrase, and whether it is that of the piece."""
    stop = len(grid)
    ends = [(a, b, b >= stop - LAST_STEPS) for a, b in fermatas(grid)]
    if not ends or not ends[-1][2]:
        ends.append((max(stop - 4, 0), stop - 1, True))
    return ends


def _chord(style: Style, key: Key, final: bool, rng: np.random.Generator) -> tuple[int, str]:
    """The triad at the end of a phrase: semitones above the tonic, and quality."""
    if not final:
        return _drawn(style.cadences[key.minor], rng)
    on_tonic = {chord: n for chord, n in style.finals[key.minor].items() if chord[0] == 0}
    return _drawn(on_tonic or {(0, MODES[key.minor]): 1}, rng)


def _drawn(weights: Mapping[T, int], rng: np.random.Generator) -> T:
    """One of them, by its weight."""
    p = np.array(list(weights.values()), float)
    return list(weights)[int(rng.choice(len(p), p=p / p.sum()))]
