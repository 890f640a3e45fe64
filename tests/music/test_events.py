"""Notes become events by what sounds, and events become notes again."""

from fractions import Fraction

import pytest

from piece import Event, Note, Piece, events_from_notes, notes_from_events, pitch_name, pitch_number

LONG = Fraction(4)


def note(onset: str, length: str, pitch: int, velocity: int = 90) -> Note:
    return Note(Fraction(onset), Fraction(length), pitch, velocity)


def heard(*notes: Note) -> list[tuple[tuple[int, ...], str]]:
    return [(e.pitches, str(e.duration)) for e in events_from_notes(notes, LONG)]


def test_a_melody_is_one_event_a_note() -> None:
    assert heard(note("0", "1", 60), note("1", "1/2", 62)) == [((60,), "1"), ((62,), "1/2")]


def test_a_rest_is_where_nothing_sounds_at_all() -> None:
    melody = [note("0", "1", 60), note("2", "1", 62)]
    assert heard(*melody) == [((60,), "1"), ((), "1"), ((62,), "1")]
    assert ((), "1") not in heard(*melody, note("0", "3", 48))


def test_a_gap_shorter_than_a_sixteenth_is_articulation() -> None:
    assert heard(note("0", "4/5", 60), note("1", "1", 62)) == [((60,), "1"), ((62,), "1")]


def test_a_small_overlap_makes_no_chord() -> None:
    assert heard(note("0", "9/8", 60), note("1", "1", 62)) == [((60,), "1"), ((62,), "1")]


def test_chord_notes_released_apart_make_no_slivers() -> None:
    assert heard(note("0", "19/20", 60), note("0", "1", 64)) == [((60, 64), "1")]


def test_triplets_stay_exact() -> None:
    third = [note(f"{i}/3", "1/3", 60 + i) for i in range(3)]
    assert [d for _, d in heard(*third)] == ["1/3"] * 3


def test_long_notes_are_capped() -> None:
    assert heard(note("0", "9", 60)) == [((60,), "4")]


def test_the_first_note_begins_the_piece() -> None:
    assert heard(note("7", "1", 60)) == [((60,), "1")]


def test_a_held_voice_is_not_struck_again() -> None:
    notes = [note("0", "2", 48), note("0", "1", 60), note("1", "1", 62)]
    assert notes_from_events(events_from_notes(notes, LONG)) == sorted(
        notes, key=lambda n: (n.onset, n.pitch)
    )


def test_the_same_note_twice_is_struck_twice() -> None:
    twice = [Event((60,), Fraction(1)), Event((60,), Fraction(1))]
    assert [n.onset for n in notes_from_events(twice)] == [0, 1]


@pytest.mark.parametrize(("pitch", "name"), [(60, "C4"), (47, "B2"), (56, "G#3"), (0, "C-1")])
def test_pitches_have_anglo_saxon_names(pitch: int, name: str) -> None:
    assert pitch_name(pitch) == name
    assert pitch_number(name) == pitch


def test_copies_are_recognised_in_any_key(tunes: list[Piece]) -> None:
    assert tunes[0].fingerprint == tunes[0].transposed(5).fingerprint
    assert len({t.fingerprint for t in tunes}) == len(tunes)
