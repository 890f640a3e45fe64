"""A trained network as a LiteRT model, in any of the variants; built-in operators only.

The network becomes a step: what is heard now and the memory go in, the probabilities of what comes
next and the new memory come out. Zeros are the memory of silence.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from bundle import Bundle
from chorale import export as chorale_export
from chorale.engine import ChoraleEngine
from chorale.network import built
from config_bach import CHORALE, UserError
from dataset import lessons
from lite.engine import StepModel, quiet
from lite.variants import VARIANTS, exported_first
from model import build, memory_shapes, step

EXAMPLES = 600  # steps through training pieces from which int8 learns the ranges of what flows
EXAMPLE_EVENTS = 40  # of each piece

Example = dict[str, Any] | tuple[str, dict[str, Any]]


def network_of(bundle: Bundle) -> keras.Model:
    """The Keras network of a bundle, with its weights. Raises UserError if it carries none."""
    if not bundle.weights:
        raise UserError(f"{bundle.name} carries no weights to export; train it anew.")
    is_chorale = bundle.network.model_type == CHORALE
    model = built(bundle.network) if is_chorale else build(bundle.vocabulary, bundle.network)
    model.set_weights(bundle.weights)
    return model


def with_variants(bundle: Bundle, variants: Sequence[str]) -> Bundle:
    """The bundle with these variants exported anew, and their sizes and checksums among its facts.

    Raises UserError, naming model, variant and reason, if one cannot be converted.
    """
    model = network_of(bundle)
    made: dict[str, bytes] = {}
    for logits in (False, True):  # int8 gives logits, see engine.likelihoods
        group = [v for v in VARIANTS if v in variants and (v == "int8") == logits]
        if group:
            with saved(bundle, model, logits) as (folder, keys):
                made |= {v: _export(bundle, v, folder, keys) for v in group}
    steps = bundle.steps | made
    told = bundle.facts.get("variants", {}) | {v: facts_of(made[v]) for v in made}
    order = [v for v in VARIANTS if v in steps]
    return replace(bundle, steps={v: steps[v] for v in order}).with_facts(
        variants={v: told.get(v, {}) for v in order}
    )


def facts_of(content: bytes) -> dict[str, Any]:
    """What tells one LiteRT model from another."""
    return {"kilobytes": round(len(content) / 1024), "crc32": zlib.crc32(content)}


@contextmanager
def saved(bundle: Bundle, model: keras.Model, logits: bool) -> Iterator[tuple[str, list[str]]]:
    """The steps of a network as a saved model: its folder, and its signatures."""
    save = chorale_export.save_steps if bundle.network.model_type == CHORALE else save_step
    with tempfile.TemporaryDirectory() as folder, quiet():
        yield folder, save(model, folder, logits)


def _export(bundle: Bundle, variant: str, folder: str, keys: Sequence[str]) -> bytes:
    try:
        examples = list(examples_of(bundle)) if variant == "int8" else None
        return converted(folder, keys, variant, examples)
    except Exception as error:  # the converter raises whatever it likes
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise UserError(
            f"{bundle.name} cannot be converted to LiteRT as {variant}: {reason}; choose "
            "another variant."
        ) from error


def converted(
    folder: str, keys: Sequence[str], variant: str, examples: Sequence[Example] | None = None
) -> bytes:
    """A saved model as LiteRT. examples: what flows in while music plays, to set ranges by."""
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


def save_step(model: keras.Model, folder: str, logits: bool) -> list[str]:
    """Save the step of a network of types 1 to 3; returns its signatures.

    Inputs: 'heard_0', ... token ids int32 [1]; 'memory_0', ... float32. Outputs: 'next_0', ...
    probabilities [1, symbols], or 'logits_0', ...; 'memory_0', ... for the next step.
    """
    name = "logits" if logits else "next"

    def one_step(heard: Sequence[Any], memory: Sequence[Any]) -> dict[str, Any]:
        coming, memory = step(model, heard, memory)
        return {
            **{f"{name}_{i}": p for i, p in enumerate(coming)},
            **{f"memory_{i}": m for i, m in enumerate(memory)},
        }

    heard = [tf.TensorSpec((1,), tf.int32, f"heard_{i}") for i in range(len(model.inputs))]
    memory = [
        tf.TensorSpec(shape, tf.float32, f"memory_{i}")
        for i, shape in enumerate(memory_shapes(model))
    ]
    archive = keras.export.ExportArchive()
    archive.track(model)
    with without_softmax(model) if logits else nullcontext():
        archive.add_endpoint("step", one_step, input_signature=[heard, memory])
        # from_concrete_functions silently loses the weights; the saved model keeps them
        archive.write_out(folder, verbose=False)
    return ["serving_default"]


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


def examples_of(bundle: Bundle) -> Iterator[Example]:
    """What flows into the network while it plays training pieces.

    Raises UserError if the bundle does not carry them.
    """
    if not bundle.music:
        raise UserError("it does not carry the pieces it was trained on, train it anew")
    first = exported_first(bundle.network.model_type)
    content = bundle.steps.get(first) or with_variants(bundle, [first]).steps[first]
    if bundle.network.model_type == CHORALE:
        return chorale_export.examples(ChoraleEngine(content), bundle.music, EXAMPLES)
    return islice(_examples(bundle, StepModel(content)), EXAMPLES)


def _examples(bundle: Bundle, engine: StepModel) -> Iterator[Example]:
    pieces = bundle.training_pieces
    every = max(1, len(pieces) * EXAMPLE_EVENTS // EXAMPLES)
    for lesson in lessons(pieces[::every], bundle.vocabulary, bundle.network):
        memory = engine.silence()
        for heard in lesson.inputs[:EXAMPLE_EVENTS].tolist():
            yield engine.named(heard, memory)
            _, memory = engine.step(heard, memory)


def write_files(bundle: Bundle, variants: Sequence[str], folder: Path) -> list[Path]:
    """Write variants as .tflite files beside the bundle, for other programs."""
    from files import keep_previous, replacing

    paths = [folder / f"{bundle.name}.{variant}.tflite" for variant in variants]
    for path, variant in zip(paths, variants, strict=True):
        keep_previous(path)
        with replacing(path) as aside:
            aside.write_bytes(bundle.steps[variant])
    return paths
