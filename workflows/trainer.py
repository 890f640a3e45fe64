"""Training: a corpus in, a bundle out. Read it from the top down: `train` is the whole story."""

from __future__ import annotations

import gc
import importlib.util
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
from keras import ops
from tqdm import tqdm

from config_bach import NATS, Encoding, Network, Paths, Training, UserError, counted, model_name
from evaluation import plots
from families import metrics
from families.base import Corpus, Dataset, ModelFamily, Split
from families.large import counted_of, with_shards
from families.metrics import Metrics
from families.registry import family_of
from families.split import LABELS, SHARES, divided, split
from storage import bundle as bundles
from storage.bundle import Bundle
from storage.catalog import path_of
from storage.files import check_writable, keep_previous, shown
from workflows import progress
from workflows.checkpoint import CheckpointCallback, best_epoch
from workflows.parallel import newest
from workflows.progress_callback import ProgressCallback
from workflows.signals import Terminated, Waiting, waiting

log = logging.getLogger("play_bach")

MEANS = 10  # the running mean of the weights spans a tenth of a training at the most


Elsewhere = Callable[[Bundle, Path, Callable[[], None]], Bundle]  # bundle, folder, check


def train(
    bundle: Bundle,
    parts: Split,
    paths: Paths,
    tensorboard: bool = False,
    elsewhere: Elsewhere | None = None,
) -> Bundle:
    """Train a bundle on its split; see `train_task`."""
    check_sides(bundle.name, parts)
    return train_task(TrainingTask.of(bundle, parts), paths, tensorboard, elsewhere)


def train_task(
    task: TrainingTask, paths: Paths, tensorboard: bool = False, elsewhere: Elsewhere | None = None
) -> Bundle:
    """Train a bundle, from wherever it stands. Ctrl-C ends it with what was learned.

    elsewhere: what fits it in other processes (see parallel.train) in the place of this one.

    Raises UserError if nothing can be learned or saved; KeyboardInterrupt, with a sentence, if it was
    stopped before the first epoch ended or before the model was written, and Terminated on SIGTERM:
    then what was learned is in checkpoint/.
    """
    bundle, folder = task.bundle, paths.checkpoint / task.bundle.name
    for place in (folder, paths.models):
        check_writable(place)  # now, not after hours
    keras.utils.set_random_seed(bundle.training.seed)
    task.check_held_out()
    model = task.compiled(bundle)
    _announce(task, model)
    if bundle.metadata["history"] and not (folder / "best.zip").is_file():
        # what came before may be the best there is
        replace(bundle, optimizer=[]).save(folder / "best.zip")
    with waiting() as signals:
        validate = partial(task.measure, side="valid")
        checkpoint = CheckpointCallback(bundle, validate, task.unknown, folder, signals)
        start, stop = time.monotonic(), None
        try:
            if elsewhere:
                checkpoint.bundle = elsewhere(bundle, folder, signals.check)
            else:
                fit(model, task, checkpoint, tensorboard=tensorboard)
        except KeyboardInterrupt as error:
            stop = type(error)
            if elsewhere:
                checkpoint.bundle = newest(folder)
        if stop:
            gc.collect()  # a pipeline of data that is left to the end of Python complains on the screen
            _stopped(checkpoint.bundle, stop)
        history = progress.epochs_of(checkpoint.bundle.metadata["history"])
        progress.current().tell(phase="finishing", history=history)
        told = bundle.metadata["epochs"], len(checkpoint.bundle.metadata["history"])
        planned, actual = counted(told[0], "configured epoch"), counted(told[1], "actual epoch")
        log.info(
            "model fitted in %.0f sec for %s, and %s", time.monotonic() - start, planned, actual
        )
        return _finish(checkpoint.bundle, model, task, paths, signals)


def fit(
    model: keras.Model,
    task: TrainingTask,
    checkpoint: CheckpointCallback,
    share: Callable[[keras.utils.PyDataset], keras.utils.PyDataset] = lambda batches: batches,
    tensorboard: bool = False,
) -> None:
    """All epochs that are left. Raises KeyboardInterrupt when it is stopped.

    share: what of the batches this process computes.
    """
    bundle, callbacks = task.bundle, [checkpoint]
    if progress.current().folder:
        callbacks.append(ProgressCallback(progress.current(), checkpoint, task.dataset.baselines))
    if tensorboard:
        if importlib.util.find_spec("tensorboard") is None:
            raise UserError("--tensorboard needs one more package: pip install tensorboard.")
        callbacks.append(keras.callbacks.TensorBoard(checkpoint.folder / "tensorboard"))
    done, epochs = len(bundle.metadata["history"]), bundle.metadata["epochs"]
    if epochs > done:  # else only what comes after the last epoch is to be done
        batches = task.batches(done)
        averaging(model, bundle.training, len(batches) * (epochs - done))
        how = {"epochs": epochs, "initial_epoch": done, "shuffle": False, "verbose": 0}
        model.fit(share(batches), callbacks=callbacks, **how)


def averaging(model: keras.Model, training: Training, batches: int) -> None:
    """Let the running mean of the weights span a tenth of so many batches at the most."""
    model.optimizer.ema_momentum = min(training.average, max(0.0, 1 - MEANS / batches))


def _stopped(bundle: Bundle, stop: type[KeyboardInterrupt]) -> None:
    """Say what is kept of a training that was stopped. Raises `stop`, with a sentence, if there is
    nothing, or if there is no time to finish what there is."""
    if not bundle.metadata["history"]:
        raise stop("stopped before the first epoch ended: nothing was learned")
    kept = f"what was learned is kept, go on with -l 1 -f --app {bundle.metadata['app']}"
    if issubclass(stop, Terminated):
        raise stop(f"stopped; {kept}")
    log.info("stopped by you; %s", kept)


def initialise_tensorflow() -> None:
    """Use TensorFlow once: it writes about devices and data pipelines on the screen at first use."""
    import tensorflow as tf

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
    parts = split_of(corpus, training)
    vocabulary = (
        family.codec().vocabulary(corpus.shards, encoding)
        if corpus.shards
        else family.vocabulary(parts.train, encoding)
    )
    bundle = Bundle(model_name(app, network, encoding), vocabulary, network, training, {})
    return described(bundle, app, corpus, parts), parts


def split_of(corpus: Corpus, training: Training, known: Sequence[dict[str, Any]] = ()) -> Split:
    """The split of a corpus: its own, if it divides itself. known: the table of an earlier one."""
    if corpus.sides:
        return replace(divided(corpus.pieces, corpus.sides, corpus.kind), shards=corpus.shards)
    return split(corpus.pieces, training.seed, training.split, known)


def check_sides(name: str, parts: Split) -> None:
    """Raise UserError, with the reason, if there is nothing to validate on."""
    if not parts.valid:
        learned = f"{name} has learned from all of these pieces"
        why = learned if parts.kind == "piece" else "the corpus says that it has no such pieces"
        raise UserError(f"nothing can be held out for validation: {why}; add other ones.")


def described(bundle: Bundle, app: str, corpus: Corpus, parts: Split) -> Bundle:
    """A bundle that is to learn from a corpus, with what is known of it; nothing is learned yet."""
    family = family_of(bundle.network.model_type)
    told = {
        "app": app,
        "corpus": {"source": corpus.source, "pieces": parts.table()},
        "split": parts.kind,
        "label": LABELS[parts.kind],
        "history": [],
        "epochs": bundle.training.epochs,
    }
    bundle = bundle.with_metadata(**told)
    return bundle.with_metadata(**family.metadata(corpus, parts, bundle))


def resumed(
    bundle: Bundle, epochs: int | None, corpus: Corpus, written: bool = True
) -> tuple[Bundle, Split]:
    """A saved bundle or checkpoint made ready to go on, and its split of the corpus as it is now.

    An interrupted run goes on to the number of epochs it was meant to have; a finished one, or one
    that is asked for `epochs` more, gets more. written: whether the model lies in models/; one that was
    stopped after its last epoch gets no more than that.

    Pieces that are new in the corpus are divided as those of a new one. If others are held out for
    validation than before, what was measured before says nothing any more: the epochs count from 1.
    """
    known = bundle.metadata["corpus"].get("pieces", [])
    kind = bundle.metadata["split"]
    parts = (
        replace(divided(corpus.pieces, corpus.sides, kind), shards=corpus.shards)
        if corpus.sides
        else split(corpus.pieces, bundle.training.seed, kind, known)
    )
    bundle = replace(bundle, steps={})
    if _validated(parts.table()) != _validated(known):
        _tell_changes(bundle, parts, corpus)
        bundle = described(bundle, bundle.metadata["app"], corpus, parts)
        return bundle.with_metadata(epochs=epochs or bundle.training.epochs, variants={}), parts
    done, planned = len(bundle.metadata["history"]), bundle.metadata["epochs"]
    more = epochs or (bundle.training.epochs if written else 0)
    target = done + more if epochs or has_ended(bundle) else planned
    if parts.table() != known:
        _tell_changes(bundle, parts, corpus)
    told = {"source": corpus.source, "pieces": parts.table()}
    return bundle.with_metadata(epochs=target, corpus=told, variants={}), parts


def has_ended(bundle: Bundle) -> bool:
    """Whether a training came to its end: all its epochs, or no better one for long enough."""
    done = len(bundle.metadata["history"])
    if done >= bundle.metadata["epochs"]:
        return True
    return bool(done) and done - best_epoch(bundle)["epoch"] >= bundle.training.patience


def _validated(table: Sequence[dict[str, Any]]) -> set[str]:
    return {row["fingerprint"] for row in table if row["side"] == "valid"}


def _tell_changes(bundle: Bundle, parts: Split, corpus: Corpus) -> None:
    """What is new in a corpus, what is gone, and how much of what is new the model cannot learn."""
    family, known = (
        family_of(bundle.network.model_type),
        bundle.metadata["corpus"].get("pieces", []),
    )
    before, now = ({row["fingerprint"] for row in t} for t in (known, parts.table()))
    sides = [sum(p.fingerprint not in before for p in getattr(parts, side)) for side in SHARES]
    told = "%s: %d for training, %d for validation, %d for test; %d gone"
    new = counted(sum(sides), "new piece")
    log.info(f"the corpus has changed: {told}", new, *sides, len(before - now))
    pieces = [p for side in SHARES for p in getattr(parts, side) if p.fingerprint not in before]
    targets = [s.targets for s in family.sequences(pieces, bundle)]
    unknown = sum(int((t == 0).any(1).sum()) for t in targets)
    if unknown:
        log.info(
            "%d of their %d steps are not in the vocabulary of %s and stay '?'; to learn them, make a "
            "new model of it: -l 1 -f --from %s --app NAME --corpus %s",
            *(unknown, sum(map(len, targets)), bundle.name, bundle.name, corpus.source),
        )


@dataclass(frozen=True)
class TrainingTask:
    """What a network learns and is measured on: the split of a corpus as step sequences.

    unknown: the nats that the loss of training leaves out, see ModelFamily.unknown_nats.
    """

    bundle: Bundle
    family: ModelFamily
    parts: Split
    dataset: Dataset
    unknown: float

    @classmethod
    def of(cls, bundle: Bundle, parts: Split) -> TrainingTask:
        """The task of a bundle and its split."""
        family = family_of(bundle.network.model_type)
        dataset = family.dataset(parts, bundle)
        unknown = family.unknown_nats(dataset, bundle.vocabulary.fields)
        if parts.shards:
            dataset = with_shards(dataset, parts.shards, family, bundle)
        return cls(bundle, family, parts, dataset, unknown)

    def counts(self) -> dict[str, int]:
        """How much there is to predict on each side, in units of the family (events or notes)."""
        each = len(self.family.voices) or 1
        return {s: each * counted_of(getattr(self.dataset, s)) for s in SHARES}

    @property
    def learned(self) -> Sequence[Any]:
        """The pieces that are learned from, as the finished bundle carries them."""
        return self.parts.train

    def batches(self, epoch: int) -> keras.utils.PyDataset:
        """The batches of training, from that epoch on (counted from 0)."""
        return self.family.batches(self.dataset, self.bundle, epoch)

    def check_held_out(self) -> None:
        """Raise UserError if nothing can be held out."""
        if not self.has_held_out():
            raise UserError(
                "the pieces are too short to hold any out for validation; add longer ones."
            )

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
        # now, or TensorFlow traces the step twice: variables that are made in it begin a second pass
        model.optimizer.build(model.trainable_variables)
        if bundle.optimizer:
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
    symbols, unit = counted(len(fields[0].symbols), "symbol"), task.family.unit
    told = "%s: %s, %d weights, %d training and %s"
    valid = counted(counts["valid"], f"validation {unit}")
    log.info(told, name, symbols, model.count_params(), counts["train"], valid)
    log.info("learned: %s", ", ".join(metrics.head_names(task.family, fields)))
    log.info(task.bundle.metadata["label"])
    log.info(NATS)
    for name, figures in task.dataset.baselines.items():
        log.info("baseline, %s: %.3f nats %.1f %%", name, figures["nll"], 100 * figures["accuracy"])


def _finish(
    bundle: Bundle, model: keras.Model, task: TrainingTask, paths: Paths, signals: Waiting
) -> Bundle:
    """The best epoch as the bundle in models/, with its step model, figures and pictures.

    Raises KeyboardInterrupt, with a sentence, when it is stopped.
    """
    from litert.export import with_variants  # brings TensorFlow, and training may run on JAX

    path, family = path_of(bundle.name, paths), task.family
    advice = f"finish it with -l 1 -f --app {bundle.metadata['app']}"
    bar = tqdm(total=4, leave=False, disable=None, bar_format="{desc} ({n_fmt} of {total_fmt})")

    def begin(what: str) -> None:
        signals.check()
        bar.set_description_str(what, refresh=False)
        bar.update()

    try:
        with bar:
            best = bundles.load(paths.checkpoint / bundle.name / "best.zip")
            model.set_weights(best.weights)
            model = task.family.calibrated(model, task.dataset, task.bundle.vocabulary.fields)
            figures = _measured(model, task, begin)
            begin("exporting")
            best = replace(
                best.with_metadata(
                    history=bundle.metadata["history"],
                    metrics={**figures, "baselines": task.dataset.baselines},
                ),
                weights=family.stored_weights(model),
                music=family.pack(task.learned),
                held_out=family.pack(task.parts.valid),
            )
            best = with_variants(best, [family.default_variant])
            begin("writing")
            _write(best, model, family, path)
    except KeyboardInterrupt as stop:
        raise type(stop)(f"stopped; what was learned is kept, {advice}") from None
    log.info("model saved to %s", shown(path))
    told = ", ".join(f"{s} {f['nll']:.3f} nats {f['accuracy']:.1%}" for s, f in figures.items())
    log.info("held out (%s): %s", best.metadata["label"], told.replace("valid ", "validation "))
    return best


def _measured(
    model: keras.Model, task: TrainingTask, begin: Callable[[str], None]
) -> dict[str, Any]:
    """The figures of the best epoch on the held-out sides; the network has its weights then."""
    found = {}
    for side in [side for side in ("valid", "test") if task.counts()[side]]:
        begin(f"measuring, {side}")
        found[side] = task.measure(model, side).to_json()
    return found


def _write(best: Bundle, model: keras.Model, family: ModelFamily, path: Path) -> None:
    """The bundle and its pictures; what stood there before is kept under a number."""
    curves, network = path.with_suffix(".curves.png"), path.with_suffix(".network.png")
    keep_previous(path, curves, network)
    best.save(path)
    plots.learning_curves(curves, best)
    plots.model_diagram(network, model, best.name, family.diagram(model))
