"""What is kept of a corpus beyond its notes, and how a new piece is sampled by it."""

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from families.satb.encoding import Chorale, plan_of, symbols_of
from families.satb.style import (
    UNKNOWN,
    chord_at,
    ends_phrase,
    fermatas,
    key_of_piece,
    keys_within,
    openings,
    style_in,
    style_of,
)
from music.chords import chord_of
from music.keys import Key, key_named

TONIC, DOMINANT, FOURTH = (72, 67, 64, 48), (71, 67, 62, 43), (72, 69, 65, 53)
MINOR = {60: 60, 64: 63, 69: 68}  # what C minor has in the place of notes of C major


def piece(*chords: tuple[int, ...], fermatas: tuple[int, ...] = (), minor: bool = False) -> Chorale:
    """A chorale of chords, a quarter each; those numbered stand under a fermata."""
    flat = {p: p - (p % 12 in (4, 9) and minor) for p in range(128)}
    steps = [[flat[p] for p in chord] for chord in chords for _ in range(4)]
    ends = [(Fraction(i), Fraction(i + 1)) for i in fermatas]
    bars = [Fraction(t) for t in range(0, len(chords), 4)]
    return Chorale("x", symbols_of(steps), plan_of(len(steps), bars, ends))


BARS = [Fraction(t) for t in range(0, 16, 4)]
PHRASE = (TONIC, FOURTH, DOMINANT, TONIC)
HALF = (TONIC, FOURTH, TONIC, DOMINANT)


def test_the_key_of_a_piece_is_the_one_that_fits_what_sounds() -> None:
    assert key_of_piece(piece(*PHRASE).symbols) == Key(0)
    assert key_of_piece(piece(*PHRASE, minor=True).symbols) == Key(0, True)
    assert key_of_piece(piece(*PHRASE).transposed(-5).symbols) == Key(7)


def test_held_notes_are_part_of_a_chord() -> None:
    assert chord_at(piece(*PHRASE).symbols, 7) == chord_of(FOURTH)
    assert chord_at(symbols_of([[-1] * 4]), 0) is None


@pytest.mark.parametrize(
    ("pitches", "key", "good"),
    [
        ((60, 64, 67), "C", True),
        ((62, 65, 69), "C", True),
        ((64, 67, 72), "C", False),  # not on its root
        ((62, 66, 69), "C", False),  # not of the key
        ((60, 67), "C", False),  # no third
        ((60, 64, 67, 70), "C", False),
        ((60, 64, 67), "C minor", True),  # a minor key may end in major
        ((67, 71, 74), "C minor", True),
    ],
)
def test_most_phrases_end_on_triads_in_root_position(
    pitches: tuple[int, ...], key: str, good: bool
) -> None:
    chord = chord_of(pitches)
    assert chord
    assert ends_phrase(chord, key_named(key)) == good


def test_fermatas_are_found_by_their_first_and_last_step() -> None:
    assert fermatas(piece(*PHRASE * 2, fermatas=(3, 7)).plan) == [(12, 15), (28, 31)]
    assert fermatas(piece(*PHRASE, fermatas=(0,)).plan) == [(0, 3)]
    assert fermatas(piece(*PHRASE).plan) == []


def test_an_opening_is_two_phrases_or_more_that_can_come_again() -> None:
    assert openings(piece(*PHRASE * 4, fermatas=(3, 7, 11, 15)).plan) == [32]
    assert openings(piece(*PHRASE * 2, fermatas=(3, 7)).plan) == []
    assert openings(piece(*PHRASE * 3, fermatas=(3, 7, 11)).plan) == []
    assert openings(piece(*PHRASE * 4, fermatas=(1, 7, 11, 15)).plan) == []
    assert openings(piece(*PHRASE * 4).plan) == []


def test_the_style_of_pieces_tells_keys_cadences_profiles_and_form() -> None:
    major = piece(*HALF, *PHRASE, fermatas=(3, 7))
    minor = piece(*PHRASE, *PHRASE, fermatas=(3, 7), minor=True)
    found = style_of([major, major.transposed(-2), minor])
    assert json.loads(json.dumps(found)) == found
    assert found["keys"] == {"C major": 1, "Bb major": 1, "C minor": 1}
    assert found["cadences"] == {"major": ["7major 0major"] * 2, "minor": ["0minor 0minor"]}
    assert found["profiles"]["major"][:5] == pytest.approx([0.375, 0, 0.0625, 0, 0.125], abs=0.07)
    assert found["profiles"]["minor"][3] > 0.1 > found["profiles"]["minor"][4] == 0
    for profile in found["profiles"].values():
        assert sum(profile) == pytest.approx(1, abs=0.001)


def test_a_phrase_end_that_is_no_such_triad_is_marked() -> None:
    sixth = (72, 67, 60, 52)  # the tonic on its third
    pieces = [piece(*PHRASE[:3], sixth, *PHRASE, fermatas=(3, 7))]
    pieces.append(piece(*PHRASE, fermatas=(3,), minor=True))
    found = style_of(pieces)
    assert found["cadences"]["major"] == ["? 0major"]
    assert style_in({"style": found}).cadences[False] == [(UNKNOWN, (0, "major"))]


def test_the_form_is_how_often_an_opening_comes_back_and_how() -> None:
    two = (*PHRASE, *HALF)
    ends = (3, 7, 11, 15)
    other = tuple((s - 5, a, t, b) for s, a, t, b in two)
    inner = tuple((s, a - 3, t - 3, b) for s, a, t, b in two)
    back = piece(*two, *two, fermatas=ends)
    soprano = piece(*two, *inner, fermatas=ends)
    new = piece(*two, *other, fermatas=ends)
    unable = piece(*two, fermatas=(3, 7))
    minor = piece(*two, *two, fermatas=ends, minor=True)
    assert style_of([back, soprano, new, unable, minor])["form"] == {
        "returns": 0.75,
        "whole": 0.667,
    }


def test_an_opening_that_differs_in_its_last_breath_still_comes_back() -> None:
    steps = [*piece(*PHRASE, *HALF).symbols] * 2
    twice = np.array(steps)
    twice[30:32] = 20, 18, 16, 10
    ends = [(Fraction(i), Fraction(i + 1)) for i in (3, 7, 11, 15)]
    back = Chorale("x", twice.astype(np.int16), plan_of(64, BARS, ends))
    minor = piece(*PHRASE, fermatas=(3,), minor=True)
    assert style_of([back, minor])["form"] == {"returns": 1.0, "whole": 1.0}


# ---- what a bundle does not know


def test_pieces_without_phrases_or_of_one_mode_leave_those_parts_empty() -> None:
    found = style_of([piece(*PHRASE), piece(*PHRASE, minor=True)])
    assert found["cadences"] == found["form"] == {}
    assert found["profiles"]
    alone = style_of([piece(*PHRASE, fermatas=(3,))])
    assert alone["profiles"] == alone["cadences"] == {}
    assert alone["keys"] == {"C major": 1}


def test_what_is_not_known_is_that_of_the_chorales_of_music21() -> None:
    usual = style_in({})
    assert sum(usual.keys.values()) > 200
    assert usual.onset > 1
    assert usual.returns == pytest.approx(0.2, abs=0.02)
    for minor in (False, True):
        assert usual.profiles[minor].sum() == pytest.approx(1, abs=0.001)
        endings = [row[-1] for row in usual.cadences[minor]]
        assert sum(last[0] == 0 for last in endings) / len(endings) > 0.85
    known = style_in({"style": style_of([piece(*PHRASE), piece(*PHRASE, minor=True)])})
    assert known.keys == {Key(0): 1, Key(0, True): 1}
    assert known.profiles[False][0] > usual.profiles[False][0]
    assert known.cadences == usual.cadences
    assert (known.returns, known.whole) == (usual.returns, usual.whole)


def test_temperatures_are_those_of_the_bundle() -> None:
    found = style_in({"temperatures": {"onset": 1.5, "pitch": 0.75}})
    assert (found.onset, found.pitch) == (1.5, 0.75)


# ---- keys


@pytest.mark.parametrize("tonic", [0, 2, 11])
def test_the_prior_of_a_key_is_its_profile_from_the_tonic_on(tonic: int) -> None:
    style: Any = style_in({})
    for minor in (False, True):
        prior = style.prior(Key(tonic, minor))
        assert prior[tonic] == style.profiles[minor][0]
        assert prior[(tonic + 7) % 12] == style.profiles[minor][7]


def test_without_a_scale_keys_are_as_likely_as_in_the_corpus() -> None:
    style = style_in({})
    assert keys_within(style, frozenset()) == style.keys


def test_a_scale_leaves_the_keys_that_are_nearest_to_it() -> None:
    style = style_in({})
    assert set(keys_within(style, Key(2).scale)) == {Key(2)}
    both = keys_within(style, frozenset(range(12)))
    assert len(both) == 24
    assert both[Key(7)] == style.keys[Key(7)] + 1
    assert min(both.values()) == 1  # even a key that the corpus lacks can come
