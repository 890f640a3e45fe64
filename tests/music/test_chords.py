"""Chords by name: root, quality, position, and their degree in a key."""

import pytest

from music.chords import OTHER, QUALITIES, Chord, chord_of
from music.keys import Key, key_named

C, A_MINOR = Key(0), Key(9, minor=True)


def named(*pitches: int) -> Chord:
    chord = chord_of(pitches)
    assert chord
    return chord


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("root", [0, 7, 10])
def test_a_chord_on_its_root_is_called_by_what_stands_above_it(quality: str, root: int) -> None:
    found = named(*(36 + root + step + 12 * i for i, step in enumerate(QUALITIES[quality])))
    assert found == Chord(root, quality, root)
    assert found.in_root_position


def test_the_order_of_the_notes_and_their_octaves_do_not_matter_but_for_the_lowest() -> None:
    assert named(72, 48, 67, 64, 76) == named(48, 64, 67)
    assert named(67, 64, 72) == Chord(0, "major", 4)
    assert not named(64, 67, 72).in_root_position


@pytest.mark.parametrize(
    ("pitches", "chord"),
    [
        ((64, 67, 72), Chord(0, "major", 4)),
        ((67, 72, 76), Chord(0, "major", 7)),
        ((65, 67, 71, 74), Chord(7, "dominant seventh", 5)),
        ((60, 65, 67), Chord(0, "suspended fourth", 0)),
        ((60, 67), Chord(0, "fifth", 0)),
        ((60, 65), Chord(5, "fifth", 0)),
        ((60, 72), Chord(0, "unison", 0)),
        ((60, 61, 62), Chord(0, OTHER, 0)),
    ],
)
def test_inversions_and_incomplete_chords(pitches: tuple[int, ...], chord: Chord) -> None:
    assert chord_of(pitches) == chord


def test_of_two_chords_with_the_same_notes_the_one_on_the_bass_counts() -> None:
    for bass in (60, 64, 68):
        assert named(bass, bass + 4, bass + 8) == Chord(bass % 12, "augmented", bass % 12)
    assert named(57, 60, 64, 67) == Chord(9, "minor seventh", 9)


def test_silence_is_no_chord() -> None:
    assert chord_of([]) is None
    assert chord_of(iter(())) is None


def test_triads_have_a_third_and_a_fifth_and_nothing_else() -> None:
    triads = [(0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 8)]
    others = [(0, 7), (0, 4), (0, 4, 7, 10), (0, 5, 7), (0,)]
    assert all(named(*(60 + s for s in steps)).is_triad for steps in triads)
    assert not any(named(*(60 + s for s in steps)).is_triad for steps in others)


def test_a_diatonic_chord_has_no_note_outside_its_key() -> None:
    assert named(62, 65, 69).is_diatonic(C)
    assert not named(62, 66, 69).is_diatonic(C)
    assert named(64, 68, 71).is_diatonic(A_MINOR)  # the leading note is of the key
    assert not named(64, 68, 71).is_diatonic(C)
    assert not named(60, 62, 64, 65).is_diatonic(C)  # no chord at all, although of its notes


def test_a_piece_ends_on_its_tonic_triad_in_any_position_and_minor_may_end_in_major() -> None:
    assert named(60, 64, 67).is_tonic(C)
    assert named(64, 67, 72).is_tonic(C)
    assert not named(60, 63, 67).is_tonic(C)
    assert not named(67, 71, 74).is_tonic(C)
    assert not named(60, 67).is_tonic(C)
    assert named(57, 60, 64).is_tonic(A_MINOR)
    assert named(57, 61, 64).is_tonic(A_MINOR)
    assert not named(60, 64, 67).is_tonic(A_MINOR)


@pytest.mark.parametrize(
    ("key", "pitches", "degree"),
    [
        ("C", (60, 64, 67), "I"),
        ("C", (62, 65, 69), "ii"),
        ("C", (67, 71, 74), "V"),
        ("C", (65, 67, 71, 74), "V7"),
        ("C", (71, 74, 77), "vii°"),
        ("C", (60, 64, 68), "I+"),
        ("C", (61, 65, 68), "♭II"),
        ("C", (66, 69, 72), "♯iv°"),
        ("C", (71, 74, 77, 81), "viiø7"),
        ("G", (62, 66, 69), "V"),
        ("A minor", (57, 60, 64), "i"),
        ("A minor", (64, 68, 71), "V"),
        ("A minor", (60, 64, 67), "III"),
        ("A minor", (68, 71, 74), "vii°"),
        ("A minor", (67, 71, 74), "VII"),
        ("C", (60, 65, 67), ""),
        ("C", (60, 67), ""),
        ("C", (60, 64), ""),
        ("C", (60, 61, 62), ""),
    ],
)
def test_degrees_are_what_is_taught(key: str, pitches: tuple[int, ...], degree: str) -> None:
    assert named(*pitches).degree(key_named(key)) == degree


@pytest.mark.parametrize(
    ("key", "pitches", "label"),
    [
        ("C", (48, 64, 67, 72), "I"),
        ("C", (52, 60, 67, 72), "I6"),
        ("C", (55, 60, 64, 72), "I64"),
        ("C", (53, 62, 69), "ii6"),
        ("G", (54, 62, 69), "V6"),
        ("C", (43, 59, 62, 65), "V7"),
        ("C", (47, 55, 62, 65), "V65"),
        ("C", (50, 55, 59, 65), "V43"),
        ("C", (53, 55, 59, 62), "V42"),
        ("C", (53, 60, 62, 69), "ii65"),
        ("C", (50, 59, 65), "vii°6"),
        ("C minor", (47, 62, 65, 68), "vii°7"),
        ("C minor", (50, 59, 65, 68), "vii°65"),
        ("C minor", (53, 60, 62, 68), "iiø65"),
        ("C minor", (48, 63, 67), "i"),
        ("C minor", (44, 60, 63), "VI"),
        ("C", (48, 60, 67), ""),
        ("C", (48, 53, 55), ""),
    ],
)
def test_labels_have_the_figures_of_the_bass(
    key: str, pitches: tuple[int, ...], label: str
) -> None:
    assert named(*pitches).label(key_named(key)) == label


@pytest.mark.parametrize(
    ("name", "triads", "sevenths"),
    [
        ("E-", "I ii iii IV V vi viio", "I ii iii IV V vi viiø"),
        ("g", "i iio III iv V VI viio", "i iiø III iv V VI viio"),
    ],
)
def test_labels_are_those_of_which_music21_makes_the_same_chords(
    name: str, triads: str, sevenths: str
) -> None:
    from music21 import key, roman

    theirs = key.Key(name)
    own = Key(theirs.tonic.pitchClass, theirs.mode == "minor")
    figures = [d + f for d in triads.split() for f in ("", "6", "64")]
    for figure in figures + [d + f for d in sevenths.split() for f in ("7", "65", "43", "42")]:
        pitches = [p.midi for p in roman.RomanNumeral(figure, theirs).pitches]
        assert named(*pitches).label(own) == figure.replace("o", "°")
