"""The table that fine-tuning ends with: four figures, and what training from scratch would give."""

from collections.abc import Mapping
from typing import Any

from config_bach import counted
from evaluation.comparison import PieceScores, change

HARM = 0.05  # nats that the old music may lose before it is said

Scores = Mapping[str, PieceScores]
WHOSE = {"new": "your held-out pieces", "old": "the old held-out pieces"}


def table(unit: str, before: Scores, after: Scores) -> dict[str, Any]:
    """Figures before and after on the new and the old held-out pieces, for the bundle."""
    rows = {
        side: {
            "pieces": len(before[side].nats),
            "before": round(before[side].nll, 5),
            "after": round(after[side].nll, 5),
            **change(before[side], after[side]),
        }
        for side in WHOSE
        if side in before
    }
    return {"unit": unit, **rows}


def lines(found: Mapping[str, Any], name: str, base: str) -> list[str]:
    """The table and what it means, for people."""
    head = f"nats per {found['unit']}, lower is better"
    out = [f"{head:<36}{'before':>8}{'after':>8}   change (95 % of 2000 resamplings of the pieces)"]
    for side, whose in WHOSE.items():
        if row := found.get(side):
            label = f"  {whose} ({row['pieces']})"
            figures = f"{row['before']:8.3f}{row['after']:8.3f}"
            out.append(f"{label:<36}{figures}   {row['change']:+.3f} {_interval(row)}".rstrip())
    if scratch := found.get("scratch"):
        out.append(f"{'  from scratch, on your pieces':<36}{'':8}{scratch['nll']:8.3f}")
    return [*out, *_verdict(found, name, base)]


def _interval(row: Mapping[str, Any]) -> str:
    if row["interval"] is None:
        return "(too few pieces for an interval)"
    return "[{:+.3f}, {:+.3f}]".format(*row["interval"])


def _sign(row: Mapping[str, Any]) -> int:
    """-1 where a change is surely for the better, 1 where it is for the worse, else 0."""
    low, high = row["interval"] or (row["change"], row["change"])
    return -1 if high < 0 else 1 if low > 0 else 0


def _verdict(found: Mapping[str, Any], name: str, base: str) -> list[str]:
    """What the figures say, in sentences."""
    new, old, scratch = found["new"], found.get("old"), found.get("scratch")
    told = {
        -1: f"{name} knows your music better than {base} does",
        0: f"{name} does not surely know your music better than {base} does: more pieces would tell",
        1: f"{name} knows your music no better than {base} does",
    }[_sign(new)]
    out = [told]
    if old and old["change"] > HARM:
        out.append(
            f"it has forgotten some of the old style: {old['change']:.3f} nats (--mix keeps more)"
        )
    if scratch:
        by = f"{abs(scratch['change']):.3f} nats"
        out.append(
            {
                -1: f"better than from scratch by {by}",
                0: "no sure difference from training from scratch for as long",
                1: f"FROM SCRATCH IS BETTER by {by}: train with -l 0 -f, if the old style is not wanted",
            }[_sign(scratch)]
        )
    if new["interval"] is None:
        pieces = counted(new["pieces"], "held-out piece")
        out.append(f"with {pieces} all this may be chance")
    return out
