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
from functools import lru_cache

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
MIX = np.uint64(0x9E3779B97F4A7C15)
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
        return pitches_of(self.chords)


def pitches_of(chords: npt.NDArray[np.void]) -> list[tuple[int, ...]]:
    """The sorted MIDI pitches of some CHORDs."""
    bits = np.unpackbits(np.frombuffer(chords.tobytes(), np.uint8).reshape(-1, 16), axis=1)
    chord, pitch = (x.tolist() for x in np.nonzero(bits))
    found: list[list[int]] = [[] for _ in range(len(chords))]
    for i, p in zip(chord, pitch, strict=True):
        found[i].append(p)
    return [tuple(row) for row in found]


def event_arrays(notes: Notes, quarter: int, longest: int) -> EventArrays:
    """Cut notes wherever what sounds changes; all parts are heard together.

    quarter: the ticks of a quarter length. Endings within less than a sixteenth of a beginning are
    articulation and are moved onto it. What lasts longer than `longest` ticks comes as several equal
    events, all but the first of which are `held`.
    """
    onset = notes["onset"]
    onsets = _distinct(onset)
    ends = _snapped(onset, onset + notes["duration"], onsets, quarter)
    cuts = np.sort(np.concatenate([onsets, _endings(ends, onsets, quarter)]))
    first, stop = np.searchsorted(cuts, onset), np.searchsorted(cuts, ends)
    sounds, velocity = _sounding(notes, first, stop, max(len(cuts) - 1, 0))
    return _in_parts(*_different(np.packbits(sounds, axis=1)), np.diff(cuts), velocity, longest)


def _distinct(values: Whole) -> Whole:
    """What occurs among some numbers, sorted; np.unique takes three times as long."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


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
    ends = _distinct(ends)
    at = np.minimum(np.searchsorted(onsets, ends), len(onsets) - 1)
    ends = ends[onsets[at] != ends]
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


def _different(sounds: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]:
    """The chords that differ among some [events, 16], and which of them each is."""
    halves = sounds.view(np.uint64)
    mixed = halves[:, 0] * MIX ^ halves[:, 1]  # numbers are sorted much faster than bytes
    _, first, which = np.unique(mixed, return_index=True, return_inverse=True)
    if (halves[first][which] != halves).any():  # two chords with the same number
        _, first, which = np.unique(
            sounds.view(CHORD)[:, 0], return_index=True, return_inverse=True
        )
    return sounds.view(CHORD)[first, 0], which


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
    pitches = events.pitches()
    first = next((pitches[c][0] for c in events.chord.tolist() if pitches[c]), 0)
    above = [str([p - first for p in chord]) for chord in pitches]
    told: dict[tuple[int, int], str] = {}
    rows = []
    struck = ~events.held
    for event in zip(events.chord[struck].tolist(), events.duration[struck].tolist(), strict=True):
        if event not in told:
            told[event] = f"({above[event[0]]}, '{_length(event[1], quarter)}')"
        rows.append(told[event])
    return hashlib.sha256(f"[{', '.join(rows)}]".encode()).hexdigest()[:16]


@lru_cache(2**12)
def _length(ticks: int, quarter: int) -> str:
    return str(Fraction(ticks, quarter))
