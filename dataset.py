"""Pieces -> what the network learns from: the split, and lessons of inputs and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np

from config_bach import Network
from lookback import looked_back, places
from piece import Piece
from vocabulary import Ids, Vocabulary, shifts

SHARES = {"train": 0.7, "valid": 0.2, "test": 0.1}
FEWEST = 3  # pieces that differ; with fewer, each is cut into a beginning, a middle and an end
LABELS = {
    "piece": "split by whole piece: validation pieces were never seen",
    "given": "split as the corpus itself is divided: validation pieces were never seen",
    "jsb": "split as the JSB chorales are: what matches one of their validation or test pieces was "
    "never seen",
    "within": "too few pieces to hold whole ones out: later parts of the same pieces, LEAKS",
    "window": "split by window as in the articles: windows overlap, LEAKS",
}


@dataclass(frozen=True)
class Lesson:
    """A row of events: inputs [events, inputs] and, for each, the event that follows.

    targets [events, fields]; -1 is not counted. `shown` is how many targets are asked for.
    """

    inputs: Ids
    targets: Ids

    @property
    def shown(self) -> int:
        """The number of targets that count."""
        return int((self.targets[:, 0] >= 0).sum())


class Work(Protocol):
    """A piece of any kind: of events, or of four voices."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def fingerprint(self) -> str:
        """The same for the same music in any key."""

    def __len__(self) -> int: ...

    def part(self, start: int, stop: int, name: str) -> Self:
        """Some of its events."""


W = TypeVar("W", bound=Work)


@dataclass(frozen=True)
class Split(Generic[W]):
    """Pieces by side ('train', 'valid', 'test') and the kind of split (see LABELS)."""

    kind: str
    train: tuple[W, ...]
    valid: tuple[W, ...]
    test: tuple[W, ...]

    def table(self) -> list[dict[str, Any]]:
        """Every piece with its side, for the bundle."""
        return [
            {"name": p.name, "side": side, "events": len(p), "fingerprint": p.fingerprint}
            for side in SHARES
            for p in getattr(self, side)
        ]


def split(
    pieces: Sequence[W], seed: int, kind: str, known: Sequence[dict[str, Any]] = ()
) -> Split[W]:
    """Divide pieces 70/20/10. Copies of the same piece, in whatever key, stay on the same side.

    `known` is the table of an earlier split, which is kept; pieces new since then are for training.
    """
    groups = sorted({p.fingerprint for p in pieces})
    if kind == "window":
        return Split("window", tuple(pieces), tuple(pieces), tuple(pieces))
    if len(groups) < FEWEST:
        return Split("within", *zip(*(_cut(p) for p in pieces), strict=True))
    order = [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]
    test = max(1, round(SHARES["test"] * len(order)))
    valid = max(1, round(SHARES["valid"] * len(order)))
    sides = dict.fromkeys(order, "train")
    sides.update(dict.fromkeys(order[:valid], "valid"))
    sides.update(dict.fromkeys(order[valid : valid + test], "test"))
    if known:
        sides = {p["fingerprint"]: p["side"] for p in known}
    return divided(pieces, [sides.get(p.fingerprint, "train") for p in pieces], "piece")


def divided(pieces: Sequence[W], sides: Sequence[str], kind: str) -> Split[W]:
    """A split whose sides are given, one for each piece."""
    by_side = {
        side: tuple(p for p, s in zip(pieces, sides, strict=True) if s == side) for side in SHARES
    }
    return Split(kind, **by_side)


def _cut(piece: W) -> tuple[W, W, W]:
    """The first 70, the next 20 and the last 10 % of a piece."""
    a, b = (round(len(piece) * share) for share in (0.7, 0.9))
    return (
        piece.part(0, a, f"{piece.name} (beginning)"),
        piece.part(a, b, f"{piece.name} (middle)"),
        piece.part(b, len(piece), f"{piece.name} (end)"),
    )


def lessons(pieces: Sequence[Piece], vocabulary: Vocabulary, network: Network) -> list[Lesson]:
    """One lesson for each whole piece, in its own key."""
    return [_lesson(vocabulary.encode(p.events), network) for p in pieces if len(p.events) > 1]


def training_lessons(
    pieces: Sequence[Piece], vocabulary: Vocabulary, network: Network
) -> list[Lesson]:
    """One lesson for each whole piece in each of the keys that the encoding allows."""
    found = []
    for piece in pieces:
        if len(piece.events) > 1:
            where = places(vocabulary.encode(piece.events)) if network.model_type == 2 else None
            for semitones in shifts(vocabulary.encoding):
                ids = vocabulary.encode(piece.transposed(semitones).events)
                found.append(_lesson(ids, network, where))
    return found


def _lesson(ids: Ids, network: Network, where: Ids | None = None) -> Lesson:
    inputs = ids
    if network.model_type == 2:
        inputs = np.concatenate([ids, looked_back(ids, places(ids) if where is None else where)], 1)
    return Lesson(inputs[:-1], ids[1:])


def window_sides(events: Sequence[int], seqlen: int, seed: int) -> list[Ids]:
    """The articles' protocol: the event after each window of `seqlen`, shuffled, divided 70/20/10.

    events: the length of each piece. Returns, for each event of each piece, 0, 1 or 2 for train,
    valid or test, and -1 for the first `seqlen` events, which follow no whole window. Neighbouring
    windows overlap in all but one event, so what is measured on the held-out ones says nothing
    about music never heard.
    """
    total = sum(max(0, n - seqlen) for n in events)
    order = np.random.default_rng(seed).permutation(total) / max(total, 1)
    drawn = iter(np.searchsorted(np.cumsum([SHARES["train"], SHARES["valid"]]), order, "right"))
    sides = [np.full(n, -1, np.int32) for n in events]
    for row in sides:
        row[seqlen:] = [next(drawn) for _ in row[seqlen:]]
    return sides


def asking(whole: Sequence[Lesson], sides: Sequence[Ids], side: int) -> list[Lesson]:
    """The lessons of whole pieces, asking only for the events that `window_sides` put on a side.

    Each is asked once, after at least `seqlen` events, instead of in a window of its own: the same
    lessons in a fortieth of the time.
    """
    return [
        Lesson(lesson.inputs, np.where(row[1:, None] == side, lesson.targets, -1).astype(np.int32))
        for lesson, row in zip(whole, sides, strict=True)
    ]


def cut_windows(whole: Sequence[Lesson], seqlen: int, rng: np.random.Generator) -> tuple[Ids, Ids]:
    """All lessons cut into windows, from a place drawn anew for each lesson, in random order.

    Returns inputs [windows, seqlen, inputs] and targets [windows, seqlen, fields]. No window holds
    events of two pieces: what is missing at the ends of a piece is filled with uncounted targets.
    """
    cut: list[tuple[Ids, Ids]] = []
    for lesson in whole:
        first = int(rng.integers(seqlen)) if len(lesson.inputs) > seqlen else 0
        starts = (
            [0, *range(first, len(lesson.inputs), seqlen)]
            if first
            else range(0, len(lesson.inputs), seqlen)
        )
        stops = [*list(starts)[1:], len(lesson.inputs)]
        cut += [
            (lesson.inputs[a:b], lesson.targets[a:b]) for a, b in zip(starts, stops, strict=True)
        ]
    order = rng.permutation(len(cut))
    return padded([cut[i][0] for i in order], seqlen, 0), padded(
        [cut[i][1] for i in order], seqlen, -1
    )


def padded(rows: Sequence[Ids], length: int, value: int) -> Ids:
    """Rows [events, n] of different lengths as one array [rows, length, n], filled up at the end."""
    out = np.full((len(rows), length, rows[0].shape[1]), value, np.int32)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return out
