"""What Keras is fed and asked while training: batches of windows, the loss, the accuracy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from config_bach import Network, Training
from dataset import Lesson, cut_windows


class Windows(keras.utils.PyDataset):
    """The batches of an epoch: lessons cut into windows at places that change with every epoch."""

    def __init__(
        self, lessons: Sequence[Lesson], network: Network, training: Training, epoch: int
    ) -> None:
        """epoch: the first one, counted from 0."""
        super().__init__()
        self._lessons, self._network, self._epoch = list(lessons), network, epoch
        self._batch, self._seed = training.batch, training.seed
        # a cut never gives fewer windows than these; what it gives beyond them waits for another epoch
        windows = sum(math.ceil(len(x.inputs) / network.seqlen) for x in self._lessons)
        self._passes = math.ceil(training.min_steps * self._batch / max(windows, 1))
        self._steps = math.ceil(windows * self._passes / self._batch)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Cut the next epoch. The same epoch is always cut the same way, also after a restart."""
        rng = np.random.default_rng([self._seed, self._epoch])
        lessons, seqlen = self._lessons * self._passes, self._network.seqlen
        self._inputs, self._targets = cut_windows(lessons, seqlen, rng)
        forgetful = rng.random(len(self._inputs)) < self._network.forget
        self._inputs[forgetful, :, self._targets.shape[-1] :] = (
            0  # what is looked back at comes last
        )
        self._epoch += 1

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, i: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        rows = slice(i * self._batch, (i + 1) * self._batch)
        return _columns(self._inputs[rows]), _columns(self._targets[rows])


def _columns(ids: Any) -> tuple[Any, ...]:
    return tuple(ids[..., i] for i in range(ids.shape[-1]))


def counted_nll(targets: Any, probabilities: Any) -> Any:
    """Mean nats over the targets that count (those that are not -1)."""
    counted = ops.cast(targets >= 0, "float32")
    nats = ops.sparse_categorical_crossentropy(ops.maximum(targets, 0), probabilities)
    return ops.sum(nats * counted) / ops.maximum(ops.sum(counted), 1.0)


class Accuracy(keras.metrics.Metric):
    """The share of counted targets that were the likeliest symbol; '?' is never right."""

    def __init__(self) -> None:
        super().__init__(name="accuracy")
        self.right = self.add_weight(name="right", initializer="zeros")
        self.counted = self.add_weight(name="counted", initializer="zeros")

    def update_state(self, targets: Any, probabilities: Any, sample_weight: Any = None) -> None:
        """Count one batch."""
        likeliest = ops.cast(ops.argmax(probabilities, axis=-1), targets.dtype)
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
