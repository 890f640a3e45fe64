"""The exported step of types 1 to 3, with a runner whose answers are known."""

from collections.abc import Mapping

import numpy as np
import pytest

from families.events.predictor import SIGNATURE, EventPredictor
from families.steps import Array


class Runner:
    """Twelve heads (so that their names are not in order of the alphabet) and two tensors of state."""

    def __init__(self, kind: str) -> None:
        self.kind, self.inputs = kind, dict[str, Array]()

    def run(self, signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        assert signature == SIGNATURE
        self.inputs = dict(inputs)
        heads = {f"{self.kind}{i}": np.array([[i, i + 1.0]], np.float32) for i in range(12)}
        state = {k: v + 1 for k, v in inputs.items() if k.startswith("memory_")}
        return {**state, **heads}

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        return {"heard_0": (1,), "memory_0": (1, 3), "memory_1": (1, 4, 2), "heard_1": (1,)}

    def outputs(self, signature: str) -> list[str]:
        return [*(f"{self.kind}{i}" for i in range(12)), "memory_0", "memory_1"]


@pytest.mark.parametrize("kind", ["next_", "logits_"])
def test_ids_and_state_go_in_probabilities_and_state_come_out(kind: str) -> None:
    runner = Runner(kind)
    predictor = EventPredictor(runner)
    assert list(predictor.order) == list(range(12))
    state = predictor.initial_state()
    assert {k: v.shape for k, v in state.items()} == {"memory_0": (1, 3), "memory_1": (1, 4, 2)}
    context, after = predictor.advance(np.array([[5, 6]], np.int32), state)
    assert runner.inputs["heard_0"].tolist() == [5]
    assert runner.inputs["heard_1"].tolist() == [6]
    assert set(after) == {"memory_0", "memory_1"}
    assert (after["memory_1"] == 1).all()
    for head in predictor.order:
        found = predictor.head(head, context, np.zeros(0, np.int32), None)
        wanted = [head, head + 1] if kind == "next_" else [1 / (1 + np.e), np.e / (1 + np.e)]
        assert found[0] == pytest.approx(wanted)
