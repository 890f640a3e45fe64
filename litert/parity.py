"""How far each variant is from the Keras network it was made from, on music that was held out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np

from config_bach import Composing, UserError
from families import metrics
from families.base import LoadedModel
from families.registry import family_of
from families.steps import StepSequence
from litert.benchmark import held_out_sequences
from litert.keras_runner import network_of, on_keras
from litert.loading import loaded
from music.events import Event
from storage.bundle import Bundle

WINDOWS = 1000  # held-out windows on which probabilities are compared
NOTES = 500  # composed with the same seed


@dataclass(frozen=True)
class Row:
    """A variant against Keras. A window is all that came before a step of a held-out piece."""

    variant: str
    windows: int
    max_difference: float  # of a probability
    nll: float  # nats per event, or per note of four voices
    nll_change: float
    accuracy: float
    same_notes: bool  # whether the same seed composes the same NOTES notes

    def to_json(self) -> dict[str, Any]:
        """The row as JSON types, rounded to what it can tell."""
        return {
            "max_difference": float(f"{self.max_difference:.2g}"),
            "windows": self.windows,
            "nll": round(self.nll, 5),
            "nll_change": round(self.nll_change, 5),
            "accuracy": round(self.accuracy, 5),
            "same_notes": self.same_notes,
        }


def with_parity(bundle: Bundle, variants: Sequence[str]) -> tuple[Bundle, list[Row]]:
    """The bundle with what these of its variants are worth in its metadata; and the rows."""
    rows = list(parity(bundle, variants))
    told = dict(bundle.metadata["variants"])
    for row in rows:
        told[row.variant] = {**told[row.variant], **row.to_json()}
    return bundle.with_metadata(variants=told), rows


def table(rows: Sequence[Row]) -> list[str]:
    """The rows for people to read."""
    head = f"{'variant':<9} {'max difference':>14} {'nats':>8} {'change':>8} {'accuracy':>9}"
    lines = [
        f"{r.variant:<9} {r.max_difference:>14.1e} {r.nll:>8.4f} {r.nll_change:>+8.4f} "
        f"{r.accuracy:>9.1%}  {'the same' if r.same_notes else 'others'}"
        for r in rows
    ]
    note = f"against Keras on {rows[0].windows} held-out windows" if rows else "nothing to compare"
    return [f"{head}  {NOTES} notes", *lines, note]


def parity(bundle: Bundle, variants: Sequence[str]) -> Iterator[Row]:
    """Each variant of a bundle against the Keras network.

    Raises UserError if the bundle carries no held-out pieces.
    """
    if not bundle.held_out:
        raise UserError(f"{bundle.name} carries no held-out pieces to be tried on; train it anew.")
    family, model = family_of(bundle.network.model_type), network_of(bundle)
    fields = bundle.vocabulary.fields
    symbols = max(len(f.symbols) for f in fields)
    sequences = held_out_sequences(bundle)
    some = first_windows(sequences)
    exact = {id(s): p for s, p in metrics.forward(family, model, some, symbols)}
    truth = metrics.measure(family, metrics.forward(family, model, sequences, symbols), fields)
    notes = composed(on_keras(bundle, model))
    for variant in variants:
        tried = loaded(bundle, variant)
        figures = metrics.measure(family, metrics.stepwise(tried.predictor, sequences), fields)
        yield Row(
            variant,
            sum(map(len, some)),
            max(
                float(np.abs(x - y).max())
                for s, found in metrics.stepwise(tried.predictor, some)
                for x, y in zip(exact[id(s)], found, strict=True)
            ),
            figures.nll,
            figures.nll - truth.nll,
            figures.accuracy,
            composed(tried) == notes,
        )


def first_windows(sequences: Sequence[StepSequence]) -> list[StepSequence]:
    """The first WINDOWS steps of held-out pieces."""
    before = accumulate(map(len, sequences), initial=0)
    numbered = zip(sequences, before, strict=False)
    return [s.part(WINDOWS - steps) for s, steps in numbered if steps < WINDOWS]


def composed(model: LoadedModel) -> list[Event]:
    """The first events that a model composes with seed 1, NOTES notes and chords or a little less.

    Copies are not limited: watching for them takes longer than composing.
    """
    free = replace(model, bundle=replace(model.bundle, music=b""))
    events: list[Event] = []
    struck = 0
    for prediction in model.family.stream(free, Composing(seed=1)):
        struck += sum(prediction.event.struck) or 1
        if struck > NOTES:
            break
        events.append(prediction.event)
    return events
