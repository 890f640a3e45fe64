"""How far each variant is from the Keras network it was made from, on music that was held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from bundle import Bundle, pieces_of
from chorale import judge
from chorale.choir import Choir
from chorale.ear import KEY, rows_of
from chorale.forms import form_of, unpacked
from chorale.grid import ORDER, VOICES, Chorale, sounding
from chorale.key import in_key
from chorale.training import measure as measure_voices
from config_bach import CHORALE, Composing, UserError
from dataset import lessons
from evaluate import Figures, measure, rows_figures
from lite.benchmark import some
from lite.export import network_of
from model import memory_shapes, step
from predict import Sampler, prime_of

WINDOWS = 1000  # held-out windows on which probabilities are compared
NOTES = 500  # composed with the same seed

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """A variant against Keras. A window is all that came before an event of a held-out piece."""

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
    """The bundle with what these of its variants are worth among its facts; and the rows."""
    rows = list(parity(bundle, variants))
    told = dict(bundle.facts["variants"])
    for row in rows:
        told[row.variant] = {**told[row.variant], **row.to_json()}
    return bundle.with_facts(variants=told), rows


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
    pair: Pair = Voices(bundle) if bundle.network.model_type == CHORALE else Events(bundle)
    exact, truth, notes = pair.keras(), pair.keras_figures(), pair.keras_notes()
    for variant in variants:
        tried = replace(bundle, variant=variant)
        found, figures = pair.lite(tried), pair.lite_figures(tried)
        yield Row(
            variant,
            len(found[0]),
            max(float(np.abs(a - b).max()) for a, b in zip(exact, found, strict=True)),
            figures.nll,
            figures.nll - truth.nll,
            figures.accuracy,
            pair.lite_notes(tried) == notes,
        )


class Pair(Protocol):
    """A Keras network and its variants, asked the same things."""

    def keras(self) -> list[Probabilities]:
        """Probabilities after each window [windows, symbols], a list of them if there are several."""

    def lite(self, bundle: Bundle) -> list[Probabilities]:
        """The same by LiteRT."""

    def keras_figures(self) -> Figures:
        """Nats and accuracy on held-out pieces."""

    def lite_figures(self, bundle: Bundle) -> Figures:
        """The same by LiteRT."""

    def keras_notes(self) -> list[Any]:
        """NOTES composed notes."""

    def lite_notes(self, bundle: Bundle) -> list[Any]:
        """The same by LiteRT."""


class Events:
    """Model types 1 to 3."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle, self._model = bundle, network_of(bundle)
        self._lessons = some(lessons(pieces_of(bundle.held_out), bundle.vocabulary, bundle.network))

    def keras(self) -> list[Probabilities]:
        """See Pair."""
        found: list[list[Probabilities]] = []
        for inputs in self._windows():
            heads = self._model.predict_on_batch(
                [inputs[None, :, i] for i in range(inputs.shape[1])]
            )
            found.append([h[0] for h in (heads if isinstance(heads, list) else [heads])])
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def lite(self, bundle: Bundle) -> list[Probabilities]:
        """See Pair."""
        found = []
        for inputs in self._windows():
            memory = bundle.engine.silence()
            for heard in inputs.tolist():
                coming, memory = bundle.engine.step(heard, memory)
                found.append(coming)
        return [np.stack(parts) for parts in zip(*found, strict=True)]

    def _windows(self) -> Iterator[npt.NDArray[np.int32]]:
        left = WINDOWS
        for lesson in self._lessons:
            if left > 0:
                yield lesson.inputs[:left]
                left -= len(lesson.inputs)

    def keras_figures(self) -> Figures:
        """See Pair."""
        return measure(self._model, self._lessons, self._bundle.vocabulary)

    def lite_figures(self, bundle: Bundle) -> Figures:
        """See Pair."""
        return rows_figures(bundle.engine, self._lessons, bundle.vocabulary)

    def keras_notes(self) -> list[Any]:
        """See Pair."""
        return self._compose(KerasStep(self._model))

    def lite_notes(self, bundle: Bundle) -> list[Any]:
        """See Pair."""
        return self._compose(bundle.engine)

    def _compose(self, engine: Any) -> list[Any]:
        sampler = Sampler(engine, Composing(seed=1), np.random.default_rng(1))
        prime = prime_of(self._bundle, 1)[1][-self._bundle.network.seqlen :]
        for row in self._bundle.vocabulary.encode(prime).tolist():
            sampler.hear(row)
        return list(islice(sampler, NOTES))


class KerasStep:
    """A Keras network of types 1 to 3 as an engine: see predict.Engine."""

    def __init__(self, model: keras.Model) -> None:
        self._shapes = memory_shapes(model)
        self.inputs, self.outputs = len(model.inputs), len(model.outputs)
        self._run = tf.function(lambda heard, memory: step(model, heard, memory))

    def silence(self) -> dict[str, npt.NDArray[np.float32]]:
        """The memory before anything was heard."""
        return {str(i): np.zeros(shape, np.float32) for i, shape in enumerate(self._shapes)}

    def step(
        self, heard: Sequence[int], memory: dict[str, npt.NDArray[np.float32]]
    ) -> tuple[list[Probabilities], dict[str, npt.NDArray[np.float32]]]:
        """Hear one event."""
        ids = [tf.constant([token], tf.int32) for token in heard]
        coming, after = self._run(ids, [tf.constant(m) for m in memory.values()])
        return [p.numpy()[0] for p in coming], {str(i): m.numpy() for i, m in enumerate(after)}


class Voices:
    """Model type 5. A window is all that came before a step."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle, self._model = bundle, network_of(bundle)
        self._pieces = some(unpacked(bundle.held_out))

    def keras(self) -> list[Probabilities]:
        """See Pair."""
        found = []
        for piece in self._windows():
            rows, symbols = rows_of(piece)[None], piece.symbols[None].astype(np.int32)
            p = ops.convert_to_numpy(ops.softmax(self._model((rows, symbols))))
            found.append(in_key(p, rows[..., None, KEY])[0])
        return [np.concatenate(found)]

    def lite(self, bundle: Bundle) -> list[Probabilities]:
        """See Pair."""
        return [np.concatenate([self._sung(bundle, piece) for piece in self._windows()])]

    def _windows(self) -> Iterator[Chorale]:
        left = WINDOWS
        for piece in self._pieces:
            if left > 0:
                yield piece.part(0, min(left, len(piece)), piece.name)
                left -= len(piece)

    def _sung(self, bundle: Bundle, piece: Chorale) -> Probabilities:
        rows, sounds = rows_of(piece), sounding(piece.symbols).astype(np.int32)
        memory, found = bundle.choir.silence(1), []
        for now in range(len(piece)):
            row = rows[now : now + 1].astype(np.int32)
            context, memory = bundle.choir.hear(row, memory)
            p = {v: bundle.choir.voice(v, context, row, sounds[now : now + 1]) for v in ORDER}
            found.append(np.concatenate([p[v] for v in range(len(VOICES))]))
        return np.stack(found)

    def keras_figures(self) -> Figures:
        """See Pair."""
        return measure_voices(self._model, self._pieces)

    def lite_figures(self, bundle: Bundle) -> Figures:
        """See Pair."""
        return judge.figures(bundle, self._pieces, keys=1)[0]

    def keras_notes(self) -> list[Any]:
        """See Pair."""
        return self._compose(KerasChoir(self._model))

    def lite_notes(self, bundle: Bundle) -> list[Any]:
        """See Pair."""
        return self._compose(bundle.choir)

    def _compose(self, engine: Any) -> list[Any]:
        choir = Choir(engine, Composing(seed=1), np.random.default_rng(1))
        plan = form_of(self._bundle, 1).plan
        steps = (plan[i % len(plan)] for i in range(NOTES // len(VOICES)))
        return [choir.step(now)[0].tolist() for now in steps]


class KerasChoir:
    """A Keras network of type 5 as what a choir asks: see chorale.engine.ChoraleEngine."""

    def __init__(self, model: Any) -> None:
        self._units = [lstm.units for lstm in model.lstms for _ in range(2)]
        self._hear = tf.function(model.hear)
        self._heads = {voice: self._head(model.heads[i]) for i, voice in enumerate(ORDER)}

    def _head(self, head: Any) -> Callable[..., Any]:
        return tf.function(lambda *inputs: ops.softmax(head(list(inputs))))

    def silence(self, pieces: int) -> list[npt.NDArray[np.float32]]:
        """The memory before anything was heard."""
        return [np.zeros((pieces, n), np.float32) for n in self._units]

    def hear(self, rows: npt.NDArray[np.int32], memory: Sequence[Any]) -> tuple[Any, list[Any]]:
        """The context of the next step, and the memory."""
        context, after = self._hear(tf.constant(rows), [tf.constant(m) for m in memory])
        return context.numpy(), [m.numpy() for m in after]

    def voice(self, voice: int, context: Any, rows: Any, sounds: Any) -> Probabilities:
        """The probabilities of one voice."""
        before = [tf.constant(sounds[:, v]) for v in ORDER[: ORDER.index(voice)]]
        p: Probabilities = self._heads[voice](context, tf.constant(rows), *before).numpy()
        return in_key(p, rows[:, KEY])
