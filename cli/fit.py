"""-f: train a new model, or go on with a saved one."""

import argparse
import logging

from cli.common import new_model_of
from config_bach import Paths, UserError, quiet, require
from families import corpus as corpora
from families.registry import family_of
from storage import bundle as bundles
from storage.bundle import Bundle
from storage.catalog import choose, unfinished
from storage.files import set_aside

log = logging.getLogger("play_bach")


def fit(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> Bundle:
    """Read the corpus, train, and write the model; returns its bundle."""
    require("tensorflow", "training (-f)")
    _log_to_file(paths)
    known = None
    encoding, network, training = new_model_of(args)
    if args.load:  # an unfinished training or, where there is none, the finished model
        checkpoint = unfinished(args.app, args.model_type, paths)
        known = bundles.load(checkpoint or choose(args.app, args.model_type, paths))
        encoding, network = known.vocabulary.encoding, known.network
    source = args.corpus or (
        known.metadata["corpus"]["source"] if known else corpora.default_source(paths)
    )
    corpus = family_of(network.model_type).read(source, paths, encoding)
    for line in (f"corpus {source}", *corpora.table(corpus.rows, len(corpus.pieces))):
        log.info(line)
    with quiet():
        from workflows import trainer

        trainer.initialise_tensorflow()
    if known:
        new, parts = trainer.resumed(known, args.epochs, corpus)
        log.info("going on with %s after epoch %d", known.name, len(known.metadata["history"]))
    else:
        new, parts = trainer.new_bundle(args.app, corpus, encoding, network, training)
        set_aside(paths.checkpoint / new.name)
    return trainer.train(new, parts, paths, args.tensorboard)


def _log_to_file(paths: Paths) -> None:
    """Write what training prints to log_play_bach.log as well, with the time."""
    try:
        handler = logging.FileHandler(paths.log, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write {paths.log}: {error.strerror}; mend its permissions."
        ) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
