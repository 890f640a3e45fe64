"""Towards the ends of phrases: of several versions one that ends well goes on."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from predictors import Fixed

from config_bach import Composing
from families.satb.encoding import FIRST, HOLD, ORDER, SILENCE, SYMBOLS, Chorale, plan_of, symbol
from families.satb.particles import (
    FINAL,
    LAST_LEAD,
    LAST_PARTICLES,
    LEAD,
    PARTICLES,
    PlannedComposer,
    Step,
    begin_of,
    chord_sounding,
    chosen,
    cost,
    goal,
)
from families.satb.plan import ANY, Cadence, Plan
from families.satb.sampler import SatbSampler
from music.chords import chord_of
from music.copies import CopyIndex, CopyTracker
from music.keys import Key

C = Key(0)
CHORD = (72, 67, 64, 48)
DOMINANT = Cadence(28, 31, 7, "major", final=False)
END = Cadence(60, 63, 0, "major", final=True)


def notes(*pitches: int) -> list[float]:
    """The same chance for each of these notes."""
    p = np.zeros(SYMBOLS)
    p[[symbol(x) for x in pitches]] = 1 / len(pitches)
    return list(p)


def composer(
    voices: Sequence[Sequence[float]],
    plan: Plan,
    how: Callable[[], Composing] | None = None,
    **options: Any,
) -> tuple[PlannedComposer, Fixed]:
    predictor = Fixed(*voices, order=ORDER)
    settings = options.pop("settings", Composing(top_p=1.0))
    sampler = SatbSampler(predictor, settings, np.random.default_rng(0), **options)
    return PlannedComposer(sampler, plan, how), predictor


def plan(*cadences: Cadence, steps: int = 64, **options: Any) -> Plan:
    return Plan("x", plan_of(steps, [Fraction(0)]), C, cadences, **options)


# ---- what a phrase end costs


@pytest.mark.parametrize("final", [False, True])
def test_the_planned_triad_in_root_position_costs_nothing_and_the_rest_the_more_the_worse(
    final: bool,
) -> None:
    cadence = replace(DOMINANT, final=final)
    chords = [
        (67, 71, 74),  # the planned one
        (60, 64, 67),  # another triad of the key
        (71, 74, 79),  # the planned one, inverted
        (55, 67),  # on a root of the key, but incomplete
        (66, 69, 72),  # of another key
        (),
    ]
    costs = [cost(chord_of(pitches), cadence, C) for pitches in chords]
    assert costs[0] == 0
    assert costs[:5] == sorted(set(costs))
    assert costs[5] == costs[4]


def test_another_triad_that_is_inverted_is_better_than_none() -> None:
    inverted = cost(chord_of((64, 67, 72)), DOMINANT, C)
    assert cost(chord_of((60, 64, 67)), DOMINANT, C) < inverted
    assert inverted < cost(chord_of((61, 65, 68)), DOMINANT, C)


def test_where_nothing_is_planned_any_good_triad_costs_nothing() -> None:
    free = replace(DOMINANT, quality=ANY)
    for pitches in ((60, 64, 67), (67, 71, 74), (57, 60, 64)):
        assert cost(chord_of(pitches), free, C) == 0
    assert cost(chord_of((64, 67, 72)), free, C) > 0


def test_the_end_of_a_piece_weighs_more() -> None:
    for pitches in ((67, 71, 74), (60, 64, 67), (64, 67, 72), (55, 67), (66, 69, 72), ()):
        chord = chord_of(pitches)
        twice = FINAL * cost(chord, DOMINANT, C)
        assert cost(chord, replace(DOMINANT, final=True), C) == twice
    assert FINAL > 1


def test_the_notes_of_the_planned_triad_are_the_goal_and_its_root_that_of_the_bass() -> None:
    found = goal(DOMINANT)
    assert found is not None
    assert found.shape == (4, 12)
    for voice in range(3):
        assert np.flatnonzero(found[voice]).tolist() == [2, 7, 11]
    assert np.flatnonzero(found[3]).tolist() == [7]
    assert goal(replace(DOMINANT, quality=ANY)) is None


def test_silent_voices_are_no_part_of_a_chord() -> None:
    assert chord_sounding(np.array([symbol(72), SILENCE, HOLD, symbol(48)])) == chord_of((48, 72))
    assert chord_sounding(np.array([SILENCE] * 4)) is None


def test_pieces_are_chosen_by_their_weight() -> None:
    rng = np.random.default_rng(0)
    counts = Counter(chosen(np.log([0.1, 0.6, 0.3]) - 1000, rng) for _ in range(3000))
    assert counts[1] / 3000 == pytest.approx(0.6, abs=0.04)
    assert counts[0] / 3000 == pytest.approx(0.1, abs=0.03)
    assert {chosen(np.array([-np.inf, 0.0]), rng) for _ in range(50)} == {1}


# ---- composing


def test_versions_begin_some_steps_before_a_phrase_ends_and_earlier_at_the_end() -> None:
    assert begin_of(DOMINANT) == 28 - LEAD
    assert begin_of(END) == 60 - LAST_LEAD
    made, predictor = composer([notes(p) for p in CHORD], plan(DOMINANT, END))
    assert len(list(made)) == 64
    widths = [len(rows) for rows in predictor.rows]
    one, several, many = 1, PARTICLES, LAST_PARTICLES
    last = begin_of(END)
    assert widths == [one] * 16 + [several] * 16 + [one] * (last - 32) + [many] * (64 - last)


def test_a_cadence_at_the_very_beginning_is_composed_towards_from_there() -> None:
    early = replace(DOMINANT, first=4, last=7)
    made, predictor = composer([notes(p) for p in CHORD], plan(early, END))
    assert len(list(made)) == 64
    assert [len(rows) for rows in predictor.rows][:9] == [PARTICLES] * 8 + [1]


# every voice strikes one of two notes at every step: together many chords, the triad on G among them
EITHER = [notes(71, 72), notes(67, 69), notes(62, 64), notes(43, 48)]


def chords(made: PlannedComposer, at: int) -> Any:
    steps = list(made)
    return chord_sounding(steps[at].sounds)


def test_phrases_end_on_the_planned_triad_far_more_often_than_by_chance() -> None:
    found = []
    for seed in range(30):
        made, _ = composer(EITHER, plan(replace(DOMINANT, first=31)))
        made.sampler.rng = np.random.default_rng(seed)
        found.append(chords(made, 31))
    planned = sum(c is not None and (c.root, c.bass, c.is_triad) == (7, 7, True) for c in found)
    assert planned / 30 > 0.9  # by chance one in sixteen


def test_the_steps_are_those_of_one_version() -> None:
    """What sounds follows from what was done, also where versions were chosen among."""
    made, _ = composer([[0.0, 0.5, *p[2:]] for p in EITHER], plan(DOMINANT, END))
    sounds = np.zeros(4, np.int16)
    for step in made:
        sounds = np.where(step.symbols == HOLD, sounds, step.symbols)
        expected = np.where(sounds < FIRST, SILENCE, sounds)
        assert (step.sounds == expected).all()
    assert (made.plan.grid[-1] == step.plan).all()


def test_the_goal_is_for_the_first_step_of_a_phrase_end_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, _ = composer(EITHER, plan(DOMINANT, END))
    goals = []
    step = made.sampler.step

    def watched(*args: Any) -> Any:
        goals.append(made.sampler.goal is not None)
        return step(*args)

    monkeypatch.setattr(made.sampler, "step", watched)
    list(made)
    assert np.flatnonzero(goals).tolist() == [28, 60]


@pytest.mark.parametrize("whole", [True, False])
def test_an_opening_comes_back_with_all_voices_or_with_the_soprano(whole: bool) -> None:
    cadences = [replace(DOMINANT, first=16 * i + 12, last=16 * i + 15) for i in range(4)]
    made, _ = composer(EITHER, plan(*cadences, again=32, whole=whole))
    symbols = np.array([step.symbols for step in made])
    same = symbols[:32] == symbols[32:]
    assert same[:, 0].all()
    assert same[:, 1:].all() == whole


def test_new_settings_hold_from_the_next_step_on() -> None:
    asked: list[int] = []

    def settings() -> Composing:
        asked.append(len(asked))
        return Composing(top_p=1.0, scale="" if len(asked) <= 8 else "C D E F G")

    made, _ = composer(EITHER, plan(steps=32), settings)
    steps = list(made)
    assert len(asked) == 32
    assert {int(s.sounds[0]) for s in steps[:8]} == {symbol(71), symbol(72)}
    assert {int(s.sounds[0]) for s in steps[8:]} == {symbol(72)}


# ---- copies


def copied(made: PlannedComposer, index: CopyIndex) -> int:
    steps: list[Step] = list(made)
    symbols = np.array([s.symbols for s in steps])
    return index.longest(Chorale("new", symbols, made.plan.grid).events).notes


def test_a_version_that_copies_more_than_is_allowed_is_not_taken() -> None:
    known = Chorale("known", np.array([[symbol(p) for p in CHORD]] * 40, np.int16), plan_of(40))
    index = CopyIndex([("known", known.events)])
    likely = []
    for pitch in CHORD:
        p = np.array(notes(pitch)) * 0.97
        p[symbol(pitch) + 2] = 0.03
        likely.append(list(p))
    for seed, most in ((0, 8), (1, 12), (2, 20)):
        settings = Composing(top_p=1.0, max_copy=most)
        made, _ = composer(
            likely, plan(DOMINANT, END), settings=settings, tracker=CopyTracker(index)
        )
        made.sampler.rng = np.random.default_rng(seed)
        assert copied(made, index) <= most
    made, _ = composer(likely, plan(DOMINANT, END))
    assert copied(made, index) > 20


@pytest.mark.parametrize(("most", "steps"), [(128, 32), (127, 48)])
def test_where_all_versions_copy_too_much_their_steps_are_composed_one_by_one(
    most: int, steps: int
) -> None:
    """The network is sure of 32 steps of four notes, all of which stand in a training piece."""
    known = Chorale("known", np.array([[symbol(p) for p in CHORD]] * 40, np.int16), plan_of(40))
    index = CopyIndex([("known", known.events)])
    made, predictor = composer(
        [notes(p) for p in CHORD],
        plan(DOMINANT, steps=32),
        settings=Composing(top_p=1.0, max_copy=most),
        tracker=CopyTracker(index),
    )
    assert copied(made, index) <= most
    widths = [len(rows) for rows in predictor.rows]
    assert widths == [1] * 16 + [PARTICLES] * 16 + [1] * (steps - 32)
