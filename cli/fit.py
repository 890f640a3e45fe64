"""-f: train a new model, or go on with a saved one."""

import argparse
import logging

from cli.common import new_model_of
from config_bach import Encoding, Paths, UserError, quiet, require
from families import corpus as corpora
from families.base import Corpus
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
    known = _to_go_on_with(args, paths) if args.load else None
    encoding, network, training = new_model_of(args)
    if known:
        encoding, network = known.vocabulary.encoding, known.network
    source = args.corpus or (
        known.metadata["corpus"]["source"] if known else corpora.default_source(paths)
    )
    corpus = _read(source, paths, encoding, network.model_type)
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


def _read(source: str, paths: Paths, encoding: Encoding, model_type: int) -> Corpus:
    """The corpus, with a table of what was read and refused."""
    corpus = family_of(model_type).read(source, paths, encoding)
    log.info("corpus %s", source)
    for line in corpora.table(corpus.rows, len(corpus.pieces)):
        log.info(line)
    return corpus


def _to_go_on_with(args: argparse.Namespace, paths: Paths) -> Bundle:
    """The checkpoint of an unfinished training or, where there is none, the finished model."""
    checkpoint = unfinished(args.app, args.model_type, paths)
    return bundles.load(checkpoint or choose(args.app, args.model_type, paths))


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
