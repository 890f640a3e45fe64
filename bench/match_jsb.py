"""Which of music21's chorales are which of the JSB chorales?

    python bench/match_jsb.py JSB.json [MORE.json ...]

Reads JSON files in the public JSB form and writes families/satb/jsb_sides.json: a side for each
four-part Bach score of music21. What matches a validation piece is 'valid', what matches only training
pieces is 'train', and everything else is 'test', whether it matches a test piece or none: so a model
that learns from 'train' has learned from no validation or test piece, even if the test pieces are not at
hand. Pieces match if they share most of their chord changes from beat to beat, in whatever key.
"""

import json
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


from config_bach import Paths
from families.satb import dataset
from families.satb.encoding import Chorale, pitches

ALIKE = 0.4  # of the chord changes of the shorter piece
TABLE = Path(__file__).resolve().parent.parent / "families" / "satb" / "jsb_sides.json"

Changes = set[tuple[tuple[int, ...], tuple[int, ...]]]


def changes(piece: Chorale) -> Changes:
    """The pairs of chords on neighbouring quarters, as intervals from the first one's bass."""
    beats = pitches(piece.symbols)[::4].tolist()
    found = set()
    for a, b in pairwise(beats):
        base = a[3]
        if a != b:
            found.add((tuple(p - base for p in a), tuple(p - base for p in b)))
    return found


def alike(a: Changes, b: Changes) -> float:
    """The share of the chord changes of the shorter piece that the other one has."""
    return len(a & b) / max(min(len(a), len(b)), 1)


def main() -> None:
    """Match and write the table."""
    paths = Paths()
    known = [dataset.read(path, paths) for path in sys.argv[1:]]
    jsb = [(s, changes(p)) for k in known for p, s in zip(k.pieces, k.sides, strict=True)]
    sides, best = {}, []
    for piece in dataset.read("music21:bach", paths).pieces:
        own = changes(piece)
        close = {
            side: max(alike(own, c) for s, c in jsb if s == side) for side in {s for s, _ in jsb}
        }
        best.append(max(close.values()))
        matched = [side for side in ("test", "valid", "train") if close.get(side, 0) >= ALIKE]
        sides[piece.name] = matched[0] if matched else "test"
    TABLE.write_text(json.dumps(sides, indent=0, sort_keys=True) + "\n")
    print(Counter(sides.values()), "of", len(sides))
    print(
        "likeness of the best match, in tenths:", sorted(Counter(int(10 * b) for b in best).items())
    )


if __name__ == "__main__":
    main()
