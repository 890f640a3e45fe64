"""The steps of a network run by Keras: the very functions that are exported, before conversion."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from config_bach import UserError
from families.base import LoadedModel
from families.registry import family_of
from families.steps import Array
from storage.bundle import Bundle

KERAS = "Keras"  # in the place of a variant


class KerasRunner:
    """Concrete functions by name, with the same face as litert.interpreter.LiteRTRunner."""

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = functions

    def run(self, signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Call a function: named arrays in, named arrays out."""
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        found = self._functions[signature](**tensors)
        return {name: tensor.numpy() for name, tensor in found.items()}

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        """The shapes of its inputs; 1 stands for a batch of any size."""
        specs = tf.nest.flatten(self._functions[signature].structured_input_signature)
        return {spec.name: tuple(n or 1 for n in spec.shape) for spec in specs}

    def outputs(self, signature: str) -> list[str]:
        """The names of its outputs."""
        return list(self._functions[signature].structured_outputs)


def network_of(bundle: Bundle) -> keras.Model:
    """The Keras network of a bundle, with its weights. Raises UserError if it carries none."""
    if not bundle.weights:
        raise UserError(f"{bundle.name} carries no weights to export; train it anew.")
    model = family_of(bundle.network.model_type).build(bundle)
    model.set_weights(bundle.weights)
    return model


def on_keras(bundle: Bundle, model: keras.Model) -> LoadedModel:
    """A bundle whose network is run by Keras, step by step."""
    family = family_of(bundle.network.model_type)
    runner = KerasRunner(family.signatures(model, logits=False))
    return LoadedModel(bundle, family, family.predictor(runner), KERAS)
