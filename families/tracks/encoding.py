"""Songs -> tokens, in numpy: it takes a few times what symusic takes to parse the file."""

import numpy as np

from families.tracks.song import DURATION, ONSET, PITCH, PROGRAM, VELOCITY, Ints, Song
from families.tracks.tokens import (
    FIRST,
    HOLDS,
    LONGEST_DURATION,
    USUAL_VELOCITY,
    Kind,
    Tokens,
    token,
)

MOST_HOLDS = 60  # of sixteen quarters: the longest note lasts a thousand quarters
LONGEST_NOTE = (MOST_HOLDS + 1) * HOLDS[0]
# the order of tokens within a moment
BAR, METRE, POSITION, TEMPO, NOTE = range(5)
PROGRAM_STEP, VELOCITY_STEP, PITCH_STEP, HOLD_STEP, LAST_STEP = 0, 1, 2, 3, 255


def encode(song: Song) -> Tokens:
    """The tokens of a song, from 'begin' to 'end'."""
    notes, tempi = song.notes, _changes(song.tempi[song.tempi[:, 0] <= song.end])
    moments = np.unique(np.concatenate([notes[:, ONSET], tempi[:, 0]]))
    starts, metres = song.bars(int(moments.max(initial=0)))
    parts = [
        _bars(starts, metres, song.upbeat),
        _keyed(moments, POSITION, 0, FIRST[Kind.POSITION] + moments - _bar_starts(moments, starts)),
        _keyed(tempi[:, 0], TEMPO, 0, FIRST[Kind.TEMPO] + tempi[:, 1]),
        *_notes(notes),
    ]
    keys, tokens = (np.concatenate(column) for column in zip(*parts, strict=True))
    middle = tokens[np.argsort(keys, kind="stable")]
    ends = ([token(Kind.BEGIN)], middle, [token(Kind.END)])
    return np.concatenate(ends).astype(np.uint16)


def _keyed(times: Ints, slot: Ints | int, step: Ints | int, tokens: Ints) -> tuple[Ints, Ints]:
    """Keys that put tokens in order: by time, then the slot within the moment, then the step."""
    return (times << 36) | (np.asarray(slot, np.int64) << 8) | np.asarray(step, np.int64), tokens


def _changes(rows: Ints) -> Ints:
    """Rows (time, value) without those that change nothing."""
    changed = np.ones(len(rows), bool)
    changed[1:] = rows[1:, 1] != rows[:-1, 1]
    return rows[changed]


def _bar_starts(moments: Ints, starts: Ints) -> Ints:
    """Where the bar of each moment begins."""
    return starts[np.searchsorted(starts, moments, "right") - 1]


def _bars(starts: Ints, metres: Ints, upbeat: bool) -> tuple[Ints, Ints]:
    """A token for each bar, and one for its metre if that is new."""
    lines = np.full(len(starts), token(Kind.BAR), np.int64)
    lines[:1] = token(Kind.UPBEAT if upbeat else Kind.BAR)
    new = _changes(np.stack([starts, metres], axis=1))
    a, b = (
        _keyed(starts, BAR, 0, lines),
        _keyed(new[:, 0], METRE, 0, FIRST[Kind.METRE] + new[:, 1]),
    )
    return np.concatenate([a[0], b[0]]), np.concatenate([a[1], b[1]])


def _notes(notes: Ints) -> list[tuple[Ints, Ints]]:
    """The tokens of the notes."""
    times, programs, pitches = notes[:, ONSET], notes[:, PROGRAM], notes[:, PITCH]
    slots = NOTE + np.arange(len(notes))
    drum = programs == 0
    new = np.ones(len(notes), bool)
    new[1:] = programs[1:] != programs[:-1]
    louder = _velocity_changes(notes)
    kinds = np.where(drum, FIRST[Kind.DRUM], FIRST[Kind.PITCH])
    long, rest = np.divmod(np.minimum(notes[:, DURATION], LONGEST_NOTE) - 1, LONGEST_DURATION)
    holds = np.divmod(np.where(drum, 0, long), HOLDS[0] // HOLDS[1])
    lasting = ~drum
    return [
        _keyed(times[new], slots[new], PROGRAM_STEP, FIRST[Kind.PROGRAM] + programs[new]),
        _keyed(
            times[louder],
            slots[louder],
            VELOCITY_STEP,
            FIRST[Kind.VELOCITY] + notes[louder, VELOCITY],
        ),
        _keyed(times, slots, PITCH_STEP, kinds + pitches),
        *(_repeated(times, slots, i, count) for i, count in enumerate(holds) if count.any()),
        _keyed(times[lasting], slots[lasting], LAST_STEP, FIRST[Kind.DURATION] + rest[lasting]),
    ]


def _repeated(times: Ints, slots: Ints, which: int, counts: Ints) -> tuple[Ints, Ints]:
    """So many holds of one kind for each note."""
    tokens = np.full(int(counts.sum()), FIRST[Kind.HOLD] + which, np.int64)
    return _keyed(np.repeat(times, counts), np.repeat(slots, counts), HOLD_STEP + which, tokens)


def _velocity_changes(notes: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which notes are struck otherwise than the last one of their program."""
    order = np.argsort(notes[:, PROGRAM], kind="stable")
    programs, levels = notes[order, PROGRAM], notes[order, VELOCITY]
    before = np.full(len(order), USUAL_VELOCITY)
    before[1:] = np.where(programs[1:] == programs[:-1], levels[:-1], USUAL_VELOCITY)
    changed = np.zeros(len(order), bool)
    changed[order] = levels != before
    return changed
