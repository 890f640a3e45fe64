"""-f: train a new model, or go on with a saved one."""

import argparse
import logging

from cli.common import new_model_of, path_of_model
from cli.run_log import with_training
from config_bach import Paths, quiet, require
from families import corpus as corpora
from families.registry import family_of
from storage import bundle as bundles
from storage.bundle import Bundle, manifest_of
from storage.catalog import DEFAULT_APP, path_of, unfinished
from storage.files import set_aside
from storage.lock import only_one
from workflows import progress
from workflows.signals import obeyed

log = logging.getLogger("play_bach")


def fit(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> Bundle:
    """Read the corpus, train, and write the model; returns its bundle."""
    require("tensorflow", "training (-f)")
    with with_training(), progress.reported(args.progress):
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
        encoding, network = known.vocabulary.encoding, known.network
    corpus = family_of(network.model_type).read(source, paths, encoding)
    for line in (f"corpus {source}", *corpora.table(corpus.rows, len(corpus.pieces))):
        log.info(line)
    progress.current().tell(phase="starting")
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
    return trainer.train(new, parts, paths, args.tensorboard)


def _epochs_written(name: str, paths: Paths) -> int:
    """How many epochs the model in models/ has learned for; 0 if there is none."""
    path = path_of(name, paths)
    return len(manifest_of(path)["metadata"]["history"]) if path.is_file() else 0
