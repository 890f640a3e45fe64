"""The network of model type 5 in LiteRT, one sixteenth at a time, for any number of pieces at once."""

from __future__ import annotations

import tempfile
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from chorale.ear import COLUMNS
from chorale.grid import ORDER, VOICES
from config_bach import UserError
from lite import Probabilities, quiet

if TYPE_CHECKING:
    from chorale.network import ChoraleNetwork

Memory = list[npt.NDArray[np.float32]]


def export(model: ChoraleNetwork) -> bytes:
    """A trained network as a LiteRT model with five signatures.

    'hear': rows int32 [pieces, ROW] and memory_0, ... -> context, memory_0, ...
    'soprano', 'bass', 'tenor', 'alto': context, rows and chosen int32 [pieces, voices before it], the
    sounding symbols of the voices before it in ORDER -> p [pieces, SYMBOLS], the probabilities.
    """
    import tensorflow as tf

    functions = _signatures(model)
    with tempfile.TemporaryDirectory() as folder, quiet():
        module = tf.Module()
        module.weights = [v.value for v in model.trainable_weights]
        tf.saved_model.save(module, folder, signatures=functions)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(functions))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]  # half the size, computed in float32
        return bytes(converter.convert())


def _signatures(model: ChoraleNetwork) -> dict[str, Any]:
    import tensorflow as tf
    from keras import ops

    from chorale.network import ROW

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
            return {"p": ops.softmax(head([context, rows, *before]))}

        specs = [context, rows, *([tf.TensorSpec((None, i), tf.int32, "chosen")] if i else [])]
        found[VOICES[voice]] = tf.function(predict).get_concrete_function(*specs)
    return found


class ChoraleEngine:
    """What runs the network of model type 5; any number of threads may share it."""

    def __init__(self, content: bytes) -> None:
        """Raises UserError if `content` is not such a network."""
        from ai_edge_litert.interpreter import Interpreter

        try:
            with quiet():
                self._interpreter = Interpreter(model_content=content, num_threads=1)
                self._hear = self._interpreter.get_signature_runner("hear")
                self._heads = {
                    voice: self._interpreter.get_signature_runner(VOICES[voice]) for voice in ORDER
                }
                self._heads[ORDER[0]].get_input_details()
            details = self._hear.get_input_details()
            self._units = [
                int(details[f"memory_{i}"]["shape"][-1]) for i in range(len(details) - 1)
            ]
            self._turn = threading.Lock()
            with quiet():
                self._greet()
        except (ValueError, RuntimeError, KeyError) as error:
            raise UserError(
                f"the step model in the bundle cannot be run ({error}); train it anew."
            ) from error

    def _greet(self) -> None:
        """Run everything once: LiteRT greets when it is first used, on the screen."""
        row = np.zeros((1, sum(COLUMNS.values())), np.int32)
        context, _ = self.hear(row, self.silence(1))
        for voice in ORDER:
            self.voice(voice, context, row, np.zeros((1, len(VOICES)), np.int32))

    def silence(self, pieces: int) -> Memory:
        """The memory before anything was heard."""
        return [np.zeros((pieces, n), np.float32) for n in self._units]

    def hear(
        self, rows: npt.NDArray[np.int32], memory: Memory
    ) -> tuple[npt.NDArray[np.float32], Memory]:
        """What the ear reports [pieces, ROW] -> the context [pieces, n] of the next step; the memory."""
        named = {f"memory_{i}": m for i, m in enumerate(memory)}
        with self._turn:
            result = self._hear(rows=rows, **named)
        return result["context"], [result[f"memory_{i}"] for i in range(len(memory))]

    def voice(
        self,
        voice: int,
        context: npt.NDArray[np.float32],
        rows: npt.NDArray[np.int32],
        sounds: npt.NDArray[np.int32],
    ) -> Probabilities:
        """The probabilities of one voice [pieces, SYMBOLS]; sounds [pieces, 4]: of those before it."""
        before = ORDER[: ORDER.index(voice)]
        chosen = {"chosen": np.ascontiguousarray(sounds[:, before])} if before else {}
        with self._turn:
            p: Probabilities = self._heads[voice](context=context, rows=rows, **chosen)["p"]
        return p
