"""Two models on the same held-out pieces: how far apart they are, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from families import metrics
from families.registry import family_of
from storage.bundle import Bundle
from storage.vocabulary import Vocabulary

if TYPE_CHECKING:
    import keras

RESAMPLES = 2000
FEWEST = 3  # pieces, for an interval

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
