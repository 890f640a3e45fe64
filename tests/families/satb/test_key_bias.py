"""Pitch classes that sounded more often become more likely, in the right measure."""

import numpy as np
import pytest

from families.satb.encoding import FIRST, SILENCE, SYMBOLS, symbol
from families.satb.key_bias import CLASSES, HALF_LIFE, HALF_LIVES, PitchClassProfile, with_key_bias

TRIAD = [symbol(p) for p in (72, 67, 64, 48)]


def profile(*steps: list[int]) -> PitchClassProfile:
    found = PitchClassProfile()
    for step in steps:
        found.feed(step)
    return found


def test_nothing_is_likelier_before_anything_sounded() -> None:
    assert PitchClassProfile().row() == [0] * CLASSES * 4
    assert profile([SILENCE] * 4).row() == [0] * CLASSES * 4
    p = np.random.default_rng(0).random(SYMBOLS).astype(np.float32)
    assert with_key_bias(p, np.zeros(CLASSES, int)) == pytest.approx(p)


def test_a_class_weighs_the_logarithm_of_its_share() -> None:
    row = profile(TRIAD).row()
    share = np.full(CLASSES, 0.01)
    share[[0, 4, 7]] += (0.5, 0.25, 0.25)  # C sounds twice
    expected = np.rint(100 * np.log(share / share.mean())).astype(int).tolist()
    assert row == expected * 4  # one step: by every half-life the same
    assert row[:5] == [170, -223, -223, -223, 102]  # ln(0.51 / 0.0933), ln(0.01 / 0.0933), ...


def test_what_is_long_ago_counts_less() -> None:
    steps = [[TRIAD[0], SILENCE, SILENCE, SILENCE]]
    other = [[symbol(62), SILENCE, SILENCE, SILENCE]]
    for i, half_life in enumerate((HALF_LIFE, *HALF_LIVES)):
        weights = profile(*steps, *[[SILENCE] * 4] * (half_life - 1), *other)._weights[i]
        assert weights[[0, 2]] == pytest.approx([0.5, 1])


def test_a_known_key_counts_the_same_share_of_every_profile() -> None:
    key = np.array([0.3, *[0.0] * 3, 0.4, *[0.0] * 2, 0.3, *[0.0] * 4])
    assert PitchClassProfile(key).row() == PitchClassProfile(key).row()[:CLASSES] * 4
    weights = PitchClassProfile(key)._prior.sum(1)
    assert weights == pytest.approx([300, 300 * 16 / 128, 300 * 96 / 128, 300 * 400 / 128])


def test_pitches_are_rescaled_by_the_root_of_their_share() -> None:
    weights = np.zeros(CLASSES, int)
    weights[[0, 1]] = 200, -200
    p = np.zeros(SYMBOLS, np.float32)
    p[[1, 2]] = 0.25, 0.25
    p[[symbol(60), symbol(61), symbol(62)]] = 0.2, 0.2, 0.1
    after = with_key_bias(p, weights)
    scaled = np.array([0.2 * np.e, 0.2 / np.e, 0.1])
    assert after[[symbol(60), symbol(61), symbol(62)]] == pytest.approx(scaled / scaled.sum() / 2)
    assert after[:FIRST] == pytest.approx(p[:FIRST])
    assert after.sum() == pytest.approx(1)
    assert after.dtype == np.float32


def test_many_rows_are_rescaled_each_by_its_own() -> None:
    rng = np.random.default_rng(1)
    p = rng.random((2, 3, SYMBOLS)).astype(np.float32)
    weights = rng.integers(-300, 300, (2, 3, CLASSES))
    together = with_key_bias(p, weights)
    for i in np.ndindex(2, 3):
        assert together[i] == pytest.approx(with_key_bias(p[i], weights[i]), rel=1e-5)


def test_where_no_pitch_can_come_none_comes() -> None:
    p = np.zeros(SYMBOLS, np.float32)
    p[1] = 1
    assert with_key_bias(p, np.full(CLASSES, 50)).tolist() == p.tolist()


def test_a_copy_goes_on_by_itself() -> None:
    one = profile(TRIAD)
    two = one.copy()
    two.feed([symbol(61)] * 4)
    assert one.row() == profile(TRIAD).row()
    assert two.row() == profile(TRIAD, [symbol(61)] * 4).row()
