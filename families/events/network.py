"""One step of a network of types 1 to 3 as a function for export: see predictor.py for its tensors."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import keras

from families.events.predictor import INPUT, LOGITS, PROBABILITIES, SIGNATURE
from families.steps import STATE_PREFIX
from model import state_shapes, step


def signatures(model: keras.Model, logits: bool) -> dict[str, Any]:
    """The step as a concrete function, by name. logits: of the heads, not probabilities."""
    import tensorflow as tf  # only what is exported is TensorFlow's

    inputs, shapes = len(model.inputs), state_shapes(model)
    output = LOGITS if logits else PROBABILITIES

    def one_step(**tensors: Any) -> dict[str, Any]:
        ids = [tensors[f"{INPUT}{i}"] for i in range(inputs)]
        state = [tensors[f"{STATE_PREFIX}{i}"] for i in range(len(shapes))]
        heads, state = step(model, ids, state)
        return {
            **{f"{output}{i}": p for i, p in enumerate(heads)},
            **{f"{STATE_PREFIX}{i}": s for i, s in enumerate(state)},
        }

    names = [f"{INPUT}{i}" for i in range(inputs)]
    specs = {name: tf.TensorSpec((1,), tf.int32, name) for name in names}
    for i, shape in enumerate(shapes):
        name = f"{STATE_PREFIX}{i}"
        specs[name] = tf.TensorSpec(shape, tf.float32, name)
    with without_softmax(model) if logits else nullcontext():
        exported = tf.function(one_step, autograph=False)
        return {SIGNATURE: exported.get_concrete_function(**specs)}


@contextmanager
def without_softmax(model: keras.Model) -> Iterator[None]:
    """Let the heads of a network give logits."""
    heads = [layer for layer in model.layers if layer.name.startswith("next_")]
    kept = [head.activation for head in heads]
    for head in heads:
        head.activation = keras.activations.linear
    try:
        yield
    finally:
        for head, activation in zip(heads, kept, strict=True):
            head.activation = activation
