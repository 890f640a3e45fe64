"""What Keras counts while it trains, by hand."""

import math

import numpy as np
import pytest

from config_bach import Training
from families.losses import Accuracy, masked_nll, optimizer_of


def test_the_loss_is_the_mean_over_what_counts() -> None:
    targets = np.array([[1, 2, -1]], np.int32)
    outputs = np.array([[[0.25, 0.5, 0.25], [0.25, 0.5, 0.25], [1, 0, 0]]], np.float32)
    wanted = (math.log(2) + math.log(4)) / 2
    assert float(masked_nll(from_logits=False)(targets, outputs)) == pytest.approx(wanted)
    logits = np.log(np.maximum(outputs, 1e-9)) + 3
    assert float(masked_nll(from_logits=True)(targets, logits)) == pytest.approx(wanted, rel=1e-5)


def test_a_single_target_counts_as_one() -> None:
    outputs = np.array([[[0.25, 0.5, 0.25], [1, 0, 0]]], np.float32)
    targets = np.array([[1, -1]], np.int32)
    assert float(masked_nll(from_logits=False)(targets, outputs)) == pytest.approx(math.log(2))
    accuracy = Accuracy()
    accuracy.update_state(targets, outputs)
    assert float(accuracy.result()) == 1


def test_where_nothing_counts_the_loss_is_zero() -> None:
    outputs = np.full((1, 2, 3), 1 / 3, np.float32)
    assert float(masked_nll(False)(np.full((1, 2), -1, np.int32), outputs)) == 0


def test_the_unknown_symbol_is_never_right() -> None:
    """Neither where it came and was the likeliest, nor where something else came."""
    accuracy = Accuracy()
    outputs = np.array([[[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]], np.float32)
    accuracy.update_state(np.array([[0, 1, 2]]), outputs)
    assert float(accuracy.result()) == pytest.approx(1 / 3)


def test_accuracy_counts_what_counts_over_batches() -> None:
    accuracy = Accuracy()
    assert float(accuracy.result()) == 0
    sure = np.array([[[0, 1, 0], [0, 0, 1]]], np.float32)
    accuracy.update_state(np.array([[1, -1]]), sure)
    accuracy.update_state(np.array([[2, 2]]), sure)
    assert float(accuracy.result()) == pytest.approx(2 / 3)


def test_the_optimizer_follows_the_settings() -> None:
    plain = optimizer_of(Training(learning_rate=0.02, weight_decay=0.1))
    assert float(plain.learning_rate) == pytest.approx(0.02)
    assert plain.weight_decay == pytest.approx(0.1)
    assert plain.clipnorm == 1.0
    assert not plain.use_ema
    mean = optimizer_of(Training(average=0.9))
    assert mean.use_ema
    assert mean.ema_momentum == pytest.approx(0.9)
