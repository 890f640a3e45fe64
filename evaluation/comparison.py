"""Two models on the same held-out pieces: how far apart they are, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from config_bach import counted
from families import metrics
from families.registry import family_of
from storage.bundle import Bundle
from storage.vocabulary import Vocabulary

if TYPE_CHECKING:
    import keras

RESAMPLES = 2000
FEWEST = 3  # pieces, for an interval
HARM = 0.05  # nats that the old music may lose before it is said
WHOSE = {"new": "your held-out pieces", "old": "the old held-out pieces"}

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PieceScores:
    """The nats of each piece, and in how many guesses [pieces]."""

    nats: Numbers
    guesses: Numbers

    @property
    def nll(self) -> float:
        """Nats per guess over all pieces."""
        return float(self.nats.sum() / self.guesses.sum())


Scores = Mapping[str, PieceScores]  # by the keys of WHOSE


def piece_scores(bundle: Bundle, network: keras.Model, pieces: Sequence[Any]) -> PieceScores:
    """Each piece (that is long enough) through the Keras network of a bundle."""
    family, fields = family_of(bundle.network.model_type), bundle.vocabulary.fields
    sequences = family.sequences(pieces, bundle)
    found: dict[int, tuple[float, int]] = {}
    symbols = max(len(f.symbols) for f in fields)
    for sequence, probabilities in metrics.forward(family, network, sequences, symbols):
        nats, right = family.score(probabilities, sequence, fields)
        found[id(sequence)] = float(nats.sum()), right.size
    rows = np.array([found[id(s)] for s in sequences], np.float64).reshape(-1, 2)
    return PieceScores(rows[:, 0], rows[:, 1])


def charged_in_full(bundle: Bundle, vocabulary: Vocabulary) -> Bundle:
    """A bundle whose '?' costs as much as if it had to spell every symbol that `vocabulary` knows of.

    Two models can be compared only if they divide their probabilities among the same symbols. Here
    these are all that were met in the training pieces of both: those of `vocabulary`, and the rare ones
    behind its '?'. What a model has no symbol of its own for, it says as '?' and then as one of those
    that are left, all equally likely.
    """
    fields = tuple(
        replace(own, rare=max(1, len(all_.symbols) + all_.rare - len(own.symbols)))
        for own, all_ in zip(bundle.vocabulary.fields, vocabulary.fields, strict=True)
    )
    return replace(bundle, vocabulary=replace(bundle.vocabulary, fields=fields))


def change(before: PieceScores, after: PieceScores, seed: int = 1) -> dict[str, Any]:
    """By how many nats `after` differs from `before` on the same pieces, and the 95 % interval.

    The interval is a paired bootstrap over whole pieces (Efron and Tibshirani 1993); None for fewer than
    FEWEST of them.
    """
    difference, guesses = after.nats - before.nats, before.guesses
    found: dict[str, Any] = {"change": round(float(difference.sum() / guesses.sum()), 5)}
    if len(guesses) < FEWEST:
        return {**found, "interval": None}
    drawn = np.random.default_rng(seed).integers(len(guesses), size=(RESAMPLES, len(guesses)))
    means = difference[drawn].sum(1) / guesses[drawn].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return {**found, "interval": [round(float(low), 5), round(float(high), 5)]}


# ---- the table that fine-tuning ends with


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
