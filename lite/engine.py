"""What runs a network one event at a time.

It needs no TensorFlow; it starts in a tenth of a second and composes everywhere.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from config_bach import Runtime, UserError

Probabilities = npt.NDArray[np.float32]


class StepModel:
    """A step model in LiteRT: an engine that any number of threads may share.

    What it remembers lies with its callers, so that one engine plays for all stations: each would
    cost 7 MB, and as much again of fragments once thousands had come and gone.
    """

    def __init__(self, content: bytes, runtime: Runtime | None = None) -> None:
        """Raises UserError if `content` is not a step model, or the runtime cannot run it."""
        with running():
            self._interpreter = interpreter(content, runtime)
            self._run = self._interpreter.get_signature_runner()
            self._details = self._run.get_input_details()
            outputs = self._run.get_output_details()
        self._turn = threading.Lock()  # a step takes a fraction of a millisecond
        self.inputs = sum(name.startswith("heard_") for name in self._details)
        self._names = sorted(
            (name for name in outputs if not name.startswith("memory_")),
            key=lambda name: int(name.split("_")[1]),
        )
        self.outputs = len(self._names)
        self.sizes = [int(outputs[name]["shape"][-1]) for name in self._names]

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
        with self._turn:
            result = self._run(**self.named(heard, memory))
        coming = [likelihoods(name, result.pop(name))[0] for name in self._names]
        return coming, result

    def named(
        self, heard: Sequence[int], memory: dict[str, npt.NDArray[np.float32]]
    ) -> dict[str, npt.NDArray[Any]]:
        """What the network takes."""
        ids = {f"heard_{i}": np.array([token], np.int32) for i, token in enumerate(heard)}
        return {**ids, **memory}


def likelihoods(name: str, values: npt.NDArray[np.float32]) -> Probabilities:
    """An output as probabilities [..., symbols].

    Eight bits hold no probability below 1/256, so networks in int8 give logits, by that name.
    """
    if "logits" not in name:
        return values
    p: Probabilities = np.exp(values - values.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def interpreter(content: bytes, runtime: Runtime | None = None) -> Any:
    """A LiteRT interpreter for a model, with the threads and the delegate of the runtime.

    Raises UserError if there is no such delegate, or it refuses.
    """
    from ai_edge_litert.interpreter import Interpreter

    runtime = runtime or Runtime()
    with quiet():
        made = Interpreter(
            model_content=content,
            num_threads=runtime.threads,
            experimental_delegates=[_delegate(runtime.delegate)] if runtime.delegate else None,
        )
        made.allocate_tensors()
    return made


def _delegate(library: str) -> Any:
    from ai_edge_litert.interpreter import load_delegate

    try:
        # load_delegate would leave half an object behind, which complains at its end
        _ = ctypes.CDLL(library).tflite_plugin_create_delegate
        return load_delegate(library)
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"the delegate {library} cannot be used ({error}); mend the setting or leave it out."
        ) from error


@contextmanager
def running() -> Iterator[None]:
    """Raise UserError where a model cannot be run."""
    try:
        yield
    except (ValueError, RuntimeError, KeyError) as error:
        raise UserError(
            f"the step model in the bundle cannot be run ({error}); train it anew."
        ) from error


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
