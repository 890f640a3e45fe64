"""What runs an exported network step by step. It needs no TensorFlow, and starts in 0.1 s."""

import ctypes
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from config_bach import Runtime, UserError, quiet
from families.steps import Array


class LiteRTRunner:
    """The signatures of a LiteRT model; any number of threads may share it.

    The state of the network lies with the callers, so that one interpreter serves all stations: each
    would take 7 MB, and as much again of fragments once thousands had come and gone. Batches have a
    second interpreter without XNNPACK: with batches of any size LiteRT plans memory while it runs, and
    XNNPACK then may read an old state (docs/decisions.md).
    """

    def __init__(self, content: bytes, runtime: Runtime | None = None) -> None:
        """Raises UserError if `content` is not such a model, or the runtime cannot run it."""
        self._content, self._runtime = content, runtime or Runtime()
        self._single = _signatures(content, self._runtime)
        self._batched: dict[str, Any] = {}
        self._lock = threading.Lock()  # a step takes a fraction of a millisecond

    def run(self, signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Call a signature: named arrays in, named arrays out; their first dimension is the batch."""
        batch = max(len(value) for value in inputs.values())
        with self._lock:
            if batch > 1 and not self._batched:
                self._batched = _signatures(self._content, self._runtime, batched=True)
            signatures = self._batched if batch > 1 else self._single
            return dict(signatures[signature](**inputs))

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        """The shapes of its inputs; 1 stands for a batch of any size."""
        details = self._single[signature].get_input_details()
        return {name: tuple(int(n) for n in d["shape"]) for name, d in details.items()}

    def outputs(self, signature: str) -> list[str]:
        """The names of its outputs."""
        return list(self._single[signature].get_output_details())


def _signatures(content: bytes, runtime: Runtime, batched: bool = False) -> dict[str, Any]:
    """The signatures of a model by name. Raises UserError if there are none."""
    with running(), quiet():
        made = interpreter(content, runtime, batched)
        found = {name: made.get_signature_runner(name) for name in made.get_signature_list()}
    if not found:
        raise UserError("the step model in the bundle has no signature; train it anew.")
    return found


def interpreter(content: bytes, runtime: Runtime | None = None, batched: bool = False) -> Any:
    """A LiteRT interpreter for a model, with the threads and the delegate of the runtime.

    batched: without XNNPACK, LiteRT's default; else no tensor shares memory with another, see
    LiteRTRunner. Raises UserError if there is no such delegate, or it refuses.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    runtime = runtime or Runtime()
    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if batched else OpResolverType.AUTO
    with quiet():
        made = Interpreter(
            model_content=content,
            num_threads=runtime.threads,
            experimental_delegates=[_delegate(runtime.delegate)] if runtime.delegate else None,
            experimental_op_resolver_type=resolver,
            experimental_preserve_all_tensors=not batched,
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
