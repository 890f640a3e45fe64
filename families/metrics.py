"""Nats and accuracy of a network on step sequences: whole sequences by Keras, or step by step.

Both ways give the same figures; the second is how it composes, and needs no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from families.base import ModelFamily
from families.steps import Array, Predictor, Probabilities, Rows, StepSequence
from storage.vocabulary import Field

if TYPE_CHECKING:
    import keras

LARGEST_BATCH = 8_000_000  # probabilities computed at once
ROUND = 64  # steps; TensorFlow compiles anew for every shape it has not met


@dataclass(frozen=True)
class Metrics:
    """Nats (negative log-likelihood) and accuracy per event or note, and nats by head.

    count: how many events or notes were predicted.
    """

    nll: float
    accuracy: float
    fields: dict[str, float]
    count: int

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON types, rounded to what they can tell."""
        return {
            "nll": round(self.nll, 5),
            "accuracy": round(self.accuracy, 5),
            "fields": {name: round(nll, 5) for name, nll in self.fields.items()},
            "events": self.count,
        }


class Totals:
    """Adds up scores (see ModelFamily.score) to metrics."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._nats = np.zeros(len(names))
        self._right = self._guesses = self._steps = 0

    def add(self, nats: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> None:
        """nats [steps, heads], right [steps, guesses]."""
        self._nats += nats.sum(0)
        self._right += int(right.sum())
        self._guesses += right.size
        self._steps += len(nats)

    def metrics(self) -> Metrics:
        """The figures so far; zeros if nothing was added."""
        guesses, steps = max(self._guesses, 1), max(self._steps, 1)
        fields = dict(zip(self._names, (self._nats / steps).tolist(), strict=True))
        nll = float(self._nats.sum()) / guesses
        return Metrics(nll, self._right / guesses, fields, self._guesses)


Scored = Iterable[tuple[StepSequence, list[Probabilities]]]


def measure(family: ModelFamily, scored: Scored, fields: Sequence[Field]) -> Metrics:
    """The metrics of sequences with their probabilities, from `forward` or `stepwise`."""
    totals = Totals(head_names(family, fields))
    for sequence, probabilities in scored:
        totals.add(*family.score(probabilities, sequence, fields))
    return totals.metrics()


def head_names(family: ModelFamily, fields: Sequence[Field]) -> Sequence[str]:
    """What the heads of a network are called: its voices or its fields."""
    return family.voices or [field.name for field in fields]


def forward(
    family: ModelFamily, model: keras.Model, sequences: Sequence[StepSequence], symbols: int
) -> Iterator[tuple[StepSequence, list[Probabilities]]]:
    """Whole sequences through a Keras network: the probabilities of each head [steps, symbols].

    symbols: of the largest head, to keep batches in memory.
    """
    for batch in _batches(sequences, symbols):
        length = -(-max(map(len, batch)) // ROUND) * ROUND
        rows = padded([s.rows for s in batch], length, 0)
        targets = padded([s.targets for s in batch], length, -1)
        raw = model.predict_on_batch(list(family.inputs(rows, np.maximum(targets, 0))))
        heads = family.outputs(raw, rows)
        for i, sequence in enumerate(batch):
            yield sequence, [head[i, : len(sequence)] for head in heads]


def _batches(sequences: Sequence[StepSequence], symbols: int) -> list[list[StepSequence]]:
    """Sequences of similar length together, few enough at a time to fit in memory."""
    batches: list[list[StepSequence]] = []
    for sequence in sorted(sequences, key=len, reverse=True):
        room = LARGEST_BATCH // (symbols * len(batches[-1][0])) if batches else 0
        if batches and len(batches[-1]) < room:
            batches[-1].append(sequence)
        else:
            batches.append([sequence])
    return batches


def padded(rows: Sequence[Array], length: int, value: int) -> Rows:
    """Arrays [steps, n] of different lengths as one [rows, length, n], filled up at the end."""
    out = np.full((len(rows), length, rows[0].shape[1]), value, np.int32)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out


def stepwise(
    predictor: Predictor, sequences: Sequence[StepSequence], show: bool = False
) -> Iterator[tuple[StepSequence, list[Probabilities]]]:
    """Sequences step by step: the probabilities of each head [steps, symbols]. show: a bar."""
    for sequence in tqdm(sequences, "measuring", leave=False, disable=None if show else True):
        heads = through(predictor, sequence.rows[None], np.maximum(sequence.targets[None], 0))
        yield sequence, [head[0] for head in heads]


def through(predictor: Predictor, rows: Rows, tokens: Rows) -> list[Probabilities]:
    """Known pieces of equal length through a predictor, step by step.

    rows [batch, steps, columns], tokens [batch, steps, heads]. Returns the probabilities of each head
    [batch, steps, symbols].
    """
    found: list[list[Probabilities]] = [[] for _ in predictor.order]
    state = predictor.initial_state(len(rows))
    for step in range(rows.shape[1]):
        row, chosen = rows[:, step], tokens[:, step]
        context, state = predictor.advance(row, state)
        for head in predictor.order:
            found[head].append(predictor.head(head, context, row, chosen))
    return [np.stack(steps, axis=1) for steps in found]
