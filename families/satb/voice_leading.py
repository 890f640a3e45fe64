"""Parallel fifths, octaves and unisons: which pitches a voice can take without them.

Two voices that form a fifth or an octave may not both move to another one. Contrary motion (from a
fifth to a twelfth) counts as well: Bach writes it as seldom, about 0.08 times in 100 notes.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from families.satb.encoding import FIRST, SYMBOLS

UNISON, FIFTH = 0, 7  # semitones, octaves left out
PITCHES = np.arange(FIRST, SYMBOLS)

Symbols = npt.NDArray[np.integer]
Mask = npt.NDArray[np.bool_]


def without_parallels(own: Symbols, others: Iterable[tuple[Symbols, Symbols]]) -> Mask:
    """The pitches that a voice may strike [pieces, pitches].

    own: the symbol that it sounds so far [pieces]. others: of each voice that is known already, what it
    sounded before and what it sounds now [pieces].
    """
    free = np.ones((len(own), len(PITCHES)), bool)
    moves = own[:, None] != PITCHES
    for before, now in others:
        interval = np.abs(own - before) % 12
        sung = (own >= FIRST) & (before >= FIRST) & (now >= FIRST) & (now != before)
        watched = sung & ((interval == UNISON) | (interval == FIFTH))
        if watched.any():
            same = np.abs(PITCHES - now[:, None]) % 12 == interval[:, None]
            free &= ~(watched[:, None] & same & moves)
    return free
