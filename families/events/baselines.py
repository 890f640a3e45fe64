"""Two baselines that learn nothing: the most frequent symbol, and the longest match."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from families.metrics import Metrics
from families.steps import StepSequence
from storage.vocabulary import Field

ENOUGH = 10_000  # events on which the lookup baseline is measured
ORDERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # match lengths that the lookup baseline blends

Row = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Known:
    """Rows of ids end to end, with -1 between them, for the baselines.

    `seen` marks the events that training may count, `asked` those that are to be predicted.
    """

    ids: Row
    seen: npt.NDArray[np.bool_]
    asked: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, train: Sequence[Row], held_out: Sequence[Row]) -> Known:
        """Whole rows: all of the first kind are seen; of the second all but their first is asked."""
        rows = [*train, *held_out]
        ids = np.concatenate([np.append(row, -1) for row in rows]).astype(np.int32)
        seen = np.concatenate([np.full(len(r) + 1, i < len(train)) for i, r in enumerate(rows)])
        asked = ~seen & (ids >= 0) & (np.roll(ids, 1) >= 0)
        return cls(ids, seen & (ids >= 0), asked)


def window_baselines(
    whole: Sequence[StepSequence], sides: Sequence[Row], fields: Sequence[Field]
) -> dict[str, Any]:
    """Both baselines when windows were divided (see dataset.window_sides)."""
    side = np.concatenate([np.append(row, -1) for row in sides])
    rows = [np.append(s.rows[:1, : len(fields)], s.targets, 0) for s in whole]
    ids = np.concatenate([np.append(r, np.full((1, r.shape[1]), -1), 0) for r in rows])
    known = [Known(ids[:, i], side == 0, side == 1) for i in range(ids.shape[1])]
    return baselines_of(known, fields)


def baselines(
    train: Sequence[StepSequence], held_out: Sequence[StepSequence], fields: Sequence[Field]
) -> dict[str, Any]:
    """Both baselines on whole pieces: {'most frequent symbol': ..., 'longest-match lookup': ...}."""
    known = [
        Known.of([_row(x, i) for x in train], [_row(x, i) for x in held_out])
        for i in range(len(fields))
    ]
    return baselines_of(known, fields)


def baselines_of(known: Sequence[Known], fields: Sequence[Field]) -> dict[str, Any]:
    """Both baselines, from what is known of each field."""
    return {
        "most frequent symbol": _sum(
            [most_frequent(k, f) for k, f in zip(known, fields, strict=True)], fields
        ),
        "longest-match lookup": _sum(
            [longest_match(k, f) for k, f in zip(known, fields, strict=True)], fields
        ),
    }


def _row(sequence: StepSequence, field: int) -> Row:
    return np.append(sequence.rows[:1, field], sequence.targets[:, field])


def _sum(figures: Sequence[tuple[float, float, int]], fields: Sequence[Field]) -> dict[str, Any]:
    nats = {f.name: nll for f, (nll, _, _) in zip(fields, figures, strict=True)}
    return Metrics(sum(nats.values()), figures[0][1], nats, figures[0][2]).to_json()


def most_frequent(known: Known, field: Field) -> tuple[float, float, int]:
    """Nats, accuracy and number of events when every event is guessed by frequency alone."""
    probability = _frequencies(known, field)
    asked = known.ids[known.asked]
    nats = -np.log(probability[asked]) + (asked == 0) * field.unknown_nats
    right = asked == probability[1:].argmax() + 1
    return float(nats.mean()), float(right.mean()), len(asked)


def _frequencies(known: Known, field: Field) -> npt.NDArray[np.float64]:
    """How often each symbol was seen, smoothed by one."""
    counts = np.bincount(known.ids[known.seen], minlength=len(field.symbols)) + 1.0
    return counts / counts.sum()


def longest_match(known: Known, field: Field) -> tuple[float, float, int]:
    """Nats, accuracy and number of events of a lookup table that has learned nothing.

    The guess is what most often followed the longest match of what was just heard, in the training
    music or earlier in the same piece. For the nats, match lengths are blended from the shortest to
    the longest, each trusted by how seldom something new followed (Witten and Bell 1991).
    """
    frequencies = _frequencies(known, field)
    nats: list[float] = []
    right = 0
    for start, stop in _pieces_asked(known):
        matched = np.zeros(len(known.ids), np.int32)
        for now in range(start, stop - 1):
            matched[1:] = np.where(known.ids[1:] == known.ids[now], matched[:-1] + 1, 0)
            matched[0] = known.ids[0] == known.ids[now]
            if known.asked[now + 1]:
                ends = np.flatnonzero(matched[:-1])
                ends = ends[known.seen[ends + 1] | ((ends >= start) & (ends < now))]
                ends = ends[known.ids[ends + 1] >= 0]
                target = int(known.ids[now + 1])
                lengths, following = matched[ends], known.ids[ends + 1]
                nats.append(-math.log(_blended(lengths, following, target, frequencies)))
                nats[-1] += field.unknown_nats if target == 0 else 0
                right += target > 0 and _commonest(lengths, following, frequencies) == target
        if len(nats) >= ENOUGH:
            break
    return sum(nats) / max(len(nats), 1), right / max(len(nats), 1), len(nats)


def _pieces_asked(known: Known) -> list[tuple[int, int]]:
    """Where the pieces lie (start, stop) in which something is asked."""
    ends = np.flatnonzero(known.ids < 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return [(int(a), int(b)) for a, b in zip(starts, ends, strict=True) if known.asked[a:b].any()]


def _blended(
    lengths: Row, following: Row, target: int, frequencies: npt.NDArray[np.float64]
) -> float:
    probability = float(frequencies[target])
    for order in ORDERS:
        chosen = following[lengths >= order]
        if not len(chosen):
            break
        new = len(np.unique(chosen))
        hits = int((chosen == target).sum())
        probability = (hits + new * probability) / (len(chosen) + new)
    return probability


def _commonest(lengths: Row, following: Row, frequencies: npt.NDArray[np.float64]) -> int:
    """What most often followed the longest match; '?' does not count."""
    known = following[(lengths == lengths.max(initial=0)) & (following > 0)]
    if not len(known):
        return int(frequencies[1:].argmax()) + 1
    return Counter(known.tolist()).most_common(1)[0][0]
