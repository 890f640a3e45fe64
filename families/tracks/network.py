"""The Keras network of model type 6: embeddings of what is known, stacked LSTM, softmax over tokens.

Tokens are known by what they are (a pitch by its class and octave, a position by its quarter) beside
what is learned of them, and the softmax shares that table with the input, as in model type 2. What
followed the last time can be copied.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from config_bach import Network
from families.tracks.features import COLUMNS
from families.tracks.tokens import GRID, INDEX, KINDS, LONGEST_DURATION, QUARTERS, SPAN, Kind
from model import OneHot, PitchEmbedding, PitchSoftmax

SIZES = {"quarter": 8, "part": 12, "metre": 8, "program": 24, "recent": 24, "matched": 8}


def tracks_lstm(network: Network) -> keras.Model:
    """COLUMNS, int32 [windows, tokens] each -> probabilities [windows, tokens, SYMBOLS]."""
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in COLUMNS}
    tokens = PitchEmbedding(token_features(), network.embedding)
    embedded = [tokens([inputs["token"], inputs["again"]]), Bits(12)(inputs["sounding"])]
    for name, size in SIZES.items():
        embedded.append(layers.Embedding(COLUMNS[name], size)(inputs[name]))
    x = known = layers.Dropout(network.input_dropout)(layers.Concatenate()(embedded))
    for _ in range(network.layers):
        x = layers.LSTM(network.units, return_sequences=True)(x)
        x = layers.Dropout(network.dropout)(x)
    x = layers.Concatenate()([known, x])
    again = OneHot(COLUMNS["again"])(inputs["again"])
    return keras.Model(
        list(inputs.values()), [CopyingSoftmax(tokens, name="next_token")([x, again])]
    )


class CopyingSoftmax(PitchSoftmax):
    """Softmax over tokens, in which the one that followed the last time may be raised.

    By how much is for the network to say. A pointer-generator network (See et al. 2017) copies so; it
    adds probabilities where this one adds logits.
    """

    def __init__(self, embedding: PitchEmbedding, **options: Any) -> None:
        super().__init__(embedding, **options)
        self.raised = layers.Dense(1)

    def build(self, shapes: Any) -> None:
        """Create the weights of the inner layers."""
        super().build(shapes[0])
        self.raised.build(shapes[0])

    def call(self, inputs: Any) -> Any:
        """[..., units] and what followed, one-hot [..., symbols] -> probabilities [..., symbols]."""
        x, again = inputs
        return self.activation(self.logits(x) + self.raised(x) * again)

    def compute_output_shape(self, shapes: Any) -> Any:
        """[..., symbols]."""
        return super().compute_output_shape(shapes[0])


class Bits(layers.Layer):
    """A whole number -> its binary digits."""

    def __init__(self, count: int, **options: Any) -> None:
        super().__init__(**options)
        self.count = count

    def call(self, x: Any) -> Any:
        """[...] -> [..., count], the lowest digit first."""
        powers = ops.convert_to_tensor([2**i for i in range(self.count)], "int32")
        digits = ops.mod(ops.floor_divide(x[..., None], powers), 2)
        return ops.cast(digits, self.compute_dtype)


def token_features() -> npt.NDArray[np.float32]:
    """What is known of every token before any learning [SYMBOLS, features]."""

    def of(kind: Kind, values: npt.NDArray[np.int32], count: int) -> npt.NDArray[np.float32]:
        """One-hot values of the tokens of a kind; zeros for the others."""
        found = np.zeros((len(KINDS), count), np.float32)
        found[SPAN[kind]] = np.eye(count)[values[SPAN[kind]]]
        return found

    duration = INDEX + 1
    return np.concatenate(
        [
            np.eye(len(Kind), dtype=np.float32)[KINDS],
            of(Kind.PITCH, INDEX % 12, 12),
            of(Kind.PITCH, INDEX // 12, 11),
            of(Kind.POSITION, INDEX // GRID, QUARTERS),
            of(Kind.POSITION, INDEX % GRID, GRID),
            of(Kind.PROGRAM, (INDEX + 7) // 8, 17),
            of(Kind.DURATION, duration % GRID, GRID),
            of(Kind.DURATION, duration // GRID, LONGEST_DURATION // GRID + 1),
        ],
        axis=1,
    )
