"""The batches of an epoch: sequences cut into windows at events that change with every epoch."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from config_bach import Network, Training
from families.events.dataset import cut_windows
from families.steps import StepSequence


class WindowBatches(keras.utils.PyDataset):
    """Batches of windows [batch, seqlen]: a tuple of columns, and a tuple of targets by field."""

    def __init__(
        self, sequences: Sequence[StepSequence], network: Network, training: Training, epoch: int
    ) -> None:
        """epoch: the first one, counted from 0."""
        super().__init__()
        self._sequences, self._network, self._epoch = list(sequences), network, epoch
        self._batch, self._seed = training.batch, training.seed
        # a cut never gives fewer windows than these; what it gives beyond them waits for another epoch
        windows = sum(math.ceil(len(s) / network.seqlen) for s in self._sequences)
        self._passes = math.ceil(training.min_steps * self._batch / max(windows, 1))
        self._steps = math.ceil(windows * self._passes / self._batch)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Cut the next epoch. The same epoch is always cut the same way, also after a restart."""
        rng = np.random.default_rng([self._seed, self._epoch])
        sequences, seqlen = self._sequences * self._passes, self._network.seqlen
        self._rows, self._targets = cut_windows(sequences, seqlen, rng)
        without_lookback = rng.random(len(self._rows)) < self._network.lookback_dropout
        fields = self._targets.shape[-1]
        self._rows[without_lookback, :, fields:] = 0  # what is looked back at comes last
        self._epoch += 1

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, i: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        rows = slice(i * self._batch, (i + 1) * self._batch)
        return columns_of(self._rows[rows]), columns_of(self._targets[rows])


def columns_of(ids: Any) -> tuple[Any, ...]:
    """[..., columns] -> a tuple of [...]."""
    return tuple(ids[..., i] for i in range(ids.shape[-1]))
