"""The Keras LSTM of model type 5 and its four heads.

One LSTM step for every sixteenth: two layers read the features and keep the context. Then four small
heads, soprano, bass, tenor, alto, predict one voice each, told what the ones before it do.

The logits of a pitch are a sum: of the pitch itself, of the step from the voice's own last note, of the
interval to each voice that is known already, and of whether it followed when the same passage came
before. Intervals are the same in every key, so that what is learned in one is known in all.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from config_bach import Network
from families.satb.calibration import Temperatures
from families.satb.encoding import (
    BARS,
    FIRST,
    HOLD,
    ORDER,
    PHRASES,
    PLAN,
    POSITIONS,
    SYMBOLS,
    VOICES,
)
from families.satb.features import COLUMNS, FEATURES, KEY, LONGEST_HELD, LOOKBACK_LENGTHS, RETRIEVED
from families.satb.key_bias import CLASS_OF, CLASSES, HALF_LIVES, HUNDREDTHS, POWER
from families.satb.predictor import ADVANCE
from families.satb.retrieval import LENGTHS as RETRIEVED_LENGTHS
from families.steps import STATE_PREFIX

SPAN = 28  # semitones; larger intervals are not told apart
INTERVALS = 2 * SPAN + 1
APART = INTERVALS  # the id of an interval with a silent voice
PAIRS = tuple((a, b) for a in range(len(VOICES)) for b in range(a + 1, len(VOICES)))
ROW = sum(COLUMNS.values())  # columns of a row
OF_CLASS = np.concatenate([np.zeros((CLASSES, FIRST)), np.eye(CLASSES)[:, CLASS_OF]], axis=1)
IS_RETRIEVED = np.isin(np.arange(ROW), np.r_[RETRIEVED])
RETRIEVAL_DROPOUT = 0.25  # share of windows without what was retrieved
PLAN_DROPOUT = 0.15  # share of windows without bars; of as many the phrases are hidden


class SatbNetwork(keras.Model):
    """All four voices, sixteenth after sixteenth. Call it with (rows, symbols) or, to go on from the
    state of the last batch, with (rows, symbols, keep_state):

    rows        int32 [pieces, steps, ROW], see features.COLUMNS
    symbols     int32 [pieces, steps, 4]: what the voices do; each head sees only those before it
    keep_state  float [pieces], 0 for those that begin anew

    Returns the logits [pieces, steps, 4, SYMBOLS].
    """

    def __init__(
        self, network: Network, batch: int = 0, dtype: str = "float32", consistency: float = 0.0
    ) -> None:
        """batch: how many pieces keep their state from batch to batch; 0: none. consistency: the weight
        of how far two in a row of the batch, the same piece, may be apart (see Training)."""
        super().__init__(dtype=dtype)
        self.consistency, self.profiles = consistency, network.profiles
        self.retrieval = network.retrieval
        size = network.embedding
        self.symbol = layers.Embedding(SYMBOLS, size, dtype=dtype)
        self.held = layers.Embedding(LONGEST_HELD, size // 4, dtype=dtype)
        self.lookback_length = layers.Embedding(LOOKBACK_LENGTHS, size // 2, dtype=dtype)
        self.plan = [
            layers.Embedding(count, size // 2, dtype=dtype) for count in (POSITIONS, BARS, PHRASES)
        ]
        self.interval = layers.Embedding(INTERVALS + 1, size // 4, dtype=dtype)
        if self.retrieval:
            self.retrieved_length = layers.Embedding(RETRIEVED_LENGTHS, size // 2, dtype=dtype)
            self.retrieval_dropout = RetrievalDropout()
        self.token_dropout = TokenDropout(network.token_dropout)
        self.input_dropout = layers.Dropout(network.input_dropout, dtype=dtype)
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
        self.dropouts = [layers.Dropout(network.dropout, dtype=dtype) for _ in self.lstms]
        self.heads = [Head(i, network, dtype) for i in range(len(VOICES))]
        self.temperatures = Temperatures()
        self.states = [
            self.add_weight(shape=(batch, network.units), initializer="zeros", trainable=False)
            for _ in range(2 * network.layers if batch else 0)
        ]

    def build(self, *shapes: Any) -> None:
        """Create all weights, whatever the shapes: Keras would trace `call` twice to find them."""
        sizes = [
            (self.symbol, 2 * len(VOICES)),
            (self.held, COLUMNS["held"]),
            (self.interval, len(PAIRS)),
            (self.lookback_length, COLUMNS["lookback_length"]),
            *((embedding, 1) for embedding in self.plan),
            *([(self.retrieved_length, 1)] if self.retrieval else []),
        ]
        for embedding, _ in sizes:
            embedding.build()
        known = sum(embedding.output_dim * count for embedding, count in sizes)
        known += COLUMNS["profiles"] if self.profiles else 0
        width = known
        for lstm in self.lstms:
            lstm.build((None, None, width))
            width = known + lstm.units
        for head in self.heads:
            head.build([(None, width)])
        self.built = True

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        """The logits of all voices."""
        rows, symbols, *keep_state = inputs
        if self.retrieval:
            rows = self.retrieval_dropout(rows, training=training)
        kept = self.token_dropout(rows, training=training)
        embedding = x = self.input_dropout(self.embedded(kept), training=training)
        for i, (lstm, dropout) in enumerate(zip(self.lstms, self.dropouts, strict=True)):
            before = self.states[2 * i : 2 * i + 2] if keep_state else None
            if before:
                begun = [m * ops.cast(keep_state[0], m.dtype)[:, None] for m in before]
                begun = [ops.cast(m, x.dtype) for m in begun]
                x, *after = lstm(x, initial_state=begun, training=training)
                for variable, value in zip(before, after, strict=True):
                    variable.assign(ops.cast(value, variable.dtype))
            else:
                x, *_ = lstm(x)
            x = ops.concatenate([embedding, dropout(x, training=training)], axis=-1)
        sounds = resolved(rows, symbols)
        logits = []
        for i, head in enumerate(self.heads):
            chosen = [sounds[..., voice] for voice in ORDER[:i]]
            logits.append(head([x, rows, *chosen], training=training))
        by_voice = [logits[ORDER.index(voice)] for voice in range(len(VOICES))]
        together = ops.stack(by_voice, axis=-2)
        if not training:
            return self.calibrated(together, rows[..., None, :])
        if self.consistency:
            self.add_loss(self.consistency * divergence(together[::2], together[1::2]))
        return together

    def get_weights(self) -> list[Any]:
        """The weights, without the states of the last batch."""
        return [ops.convert_to_numpy(w) for w in self._kept]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """The inverse of `get_weights`; earlier versions kept no temperatures. Raises ValueError if they
        belong to another network."""
        if len(weights) == len(self.trainable_weights):
            weights = [*weights, *(1.0 for _ in self.temperatures.weights)]
        for variable, value in zip(self._kept, weights, strict=True):
            variable.assign(value)

    @property
    def _kept(self) -> list[Any]:
        return [*self.trainable_weights, *self.temperatures.weights]

    def graph(self) -> tuple[dict[str, str], list[tuple[str, str]]]:
        """The boxes and arrows of its picture: labels by name, and who feeds whom."""
        labels = {"features": f"features\npast and plan\n{ROW} ids"}
        arrows, before = [], "features"
        for i, lstm in enumerate(self.lstms):
            name = f"lstm {i + 1}"
            labels[name] = f"{name}\nLSTM\n{lstm.units}"
            arrows += [(before, name)] + ([("features", name)] if i else [])
            before = name
        for i, head in enumerate(self.heads):
            name = VOICES[head.voice]
            labels[name] = f"{name}\nDense {head.hidden.units}, softmax\n{SYMBOLS}"
            arrows += [(before, name), *((VOICES[v], name) for v in ORDER[:i])]
        return labels, arrows

    def embedded(self, rows: Any) -> Any:
        """The features as vectors: [..., ROW] -> [..., n]."""
        column = columns(rows)
        parts = [flat(self.symbol(column["sounding"])), flat(self.symbol(column["lookback"]))]
        parts += [flat(self.held(column["held"])), flat(self.interval(chord(column["sounding"])))]
        parts.append(flat(self.lookback_length(column["lookback_length"])))
        parts += [flat(embed(column[name])) for embed, name in zip(self.plan, PLAN, strict=True)]
        if self.retrieval:
            parts.append(flat(self.retrieved_length(column["retrieved_length"])))
        if self.profiles:
            parts.append(ops.cast(column["profiles"], parts[0].dtype) / HUNDREDTHS)
        return ops.concatenate(parts, axis=-1)

    def calibrated(self, logits: Any, rows: Any) -> Any:
        """Logits [..., SYMBOLS] of rows [..., ROW] at the temperatures of the network; one that is not
        told the profiles has the key bias."""
        if not self.profiles:
            logits = with_bias(logits, columns(rows)["key"], POWER)
        return self.temperatures(logits)

    def advance(self, rows: Any, state: Sequence[Any]) -> tuple[Any, list[Any]]:
        """One step: rows [pieces, ROW] and the state -> the context for the heads, the next state."""
        embedding = x = self.embedded(rows)
        after: list[Any] = []
        for i, lstm in enumerate(self.lstms):
            x, new = lstm.cell(x, list(state[2 * i : 2 * i + 2]))
            after += new
            x = ops.concatenate([embedding, x], axis=-1)
        return x, after


class RetrievalDropout(layers.Layer):
    """While training, hides from whole windows what was retrieved: new music is composed without."""

    def __init__(self) -> None:
        super().__init__()
        self.seed = keras.random.SeedGenerator()

    def call(self, rows: Any, training: bool = False) -> Any:
        """Rows [..., ROW] -> the same, with 0 for what is hidden."""
        if not training:
            return rows
        shape = (ops.shape(rows)[0], *(1,) * (len(rows.shape) - 1))
        told = keras.random.uniform(shape, seed=self.seed) >= RETRIEVAL_DROPOUT
        return ops.where(told | ops.convert_to_tensor(~IS_RETRIEVED), rows, 0)


class TokenDropout(layers.Layer):
    """While training, hides some of the input: voices, and what lookback found.

    Few pieces are soon known by heart; with gaps in them the network has to learn how they are made. Now
    and then a whole window does not know its bars or its phrases, as a melody that somebody brings may
    not.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.seed = keras.random.SeedGenerator()

    def call(self, rows: Any, training: bool = False) -> Any:
        """Rows [..., ROW] -> the same, with 0 for what is hidden."""
        if not training or not self.share:
            return rows
        steps = ops.shape(rows)[:-1]
        voices, length = len(VOICES), COLUMNS["lookback_length"]
        kept = keras.random.uniform((*steps, voices + length), seed=self.seed) >= self.share
        position = ops.ones((*steps, COLUMNS["position"]), "bool")
        known = keras.random.uniform((steps[0], 1, len(PLAN) - 1), seed=self.seed) >= PLAN_DROPOUT
        plan = ops.broadcast_to(known, (*steps, len(PLAN) - 1))
        key = ops.ones((*steps, FEATURES - KEY.start), "bool")
        parts = [*[kept[..., :voices]] * 3, kept[..., voices:], key, position, plan]
        mask = ops.concatenate(parts, axis=-1)
        return rows * ops.cast(mask, rows.dtype)


class Head(layers.Layer):
    """Predicts one voice of ORDER, by its index, from the context and the voices before it."""

    def __init__(self, index: int, network: Network, dtype: str) -> None:
        super().__init__(dtype=dtype)
        self.voice, self.before = ORDER[index], ORDER[:index]
        self.size = network.embedding
        self.symbol = layers.Embedding(SYMBOLS, self.size, dtype=dtype) if index else None
        self.hidden = layers.Dense(network.units // 2, activation="gelu", dtype=dtype)
        self.dropout = layers.Dropout(network.head_dropout, dtype=dtype)
        self.itself = layers.Dense(SYMBOLS, dtype=dtype)
        self.as_interval = [layers.Dense(INTERVALS, dtype=dtype) for _ in range(1 + index)]
        self.as_lookback = layers.Dense(1, dtype=dtype)
        self.as_retrieved = layers.Dense(1, dtype=dtype) if network.retrieval else None
        self.as_profile = layers.Dense(len(HALF_LIVES), dtype=dtype) if network.profiles else None

    def build(self, shapes: Sequence[Any]) -> None:
        """Create the weights of the inner layers."""
        before = len(self.before)
        flags = 3 if self.as_retrieved else 2
        width = shapes[0][-1] + before * (self.size + flags)
        if self.symbol:
            self.symbol.build(None)
        self.hidden.build((None, width))
        told = (self.as_lookback, self.as_retrieved, self.as_profile)
        for dense in (self.itself, *self.as_interval, *told):
            if dense:
                dense.build((None, self.hidden.units))

    def call(self, inputs: Sequence[Any], training: bool = False) -> Any:
        """[context [..., n], rows [..., ROW], sounding symbols of the voices before it [...]...]
        -> logits [..., SYMBOLS], float32."""
        context, rows, *chosen = inputs
        column = columns(rows)
        own = column["sounding"][..., self.voice]
        parts = [context, *(self.symbol(x) for x in chosen if self.symbol)]
        sources = ["lookback", *(["retrieved"] if self.as_retrieved else [])]
        for x, voice in zip(chosen, self.before, strict=True):
            held = x == column["sounding"][..., voice]
            flags = [self._repeats(x, held, column[name][..., voice]) for name in sources]
            parts += [ops.cast(flag[..., None], context.dtype) for flag in (*flags, held)]
        hidden = self.dropout(self.hidden(ops.concatenate(parts, axis=-1)), training=training)
        logits = self.itself(hidden)
        for dense, known in zip(self.as_interval, [own, *chosen], strict=True):
            logits = logits + from_intervals(dense(hidden), known)
        if self.as_profile:
            logits = logits + from_profiles(self.as_profile(hidden), column["profiles"])
        for dense, name in zip((self.as_lookback, self.as_retrieved), sources, strict=False):
            same = ops.arange(SYMBOLS) == column[name][..., self.voice : self.voice + 1]
            logits = logits + dense(hidden) * ops.cast(same, logits.dtype)
        return ops.cast(logits, "float32")

    @staticmethod
    def _repeats(sounds: Any, held: Any, then: Any) -> Any:
        """Whether a voice does what it did at another place."""
        return (sounds == then) | ((then == HOLD) & held)


def divergence(first: Any, second: Any) -> Any:
    """How far apart two predictions are: the mean of both Kullback-Leibler divergences, in nats, of
    logits [..., SYMBOLS]."""
    a, b = ops.log_softmax(first), ops.log_softmax(second)
    return ops.mean(ops.sum((ops.exp(a) - ops.exp(b)) * (a - b), axis=-1)) / 2


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


def resolved(rows: Any, symbols: Any) -> Any:
    """What sounds: HOLD is replaced by the note that is held [..., 4]."""
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


def from_profiles(trust: Any, profiles: Any) -> Any:
    """Pitch class profiles [..., 3 * 12], each as much as it is trusted [..., half-lives], as
    logits of symbols [..., SYMBOLS]; 0 for those that are no note."""
    logs = ops.cast(profiles, trust.dtype) / HUNDREDTHS
    classes = sum(
        trust[..., k : k + 1] * logs[..., k * CLASSES : (k + 1) * CLASSES]
        for k in range(len(HALF_LIVES))
    )
    return ops.matmul(classes, ops.convert_to_tensor(OF_CLASS, trust.dtype))


def with_bias(logits: Any, profile: Any, power: float) -> Any:
    """Logits [..., SYMBOLS] with the key bias by a profile [..., 12]: key_bias.with_key_bias."""
    others, pitches = logits[..., :FIRST], logits[..., FIRST:]
    added = ops.cast(profile, logits.dtype) * (power / HUNDREDTHS)
    scaled = pitches + ops.take(added, ops.convert_to_tensor(CLASS_OF), axis=-1)
    mass = ops.logsumexp(pitches, -1, keepdims=True) - ops.logsumexp(scaled, -1, keepdims=True)
    return ops.concatenate([others, scaled + mass], axis=-1)


def built(
    network: Network, batch: int = 0, dtype: str = "float32", consistency: float = 0.0
) -> SatbNetwork:
    """A network whose weights exist."""
    model = SatbNetwork(network, batch, dtype, consistency)
    model.build()
    return model


def signatures(model: SatbNetwork, logits: bool) -> dict[str, Any]:
    """One step as concrete functions by name, see predictor.py. logits: not probabilities."""
    import tensorflow as tf  # only what is exported is TensorFlow's

    units = [lstm.units for lstm in model.lstms for _ in range(2)]
    names = [f"{STATE_PREFIX}{i}" for i in range(len(units))]
    rows = tf.TensorSpec((None, ROW), tf.int32, "rows")
    state = {n: tf.TensorSpec((None, u), tf.float32, n) for n, u in zip(names, units, strict=True)}

    def advance(rows: Any, **state: Any) -> dict[str, Any]:
        context, after = model.advance(rows, [state[name] for name in names])
        return {"context": context, **dict(zip(names, after, strict=True))}

    heard = tf.function(advance, autograph=False)
    found = {ADVANCE: heard.get_concrete_function(rows=rows, **state)}
    size = int(found[ADVANCE].structured_outputs["context"].shape[-1])
    context = tf.TensorSpec((None, size), tf.float32, "context")
    for i, voice in enumerate(ORDER):
        head = model.heads[i]

        def predict(context: Any, rows: Any, chosen: Any = None, head: Any = head) -> Any:
            before = [] if chosen is None else [chosen[:, k] for k in range(chosen.shape[1])]
            scores = model.calibrated(head([context, rows, *before]), rows)
            return {"logits": scores} if logits else {"p": ops.softmax(scores)}

        specs = {"context": context, "rows": rows}
        if i:
            specs["chosen"] = tf.TensorSpec((None, i), tf.int32, "chosen")
        told = tf.function(predict, autograph=False)
        found[VOICES[voice]] = told.get_concrete_function(**specs)
    return found
