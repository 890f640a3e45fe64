"""How four voices choose, with a network whose probabilities are known."""

from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from predictors import Fixed

from config_bach import Composing
from families.satb.constraints import Constraints
from families.satb.encoding import (
    FIRST,
    HOLD,
    LOWEST,
    ORDER,
    SILENCE,
    SYMBOLS,
    Chorale,
    plan_of,
    symbol,
)
from families.satb.features import FEATURES
from families.satb.sampler import PARALLEL, TRIES, SatbSampler, towards
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


# ---- voice leading, key and temperatures


def parallels(steps: np.ndarray) -> int:
    """Fifths and octaves that move to others between two steps; every voice strikes [steps, 4]."""
    found = 0
    for before, now in pairwise(steps.tolist()):
        for v, w in combinations(range(4), 2):
            was, then = abs(before[v] - before[w]) % 12, abs(now[v] - now[w]) % 12
            moved = before[v] != now[v] and before[w] != now[w]
            found += moved and was == then and was in (0, 7)
    return found


def test_no_parallel_fifths_and_octaves_are_struck() -> None:
    wide = even(*range(FIRST, SYMBOLS))
    composing = sampler(fixed(*[wide] * 4))
    steps = np.concatenate([composing.step() for _ in range(200)])
    assert parallels(steps) == 0


def test_parallels_with_given_voices_that_come_later_are_avoided_too() -> None:
    """The soprano is composed first, and knows where the given bass goes."""
    wide = even(*range(FIRST, SYMBOLS))
    composing = sampler(fixed(*[wide] * 4))
    given = [symbol(p) for p in (48, 50) * 40]
    steps = np.concatenate([composing.step({3: s}) for s in given])
    assert parallels(steps) == 0


def cornered() -> SatbSampler:
    """Soprano and bass stand an octave apart and can only both move to D."""
    composing = sampler(fixed(even(symbol(74)), even(HOLD), even(HOLD), even(symbol(50))))
    composing.step(dict(enumerate(symbol(p) for p in (72, 67, 64, 48))))
    return composing


def test_where_only_parallels_are_left_they_are_struck_after_some_tries() -> None:
    composing = cornered()
    predictor = composing._predictor
    assert isinstance(predictor, Fixed)
    before = len(predictor.chosen)
    assert composing.step()[0].tolist() == [symbol(74), HOLD, HOLD, symbol(50)]
    assert (len(predictor.chosen) - before) // 4 == TRIES


def test_a_step_that_is_cornered_is_composed_anew() -> None:
    """The soprano goes to D or holds; the bass can only go to D."""
    alike = 0
    for seed in range(200):
        soprano = [0.0] * SYMBOLS
        soprano[HOLD], soprano[symbol(74)] = 0.5, 0.5
        composing = sampler(fixed(soprano, even(HOLD), even(HOLD), even(symbol(50))))
        composing.rng = np.random.default_rng(seed)
        composing.step(dict(enumerate(symbol(p) for p in (72, 67, 64, 48))))
        alike += composing.step()[0, 0] == symbol(74)
    assert 0 < alike / 200 < 0.12  # one in sixteen, not one in two


def test_of_several_pieces_those_without_parallels_weigh_more() -> None:
    composing = cornered()
    composing.spread(3)
    composing.step()
    assert composing.log_weights.tolist() == [-PARALLEL] * 3


def test_the_key_makes_its_notes_likelier() -> None:
    profile = np.zeros(12)
    profile[[0, 2, 4, 5, 7, 9, 11]] = 1 / 7
    wide = even(*range(FIRST, SYMBOLS))
    classes = []
    for prior in (None, profile):
        composing = sampler(fixed(*[wide] * 4), prior=prior)
        steps = np.concatenate([composing.step() for _ in range(100)])
        classes.append(np.isin((steps - FIRST + LOWEST) % 12, (0, 2, 4, 5, 7, 9, 11)).mean())
    assert classes[0] < 0.65
    assert classes[1] > 0.72


def test_the_temperature_of_the_settings_multiplies_those_of_onsets_and_pitches() -> None:
    soprano = [0.0] * SYMBOLS
    soprano[HOLD], soprano[CHORD[0]], soprano[CHORD[0] + 2] = 0.9, 0.08, 0.02
    held, low = [], []
    for onset, pitch in ((1.0, 1.0), (2.0, 1.0), (1.0, 0.25)):
        composing = sampler(
            fixed(soprano, *[even(HOLD)] * 3),
            temperatures=(onset, pitch),
            settings=Composing(top_p=1.0, temperature=2.0),
        )
        steps = np.concatenate([composing.step() for _ in range(1500)])[:, 0]
        held.append((steps == HOLD).mean())
        low.append((steps == CHORD[0]).sum() / (steps != HOLD).sum())
    ratio = [0.9 ** (1 / t) / (0.9 ** (1 / t) + 0.1 ** (1 / t)) for t in (2.0, 4.0, 2.0)]
    assert held == pytest.approx(ratio, abs=0.05)
    assert low == pytest.approx([2 / 3, 2 / 3, 16 / 17], abs=0.06)


def test_a_goal_makes_notes_likelier_and_onsets_not() -> None:
    p = np.zeros((2, SYMBOLS))
    p[:, HOLD] = 0.5
    p[0, symbol(60)], p[0, symbol(62)] = 0.25, 0.25
    p[1, symbol(62)] = 0.5
    goal = np.zeros(12)
    goal[0] = np.log(3)
    found, gains = towards(p, goal)
    assert found.sum(1) == pytest.approx([1, 1])
    assert found[:, HOLD] == pytest.approx([0.5, 0.5])
    assert found[0, [symbol(60), symbol(62)]] == pytest.approx([0.375, 0.125])
    assert found[1] == pytest.approx(p[1])
    assert gains == pytest.approx([np.log(2), 0])


def test_pieces_that_struck_towards_a_goal_weigh_by_how_well_it_suited_them() -> None:
    composing = sampler(fixed(even(symbol(60), symbol(62)), even(HOLD), even(HOLD), even(HOLD)))
    composing.goal = np.zeros((4, 12))
    composing.goal[0, 0] = np.log(3)
    composing.spread(5)
    composing.step()
    assert composing.log_weights == pytest.approx([np.log(2)] * 5)


def test_the_probabilities_of_the_soprano_are_there_for_every_piece() -> None:
    composing = sampler(fixed(*(even(s) for s in CHORD)))
    composing.spread(4)
    composing.step()
    assert composing.soprano.shape == (4, SYMBOLS)
    assert composing.soprano[:, CHORD[0]].tolist() == [1.0] * 4


def test_a_scale_holds_from_the_next_step_on_and_can_be_left() -> None:
    wide = even(*range(FIRST, SYMBOLS))
    composing = sampler(fixed(*[wide] * 4))
    heard = []
    for scale in ("C D E G A", "", "C D E G A"):
        composing.follow(Composing(top_p=1.0, scale=scale))
        steps = np.concatenate([composing.step() for _ in range(40)])
        heard.append(set(((steps - FIRST + LOWEST) % 12).ravel().tolist()))
    assert heard == [{0, 2, 4, 7, 9}, set(range(12)), {0, 2, 4, 7, 9}]
