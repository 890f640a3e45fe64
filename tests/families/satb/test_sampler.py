"""How four voices choose, with a network whose probabilities are known."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from predictors import Fixed

from config_bach import Composing
from families.satb.constraints import Constraints
from families.satb.encoding import FIRST, HOLD, ORDER, SILENCE, SYMBOLS, Chorale, plan_of, symbol
from families.satb.features import FEATURES
from families.satb.sampler import SatbSampler
from music.copies import CopyIndex, CopyTracker

CHORD = [symbol(p) for p in (72, 67, 60, 48)]


def even(*symbols: int) -> list[float]:
    """The same chance for each of these symbols."""
    return [1 / len(symbols) if s in symbols else 0.0 for s in range(SYMBOLS)]


def fixed(*voices: list[float]) -> Fixed:
    return Fixed(*voices, order=ORDER)


def sampler(predictor: Fixed, **options: Any) -> SatbSampler:
    settings = options.pop("settings", Composing(top_p=1.0))
    return SatbSampler(predictor, settings, np.random.default_rng(0), **options)


def test_the_outer_voices_come_first_and_each_knows_those_before_it() -> None:
    predictor = fixed(*(even(s) for s in CHORD))
    tokens = sampler(predictor).step()
    assert tokens.tolist() == [CHORD]
    assert [head for head, _ in predictor.chosen] == [0, 3, 2, 1]
    s, _, t, b = CHORD
    assert [known.tolist() for _, known in predictor.chosen] == [
        [[0, 0, 0, 0]], [[s, 0, 0, 0]], [[s, 0, 0, b]], [[s, 0, t, b]],
    ]  # fmt: skip


def test_the_network_is_told_the_past_and_the_plan() -> None:
    predictor = fixed(*(even(s) for s in CHORD))
    composing = sampler(predictor)
    for plan in ([1, 4, 2], [2, 4, 2]):
        composing.step(plan=plan)
    first, second = predictor.rows
    assert first.tolist() == [[0] * FEATURES + [1, 4, 2]]
    assert second[0, :8].tolist() == [*CHORD, 1, 1, 1, 1]
    assert second[0, FEATURES:].tolist() == [2, 4, 2]


def test_nothing_is_struck_outside_the_ranges_and_silence_is_not_repeated() -> None:
    wide = even(HOLD, SILENCE, *range(FIRST, SYMBOLS))
    composing = sampler(fixed(*[wide] * 4))
    steps = np.concatenate([composing.step() for _ in range(300)])
    for voice, (low, high) in enumerate(Constraints().ranges):
        struck = steps[:, voice][steps[:, voice] >= FIRST]
        assert symbol(low) <= struck.min() < struck.max() <= symbol(high)
    assert (steps[0] != HOLD).all()
    pairs = [(a, b) for x, y in pairwise(steps) for a, b in zip(x, y, strict=True)]
    assert (SILENCE, HOLD) in pairs
    assert (SILENCE, SILENCE) not in pairs


def test_voices_that_hold_count_as_sounding_for_those_that_may_not_cross() -> None:
    """The bass is told by what it holds, and by what is given to it."""
    strict = Constraints(crossing=False)
    free = even(*range(FIRST, SYMBOLS))
    composing = sampler(fixed(free, free, free, even(HOLD)), constraints=strict)
    composing.step(dict(enumerate([symbol(70), symbol(66), symbol(65), symbol(60)])))
    for _ in range(40):
        tokens = composing.step({0: HOLD})[0]
        assert symbol(60) <= tokens[2] <= tokens[1] <= symbol(70)
        assert tokens[3] == HOLD


def test_what_is_given_is_taken_and_weighed() -> None:
    soprano = even(CHORD[0], CHORD[0] + 1, CHORD[0] + 2, CHORD[0] + 3)
    composing = sampler(fixed(soprano, *(even(s) for s in CHORD[1:])))
    assert composing.step({0: CHORD[0] + 1})[0, 0] == CHORD[0] + 1
    assert composing.log_weights == pytest.approx([np.log(0.25)])


def test_a_given_note_is_as_likely_held_as_struck_again() -> None:
    composing = sampler(fixed(*(even(s) for s in CHORD)))
    p = np.tile((np.arange(SYMBOLS) / 1000).astype(np.float32), (3, 1))
    rows = np.zeros((3, 28), np.int32)
    rows[:, 1] = 20, SILENCE, FIRST
    chance = {s: composing.given_probability(p, 1, s, rows).tolist() for s in (HOLD, 20, SILENCE)}
    assert chance[HOLD] == pytest.approx([0.021, 0.001, 0.004])
    assert chance[20] == pytest.approx([0.021, 0.020, 0.020])
    assert chance[SILENCE] == pytest.approx([0.002] * 3)


def test_the_voice_composed_last_goes_another_way_where_a_passage_is_copied() -> None:
    composing = sampler(fixed(*(even(s) for s in CHORD)))
    assert composing.detour([9, 9, 9, 9], {}) == 1
    assert composing.detour([9, 9, 9, 9], {1: 9}) == 2
    assert composing.detour([9, HOLD, SILENCE, 9], {}) == 3
    assert composing.detour([HOLD, FIRST, SILENCE, HOLD], {}) == 1
    assert composing.detour([HOLD, HOLD, SILENCE, HOLD], {}) is None


def test_an_event_for_the_copy_tracker_is_one_sixteenth_of_what_sounds() -> None:
    composing = sampler(fixed(*(even(s) for s in CHORD)))
    event = composing.event([HOLD, CHORD[1], HOLD, SILENCE], [*CHORD[:2], SILENCE, CHORD[3]])
    assert event.voices == (72, 67, -1, -1)
    assert event.struck == (False, True, False, False)
    assert (event.duration, event.beat) == (Fraction(1, 4), None)


def test_no_more_is_copied_than_is_allowed() -> None:
    other = [CHORD[0], CHORD[1] + 2, *CHORD[2:]]
    likely = [0.0] * SYMBOLS
    likely[CHORD[1]], likely[other[1]] = 0.999, 0.001
    predictor = fixed(even(CHORD[0]), likely, even(CHORD[2]), even(CHORD[3]))
    known = Chorale("known", np.array([CHORD] * 30, np.int16), plan_of(30))
    index = CopyIndex([("known", known.events)])
    longest = {}
    for most in (None, 9):
        settings = Composing(top_p=1.0, max_copy=most)
        composing = sampler(predictor, settings=settings, tracker=CopyTracker(index))
        steps = np.concatenate([composing.step() for _ in range(20)])
        piece = Chorale("new", steps.astype(np.int16), plan_of(20))
        longest[most] = index.longest(piece.events).notes
    assert longest[None] > 40
    assert longest[9] <= 9
