"""Pieces -> training, validation and test pieces."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from families.base import Split, Work

SHARES = {"train": 0.7, "valid": 0.2, "test": 0.1}
FEWEST = 3  # pieces that differ; with fewer, each is cut into a beginning, a middle and an end
LABELS = {
    "piece": "split by whole piece: validation pieces were never seen",
    "given": "split as the corpus itself is divided: validation pieces were never seen",
    "jsb": "split as the JSB chorales are: what matches one of their validation or test pieces was "
    "never seen",
    "shards": "split by whole piece, a sample of each side: validation pieces were never seen",
    "within": "too few pieces to hold whole ones out: later parts of the same pieces, LEAKS",
    "window": "split by window as in the articles: windows overlap, LEAKS",
}


def split(
    pieces: Sequence[Any], seed: int, kind: str, known: Sequence[dict[str, Any]] = ()
) -> Split:
    """Divide pieces 70/20/10. Copies of the same piece, in whatever key, stay on the same side.

    `known` is the table of an earlier split, which is kept; pieces new since then are for training.
    """
    groups = sorted({p.fingerprint for p in pieces})
    if kind == "window":
        return Split("window", tuple(pieces), tuple(pieces), tuple(pieces))
    if len(groups) < FEWEST:
        beginnings, middles, ends = zip(*(_cut(p) for p in pieces), strict=True)
        return Split("within", beginnings, middles, ends)
    order = [groups[i] for i in np.random.default_rng(seed).permutation(len(groups))]
    test = max(1, round(SHARES["test"] * len(order)))
    valid = max(1, round(SHARES["valid"] * len(order)))
    sides = dict.fromkeys(order, "train")
    sides.update(dict.fromkeys(order[:valid], "valid"))
    sides.update(dict.fromkeys(order[valid : valid + test], "test"))
    if known:
        sides = {p["fingerprint"]: p["side"] for p in known}
    return divided(pieces, [sides.get(p.fingerprint, "train") for p in pieces], "piece")


def divided(pieces: Sequence[Any], sides: Sequence[str], kind: str) -> Split:
    """A split whose sides are given, one for each piece."""
    by_side = {
        side: tuple(p for p, s in zip(pieces, sides, strict=True) if s == side) for side in SHARES
    }
    return Split(kind, by_side["train"], by_side["valid"], by_side["test"])


def _cut(piece: Work) -> tuple[Work, Work, Work]:
    a, b = (round(len(piece) * share) for share in (0.7, 0.9))
    return (
        piece.part(0, a, f"{piece.name} (beginning)"),
        piece.part(a, b, f"{piece.name} (middle)"),
        piece.part(b, len(piece), f"{piece.name} (end)"),
    )
