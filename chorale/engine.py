"""The network of model type 5 in LiteRT, one sixteenth at a time, for any number of pieces at once.

It has five signatures. 'hear': rows int32 [pieces, ROW] and memory_0, ... -> context, memory_0, ...
'soprano', 'bass', 'tenor', 'alto': context, rows and chosen int32 [pieces, voices before it], the
sounding symbols of the voices before it in ORDER -> p [pieces, SYMBOLS], the probabilities (logits
where it computes in int8).
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from chorale.ear import COLUMNS, KEY
from chorale.grid import ORDER, VOICES
from chorale.key import in_key
from config_bach import Runtime
from lite.engine import Probabilities, interpreter, likelihoods, quiet, running

Memory = list[npt.NDArray[np.float32]]


class ChoraleEngine:
    """What runs the network of model type 5; any number of threads may share it."""

    def __init__(self, content: bytes, runtime: Runtime | None = None) -> None:
        """Raises UserError if `content` is not such a network, or the runtime cannot run it."""
        with running(), quiet():
            self._interpreter = interpreter(content, runtime)
            self._hear = self._interpreter.get_signature_runner("hear")
            self._heads = {
                voice: self._interpreter.get_signature_runner(VOICES[voice]) for voice in ORDER
            }
            (self._output,) = self._heads[ORDER[0]].get_output_details()
            details = self._hear.get_input_details()
            self._units = [
                int(details[f"memory_{i}"]["shape"][-1]) for i in range(len(details) - 1)
            ]
            self._turn = threading.Lock()
            self._greet()

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
        with self._turn:
            result = self._hear(rows=rows, **self.named(memory))
        return result["context"], [result[f"memory_{i}"] for i in range(len(memory))]

    def voice(
        self,
        voice: int,
        context: npt.NDArray[np.float32],
        rows: npt.NDArray[np.int32],
        sounds: npt.NDArray[np.int32],
    ) -> Probabilities:
        """The probabilities of one voice [pieces, SYMBOLS]; sounds [pieces, 4]: of those before it.

        They have heard the key: see key.in_key.
        """
        with self._turn:
            result = self._heads[voice](**self.asked(voice, context, rows, sounds))
        return in_key(likelihoods(self._output, result[self._output]), rows[:, KEY])

    def named(self, memory: Memory) -> dict[str, npt.NDArray[np.float32]]:
        """The memory as 'hear' takes it."""
        return {f"memory_{i}": m for i, m in enumerate(memory)}

    def asked(
        self,
        voice: int,
        context: npt.NDArray[np.float32],
        rows: npt.NDArray[np.int32],
        sounds: npt.NDArray[np.int32],
    ) -> dict[str, npt.NDArray[Any]]:
        """What the signature of a voice takes."""
        before = ORDER[: ORDER.index(voice)]
        chosen = {"chosen": np.ascontiguousarray(sounds[:, before])} if before else {}
        return {"context": context, "rows": rows, **chosen}
