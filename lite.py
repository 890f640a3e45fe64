"""LiteRT (TFLite): export of the step model when training ends, and the engine that runs it.

The engine needs no TensorFlow; it starts in a tenth of a second and composes everywhere.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from config_bach import UserError

if TYPE_CHECKING:
    import keras

Probabilities = npt.NDArray[np.float32]


def export_step(model: keras.Model) -> bytes:
    """A trained network as a float32 LiteRT model of one step.

    Inputs: 'heard_0', ... token ids int32 [1]; 'memory_0', ... float32. Outputs: 'next_0', ...
    probabilities [1, symbols]; 'memory_0', ... for the next step. Zeros are the memory of silence.
    """
    import keras as k
    import tensorflow as tf

    from model import memory_shapes, step

    def one_step(heard: Sequence[Any], memory: Sequence[Any]) -> dict[str, Any]:
        coming, memory = step(model, heard, memory)
        return {
            **{f"next_{i}": p for i, p in enumerate(coming)},
            **{f"memory_{i}": m for i, m in enumerate(memory)},
        }

    heard = [tf.TensorSpec((1,), tf.int32, f"heard_{i}") for i in range(len(model.inputs))]
    memory = [
        tf.TensorSpec(shape, tf.float32, f"memory_{i}")
        for i, shape in enumerate(memory_shapes(model))
    ]
    with tempfile.TemporaryDirectory() as folder, quiet():
        archive = k.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("step", one_step, input_signature=[heard, memory])
        archive.write_out(folder, verbose=False)
        # from_concrete_functions silently loses the weights; the saved model keeps them
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=["serving_default"]
        )
        return bytes(converter.convert())


class StepModel:
    """A step model in LiteRT: an engine that any number of threads may share.

    What it remembers lies with its callers, so that one engine plays for all stations: each would
    cost 7 MB, and as much again of fragments once thousands had come and gone.
    """

    def __init__(self, content: bytes) -> None:
        """Raises UserError if `content` is not a step model."""
        from ai_edge_litert.interpreter import Interpreter

        try:
            with quiet():
                self._interpreter = Interpreter(model_content=content, num_threads=1)
                self._interpreter.allocate_tensors()
                self._run = self._interpreter.get_signature_runner()
            self._details = self._run.get_input_details()
            outputs = self._run.get_output_details()
        except (ValueError, RuntimeError, KeyError) as error:
            raise UserError(
                f"the step model in the bundle cannot be run ({error}); train it anew."
            ) from error
        self._turn = threading.Lock()  # a step takes a fraction of a millisecond
        self.inputs = sum(name.startswith("heard_") for name in self._details)
        self.outputs = sum(name.startswith("next_") for name in outputs)
        self.sizes = [int(outputs[f"next_{i}"]["shape"][-1]) for i in range(self.outputs)]

    def silence(self) -> dict[str, npt.NDArray[np.float32]]:
        """The memory before anything was heard."""
        return {
            name: np.zeros(detail["shape"], np.float32)
            for name, detail in self._details.items()
            if name.startswith("memory_")
        }

    def step(
        self, heard: Sequence[int], memory: dict[str, npt.NDArray[np.float32]]
    ) -> tuple[list[Probabilities], dict[str, npt.NDArray[np.float32]]]:
        """Hear one event; returns the probabilities [symbols] of each field, and the new memory."""
        ids = {f"heard_{i}": np.array([token], np.int32) for i, token in enumerate(heard)}
        with self._turn:
            result = self._run(**ids, **memory)
        coming = [result.pop(f"next_{i}")[0] for i in range(self.outputs)]
        return coming, result


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what native code writes to standard error off the screen.

    TensorFlow and LiteRT greet with lines about delegates and drivers that no setting silences.
    """
    try:
        kept = os.dup(2)
    except OSError:  # no standard error to begin with
        yield
        return
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
