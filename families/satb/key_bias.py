"""Key bias: pitch classes that sounded more often so far become more likely.

The network remembers a bar or two well and what came before only vaguely: composing freely it strayed
from key to key. So it is told the profile of pitch classes so far, by several half-lives, and learns how
much to trust each. Networks of earlier versions were not told: their probabilities are rescaled by the
profile, as language models are by the words of the text so far (unigram rescaling, Gildea and Hofmann
1999). New music is rescaled in both cases, by more. docs/decisions.md has the figures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from families.satb.encoding import FIRST, LOWEST, SYMBOLS

CLASSES = 12
HALF_LIFE = 128  # steps after which a note counts half
HALF_LIVES = (16, 96, 400)  # those that a network is told of
FLOOR = 0.01  # share of a class that never sounded
POWER = 0.5  # of the rescaling; measured best
COMPOSING_POWER = 1.0  # of new music, which has no other guide to its key
PRIOR = 300.0  # notes of a sixteenth that the key of a piece counts as much as, by HALF_LIFE
HUNDREDTHS = 100  # rows hold whole numbers

_LIVES = np.array([HALF_LIFE, *HALF_LIVES])[:, None]
DECAYS = 0.5 ** (1 / _LIVES)
CLASS_OF = (np.arange(FIRST, SYMBOLS) - FIRST + LOWEST) % CLASSES


class PitchClassProfile:
    """How much each pitch class sounded so far, what is long ago less."""

    def __init__(self, prior: npt.NDArray[np.float64] | None = None) -> None:
        """prior: how much of the time each class sounds in the key of the piece [12], where that is
        known: it counts as much as PRIOR notes of a sixteenth, always."""
        self._weights = np.zeros((len(DECAYS), CLASSES))
        self._prior = np.zeros(CLASSES) if prior is None else PRIOR * prior * _LIVES / HALF_LIFE

    def feed(self, sounding: Sequence[int]) -> None:
        """Take a step: the symbols that sound [4]."""
        self._weights = self._weights * DECAYS
        for symbol in sounding:
            if symbol >= FIRST:
                self._weights[:, CLASS_OF[symbol - FIRST]] += 1

    def row(self) -> list[int]:
        """How much likelier than on average each class is, by HALF_LIFE and then by each of HALF_LIVES
        [4 * 12]: hundredths of a logarithm."""
        heard = self._weights + self._prior
        share = heard / np.maximum(heard.sum(1, keepdims=True), 1e-9) + FLOOR
        logs = np.log(share / share.mean(1, keepdims=True))
        row: list[int] = np.rint(HUNDREDTHS * logs).astype(int).ravel().tolist()
        return row

    def copy(self) -> PitchClassProfile:
        """Another that goes on by itself."""
        twin = PitchClassProfile()
        twin._weights = self._weights  # `feed` puts another in its place
        twin._prior = self._prior
        return twin


def with_key_bias(
    p: npt.NDArray[np.float32], weights: npt.NDArray[np.integer], power: float = POWER
) -> npt.NDArray[np.float32]:
    """Probabilities [..., SYMBOLS], rescaled by a profile [..., 12].

    That a pitch is struck at all stays as likely as it was.
    """
    factor = np.exp(weights[..., CLASS_OF] * np.float32(power / HUNDREDTHS))
    pitched = p[..., FIRST:]
    scaled = pitched * factor
    mass = pitched.sum(-1, keepdims=True) / np.maximum(scaled.sum(-1, keepdims=True), 1e-12)
    return np.concatenate([p[..., :FIRST], scaled * mass], axis=-1).astype(np.float32)
