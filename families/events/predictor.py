"""The exported step of types 1 to 3: the ids of one event in, the probabilities of each field out.

Its one signature takes heard_0, ... int32 [1], the columns of the row, and memory_0, ... float32, the
state; it gives next_0, ... [1, symbols] (or logits_0, ...) and the next memory_0, ...
"""

from typing import Any

from families.steps import Predictor, Probabilities, Rows, State, StepRunner, probabilities_of

SIGNATURE = "serving_default"
INPUT, PROBABILITIES, LOGITS = "heard_", "next_", "logits_"


class EventPredictor(Predictor):
    """All fields are predicted at once: no head knows what another one chooses."""

    advance_signature = SIGNATURE

    def __init__(self, runner: StepRunner) -> None:
        super().__init__(runner)
        self.order = range(len(runner.outputs(SIGNATURE)) - len(self.initial_state()))

    def advance(self, rows: Rows, state: State) -> tuple[list[Probabilities], State]:
        """rows [1, columns] -> the probabilities of each field [1, symbols], the next state."""
        ids = {f"{INPUT}{i}": rows[:, i] for i in range(rows.shape[1])}
        found = self.runner.run(SIGNATURE, {**ids, **state})
        after = {name: found.pop(name) for name in state}
        names = sorted(found, key=lambda name: int(name.rpartition("_")[2]))
        return [probabilities_of(name, found[name]) for name in names], after

    def head(
        self, head: int, context: list[Probabilities], rows: Rows, chosen: Any
    ) -> Probabilities:
        return context[head]
