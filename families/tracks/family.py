"""Music for any instruments as a model family: type 6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from config_bach import (
    Composing,
    Encoding,
    FineTuning,
    Network,
    Paths,
    Reading,
    Training,
    UserError,
    counted,
)
from families import metrics
from families.base import (
    PRIMES,
    Composition,
    CompositionRequest,
    Corpus,
    Dataset,
    LoadedModel,
    ModelFamily,
    Split,
    composed,
)
from families.events.predictor import EventPredictor
from families.steps import Array, Rows, StepRunner, StepSequence
from families.tracks import corpus
from families.tracks.dataset import TokenPiece, packed, sequences, unpacked
from families.tracks.events import events_of
from families.tracks.instrumentation import instrumentations
from families.tracks.live import TrackLive
from families.tracks.lookup import baselines
from families.tracks.sampler import TrackComposer
from families.tracks.tokens import GRID, SYMBOLS, Kind, token, tracks_vocabulary
from music.events import to_json
from music.scores import Score
from storage.bundle import Bundle
from storage.vocabulary import Vocabulary

if TYPE_CHECKING:
    import keras

PRIME_TOKENS = 512  # that a piece begins with, at the most
FIELD = "token"


class Tracks(ModelFamily):
    """Type 6: a step is a token, of which three or four make a note."""

    number = 6
    summary = "any instruments and percussion, as tokens: embeddings, stacked LSTM, softmax"
    unit = "token"
    network = Network(
        model_type=6, seqlen=128, units=256, layers=2, embedding=48, dropout=0.3, input_dropout=0.1
    )
    training = Training(epochs=20, batch=16, learning_rate=0.003, patience=3, min_steps=40)
    finetuning = FineTuning(
        epochs=6
    )  # of 3,500 tokens a piece, twenty take three minutes of two cores
    transpose = 3
    flags = frozenset({"prime", "with_prime", "without_prime", "notes", "scale"})
    keeps = corpus.KEEPS
    grid = (GRID,)
    default_variant = "dynamic"

    # -- corpus

    def read(self, source: str, paths: Paths, encoding: Encoding, show: bool = True) -> Corpus:
        return corpus.read(source, paths, encoding.reading, show)

    def vocabulary(self, train: Sequence[TokenPiece], encoding: Encoding) -> Vocabulary:
        return tracks_vocabulary(encoding)

    def metadata(self, corpus: Corpus, split: Split, bundle: Bundle) -> dict[str, Any]:
        """Beginnings of held-out pieces, the usual tempo, and what plays together."""
        rows = [
            {"name": p.name, "events": to_json(events_of(p.tokens[:PRIME_TOKENS].tolist(), p.bpm))}
            for p in [*split.test, *split.valid][:PRIMES]
        ]
        usual = super().metadata(corpus, Split(split.kind, (), (), ()), bundle)
        played = instrumentations(p.tokens.tolist() for p in split.train)
        return {**usual, "primes": rows, "instrumentations": played}

    def pack(self, pieces: Sequence[TokenPiece]) -> bytes:
        return packed(pieces)

    def unpack(self, data: bytes) -> list[TokenPiece]:
        return unpacked(data)

    # -- network

    def sequences(self, pieces: Sequence[TokenPiece], bundle: Bundle) -> list[StepSequence]:
        return sequences(pieces)

    def dataset(self, split: Split, bundle: Bundle) -> Dataset:
        """Training pieces in their own key: the batches transpose them."""
        train, valid, test = (sequences(side) for side in (split.train, split.valid, split.test))
        return Dataset(train, valid, test, _baselines(split.train, split.valid))

    def build(self, bundle: Bundle) -> keras.Model:
        from families.tracks.network import tracks_lstm

        return tracks_lstm(bundle.network)

    def compile(self, model: keras.Model, training: Training) -> None:
        from families.losses import Accuracy, masked_nll, optimizer_of

        loss = masked_nll(from_logits=False)
        model.compile(optimizer_of(training), loss=loss, metrics=[Accuracy()], jit_compile=False)

    def batches(self, dataset: Dataset, bundle: Bundle, epoch: int) -> keras.utils.PyDataset:
        from families.tracks.batches import TrackBatches

        return TrackBatches(dataset.train, bundle, epoch)

    def stored_weights(self, model: keras.Model) -> list[Array]:
        """Half precision halves the file."""
        return [w.astype(np.float16) for w in model.get_weights()]

    def inputs(self, rows: Rows, targets: Rows) -> tuple[Array, ...]:
        return tuple(rows[..., i] for i in range(rows.shape[-1]))

    def signatures(self, model: keras.Model, logits: bool) -> dict[str, Any]:
        from families.events.network import signatures

        return signatures(model, logits)

    def predictor(self, runner: StepRunner) -> EventPredictor:
        return EventPredictor(runner)

    # -- figures and music

    def measure(
        self, model: LoadedModel, pieces: Sequence[TokenPiece]
    ) -> dict[str, dict[str, Any]]:
        """The model, and both baselines if the bundle carries its training pieces."""
        scored = metrics.stepwise(model.predictor, sequences(pieces), show=True)
        found = {"model": metrics.measure(self, scored, model.vocabulary.fields).to_json()}
        if model.bundle.music:
            found |= _baselines(self.unpack(model.bundle.music), pieces)
        return found

    def check_prime(self, path: Path | Score, paths: Paths, encoding: Encoding) -> None:
        corpus.read_piece(path, paths, _whole(encoding))

    def compose(self, model: LoadedModel, request: CompositionRequest, paths: Paths) -> Composition:
        """Events from the beginning of a piece, or after a score. Raises UserError for a bad request.

        Instruments are those that the network chooses.
        """
        if request.instrument is not None:
            raise UserError(
                "model type 6 chooses its instruments itself, each part has its own: leave "
                "--instrument out."
            )
        settings = model.limited(request.settings)
        prime = _prime(model, request, paths)
        before = [*prime.tokens[:-1].tolist(), token(Kind.BAR)] if prime else []
        bpm = prime.bpm if prime else None
        composer = TrackComposer(model, settings, before, bpm=bpm, may_end=False)
        heard = list(composer.prime)
        events = [p.event for p in composed(composer, settings.notes)]
        told = f"after {prime.name}" if prime else "from the beginning"
        return Composition(
            f"{model.bundle.name} {told}, seed {settings.seed}",
            counted(len(events), "event"),
            events,
            settings.bpm or composer.bpm,
            model.metadata["instrument"] or 1,
            model.longest_copy(events),
            heard,
            prime.name if prime else "",
        )

    def stream(self, model: LoadedModel, settings: Composing) -> TrackComposer:
        return TrackComposer(model, model.limited(settings), bpm=model.metadata["bpm"])

    def live(self, model: LoadedModel, settings: Composing, voice: int = 0) -> TrackLive:
        return TrackLive(model, settings)


def _whole(encoding: Encoding) -> Reading:
    """Scores are read as those that were learned from, but for the part that was chosen of these."""
    return replace(encoding.reading, part="")


def _baselines(train: Sequence[TokenPiece], held_out: Sequence[TokenPiece]) -> dict[str, Any]:
    seen, asked = ([p.tokens.astype(np.int64) for p in side] for side in (train, held_out))
    return baselines(seen, asked, SYMBOLS, FIELD)


def _prime(model: LoadedModel, request: CompositionRequest, paths: Paths) -> TokenPiece | None:
    """What is to be continued: the end of a score, or the beginning of a held-out piece."""
    if request.prime:
        piece = corpus.read_piece(request.prime, paths, _whole(model.vocabulary.encoding))
        return piece.part(max(len(piece) - PRIME_TOKENS, 0), len(piece), piece.name)
    held_out = unpacked(model.bundle.held_out) if request.options.get("with_prime") else []
    if not held_out:
        return None
    chosen = held_out[int(np.random.default_rng(request.settings.seed).integers(len(held_out)))]
    return chosen.part(0, min(PRIME_TOKENS, len(chosen)), chosen.name)
