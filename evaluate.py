"""What a model is worth: nats per event and accuracy on held-out music, and two baselines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dataset import Lesson, padded
from lite import StepModel
from vocabulary import Field, Vocabulary, unknown_cost

if TYPE_CHECKING:
    import keras

LARGEST_BATCH = 8_000_000  # probabilities computed at once
ROUND = 64  # events; TensorFlow prepares itself anew for every shape it has not met
ENOUGH = 10_000  # events on which the lookup baseline is measured
ORDERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # match lengths that the lookup baseline blends

Row = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Figures:
    """Nats and accuracy per event; nats by field, where there are several."""

    nll: float
    accuracy: float
    fields: dict[str, float]
    events: int

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON types, rounded to what they can tell."""
        fields = {name: round(nll, 5) for name, nll in self.fields.items()}
        return {
            "nll": round(self.nll, 5),
            "accuracy": round(self.accuracy, 5),
            "fields": fields,
            "events": self.events,
        }


def measure(model: keras.Model, lessons: Sequence[Lesson], vocabulary: Vocabulary) -> Figures:
    """A Keras model on lessons; every event is predicted from all that came before it in its lesson.

    The accuracy is that of the pitch symbol. Events outside the vocabulary count as wrong, and cost
    '?' and the choice among all the rare symbols it stands for.
    """
    nats = dict.fromkeys((f.name for f in vocabulary.fields), 0.0)
    right = asked = 0
    for batch in _batches(lessons, len(vocabulary.fields[0].symbols)):
        longest = max(len(lesson.inputs) for lesson in batch)
        length = -(-longest // ROUND) * ROUND
        targets = padded([lesson.targets for lesson in batch], length, -1)
        inputs = padded([lesson.inputs for lesson in batch], length, 0)
        heads = model.predict_on_batch([inputs[..., i] for i in range(inputs.shape[-1])])
        heads = heads if isinstance(heads, list) else [heads]
        for i, (field, probabilities) in enumerate(zip(vocabulary.fields, heads, strict=True)):
            nats[field.name] += float(_nats(probabilities, targets[..., i], field).sum())
        right += int(_right(heads[0], targets[..., 0]).sum())
        asked += int((targets[..., 0] >= 0).sum())
    asked = max(asked, 1)
    fields = {name: total / asked for name, total in nats.items()}
    return Figures(sum(fields.values()), right / asked, fields, asked)


def rows_figures(engine: StepModel, lessons: Sequence[Lesson], vocabulary: Vocabulary) -> Figures:
    """The same for the engine that composes, event by event; needs no TensorFlow."""
    nats = dict.fromkeys((f.name for f in vocabulary.fields), 0.0)
    right = asked = 0
    for lesson in lessons:
        memory = engine.silence()
        for heard, targets in zip(lesson.inputs.tolist(), lesson.targets, strict=True):
            coming, memory = engine.step(heard, memory)
            for p, target, field in zip(coming, targets[:, None], vocabulary.fields, strict=True):
                nats[field.name] += float(_nats(p[None], target, field).sum())
            right += int(_right(coming[0][None], targets[:1]).sum())
            asked += 1
    fields = {name: total / max(asked, 1) for name, total in nats.items()}
    return Figures(sum(fields.values()), right / max(asked, 1), fields, asked)


def _batches(lessons: Sequence[Lesson], symbols: int) -> list[list[Lesson]]:
    """Lessons of similar length together, few enough at a time to fit in memory."""
    batches: list[list[Lesson]] = []
    for lesson in sorted(lessons, key=lambda x: len(x.inputs), reverse=True):
        room = LARGEST_BATCH // (symbols * len(batches[-1][0].inputs)) if batches else 0
        if batches and len(batches[-1]) < room:
            batches[-1].append(lesson)
        else:
            batches.append([lesson])
    return batches


def _nats(probabilities: npt.NDArray[Any], targets: Row, field: Field) -> npt.NDArray[Any]:
    """The cost of each counted target, in nats."""
    chosen = np.take_along_axis(probabilities, np.maximum(targets, 0)[..., None], -1)[..., 0]
    nats = -np.log(np.maximum(chosen, 1e-12)) + (targets == 0) * unknown_cost(field)
    return nats[targets >= 0]


def _right(probabilities: npt.NDArray[Any], targets: Row) -> npt.NDArray[Any]:
    """Where the likeliest symbol is the one that came; '?' is never right."""
    return (probabilities[..., 1:].argmax(-1) + 1 == targets) & (targets > 0)


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


def baselines(
    train: Sequence[Lesson], held_out: Sequence[Lesson], vocabulary: Vocabulary
) -> dict[str, Any]:
    """Both baselines on whole pieces: {'most frequent symbol': ..., 'longest-match lookup': ...}."""
    known = [
        Known.of([_row(x, i) for x in train], [_row(x, i) for x in held_out])
        for i in range(len(vocabulary.fields))
    ]
    return baselines_of(known, vocabulary)


def baselines_of(known: Sequence[Known], vocabulary: Vocabulary) -> dict[str, Any]:
    """Both baselines, from what is known of each field."""
    return {
        "most frequent symbol": _sum(
            [most_frequent(k, f) for k, f in zip(known, vocabulary.fields, strict=True)], vocabulary
        ),
        "longest-match lookup": _sum(
            [longest_match(k, f) for k, f in zip(known, vocabulary.fields, strict=True)], vocabulary
        ),
    }


def _row(lesson: Lesson, field: int) -> Row:
    """All the ids of one field of a whole-piece lesson."""
    return np.append(lesson.inputs[:1, field], lesson.targets[:, field])


def _sum(figures: Sequence[tuple[float, float, int]], vocabulary: Vocabulary) -> dict[str, Any]:
    fields = {f.name: nll for f, (nll, _, _) in zip(vocabulary.fields, figures, strict=True)}
    return Figures(sum(fields.values()), figures[0][1], fields, figures[0][2]).to_json()


def most_frequent(known: Known, field: Field) -> tuple[float, float, int]:
    """Nats, accuracy and number of events when every event is guessed by frequency alone."""
    probability = _frequencies(known, field)
    asked = known.ids[known.asked]
    nats = -np.log(probability[asked]) + (asked == 0) * unknown_cost(field)
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
                places = np.flatnonzero(matched[:-1])
                places = places[known.seen[places + 1] | ((places >= start) & (places < now))]
                places = places[known.ids[places + 1] >= 0]
                target = int(known.ids[now + 1])
                lengths, following = matched[places], known.ids[places + 1]
                nats.append(-math.log(_blended(lengths, following, target, frequencies)))
                nats[-1] += unknown_cost(field) if target == 0 else 0
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
