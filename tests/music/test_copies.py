"""Copied passages are found in any key, with the piece and the quarter they begin at."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from chorales import chorale
from conftest import tune

from families.satb.encoding import FIRST
from music.copies import Copy, CopyIndex, CopyTracker, moment, sixteenths, ticks
from music.events import Event, Piece
from music.sounds import DRUMS, Sound


def melody(*pitches: int, duration: str = "1") -> list[Event]:
    return [Event((p,), Fraction(duration)) for p in pitches]


def voiced(voices: tuple[int, ...], struck: tuple[bool, ...], duration: str = "1") -> Event:
    sounding = tuple(sorted({p for p in voices if p >= 0}))
    return Event(sounding, Fraction(duration), 90, voices, struck)


OTHER = Piece("other", tuple(Event((60 + i % 5,), Fraction(1)) for i in range(40)))


def test_copies_are_found_where_voices_are_not_told_apart() -> None:
    pieces = [tune(50), OTHER]
    index = CopyIndex((p.name, p.events) for p in pieces)
    piece = [*tune(50).transposed(3).events[10:25], *[Event((40,), Fraction(3))] * 3]
    copy = index.longest(piece)
    assert copy.piece == "tune50"
    assert copy.notes == sum(len(e.pitches) for e in piece[:15])
    assert copy.begins == 0
    assert index.longest([Event((40,), Fraction(7))]).notes == 0


def test_a_copy_tells_where_it_begins_in_both_pieces() -> None:
    index = CopyIndex([("first", melody(60, 60, 60)), ("second", melody(*range(50, 70)))])
    new = [*melody(90, 70, 91, duration="3/2"), *melody(*range(65, 75))]
    copy = index.longest(new)
    assert copy == Copy(10, "second", copy.quarter, Fraction(9, 2))
    assert str(copy) == f"10 notes of second from quarter {float(copy.quarter) + 1:g}"
    assert Copy() == Copy(0, "", Fraction(0), Fraction(0))
    assert str(Copy()) == "nothing"


def test_a_leap_into_a_passage_belongs_to_it_and_the_first_pitch_does_not() -> None:
    index = CopyIndex([("x", melody(60, 62, 67, 65))])
    assert index.longest(melody(40, 42, 47, 45)).notes == 4
    assert index.longest(melody(60, 62, 66, 64)).notes == 2
    assert index.longest(melody(1, 9, 14, 12)).notes == 3  # 62, 67, 65: the leap before is another
    assert index.longest(melody(1, 9, 14, 12)).quarter == 1


def test_no_copy_goes_over_the_end_of_a_piece() -> None:
    index = CopyIndex([("a", melody(60, 62, 67)), ("b", melody(65, 64))])
    assert index.longest(melody(60, 62, 67, 65, 64)).notes == 3
    assert len(index) == 3 + 1 + 2 + 1


def test_rhythm_is_part_of_a_passage() -> None:
    index = CopyIndex([("x", melody(60, 62, 64))])
    assert index.longest(melody(60, 62, 64, duration="1/2")).notes == 0


def test_all_notes_of_a_chord_count() -> None:
    chords = [Event((60, 64, 67), Fraction(1)), Event((60, 65), Fraction(1))]
    index = CopyIndex([("x", chords)])
    copy = index.longest([e.transposed(2) for e in chords])
    assert copy.notes == 5
    assert index.longest([Event((60, 63, 67), Fraction(1))]).notes == 0


def test_a_piece_may_be_left_out_of_the_search() -> None:
    index = CopyIndex([("a", melody(60, 62, 64, 65)), ("b", melody(60, 62, 70))])
    assert index.longest(melody(60, 62, 64, 65)).piece == "a"
    without = index.longest(melody(60, 62, 64, 65), but="a")
    assert (without.piece, without.notes) == ("b", 2)
    assert index.rows_of("b").tolist() == [False] * 5 + [True] * 4
    assert index.locate(7) == ("b", Fraction(2))


def test_following_tells_what_taking_would() -> None:
    tracker = CopyTracker(CopyIndex([("x", tune(50).events)]))
    for event in tune(50).events[:20]:
        expected = tracker.would_be(event)
        assert tracker.feed(event) == expected
    assert expected == 24


def test_an_index_of_nothing_finds_nothing() -> None:
    index = CopyIndex([])
    assert len(index) == 0
    assert index.longest(melody(60)) == Copy()


# ---- voices


def test_held_voices_are_compared_sixteenth_by_sixteenth() -> None:
    struck = voiced((72, 67, 64, 48), (True,) * 4, "1/2")
    first, second = sixteenths([struck])
    assert first == replace(struck, duration=Fraction(1, 4))
    assert second == replace(first, struck=(False,) * 4)
    assert list(sixteenths(melody(60))) == melody(60)
    parts = [replace(struck, duration=Fraction(1, 4)), second]
    index = CopyIndex([("x", [struck])])
    assert index.longest(parts).notes == 4  # however the time is cut into events


def test_only_struck_notes_are_counted() -> None:
    events = [
        voiced((72, 67, 64, 48), (True,) * 4),
        voiced((74, 67, 64, 48), (True, False, False, False)),
    ]
    assert CopyIndex([("x", events)]).longest(events).notes == 5
    again = [events[0], replace(events[1], struck=(True, True, False, False))]
    assert CopyIndex([("x", events)]).longest(again).notes == 4


def test_which_voice_sounds_what_is_part_of_a_passage() -> None:
    one = [voiced((72, -1, 64, 48), (True, False, True, True))]
    other = [voiced((72, 64, -1, 48), (True, True, False, True))]
    assert CopyIndex([("x", one)]).longest(other).notes == 0
    assert CopyIndex([("x", one)]).longest([one[0].transposed(5)]).notes == 3


def test_a_moment_is_a_shape_a_leap_and_its_notes() -> None:
    a, b = Event((60, 64), Fraction(1)), Event((62, 66), Fraction(1))
    assert moment(None, a) == moment(None, b)
    assert moment(a, b) == moment(b, b.transposed(2)) != moment(a, a)
    assert moment(None, a)[2] == 2
    rest = Event((), Fraction(1))
    assert moment(rest, a) == moment(None, a) == moment(rest, b)
    assert moment(a, rest) == moment(b, rest) == moment(None, rest)
    assert ticks(Fraction(1, 3)) * 3 == ticks(Fraction(1)) == 10080


@pytest.mark.parametrize("semitones", [0, 1, -4])
def test_a_passage_of_a_chorale_is_found_with_its_place_in_any_key(semitones: int) -> None:
    pieces = [chorale(i) for i in range(8)]
    index = CopyIndex((p.name, p.events) for p in pieces)
    start = 16 + int((pieces[5].symbols[16:] >= FIRST).all(1).argmax())  # all are struck there
    piece = pieces[5].part(start, start + 32, "new").transposed(semitones)
    copy = index.longest(piece.events)
    assert (copy.piece, copy.quarter, copy.begins) == ("chorale 5", Fraction(start, 4), Fraction(0))
    assert copy.notes == (piece.symbols >= FIRST).sum()
    but = index.longest(piece.events, but="chorale 5")
    assert but.piece != "chorale 5"
    assert but.notes < copy.notes


def test_the_beginning_of_a_copy_is_known_in_a_long_piece() -> None:
    index = CopyIndex([("x", melody(*(60 + k for k in (0, 3, 1, 7, 2, 9)), duration="1/2"))])
    new = [*melody(*np.arange(100).tolist(), duration="1/8"), *index_passage()]
    assert index.longest(new).begins == Fraction(100, 8)


def index_passage() -> list[Event]:
    return melody(*(40 + k for k in (0, 3, 1, 7, 2, 9)), duration="1/2")


def beat(note: int, duration: Fraction) -> Event:
    return Event.of([Sound(DRUMS, note)], duration)


def test_of_percussion_the_time_before_a_stroke_counts() -> None:
    """How long nothing is struck after it, is not known when it is composed."""
    half, long = Fraction(1, 2), Fraction(3)
    index = CopyIndex([("beat", [beat(n, half) for n in (36, 42, 38, 42, 36)])])
    assert index.longest([beat(36, half), beat(42, half), beat(38, long)]).notes == 3
    assert index.longest([beat(36, long), beat(42, half), beat(38, long)]).notes == 2


def test_a_tracker_is_told_afterwards_how_long_an_event_lasted() -> None:
    half = Fraction(1, 2)
    index = CopyIndex([("beat", [beat(n, half) for n in (36, 42, 38, 42)])])
    tracker = CopyTracker(index)
    tracker.feed(beat(36, Fraction(1, 12)))
    found = beat(42, half)
    assert tracker.would_be(found) == 1
    tracker.lasted(half)
    assert tracker.would_be(found) == 2
    tracker.feed(found)
    assert tracker.copy().begins == 0
