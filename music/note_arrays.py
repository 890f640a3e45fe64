"""The notes of a score as one numpy array, and the same cut into events, also as arrays.

Reading a thousand files makes a million notes; as Python objects they take a hundred times the time and
the memory. Times are whole numbers, of whatever part of a quarter length the caller counts in.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

NOTE = np.dtype(
    [
        ("onset", np.int64),  # ticks
        ("duration", np.int64),  # ticks
        ("pitch", np.int16),  # MIDI
        ("velocity", np.int16),
        ("program", np.int16),  # General MIDI 1..128; 0 is percussion
        ("part", np.int16),  # in the order of the file
    ]
)
DEFAULT_VELOCITY = 90
PITCHES = 128
CHORD = np.dtype("V16")  # a set of pitches, a bit for each
LARGEST = 4_000_000  # sounding notes by event that are written out at once
FINEST = 2**32  # ticks of a quarter length; finer times are rounded

Notes = npt.NDArray[np.void]
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EventArrays:
    """A piece as events: what sounds until something changes.

    chords: the sets of pitches that occur, CHORD. chord: which of them sounds in each event. duration:
    in ticks. velocity: MIDI. held: whether an event only goes on with a long one before it.
    """

    chords: npt.NDArray[np.void]
    chord: npt.NDArray[np.int32]
    duration: Whole
    velocity: npt.NDArray[np.int16]
    held: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.chord)

    def pitches(self) -> list[tuple[int, ...]]:
        """The sorted MIDI pitches of each of the chords."""
        return [pitches_of(chord) for chord in self.chords]


def pitches_of(chord: np.void) -> tuple[int, ...]:
    """The sorted MIDI pitches of a CHORD."""
    bits = np.unpackbits(np.frombuffer(chord.tobytes(), np.uint8))
    return tuple(np.flatnonzero(bits).tolist())


def event_arrays(notes: Notes, quarter: int, longest: int) -> EventArrays:
    """Cut notes wherever what sounds changes; all parts are heard together.

    quarter: the ticks of a quarter length. Endings within less than a sixteenth of a beginning are
    articulation and are moved onto it. What lasts longer than `longest` ticks comes as several equal
    events, all but the first of which are `held`.
    """
    onset = notes["onset"]
    onsets = np.unique(onset)
    ends = _snapped(onset, onset + notes["duration"], onsets, quarter)
    cuts = np.union1d(onsets, _endings(ends, onsets, quarter))
    first, stop = np.searchsorted(cuts, onset), np.searchsorted(cuts, ends)
    sounds, velocity = _sounding(notes, first, stop, max(len(cuts) - 1, 0))
    chords, chord = np.unique(np.packbits(sounds, axis=1).view(CHORD)[:, 0], return_inverse=True)
    return _in_parts(chords, chord, np.diff(cuts), velocity, longest)


def _snapped(onset: Whole, end: Whole, onsets: Whole, quarter: int) -> Whole:
    """The ends of notes, moved to the nearest onset if that is less than a sixteenth away."""
    if not len(onsets):
        return end
    i = np.searchsorted(onsets, end)
    before, after = onsets[np.maximum(i - 1, 0)], onsets[np.minimum(i, len(onsets) - 1)]
    far = np.iinfo(np.int64).max // 8
    to_before = np.where(before > onset, abs(end - before), far)
    to_after = np.where((i < len(onsets)) & (after > onset), abs(after - end), far)
    nearest = np.where(to_before <= to_after, before, after)
    return np.where(4 * np.minimum(to_before, to_after) < quarter, nearest, end)


def _endings(ends: Whole, onsets: Whole, quarter: int) -> Whole:
    """The ends of notes; of several within a sixteenth of each other only the last remains."""
    ends = np.setdiff1d(ends, onsets)
    if not len(ends):
        return ends
    return ends[np.append(4 * np.diff(ends) >= quarter, True)]


def _sounding(
    notes: Notes, first: Whole, stop: Whole, events: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int16]]:
    """What sounds in each event [events, PITCHES], and how loud the loudest of it is."""
    sounds = np.zeros((events, PITCHES), np.bool_)
    velocity = np.full(events, -1, np.int16)
    pieces = 1 + int((stop - first).sum()) // LARGEST
    for part in np.array_split(np.arange(len(notes)), pieces):
        lengths = (stop - first)[part]
        begins = np.cumsum(lengths) - lengths
        event = np.repeat(first[part] - begins, lengths) + np.arange(lengths.sum())
        sounds[event, np.repeat(notes["pitch"][part], lengths)] = True
        np.maximum.at(velocity, event, np.repeat(notes["velocity"][part], lengths))
    velocity[velocity < 0] = DEFAULT_VELOCITY  # a rest
    return sounds, velocity


def _in_parts(
    chords: npt.NDArray[np.void],
    chord: npt.NDArray[np.int64],
    duration: Whole,
    velocity: npt.NDArray[np.int16],
    longest: int,
) -> EventArrays:
    """Events, with those that are too long as one that is struck and others that hold it."""
    parts = np.maximum(-(-duration // longest), 1)
    which = np.repeat(np.arange(len(parts)), parts)
    last = np.cumsum(parts) - 1
    cut = np.full(len(which), longest, np.int64)
    cut[last] = duration - (parts - 1) * longest
    held = np.ones(len(which), np.bool_)
    held[last - parts + 1] = False
    return EventArrays(chords, chord[which].astype(np.int32), cut, velocity[which], held)


def in_ticks(times: Sequence[Fraction]) -> tuple[list[int], int]:
    """Times as whole ticks, and the ticks of a quarter length with which they are exact."""
    quarter = math.lcm(4, *{t.denominator for t in times})
    if quarter > FINEST:
        return [round(t * FINEST) for t in times], FINEST
    return [t.numerator * (quarter // t.denominator) for t in times], quarter


def fingerprint(events: EventArrays, quarter: int) -> str:
    """The same for the same music in any key: that of music.events.Piece, made from arrays."""
    struck = ~events.held
    pitches = events.pitches()
    first = next((pitches[c][0] for c in events.chord.tolist() if pitches[c]), 0)
    above = np.array([repr([p - first for p in chord]) for chord in pitches] or [""], object)
    lengths, length = np.unique(events.duration[struck], return_inverse=True)
    told = np.array([repr(str(Fraction(int(n), quarter))) for n in lengths] or [""], object)
    rows = zip(above[events.chord[struck]], told[length], strict=True)
    music = ", ".join(f"({chord}, {duration})" for chord, duration in rows)
    return hashlib.sha256(f"[{music}]".encode()).hexdigest()[:16]
