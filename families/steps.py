"""A network one step at a time: what it is told, what it predicts, and what runs it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int32]
Probabilities = npt.NDArray[np.float32]
State = dict[str, npt.NDArray[np.float32]]

STATE_PREFIX = "memory_"  # how exported networks name the tensors of their state


@dataclass(frozen=True)
class StepSequence:
    """A piece as a network sees it, one step after the other.

    rows: int32 [steps, columns], what the network is told before each step. targets: int32 [steps,
    heads], the token of each head at that step; -1 where it is not counted.
    """

    name: str
    rows: Rows
    targets: Rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def counted(self) -> int:
        """The steps that are to be predicted."""
        return int((self.targets[:, 0] >= 0).sum())

    def part(self, stop: int) -> Self:
        """The first steps."""
        return replace(self, rows=self.rows[:stop], targets=self.targets[:stop])


class StepRunner(Protocol):
    """What runs the exported functions of a network: Keras or LiteRT, with the same face."""

    def run(self, signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Call a function by name: named arrays in, named arrays out."""

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        """The shapes of its inputs; 1 stands for a batch of any size."""

    def outputs(self, signature: str) -> list[str]:
        """The names of its outputs."""


class Predictor(ABC):
    """A network one step at a time, whatever runs it; any number of threads may share one.

    The state lies with the caller. At each step `advance` is called once and `head` for each head in
    `order`; a head is told what those before it have chosen.
    """

    advance_signature: ClassVar[str]
    order: Sequence[int]

    def __init__(self, runner: StepRunner) -> None:
        self.runner = runner

    def initial_state(self, batch: int = 1) -> State:
        """The state before the first step: zeros, float32 [batch, n] each."""
        shapes = self.runner.shapes(self.advance_signature)
        return {
            name: np.zeros((batch, *shape[1:]), np.float32)
            for name, shape in shapes.items()
            if name.startswith(STATE_PREFIX)
        }

    @abstractmethod
    def advance(self, rows: Rows, state: State) -> tuple[Any, State]:
        """One step: rows [batch, columns] and the state -> a context for the heads, the next state."""

    @abstractmethod
    def head(self, head: int, context: Any, rows: Rows, chosen: Rows) -> Probabilities:
        """The probabilities of one head [batch, symbols]; chosen: the tokens so far [batch, heads]."""


def probabilities_of(name: str, values: npt.NDArray[np.float32]) -> Probabilities:
    """An output of a network as probabilities [..., symbols].

    Eight bits hold no probability below 1/256, so networks in int8 give logits, by that name.
    """
    if "logits" not in name:
        return values
    p: Probabilities = np.exp(values - values.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)
