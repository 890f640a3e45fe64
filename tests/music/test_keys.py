"""The key of a piece: as music21 hears it, and as a MIDI file can write it."""

from fractions import Fraction

import pytest
from chorales import chorale
from mido import MetaMessage

from music.events import Note, notes_from_events
from music.keys import MAJOR_NAMES, MINOR_NAMES, key_name
from music.notation import key_of

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11, 12, 7, 4, 0)
MINOR_SCALE = (0, 2, 3, 5, 7, 8, 11, 12, 7, 3, 0)


def scale(tonic: int, steps: tuple[int, ...]) -> list[Note]:
    return [Note(Fraction(i), Fraction(1), 60 + tonic + s, 90) for i, s in enumerate(steps)]


@pytest.mark.parametrize("tonic", range(12))
def test_scales_are_in_their_key(tonic: int) -> None:
    assert key_name(scale(tonic, MAJOR_SCALE)) == MAJOR_NAMES[tonic]
    assert key_name(scale(tonic, MINOR_SCALE)) == MINOR_NAMES[tonic]


def test_long_notes_weigh_more_than_short_ones() -> None:
    short = [Note(Fraction(i), Fraction(1, 8), 61 + i, 90) for i in range(3)]
    long = [Note(Fraction(4), Fraction(8), p, 90) for p in (60, 64, 67)]
    assert key_name([*short, *long]) == "C"


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_the_key_is_the_one_that_the_score_has(number: int) -> None:
    notes = notes_from_events(chorale(number).events)
    heard = key_of(notes)
    tonic = heard.tonic.pitchClass
    assert key_name(notes) == (MAJOR_NAMES if heard.mode == "major" else MINOR_NAMES)[tonic]


def test_midi_files_know_all_these_keys_and_silence_has_none() -> None:
    for name in (*MAJOR_NAMES, *MINOR_NAMES):
        assert MetaMessage("key_signature", key=name).bytes()
    assert key_name([]) == ""
    assert key_name([Note(Fraction(0), Fraction(1), 60, 90)])  # a guess is better than a failure
