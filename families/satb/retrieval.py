"""Retrieval: training pieces whose soprano went like this one so far, and what came next there.

Bach set many tunes more than once. A network forgets most of those that it learned from, but they can be
looked up (as words are in the kNN-LM of Khandelwal et al. 2020, arXiv 1911.00172): at each step the
last notes of the soprano are searched in all training pieces, in any key, and what their four voices did
next is told to the network, which learns how far to trust it. A piece is never looked up in itself.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

from families.satb.encoding import FIRST, HOLD, NOTHING, SYMBOLS, VOICES, Chorale, Grid

NOTES = (5, 6, 8, 10, 12, 16)  # notes in a row that a match has at the least, told apart
LENGTHS = len(NOTES) + 1  # classes of lengths; 0: nothing was found
FAR = 1000  # more than any interval
NOTHING_FOUND = [NOTHING] * len(VOICES) + [0]


class Tune:
    """The last notes of a soprano that grows step by step."""

    def __init__(self) -> None:
        self._notes: list[tuple[int, int]] = []  # (step, symbol) of those that were struck
        self._step = 0

    @property
    def symbol(self) -> int:
        """That of the last note; NOTHING before the first one and after silence."""
        return self._notes[-1][1] if self._notes else NOTHING

    def feed(self, symbol: int) -> None:
        """Take one step of the soprano. Silence ends a tune."""
        if symbol >= FIRST:
            self._notes = [*self._notes[-NOTES[-1] + 1 :], (self._step, symbol)]
        elif symbol != HOLD:
            self._notes = []
        self._step += 1

    def shapes(self) -> Iterator[tuple[int, int]]:
        """The class and the hash of the last notes, the longest first: their intervals, how long all but
        the first were, and how long the last one sounds already. Equal in all keys."""
        notes = self._notes
        intervals = [b - a for (_, a), (_, b) in pairwise(notes)]
        steps = [b - a for (a, _), (b, _) in pairwise(notes)]
        for length, count in reversed(list(enumerate(NOTES, 1))):
            if len(notes) >= count:
                elapsed = self._step - notes[-1][0]
                yield length, hash((*intervals[1 - count :], *steps[2 - count :], elapsed))

    def copy(self) -> Tune:
        """Another that goes on by itself."""
        return copy.copy(self)  # `feed` puts another list in the place of the notes


class TuneIndex:
    """The sopranos of training pieces, to be searched."""

    def __init__(self, pieces: Iterable[Chorale]) -> None:
        known = list(pieces)
        self._symbols = [piece.symbols for piece in known]
        self._fingerprints = [piece.fingerprint for piece in known]
        places = [place for i, piece in enumerate(known) for place in places_of(piece.symbols, i)]
        table = np.array(places, np.int64).reshape(-1, 5)
        table = table[table[:, 0].argsort(kind="stable")]
        self._hashes, self._places = table[:, 0].copy(), table[:, 1:].astype(np.int32)

    def excluded(self, fingerprint: str) -> list[int]:
        """The numbers of the pieces that are the same music."""
        return [i for i, name in enumerate(self._fingerprints) if name == fingerprint]

    def search(self, tune: Tune, excluded: Iterable[int] = ()) -> list[int]:
        """What the voices did after the longest match, in the key of `tune`, and its class [5].

        Of several matches one counts whose soprano goes on as most of them do. excluded: the numbers
        of pieces that are not searched.
        """
        for length, key in tune.shapes():
            where = np.arange(*np.searchsorted(self._hashes, [key, key + 1]))
            for number in excluded:
                where = where[self._places[where, 0] != number]
            if len(where):
                then, counts = np.unique(self._places[where, 3], return_counts=True)
                most = then[counts.argmax()]
                first = int(where[self._places[where, 3] == most][0])
                return [*self._chord(first, tune.symbol), length]
        return NOTHING_FOUND

    def _chord(self, place: int, symbol: int) -> list[int]:
        """What the voices did there, so high that the note before would have been `symbol`."""
        piece, step, there, _ = self._places[place].tolist()
        return [moved(s, symbol - there) for s in self._symbols[piece][step].tolist()]


def places_of(symbols: Grid, number: int) -> Iterator[tuple[int, ...]]:
    """All places of a piece that can be found: the hash of what came before, the number of the piece,
    the step, the symbol that sounded last, and what the soprano does next: the interval of what it
    strikes, or its symbol, far away from all intervals."""
    tune = Tune()
    for step, symbol in enumerate(symbols[:, 0].tolist()):
        then = symbol - tune.symbol if symbol >= FIRST else symbol - FAR
        for _, key in tune.shapes():
            yield key, number, step, tune.symbol, then
        tune.feed(symbol)


def moved(symbol: int, semitones: int) -> int:
    """A symbol in another key; NOTHING where the symbols end."""
    if symbol < FIRST:
        return symbol
    return symbol + semitones if FIRST <= symbol + semitones < SYMBOLS else NOTHING


class TuneTracker:
    """Takes the soprano of one piece step by step, and looks up what may come next."""

    def __init__(self, index: TuneIndex, but: str = "") -> None:
        """but: the fingerprint of a piece that is not to be found."""
        self._index, self._excluded = index, index.excluded(but)
        self._tune = Tune()

    def feed(self, symbol: int) -> None:
        """Take one step of the soprano."""
        self._tune.feed(symbol)

    def row(self) -> list[int]:
        """What four voices did at this place in another piece, and the class of the match [5]."""
        return self._index.search(self._tune, self._excluded)

    def copy(self) -> TuneTracker:
        """Another that goes on by itself."""
        twin = copy.copy(self)
        twin._tune = self._tune.copy()
        return twin
