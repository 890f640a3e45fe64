"""Pieces -> training, validation and test pieces."""

from collections import Counter
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

    `known` is the table of an earlier split: its pieces keep their sides, and the others fill up what
    is missing to these shares.
    """
    groups = sorted({p.fingerprint for p in pieces})
    if kind == "window":
        return Split("window", tuple(pieces), tuple(pieces), tuple(pieces))
    if len(groups) < FEWEST:
        beginnings, middles, ends = zip(*(_cut(p) for p in pieces), strict=True)
        return Split("within", beginnings, middles, ends)
    sides = known_sides(pieces, known)
    new = [g for g in groups if g not in sides]
    order = [new[i] for i in np.random.default_rng(seed).permutation(len(new))]
    there, wanted = Counter(sides.values()), {}
    for side in ("valid", "test"):
        wanted[side] = max(0, max(1, round(SHARES[side] * len(groups))) - there[side])
    valid, test = wanted["valid"], wanted["test"]
    sides |= dict.fromkeys(order, "train")
    sides |= dict.fromkeys(order[:valid], "valid")
    sides |= dict.fromkeys(order[valid : valid + test], "test")
    return divided(pieces, [sides[p.fingerprint] for p in pieces], "piece")


def known_sides(pieces: Sequence[Any], known: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The sides of the pieces that an earlier split has, by fingerprint.

    A file that is called as it was then, but read otherwise or edited since, stays where it was. A piece
    that was cut (see FEWEST) counts as learned from.
    """
    sides = {p["fingerprint"]: str(p["side"]) for p in known}
    named = {p["name"]: str(p["side"]) for p in known if "name" in p}
    found = {}
    for piece in pieces if sides else ():
        beginning = _cut(piece)[0]
        cut = named.get(beginning.name) and sides.get(beginning.fingerprint)
        if side := sides.get(piece.fingerprint) or cut or named.get(piece.name):
            found[piece.fingerprint] = side
    return found


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
