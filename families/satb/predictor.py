"""The exported step of type 5: one sixteenth, for any number of pieces at once.

It has five signatures. 'hear': rows int32 [pieces, columns] and memory_0, ... float32, the state ->
context and the next memory_0, ... 'soprano', 'bass', 'tenor', 'alto': context, rows and chosen int32
[pieces, voices before it], what those before it in ORDER sound -> p [pieces, SYMBOLS] (or logits).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from families.satb.encoding import HOLD, ORDER, PLAN, VOICES
from families.satb.features import FEATURES, KEY, PROFILES
from families.satb.key_bias import with_key_bias
from families.steps import Predictor, Probabilities, Rows, State, StepRunner, probabilities_of

ADVANCE = "hear"
# The columns that networks of earlier versions take
BEFORE_PROFILES = np.r_[: KEY.stop, FEATURES : FEATURES + len(PLAN)]
BEFORE_RETRIEVAL = np.r_[: PROFILES.stop, FEATURES : FEATURES + len(PLAN)]
EARLIER = {len(columns): columns for columns in (BEFORE_PROFILES, BEFORE_RETRIEVAL)}


class SatbPredictor(Predictor):
    """A head for each voice; each knows what the ones before it in ORDER do."""

    advance_signature = ADVANCE
    order = ORDER

    def __init__(self, runner: StepRunner) -> None:
        super().__init__(runner)
        self._columns = EARLIER.get(runner.shapes(ADVANCE)["rows"][-1])

    def advance(self, rows: Rows, state: State) -> tuple[npt.NDArray[np.float32], State]:
        """rows [pieces, columns] -> the context [pieces, n] of the heads, the next state."""
        found = self.runner.run(ADVANCE, {"rows": self._told(rows), **state})
        return found["context"], {name: found[name] for name in state}

    def head(self, head: int, context: Any, rows: Rows, chosen: Rows) -> Probabilities:
        """The probabilities of one voice [pieces, SYMBOLS]."""
        inputs = {"context": context, "rows": self._told(rows)}
        if before := list(ORDER[: ORDER.index(head)]):
            sounds = np.where(chosen == HOLD, rows[:, : len(VOICES)], chosen)
            inputs["chosen"] = np.ascontiguousarray(sounds[:, before], np.int32)
        ((name, values),) = self.runner.run(VOICES[head], inputs).items()
        p = probabilities_of(name, values)
        return with_key_bias(p, rows[:, KEY]) if self._columns is BEFORE_PROFILES else p

    def _told(self, rows: Rows) -> Rows:
        """The columns that the network takes."""
        return rows if self._columns is None else np.ascontiguousarray(rows[:, self._columns])
