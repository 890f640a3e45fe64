"""-f: train a new model, go on with a saved one, or make a new one of a saved one."""

import argparse
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cli.common import finetuning_of, new_model_of, path_of_model, processes_of, workers_of
from cli.run_log import with_training
from config_bach import Encoding, Network, Paths, Training, UserError, quiet, require, require_large
from families import corpus as corpora
from families.base import Corpus
from families.large import LARGE, SHARDS, is_large, lines, read_shards
from families.registry import family_of
from storage import bundle as bundles
from storage.bundle import Bundle, manifest_of
from storage.catalog import DEFAULT_APP, candidates, path_of, unfinished
from storage.files import set_aside
from storage.lock import only_one
from workflows import parallel, progress
from workflows.encoding import Target, shards_of, started_ray
from workflows.signals import obeyed

log = logging.getLogger("play_bach")

NewModel = tuple[Encoding, Network, Training]


def fit(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> Bundle:
    """Read the corpus, train, and write the model; returns its bundle."""
    require("tensorflow", "training (-f)")
    with with_training(), progress.reported(args.progress):
        return _fit(args, paths)


def _fit(args: argparse.Namespace, paths: Paths) -> Bundle:
    """The training, while no other one of the same app goes on."""
    known, app = None, args.app or DEFAULT_APP
    if (
        args.load and not args.base
    ):  # an unfinished training or, where there is none, the finished model
        checkpoint = unfinished(args.app, args.model_type, paths)
        known = bundles.load(checkpoint or path_of_model(args, paths))
        app = known.metadata["app"]
    refusal = f"{app} is being trained already: wait until that has ended, or take another --app."
    with only_one(paths.checkpoint / f".{app}.lock", refusal):
        if args.base:
            return _finetune(args, paths, app)
        return _go_on(args, paths, known) if known else _train(args, paths, app)


def _train(args: argparse.Namespace, paths: Paths, app: str) -> Bundle:
    """Train a new model of an app."""
    encoding, network, training = new_model_of(args)
    source = args.corpus or corpora.default_source(paths)
    if source.startswith("music21:"):  # read as ever, so that figures can be compared
        encoding = replace(encoding, unfold=False)
    _check_share(args, training)
    corpus = _told(_corpus(args, paths, source, (encoding, network, training)))
    trainer = _trainer()
    new, parts = trainer.new_bundle(app, corpus, encoding, network, training)
    set_aside(paths.checkpoint / new.name)
    return trainer.train(new, parts, paths, args.tensorboard, _elsewhere(args, corpus))


def _go_on(args: argparse.Namespace, paths: Paths, known: Bundle) -> Bundle:
    """Go on with a model that is known."""
    source = args.corpus or known.metadata["corpus"]["source"]
    _check_part(args, known)
    _check_share(args, known.training)
    saved = known.vocabulary.encoding, known.network, known.training
    shards = known.metadata["split"] == SHARDS
    corpus = _told(_corpus(args, paths, source, saved, shards))
    if corpus.shards and not shards:
        raise UserError(
            f"{known.name} was trained on a corpus in memory, and its held-out pieces are others than "
            "those of shards: train a new model with -l 0 -f."
        )
    trainer = _trainer()
    history = known.metadata["history"]
    written = len(history) == _epochs_written(known.name, paths)
    new, parts = trainer.resumed(known, args.epochs, corpus, written)
    base = _base_of(new, paths)
    if (
        history and not new.metadata["history"]
    ):  # what was best before may not be so for these pieces
        set_aside(paths.checkpoint / new.name)
        new.save(paths.checkpoint / new.name / "last.zip")
    log.info("going on with %s after epoch %d", known.name, len(history))
    if base:
        return _finetuner().finetune(new, parts, base, paths, args.tensorboard)
    return trainer.train(new, parts, paths, args.tensorboard, _elsewhere(args, corpus))


def _check_part(args: argparse.Namespace, known: Bundle) -> None:
    """Raise UserError if a saved model is to read another part than it has learned."""
    if args.part not in (None, known.vocabulary.encoding.part):
        raise UserError(
            "--part cannot change a saved model: train a new one with -l 0 -f, or leave it out."
        )


def _finetune(args: argparse.Namespace, paths: Paths, app: str) -> Bundle:
    """Start from a saved model and go on with other pieces, as another app."""
    base, corpus = _base_and_corpus(args, paths)
    _told(corpus)
    _trainer()
    finetuner = _finetuner()
    settings = finetuning_of(args, family_of(base.network.model_type))
    new, parts = finetuner.adapted(app, base, corpus, settings, args.seed)
    set_aside(paths.checkpoint / new.name)
    return finetuner.finetune(new, parts, base, paths, args.tensorboard)


def _base_and_corpus(args: argparse.Namespace, paths: Paths) -> tuple[Bundle, Corpus]:
    """The model to start from, and the corpus as it reads it.

    Where several model types are meant, it is the one that can read most of the files, the latest of
    those that read as many. Raises UserError if there is none.
    """
    source = args.corpus or str(paths.training)
    latest: dict[int, Path] = {}
    for path in candidates(args.base, args.model_type, paths):
        latest.setdefault(manifest_of(path)["network"]["model_type"], path)
    found: list[tuple[Bundle, Corpus]] = []
    refusals: list[UserError] = []
    for number, path in latest.items():
        bundle = bundles.load(path)
        try:
            corpus = family_of(number).read(source, paths, bundle.vocabulary.encoding)
            found.append((bundle, corpus))
        except UserError as refusal:
            refusals.append(refusal)
    if not found:
        raise refusals[0]
    return max(found, key=lambda pair: sum(not row.refused for row in pair[1].rows))


def _told(corpus: Corpus) -> Corpus:
    """A corpus whose table is on the screen."""
    table = (
        lines(corpus.shards) if corpus.shards else corpora.table(corpus.rows, len(corpus.pieces))
    )
    for line in (f"corpus {corpus.source}", *table):
        log.info(line)
    return corpus


def _trainer() -> Any:
    """The trainer, once TensorFlow has started."""
    progress.current().tell(phase="starting")
    with quiet(), obeyed():
        from workflows import trainer

        trainer.initialise_tensorflow()
    return trainer


def _finetuner() -> Any:
    from workflows import finetune

    return finetune


def _base_of(bundle: Bundle, paths: Paths) -> Bundle | None:
    """The model that a fine-tuned one started from; None for any other, or if it is gone."""
    if "finetuning" not in bundle.metadata:
        return None
    base: Bundle | None = _finetuner().base_of(bundle, paths)
    if base is None:
        log.info("the model that %s started from is gone: its style is not kept", bundle.name)
    return base


def _corpus(
    args: argparse.Namespace, paths: Paths, source: str, new: NewModel, shards: bool = False
) -> Corpus:
    """The pieces of a source; those of a large one stay on the disk (see families/large.py).

    shards: whether they did so before. Raises UserError if nothing can be learned from it.
    """
    encoding, network, training = new
    family = family_of(network.model_type)
    if not (shards or args.processes or args.ray or is_large(source)):
        return family.read(source, paths, encoding)
    if training.split == "window":
        raise UserError("--split window is for small corpora: leave it out.")
    require_large("pyarrow", f"a corpus of {LARGE} files or more, or of several processes,")
    target = Target(network.model_type, encoding, paths.cache / "shards")
    folder = shards_of(source, target, workers_of(args))
    return replace(read_shards(folder, family, encoding, training.seed), source=source)


def _check_share(args: argparse.Namespace, training: Training) -> None:
    """Raise UserError if the processes that are asked for cannot be had."""
    processes = processes_of(args)
    if not processes:
        return
    require_large("jax", "--processes")
    if training.batch % processes:
        raise UserError(
            f"--processes {processes} cannot share batches of {training.batch}: take a number "
            "that divides it."
        )


def _elsewhere(args: argparse.Namespace, corpus: Corpus) -> Any:
    """What trains in several processes, if that is asked for."""
    if not (args.processes and corpus.shards):
        return None
    start = parallel.starter(started_ray(args.ray) if args.ray else None)
    plan = parallel.Plan(str(corpus.shards.folder.resolve()), args.processes)

    def elsewhere(bundle: Bundle, folder: Path, check: Callable[[], None]) -> Bundle:
        return parallel.train(bundle, plan, folder, start, check)

    return elsewhere


def _epochs_written(name: str, paths: Paths) -> int:
    """How many epochs the model in models/ has learned for; 0 if there is none."""
    path = path_of(name, paths)
    return len(manifest_of(path)["metadata"]["history"]) if path.is_file() else 0
