"""-f: train a new model, or go on with a saved one."""

import argparse
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cli.common import new_model_of, path_of_model, processes_of, workers_of
from cli.run_log import with_training
from config_bach import Encoding, Network, Paths, Training, UserError, quiet, require, require_large
from families import corpus as corpora
from families.base import Corpus
from families.large import LARGE, SHARDS, is_large, lines, read_shards
from families.registry import family_of
from storage import bundle as bundles
from storage.bundle import Bundle, manifest_of
from storage.catalog import DEFAULT_APP, path_of, unfinished
from storage.files import set_aside
from storage.lock import only_one
from workflows import parallel
from workflows.encoding import Target, shards_of, started_ray
from workflows.signals import obeyed

log = logging.getLogger("play_bach")

NewModel = tuple[Encoding, Network, Training]


def fit(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> Bundle:
    """Read the corpus, train, and write the model; returns its bundle."""
    require("tensorflow", "training (-f)")
    with with_training():
        return _fit(args, paths)


def _fit(args: argparse.Namespace, paths: Paths) -> Bundle:
    """The training, while no other one of the same app goes on."""
    known, app = None, args.app or DEFAULT_APP
    if args.load:  # an unfinished training or, where there is none, the finished model
        checkpoint = unfinished(args.app, args.model_type, paths)
        known = bundles.load(checkpoint or path_of_model(args, paths))
        app = known.metadata["app"]
    refusal = f"{app} is being trained already: wait until that has ended, or take another --app."
    with only_one(paths.checkpoint / f".{app}.lock", refusal):
        return _train(args, paths, app, known)


def _train(args: argparse.Namespace, paths: Paths, app: str, known: Bundle | None) -> Bundle:
    """Train a new model of an app, or go on with one that is known."""
    source = args.corpus or (
        known.metadata["corpus"]["source"] if known else corpora.default_source(paths)
    )
    encoding, network, training = new_model_of(args)
    if known:
        encoding, network, training = known.vocabulary.encoding, known.network, known.training
    _check_share(args, training)
    log.info("corpus %s", source)
    shards = known is not None and known.metadata["split"] == SHARDS
    corpus = _corpus(args, paths, source, (encoding, network, training), shards)
    if known and corpus.shards and not shards:
        raise UserError(
            f"{known.name} was trained on a corpus in memory, and its held-out pieces are others than "
            "those of shards: train a new model with -l 0 -f."
        )
    shown = (
        lines(corpus.shards) if corpus.shards else corpora.table(corpus.rows, len(corpus.pieces))
    )
    for line in shown:
        log.info(line)
    with quiet(), obeyed():
        from workflows import trainer

        trainer.initialise_tensorflow()
    if known:
        written = len(known.metadata["history"]) == _epochs_written(known.name, paths)
        new, parts = trainer.resumed(known, args.epochs, corpus, written)
        log.info("going on with %s after epoch %d", known.name, len(known.metadata["history"]))
    else:
        new, parts = trainer.new_bundle(app, corpus, encoding, network, training)
        set_aside(paths.checkpoint / new.name)
    return trainer.train(new, parts, paths, args.tensorboard, _elsewhere(args, corpus))


def _corpus(
    args: argparse.Namespace, paths: Paths, source: str, new: NewModel, shards: bool
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
