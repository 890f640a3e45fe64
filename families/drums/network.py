"""The Keras LSTM of model type 4, and what it strikes.

One LSTM step for every step of the grid. Then each kind of percussion is struck or not, told what those
before it do (as NADE does, Larochelle and Murray 2011): all kinds in one layer, since one that is not
struck tells the others nothing.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from config_bach import Network
from families.drums.encoding import FIRST, KINDS, SYMBOLS
from families.drums.features import PAST, PLAN, ROW
from families.drums.predictor import ADVANCE, STRIKE
from families.steps import STATE_PREFIX


class DrumNetwork(keras.Model):
    """All kinds of percussion, step after step. Call it with (rows, symbols):

    rows     int32 [pieces, steps, ROW], see features.py
    symbols  int32 [pieces, steps, KINDS]; each kind sees only those before it

    Returns the logits [pieces, steps, KINDS, SYMBOLS].
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.token_dropout = TokenDropout(network.token_dropout)
        self.past = layers.Dense(network.embedding, activation="gelu")
        self.input_dropout = layers.Dropout(network.input_dropout)
        self.lstms = [
            layers.LSTM(network.units, return_sequences=True) for _ in range(network.layers)
        ]
        self.dropouts = [layers.Dropout(network.dropout) for _ in self.lstms]
        self.strikes = Strikes(network)

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        """The logits of all kinds."""
        rows, symbols = inputs
        told = self.embedded(self.token_dropout(rows, training=training))
        embedding = x = self.input_dropout(told, training=training)
        for lstm, dropout in zip(self.lstms, self.dropouts, strict=True):
            x = ops.concatenate([embedding, dropout(lstm(x), training=training)], axis=-1)
        return self.strikes([x, symbols], training=training)

    def graph(self) -> tuple[dict[str, str], list[tuple[str, str]]]:
        """The boxes and arrows of its picture: labels by name, and who feeds whom."""
        labels = {"features": f"features\nstrokes so far, place in the bar\n{ROW} ids"}
        arrows, before = [], "features"
        for i, lstm in enumerate(self.lstms):
            name = f"lstm {i + 1}"
            labels[name] = f"{name}\nLSTM\n{lstm.units}"
            arrows += [(before, name)] + ([("features", name)] if i else [])
            before = name
        labels["strikes"] = f"strikes\n{KINDS} kinds, each told those before it\n{SYMBOLS} symbols"
        return labels, [*arrows, (before, "strikes")]

    def embedded(self, rows: Any) -> Any:
        """The features as vectors: [..., ROW] -> [..., n]."""
        past = one_hot(rows[..., :PAST], SYMBOLS)
        parts = [self.past(ops.reshape(past, (*ops.shape(rows)[:-1], PAST * SYMBOLS)))]
        parts += [one_hot(rows[..., PAST + i], n) for i, n in enumerate(PLAN.values())]
        return ops.concatenate(parts, axis=-1)

    def advance(self, rows: Any, state: Sequence[Any]) -> tuple[Any, list[Any]]:
        """One step: rows [pieces, ROW] and the state -> the context for the heads, the next state."""
        embedding = x = self.embedded(rows)
        after: list[Any] = []
        for i, lstm in enumerate(self.lstms):
            x, new = lstm.cell(x, list(state[2 * i : 2 * i + 2]))
            after += new
            x = ops.concatenate([embedding, x], axis=-1)
        return x, after


class TokenDropout(layers.Layer):
    """While training, hides some of what was struck, so that no bar is known by heart."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.seed = keras.random.SeedGenerator()

    def call(self, rows: Any, training: bool = False) -> Any:
        """Rows [..., ROW] -> the same, with 0 for what is hidden."""
        if not training or not self.share:
            return rows
        steps = ops.shape(rows)[:-1]
        kept = keras.random.uniform((*steps, PAST), seed=self.seed) >= self.share
        mask = ops.concatenate([kept, ops.ones((*steps, len(PLAN)), "bool")], axis=-1)
        return rows * ops.cast(mask, rows.dtype)


class Strikes(layers.Layer):
    """Predicts each kind of percussion from the context and from what those before it do."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.size = network.units // 2
        self.context = layers.Dense(self.size)
        self.dropout = layers.Dropout(network.head_dropout)
        self.struck = layers.Embedding(KINDS * SYMBOLS, self.size)
        self.itself = layers.Dense(KINDS * SYMBOLS)
        self.together = layers.Dense(SYMBOLS)
        self.before = np.tril(np.ones((KINDS, KINDS), np.float32), -1)  # who is before whom

    def build(self, shapes: Sequence[Any]) -> None:
        """Create the weights of the inner layers."""
        self.context.build(shapes[0])
        self.itself.build((None, self.size))
        self.together.build((None, self.size))
        self.struck.build(None)
        self.kind = self.add_weight(shape=(KINDS, self.size), initializer="uniform")

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        """[context [..., n], symbols [..., KINDS]] -> logits [..., KINDS, SYMBOLS], float32."""
        x, symbols = inputs
        known = self.dropout(self.context(x), training=training)
        struck = self.struck(symbols + SYMBOLS * np.arange(KINDS, dtype="int32"))
        struck = struck * ops.cast(symbols >= FIRST, struck.dtype)[..., None]
        told = known[..., None, :] + self.kind + ops.matmul(self.before, struck)
        itself = self.itself(keras.activations.gelu(known))
        itself = ops.reshape(itself, (*ops.shape(itself)[:-1], KINDS, SYMBOLS))
        return ops.cast(itself + self.together(keras.activations.gelu(told)), "float32")


def one_hot(ids: Any, size: int) -> Any:
    """[...] -> [..., size], by comparing: LiteRT's own is wrong in int8."""
    return ops.cast(ops.arange(size) == ids[..., None], "float32")


def built(network: Network) -> DrumNetwork:
    """A network whose weights exist."""
    model = DrumNetwork(network)
    model((np.zeros((1, 2, ROW), "int32"), np.zeros((1, 2, KINDS), "int32")))
    return model


def signatures(model: DrumNetwork, logits: bool) -> dict[str, Any]:
    """One step as concrete functions by name, see predictor.py. logits: not probabilities.

    Of one piece: with batches of any size XNNPACK may read an old state (docs/decisions.md).
    """
    units = [lstm.units for lstm in model.lstms for _ in range(2)]
    names = [f"{STATE_PREFIX}{i}" for i in range(len(units))]
    rows = tf.TensorSpec((1, ROW), tf.int32, "rows")
    state = {n: tf.TensorSpec((1, u), tf.float32, n) for n, u in zip(names, units, strict=True)}

    def advance(rows: Any, **state: Any) -> dict[str, Any]:
        context, after = model.advance(rows, [state[name] for name in names])
        return {"context": context, **dict(zip(names, after, strict=True))}

    def strike(context: Any, chosen: Any) -> dict[str, Any]:
        scores = model.strikes([context, chosen])
        return {"logits": scores} if logits else {"p": ops.softmax(scores)}

    heard = tf.function(advance, autograph=False).get_concrete_function(rows=rows, **state)
    size = int(heard.structured_outputs["context"].shape[-1])
    context = tf.TensorSpec((1, size), tf.float32, "context")
    chosen = tf.TensorSpec((1, KINDS), tf.int32, "chosen")
    struck = tf.function(strike, autograph=False).get_concrete_function(
        context=context, chosen=chosen
    )
    return {ADVANCE: heard, STRIKE: struck}
