"""After each epoch of a training: measure, report, save what a restart needs."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from config_bach import counted
from families.metrics import Metrics
from storage.bundle import Arrays, Bundle
from storage.files import shown
from workflows.signals import Waiting

log = logging.getLogger("play_bach")


class CheckpointCallback(keras.callbacks.Callback):
    """After each epoch: measure, report, save, and stop when nothing gets better any more."""

    screen: TextIO | None = None  # where the bar is drawn; None: on standard error

    def __init__(
        self,
        bundle: Bundle,
        validate: Callable[[keras.Model], Metrics],
        unknown: float,
        folder: Path,
        signals: Waiting,
    ) -> None:
        """validate: figures of a network on the validation side. unknown: nats the loss leaves out.
        signals: raised between two batches, but not before what was learned is saved."""
        super().__init__()
        self._signals = signals
        self.bundle, self._validate, self.folder = bundle, validate, folder
        self._unknown, self._started = unknown, len(bundle.metadata["history"])
        self._bar, self._begun = tqdm(disable=True), 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set this epoch's learning rate, a cosine from full to a twentieth, and start a bar."""
        done = epoch / max(self.bundle.metadata["epochs"], epoch + 1)
        rate = self.bundle.training.learning_rate * (0.05 + 0.475 * (1 + math.cos(math.pi * done)))
        self.model.optimizer.learning_rate.assign(rate)
        steps, what = self.params["steps"], f"epoch {epoch + 1}"
        self._begun = time.monotonic()
        self._bar = tqdm(
            desc=what, total=steps, unit="batch", leave=False, disable=None, file=self.screen
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar."""
        self._bar.update()
        self._signals.check()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure on the validation side, then save what a restart needs."""
        self._bar.close()
        learned = self.model.get_weights()
        with averaged(self.model):
            valid = self._validate(self.model)
            mean = self.model.get_weights()
        figures = {
            "epoch": epoch + 1,
            "train_nll": float(logs["loss"]) + self._unknown,
            "train_accuracy": float(logs.get("accuracy", logs.get("next_pitch_accuracy", 0.0))),
            "val_nll": valid.nll,
            "val_accuracy": valid.accuracy,
            "val_fields": valid.fields,
            "seconds": round(time.monotonic() - self._begun, 1),
        }
        before = self.bundle.metadata["history"]
        now = replace(
            self.bundle.with_metadata(history=[*before, figures]),
            weights=learned,
            optimizer=[np.array(v) for v in self.model.optimizer.variables],
        )
        with self._signals.uninterrupted():
            where = self._save(now, mean)
            self.bundle = now
        log.info(_epoch_line(figures, now.metadata["epochs"]))
        _tell_improvements(before, figures, where)
        self._signals.check()
        since = max(best_epoch(self.bundle)["epoch"], self._started)
        if epoch + 1 - since >= self.bundle.training.patience:
            patience = counted(self.bundle.training.patience, "epoch")
            log.info("no better validation for %s: stopping", patience)
            self.model.stop_training = True

    def _save(self, now: Bundle, mean: Arrays) -> Path:
        """The last epoch is always kept, the best one beside it, with its mean weights; returns where
        the best place of this one is."""
        last, best = self.folder / "last.zip", self.folder / "best.zip"
        is_best = best_epoch(now) is now.metadata["history"][-1]
        if is_best:
            replace(now, weights=mean, optimizer=[]).save(best)
        now.save(last)
        return best if is_best else last


def _tell_improvements(before: list[dict[str, Any]], now: dict[str, Any], where: Path) -> None:
    """Which figures are better than ever, once the model is saved."""
    nll = min((e["val_nll"] for e in before), default=math.inf)
    accuracy = max((e["val_accuracy"] for e in before), default=0.0)
    told = "%s improved from %.5f to %.5f, saving model to %s"
    if now["val_nll"] < nll:
        log.info(told, "val_nll", nll, now["val_nll"], shown(where))
    if now["val_accuracy"] > accuracy:
        log.info(told, "val_accuracy", accuracy, now["val_accuracy"], shown(where))


@contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """The model with the running mean of its weights, if its optimizer keeps one.

    The mean of the last thousand steps or so lies nearer to the middle of a good region than any
    single step (Polyak and Juditsky 1992; Izmailov et al. 2018).
    """
    kept = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, kept, strict=True):
            variable.assign(value)


def best_epoch(bundle: Bundle) -> dict[str, Any]:
    """The figures of the epoch with the lowest validation NLL.

    With the articles' split by window it is the one with the highest validation accuracy, as there.
    """
    if bundle.metadata["split"] == "window":
        return max(bundle.metadata["history"], key=lambda e: e["val_accuracy"])
    return min(bundle.metadata["history"], key=lambda e: e["val_nll"])


def _epoch_line(e: dict[str, Any], epochs: int) -> str:
    fields = ", ".join(f"{name} {nll:.3f}" for name, nll in e["val_fields"].items())
    detail = f" ({fields})" if len(e["val_fields"]) > 1 else ""
    return (
        f"epoch {e['epoch']}/{epochs}: train {e['train_nll']:.3f} nats {e['train_accuracy']:.1%}, "
        f"validation {e['val_nll']:.3f} nats{detail} {e['val_accuracy']:.1%}"
    )
