"""Predictors that are no networks: what they predict is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from families.steps import Predictor, Probabilities, Rows, State


class Fixed(Predictor):
    """The same probabilities for each head at every step, in every piece; the state counts steps."""

    advance_signature = "none"

    def __init__(self, *heads: npt.ArrayLike, order: Sequence[int] | None = None) -> None:
        self.heads = [np.array(p, np.float32) for p in heads]
        self.order = range(len(heads)) if order is None else order
        self.rows: list[Rows] = []  # what it was told
        self.chosen: list[tuple[int, Rows]] = []  # which head was asked, and what it knew

    def initial_state(self, batch: int = 1) -> State:
        return {"memory_0": np.zeros((batch, 1), np.float32)}

    def advance(self, rows: Rows, state: State) -> tuple[Any, State]:
        self.rows.append(rows)
        assert len(rows) == len(state["memory_0"])
        return None, {"memory_0": state["memory_0"] + 1}

    def head(self, head: int, context: Any, rows: Rows, chosen: Rows) -> Probabilities:
        self.chosen.append((head, chosen.copy()))
        return np.tile(self.heads[head], (len(rows), 1))
