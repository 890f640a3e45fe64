"""Two baselines that learn nothing: the most frequent token, and a lookup table of what followed.

The second is that of families/events/baselines.py for corpora of many tokens: contexts are counted by
their hashes, instead of comparing all that was ever heard at each step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from families.metrics import Metrics

ORDERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # how many tokens a context has
ENOUGH = 50_000  # tokens that are predicted, at the beginnings of the held-out pieces
PRIME = np.uint64(0x9E3779B97F4A7C15)

Row = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def baselines(
    train: Sequence[Row], held_out: Sequence[Row], symbols: int, name: str
) -> dict[str, dict[str, Any]]:
    """Both baselines. Each row holds the tokens of a piece; all but its first are predicted.

    name: that of the field. Returns {'most frequent symbol': ..., 'longest-match lookup': ...}.
    """
    frequencies = _frequencies(train, symbols)
    per_piece = max(ENOUGH // max(len(held_out), 1), 1)
    asked = [row[: per_piece + 1] for row in held_out]
    targets = np.concatenate([row[1:] for row in asked])
    most = (
        float(-np.log(frequencies[targets]).mean()),
        float((targets == frequencies.argmax()).mean()),
    )
    return {
        "most frequent symbol": _figures(*most, len(targets), name),
        "longest-match lookup": _figures(*lookup(train, asked, frequencies), len(targets), name),
    }


def _figures(nll: float, accuracy: float, count: int, name: str) -> dict[str, Any]:
    return Metrics(nll, accuracy, {name: nll}, count).to_json()


def _frequencies(train: Sequence[Row], symbols: int) -> npt.NDArray[np.float64]:
    """How often each token comes, smoothed by one; '?' never comes."""
    counts = np.bincount(np.concatenate([*train, np.zeros(0, np.int64)]), minlength=symbols) + 1.0
    counts[0] = 1e-9
    return np.asarray(counts / counts.sum())


def lookup(
    train: Sequence[Row], asked: Sequence[Row], frequencies: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Nats and accuracy of a table that blends contexts from the shortest to the longest.

    What followed in the training pieces and earlier in the same piece is counted; each context is
    trusted by how seldom something new followed it (Witten and Bell 1991). The guess is what most often
    followed the longest context, in the piece itself if it came there.
    """
    tables = [_Table.of(train, order) for order in ORDERS]
    nats, right = 0.0, 0
    for row in asked:
        p = frequencies[row[1:]].copy()
        guess = np.full(len(p), int(frequencies.argmax()))
        for order, table in zip(ORDERS, tables, strict=True):
            table.blend(_Piece.of(row, order), p, guess)
        nats -= float(np.log(p).sum())
        right += int((guess == row[1:]).sum())
    count = max(sum(len(row) - 1 for row in asked), 1)
    return nats / count, right / count


def _contexts(row: Row, order: int) -> Hashes:
    """A hash of the `order` tokens before each token but the first ones [len(row) - order]."""
    count = max(len(row) - order, 0)
    found = np.zeros(count, np.uint64)
    for i in range(order):
        found = (found + row[i : i + count].astype(np.uint64) + np.uint64(1)) * PRIME
        found ^= found >> np.uint64(29)
    return found


def _pairs(contexts: Hashes, tokens: Row) -> Hashes:
    """A hash of each context with what follows it."""
    return (contexts ^ (tokens.astype(np.uint64) + np.uint64(1))) * PRIME


class _Piece:
    """The contexts of a held-out piece, and what was counted of each earlier in it."""

    def __init__(self, first: int, contexts: Hashes, tokens: Row) -> None:
        self.first, self.contexts, self.tokens = first, contexts, tokens
        self.pairs = _pairs(contexts, tokens)

    @classmethod
    def of(cls, row: Row, order: int) -> _Piece:
        return cls(order, _contexts(row, order), row[order:])

    def counted(self, known: npt.NDArray[np.bool_]) -> tuple[Row, Row, Row, Row]:
        """For each token how often its context came before, and was followed by it; how many tokens that
        are not `known` (from training) followed it; what followed it last, -1 if nothing did."""
        total, hits, new = (np.zeros(len(self.tokens), np.int64) for _ in range(3))
        last = np.full(len(self.tokens), -1, np.int64)
        seen: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, -1])
        followed: defaultdict[int, int] = defaultdict(int)
        rows = zip(self.contexts.tolist(), self.pairs.tolist(), self.tokens.tolist(), strict=True)
        for i, (context, pair, token) in enumerate(rows):
            about = seen[context]
            total[i], new[i], last[i] = about
            hits[i] = followed[pair]
            about[0] += 1
            about[1] += not (known[i] or followed[pair])
            about[2] = token
            followed[pair] += 1
        return total, hits, new, last


class _Table:
    """What followed each context of so many tokens in the training pieces."""

    def __init__(self, contexts: Hashes, tokens: Row) -> None:
        pairs, first, counts = np.unique(
            _pairs(contexts, tokens), return_index=True, return_counts=True
        )
        self.pairs, self.hits = pairs, counts
        self.contexts, inverse = np.unique(contexts[first], return_inverse=True)
        self.total = np.bincount(inverse, weights=counts, minlength=len(self.contexts)).astype(
            np.int64
        )
        self.followers = np.bincount(inverse, minlength=len(self.contexts))
        self.best = np.zeros(len(self.contexts), np.int64)
        order = np.argsort(counts, kind="stable")
        self.best[inverse[order]] = tokens[first][order]  # the last one written is the commonest

    @classmethod
    def of(cls, train: Sequence[Row], order: int) -> _Table:
        nothing = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        contexts = np.concatenate([_contexts(row, order) for row in train] or nothing[0])
        tokens = np.concatenate([row[order:] for row in train] or nothing[1])
        return cls(contexts, tokens)

    def blend(self, piece: _Piece, p: npt.NDArray[np.float64], guess: Row) -> None:
        """Improve the probabilities of what came [tokens] and the guesses by contexts that are known."""
        if not len(piece.tokens):
            return
        found, known = _found(self.contexts, piece.contexts)
        pair, hit = _found(self.pairs, piece.pairs)
        total, hits, new, last = piece.counted(hit)
        if len(self.contexts):
            total += np.where(known, self.total[found], 0)
            new += np.where(known, self.followers[found], 0)
            hits += np.where(hit, self.hits[pair], 0)
        there = np.flatnonzero(total > 0)
        place = there + piece.first - 1
        p[place] = (hits[there] + new[there] * p[place]) / (total[there] + new[there])
        best = self.best[found[there]] if len(self.contexts) else last[there]
        guess[place] = np.where(last[there] >= 0, last[there], best)


def _found(table: Hashes, wanted: Hashes) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Where each of the wanted stands in a sorted table, and whether it does."""
    place = np.minimum(np.searchsorted(table, wanted), max(len(table) - 1, 0))
    return place, (table[place] == wanted) if len(table) else np.zeros(len(wanted), bool)
