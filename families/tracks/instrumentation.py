"""Which instruments play in one piece: those of a piece that was learned from, or of its prime."""

from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np

from families.tracks.grammar import Mask
from families.tracks.tokens import FIRST, INDEX, KINDS, SPAN, SYMBOLS, Kind

MOST_KEPT = 200  # instrumentations that a bundle carries


def programs_of(tokens: Sequence[int]) -> list[int]:
    """The programs that play in tokens (0: percussion, else General MIDI 1..128), in order."""
    row = np.asarray(tokens, np.int64)
    return sorted(set(INDEX[row[KINDS[row] == Kind.PROGRAM]].tolist()))


def instrumentations(pieces: Iterable[Sequence[int]]) -> list[list[int]]:
    """The programs of each piece, of MOST_KEPT pieces at the most: common ones stand there often."""
    return list(islice(filter(None, map(programs_of, pieces)), MOST_KEPT))


def only(programs: Iterable[int]) -> Mask:
    """All tokens but those of other programs [SYMBOLS]; all of them if no program is named."""
    wanted = [FIRST[Kind.PROGRAM] + program for program in programs]
    mask = np.ones(SYMBOLS, bool)
    if wanted:
        mask[SPAN[Kind.PROGRAM]] = False
        mask[wanted] = True
    return mask
