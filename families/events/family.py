"""The articles' event networks as model families: types 1, 2 and 3."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from config_bach import (
    DEFAULT_BPM,
    DEFAULT_PROGRAM,
    Composing,
    Encoding,
    Network,
    Paths,
    Training,
    UserError,
)
from families import corpus as corpora
from families import metrics
from families.base import (
    Composition,
    CompositionRequest,
    Corpus,
    CorpusRow,
    Dataset,
    LoadedModel,
    ModelFamily,
    Split,
    composed,
)
from families.events import baselines
from families.events.dataset import masked, sequences, transposed_sequences, window_sides
from families.events.encoding import knows_durations, learn_vocabulary, pitch_features
from families.events.live import EventLive
from families.events.predictor import EventPredictor
from families.events.rhythm import Rhythm
from families.events.sampler import EventComposer
from families.steps import Array, Rows, StepRunner, StepSequence
from music.events import Piece, events_from_notes, held_on, to_json
from music.instruments import program_number
from music.scores import REPEATED, VELOCITIES, Score
from storage.bundle import Bundle
from storage.vocabulary import Vocabulary

if TYPE_CHECKING:
    import keras

    from families.codec import PieceCodec

PRIMES = 24  # held-out beginnings that a bundle carries
PRIME_EVENTS = 64
SHORTEST = 2  # events; a piece must have a note and the one that follows it
EVENT_FLAGS = frozenset({"prime", "with_prime", "without_prime", "notes"}) | frozenset(
    {"normal", "split", "max_duration"}
)


class EventFamily(ModelFamily, abstract=True):
    """What types 1 to 3 share: a piece is a sequence of events, one step each."""

    unit = "event"
    training = Training()
    lookback: ClassVar[bool] = False  # whether it is told what followed the longest match
    predicts_durations: ClassVar[bool] = False  # by a head of their own

    # -- corpus

    def read(self, source: str, paths: Paths, encoding: Encoding, show: bool = True) -> Corpus:
        pieces: list[Piece] = []
        rows = []
        for entry in corpora.read_entries(source, paths, show, encoding.reading):
            found = [(score, _piece(score, encoding)) for score in entry.scores]
            found = [(score, piece) for score, piece in found if len(piece.events) >= SHORTEST]
            kept = [piece for _, piece in found]
            pieces += kept
            refused = entry.refused or ("" if kept else "a single event, nothing follows it")
            again = sum(held_on(score.notes, piece.events) for score, piece in found)
            scores = (score for score, _ in found)
            lost = corpora.not_kept(scores, self.keeps, **{REPEATED: again})
            rows.append(CorpusRow(entry.path.name, sum(len(p) for p in kept), refused, lost))
        if not pieces:
            reasons = "; ".join(f"{row.name}: {row.refused}" for row in rows[:3])
            raise UserError(
                f"nothing in {source} can be learned from ({reasons}); add other scores."
            )
        return Corpus(source, tuple(pieces), tuple(rows))

    def read_prime(self, path: Path | Score, paths: Paths, encoding: Encoding) -> Piece:
        """A single score, or a file with one. Raises UserError, with the reason, without music."""
        entry = corpora.read_entry(path, paths, replace(encoding.reading, part=""))
        pieces = [_piece(score, encoding) for score in entry.scores]
        if not pieces or not pieces[0].events:
            reason = entry.refused or "it has no notes"
            raise UserError(
                f"{entry.path} cannot be continued: {reason}; give another score to --prime."
            )
        return pieces[0]

    def check_prime(self, path: Path | Score, paths: Paths, encoding: Encoding) -> None:
        self.read_prime(path, paths, encoding)

    def vocabulary(self, train: Sequence[Piece], encoding: Encoding) -> Vocabulary:
        return learn_vocabulary(train, encoding, self.predicts_durations)

    def adapted(self, bundle: Bundle, train: Sequence[Piece]) -> Bundle:
        """The vocabulary grows, and new symbols begin as those that are most like them."""
        from families.events.growth import grown

        return grown(self, bundle, train)

    def metadata(self, corpus: Corpus, split: Split, bundle: Bundle) -> dict[str, Any]:
        """Beginnings of held-out pieces, the usual tempo and instrument, the rhythm."""
        known = super().metadata(corpus, split, bundle)
        rhythm = {} if knows_durations(bundle.vocabulary) else Rhythm.learn(split.train).counts
        programs = Counter(p.program for p in corpus.pieces)
        return {
            **known,
            "rhythm": rhythm,
            "primes": _primes([*split.test, *split.valid], bundle.network.seqlen),
            "instrument": programs.most_common(1)[0][0],  # None if most pieces say nothing
        }

    def codec(self) -> PieceCodec:
        from families.events.shards import EventCodec

        return EventCodec(self)

    # -- network

    def sequences(self, pieces: Sequence[Piece], bundle: Bundle) -> list[StepSequence]:
        return sequences(pieces, bundle.vocabulary, self.lookback)

    def dataset(self, split: Split, bundle: Bundle) -> Dataset:
        """Training pieces in all their keys; or, as in the articles, divided by window."""
        fields = bundle.vocabulary.fields
        whole = self.sequences(split.train, bundle)
        if split.kind == "window":
            lengths, seqlen = [len(s) + 1 for s in whole], bundle.network.seqlen
            sides = window_sides(lengths, seqlen, bundle.training.seed)
            train, valid, test = (masked(whole, sides, side) for side in range(3))
            return Dataset(train, valid, test, baselines.window_baselines(whole, sides, fields))
        valid, test = (self.sequences(side, bundle) for side in (split.valid, split.test))
        train = transposed_sequences(split.train, bundle.vocabulary, self.lookback)
        return Dataset(train, valid, test, baselines.baselines(whole, valid, fields))

    def compile(self, model: keras.Model, training: Training) -> None:
        """A loss for each field; the accuracy is that of the pitch."""
        from families.losses import Accuracy, masked_nll, optimizer_of

        heads = len(model.outputs)
        model.compile(
            optimizer_of(training),
            loss=[masked_nll(from_logits=False)] * heads,
            metrics=[[Accuracy()], *[[] for _ in range(heads - 1)]],
            jit_compile=False,
        )

    def batches(self, dataset: Dataset, bundle: Bundle, epoch: int) -> keras.utils.PyDataset:
        from families.events.batches import window_batches

        return window_batches(dataset.train, bundle.network, bundle.training, epoch)

    def inputs(self, rows: Rows, targets: Rows) -> tuple[Array, ...]:
        return tuple(rows[..., i] for i in range(rows.shape[-1]))

    def signatures(self, model: keras.Model, logits: bool) -> dict[str, Any]:
        from families.events.network import signatures

        return signatures(model, logits)

    def predictor(self, runner: StepRunner) -> EventPredictor:
        return EventPredictor(runner)

    # -- figures and music

    def measure(self, model: LoadedModel, pieces: Sequence[Piece]) -> dict[str, dict[str, Any]]:
        """The model, and both baselines if the bundle carries its training pieces."""
        fields, held_out = model.vocabulary.fields, self.sequences(pieces, model.bundle)
        scored = metrics.stepwise(model.predictor, held_out, show=True)
        found = {"model": metrics.measure(self, scored, fields).to_json()}
        if model.bundle.music:
            train = self.sequences(self.unpack(model.bundle.music), model.bundle)
            found |= baselines.baselines(train, held_out, fields)
        return found

    def compose(self, model: LoadedModel, request: CompositionRequest, paths: Paths) -> Composition:
        """Events after a score file, or after the beginning of a piece that training never saw.

        Tempo and instrument are those asked for, else those of the corpus.
        """
        settings, metadata = request.settings, model.metadata
        program = (
            metadata["instrument"]
            if request.instrument is None
            else program_number(request.instrument)
        )
        if request.prime:
            piece = self.read_prime(request.prime, paths, model.vocabulary.encoding)
            name, prime = piece.name, list(piece.events)
        else:
            name, prime = model.prime(settings.seed)
        prime = prime[-model.bundle.network.seqlen :]
        composer = EventComposer(model, settings, prime, self.lookback)
        events = [p.event for p in composed(composer, settings.notes)]
        return Composition(
            f"{model.bundle.name} after {name}, seed {settings.seed}",
            "1 note or chord" if len(events) == 1 else f"{len(events)} notes and chords",
            events,
            settings.bpm or metadata["bpm"] or DEFAULT_BPM,
            program or DEFAULT_PROGRAM,
            model.longest_copy(events),
            prime,
            name,
        )

    def stream(self, model: LoadedModel, settings: Composing) -> EventComposer:
        _, prime = model.prime(settings.seed)
        return EventComposer(model, model.limited(settings), prime, self.lookback)

    def live(self, model: LoadedModel, settings: Composing, voice: int = 0) -> EventLive:
        return EventLive(model, settings, self.lookback)


def _piece(score: Score, encoding: Encoding) -> Piece:
    events = events_from_notes(score.notes, encoding.max_duration)
    return Piece(score.name, events, score.bpm, score.program)


def _primes(pieces: Sequence[Piece], seqlen: int) -> list[dict[str, Any]]:
    """The beginnings of held-out pieces, to compose from; long enough ones if there are any."""
    long = [p for p in pieces if len(p.events) >= seqlen] or [p for p in pieces if p.events]
    return [
        {"name": p.name, "events": to_json(p.events[: max(PRIME_EVENTS, seqlen)])}
        for p in long[:PRIMES]
    ]


class OneHotLSTM(EventFamily):
    """Type 1: one-hot, stacked LSTM with dropout, softmax."""

    number = 1
    summary = "one-hot, stacked LSTM with dropout, softmax"
    network = Network(model_type=1, units=256, dropout=0.3)
    flags = EVENT_FLAGS | {"concatenate"}

    def build(self, bundle: Bundle) -> keras.Model:
        from model import one_hot_lstm

        return one_hot_lstm(bundle.vocabulary.fields, bundle.network)


class AttentionLSTM(EventFamily):
    """Type 2: embeddings of pitch, duration and velocity, lookback, LSTM, attention.

    Only this one knows which notes a chord is made of, so only this one gains from other keys.
    """

    number = 2
    summary = "embeddings, lookback, stacked LSTM, attention, one softmax head each"
    network = Network(model_type=2, units=128, embedding=32, dropout=0.5, input_dropout=0.2)
    transpose = 3
    flags = EVENT_FLAGS | {"lookback_dropout"}
    keeps = frozenset({VELOCITIES})  # of each event the highest, in eight levels
    lookback = True
    predicts_durations = True

    def build(self, bundle: Bundle) -> keras.Model:
        from model import attention_lstm

        vocabulary = bundle.vocabulary
        return attention_lstm(vocabulary.fields, pitch_features(vocabulary), bundle.network)


class EmbeddingLSTM(EventFamily):
    """Type 3: embedding, stacked LSTM, softmax."""

    number = 3
    summary = "embedding, stacked LSTM, softmax"
    network = Network(model_type=3, units=160, embedding=64, dropout=0.5, input_dropout=0.2)
    flags = EVENT_FLAGS | {"concatenate"}

    def build(self, bundle: Bundle) -> keras.Model:
        from model import embedding_lstm

        return embedding_lstm(bundle.vocabulary.fields, bundle.network)
