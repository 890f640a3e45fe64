"""The Keras networks of the articles, one short builder each, and each of them one event at a time.

Every network reads a window of events and predicts, at each of them, the event that follows. So a
window of 40 events gives 40 targets, and the network can later be run one event at a time. Inputs are
int32 token ids [windows, events], one for each field (and, for type 2, what lookback found); outputs
are one softmax per field [windows, events, symbols].
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops, tree

from config_bach import Network
from music.lookback import LENGTHS
from storage.vocabulary import Field

# By how much rows that are not filled yet are less likely to be attended to, in nats: nothing, in
# effect. A larger number would leave int8 no room for the scores that count.
UNSEEN = 30.0


def one_hot_lstm(fields: Sequence[Field], network: Network) -> keras.Model:
    """Type 1: one-hot, stacked LSTM with dropout, softmax."""
    size = len(fields[0].symbols)
    pitch = keras.Input((None,), dtype="int32", name="pitch")
    x = OneHot(size)(pitch)
    for _ in range(network.layers):
        x = layers.LSTM(network.units, return_sequences=True)(x)
        x = layers.Dropout(network.dropout)(x)
    return keras.Model([pitch], [layers.Dense(size, activation="softmax", name="next_pitch")(x)])


def attention_lstm(
    fields: Sequence[Field], pitch_features: npt.NDArray[np.float32], network: Network
) -> keras.Model:
    """Type 2: embeddings, stacked LSTM, attention over the window, one softmax head each.

    Each head chooses for itself, so it can compose combinations that it never saw. pitch_features: what
    is known of each chord from the start [symbols, features].
    """
    names = [f.name for f in fields]
    names += [*(f"again_{name}" for name in names), "again_length"]  # what lookback found
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
    pitches = PitchEmbedding(pitch_features, network.embedding)
    embedded = [pitches([inputs["pitch"], inputs["again_pitch"]])]
    for field in fields[1:]:
        for name in (field.name, f"again_{field.name}"):
            embedded.append(layers.Embedding(len(field.symbols), 16)(inputs[name]))
    embedded.append(layers.Embedding(LENGTHS, 8)(inputs["again_length"]))
    x = embedding = layers.Dropout(network.input_dropout)(layers.Concatenate()(embedded))
    for _ in range(network.layers):
        x = layers.LSTM(network.units, return_sequences=True)(x)
        x = layers.Dropout(network.dropout)(x)
        x = layers.Concatenate()([embedding, x])  # a shortcut past each layer (Graves 2013)
    attended = WindowAttention(network.seqlen)(x)
    x = layers.Concatenate()([x, layers.Dropout(network.dropout)(attended)])
    heads = [PitchSoftmax(pitches, name="next_pitch")(x)]
    for field in fields[1:]:
        head = layers.Dense(len(field.symbols), activation="softmax", name=f"next_{field.name}")
        heads.append(head(x))
    return keras.Model(list(inputs.values()), heads)


def embedding_lstm(fields: Sequence[Field], network: Network) -> keras.Model:
    """Type 3: embedding, stacked LSTM, softmax. The embedding reaches every layer, and the output."""
    size = len(fields[0].symbols)
    pitch = keras.Input((None,), dtype="int32", name="pitch")
    x = embedding = layers.Dropout(network.input_dropout)(
        layers.Embedding(size, network.embedding)(pitch)
    )
    for _ in range(network.layers):
        x = layers.LSTM(network.units, return_sequences=True)(x)
        x = layers.Dropout(network.dropout)(x)
        x = layers.Concatenate()([embedding, x])
    return keras.Model([pitch], [layers.Dense(size, activation="softmax", name="next_pitch")(x)])


class OneHot(layers.Layer):
    """Token ids -> one-hot vectors."""

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(**options)
        self.size = size

    def call(self, ids: Any) -> Any:
        """[...] -> [..., size]."""
        return ops.one_hot(ids, self.size)

    def step(self, ids: Any) -> Any:
        """The same by comparing, for LiteRT, whose one-hot is wrong in int8."""
        return ops.cast(ops.arange(self.size) == ids[..., None], self.compute_dtype)


class PitchEmbedding(layers.Layer):
    """Pitch ids -> what is known of the chord from the start, and what is learned of it.

    `table` holds the known features  [symbols, features].
    """

    def __init__(self, table: npt.NDArray[np.float32], size: int, **options: Any) -> None:
        super().__init__(**options)
        self.known = self.add_weight(
            shape=table.shape, initializer=lambda *_, **__: ops.array(table), trainable=False
        )
        self.learned = self.add_weight(shape=(len(table), size), initializer="uniform")

    def call(self, ids: Sequence[Any]) -> Any:
        """A list of ids [...] -> their embeddings side by side [..., features + size for each]."""
        found = [looked_up(w, i) for i in ids for w in (self.known, self.learned)]
        return ops.concatenate(found, axis=-1)


def looked_up(table: Any, ids: Any) -> Any:
    """Rows of a table: [rows, n] and ids [...] -> [..., n].

    ops.take would guard against negative ids, with operators that microcontrollers do not have.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gather(ops.convert_to_tensor(table), ids)
    return ops.take(table, ids, axis=0)


class PitchSoftmax(layers.Layer):
    """Softmax over chords by their likeness to a predicted embedding.

    The output shares its weights with the input embedding (Press and Wolf 2017), so a chord that
    was rare in training profits from the notes it shares with common ones.
    """

    def __init__(self, embedding: PitchEmbedding, **options: Any) -> None:
        super().__init__(**options)
        self.embedding = embedding
        symbols, features = embedding.known.shape
        self.predicted = layers.Dense(features + embedding.learned.shape[1])
        self.activation = keras.activations.softmax
        self.bias = self.add_weight(shape=(symbols,), initializer="zeros")

    def build(self, shape: Any) -> None:
        """Create the weights of the inner layer."""
        self.predicted.build(shape)

    def logits(self, x: Any) -> Any:
        """[..., units] -> [..., symbols]."""
        table = ops.concatenate([self.embedding.known, self.embedding.learned], axis=1)
        return ops.matmul(self.predicted(x), ops.transpose(table)) + self.bias

    def call(self, x: Any) -> Any:
        """[..., units] -> probabilities [..., symbols]."""
        return self.activation(self.logits(x))

    def compute_output_shape(self, shape: Any) -> Any:
        """[..., units] -> [..., symbols]."""
        return (*shape[:-1], self.bias.shape[0])


class WindowAttention(layers.Layer):
    """Each event attends to the events of its window: the last `window` ones, itself among them.

    The 'general' score of Luong et al. 2015, scaled as in Vaswani et al. 2017.
    """

    def __init__(self, window: int, **options: Any) -> None:
        super().__init__(**options)
        self.window = window

    def build(self, shape: Any) -> None:
        """Create the weights of the query."""
        self.query = layers.Dense(shape[-1], use_bias=False)
        self.query.build(shape)
        self.scale = float(shape[-1]) ** -0.5

    def call(self, x: Any) -> Any:
        """[windows, events, units] -> the same shape."""
        index = ops.arange(ops.shape(x)[1])
        age = index[:, None] - index[None, :]
        visible = ops.logical_and(age >= 0, age < self.window)
        score = ops.matmul(self.query(x), ops.transpose(x, (0, 2, 1))) * self.scale
        return ops.matmul(ops.softmax(ops.where(visible, score, -1e9)), x)

    def step(self, x: Any, past: Any, filled: Any) -> tuple[Any, Any, Any]:
        """One event [1, units], the window so far [1, window, units], which rows of it are filled.

        Returns what is attended to [1, units], and both again with this event.
        """
        past = ops.concatenate([past[:, 1:], x[:, None]], axis=1)
        filled = ops.concatenate([filled[:, 1:], ops.ones_like(filled[:, :1])], axis=1)
        score = ops.sum(self.query(x)[:, None] * past, axis=-1) * self.scale
        weight = ops.softmax(score + (filled - 1) * UNSEEN)
        return ops.sum(weight[:, :, None] * past, axis=1), past, filled


def state_shapes(model: keras.Model) -> list[tuple[int, ...]]:
    """The shapes of the state: two vectors for each LSTM, the window of the attention."""
    shapes: list[tuple[int, ...]] = []
    for layer in model.layers:
        if isinstance(layer, layers.LSTM):
            shapes += [(1, layer.units), (1, layer.units)]
        elif isinstance(layer, WindowAttention):
            shapes += [(1, layer.window, layer.output.shape[-1]), (1, layer.window)]
    return shapes


def step(
    model: keras.Model, ids: Sequence[Any], state: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """One event through the layers of a network, with the state handed in and out.

    The same layers, the same weights, the same result as the network over the whole row of events;
    only the recurrent layers are called differently. ids: token ids [1] per input. Returns the
    probabilities [1, symbols] per output, and the next state.
    """
    value = {id(tensor): x for tensor, x in zip(model.inputs, ids, strict=True)}
    before = iter(state)
    after: list[Any] = []
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        x = tree.map_structure(lambda tensor: value[id(tensor)], layer.input)
        if isinstance(layer, layers.LSTM):
            y, new = layer.cell(x, [next(before), next(before)])
        elif isinstance(layer, OneHot):
            y, new = layer.step(x), []
        elif isinstance(layer, layers.Embedding):
            y, new = looked_up(layer.embeddings, x), []
        elif isinstance(layer, WindowAttention):
            y, *new = layer.step(x, next(before), next(before))
        else:
            y, new = layer(x), []
        after += new
        value[id(layer.output)] = y
    return [value[id(tensor)] for tensor in model.outputs], after
