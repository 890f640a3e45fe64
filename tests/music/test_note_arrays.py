"""Notes as arrays become the same events as one note after the other, looked at plainly."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from music.events import HELD, Event, Note, Piece, events_from_notes
from music.note_arrays import (
    FINEST,
    MIX,
    NOTE,
    _different,
    event_arrays,
    fingerprint,
    in_ticks,
    pitches_of,
)

SIXTEENTH = Fraction(1, 4)
TIMES = st.builds(Fraction, st.integers(0, 60), st.sampled_from([1, 2, 3, 4, 8, 24, 5, 7]))
NOTES = st.builds(
    Note, TIMES, TIMES.filter(bool), st.integers(0, 127), st.integers(1, 127), st.integers(0, 3)
)


def plainly(notes: Sequence[Note], longest: Fraction) -> list[Event]:
    """The events of notes, by the rules of `event_arrays` one after the other."""
    onsets = sorted({n.onset for n in notes})

    def end(note: Note) -> Fraction:
        later = [t for t in onsets if t > note.onset]
        nearest = min(later, key=lambda t: abs(t - note.end), default=note.end)
        return nearest if abs(nearest - note.end) < SIXTEENTH else note.end

    ends = sorted({end(n) for n in notes} - set(onsets))
    last = [a for a, b in pairwise([*ends, None]) if b is None or (a and b - a >= SIXTEENTH)]
    events = []
    for start, stop in pairwise(sorted({*onsets, *(t for t in last if t is not None)})):
        sounding = [n for n in notes if n.onset <= start < end(n)]
        pitches = tuple(sorted({n.pitch for n in sounding}))
        velocity = max((n.velocity for n in sounding), default=90)
        left, struck = stop - start, tuple[bool, ...]()
        while left > 0:
            events.append(Event(pitches, min(left, longest), velocity, struck=struck))
            left, struck = left - longest, HELD
    return events


@settings(deadline=None, max_examples=60)
@given(st.lists(NOTES, max_size=25), st.sampled_from([Fraction(4), Fraction(1, 2), Fraction(1, 3)]))
def test_events_are_those_of_the_rules(notes: list[Note], longest: Fraction) -> None:
    assert list(events_from_notes(notes, longest)) == plainly(notes, longest)


def arrays_of(notes: Sequence[Note]) -> tuple[np.ndarray, int]:
    times, quarter = in_ticks([t for n in notes for t in (n.onset, n.duration)])
    rows = [
        (on, long, n.pitch, n.velocity, 1, n.voice)
        for on, long, n in zip(times[::2], times[1::2], notes, strict=True)
    ]
    return np.array(rows, NOTE), quarter


@settings(deadline=None, max_examples=30)
@given(st.lists(NOTES, min_size=1, max_size=12))
def test_the_fingerprint_is_that_of_the_piece(notes: list[Note]) -> None:
    array, quarter = arrays_of(notes)
    found = fingerprint(event_arrays(array, quarter, 4 * quarter), quarter)
    assert found == Piece("x", events_from_notes(notes, Fraction(4))).fingerprint


def test_the_key_does_not_matter_to_the_fingerprint() -> None:
    notes = [Note(Fraction(i), Fraction(1), 60 + i * i % 7, 90) for i in range(9)]
    array, quarter = arrays_of(notes)
    moved, changed = array.copy(), array.copy()
    moved["pitch"] += 5
    changed["pitch"][3] += 1
    own, again, other = (
        fingerprint(event_arrays(a, quarter, 4 * quarter), quarter) for a in (array, moved, changed)
    )
    assert own == again != other


def test_a_chord_is_a_set_of_pitches() -> None:
    array, quarter = arrays_of([Note(Fraction(0), Fraction(1), p, 90) for p in (127, 0, 60)])
    events = event_arrays(array, quarter, 4 * quarter)
    assert pitches_of(events.chords) == [(0, 60, 127)]
    assert len(events) == 1


def test_chords_that_look_alike_are_told_apart() -> None:
    """Two that the fast comparison takes for one: their halves differ so that the mix is the same."""
    first, second, other = np.uint64(3), np.uint64(12345), np.uint64(77)
    with np.errstate(over="ignore"):
        alike = first * MIX ^ second * MIX ^ other
    halves = np.array([[first, other], [second, alike], [first, other]], np.uint64)
    chords, which = _different(halves.view(np.uint8).reshape(3, 16))
    assert len(chords) == 2
    assert which[0] == which[2] != which[1]
    assert chords[which].tobytes() == halves.tobytes()


def test_no_notes_are_no_events() -> None:
    assert events_from_notes([], Fraction(4)) == ()


def test_times_that_no_tick_divides_are_rounded() -> None:
    odd = [Fraction(1, p) for p in (1009, 1013, 1019, 1021, 1031)]
    ticks, quarter = in_ticks(odd)
    assert quarter == FINEST
    assert [Fraction(t, quarter) for t in ticks] == pytest.approx(odd)
