"""The plan of a new chorale: bars and phrases, key, the chords that its phrases end on, and its form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from families.satb.encoding import Grid
from families.satb.style import MODES, Style, Triad, fermatas, keys_within, openings
from families.satb.templates import Template, template_of
from music.keys import Key
from music.scales import scale_of

ANY = ""  # quality of a cadence for which any triad will do
LAST_STEPS = 4  # a fermata that ends so near the end is the last one

T = TypeVar("T")


@dataclass(frozen=True)
class Cadence:
    """The end of a phrase: its first and last step, and the triad that is meant to sound there, in root
    position: its root (pitch class) and quality; or ANY."""

    first: int
    last: int
    root: int
    quality: str
    final: bool


@dataclass(frozen=True)
class Plan:
    """What is known of a chorale before its notes.

    grid [steps, 3]: see encoding.PLAN. again: steps after which the opening comes again, 0 if it
    does not; whole: with all voices, not with the soprano alone.
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
    """A plan on a template, in a key: its cadences and its form are drawn as often as the corpus
    has them."""
    grid = template.plan
    ends = phrase_ends(grid)
    triads = _triads(style.cadences[key.minor], len(ends), key.minor, rng)
    cadences = tuple(
        Cadence(first, last, (key.tonic + steps) % 12, quality, last == ends[-1][1])
        for (first, last), (steps, quality) in zip(ends, triads, strict=True)
    )
    lengths = openings(grid)
    again = int(lengths[0]) if lengths and rng.random() < style.returns else 0
    return Plan(template.name, grid, key, cadences, again, bool(rng.random() < style.whole))


def phrase_ends(grid: Grid) -> list[tuple[int, int]]:
    """The first and last step of the end of each phrase; the end of the piece is one."""
    ends, stop = fermatas(grid), len(grid)
    if not ends or ends[-1][1] < stop - LAST_STEPS:
        ends.append((max(stop - LAST_STEPS, 0), stop - 1))
    return ends


def _triads(
    known: Sequence[tuple[Triad, ...]], count: int, minor: bool, rng: np.random.Generator
) -> list[Triad]:
    """The triads of so many phrases, from a piece of the corpus that has as many or nearly; the
    last one is on the tonic."""
    nearest = min(abs(len(row) - count) for row in known)
    rows = [row for row in known if abs(len(row) - count) == nearest]
    row = rows[int(rng.integers(len(rows)))]
    inner = [row[i % max(len(row) - 1, 1)] for i in range(count - 1)]
    last = row[-1] if row[-1][0] == 0 and row[-1][1] != ANY else (0, MODES[minor])
    return [*inner, last]


def _drawn(weights: Mapping[T, int], rng: np.random.Generator) -> T:
    """One of them, by its weight."""
    p = np.array(list(weights.values()), float)
    return list(weights)[int(rng.choice(len(p), p=p / p.sum()))]
