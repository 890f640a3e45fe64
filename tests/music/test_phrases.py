"""Where phrases of a melody end that nobody marked; how it was played."""

from collections.abc import Sequence
from fractions import Fraction

from music.events import Note
from music.phrases import beside_the_grid, phrase_ends, straight, swings


def sung(*durations: float, rests: Sequence[int] = ()) -> list[Note]:
    """Notes one after the other, in quarter lengths, a quarter of silence after those in `rests`."""
    notes, now = [], Fraction(0)
    for i, length in enumerate(map(Fraction, durations)):
        notes.append(Note(now, length, 60 + i % 5, 90))
        now += length + (i in rests)
    return notes


def ends(notes: Sequence[Note]) -> list[float]:
    return [float(end) for _, end in phrase_ends(notes)]


def test_the_last_note_ends_a_phrase_however_short() -> None:
    assert phrase_ends(sung(1, 1, 0.5)) == ((Fraction(2), Fraction(5, 2)),)


def test_a_long_note_ends_a_phrase() -> None:
    assert ends(sung(1, 1, 1, 2, 1, 1, 1, 1)) == [5, 9]
    assert ends(sung(1, 1, 1, 1.5, 1, 1, 1, 1)) == [8.5]


def test_where_all_notes_are_long_only_longer_ones_do() -> None:
    assert ends(sung(2, 2, 2, 2, 2, 2)) == [12]
    assert ends(sung(2, 2, 2, 4, 2, 2, 2, 2)) == [10, 18]


def test_a_note_before_a_rest_ends_a_phrase() -> None:
    assert ends(sung(1, 1, 1, 1, 1, 1, 1, 1, rests=[3])) == [4, 9]


def test_no_phrase_is_shorter_than_four_quarters() -> None:
    assert ends(sung(1, 2, 1, 1, 1, 1)) == [7]  # the long one ends after three
    assert ends(sung(1, 1, 2, 1, 1, 1, 1)) == [4, 8]
    assert ends(sung(1, 1, 2, 2, 1, 1, 1, 1)) == [4, 10]  # two after the one before
    assert ends(sung(1, 1, 1, 1, 2, 2)) == [8]  # the last but one, however long


def test_notes_in_any_order_have_the_same_phrases() -> None:
    notes = sung(1, 1, 1, 2, 1, 1, 1, 1)
    assert phrase_ends(notes[::-1]) == phrase_ends(notes)


def at(*onsets: float | Fraction) -> list[Note]:
    return [Note(Fraction(t), Fraction(1, 4), 60, 90) for t in onsets]


LATE, TRIPLET = Fraction(2, 3), Fraction(1, 3)


def test_late_eighths_swing_and_triplets_do_not() -> None:
    assert swings(at(*(t + half for t in range(8) for half in (0, LATE))))
    assert not swings(at(*(t + half for t in range(8) for half in (0, TRIPLET, LATE))))
    assert not swings(at(*(t + half for t in range(8) for half in (0, 0.5))))
    assert not swings(at(*range(19), LATE))  # one of twenty
    assert swings(at(*range(9), LATE))  # one of ten
    assert not swings(at(*range(8), 0.75, 1.75))
    assert not swings(at(*range(8), LATE, 1.25, 2.75))  # free playing
    assert swings(at(*range(8), LATE, 1 + LATE, 2.75))


def test_swung_eighths_are_written_in_the_middle_of_the_beat() -> None:
    assert straight(3 + LATE) == Fraction(7, 2)
    assert [straight(Fraction(t)) for t in (0, 2, 0.25, 1.75)] == [0, 2, 0.25, 1.75]
    assert straight(2 + TRIPLET) == 2 + TRIPLET


def test_notes_beside_the_sixteenths_are_counted() -> None:
    assert beside_the_grid(at(0, 0.25, 1.75)) == 0
    assert beside_the_grid(at(0, TRIPLET, LATE, 0.125)) == 3
