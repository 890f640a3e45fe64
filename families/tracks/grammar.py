"""Which tokens may follow: so that whatever is sampled is a piece, and nothing stands twice."""

import numpy as np
import numpy.typing as npt

from families.tracks.cursor import NO_POSITION, NO_PROGRAM, Cursor
from families.tracks.tokens import FIRST, HOLDS, SPAN, SYMBOLS, Kind
from music.sounds import DRUMS

MOST_NOTES = 24  # that begin at one moment
MOST_SILENT_BARS = 2  # in a row, before another note
LONGEST_NOTE = 2 * HOLDS[0]  # parts of a quarter

Mask = npt.NDArray[np.bool_]


def following(cursor: Cursor, scale: frozenset[int] = frozenset(), may_end: bool = True) -> Mask:
    """The tokens that may come next [SYMBOLS]; one at the least.

    scale: the pitch classes that are allowed; empty: all. may_end: whether the piece may end.
    """
    mask = np.zeros(SYMBOLS, bool)
    kind = cursor.kind
    if kind == Kind.END:
        mask[FIRST[Kind.BEGIN]] = True
    elif kind == Kind.BEGIN:
        mask[[FIRST[Kind.BAR], FIRST[Kind.UPBEAT]]] = True
    elif kind in (Kind.PITCH, Kind.HOLD):
        _durations(mask, cursor)
    elif kind == Kind.VELOCITY:
        _pitches(mask, cursor, scale)
    elif kind == Kind.PROGRAM:
        _pitches(mask, cursor, scale)
        mask[SPAN[Kind.VELOCITY]] = True
        mask[FIRST[Kind.VELOCITY] + cursor.velocity] = False
    else:
        _at_a_moment(mask, cursor, scale, may_end)
    return mask


def _at_a_moment(mask: Mask, cursor: Cursor, scale: frozenset[int], may_end: bool) -> None:
    """After a bar, its metre, a position, a tempo or a note."""
    kind = cursor.kind
    if kind in (Kind.BAR, Kind.UPBEAT):
        mask[SPAN[Kind.METRE]] = True
        mask[FIRST[Kind.METRE] + cursor.metre] = cursor.bars == 1
    if kind == Kind.POSITION:
        mask[SPAN[Kind.TEMPO]] = True
    else:
        _times(mask, cursor, may_end)
    if cursor.position != NO_POSITION and cursor.notes < MOST_NOTES:
        _notes(mask, cursor, scale)


def _times(mask: Mask, cursor: Cursor, may_end: bool) -> None:
    """The next moment of this bar, another bar, or the end."""
    first = FIRST[Kind.POSITION]
    mask[first + cursor.position + 1 : first + cursor.length] = True
    began = cursor.program != NO_PROGRAM
    silent = cursor.position == NO_POSITION
    mask[FIRST[Kind.BAR]] = began and (not silent or cursor.silent_bars < MOST_SILENT_BARS)
    mask[FIRST[Kind.END]] = began and may_end
    if not mask.any():  # the last position of a bar that holds nothing yet
        mask[FIRST[Kind.BAR]] = True


def _notes(mask: Mask, cursor: Cursor, scale: frozenset[int]) -> None:
    """Another note of this moment: of a later program, or higher, as they stand in order."""
    programs = FIRST[Kind.PROGRAM]
    if cursor.notes:
        mask[programs + cursor.program + 1 : SPAN[Kind.PROGRAM].stop] = True
    else:
        mask[SPAN[Kind.PROGRAM]] = True
        if cursor.program != NO_PROGRAM:
            mask[programs + cursor.program] = False
    if cursor.program == NO_PROGRAM or cursor.pitch == 127:
        return
    _pitches(mask, cursor, scale)
    mask[SPAN[Kind.VELOCITY]] = True
    mask[FIRST[Kind.VELOCITY] + cursor.velocity] = False


def _pitches(mask: Mask, cursor: Cursor, scale: frozenset[int]) -> None:
    """Higher pitches than the last one of this moment and program; of the scale if there are any."""
    span = SPAN[Kind.DRUM if cursor.program == DRUMS else Kind.PITCH]
    higher = slice(span.start + cursor.pitch + 1, span.stop)
    mask[higher] = True
    if scale and cursor.program != DRUMS:
        within = mask[span] & np.isin(np.arange(128) % 12, list(scale))
        if within.any():
            mask[span] = within


def _durations(mask: Mask, cursor: Cursor) -> None:
    """The duration, or a hold before it: long ones first."""
    mask[SPAN[Kind.DURATION]] = True
    span = SPAN[Kind.HOLD]
    if cursor.held < LONGEST_NOTE:
        mask[span] = True
        if cursor.kind == Kind.HOLD:
            mask[span.start : span.start + cursor.index] = False
            short = cursor.held % HOLDS[0] + HOLDS[1] >= HOLDS[0]
            mask[span.stop - 1] &= not short
