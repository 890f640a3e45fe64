"""A network trained from scratch within a time, to compare others with: nothing of it is kept."""

import math
import time
from dataclasses import replace
from typing import Any

import keras
from tqdm import tqdm

from storage.bundle import Arrays, Bundle
from workflows.checkpoint import averaged
from workflows.signals import Waiting, waiting
from workflows.trainer import TrainingTask, averaging


def from_scratch(task: TrainingTask, seconds: float) -> Bundle:
    """The best network by validation that is found in so many seconds, an epoch at the least.

    Raises KeyboardInterrupt or Terminated when it is stopped.
    """
    keras.utils.set_random_seed(task.bundle.training.seed)
    model = task.compiled(task.bundle)
    with waiting() as signals:
        best = BestWithin(task, seconds, signals)
        batches, epochs = task.batches(0), task.bundle.training.epochs
        averaging(model, task.bundle.training, len(batches) * epochs)
        model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[best])
    model.set_weights(best.weights)
    return replace(task.bundle, weights=task.family.stored_weights(model))


class BestWithin(keras.callbacks.Callback):
    """Keeps the weights of the best epoch in memory, and ends training in time.

    The learning rate falls with the time, as it falls with the epochs where these are what ends a
    training.
    """

    def __init__(self, task: TrainingTask, seconds: float, signals: Waiting) -> None:
        super().__init__()
        self.weights: Arrays = []
        self._task, self._seconds, self._signals = task, seconds, signals
        self._started, self._nll, self._best = time.monotonic(), math.inf, 0
        self._bar = tqdm(total=100, desc="from scratch", unit="%", leave=False, disable=None)

    def _done(self, epoch: int) -> float:
        spent = (time.monotonic() - self._started) / max(self._seconds, 1e-9)
        return min(1.0, max(spent, epoch / self._task.bundle.training.epochs))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the learning rate of this epoch."""
        training = self._task.bundle.training
        rate = training.learning_rate * (0.05 + 0.475 * (1 + math.cos(math.pi * self._done(epoch))))
        self.model.optimizer.learning_rate.assign(rate)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar."""
        self._bar.update(int(100 * self._done(0)) - self._bar.n)
        self._signals.check()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure, keep what is best, and stop when the time is over or nothing gets better."""
        with averaged(self.model):
            nll = self._task.measure(self.model, "valid").nll
            if nll < self._nll or not self.weights:
                self._nll, self._best, self.weights = nll, epoch, self.model.get_weights()
        waited = epoch - self._best
        over = self._done(epoch + 1) >= 1 or waited >= self._task.bundle.training.patience
        self.model.stop_training = over

    def on_train_end(self, logs: Any = None) -> None:
        """Close the bar."""
        self._bar.close()
