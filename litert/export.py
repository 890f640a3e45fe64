"""A trained network as a LiteRT model, in any of the variants; built-in operators only.

The network becomes a step: what is known now and the state go in, the probabilities of what comes
next and the new state come out. The state before the first step is all zeros.
"""

import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from config_bach import UserError, quiet
from families.base import ModelFamily
from families.metrics import through
from families.registry import family_of
from families.steps import Array, StepRunner
from litert.keras_runner import KerasRunner, network_of
from litert.variants import VARIANTS
from storage.bundle import Bundle
from storage.files import keep_previous, replacing

EXAMPLES = 600  # steps through training pieces from which int8 learns the ranges of activations
EXAMPLE_STEPS = 48  # of each piece

Example = tuple[str, dict[str, Any]]
Functions = Mapping[str, Any]  # the signatures of a network as concrete functions, by name


def with_variants(bundle: Bundle, variants: Sequence[str]) -> Bundle:
    """The bundle with these variants exported anew, and their sizes and checksums in its metadata.

    Raises UserError, naming model, variant and reason, if one cannot be converted.
    """
    family, model = family_of(bundle.network.model_type), network_of(bundle)
    made: dict[str, bytes] = {}
    for logits in (False, True):  # int8 gives logits, see families.base.probabilities_of
        group = [v for v in VARIANTS if v in variants and (v == "int8") == logits]
        if group:
            with saved(family, model, logits) as (folder, functions):
                made |= {v: _export(bundle, v, folder, functions) for v in group}
    steps = bundle.steps | made
    told = bundle.metadata.get("variants", {}) | {
        v: {"kilobytes": round(len(content) / 1024), "crc32": zlib.crc32(content)}
        for v, content in made.items()
    }
    order = [v for v in VARIANTS if v in steps]
    return replace(bundle, steps={v: steps[v] for v in order}).with_metadata(
        variants={v: told.get(v, {}) for v in order}
    )


@contextmanager
def saved(family: ModelFamily, model: keras.Model, logits: bool) -> Iterator[tuple[str, Functions]]:
    """The steps of a network as a SavedModel: its folder, and its signatures by name.

    Converting concrete functions directly silently loses the weights of LSTMs.
    """
    with tempfile.TemporaryDirectory() as folder, quiet():
        functions = family.signatures(model, logits)
        module = tf.Module()
        module.weights = [weight.value for weight in model.weights]
        tf.saved_model.save(module, folder, signatures=functions)
        yield folder, functions


def _export(bundle: Bundle, variant: str, folder: str, functions: Functions) -> bytes:
    try:
        examples = calibration(bundle, functions) if variant == "int8" else None
        return converted(folder, list(functions), variant, examples)
    except Exception as error:  # the converter raises whatever it likes
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise UserError(
            f"{bundle.name} cannot be converted to LiteRT as {variant}: {reason}; choose "
            "another variant."
        ) from error


def converted(
    folder: str, keys: Sequence[str], variant: str, examples: Sequence[Example] | None = None
) -> bytes:
    """A SavedModel as LiteRT. examples: inputs of its signatures, to learn ranges from."""
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(keys))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if variant != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if variant == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if examples:
        converter.representative_dataset = lambda: iter(examples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return bytes(converter.convert())


class RecordingRunner:
    """Passes calls on to another runner, and keeps what flows into each signature."""

    def __init__(self, runner: StepRunner) -> None:
        self.calls: list[Example] = []
        self._runner = runner
        self.shapes, self.outputs = runner.shapes, runner.outputs

    def run(self, signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Keep the inputs and call."""
        self.calls.append((signature, {k: np.ascontiguousarray(v) for k, v in inputs.items()}))
        return self._runner.run(signature, inputs)


def calibration(bundle: Bundle, functions: Functions) -> list[Example]:
    """What flows into the signatures of a network in EXAMPLES steps through training pieces, far apart.

    Raises UserError if the bundle does not carry them.
    """
    if not bundle.music:
        raise UserError("it does not carry the pieces it was trained on, train it anew")
    family = family_of(bundle.network.model_type)
    runner = RecordingRunner(KerasRunner(functions))
    predictor = family.predictor(runner)
    pieces = family.unpack(bundle.music)
    every = max(1, len(pieces) * EXAMPLE_STEPS // EXAMPLES)
    steps = 0
    for sequence in family.sequences(pieces[::every], bundle):
        part = sequence.part(min(EXAMPLE_STEPS, EXAMPLES - steps))
        through(predictor, part.rows[None], np.maximum(part.targets[None], 0))
        steps += len(part)
        if steps >= EXAMPLES:
            break
    return runner.calls


def write_files(bundle: Bundle, variants: Sequence[str], folder: Path) -> list[Path]:
    """Write variants as .tflite files beside the bundle, for other programs."""
    paths = {variant: folder / f"{bundle.name}.{variant}.tflite" for variant in variants}
    for variant, path in paths.items():
        keep_previous(path)
        with replacing(path) as aside:
            aside.write_bytes(bundle.steps[variant])
    return list(paths.values())
