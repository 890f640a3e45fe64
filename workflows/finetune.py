"""Fine-tuning: a trained model and other music in, a new model out. Read it from the top down.

`adapted` makes a new bundle of the old one: its own split, a vocabulary that has grown, a small learning
rate. `finetune` trains it on the new pieces with old ones mixed in, so that the old style is kept, and
compares it with the model it came from and with one that learned the new pieces alone.
"""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any

import keras
import numpy as np

from config_bach import FineTuning, Paths, UserError, counted, model_name
from evaluation import comparison
from evaluation.comparison import PieceScores, change, charged_in_full, piece_scores
from families.base import Corpus, ModelFamily, Split
from families.registry import family_of
from families.steps import StepSequence
from litert.keras_runner import network_of
from storage import bundle as bundles
from storage.bundle import Bundle
from storage.catalog import path_of
from workflows import trainer
from workflows.scratch import from_scratch
from workflows.signals import Terminated
from workflows.trainer import TrainingTask

log = logging.getLogger("play_bach")

BASE = "base.zip"  # the model that it starts from, beside the checkpoints


def adapted(
    app: str, base: Bundle, corpus: Corpus, settings: FineTuning, seed: int | None = None
) -> tuple[Bundle, Split]:
    """A model made ready to learn from a corpus, under a new name, and the split of the corpus.

    What the model has learned from before is not held out. Raises UserError if the bundle has no
    weights.
    """
    if not base.weights:
        raise UserError(f"{base.name} carries no weights to start from; choose another model.")
    family = family_of(base.network.model_type)
    training = replace(
        base.training,
        learning_rate=_usual_rate(base) / settings.slower,
        epochs=settings.epochs,
        patience=settings.patience,
        min_steps=settings.min_steps,
        seed=base.training.seed if seed is None else seed,
        split="piece",
    )
    parts = trainer.split_of(corpus, training, _known(base, family))
    name = model_name(app, base.network, base.vocabulary.encoding)
    bundle = Bundle(name, base.vocabulary, base.network, training, {}, base.weights)
    bundle = family.adapted(bundle, parts.train)
    settings = replace(settings, base=base.name)
    described = trainer.described(bundle, app, corpus, parts)
    return described.with_metadata(finetuning=settings.to_json()), parts


def finetune(
    bundle: Bundle, parts: Split, base: Bundle, paths: Paths, tensorboard: bool = False
) -> Bundle:
    """Train an adapted bundle, from wherever it stands, and compare it; returns what is in models/.

    Raises as trainer.train_task does. Ctrl-C in the comparison leaves out what is left of it.
    """
    folder = paths.checkpoint / bundle.name
    trainer.check_sides(base.name, parts)
    task = FineTuningTask.beside(bundle, parts, base)
    task.check_held_out()
    replace(base, steps={}).save(folder / BASE)
    if not bundle.metadata["history"]:
        bundle.save(folder / "last.zip")  # to go on from, should it be stopped in the first epoch
    _announce(task)
    before = task.scores(charged_in_full(base, bundle.vocabulary))
    new, stop = trainer.train_task(task, paths, tensorboard), None
    try:
        table = comparison.table(task.family.unit, before, task.scores(new))
        new = _with_comparison(new, table, paths)
        if not task.settings.no_scratch and trainer.has_ended(new):
            alone = task.from_scratch(new)
            new = _with_comparison(new, {**table, **alone}, paths)
    except KeyboardInterrupt as error:
        stop = type(error)
    if stop:
        gc.collect()  # as in trainer.train_task
        if issubclass(stop, Terminated):
            raise Terminated("stopped; the model is saved, not all of the comparison")
        log.info("stopped by you: the model is saved, not all of the comparison")
    return new


def base_of(bundle: Bundle, paths: Paths) -> Bundle | None:
    """The model that a fine-tuned one started from: beside its checkpoints, else in models/; None if it
    is gone."""
    name = FineTuning.from_json(bundle.metadata["finetuning"]).base
    places = paths.checkpoint / bundle.name / BASE, path_of(name, paths)
    found = next((p for p in places if p.is_file()), None)
    return bundles.load(found) if found else None


def _usual_rate(base: Bundle) -> float:
    """The learning rate that a model was trained with at first, also if it was fine-tuned since."""
    before = base.metadata.get("finetuning")
    slower = FineTuning.from_json(before).slower if before else 1.0
    return base.training.learning_rate * slower


def _known(base: Bundle, family: ModelFamily) -> list[dict[str, Any]]:
    """The pieces that a model knows, with their sides.

    Those that it carries are in the table as well, but their fingerprints may have changed since.
    """
    kind, rows = base.metadata["split"], base.metadata["corpus"].get("pieces", [])
    if kind == "within":
        return list(rows)  # by whose names a piece that was cut is known
    sides = [(row["fingerprint"], "train" if kind == "window" else row["side"]) for row in rows]
    for side, data in (("valid", base.held_out), ("train", base.music)):
        sides += [(p.fingerprint, side) for p in family.unpack(data)]
    return [{"fingerprint": fingerprint, "side": side} for fingerprint, side in sides]


def _with_comparison(bundle: Bundle, table: dict[str, Any], paths: Paths) -> Bundle:
    """Write the comparison into the bundle in models/, and on the screen."""
    bundle = bundle.with_metadata(comparison=table)
    bundle.save(path_of(bundle.name, paths))
    for line in comparison.lines(table, bundle.name, bundle.metadata["finetuning"]["base"]):
        log.info(line)
    return bundle


def _announce(task: FineTuningTask) -> None:
    """What of the old model is used."""
    base, fields = task.base, task.bundle.vocabulary.fields
    grown = sum(
        len(new.symbols) - len(old.symbols)
        for new, old in zip(fields, base.vocabulary.fields, strict=True)
    )
    log.info("starting from %s; %s for the new pieces", base.name, counted(grown, "new symbol"))
    if not task.old:
        log.info(
            "%s does not carry the pieces it was trained on: nothing keeps its style", base.name
        )
    elif task.settings.mix:
        told = "%s of the old music are mixed in, %g steps for each new one"
        log.info(told, counted(len(task.old), "piece"), task.settings.mix)


@dataclass(frozen=True)
class FineTuningTask(TrainingTask):
    """Learns from the new pieces, and in every epoch from others of the old ones."""

    base: Bundle
    old: tuple[Any, ...] = ()  # training pieces of the base that are not in the new corpus

    @classmethod
    def beside(cls, bundle: Bundle, parts: Split, base: Bundle) -> FineTuningTask:
        """The task of an adapted bundle, its split, and the model that it started from."""
        family = family_of(bundle.network.model_type)
        own = {row["fingerprint"] for row in parts.table()}
        old = tuple(p for p in family.unpack(base.music) if p.fingerprint not in own)
        return cls(**vars(TrainingTask.of(bundle, parts)), base=base, old=old)

    @property
    def settings(self) -> FineTuning:
        """How it is fine-tuned."""
        return FineTuning.from_json(self.bundle.metadata["finetuning"])

    @property
    def learned(self) -> Sequence[Any]:
        """The new training pieces and, if any are mixed in, the old ones."""
        return [*self.parts.train, *(self.old if self.settings.mix else ())]

    @cached_property
    def old_sequences(self) -> Sequence[StepSequence]:
        """The old pieces with the new vocabulary, as training takes them."""
        beside = Split("piece", self.old, self.parts.valid[:1], ())
        return self.family.dataset(beside, self.bundle).train if self.old else ()

    def batches(self, epoch: int) -> keras.utils.PyDataset:
        """Those of the family, with old pieces mixed in."""
        if not self.old or not self.settings.mix:
            return super().batches(epoch)
        return MixedBatches(self, epoch)

    def scores(self, bundle: Bundle) -> dict[str, PieceScores]:
        """A model on the held-out pieces that it was never trained on, new and old."""
        network = network_of(bundle)
        old = self.family.unpack(self.base.held_out)
        sides = {"new": [*self.parts.valid, *self.parts.test], "old": old}
        found = {side: piece_scores(bundle, network, p) for side, p in sides.items() if p}
        return {side: scores for side, scores in found.items() if len(scores.nats)}

    def from_scratch(self, tuned: Bundle) -> dict[str, Any]:
        """What a new network learns from the new pieces alone in the time that fine-tuning took, and
        how far the fine-tuned one is from it; {} if there are too few pieces for one."""
        seconds = sum(e.get("seconds", 0.0) for e in tuned.metadata["history"])
        bundle, usual = self.bundle, self.family.training
        training = replace(usual, seed=bundle.training.seed, min_steps=bundle.training.min_steps)
        try:
            vocabulary = self.family.vocabulary(self.parts.train, bundle.vocabulary.encoding)
        except UserError as error:
            log.info("nothing can be trained from scratch to compare: %s", error)
            return {}
        log.info("training from scratch for %.0f sec, to compare (Ctrl-C leaves it out)", seconds)
        untrained = Bundle(bundle.name, vocabulary, bundle.network, training, {})
        scratch = from_scratch(TrainingTask.of(untrained, self.parts), seconds)
        alone = self.scores(charged_in_full(scratch, tuned.vocabulary))["new"]
        return {"scratch": {"nll": round(alone.nll, 5), **change(alone, self.scores(tuned)["new"])}}


class MixedBatches(keras.utils.PyDataset):
    """The batches of a family, made anew for every epoch: the new pieces, as often as fills it, and as
    many steps of old ones as are to be mixed in, drawn by the seed and the epoch."""

    def __init__(self, task: FineTuningTask, epoch: int) -> None:
        """epoch: the first one, counted from 0."""
        super().__init__()
        self._task, self._epoch = task, epoch
        self._batches = self._made()
        self._length = len(self._batches)

    def _made(self) -> keras.utils.PyDataset:
        task, bundle = self._task, self._task.bundle
        new, mix = list(task.dataset.train), task.settings.mix
        steps = sum(map(len, new))
        wanted = bundle.training.min_steps * bundle.training.batch * bundle.network.seqlen
        times = math.ceil(wanted / (steps * (1 + mix)))
        rng = np.random.default_rng([bundle.training.seed, self._epoch])
        old = drawn(task.old_sequences, mix * steps * times, rng)
        dataset = replace(task.dataset, train=[*new * times, *old])
        return task.family.batches(dataset, bundle, self._epoch)

    def on_epoch_end(self) -> None:
        """Draw for the next epoch. The same epoch is always the same, also after a restart."""
        self._epoch += 1
        self._batches = self._made()

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: int) -> Any:
        return self._batches[i % len(self._batches)]


def drawn(
    sequences: Sequence[StepSequence], steps: float, rng: np.random.Generator
) -> Iterator[StepSequence]:
    """Sequences in random order until they have so many steps; all come once before one comes twice."""
    left = steps
    for _ in count():
        for i in rng.permutation(len(sequences)):
            if left <= 0:
                return
            yield sequences[i]
            left -= len(sequences[i])
