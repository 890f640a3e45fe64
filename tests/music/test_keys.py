"""The key of a piece: as music21 hears it, and as a MIDI file can write it."""

from fractions import Fraction

import numpy as np
import pytest
from chorales import chorale
from mido import MetaMessage

from config_bach import UserError
from music.events import Note, notes_from_events
from music.keys import KEYS, MAJOR_NAMES, MINOR_NAMES, Key, fits, heard_in, key_name, key_named
from music.keys import key_of as best
from music.notation import key_of
from music.sounds import DRUMS, voice_of

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


# ---- keys by name


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C", Key(0)),
        ("G minor", Key(7, True)),
        ("g Minor", Key(7, True)),
        ("D Major", Key(2)),
        ("Bb major", Key(10)),
        ("B♭", Key(10)),
        ("B-", Key(10)),
        ("F#m", Key(6, True)),
        ("F♯ minor", Key(6, True)),
        ("Cb major", Key(11)),
        ("B# major", Key(0)),
        (" Eb  minor ", Key(3, True)),
    ],
)
def test_a_key_is_called_as_musicians_do(text: str, key: Key) -> None:
    assert key_named(text) == key


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_every_key_is_understood_by_its_own_names(key: Key) -> None:
    assert key_named(str(key)) == key_named(key.midi_name) == key


def test_a_key_has_a_name_to_read_and_one_for_midi_files() -> None:
    assert (str(Key(7, True)), Key(7, True).midi_name) == ("G minor", "Gm")
    assert (str(Key(10)), Key(10).midi_name) == ("Bb major", "Bb")
    assert len(set(KEYS)) == 24


@pytest.mark.parametrize("text", ["", "H minor", "G dorian", "C D E", "Gminorx", "G" * 100])
def test_what_is_no_key_is_refused_in_a_sentence_that_helps(text: str) -> None:
    with pytest.raises(
        UserError, match=r"^--key '.{0,40}' is not understood; write it as 'G minor'"
    ):
        key_named(text)
    with pytest.raises(UserError, match=r"^key '"):
        key_named(text, "key")


def test_a_minor_key_has_its_leading_note_as_well() -> None:
    assert Key(0).scale == {0, 2, 4, 5, 7, 9, 11}
    assert Key(9, True).scale == {9, 11, 0, 2, 4, 5, 7, 8}
    assert Key(7).scale == {7, 9, 11, 0, 2, 4, 6}


# ---- the key that fits


def test_every_key_is_heard_in_its_scale_with_its_triad() -> None:
    for key in KEYS:
        heard = np.zeros(12)
        heard[list(key.scale)] = 1
        third = 3 if key.minor else 4
        for step, weight in ((0, 4), (third, 2), (7, 3)):
            heard[(key.tonic + step) % 12] += weight
        found = fits(heard)
        assert best(heard) == key == max(found, key=lambda k: found[k])
        assert 0.8 < found[key] <= 1


def test_no_key_fits_better_than_another_where_all_is_heard_alike() -> None:
    assert set(fits(np.ones(12)).values()) == {0.0}


def test_what_is_heard_is_weighed_by_its_length_and_percussion_is_none() -> None:
    notes = [Note(Fraction(0), Fraction(3, 2), 60, 90), Note(Fraction(0), Fraction(1), 72, 90)]
    drum = Note(Fraction(0), Fraction(5), 62, 90, voice_of(DRUMS))
    heard = heard_in([*notes, drum])
    assert heard.tolist() == [2.5, *[0.0] * 11]
