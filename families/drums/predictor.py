"""The exported step of type 4: one step of the grid, of one piece.

It has two signatures. 'hear': rows int32 [1, ROW] and memory_0, ... float32, the state -> context and
the next memory_0, ... 'strike': context and chosen int32 [1, KINDS] -> p [1, KINDS, SYMBOLS] (or
logits); those of a kind depend on what is chosen for the kinds before it alone.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from families.drums.encoding import FIRST, KINDS
from families.steps import Predictor, Probabilities, Rows, State, probabilities_of

ADVANCE, STRIKE = "hear", "strike"


@dataclass
class Context:
    """What the heads of a step know [1, n]; and what they said when last asked, and of what."""

    vector: npt.NDArray[np.float32]
    struck: Rows = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    p: Probabilities | None = None


class DrumPredictor(Predictor):
    """A head for each kind of percussion; each knows what those before it strike.

    Kinds that are not struck tell the later ones nothing. So the network is asked once for each step,
    and again only after a stroke.
    """

    advance_signature = ADVANCE
    order = range(KINDS)

    def advance(self, rows: Rows, state: State) -> tuple[Context, State]:
        """rows [1, ROW] -> the context of the heads, the next state."""
        found = self.runner.run(ADVANCE, {"rows": rows, **state})
        return Context(found["context"]), {name: found[name] for name in state}

    def head(self, head: int, context: Context, rows: Rows, chosen: Rows) -> Probabilities:
        """The probabilities of one kind [1, SYMBOLS]; chosen: symbols so far [1, KINDS]."""
        struck = np.where(chosen >= FIRST, chosen, 0).astype(np.int32)
        struck[:, head:] = 0
        if context.p is None or not np.array_equal(struck, context.struck):
            found = self.runner.run(STRIKE, {"context": context.vector, "chosen": struck})
            ((name, values),) = found.items()
            context.struck, context.p = struck, probabilities_of(name, values)
        p: Probabilities = context.p[:, head]
        return p
