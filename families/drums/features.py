"""What the network is told before every step: what was struck last, what one, two and four bars ago at
this place, and where in its bar and phrase the step is."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np

from families.drums.encoding import KINDS, LONGEST_BAR, STEPS, UNHEARD, DrumPiece
from families.steps import Rows

AGO = (1, 2, 4)  # bars
PHRASE = 4  # bars
QUARTERS = LONGEST_BAR // STEPS
PAST = (1 + len(AGO)) * KINDS  # columns of symbols: the last step, and those bars ago
PLAN = {"step": STEPS, "quarter": QUARTERS, "left": QUARTERS, "bar": PHRASE}  # ids of each
ROW = PAST + len(PLAN)
NOTHING = (UNHEARD,) * KINDS

Step = tuple[int, ...]


class DrumFeatures:
    """Extracts the features of a piece step by step. Nothing came before the first one.

    `place`, (bar, slot, slots of the bar), is that of the step to come; who feeds steps sets it.
    """

    def __init__(self) -> None:
        self.place: tuple[int, int, int] = (0, 0, 1)
        self._last: Step = NOTHING
        self._bars: list[list[Step]] = []  # the latest ones, the present one last
        self._bar = -1

    def feed(self, tokens: Sequence[int]) -> None:
        """Take the step at `place`: a symbol for each kind of percussion."""
        bar, slot, _ = self.place
        if bar != self._bar:
            self._bar = bar
            self._bars = [*self._bars[-max(AGO) :], []]
        now = self._bars[-1]
        now += [NOTHING] * (slot - len(now))  # what lies before a piece that begins in its bar
        self._last = tuple(tokens)
        now.append(self._last)

    def row(self) -> list[int]:
        """What is known before the step at `place` [ROW]."""
        bar, slot, slots = self.place
        told = [*self._last]
        for bars in AGO:
            told += self._then(bars - 1 if bar != self._bar else bars, slot)
        quarter, step = divmod(slot, STEPS)
        left = (slots - 1) // STEPS - quarter
        return [*told, step, quarter, left, bar % PHRASE]

    def _then(self, ago: int, slot: int) -> Step:
        """What was struck so many bars before the last one that was begun, at the same slot."""
        if ago >= len(self._bars):
            return NOTHING
        then = self._bars[-1 - ago]
        return then[slot] if slot < len(then) else NOTHING

    def copy(self) -> DrumFeatures:
        twin = copy.copy(self)
        twin._bars = [*self._bars[:-1], *([[*self._bars[-1]]] if self._bars else [])]
        return twin


def rows_of(piece: DrumPiece) -> Rows:
    """What the network is told before every step of a piece [steps, ROW]."""
    features, rows = DrumFeatures(), []
    for symbols, (bar, slot, slots) in zip(
        piece.symbols.tolist(), piece.places.tolist(), strict=True
    ):
        features.place = (bar, slot, slots)
        rows.append(features.row())
        features.feed(symbols)
    return np.array(rows, np.int32).reshape(-1, ROW)
