"""The longest earlier match of the present passage in the same piece, as an input of a network.

Pieces repeat their phrases. At every step the longest earlier match of what was just heard is found,
and what followed it then is offered to the network as one more input (Magenta's lookback RNN,
Waite 2016, looked back by fixed distances instead). The same search over the training pieces is
the lookup baseline of families/events/baselines.py.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]


SPAN = 4096  # events that are searched at least, so that an endless stream costs a bounded time
LENGTHS = 8  # match lengths are told apart as 0, 1, 2-3, 4-7, ..., 64 and more


class Lookback:
    """The longest earlier match of a growing row of events."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, ...]] = []
        self._pitches = np.full(SPAN, -1, np.int32)
        self._matched = np.zeros(SPAN, np.int32)  # events that agree, back from each index
        self._forgotten = 0

    def copy(self) -> Lookback:
        """A copy that goes on by itself."""
        twin = copy.copy(self)
        twin._rows, twin._pitches = list(self._rows), self._pitches.copy()
        return twin

    def feed(self, row: Sequence[int]) -> tuple[int, ...]:
        """Take one event; returns what followed the longest earlier match, and its length.

        The result has the same fields as `row`, zeros if there is no match, and then the length class
        (one of LENGTHS). Of equally long matches the latest counts.
        """
        index, length = self.search(row)
        if not length:
            return (0,) * (len(row) + 1)
        return (*self._rows[index - self._forgotten], length)

    def search(self, row: Sequence[int]) -> tuple[int, int]:
        """Take one event; returns the index of what followed the match, and the length class."""
        if len(self._rows) == SPAN:
            self._forget()
        n = len(self._rows)
        agrees = self._pitches[:n] == row[0]
        matched = np.zeros(SPAN, np.int32)
        if n:
            matched[0] = agrees[0]
            matched[1:n] = np.where(agrees[1:], self._matched[: n - 1] + 1, 0)
        self._rows.append(tuple(row))
        self._pitches[n], self._matched = row[0], matched
        longest = int(matched.max())
        latest = n - int(matched[:n][::-1].argmax()) if longest else 0
        return latest + self._forgotten, min(longest.bit_length(), LENGTHS - 1)

    def _forget(self) -> None:
        """Drop the older half of what was heard."""
        half = SPAN // 2
        self._rows = self._rows[half:]
        self._pitches = np.concatenate([self._pitches[half:], np.full(half, -1, np.int32)])
        self._matched = np.concatenate([self._matched[half:], np.zeros(half, np.int32)])
        self._forgotten += half


def matches(ids: Ids) -> Ids:
    """The searches of a Lookback through a piece: ids [events, fields] -> [events, (index, length)].

    They are the same in every key, so a piece is searched once for all its transpositions.
    """
    if len(ids) > SPAN:  # some of it is forgotten
        lookback = Lookback()
        return np.array([lookback.search(row) for row in ids.tolist()], np.int32).reshape(-1, 2)
    pitches, found = np.ascontiguousarray(ids[:, 0]), np.zeros((len(ids), 2), np.int32)
    matched = np.zeros(
        len(ids) + 1, np.int16
    )  # of what ends at each earlier event, one place later
    for now in range(1, len(ids)):
        longer = matched[:now] + 1
        longer *= pitches[:now] == pitches[now]
        matched[1 : now + 1] = longer
        latest = now - int(longer[::-1].argmax())
        if length := int(longer[latest - 1]):
            found[now] = latest, min(length.bit_length(), LENGTHS - 1)
    return found


def looked_back(ids: Ids, found: Ids) -> Ids:
    """What a Lookback returns through a piece, given its matches: [events, fields + 1]."""
    index, length = found[:, :1], found[:, 1:]
    answers = np.where(length > 0, ids[np.minimum(index[:, 0], len(ids) - 1)], 0)
    return np.concatenate([answers, length], axis=1).astype(np.int32)
