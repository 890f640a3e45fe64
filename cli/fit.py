"""-f: train a new model, go on with a saved one, or make a new one of a saved one."""

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from cli.common import finetuning_of, new_model_of, path_of_model
from cli.run_log import with_training
from config_bach import Paths, UserError, quiet, require
from families import corpus as corpora
from families.base import Corpus
from families.registry import family_of
from storage import bundle as bundles
from storage.bundle import Bundle, manifest_of
from storage.catalog import DEFAULT_APP, candidates, path_of, unfinished
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
    corpus = _told(family_of(network.model_type).read(source, paths, encoding))
    trainer = _trainer()
    new, parts = trainer.new_bundle(app, corpus, encoding, network, training)
    set_aside(paths.checkpoint / new.name)
    return trainer.train(new, parts, paths, args.tensorboard)


def _go_on(args: argparse.Namespace, paths: Paths, known: Bundle) -> Bundle:
    """Go on with a model that is known."""
    source = args.corpus or known.metadata["corpus"]["source"]
    family = family_of(known.network.model_type)
    _check_part(args, known)
    corpus = _told(family.read(source, paths, known.vocabulary.encoding))
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
    return trainer.train(new, parts, paths, args.tensorboard)


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
    for line in (f"corpus {corpus.source}", *corpora.table(corpus.rows, len(corpus.pieces))):
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


def _epochs_written(name: str, paths: Paths) -> int:
    """How many epochs the model in models/ has learned for; 0 if there is none."""
    path = path_of(name, paths)
    return len(manifest_of(path)["metadata"]["history"]) if path.is_file() else 0
