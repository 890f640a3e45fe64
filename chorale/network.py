"""The Keras LSTM of model type 5 and its four heads.

One LSTM step for every sixteenth: two layers read what the ear reports and keep the context. Then four
small heads, soprano, bass, tenor, alto, predict one voice each, told what the ones before it do.

A pitch is judged from several points of view whose logits are added: as itself, as a step from the
voice's own last note, as an interval to each voice that is known already, and as what followed when
the same was heard before. Intervals are the same in every key, so that what is learned in one is
known in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from chorale.ear import AGAIN_LENGTHS, COLUMNS, LONGEST_HELD
from chorale.grid import BARS, FIRST, HOLD, ORDER, PHRASES, PLACES, PLAN, SYMBOLS, VOICES
from config_bach import Network

SPAN = 28  # semitones; larger intervals are not told apart
INTERVALS = 2 * SPAN + 1
APART = INTERVALS  # the id of an interval with a silent voice
PAIRS = tuple((a, b) for a in range(len(VOICES)) for b in range(a + 1, len(VOICES)))
ROW = sum(COLUMNS.values())  # ids that the ear reports for a step
UNTOLD = 0.15  # of the windows do not know their bars; as many not their phrases


class ChoraleNetwork(keras.Model):
    """All four voices, sixteenth after sixteenth. Call it with (rows, symbols) or, to go on where
    the last batch ended, with (rows, symbols, going_on):

    rows      int32 [pieces, steps, ROW], see ear.COLUMNS
    symbols   int32 [pieces, steps, 4]: what the voices do; each head sees only those before it
    going_on  float [pieces], 0 for those that begin anew

    Returns the logits [pieces, steps, 4, SYMBOLS].
    """

    def __init__(self, network: Network, lanes: int = 0, dtype: str = "float32") -> None:
        """lanes: how many pieces a network can remember from batch to batch."""
        super().__init__(dtype=dtype)
        size = network.embedding
        self.symbol = layers.Embedding(SYMBOLS, size, dtype=dtype)
        self.held = layers.Embedding(LONGEST_HELD, size // 4, dtype=dtype)
        self.again_length = layers.Embedding(AGAIN_LENGTHS, size // 2, dtype=dtype)
        self.plan = [
            layers.Embedding(count, size // 2, dtype=dtype) for count in (PLACES, BARS, PHRASES)
        ]
        self.interval = layers.Embedding(INTERVALS + 1, size // 4, dtype=dtype)
        self.mishear = Mishear(network.mishear)
        self.blur = layers.Dropout(network.input_dropout, dtype=dtype)
        self.lstms = [
            layers.LSTM(
                network.units,
                return_sequences=True,
                return_state=True,
                recurrent_dropout=network.recurrent_dropout,
                dtype=dtype,
            )
            for _ in range(network.layers)
        ]
        self.forget = [layers.Dropout(network.dropout, dtype=dtype) for _ in self.lstms]
        self.heads = [Head(i, network, dtype) for i in range(len(VOICES))]
        self.memory = [
            self.add_weight(shape=(lanes, network.units), initializer="zeros", trainable=False)
            for _ in range(2 * network.layers if lanes else 0)
        ]

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        """See above."""
        rows, symbols, *going_on = inputs
        heard = self.mishear(rows, training=training)
        told = x = self.blur(self.told(heard), training=training)
        for i, (lstm, forget) in enumerate(zip(self.lstms, self.forget, strict=True)):
            before = self.memory[2 * i : 2 * i + 2] if going_on else None
            if before:
                begun = [m * ops.cast(going_on[0], m.dtype)[:, None] for m in before]
                begun = [ops.cast(m, x.dtype) for m in begun]
                x, *after = lstm(x, initial_state=begun, training=training)
                for memory, value in zip(before, after, strict=True):
                    memory.assign(ops.cast(value, memory.dtype))
            else:
                x, *_ = lstm(x)
            x = ops.concatenate([told, forget(x, training=training)], axis=-1)
        sounds = now(rows, symbols)
        logits = []
        for i, head in enumerate(self.heads):
            chosen = [sounds[..., voice] for voice in ORDER[:i]]
            logits.append(head([x, rows, *chosen], training=training))
        by_voice = [logits[ORDER.index(voice)] for voice in range(len(VOICES))]
        return ops.stack(by_voice, axis=-2)

    def get_weights(self) -> list[Any]:
        """The trained weights, without what is remembered from batch to batch."""
        return [ops.convert_to_numpy(w) for w in self.trainable_weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """The inverse of `get_weights`. Raises ValueError if they belong to another network."""
        for variable, value in zip(self.trainable_weights, weights, strict=True):
            variable.assign(value)

    def graph(self) -> tuple[dict[str, str], list[tuple[str, str]]]:
        """The boxes and arrows of its picture: labels by name, and who feeds whom."""
        labels = {"ear": f"ear\nwhat was heard, the plan\n{ROW} ids"}
        arrows, before = [], "ear"
        for i, lstm in enumerate(self.lstms):
            name = f"lstm {i + 1}"
            labels[name] = f"{name}\nLSTM\n{lstm.units}"
            arrows += [(before, name)] + ([("ear", name)] if i else [])
            before = name
        for i, head in enumerate(self.heads):
            name = VOICES[head.voice]
            labels[name] = f"{name}\nDense {head.hidden.units}, softmax\n{SYMBOLS}"
            arrows += [(before, name), *((VOICES[v], name) for v in ORDER[:i])]
        return labels, arrows

    def told(self, rows: Any) -> Any:
        """What the ear reports, as vectors: [..., ROW] -> [..., n]."""
        column = columns(rows)
        parts = [flat(self.symbol(column["sounding"])), flat(self.symbol(column["again"]))]
        parts += [flat(self.held(column["held"])), flat(self.interval(chord(column["sounding"])))]
        parts.append(flat(self.again_length(column["again_length"])))
        parts += [
            flat(embed(column[name]))
            for embed, name in zip(self.plan, ("place", "bar", "phrase"), strict=True)
        ]
        return ops.concatenate(parts, axis=-1)

    def hear(self, rows: Any, memory: Sequence[Any]) -> tuple[Any, list[Any]]:
        """One step: rows [pieces, ROW] and the memory -> the context for the heads, the memory."""
        told = x = self.told(rows)
        after: list[Any] = []
        for i, lstm in enumerate(self.lstms):
            x, state = lstm.cell(x, list(memory[2 * i : 2 * i + 2]))
            after += state
            x = ops.concatenate([told, x], axis=-1)
        return x, after


class Mishear(layers.Layer):
    """While training, leaves out some of what was heard: voices, and what came then.

    Few pieces are soon known by heart; who hears them badly has to learn how they are made. Now and
    then a whole window is not told its bars or its phrases, as those who bring a melody may not.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.seed = keras.random.SeedGenerator()

    def call(self, rows: Any, training: bool = False) -> Any:
        """Rows [..., ROW] -> the same, with 0 for what is not heard."""
        if not training or not self.share:
            return rows
        steps = ops.shape(rows)[:-1]
        voices, then = len(VOICES), COLUMNS["again_length"]
        heard = keras.random.uniform((*steps, voices + then), seed=self.seed) >= self.share
        place = ops.ones((*steps, COLUMNS["place"]), "bool")
        told = keras.random.uniform((steps[0], 1, len(PLAN) - 1), seed=self.seed) >= UNTOLD
        plan = ops.broadcast_to(told, (*steps, len(PLAN) - 1))
        key = ops.ones((*steps, COLUMNS["key"]), "bool")
        parts = [*[heard[..., :voices]] * 3, heard[..., voices:], key, place, plan]
        mask = ops.concatenate(parts, axis=-1)
        return rows * ops.cast(mask, rows.dtype)


class Head(layers.Layer):
    """Predicts the `place`-th voice of ORDER from the context and the voices before it."""

    def __init__(self, place: int, network: Network, dtype: str) -> None:
        super().__init__(dtype=dtype)
        self.voice, self.before = ORDER[place], ORDER[:place]
        self.size = network.embedding
        self.symbol = layers.Embedding(SYMBOLS, self.size, dtype=dtype) if place else None
        self.hidden = layers.Dense(network.units // 2, activation="gelu", dtype=dtype)
        self.forget = layers.Dropout(network.head_dropout, dtype=dtype)
        self.itself = layers.Dense(SYMBOLS, dtype=dtype)
        self.as_interval = [layers.Dense(INTERVALS, dtype=dtype) for _ in range(1 + place)]
        self.as_before = layers.Dense(1, dtype=dtype)

    def build(self, shapes: Sequence[Any]) -> None:
        """Create the weights of the inner layers."""
        before = len(self.before)
        width = shapes[0][-1] + before * (self.size + 2)
        if self.symbol:
            self.symbol.build(None)
        self.hidden.build((None, width))
        for dense in (self.itself, *self.as_interval, self.as_before):
            dense.build((None, self.hidden.units))

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        """[context [..., n], rows [..., ROW], sounding symbols of the voices before it [...]...]
        -> logits [..., SYMBOLS], float32."""
        context, rows, *chosen = inputs
        column = columns(rows)
        own, again = column["sounding"][..., self.voice], column["again"][..., self.voice]
        parts = [context, *(self.symbol(x) for x in chosen if self.symbol)]
        for x, voice in zip(chosen, self.before, strict=True):
            then = column["again"][..., voice]
            repeats = (x == then) | ((then == HOLD) & (x == column["sounding"][..., voice]))
            parts.append(ops.cast(repeats[..., None], context.dtype))
            held = x == column["sounding"][..., voice]
            parts.append(ops.cast(held[..., None], context.dtype))
        hidden = self.forget(self.hidden(ops.concatenate(parts, axis=-1)), training=training)
        logits = self.itself(hidden)
        for dense, known in zip(self.as_interval, [own, *chosen], strict=True):
            logits = logits + from_intervals(dense(hidden), known)
        same = ops.cast(ops.arange(SYMBOLS) == again[..., None], logits.dtype)
        return ops.cast(logits + self.as_before(hidden) * same, "float32")


def columns(rows: Any) -> dict[str, Any]:
    """The named columns of rows [..., ROW], each [..., n]."""
    found, first = {}, 0
    for name, count in COLUMNS.items():
        found[name] = rows[..., first : first + count]
        first += count
    return found


def flat(vectors: Any) -> Any:
    """[..., n, size] -> [..., n * size]."""
    *outer, n, size = vectors.shape
    return ops.reshape(vectors, (*(ops.shape(vectors)[: len(outer)]), n * size))


def now(rows: Any, symbols: Any) -> Any:
    """What sounds while the symbols are sung: HOLD is resolved [..., 4]."""
    return ops.where(symbols == HOLD, rows[..., : len(VOICES)], symbols)


def chord(sounding: Any) -> Any:
    """The ids of the six intervals between four voices: [..., 4] -> [..., 6]."""
    found = []
    for a, b in PAIRS:
        interval = ops.clip(sounding[..., a] - sounding[..., b] + SPAN, 0, INTERVALS - 1)
        both = (sounding[..., a] >= FIRST) & (sounding[..., b] >= FIRST)
        found.append(ops.where(both, interval, APART))
    return ops.stack(found, axis=-1)


def from_intervals(logits: Any, known: Any) -> Any:
    """Logits of intervals from a known symbol [...], as logits of symbols.

    [..., INTERVALS] -> [..., SYMBOLS]; 0 where there is no interval.
    """
    symbols = ops.arange(SYMBOLS)
    interval = ops.clip(symbols - known[..., None] + SPAN, 0, INTERVALS - 1)
    pitched = (symbols >= FIRST) & (known[..., None] >= FIRST)
    return ops.take_along_axis(logits, interval, axis=-1) * ops.cast(pitched, logits.dtype)


def built(network: Network, lanes: int = 0, dtype: str = "float32") -> ChoraleNetwork:
    """A network whose weights exist."""
    model = ChoraleNetwork(network, lanes, dtype)
    pieces = max(lanes, 1)
    rows, symbols = np.zeros((pieces, 2, ROW), "int32"), np.zeros((pieces, 2, 4), "int32")
    model((rows, symbols))
    return model
