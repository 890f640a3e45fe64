"""A scale, ranges and no crossing: understood, kept, and never an empty choice."""

import numpy as np
import pytest

from config_bach import UserError
from families.satb.constraints import Constraints, Mask, constraints_of
from families.satb.encoding import FIRST, HOLD, LOWEST, NOTHING, ORDER, SILENCE, pitch, symbol
from music.instruments import VOICE_RANGES
from music.scales import scale_of

C_MAJOR = frozenset({0, 2, 4, 5, 7, 9, 11})
S, A, T, B = range(4)


def open_pitches(mask: Mask) -> list[int]:
    return [pitch(int(s)) for s in np.flatnonzero(mask) if s >= FIRST]


def test_a_voice_strikes_what_its_range_and_the_scale_have() -> None:
    free = Constraints()
    for voice, (low, high) in enumerate(((60, 81), (53, 74), (48, 69), (36, 64))):
        assert open_pitches(free.pitches(voice)) == list(range(low, high + 1))
    found = Constraints(C_MAJOR, ((60, 72), *VOICE_RANGES[1:])).pitches(S)
    assert open_pitches(found) == [60, 62, 64, 65, 67, 69, 71, 72]
    assert not found[:FIRST].any()


def test_a_voice_may_hold_fall_silent_or_strike() -> None:
    free = Constraints()
    sings = free.allowed(S, symbol(70), {})
    assert sings[[NOTHING, HOLD, SILENCE]].tolist() == [False, True, True]
    rests = free.allowed(S, SILENCE, {})
    assert rests[[NOTHING, HOLD, SILENCE]].tolist() == [False, True, False]
    begins = free.allowed(S, NOTHING, {})
    assert begins[[NOTHING, HOLD, SILENCE]].tolist() == [False, False, True]
    assert open_pitches(begins) == list(range(60, 82))


def test_a_note_that_may_not_be_struck_may_not_be_held() -> None:
    assert not Constraints().allowed(S, symbol(40), {})[HOLD]
    assert not Constraints(C_MAJOR).allowed(S, symbol(61), {})[HOLD]
    below = Constraints(crossing=False).allowed(S, symbol(62), {A: symbol(65)})
    assert not below[HOLD]
    assert Constraints().allowed(S, symbol(62), {A: symbol(65)})[HOLD]


def test_voices_do_not_cross_and_leave_room_for_those_between() -> None:
    strict = Constraints(crossing=False)
    soprano = strict.allowed(S, NOTHING, {})
    assert min(open_pitches(soprano)) == 60
    alto = strict.allowed(A, NOTHING, {S: symbol(65), B: symbol(40), T: symbol(60)})
    assert open_pitches(alto) == list(range(60, 66))
    tenor = strict.allowed(T, NOTHING, {S: symbol(65), B: symbol(55)})
    assert open_pitches(tenor) == list(range(55, 66))
    bass = strict.allowed(B, NOTHING, {S: symbol(60)})
    assert open_pitches(bass) == list(range(36, 61))
    silent = strict.allowed(A, NOTHING, {S: SILENCE, B: symbol(58), T: SILENCE})
    assert open_pitches(silent) == list(range(58, 75))


def test_the_lowest_note_of_all_is_a_note_too() -> None:
    low = Constraints(ranges=((28, 40),) * 4, crossing=False)
    assert open_pitches(low.allowed(B, NOTHING, {S: FIRST})) == [28]
    assert open_pitches(low.allowed(S, NOTHING, {B: FIRST, A: FIRST})) == list(range(28, 41))


def test_room_is_left_by_the_scale_and_the_ranges_of_voices_between() -> None:
    only_c = Constraints(frozenset({0, 4, 7}), ((48, 80), (48, 74), (48, 69), (36, 64)), False)
    above = only_c.allowed(S, NOTHING, {B: symbol(49)})
    assert min(open_pitches(above)) == 52  # tenor and alto have the E above C#
    high_tenor = Constraints(frozenset(), ((48, 80), (48, 74), (60, 71), (36, 64)), False)
    assert min(open_pitches(high_tenor.allowed(S, NOTHING, {B: symbol(40)}))) == 60
    nowhere = Constraints(frozenset(), ((48, 80), (48, 74), (36, 47), (36, 64)), False)
    assert min(open_pitches(nowhere.allowed(A, NOTHING, {B: symbol(60)}))) == 60


def test_where_given_voices_leave_no_room_crossing_gives_way() -> None:
    strict = Constraints(C_MAJOR, crossing=False)
    mask = strict.allowed(A, symbol(64), {S: symbol(50), B: symbol(60)})
    assert open_pitches(mask) == open_pitches(strict.pitches(A))
    assert mask[SILENCE]


def test_constraints_never_leave_an_empty_choice() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        classes = frozenset(rng.choice(12, 4, replace=False).tolist())
        constraints = Constraints(classes, crossing=bool(rng.integers(2)))
        sounds: dict[int, int] = {}
        for voice in ORDER:
            known = int(rng.choice([0, SILENCE, FIRST + int(rng.integers(20, 50))]))
            mask = constraints.allowed(voice, known, sounds)
            assert mask.any()
            sounds[voice] = int(rng.choice(np.flatnonzero(mask)))
            if sounds[voice] == HOLD:
                sounds[voice] = known
        if not constraints.crossing and all(s >= FIRST for s in sounds.values()):
            order = [sounds[v] for v in range(4)]
            assert order == sorted(order, reverse=True)
            assert {(s - FIRST + LOWEST) % 12 for s in order} <= classes


def test_scales_are_understood() -> None:
    assert scale_of("G major") == scale_of("G A B C D E F#") == {7, 9, 11, 0, 2, 4, 6}
    assert scale_of("Bb major") == scale_of("A#,C,D,D#,F,G,A")
    assert scale_of("a minor") == {9, 11, 0, 2, 4, 5, 6, 7, 8}
    assert scale_of("C Eb G") == {0, 3, 7}
    assert scale_of("B# Cb E-") == {0, 11, 3}


def test_ranges_and_crossing_are_understood() -> None:
    found = constraints_of("A minor", ["bass=E2-C4", "soprano= C#4-A5 "], no_crossing=True)
    assert found.ranges == ((61, 81), *VOICE_RANGES[1:3], (40, 60))
    assert not found.crossing
    assert found.scale == scale_of("A minor")
    assert constraints_of(None, [], no_crossing=False) == Constraints()
    assert constraints_of(None, ["alto=C4-B4"], False).ranges[1] == (60, 71)  # an octave of keys


@pytest.mark.parametrize(
    ("scale", "spans", "problem"),
    [
        ("H major", [], "--scale 'H major' is not understood"),
        ("C mayor", [], "not understood"),
        ("", ["x"], "--range 'x' is not understood"),
        ("C", [], "leaves fewer than three notes"),
        ("C D", [], "leaves fewer than three notes"),
        (None, ["bass=low"], "--range 'bass=low' is not understood; write it as soprano=C4-G5"),
        (None, ["cello=C4-C5"], "not understood"),
        (None, ["bass=C4-Bb4"], "not understood"),
        (None, ["bass=C4-A#4"], "narrower than an octave"),
        (None, ["bass=C4-C3"], "narrower than an octave"),
    ],
)
def test_nonsense_is_refused_in_one_sentence(
    scale: str | None, spans: list[str], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        constraints_of(scale, spans, no_crossing=False)
