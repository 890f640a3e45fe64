"""The network of model type 5 as a saved model, for LiteRT; see engine.py for its signatures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from chorale.ear import rows_of
from chorale.engine import ChoraleEngine
from chorale.grid import ORDER, VOICES, sounding
from chorale.network import ROW, ChoraleNetwork
from chorale.score import chorale_of
from piece import from_json

EXAMPLE_STEPS = 64  # of each piece


def save_steps(model: ChoraleNetwork, folder: str, logits: bool) -> list[str]:
    """Save the steps of a network, giving probabilities or logits; returns its signatures."""
    functions = _signatures(model, logits)
    module = tf.Module()
    module.weights = [v.value for v in model.trainable_weights]
    tf.saved_model.save(module, folder, signatures=functions)
    return list(functions)


def _signatures(model: ChoraleNetwork, logits: bool) -> dict[str, Any]:
    units = [lstm.units for lstm in model.lstms for _ in range(2)]
    rows = tf.TensorSpec((None, ROW), tf.int32, "rows")
    memory = {
        f"memory_{i}": tf.TensorSpec((None, n), tf.float32, f"memory_{i}")
        for i, n in enumerate(units)
    }

    def hear(rows: Any, **memory: Any) -> dict[str, Any]:
        context, after = model.hear(rows, [memory[f"memory_{i}"] for i in range(len(units))])
        return {"context": context, **{f"memory_{i}": m for i, m in enumerate(after)}}

    found = {"hear": tf.function(hear).get_concrete_function(rows, **memory)}
    size = int(found["hear"].structured_outputs["context"].shape[-1])
    context = tf.TensorSpec((None, size), tf.float32, "context")
    for i, voice in enumerate(ORDER):
        head = model.heads[i]

        def predict(context: Any, rows: Any, chosen: Any = None, head: Any = head) -> Any:
            before = [] if chosen is None else [chosen[:, k] for k in range(chosen.shape[1])]
            coming = head([context, rows, *before])
            return {"logits": coming} if logits else {"p": ops.softmax(coming)}

        specs = [context, rows, *([tf.TensorSpec((None, i), tf.int32, "chosen")] if i else [])]
        found[VOICES[voice]] = tf.function(predict).get_concrete_function(*specs)
    return found


def examples(
    engine: ChoraleEngine, music: bytes, steps: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What flows into the five signatures in so many steps through training pieces, far apart."""
    pieces = json.loads(music)
    for name, events in pieces[:: max(1, len(pieces) * EXAMPLE_STEPS // steps)]:
        piece = chorale_of(from_json(events), name)
        rows = rows_of(piece).astype(np.int32)
        sounds = sounding(piece.symbols).astype(np.int32)
        memory = engine.silence(1)
        for step in range(min(len(piece), EXAMPLE_STEPS)):
            row, now = rows[step : step + 1], sounds[step : step + 1]
            yield "hear", {"rows": row, **engine.named(memory)}
            context, memory = engine.hear(row, memory)
            for voice in ORDER:
                yield VOICES[voice], engine.asked(voice, context, row, now)
