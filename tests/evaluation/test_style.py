"""Distances between sets of pieces, voice leading and repetition, on music whose answer is known."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from evaluation.style import (
    FAULTS,
    cadences,
    degeneration,
    distances,
    faults,
    faults_per_100,
    harmony,
    intervals,
    pauses,
    pitch_classes,
    places,
    rhythm,
    strokes,
    together,
)
from families.satb.encoding import FIRST, Chorale
from music.events import Event
from music.sounds import DRUMS, Sound

NONE = dict.fromkeys(FAULTS, 0)


def shuffled(piece: Chorale, seed: int) -> list[Event]:
    """The same notes in another order, voice by voice."""
    rng = np.random.default_rng(seed)
    symbols = piece.symbols.copy()
    for voice in range(4):
        struck = symbols[:, voice] >= FIRST
        symbols[struck, voice] = rng.permutation(symbols[struck, voice])
    return Chorale(piece.name, symbols, piece.plan).events


def event(*pitches: int, length: str = "1") -> Event:
    return Event(tuple(pitches), Fraction(length))


def led(*chords: Sequence[int], struck: Sequence[Sequence[bool]] = ()) -> list[Event]:
    """Chords of four voices, every note struck unless told."""
    return [
        Event(
            tuple(sorted({p for p in chord if p >= 0})),
            Fraction(1),
            90,
            tuple(chord),
            tuple(struck[i]) if struck else tuple(p >= 0 for p in chord),
        )
        for i, chord in enumerate(chords)
    ]


# ---- what music is made of


def test_pitch_classes_count_by_their_time_from_the_tonic() -> None:
    scale = [event(60 + p) for p in (0, 2, 4, 5, 7, 9, 11)]
    chord = event(60, 64, 67, length="3")
    found = {k: n for k, n in pitch_classes([*scale, chord]).items() if n}
    assert found == {0: 4, 2: 1, 4: 4, 5: 1, 7: 4, 9: 1, 11: 1}
    moved = [e.transposed(5) for e in (*scale, chord)]
    assert pitch_classes(moved) == pitch_classes([*scale, chord])


def test_intervals_are_those_of_the_top_or_of_each_voice() -> None:
    top = [event(50, 60), event(55, 62), event(), event(40, 61), event(90)]
    assert intervals(top) == {2: 1, -1: 1, 13: 1}
    voices = led((72, 67, 60, 48), (74, 67, 60, 30), (74, -1, 61, 48))
    assert intervals(voices) == {2: 1, 0: 3, 1: 1, -13: 1, 13: 1}


def test_rhythm_counts_notes_by_their_length() -> None:
    music = [event(48, 60), event(48, 62, length="1/2"), event(50, length="9")]
    assert rhythm(music) == {Fraction(1): 1, Fraction(3, 2): 1, Fraction(1, 2): 1, Fraction(4): 1}


def test_harmony_is_what_sounds_above_the_lowest_note() -> None:
    music = [event(60, 64, 67), event(48, 64, 67, 84, length="2"), event(), event(57, 60, 64)]
    assert harmony(music) == {frozenset({0, 4, 7}): 3.0, frozenset({0, 3, 7}): 1.0}


def test_a_distance_is_nought_for_the_same_and_one_where_nothing_is_shared() -> None:
    here, there = (
        [event(60), event(62, length="1/2")],
        [event(60, length="2"), event(64, 68, length="2")],
    )
    assert distances([here], [here, here]) == dict.fromkeys(
        ("pitch classes", "intervals", "rhythm", "harmony"), 0.0
    )
    assert distances([here], [there])["rhythm"] == 1
    half = [event(60), event(62, length="3")]
    assert distances([here], [half])["rhythm"] == 0.5
    assert distances([here], [here, half])["rhythm"] == pytest.approx(0.25)
    assert distances([], [])["rhythm"] == 0


def test_bach_is_nearest_to_bach_and_shuffled_notes_are_farthest(bach: list[Chorale]) -> None:
    music = [p.events for p in bach]
    real = distances(music[::2], music[1::2])
    mixed = distances([shuffled(p, 1) for p in bach[::2]], music[1::2])
    same = distances(music, music)
    for feature in ("intervals", "harmony"):
        assert same[feature] == pytest.approx(0)
        assert real[feature] < 0.6 * mixed[feature]
    assert real["rhythm"] < 0.35
    other_keys = [p.transposed(2).events for p in bach]
    assert distances(other_keys, music)["pitch classes"] < 1e-6


# ---- voice leading


def test_bach_leads_his_voices_well_and_shuffled_notes_do_not(bach: list[Chorale]) -> None:
    good = faults_per_100([p.events for p in bach])
    bad = faults_per_100([shuffled(p, 2) for p in bach])
    assert good["all"] < 4
    assert bad["all"] > 5 * good["all"]
    assert good["parallel fifths"] < 0.5


@pytest.mark.parametrize(
    ("chords", "kind", "count"),
    [
        (((67, 64, 60, 48), (69, 65, 62, 50)), "parallel octaves", 1),
        (((72, 64, 55, 48), (71, 65, 57, 50)), "parallel fifths", 1),
        (((72, 64, 55, 48), (72, 64, 55, 48)), "parallel fifths", 0),  # nothing moves
        (((72, 64, 55, 48), (72, 64, 55, 60)), "parallel fifths", 0),  # one moves
        (
            ((72, 64, 60, 41), (72, 64, 55, 48)),
            "parallel fifths",
            0,
        ),  # they move apart and together
        (((72, 64, 60, 53), (72, 64, 67, 48)), "parallel fifths", 0),  # contrary motion
        (((72, 64, 55, 48), (71, 65, -1, 50)), "parallel fifths", 0),  # one falls silent
        (((72, 65, 55, 48), (74, 64, 57, 50)), "parallel octaves", 1),
        (((72, 65, 55, 48), (74, 64, 57, 50)), "parallel fifths", 1),
        (((67, 64, 55, 48), (65, 64, 57, 50)), "parallel octaves", 0),
        (((67, 64, 59, 48), (65, 64, 59, 46)), "parallel fifths", 1),
        (((67, 64, 59, 48), (62, 64, 59, 55)), "parallel fifths", 0),  # contrary motion
        (((72, 64, 59, 48), (67, 64, 59, 55)), "parallel octaves", 0),  # contrary motion
        (((72, 64, 60, 48), (72, 59, 60, 48)), "crossings", 1),
        (((72, 64, 60, 48), (72, 60, 60, 48)), "crossings", 0),  # on one note
        (((72, 64, 60, 48), (59, -1, 60, 48)), "crossings", 1),  # over a silent voice
        (((72, 64, 60, 48), (85, 64, 60, 48)), "out of range", 1),
        (((72, 64, 60, 48), (82, 75, 70, 65)), "out of range", 4),
        (((72, 64, 60, 48), (59, 52, 47, 35)), "out of range", 4),
        (((72, 64, 60, 48), (81, 74, 69, 64)), "out of range", 0),
        (((72, 64, 60, 48), (60, 53, 48, 36)), "out of range", 0),
        (((60, 55, 52, 48), (67, 55, 52, 48)), "leaps", 0),
        (((60, 55, 52, 48), (66, 55, 52, 48)), "leaps", 1),
        (((60, 55, 52, 48), (54, 55, 52, 48)), "leaps", 1),
        (((60, 55, 52, 48), (70, 55, 52, 48)), "leaps", 1),
        (((60, 55, 52, 48), (71, 55, 52, 48)), "leaps", 1),
        (((60, 55, 52, 48), (72, 55, 52, 48)), "leaps", 0),  # an octave
        (((60, 55, 52, 48), (73, 55, 52, 48)), "leaps", 1),
        (((60, 55, 52, -1), (60, 55, 52, 40)), "leaps", 0),  # after a silence
    ],
)
def test_each_fault_is_found(chords: tuple[Sequence[int], ...], kind: str, count: int) -> None:
    assert faults(led(*chords))[kind] == count


def test_fifths_by_contrary_motion_are_no_parallels() -> None:
    """A fifth to a twelfth: the voices move against each other."""
    apart = led((72, 60, 55, 48), (72, 60, 67, 41))
    assert faults(led((72, -1, 55, 48), (72, -1, 57, 50)))["parallel fifths"] == 1
    assert faults([*apart, *apart[:1]])["parallel fifths"] == 0
    twelfth = led((72, -1, 55, 48), (72, -1, 62, 43))
    assert faults(twelfth)["parallel fifths"] == 0


def test_what_is_only_held_is_no_new_fault() -> None:
    crossed = (60, 64, 55, 30)
    both = [True] * 4, [False] * 4
    assert faults(led(crossed, crossed, struck=both)) == NONE | {"crossings": 1, "out of range": 1}
    lower = led(crossed, crossed, struck=([True] * 4, [False, True, False, False]))
    assert faults(lower)["crossings"] == 2


def test_faults_are_counted_by_notes() -> None:
    good, bad = led((72, 64, 60, 48)), led((72, 64, 60, 48), (72, 59, 60, 35))
    found = faults_per_100([good, bad])
    assert found["crossings"] == pytest.approx(100 / 12)
    assert found["out of range"] == pytest.approx(100 / 12)
    assert found["leaps"] == pytest.approx(100 / 12)  # 48 to 35
    assert found["all"] == pytest.approx(sum(found[kind] for kind in FAULTS))
    assert faults_per_100([]) == {**NONE, "all": 0}


# ---- repetition


def test_stuck_loops_and_silence_are_shares_of_the_time() -> None:
    scale = [event(60 + i % 7 + i // 7) for i in range(40)]
    assert degeneration(scale) == {"stuck": 0, "loops": 0, "silence": 0}
    stuck = degeneration([event(60)] * 40)
    assert stuck["stuck"] == pytest.approx(0.8)
    looping = degeneration([event(60 + i % 3) for i in range(60)])
    assert looping["loops"] == pytest.approx(1 - 12 / 60)
    assert looping["stuck"] == 0
    assert degeneration([event(length="3"), event(60)])["silence"] == 0.75
    assert degeneration([]) == {"stuck": 0, "loops": 0, "silence": 0}


def test_patterns_of_two_to_sixteen_events_are_loops() -> None:
    for period in (2, 16):
        found = degeneration([event(60 + i % period) for i in range(10 * period)])
        assert found["loops"] == pytest.approx(6 / 10)
    assert degeneration([event(60 + i % 17) for i in range(170)])["loops"] == 0
    uneven = [event(60 + i % 2, length=str(1 + i % 4 // 2)) for i in range(8)]
    assert degeneration(uneven)["loops"] == 0


def test_a_sound_again_and_again_is_stuck_after_the_eighth_time() -> None:
    run = [event(60)] * 8
    assert degeneration(run)["stuck"] == 0
    assert degeneration([*run, event(60, length="2")])["stuck"] == pytest.approx(2 / 10)
    assert degeneration([*run, event(62), *run])["stuck"] == 0


def struck(*notes: int, beat: Fraction | int, lasts: Fraction | int) -> Event:
    return Event.of([Sound(DRUMS, n) for n in notes], Fraction(lasts), beat=Fraction(beat))


def test_percussion_is_compared_by_what_is_struck_where_and_how_soon_again() -> None:
    music = [
        struck(36, 42, beat=0, lasts=1),
        struck(42, beat=1, lasts=3),
        struck(beat=0, lasts=2),
        struck(36, beat=2, lasts=2),
    ]
    assert strokes(music) == {36: 2, 42: 2}
    assert places(music) == {(0, 36): 1, (0, 42): 1, (1, 42): 1, (2, 36): 1}
    assert together(music) == {(36, 42): 1, (42,): 1, (36,): 1}
    assert pauses(music) == {(42, 1): 1, (36, 4): 1}


def test_only_the_features_that_are_named_are_compared() -> None:
    music = [struck(36, beat=0, lasts=4)]
    assert distances([music], [music], ("strokes", "places in the bar")) == {
        "strokes": 0,
        "places in the bar": 0,
    }


# ---- cadences


def ended(*chords: Sequence[int], fermatas: Sequence[int] = ()) -> list[Event]:
    return [replace(e, fermata=i in fermatas) for i, e in enumerate(led(*chords))]


HOME, FOURTH, FIFTH = (72, 67, 64, 48), (72, 69, 65, 53), (71, 67, 62, 43)


def test_pieces_that_end_on_their_tonic_triad_are_counted() -> None:
    body = (HOME, FOURTH, FIFTH, HOME)
    rest = (-1,) * 4
    on, before_a_rest = ended(*body), ended(*body, rest)
    off, bare = ended(*body, FIFTH), ended(*body, (72, 67, 60, 48))
    assert cadences([on, before_a_rest, off, bare])["ends on the tonic"] == 0.5
    assert cadences([])["ends on the tonic"] == 0


def test_phrase_ends_that_are_triads_of_the_key_on_their_root_are_counted_once_each() -> None:
    """Under a fermata that goes on there is one end, of its first chord."""
    inverted, foreign = (72, 67, 60, 52), (69, 66, 62, 50)
    chords = (HOME, FIFTH, FOURTH, inverted, HOME, FOURTH, foreign, HOME, HOME)
    piece = ended(*chords, fermatas=(1, 3, 6, 7, 8))
    assert cadences([piece])["diatonic phrase ends"] == pytest.approx(1 / 3)
    assert cadences([ended(*chords)])["diatonic phrase ends"] == 0
