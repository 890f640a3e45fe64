"""What a network is taught and how it is examined: all that differs with the kind of music."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np

from batches import Accuracy, Windows, counted_nll, optimizer_of
from bundle import Arrays, Bundle, packed_music
from config_bach import CHORALE
from dataset import SHARES, Lesson, Split, asking, lessons, training_lessons, window_sides
from evaluate import Figures, Known, baselines, baselines_of, measure
from model import build
from piece import Piece
from vocabulary import Vocabulary, unknown_cost


class Course(Protocol):
    """What a network is taught, and how it is examined: all that differs with the kind of music."""

    @property
    def baselines(self) -> dict[str, Any]:
        """What must be beaten on the validation side, by name."""

    def sides(self) -> dict[str, int]:
        """How much there is to predict on the sides 'train', 'valid' and 'test'."""

    def network(self, bundle: Bundle) -> keras.Model:
        """The compiled network of a bundle, with its weights and its optimizer if it has any."""

    def batches(self, epoch: int) -> keras.utils.PyDataset:
        """What is learned, from that epoch on."""

    def unknown_nats(self) -> float:
        """Nats that the loss of the training leaves out and `measure` charges."""

    def measure(self, model: keras.Model, side: str) -> Figures:
        """What the network is worth on a side."""

    def music(self) -> bytes:
        """The training pieces as a bundle carries them."""

    def held_out(self) -> bytes:
        """The validation pieces as a bundle carries them."""

    def kept(self, model: keras.Model) -> Arrays:
        """The weights as a finished bundle keeps them."""


@dataclass(frozen=True)
class Events:
    """The course of model types 1 to 3: lessons of events, and the baselines' figures."""

    bundle: Bundle
    parts: Split[Piece]
    train: list[Lesson]
    valid: list[Lesson]
    test: list[Lesson]
    baselines: dict[str, Any]

    def sides(self) -> dict[str, int]:
        """Events that are asked for."""
        return {side: sum(x.shown for x in getattr(self, side)) for side in SHARES}

    def network(self, bundle: Bundle) -> keras.Model:
        """See Course."""
        return compiled(bundle)

    def batches(self, epoch: int) -> keras.utils.PyDataset:
        """See Course."""
        return Windows(self.train, self.bundle.network, self.bundle.training, epoch)

    def unknown_nats(self) -> float:
        """What the rare symbols behind '?' cost on average in training, as they do in `measure`."""
        targets = np.concatenate([x.targets for x in self.train])
        counted = targets[targets[:, 0] >= 0]
        costs = np.array([unknown_cost(f) for f in self.bundle.vocabulary.fields])
        return float(((counted == 0).mean(0) * costs).sum())

    def measure(self, model: keras.Model, side: str) -> Figures:
        """See Course."""
        return measure(model, getattr(self, side), self.bundle.vocabulary)

    def music(self) -> bytes:
        """See Course."""
        return packed_music((p.name, p.events) for p in self.parts.train)

    def held_out(self) -> bytes:
        """See Course."""
        return packed_music((p.name, p.events) for p in self.parts.valid)

    def kept(self, model: keras.Model) -> Arrays:
        """See Course."""
        return list(model.get_weights())


def course_of(parts: Split[Any], bundle: Bundle) -> Course:
    """What the network of a bundle is to be taught."""
    if bundle.network.model_type == CHORALE:
        from chorale.training import Voices

        return Voices.of(parts, bundle)
    return lessons_of(parts, bundle)


def lessons_of(parts: Split[Piece], bundle: Bundle) -> Events:
    """Lessons for both kinds of split, with the baselines computed once."""
    vocabulary, network, training = bundle.vocabulary, bundle.network, bundle.training
    held_out = [lessons(side, vocabulary, network) for side in (parts.valid, parts.test)]
    own_key = lessons(parts.train, vocabulary, network)
    if parts.kind != "window":
        figures = baselines(own_key, held_out[0], vocabulary)
        every_key = training_lessons(parts.train, vocabulary, network)
        return Events(bundle, parts, every_key, held_out[0], held_out[1], figures)
    sides = window_sides([len(x.inputs) + 1 for x in own_key], network.seqlen, training.seed)
    train, valid, test = (asking(own_key, sides, side) for side in range(3))
    figures = baselines_of(_known_windows(own_key, sides, vocabulary), vocabulary)
    return Events(bundle, parts, train, valid, test, figures)


def _known_windows(
    whole: Sequence[Lesson], sides: Sequence[Any], vocabulary: Vocabulary
) -> list[Known]:
    """What the baselines may count when windows were divided."""
    side = np.concatenate([np.append(row, -1) for row in sides])
    rows = [
        np.append(lesson.inputs[:1, : len(vocabulary.fields)], lesson.targets, 0)
        for lesson in whole
    ]
    ids = np.concatenate([np.append(r, np.full((1, r.shape[1]), -1), 0) for r in rows])
    return [Known(ids[:, i], side == 0, side == 1) for i in range(ids.shape[1])]


def compiled(bundle: Bundle) -> keras.Model:
    """The network of a bundle, with its weights and the state of its optimizer if it has any."""
    model = build(bundle.vocabulary, bundle.network)
    optimizer = optimizer_of(bundle.training)
    heads = len(model.outputs)
    model.compile(
        optimizer,
        loss=[counted_nll] * heads,
        metrics=[[Accuracy()], *[[] for _ in range(heads - 1)]],
        jit_compile=False,
    )
    if bundle.weights:
        model.set_weights(bundle.weights)
    if bundle.optimizer:
        optimizer.build(model.trainable_variables)
        for variable, value in zip(optimizer.variables, bundle.optimizer, strict=True):
            variable.assign(value)
    return model
