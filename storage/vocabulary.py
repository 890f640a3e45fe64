"""The symbols that a network predicts, and their token ids. How music becomes symbols is up to a family.

Token 0 of every field is '?': a symbol too rare to learn. It may be an input and is counted in every
figure, but it is never composed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from config_bach import Encoding

UNKNOWN = "?"


@dataclass(frozen=True)
class Field:
    """One thing that a model predicts: its name, its symbols, and how many rarer ones '?' stands for."""

    name: str
    symbols: tuple[str, ...]
    rare: int = 1

    @cached_property
    def ids(self) -> dict[str, int]:
        """Symbol -> token id."""
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    @property
    def unknown_nats(self) -> float:
        """What an event outside the vocabulary costs beyond '?', in nats.

        '?' says only that a rare symbol comes; which one is a choice among all the rare ones.
        """
        return math.log(self.rare)

    @classmethod
    def of(cls, name: str, symbols: Iterable[str], min_count: int) -> Field:
        """The symbols of the training pieces that occur often enough, the commonest first."""
        counts = Counter(symbols)
        common = [s for s, n in counts.most_common() if n >= min_count]
        return cls(name, (UNKNOWN, *common), max(1, len(counts) - len(common)))


@dataclass(frozen=True)
class Vocabulary:
    """All fields of a model, and the settings by which music becomes symbols.

    octave: where folded chords sound (4 holds middle C). velocity: MIDI velocity of every note where
    none was learned.
    """

    encoding: Encoding
    fields: tuple[Field, ...]
    octave: int = 4
    velocity: int = 90

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as JSON types."""
        return {
            "encoding": self.encoding.to_json(),
            "octave": self.octave,
            "velocity": self.velocity,
            "fields": [
                {"name": f.name, "symbols": list(f.symbols), "rare": f.rare} for f in self.fields
            ],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Vocabulary:
        """The inverse of `to_json`. Raises KeyError, TypeError or UserError for anything else."""
        fields = tuple(Field(f["name"], tuple(f["symbols"]), f["rare"]) for f in data["fields"])
        encoding = Encoding.from_json(data["encoding"])
        return cls(encoding, fields, data["octave"], data["velocity"])
