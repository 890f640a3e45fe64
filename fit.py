"""Training: a corpus in, a bundle out. Read it from the bottom up: `fit` is the whole story."""

from __future__ import annotations

import importlib.util
import logging
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from tqdm import tqdm

import bundle as bundles
import charts
from bundle import Arrays, Bundle
from chorale.forms import chorale_vocabulary, forms_of, primes_of
from chorale.grid import Chorale
from chorale.sources import Chorales
from config_bach import Encoding, Network, Places, Training, UserError, model_name
from corpus import Corpus
from course import Course, course_of
from dataset import LABELS, Split, divided, split
from files import check_writable, keep_previous, shown
from instruments import ORGAN
from lite.export import with_variants
from lite.variants import exported_first
from piece import Piece, to_json
from rhythm import Rhythm
from vocabulary import Vocabulary

log = logging.getLogger("play_bach")

PRIMES = 24  # held-out beginnings that a bundle carries
PRIME_EVENTS = 64
MEANS = 10  # the running mean of the weights spans a tenth of a training at the most


def wake_tensorflow() -> None:
    """Use TensorFlow once: it greets devices and data pipelines on the screen at their first use."""
    tf.get_logger().setLevel("ERROR")
    ops.zeros(1)
    list(tf.data.Dataset.from_generator(lambda: iter([0]), tf.int32))


def new_bundle(
    app: str, corpus: Corpus, encoding: Encoding, network: Network, training: Training
) -> tuple[Bundle, Split[Piece]]:
    """An untrained bundle for a corpus: the split, the vocabulary and what the corpus tells."""
    parts = split(corpus.pieces, training.seed, training.split)
    vocabulary = Vocabulary.learn(parts.train, encoding, with_duration=network.model_type == 2)
    facts = {
        **facts_of(app, corpus.source, parts, training),
        "rhythm": {} if vocabulary.knows_durations else Rhythm.learn(parts.train).counts,
        "primes": _primes(parts.test + parts.valid, network.seqlen),
        "bpm": _typical([p.bpm for p in corpus.pieces if p.bpm]),
        "instrument": _commonest([p.program for p in corpus.pieces]),
    }
    name = model_name(app, network, encoding)
    return Bundle(name, vocabulary, network, training, facts), parts


def new_chorale_bundle(
    app: str, found: Chorales, encoding: Encoding, network: Network, training: Training
) -> tuple[Bundle, Split[Chorale]]:
    """The same for model type 5. A source that divides itself keeps its own sides."""
    parts = (
        divided(found.pieces, found.sides, found.kind)
        if found.sides
        else split(found.pieces, training.seed, "piece")
    )
    facts = {
        **facts_of(app, found.source, parts, training),
        "forms": forms_of(parts.test + parts.valid),
        "primes": primes_of(parts.test + parts.valid),
        "bpm": _typical([p.bpm for p in found.pieces if p.bpm]),
        "instrument": ORGAN,
    }
    name = model_name(app, network, encoding)
    return Bundle(name, chorale_vocabulary(encoding), network, training, facts), parts


def facts_of(app: str, source: str, parts: Split[Any], training: Training) -> dict[str, Any]:
    """What every bundle tells of its training."""
    return {
        "app": app,
        "corpus": {"source": source, "pieces": parts.table()},
        "split": parts.kind,
        "label": LABELS[parts.kind],
        "history": [],
        "epochs": training.epochs,
    }


def _primes(pieces: Sequence[Piece], seqlen: int) -> list[dict[str, Any]]:
    """The beginnings of held-out pieces, to compose from; long enough ones if there are any."""
    long = [p for p in pieces if len(p.events) >= seqlen] or [p for p in pieces if p.events]
    return [
        {
            "name": p.name,
            "events": to_json(p.events[: max(PRIME_EVENTS, seqlen)]),
        }
        for p in long[:PRIMES]
    ]


def _typical(values: Sequence[float]) -> float | None:
    return round(median(values), 1) if values else None


def _commonest(values: Sequence[int | None]) -> int | None:
    """The commonest value; None if most pieces say nothing."""
    return Counter(values).most_common(1)[0][0]


class Keeper(keras.callbacks.Callback):
    """After each epoch: measure, report, save, and stop when nothing gets better any more."""

    def __init__(self, bundle: Bundle, course: Course, folder: Path) -> None:
        super().__init__()
        self.bundle, self._course, self._folder = bundle, course, folder
        self._bar = tqdm(disable=True)
        self._started = len(bundle.facts["history"])
        self._unknown = course.unknown_nats()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set this epoch's learning rate, a cosine from full to a twentieth, and start a bar."""
        done = epoch / max(self.bundle.facts["epochs"], epoch + 1)
        rate = self.bundle.training.learning_rate * (0.05 + 0.475 * (1 + math.cos(math.pi * done)))
        self.model.optimizer.learning_rate.assign(rate)
        self._bar = tqdm(
            total=self.params["steps"],
            desc=f"epoch {epoch + 1}",
            unit="batch",
            leave=False,
            disable=None,
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar."""
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure on the validation side, then save what a restart needs."""
        self._bar.close()
        learned = self.model.get_weights()
        with averaged(self.model):
            valid = self._course.measure(self.model, "valid")
            mean = self.model.get_weights()
        figures = {
            "epoch": epoch + 1,
            "train_nll": float(logs["loss"]) + self._unknown,
            "train_accuracy": float(logs.get("accuracy", logs.get("next_pitch_accuracy", 0.0))),
            "val_nll": valid.nll,
            "val_accuracy": valid.accuracy,
            "val_fields": valid.fields,
        }
        before = self.bundle.facts["history"]
        self.bundle = replace(
            self.bundle.with_facts(history=[*before, figures]),
            weights=learned,
            optimizer=[np.array(v) for v in self.model.optimizer.variables],
        )
        log.info(_epoch_line(figures, self.bundle.facts["epochs"]))
        self._save(before, figures, mean)
        since = max(best_epoch(self.bundle)["epoch"], self._started)
        if epoch + 1 - since >= self.bundle.training.patience:
            log.info("no better validation for %d epochs: stopping", self.bundle.training.patience)
            self.model.stop_training = True

    def _save(self, before: list[dict[str, Any]], now: dict[str, Any], mean: Arrays) -> None:
        """The last epoch is always kept, the best one beside it, with its mean weights."""
        last, best = self._folder / "last.zip", self._folder / "best.zip"
        is_best = best_epoch(self.bundle) is now
        nll = min((e["val_nll"] for e in before), default=math.inf)
        accuracy = max((e["val_accuracy"] for e in before), default=0.0)
        where = shown(best if is_best else last)
        told = "%s improved from %.5f to %.5f, saving model to %s"
        if now["val_nll"] < nll:
            log.info(told, "val_nll", nll, now["val_nll"], where)
        if now["val_accuracy"] > accuracy:
            log.info(told, "val_accuracy", accuracy, now["val_accuracy"], where)
        if is_best:
            replace(self.bundle, weights=mean, optimizer=[]).save(best)
        self.bundle.save(last)


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
    if bundle.facts["split"] == "window":
        return max(bundle.facts["history"], key=lambda e: e["val_accuracy"])
    return min(bundle.facts["history"], key=lambda e: e["val_nll"])


def _epoch_line(e: dict[str, Any], epochs: int) -> str:
    fields = ", ".join(f"{name} {nll:.3f}" for name, nll in e["val_fields"].items())
    detail = f" ({fields})" if len(e["val_fields"]) > 1 else ""
    return (
        f"epoch {e['epoch']}/{epochs}: train {e['train_nll']:.3f} nats {e['train_accuracy']:.1%}, "
        f"validation {e['val_nll']:.3f} nats{detail} {e['val_accuracy']:.1%}"
    )


def _finish(bundle: Bundle, course: Course, folder: Path, places: Places) -> Bundle:
    """The best epoch as the bundle in models/, with its step model, figures and pictures."""
    best = bundles.load(folder / "best.zip")
    model = course.network(replace(best, optimizer=[]))
    held_out = [side for side in ("valid", "test") if course.sides()[side]]
    metrics = {side: course.measure(model, side).to_json() for side in held_out}
    metrics["baselines"] = course.baselines
    best = best.with_facts(history=bundle.facts["history"], metrics=metrics)
    best = replace(
        best, weights=course.kept(model), music=course.music(), held_out=course.held_out()
    )
    best = with_variants(best, [exported_first(best.network.model_type)])
    path = bundles.path_of(best.name, places)
    curves, network = path.with_suffix(".curves.png"), path.with_suffix(".network.png")
    keep_previous(path, curves, network)
    best.save(path)
    charts.learning_curves(curves, best)
    charts.model_diagram(network, model, best.name)
    log.info("model saved to %s", shown(path))
    told = [(side, metrics[side]["nll"], metrics[side]["accuracy"]) for side in held_out]
    figures = ", ".join(f"{side} {nll:.3f} nats {right:.1%}" for side, nll, right in told)
    log.info("held out (%s): %s", best.facts["label"], figures.replace("valid ", "validation "))
    return best


def resumed(
    bundle: Bundle, epochs: int | None, corpus: Corpus | Chorales
) -> tuple[Bundle, Split[Any]]:
    """A saved bundle or checkpoint made ready to go on, and its split of the corpus as it is now.

    An interrupted run goes on to the number of epochs it was meant to have; a finished one, or one
    that is asked for `epochs` more, gets more.
    """
    done, planned = len(bundle.facts["history"]), bundle.facts["epochs"]
    ended = done >= planned or done - best_epoch(bundle)["epoch"] >= bundle.training.patience
    target = done + (epochs or bundle.training.epochs) if epochs or ended else planned
    pieces = bundle.facts["corpus"]["pieces"]
    parts: Split[Any]
    if isinstance(corpus, Chorales) and corpus.sides:
        parts = divided(corpus.pieces, corpus.sides, bundle.facts["split"])
    else:
        parts = split(corpus.pieces, bundle.training.seed, bundle.facts["split"], pieces)
    told = {"source": corpus.source, "pieces": parts.table()}
    return replace(bundle, steps={}).with_facts(epochs=target, corpus=told, variants={}), parts


def fit(bundle: Bundle, parts: Split[Any], places: Places, tensorboard: bool = False) -> Bundle:
    """Train a bundle on its split, from wherever it stands. Ctrl-C keeps what was learned.

    Raises UserError if nothing can be learned or saved.
    """
    folder = places.checkpoint / bundle.name
    for place in (folder, places.models):
        check_writable(place)  # now, not after hours
    keras.utils.set_random_seed(bundle.training.seed)
    course = course_of(parts, bundle)
    if not has_held_out(course, bundle):
        raise UserError("the pieces are too short to hold any out for validation; add longer ones.")
    model = course.network(bundle)
    _announce(bundle, course, model)
    done = len(bundle.facts["history"])
    if done and not (folder / "best.zip").is_file():
        replace(bundle, optimizer=[]).save(
            folder / "best.zip"
        )  # what came may be the best there is
    keeper = Keeper(bundle, course, folder)
    callbacks: list[Any] = [keeper]
    if tensorboard:
        callbacks.append(_tensorboard(folder))
    start = time.monotonic()
    try:
        _learn(model, course, bundle, callbacks)
    except KeyboardInterrupt:
        if not keeper.bundle.facts["history"]:
            raise UserError("stopped before the first epoch ended: nothing was learned.") from None
        log.info(
            "stopped by you; what was learned is kept, go on with -l 1 -f --app %s",
            bundle.facts["app"],
        )
    actual = len(keeper.bundle.facts["history"])
    log.info(
        "model fitted in %.0f sec for %d configured epochs, and %d actual epochs",
        time.monotonic() - start,
        bundle.facts["epochs"],
        actual,
    )
    return _finish(keeper.bundle, course, folder, places)


def _learn(
    model: keras.Model,
    course: Course,
    bundle: Bundle,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """The epochs that are still to come."""
    done, epochs = len(bundle.facts["history"]), bundle.facts["epochs"]
    batches = course.batches(done)
    span = len(batches) * (epochs - done) / MEANS
    model.optimizer.ema_momentum = min(bundle.training.average, max(0.0, 1 - 1 / span))
    model.fit(
        batches,
        epochs=epochs,
        initial_epoch=done,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    )


def has_held_out(course: Course, bundle: Bundle) -> bool:
    """Whether every side has something; a corpus that divides itself may keep its test to itself."""
    sides = course.sides()
    return bool(sides["train"] and sides["valid"]) and (
        sides["test"] > 0 or bundle.facts["split"] == "given"
    )


def _tensorboard(folder: Path) -> keras.callbacks.Callback:
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError("--tensorboard needs one more package: pip install tensorboard.")
    return keras.callbacks.TensorBoard(folder / "tensorboard")


def _announce(bundle: Bundle, course: Course, model: keras.Model) -> None:
    """What is about to be learned, and what must be beaten."""
    asked = course.sides()
    log.info(
        "%s: %d symbols, %d weights, %d training and %d validation events",
        bundle.name,
        len(bundle.vocabulary.fields[0].symbols),
        model.count_params(),
        asked["train"],
        asked["valid"],
    )
    if bundle.network.model_type == 2 and len(bundle.vocabulary.fields) < 3:
        log.info("nearly all notes are equally loud: velocities are not learned")
    log.info(bundle.facts["label"])
    for name, figures in course.baselines.items():
        log.info("baseline, %s: %.3f nats %.1f %%", name, figures["nll"], 100 * figures["accuracy"])
