"""A sense of key: what was heard so far tells which pitches belong.

The network hears a bar or two back clearly and the rest as through a wall: composing freely it strayed
from key to key. So the probabilities of pitches are rescaled by how much each pitch class was heard
before, as language models are by the words of the text so far (unigram rescaling, Gildea and Hofmann
1999). That foretells real chorales better, too; docs/decisions.md has the figures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from chorale.grid import FIRST, LOWEST, SYMBOLS

CLASSES = 12
HALF_LIFE = 128  # steps after which what was heard counts half
FLOOR = 0.01  # share of a class that was never heard
TRUST = 0.5  # the power of the rescaling; measured best
HUNDREDTHS = 100  # rows hold whole numbers

CLASS_OF = (np.arange(FIRST, SYMBOLS) - FIRST + LOWEST) % CLASSES


class Profile:
    """How much each pitch class was heard, what is long ago less."""

    def __init__(self) -> None:
        self._heard = np.zeros(CLASSES)

    def feed(self, sounding: Sequence[int]) -> None:
        """Hear a step: the symbols that sound."""
        self._heard = self._heard * 0.5 ** (1 / HALF_LIFE)
        for symbol in sounding:
            if symbol >= FIRST:
                self._heard[CLASS_OF[symbol - FIRST]] += 1

    def row(self) -> list[int]:
        """How much likelier than on average each class is [12]: hundredths of a logarithm."""
        share = self._heard / max(self._heard.sum(), 1e-9) + FLOOR
        weight: list[int] = np.rint(HUNDREDTHS * np.log(share / share.mean())).astype(int).tolist()
        return weight

    def copy(self) -> Profile:
        """Another that has heard the same."""
        twin = Profile()
        twin._heard = self._heard  # `feed` puts another in its place
        return twin


def in_key(p: npt.NDArray[np.float32], weights: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """Rescaled probabilities: p [..., SYMBOLS] and the weights of a Profile [..., 12] -> [..., SYMBOLS].

    Whether a pitch comes at all stays as likely as it was.
    """
    factor = np.exp(weights[..., CLASS_OF] * np.float32(TRUST / HUNDREDTHS))
    pitched = p[..., FIRST:]
    scaled = pitched * factor
    mass = pitched.sum(-1, keepdims=True) / np.maximum(scaled.sum(-1, keepdims=True), 1e-12)
    return np.concatenate([p[..., :FIRST], scaled * mass], axis=-1).astype(np.float32)
