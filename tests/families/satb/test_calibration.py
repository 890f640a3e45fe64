"""A network is made as sure as it is right: in what a voice does, and in which note it strikes."""

import numpy as np
import pytest
from keras import ops

from families.satb.calibration import Temperatures, fit, least, with_temperatures
from families.satb.encoding import FIRST, SYMBOLS

LOGITS = np.random.default_rng(2).normal(0, 2, (500, SYMBOLS)).astype(np.float32)


def p_of(logits: object) -> np.ndarray:
    return np.array(ops.softmax(logits))


def test_at_temperatures_of_1_nothing_changes() -> None:
    assert p_of(Temperatures()(LOGITS)) == pytest.approx(p_of(LOGITS), rel=1e-4)


def test_the_pitch_temperature_leaves_the_chance_of_a_note_as_it_was() -> None:
    before, after = p_of(LOGITS), p_of(with_temperatures(LOGITS, 1.0, 2.0))
    assert after[:, :FIRST] == pytest.approx(before[:, :FIRST], rel=1e-3)
    expected = np.sqrt(before[:, FIRST:])
    expected *= before[:, FIRST:].sum(1, keepdims=True) / expected.sum(1, keepdims=True)
    assert after[:, FIRST:] == pytest.approx(expected, rel=1e-3)


def test_the_onset_temperature_leaves_pitches_among_each_other_as_they_were() -> None:
    before, after = p_of(LOGITS), p_of(with_temperatures(LOGITS, 2.0, 1.0))
    does = np.sqrt(np.c_[before[:, :FIRST], before[:, FIRST:].sum(1)])
    assert after[:, :FIRST] == pytest.approx(
        (does / does.sum(1, keepdims=True))[:, :FIRST], rel=1e-3
    )
    ratio = after[:, FIRST:] / before[:, FIRST:]
    assert ratio == pytest.approx(np.repeat(ratio[:, :1], ratio.shape[1], 1), rel=1e-3)


def test_the_temperatures_of_what_really_came_are_found() -> None:
    """Symbols are drawn at known temperatures; fitting finds them again."""
    truth = np.cumsum(p_of(with_temperatures(LOGITS, 1.5, 0.8)), 1)
    rng = np.random.default_rng(3)
    draws = [(truth < rng.random((len(truth), 1))).sum(1) for _ in range(40)]
    temperatures = Temperatures()

    def nats(tempered: Temperatures) -> float:
        logs = np.array(ops.log_softmax(tempered(LOGITS)))
        return -float(np.mean([logs[np.arange(len(logs)), drawn] for drawn in draws]))

    fit(temperatures, nats)
    assert [float(t) for t in temperatures.weights] == pytest.approx([1.5, 0.8], abs=0.06)


@pytest.mark.parametrize("place", [0.5, 0.9, 1.37, 2.0])
def test_the_least_of_a_function_is_found(place: float) -> None:
    assert least(lambda x: (x - place) ** 2, 0.5, 2.0) == pytest.approx(place, abs=0.02)


def test_what_was_fitted_before_is_left_out_of_account() -> None:
    temperatures = Temperatures()
    for weight in temperatures.weights:
        weight.assign(1.7)
    temperatures.reset()
    assert [float(t) for t in temperatures.weights] == [1.0, 1.0]
