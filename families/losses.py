"""What Keras is asked while training: the loss, the accuracy, the optimizer."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from config_bach import Training


def masked_nll(from_logits: bool) -> Callable[[Any, Any], Any]:
    """The mean nats over the targets that count (those that are not -1), as a Keras loss."""

    def nll(targets: Any, outputs: Any) -> Any:
        counted = ops.cast(targets >= 0, "float32")
        nats = ops.sparse_categorical_crossentropy(
            ops.maximum(targets, 0), outputs, from_logits=from_logits
        )
        return ops.sum(nats * counted) / ops.maximum(ops.sum(counted), 1.0)

    return nll


class Accuracy(keras.metrics.Metric):
    """The share of counted targets that were the likeliest symbol; '?' is never right."""

    def __init__(self) -> None:
        super().__init__(name="accuracy")
        self.right = self.add_weight(name="right", initializer="zeros")
        self.counted = self.add_weight(name="counted", initializer="zeros")

    def update_state(self, targets: Any, outputs: Any, sample_weight: Any = None) -> None:
        """Count one batch: targets [...], probabilities or logits [..., symbols]."""
        likeliest = ops.cast(ops.argmax(outputs, axis=-1), targets.dtype)
        right = ops.logical_and(likeliest == targets, targets > 0)
        self.right.assign_add(ops.sum(ops.cast(right, "float32")))
        self.counted.assign_add(ops.sum(ops.cast(targets >= 0, "float32")))

    def result(self) -> Any:
        """The share so far."""
        return self.right / ops.maximum(self.counted, 1.0)


def optimizer_of(training: Training) -> keras.optimizers.Optimizer:
    """AdamW; with a running mean of the weights beside it where one is wanted."""
    return keras.optimizers.AdamW(
        training.learning_rate,
        weight_decay=training.weight_decay,
        clipnorm=1.0,
        use_ema=training.average > 0,
        ema_momentum=training.average or 0.99,
    )
