"""The batches of an epoch: sequences cut into windows at events that change with every epoch."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from config_bach import Network, Training
from families.events.dataset import cut_windows
from families.large import ShardSequences, epoch_length
from families.steps import Rows, StepSequence


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
        self._rows, self._targets = windows_of(self._sequences * self._passes, self._network, rng)
        self._epoch += 1

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, i: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        rows = slice(i * self._batch, (i + 1) * self._batch)
        return columns_of(self._rows[rows]), columns_of(self._targets[rows])


class ShardBatches(keras.utils.PyDataset):
    """The same from shards: pieces in random order, some hundred at a time, each in a key drawn anew.

    An epoch ends when all pieces were learned once, or after a number of batches; so in memory are the
    windows of a block of pieces.
    """

    def __init__(
        self, sequences: ShardSequences, network: Network, training: Training, epoch: int
    ) -> None:
        """epoch: the first one, counted from 0."""
        super().__init__()
        self._sequences, self._network, self._epoch = sequences, network, epoch
        self._batch, self._seed = training.batch, training.seed
        windows = int(np.ceil(sequences.lengths / network.seqlen).sum())
        wanted = max(training.min_steps, math.ceil(windows / self._batch))
        self._steps = epoch_length(sequences, wanted)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Begin the next epoch. The same epoch is always cut the same way, also after a restart."""
        self._next = self._windows(np.random.default_rng([self._seed, self._epoch]))
        self._epoch += 1

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, i: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The next batch, whatever the number."""
        rows, targets = next(self._next)
        return columns_of(rows), columns_of(targets)

    def _windows(self, rng: np.random.Generator) -> Iterator[tuple[Rows, Rows]]:
        """Batches without end; what a block leaves over begins the next one's first."""
        left: list[tuple[Rows, Rows]] = []
        while True:
            for block in self._sequences.blocks(rng):
                keys = rng.integers(self._sequences.keys, size=len(block)).tolist()
                pieces = [
                    self._sequences.in_key(i, key)
                    for i, key in zip(block.tolist(), keys, strict=True)
                ]
                cut = [*left, windows_of(pieces, self._network, rng)]
                rows, targets = (np.concatenate(x) for x in zip(*cut, strict=True))
                whole = len(rows) // self._batch * self._batch
                for start in range(0, whole, self._batch):
                    batch = slice(start, start + self._batch)
                    yield rows[batch], targets[batch]
                left = [(rows[whole:].copy(), targets[whole:].copy())]


def window_batches(
    sequences: Sequence[StepSequence], network: Network, training: Training, epoch: int
) -> keras.utils.PyDataset:
    """The batches of windows of sequences, wherever these lie."""
    if isinstance(sequences, ShardSequences):
        return ShardBatches(sequences, network, training, epoch)
    return WindowBatches(sequences, network, training, epoch)


def windows_of(
    sequences: Sequence[StepSequence], network: Network, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """Sequences cut into windows (see dataset.cut_windows), some of them without lookback."""
    rows, targets = cut_windows(sequences, network.seqlen, rng)
    without_lookback = rng.random(len(rows)) < network.lookback_dropout
    rows[without_lookback, :, targets.shape[-1] :] = 0  # what is looked back at comes last
    return rows, targets


def columns_of(ids: Any) -> tuple[Any, ...]:
    """[..., columns] -> a tuple of [...]."""
    return tuple(ids[..., i] for i in range(ids.shape[-1]))
