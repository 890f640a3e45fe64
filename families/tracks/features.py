"""What the network is told before each token: the last one, where it stands, what sounds.

The columns of a row (see COLUMNS):

    token     the last token
    quarter   which quarter of the bar it is
    part      which part of the quarter (GRID)
    metre     of the bar, an index into METRES
    program   in force, from 1; 0: none yet
    recent    the last pitch of this program, from 1; 0: none yet
    sounding  the pitch classes that sound, a bit for each
    again     what followed the last time that the same tokens came (see LongestMatch); 0: they are new
    matched   for how long they are the same, one of MATCHES
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt

from families.steps import Rows
from families.tracks.cursor import Cursor
from families.tracks.tokens import GRID, METRES, QUARTERS, SYMBOLS, Kind, Tokens, transposed
from music.sounds import DRUMS

PASSAGES = (16, 6, 2)  # tokens that are looked up, long ones first
MATCHES = 9  # none, 2-3, 4-7, 8-15, ..., 128-255, 256 and more
SPAN = 16_384  # tokens that are looked back at in the least
COLUMNS = {  # how many values each has
    "token": SYMBOLS,
    "quarter": QUARTERS,
    "part": GRID,
    "metre": len(METRES),
    "program": 130,
    "recent": 129,
    "sounding": 2**12,
    "again": SYMBOLS,
    "matched": MATCHES,
}
TOKEN, _, _, _, _, RECENT, SOUNDING, AGAIN, _ = range(len(COLUMNS))


class LongestMatch:
    """What followed when the same tokens came the last time, in constant time for each token.

    The match model of PAQ (Mahoney 2005): while the tokens of an earlier passage come again it is
    followed; where they differ, the last passage is looked up that ended with the same tokens.
    """

    def __init__(self) -> None:
        self._tokens: list[int] = []
        # where the tokens after a passage begin
        self._after: list[dict[tuple[int, ...], int]] = [{} for _ in PASSAGES]
        self._place = self._length = 0

    def copy(self) -> LongestMatch:
        """Another that goes on by itself."""
        twin = copy.copy(self)
        twin._tokens, twin._after = list(self._tokens), list(map(dict, self._after))
        return twin

    def feed(self, token: int) -> tuple[int, int]:
        """Take one token; what is to be expected, and how long the match is; (0, 0) if there is none."""
        tokens = self._tokens
        if self._length and tokens[self._place] == token:
            self._place, self._length = self._place + 1, self._length + 1
        else:
            self._length = 0
        tokens.append(token)
        for size, after in zip(PASSAGES, self._after, strict=True):
            passage = tuple(tokens[-size:])
            if self._length < size and passage in after:
                self._place, self._length = after[passage], size
            if len(tokens) >= size:
                after[passage] = len(tokens)
        if len(tokens) >= 2 * SPAN:
            self._forget()
        if not self._length:
            return 0, 0
        return self._tokens[self._place], min(self._length.bit_length() - 1, MATCHES - 1)

    @property
    def repeats(self) -> int:
        """How often in a row the last passage has come again: 3 if it was heard four times."""
        return self._length // (len(self._tokens) - self._place) if self._length else 0

    def _forget(self) -> None:
        """Drop the older half."""
        self._tokens = self._tokens[SPAN:]
        self._after = [
            {k: place - SPAN for k, place in after.items() if place >= SPAN}
            for after in self._after
        ]
        self._place -= SPAN
        if self._place < 0:
            self._length = 0


class TrackFeatures:
    """The row of a piece that grows token by token."""

    def __init__(self) -> None:
        self.cursor = Cursor()
        self._match = LongestMatch()
        self._expected = (0, 0)
        self._token = 0
        self._recent: dict[int, int] = {}
        self._ends: list[tuple[int, int]] = []  # when the pitches that sound stop, with their class
        self._classes = [0] * 12  # how many pitches of each class sound
        self._sounding = 0  # a bit for each class that does

    @property
    def repeats(self) -> int:
        """How often in a row the last passage has come again."""
        return self._match.repeats

    def forget(self) -> int:
        """Begin to look back anew; the token that was expected, 0 if none was."""
        expected, _ = self._expected
        self._match, self._expected = LongestMatch(), (0, 0)
        return expected

    def copy(self) -> TrackFeatures:
        twin = copy.copy(self)
        twin.cursor, twin._match = self.cursor.copy(), self._match.copy()
        twin._recent, twin._ends = dict(self._recent), list(self._ends)
        twin._classes = list(self._classes)
        return twin

    def feed(self, tokens: Sequence[int]) -> None:
        """Take one token."""
        self._token = tokens[0]
        cursor = self.cursor
        cursor.feed(self._token)
        self._expected = self._match.feed(self._token)
        if cursor.kind in (Kind.POSITION, Kind.BAR):
            while self._ends and self._ends[0][0] <= cursor.time:
                self._count(heappop(self._ends)[1], -1)
        elif (struck := cursor.struck) and struck.program != DRUMS:
            heappush(self._ends, (cursor.time + struck.duration, struck.pitch % 12))
            self._count(struck.pitch % 12, 1)
            self._recent[struck.program] = struck.pitch + 1

    def _count(self, pitch_class: int, change: int) -> None:
        self._classes[pitch_class] += change
        bit = 1 << pitch_class
        self._sounding = (
            self._sounding | bit if self._classes[pitch_class] else self._sounding & ~bit
        )

    def row(self) -> list[int]:
        cursor = self.cursor
        quarter, part = divmod(max(cursor.position, 0), GRID)
        recent = self._recent.get(cursor.program, 0)
        where = [self._token, quarter, part, cursor.metre, cursor.program + 1]
        return [*where, recent, self._sounding, *self._expected]


def rows_of(tokens: Tokens) -> Rows:
    """What the network is told before each token of a piece but the first [tokens - 1, columns]."""
    features, rows = TrackFeatures(), []
    for token in tokens[:-1].tolist():
        features.feed((token,))
        rows.append(features.row())
    return np.array(rows, np.int32).reshape(-1, len(COLUMNS))


def rows_transposed(rows: Rows, semitones: int) -> Rows:
    """The same rows in another key."""
    moved = rows.copy()
    moved[:, TOKEN] = transposed(rows[:, TOKEN], semitones)
    moved[:, AGAIN] = transposed(rows[:, AGAIN], semitones)
    moved[:, RECENT] = np.where(rows[:, RECENT] > 0, rows[:, RECENT] + semitones, 0)
    moved[:, SOUNDING] = _rotated(rows[:, SOUNDING], semitones % 12)
    return moved


def _rotated(bits: npt.NDArray[np.int32], semitones: int) -> npt.NDArray[np.int32]:
    """Twelve bits, each of them moved up; the highest become the lowest."""
    return ((bits << semitones) | (bits >> (12 - semitones))) & (2**12 - 1)
