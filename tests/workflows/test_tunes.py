"""A tune of somebody's own: what was given stands, and a model adds what is asked for."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from chorales import chorale

from config_bach import Composing, Paths, UserError
from families.base import CompositionRequest, LoadedModel
from midi_io import Score
from music.events import Event, Note, fermatas_of, notes_from_events
from workflows import tunes
from workflows.tunes import beginning, compose, melody_of

pytestmark = pytest.mark.slow

PITCHES = (67, 69, 71, 72, 74, 72, 71, 69)
REQUEST = CompositionRequest(Composing(seed=3), instrument="20")


def note(onset: float, length: float, pitch: int, voice: int = 0) -> Note:
    return Note(Fraction(onset), Fraction(length), pitch, 90, voice)


def melody(*pitches: int, bpm: float = 100.0) -> Score:
    notes = tuple(note(i, 1, p) for i, p in enumerate(pitches or PITCHES))
    return Score("this tune", notes, bpm, bars=(Fraction(0), Fraction(4)))


def in_voice(events: list[Event], voice: int) -> list[Any]:
    found = notes_from_events(events)
    return [(n.onset, n.duration, n.pitch) for n in found if n.voice == voice]


def test_three_voices_come_under_a_melody_and_it_stands(
    satb_model: LoadedModel, paths: Paths
) -> None:
    made = compose(satb_model, melody(), "harmonise", REQUEST, paths)
    assert in_voice(made.events, 0) == [(i, 1, p) for i, p in enumerate(PITCHES)]
    assert all(in_voice(made.events, voice) for voice in (1, 2, 3))
    assert sum(e.duration for e in made.events) == len(PITCHES)
    assert (made.bpm, made.programs) == (100, (20,))
    assert fermatas_of(made.events) == []  # those that helped to compose are not the tune's
    assert not list(paths.cache.glob("**/*"))  # what people write is nobody else's


def test_fermatas_of_a_score_stay(satb_model: LoadedModel, paths: Paths) -> None:
    given = melody()
    given = Score("x", given.notes, None, None, given.bars, ((Fraction(3), Fraction(4)),))
    made = compose(satb_model, given, "harmonise", REQUEST, paths)
    assert fermatas_of(made.events) == [(Fraction(3), Fraction(4))]
    assert made.bpm == 90


def test_a_model_without_voices_says_that_it_cannot(event_model: LoadedModel, paths: Paths) -> None:
    with pytest.raises(UserError, match="no voices to put under a tune"):
        compose(event_model, melody(), "harmonise", REQUEST, paths)


def test_a_model_of_notes_goes_on_after_the_tune(event_model: LoadedModel, paths: Paths) -> None:
    made = compose(event_model, melody(), "continue", REQUEST, paths)
    assert [e.pitches for e in made.events[: len(PITCHES)]] == [(p,) for p in PITCHES]
    assert len(made.events) == len(PITCHES) + tunes.NEW_NOTES
    other = compose(event_model, melody(50, 52, 53, 55), "continue", REQUEST, paths)
    assert [e.pitches for e in other.events[4:]] != [e.pitches for e in made.events[8:]]


def test_a_model_of_voices_harmonises_the_tune_and_goes_on(
    satb_model: LoadedModel, paths: Paths
) -> None:
    made = compose(satb_model, melody(), "continue", REQUEST, paths)
    soprano = in_voice(made.events, 0)
    assert soprano[: len(PITCHES) - 1] == [(i, 1, p) for i, p in enumerate(PITCHES[:-1])]
    assert sum(e.duration for e in made.events) > len(PITCHES) + 8
    assert any(onset < 4 for onset, _, _ in in_voice(made.events, 3))


def test_four_voices_are_continued_as_they_stand(satb_model: LoadedModel, paths: Paths) -> None:
    piece = chorale(1)
    given = Score("x", tuple(notes_from_events(piece.events)), 80)
    made = compose(satb_model, given, "continue", REQUEST, paths)
    for voice in range(4):
        wanted = in_voice(piece.events, voice)[:-1]
        assert in_voice(made.events, voice)[: len(wanted)] == wanted


def test_the_melody_is_the_highest_part_and_its_highest_notes() -> None:
    low = [note(i, 1, 50, 0) for i in range(4)]
    high = [note(0, 2, 72, 1), note(0, 1, 60, 1), note(1, 1, 74, 1), note(3, 2, 71, 1)]
    found = melody_of(Score("x", (*low, *high)))
    assert in_order(found.notes) == [(0, 1, 72, 0), (1, 2, 74, 0), (3, 5, 71, 0)]


def in_order(notes: Sequence[Note]) -> list[Any]:
    return [(n.onset, n.end, n.pitch, n.voice) for n in notes]


def test_a_tune_begins_with_the_bar_of_its_first_note() -> None:
    late = [note(13, 1, 60), note(14, 2, 62)]
    assert [n.onset for n in beginning(Score("x", tuple(late))).notes] == [1, 2]
    bars = tuple(Fraction(3 * i + 1) for i in range(6))
    fermata = (Fraction(14), Fraction(16))
    found = beginning(Score("x", tuple(late), bars=bars, fermatas=(fermata,)))
    assert [n.onset for n in found.notes] == [0, 1]
    assert 0 in found.bars
    assert found.fermatas == ((Fraction(1), Fraction(3)),)
    upbeat = Score("x", (note(0, 1, 60), note(1, 1, 62)), bars=(Fraction(-3), Fraction(1)))
    assert [n.onset for n in beginning(upbeat).notes] == [0, 1]


@pytest.mark.parametrize(("bpm", "most"), [(60, 120), (90, 180), (240, 256)])
def test_of_a_long_file_the_first_two_minutes_are_taken(bpm: float, most: int) -> None:
    long = Score("x", tuple(note(3 * i, 3, 60) for i in range(200)), bpm)
    found = beginning(long)
    assert max(n.end for n in found.notes) == most
    assert all(n.duration > 0 for n in found.notes)


def test_a_tune_without_notes_is_refused() -> None:
    with pytest.raises(UserError, match="no notes"):
        beginning(Score("x", ()))
