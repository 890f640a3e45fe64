"""A model family in one file: it predicts the highest note of each event, all of one length.

Nothing else in Play Bach knows of it; see test_toy_family.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np

from config_bach import Composing, Encoding, Network, Paths, Training, UserError
from families import metrics
from families.base import (
    Composition,
    CompositionRequest,
    Corpus,
    CorpusRow,
    Dataset,
    LoadedModel,
    ModelFamily,
    Prediction,
    Split,
)
from families.corpus import read_entries
from families.sampling import StepSampler
from families.steps import (
    Array,
    Predictor,
    Probabilities,
    Rows,
    State,
    StepRunner,
    StepSequence,
    probabilities_of,
)
from music.events import Event, Piece, events_from_notes, pitch_name, pitch_number
from storage.bundle import Bundle
from storage.vocabulary import UNKNOWN, Field, Vocabulary

LENGTH = Fraction(1, 2)  # quarter lengths


def tops(piece: Piece) -> list[str]:
    """The highest note of each event that sounds."""
    return [pitch_name(e.pitches[-1]) for e in piece.events if e.pitches]


class TopPredictor(Predictor):
    """One signature, 'step': last int32 [1] and the state -> next [1, symbols]."""

    advance_signature = "step"
    order = (0,)

    def advance(self, rows: Rows, state: State) -> tuple[Probabilities, State]:
        found = self.runner.run("step", {"last": rows[:, 0], **state})
        after = {name: found.pop(name) for name in state}
        ((name, values),) = found.items()
        return probabilities_of(name, values), after

    def head(self, head: int, context: Any, rows: Rows, chosen: Rows) -> Probabilities:
        return np.asarray(context, np.float32)


class LastNote:
    """The only feature: the token before."""

    def __init__(self) -> None:
        self._last = 0

    def feed(self, tokens: Sequence[int]) -> None:
        self._last = tokens[0]

    def row(self) -> list[int]:
        return [self._last]

    def copy(self) -> LastNote:
        twin = LastNote()
        twin._last = self._last
        return twin


class TopSampler(StepSampler[LastNote]):
    """Draws notes."""

    symbols: tuple[str, ...] = ()

    def event(self, tokens: Sequence[int], row: Sequence[int]) -> Event:
        return Event((pitch_number(self.symbols[tokens[0]]),), LENGTH)


class TopComposer:
    """Notes without end."""

    def __init__(self, model: LoadedModel, settings: Composing) -> None:
        self.sampler = TopSampler(
            model.predictor, settings, np.random.default_rng(settings.seed), [LastNote()]
        )
        self.sampler.symbols = model.vocabulary.fields[0].symbols

    @property
    def settings(self) -> Composing:
        return self.sampler.settings

    @settings.setter
    def settings(self, settings: Composing) -> None:
        self.sampler.settings = settings

    def __iter__(self) -> Iterator[Prediction]:
        return self

    def __next__(self) -> Prediction:
        token = int(self.sampler.step()[0, 0])
        event = self.sampler.event([token], [])
        return Prediction(event, self.sampler.probabilities[0], token)


class TopNotes(ModelFamily):
    """Type 9."""

    number = 9
    summary = "the highest notes, all of one length"
    unit = "event"
    network = Network(model_type=9, units=8, seqlen=8, embedding=4, layers=1, dropout=0.0)
    training = Training(epochs=3, min_steps=20, batch=8, learning_rate=0.02)
    flags = frozenset({"notes"})

    def read(self, source: str, paths: Paths, encoding: Encoding, show: bool = True) -> Corpus:
        entries = read_entries(source, paths, show)
        pieces = tuple(
            Piece(s.name, events_from_notes(s.notes, encoding.max_duration), s.bpm)
            for e in entries
            for s in e.scores
        )
        if not pieces:
            raise UserError(f"nothing in {source} can be learned from; add other scores.")
        return Corpus(source, pieces, tuple(CorpusRow(p.name, len(p)) for p in pieces))

    def vocabulary(self, train: Sequence[Piece], encoding: Encoding) -> Vocabulary:
        notes = sorted({note for piece in train for note in tops(piece)})
        return Vocabulary(encoding, (Field("top", (UNKNOWN, *notes)),))

    def sequences(self, pieces: Sequence[Piece], bundle: Bundle) -> list[StepSequence]:
        ids = bundle.vocabulary.fields[0].ids
        made = []
        for piece in pieces:
            row = np.array([[0], *([ids.get(note, 0)] for note in tops(piece))], np.int32)
            made.append(StepSequence(piece.name, row[:-1], row[1:]))
        return made

    def dataset(self, split: Split, bundle: Bundle) -> Dataset:
        train, valid, test = (
            self.sequences(side, bundle) for side in (split.train, split.valid, split.test)
        )
        uniform = {"nll": float(np.log(len(bundle.vocabulary.fields[0].symbols))), "accuracy": 0.0}
        return Dataset(train, valid, test, {"nothing known": uniform, "nor here": uniform})

    def build(self, bundle: Bundle) -> Any:
        import keras
        from keras import layers

        size, network = len(bundle.vocabulary.fields[0].symbols), bundle.network
        last = keras.Input((None,), dtype="int32")
        x = layers.Embedding(size, network.embedding)(last)
        x = layers.LSTM(network.units, return_sequences=True)(x)
        return keras.Model(last, layers.Dense(size, activation="softmax")(x))

    def compile(self, model: Any, training: Training) -> None:
        from families.losses import Accuracy, masked_nll, optimizer_of

        model.compile(optimizer_of(training), loss=masked_nll(False), metrics=[Accuracy()])

    def batches(self, dataset: Dataset, bundle: Bundle, epoch: int) -> Any:
        import keras

        class Whole(keras.utils.PyDataset):
            def __len__(self) -> int:
                return bundle.training.min_steps

            def __getitem__(self, i: int) -> tuple[Any, Any]:
                sequence = dataset.train[i % len(dataset.train)]
                return sequence.rows[None, :, 0], sequence.targets[None, :, 0]

        return Whole()

    def inputs(self, rows: Rows, targets: Rows) -> tuple[Array, ...]:
        return (rows[..., 0],)

    def signatures(self, model: Any, logits: bool) -> dict[str, Any]:
        import tensorflow as tf

        embedding, lstm, dense = model.layers[1:]

        def step(last: Any, memory_0: Any, memory_1: Any) -> dict[str, Any]:
            x = tf.gather(embedding.embeddings.value, last)
            y, (h, c) = lstm.cell(x, [memory_0, memory_1])
            scores = tf.matmul(y, dense.kernel.value) + dense.bias.value
            out = {"logits": scores} if logits else {"p": tf.nn.softmax(scores)}
            return {**out, "memory_0": h, "memory_1": c}

        state = tf.TensorSpec((1, lstm.units), tf.float32)
        specs = {
            "last": tf.TensorSpec((1,), tf.int32, "last"),
            "memory_0": tf.TensorSpec(state.shape, state.dtype, "memory_0"),
            "memory_1": tf.TensorSpec(state.shape, state.dtype, "memory_1"),
        }
        return {"step": tf.function(step).get_concrete_function(**specs)}

    def predictor(self, runner: StepRunner) -> TopPredictor:
        return TopPredictor(runner)

    def measure(self, model: LoadedModel, pieces: Sequence[Piece]) -> dict[str, dict[str, Any]]:
        sequences = self.sequences(pieces, model.bundle)
        scored = metrics.stepwise(model.predictor, sequences)
        return {"model": metrics.measure(self, scored, model.vocabulary.fields).to_json()}

    def compose(self, model: LoadedModel, request: CompositionRequest, paths: Paths) -> Composition:
        notes = islice(TopComposer(model, request.settings), request.settings.notes)
        events = [prediction.event for prediction in notes]
        title = f"{model.bundle.name}, seed {request.settings.seed}"
        bpm = request.settings.bpm or model.metadata["bpm"] or 90.0
        copy = model.longest_copy(events)
        return Composition(title, f"{len(events)} notes", events, bpm, 1, copy)

    def stream(self, model: LoadedModel, settings: Composing) -> TopComposer:
        return TopComposer(model, model.limited(settings))
