"""Training: a corpus in, a bundle out. Read it from the top down: `train` is the whole story."""

from __future__ import annotations

import importlib.util
import logging
import time
from dataclasses import dataclass, replace

import keras
import tensorflow as tf
from keras import ops

from config_bach import Encoding, Network, Paths, Training, UserError, model_name
from evaluation import plots
from families import metrics
from families.base import Corpus, Dataset, ModelFamily, Split
from families.metrics import Metrics
from families.registry import family_of
from families.split import LABELS, SHARES, divided, split
from litert.export import with_variants
from storage import bundle as bundles
from storage.bundle import Bundle
from storage.catalog import path_of
from storage.files import check_writable, keep_previous, shown
from workflows.checkpoint import CheckpointCallback, best_epoch

log = logging.getLogger("play_bach")

MEANS = 10  # the running mean of the weights spans a tenth of a training at the most


def train(bundle: Bundle, parts: Split, paths: Paths, tensorboard: bool = False) -> Bundle:
    """Train a bundle on its split, from wherever it stands. Ctrl-C keeps what was learned.

    Raises UserError if nothing can be learned or saved.
    """
    folder = paths.checkpoint / bundle.name
    for place in (folder, paths.models):
        check_writable(place)  # now, not after hours
    keras.utils.set_random_seed(bundle.training.seed)
    task = TrainingTask.of(bundle, parts)
    if not task.has_held_out():
        raise UserError("the pieces are too short to hold any out for validation; add longer ones.")
    model = task.compiled(bundle)
    _announce(task, model)
    if bundle.metadata["history"] and not (folder / "best.zip").is_file():
        # what came before may be the best there is
        replace(bundle, optimizer=[]).save(folder / "best.zip")
    unknown = task.family.unknown_nats(task.dataset, bundle.vocabulary.fields)
    checkpoint = CheckpointCallback(bundle, lambda m: task.measure(m, "valid"), unknown, folder)
    callbacks: list[keras.callbacks.Callback] = [checkpoint]
    if tensorboard:
        if importlib.util.find_spec("tensorboard") is None:
            raise UserError("--tensorboard needs one more package: pip install tensorboard.")
        callbacks.append(keras.callbacks.TensorBoard(folder / "tensorboard"))
    done, epochs = len(bundle.metadata["history"]), bundle.metadata["epochs"]
    start = time.monotonic()
    try:
        batches = task.family.batches(task.dataset, bundle, done)
        span = len(batches) * (epochs - done) / MEANS
        model.optimizer.ema_momentum = min(bundle.training.average, max(0.0, 1 - 1 / span))
        how = {"epochs": epochs, "initial_epoch": done, "shuffle": False, "verbose": 0}
        model.fit(batches, callbacks=callbacks, **how)
    except KeyboardInterrupt:
        if not checkpoint.bundle.metadata["history"]:
            raise UserError("stopped before the first epoch ended: nothing was learned.") from None
        kept = "stopped by you; what was learned is kept, go on with -l 1 -f --app %s"
        log.info(kept, bundle.metadata["app"])
    spent, actual = time.monotonic() - start, len(checkpoint.bundle.metadata["history"])
    fitted = "model fitted in %.0f sec for %d configured epochs, and %d actual epochs"
    log.info(fitted, spent, epochs, actual)
    return _finish(checkpoint.bundle, model, task, paths)


def initialise_tensorflow() -> None:
    """Use TensorFlow once: it writes about devices and data pipelines on the screen at first use."""
    tf.get_logger().setLevel("ERROR")
    ops.zeros(1)
    list(tf.data.Dataset.from_generator(lambda: iter([0]), tf.int32))


def new_bundle(
    app: str, corpus: Corpus, encoding: Encoding, network: Network, training: Training
) -> tuple[Bundle, Split]:
    """An untrained bundle for a corpus: the split, the vocabulary and what the corpus tells.

    A corpus that divides itself keeps its own sides.
    """
    family = family_of(network.model_type)
    parts = (
        divided(corpus.pieces, corpus.sides, corpus.kind)
        if corpus.sides
        else split(corpus.pieces, training.seed, training.split)
    )
    metadata = {
        "app": app,
        "corpus": {"source": corpus.source, "pieces": parts.table()},
        "split": parts.kind,
        "label": LABELS[parts.kind],
        "history": [],
        "epochs": training.epochs,
    }
    name, vocabulary = model_name(app, network, encoding), family.vocabulary(parts.train, encoding)
    bundle = Bundle(name, vocabulary, network, training, metadata)
    return bundle.with_metadata(**family.metadata(corpus, parts, bundle)), parts


def resumed(bundle: Bundle, epochs: int | None, corpus: Corpus) -> tuple[Bundle, Split]:
    """A saved bundle or checkpoint made ready to go on, and its split of the corpus as it is now.

    An interrupted run goes on to the number of epochs it was meant to have; a finished one, or one
    that is asked for `epochs` more, gets more.
    """
    done, planned = len(bundle.metadata["history"]), bundle.metadata["epochs"]
    ended = done >= planned or done - best_epoch(bundle)["epoch"] >= bundle.training.patience
    target = done + (epochs or bundle.training.epochs) if epochs or ended else planned
    kind, known = bundle.metadata["split"], bundle.metadata["corpus"]["pieces"]
    parts = (
        divided(corpus.pieces, corpus.sides, kind)
        if corpus.sides
        else split(corpus.pieces, bundle.training.seed, kind, known)
    )
    told = {"source": corpus.source, "pieces": parts.table()}
    return replace(bundle, steps={}).with_metadata(epochs=target, corpus=told, variants={}), parts


@dataclass(frozen=True)
class TrainingTask:
    """What a network learns and is measured on: the split of a corpus as step sequences."""

    bundle: Bundle
    family: ModelFamily
    parts: Split
    dataset: Dataset

    @classmethod
    def of(cls, bundle: Bundle, parts: Split) -> TrainingTask:
        """The task of a bundle and its split."""
        family = family_of(bundle.network.model_type)
        return cls(bundle, family, parts, family.dataset(parts, bundle))

    def counts(self) -> dict[str, int]:
        """How much there is to predict on each side, in units of the family (events or notes)."""
        each = len(self.family.voices) or 1
        return {s: each * sum(x.counted for x in getattr(self.dataset, s)) for s in SHARES}

    def has_held_out(self) -> bool:
        """Whether every side has something; a corpus that divides itself may keep its test to itself."""
        counts = self.counts()
        return bool(counts["train"] and counts["valid"]) and (
            counts["test"] > 0 or self.parts.kind == "given"
        )

    def compiled(self, bundle: Bundle) -> keras.Model:
        """The network, with the weights of a bundle and the state of its optimizer if it has any."""
        model = self.family.build_for_training(bundle)
        self.family.compile(model, bundle.training)
        if bundle.weights:
            model.set_weights(bundle.weights)
        if bundle.optimizer:
            model.optimizer.build(model.trainable_variables)
            for variable, value in zip(model.optimizer.variables, bundle.optimizer, strict=True):
                variable.assign(value)
        return model

    def measure(self, model: keras.Model, side: str) -> Metrics:
        """The metrics of a network on 'train', 'valid' or 'test'."""
        fields = self.bundle.vocabulary.fields
        symbols = max(len(f.symbols) for f in fields)
        scored = metrics.forward(self.family, model, getattr(self.dataset, side), symbols)
        return metrics.measure(self.family, scored, fields)


def _announce(task: TrainingTask, model: keras.Model) -> None:
    """What is about to be learned, and what must be beaten."""
    name, counts, fields = task.bundle.name, task.counts(), task.bundle.vocabulary.fields
    sizes = len(fields[0].symbols), model.count_params(), counts["train"], counts["valid"]
    told = "%s: %d symbols, %d weights, %d training and %d validation %ss"
    log.info(told, name, *sizes, task.family.unit)
    log.info("learned: %s", ", ".join(metrics.head_names(task.family, fields)))
    log.info(task.bundle.metadata["label"])
    for name, figures in task.dataset.baselines.items():
        log.info("baseline, %s: %.3f nats %.1f %%", name, figures["nll"], 100 * figures["accuracy"])


def _finish(bundle: Bundle, model: keras.Model, task: TrainingTask, paths: Paths) -> Bundle:
    """The best epoch as the bundle in models/, with its step model, figures and pictures."""
    family, best = task.family, bundles.load(paths.checkpoint / bundle.name / "best.zip")
    model.set_weights(best.weights)
    sides = [side for side in ("valid", "test") if task.counts()[side]]
    figures = {side: task.measure(model, side).to_json() for side in sides}
    beside = {**figures, "baselines": task.dataset.baselines}
    best = replace(
        best.with_metadata(history=bundle.metadata["history"], metrics=beside),
        weights=family.stored_weights(model),
        music=family.pack(task.parts.train),
        held_out=family.pack(task.parts.valid),
    )
    best = with_variants(best, [family.default_variant])
    path = path_of(best.name, paths)
    curves, network = path.with_suffix(".curves.png"), path.with_suffix(".network.png")
    keep_previous(path, curves, network)
    best.save(path)
    plots.learning_curves(curves, best)
    plots.model_diagram(network, model, best.name, family.diagram(model))
    log.info("model saved to %s", shown(path))
    told = ", ".join(f"{s} {f['nll']:.3f} nats {f['accuracy']:.1%}" for s, f in figures.items())
    log.info("held out (%s): %s", best.metadata["label"], told.replace("valid ", "validation "))
    return best
