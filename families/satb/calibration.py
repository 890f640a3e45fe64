"""How sure the network may be: two temperatures, fitted on the validation pieces when training ends.

A network that has seen few pieces often is surer than it is right (Guo et al. 2017, On Calibration of
Modern Neural Networks). One temperature is for what a voice does: hold, fall silent or strike a note;
the other one for which note it strikes. They are weights of the network: they are exported with it.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from families.satb.encoding import FIRST

LEAST, MOST = 0.5, 2.0  # temperatures
ROUNDS = 10  # golden sections of what is between them: to 1 %
GOLDEN = (5**0.5 - 1) / 2


class Temperatures(keras.layers.Layer):
    """Divides logits by temperatures; 1 until they are fitted."""

    def __init__(self) -> None:
        super().__init__(dtype="float32")
        self.onset, self.pitch = (
            self.add_weight(shape=(), initializer="ones", trainable=False, name=name)
            for name in ("onset", "pitch")
        )

    def reset(self) -> None:
        """Leave logits as they are."""
        self.onset.assign(1.0)
        self.pitch.assign(1.0)

    def call(self, logits: Any) -> Any:
        """Logits [..., SYMBOLS] -> the same, as sure as it is right to be."""
        return with_temperatures(logits, self.onset, self.pitch)


def with_temperatures(logits: Any, onset: Any, pitch: Any) -> Any:
    """Logits [..., SYMBOLS] with a temperature for pitches among each other, and one for whether any of
    them is struck, or nothing is."""
    others, pitches = logits[..., :FIRST], logits[..., FIRST:]
    struck = ops.logsumexp(pitches, axis=-1, keepdims=True)
    tempered = pitches / pitch
    among = tempered - ops.logsumexp(tempered, axis=-1, keepdims=True)
    return ops.concatenate([others / onset, among + struck / onset], axis=-1)


def fit(temperatures: Temperatures, nats: Callable[[Temperatures], float]) -> None:
    """Set both temperatures to what predicts best, one after the other.

    nats: those of the validation pieces, at the temperatures as they stand.
    """
    for weight in (temperatures.onset, temperatures.pitch):

        def of(value: float, weight: Any = weight) -> float:
            weight.assign(value)
            return nats(temperatures)

        weight.assign(least(of, LEAST, MOST))


def least(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function of one variable is smallest between two values, by golden-section search
    (Kiefer 1953)."""
    inner = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)]
    values = [function(x) for x in inner]
    for _ in range(ROUNDS):
        if values[0] < values[1]:
            high = inner[1]
            inner = [high - GOLDEN * (high - low), inner[0]]
            values = [function(inner[0]), values[0]]
        else:
            low = inner[0]
            inner = [inner[1], low + GOLDEN * (high - low)]
            values = [values[1], function(inner[1])]
    return inner[int(values[1] < values[0])]
