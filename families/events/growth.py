"""A trained network of types 1 to 3 gets symbols that it has not seen (TensorFlow).

Every axis of a weight counts something: symbols, the numbers of an embedding, units. Where there are
more of them now, each new one begins as the mean of old ones, and all old ones stay as they are. So what
the network gives to old music changes only by what the new symbols take of the softmax.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from statistics import median_low
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, tree

from families.base import ModelFamily
from families.events.encoding import min_count_of, pitch_features, pitches_used, shifts, symbol
from model import OneHot, PitchEmbedding, PitchSoftmax, WindowAttention
from music.events import Event, Piece
from storage.bundle import Bundle
from storage.vocabulary import Field, Vocabulary

NEAREST = 4  # chords that a new chord begins as the mean of

MadeOf = Sequence[tuple[int, ...]]  # for each index of an axis now, the old ones it is the mean of
Numbers = npt.NDArray[np.float32]


def grown(family: ModelFamily, bundle: Bundle, train: Sequence[Piece]) -> Bundle:
    """A bundle whose vocabulary also has the symbols of these pieces, in all their keys."""
    vocabulary = grown_vocabulary(bundle.vocabulary, train)
    larger = replace(bundle, vocabulary=vocabulary)
    if vocabulary.fields == bundle.vocabulary.fields:
        return larger
    before, after = family.build(bundle), family.build(larger)
    before.set_weights(bundle.weights)
    carry_over(before, after, bundle.vocabulary, vocabulary)
    return replace(larger, weights=list(after.get_weights()))


# ---- the vocabulary


def grown_vocabulary(vocabulary: Vocabulary, train: Sequence[Piece]) -> Vocabulary:
    """The same symbols and, after them, those of other pieces that occur often enough.

    The velocity of notes, where none is learned, is that of these pieces.
    """
    encoding = vocabulary.encoding
    events = [e for p in train for s in shifts(encoding) for e in p.transposed(s).events]
    loud = [e.velocity for e in events if e.pitches]
    return replace(
        vocabulary,
        fields=tuple(_grown_field(f, events, vocabulary) for f in vocabulary.fields),
        velocity=median_low(loud) if loud else vocabulary.velocity,
    )


def _grown_field(field: Field, events: Sequence[Event], vocabulary: Vocabulary) -> Field:
    """What stays too rare is added to what '?' stands for."""
    encoding = vocabulary.encoding
    heard = [symbol(e, field.name, encoding) for e in events]
    common = Field.of(field.name, heard, min_count_of(field.name, encoding)).symbols[1:]
    unknown = set(heard) - set(field.symbols)
    new = [s for s in common if s in unknown]
    return replace(field, symbols=(*field.symbols, *new), rare=field.rare + len(unknown) - len(new))


# ---- what new symbols are made of


def made_of(field: Field, old: Vocabulary, new: Vocabulary) -> MadeOf:
    """For each symbol of a field now, the old tokens that it begins as the mean of."""
    count = next(len(f.symbols) for f in old.fields if f.name == field.name)
    same = [(i,) for i in range(count)]
    if field.name == "pitch":
        return same + nearest_chords(new, count)
    return same + [(nearest_number(field.symbols[1:count], s) + 1,) for s in field.symbols[count:]]


def nearest_chords(vocabulary: Vocabulary, count: int) -> list[tuple[int, ...]]:
    """The NEAREST of the first `count` symbols for each later one: those that share most notes."""
    table = pitch_features(vocabulary)
    table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1)
    found = []
    for row in table[count:]:  # one at a time: the whole product may not fit in memory
        likeness = table[:count] @ row
        found.append(tuple(np.argsort(-likeness, kind="stable")[:NEAREST].tolist()))
    return found


def nearest_number(known: Sequence[str], wanted: str) -> int:
    """The index of the symbol that is nearest by ratio, of durations and velocities."""
    ratios = [abs(np.log(_number(s) / _number(wanted))) for s in known]
    return int(np.argmin(ratios))


def _number(symbol: str) -> float:
    return max(float(Fraction(symbol)), 1e-3)


def features_made_of(old: Vocabulary, new: Vocabulary) -> MadeOf:
    """For each column of `pitch_features` now, the old one that it begins as.

    A pitch that was out of reach begins as the nearest one of its class.
    """
    before, after = pitches_used(old), pitches_used(new)
    classes = [(len(before) + i,) for i in range(12)]
    return [(_within(p, before) - before[0],) for p in after] + classes


def _within(pitch: int, known: range) -> int:
    """The pitch, moved by octaves into a range; an end of one that is too narrow for that."""
    below, above = max(0, known[0] - pitch), max(0, pitch - known[-1])
    moved = pitch + 12 * -(-below // 12) - 12 * -(-above // 12)
    return min(max(moved, known[0]), known[-1])


# ---- the weights


def carry_over(before: keras.Model, after: keras.Model, old: Vocabulary, new: Vocabulary) -> None:
    """Give a network with a larger vocabulary the weights of one that was trained.

    Both are walked through layer by layer; on the way it is noted what the last axis of every tensor
    is made of, for the weights of the layers that read it.
    """
    symbols = {f.name: made_of(f, old, new) for f in new.fields}
    walk = _Walk(symbols, features_made_of(old, new))
    for one, other in zip(before.layers, after.layers, strict=True):
        if isinstance(one, layers.InputLayer):
            walk.names[id(one.output)] = one.name.removeprefix("again_")
        else:
            walk.axes[id(one.output)] = walk.carried(one, other)


class _Walk:
    """Carries weights over, one layer after the other.

    names: the field that an input is of. axes: what the last axis of each tensor is made of.
    """

    def __init__(self, symbols: Mapping[str, MadeOf], features: MadeOf) -> None:
        self.symbols, self.features = symbols, features
        self.names: dict[int, str] = {}
        self.axes: dict[int, MadeOf] = {}
        self._kinds: dict[type, Callable[[Any, Any, list[MadeOf]], MadeOf]] = {
            layers.Dropout: lambda old, new, inputs: inputs[0],
            layers.Concatenate: lambda old, new, inputs: joined(inputs),
            OneHot: lambda old, new, inputs: self.symbols["pitch"],
            layers.Embedding: self._embedding,
            PitchEmbedding: self._pitch_embedding,
            layers.LSTM: self._lstm,
            WindowAttention: self._attention,
            PitchSoftmax: self._pitch_softmax,
            layers.Dense: self._softmax,
        }

    def carried(self, old: Any, new: Any) -> MadeOf:
        """Carry over one layer; returns what the last axis of its output is made of."""
        inputs = [self.axes.get(id(tensor), ()) for tensor in tree.flatten(old.input)]
        return self._kinds[type(old)](old, new, inputs)

    def _embedding(self, old: Any, new: Any, inputs: list[MadeOf]) -> MadeOf:
        rows = self.symbols.get(self.names[id(old.input)])  # none of the length of a match
        _carry(old.embeddings, new.embeddings, rows)
        return same(old.output_dim)

    def _pitch_embedding(self, old: Any, new: Any, inputs: list[MadeOf]) -> MadeOf:
        _carry(old.learned, new.learned, self.symbols["pitch"])
        return joined([self._columns(old)] * len(old.input))

    def _columns(self, embedding: Any) -> MadeOf:
        """The numbers of a pitch embedding: what is known of the chord, and what was learned of it."""
        return joined([self.features, same(embedding.learned.shape[1])])

    def _lstm(self, old: Any, new: Any, inputs: list[MadeOf]) -> MadeOf:
        _carry(old.cell.kernel, new.cell.kernel, inputs[0])
        _carry(old.cell.recurrent_kernel, new.cell.recurrent_kernel)
        _carry(old.cell.bias, new.cell.bias)
        return same(old.units)

    def _attention(self, old: Any, new: Any, inputs: list[MadeOf]) -> MadeOf:
        _carry(old.query.kernel, new.query.kernel, inputs[0], inputs[0])
        new.query.kernel.assign(
            new.query.kernel * (old.scale / new.scale)
        )  # scores stay as they are
        return inputs[0]

    def _pitch_softmax(self, old: Any, new: Any, inputs: list[MadeOf]) -> MadeOf:
        columns = self._columns(old.embedding)
        _carry(old.predicted.kernel, new.predicted.kernel, inputs[0], columns)
        _carry(old.predicted.bias, new.predicted.bias, columns)
        _carry(old.bias, new.bias, self.symbols["pitch"])
        return self.symbols["pitch"]

    def _softmax(self, old: Any, new: Any, inputs: list[MadeOf]) -> MadeOf:
        field = self.symbols[old.name.removeprefix("next_")]
        _carry(old.kernel, new.kernel, inputs[0], field)
        _carry(old.bias, new.bias, field)
        return field


def same(count: int) -> MadeOf:
    """An axis that stays as it is."""
    return [(i,) for i in range(count)]


def joined(axes: Sequence[MadeOf]) -> MadeOf:
    """Axes end to end, as layers.Concatenate joins them."""
    starts = accumulate((1 + max(map(max, axis)) for axis in axes[:-1]), initial=0)
    return [
        tuple(i + start for i in parts)
        for axis, start in zip(axes, starts, strict=True)
        for parts in axis
    ]


def _carry(old: Any, new: Any, *axes: MadeOf | None) -> None:
    """Assign one weight to another, each axis made of what it is made of; None: as it is."""
    value = np.asarray(old, np.float32)
    for axis, parts in enumerate(axes):
        value = value if parts is None else mean_along(value, axis, parts)
    new.assign(value)


def mean_along(value: Numbers, axis: int, parts: MadeOf) -> Numbers:
    """An array in which each index of an axis is the mean of some that there were."""
    taken = np.take(value, [p[0] for p in parts], axis)
    rows = np.moveaxis(taken, axis, 0)  # a view
    for i, several in enumerate(parts):
        if len(several) > 1:
            rows[i] = np.take(value, several, axis).mean(axis)
    return taken
