"""Durations for models that predict pitches alone: how often each followed the ones before it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Self

import numpy as np

from families.events.encoding import duration_symbol
from music.events import Piece

ORDER = 4  # durations that are looked back at


class Rhythm:
    """A back-off Markov chain over durations in quarter lengths."""

    def __init__(self, counts: dict[str, dict[str, int]]) -> None:
        """counts: the durations before, joined by spaces -> {duration: how often it followed}."""
        self.counts = counts

    @classmethod
    def learn(cls, pieces: Iterable[Piece]) -> Self:
        """Count what follows what in pieces, for all contexts up to ORDER durations."""
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for piece in pieces:
            row = [duration_symbol(e.duration) for e in piece.events]
            for i, duration in enumerate(row):
                for order in range(min(ORDER, i) + 1):
                    counts[" ".join(row[i - order : i])][duration] += 1
        return cls({context: dict(counter) for context, counter in counts.items()})

    def sample(self, before: Sequence[Fraction], rng: np.random.Generator) -> Fraction:
        """The next duration, from the longest context that was ever counted."""
        row = [duration_symbol(d) for d in before[-ORDER:]]
        choices = next(
            self.counts[context]
            for order in range(len(row), -1, -1)
            if (context := " ".join(row[len(row) - order :])) in self.counts
        )
        weights = np.array(list(choices.values()), float)
        pick = rng.choice(len(weights), p=weights / weights.sum())
        return Fraction(list(choices)[int(pick)])
