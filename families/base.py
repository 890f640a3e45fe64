"""What a model type is: the one interface through which all the rest of Play Bach knows it.

A family reads a corpus, turns its pieces into step sequences, builds and trains a Keras network on
them, exports the network as steps for LiteRT, and composes with it. Subclass ModelFamily, set its
class attributes, write its abstract methods and call families.register: then the new model type
trains, composes, exports, is measured and streams like those that are there.

TensorFlow is not imported here, nor by any family before a network is built.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from config_bach import (
    BAR_AFTER,
    Composing,
    Encoding,
    FineTuning,
    Network,
    Paths,
    Training,
    UserError,
    counted,
)
from families.live import LiveComposer
from families.steps import Array, Predictor, Probabilities, Rows, StepRunner, StepSequence
from music.copies import Copy, CopyIndex, CopyTracker
from music.events import Event, Piece, from_json, to_json
from music.instruments import Programs
from music.midi_reader import GRID
from music.scores import Score
from storage.bundle import Arrays, Bundle
from storage.vocabulary import Field, Vocabulary

if TYPE_CHECKING:
    import keras

    from families.codec import PieceCodec
    from storage.shards import Shards

PITCHED = ("pitch classes", "intervals", "rhythm", "harmony")
PRIMES = 8  # held-out pieces that a bundle carries


# ---- pieces and corpora


class Work(Protocol):
    """A piece of any kind: what the split, the bundle and the report card need to know of it."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def events(self) -> Sequence[Event]:
        """What sounds when."""

    @property
    def fingerprint(self) -> str:
        """The same for the same music in any key."""

    @property
    def bpm(self) -> float | None:
        """Its tempo, where it is known."""

    def __len__(self) -> int: ...

    def part(self, start: int, stop: int, name: str) -> Self:
        """Some of its steps, under a name of their own."""


@dataclass(frozen=True)
class CorpusRow:
    """A line of the corpus table: the file, its number of steps, or the reason for refusing it.

    lost: what stands in the file and the model type does not keep, counted (see corpus.not_kept).
    """

    name: str
    steps: int
    refused: str = ""
    lost: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        events = "event" if self.steps == 1 else "events"
        verdict = f"refused: {self.refused}" if self.refused else f"{self.steps:6d} {events}"
        lost = f", not kept: {counts(self.lost)}" if self.lost and not self.refused else ""
        return f"  {self.name:<28} {verdict}{lost}"


def counts(lost: Mapping[str, int]) -> str:
    """What is not kept, in words, the most first: '120 drum notes, 3 tempo changes'."""
    by_number = sorted(lost.items(), key=lambda item: -item[1])
    return ", ".join(counted(number, what) for what, number in by_number)


@dataclass(frozen=True)
class Corpus:
    """The pieces of a source, and a row for every file.

    sides: for each piece 'train', 'valid' or 'test' where the source divides itself; else empty.
    kind: how it does (see split.LABELS). shards: where all pieces lie, if these are only some of them.
    """

    source: str
    pieces: tuple[Any, ...]
    rows: tuple[CorpusRow, ...]
    sides: tuple[str, ...] = ()
    kind: str = "given"
    shards: Shards | None = None


@dataclass(frozen=True)
class Split:
    """Pieces by side ('train', 'valid', 'test') and the kind of split (see split.LABELS).

    shards: where all pieces lie, if these are only some of them.
    """

    kind: str
    train: tuple[Any, ...]
    valid: tuple[Any, ...]
    test: tuple[Any, ...]
    shards: Shards | None = None

    def table(self) -> list[dict[str, Any]]:
        """Every piece with its side, for the bundle."""
        return [
            {"name": p.name, "side": side, "events": len(p), "fingerprint": p.fingerprint}
            for side in ("train", "valid", "test")
            for p in getattr(self, side)
        ]


@dataclass(frozen=True)
class Dataset:
    """The step sequences of a split, and what must be beaten on its validation side, by name."""

    train: Sequence[StepSequence]
    valid: Sequence[StepSequence]
    test: Sequence[StepSequence]
    baselines: dict[str, dict[str, Any]]


# ---- composing


@dataclass(frozen=True)
class Prediction:
    """A composed event, with the probabilities [symbols] it was sampled from and the token chosen.

    With several heads they are those of the first one. begins: the seed of the piece that begins with
    this event, from which alone the same piece comes again; None: the piece before goes on.

    Where the first head alone says little of what could come, `likely` tells it in words with their
    probabilities, `name` what came, and `probability` that of all of it.
    """

    event: Event
    probabilities: Probabilities
    chosen: int
    begins: int | None = None
    likely: tuple[tuple[str, float], ...] = ()
    name: str = ""
    probability: float = 0.0
    key: str = ""  # of the piece, where it is known, as music/keys.py names it: 'F#m'


class Composer(Protocol):
    """An endless iterator over predictions."""

    settings: Composing  # may be replaced at any time; the next event follows the new ones

    def __iter__(self) -> Iterator[Prediction]: ...

    def __next__(self) -> Prediction: ...


def composed(composer: Composer, events: int) -> Iterator[Prediction]:
    """So many predictions, with a progress bar if they take long."""
    steps = tqdm(range(events), "composing", delay=BAR_AFTER, leave=False, disable=None)
    return (next(composer) for _ in steps)


@dataclass(frozen=True)
class CompositionRequest:
    """What a person asks for: sampling settings, a score to continue, instruments by name.

    options: what only some families understand, by the name of the flag ('harmonise', 'scale', ...);
    'particles': how many pieces harmonising composes side by side.
    """

    settings: Composing = field(default_factory=Composing)
    prime: Path | Score | None = None
    instrument: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Composition:
    """A composed piece: its events, tempo (BPM) and programs (General MIDI 1..128)."""

    title: str
    size: str  # for people: '200 notes and chords'
    events: Sequence[Event]
    bpm: float
    programs: Programs
    copy: Copy | None = None  # the longest passage that stands in the training pieces
    prime: Sequence[Event] = ()  # the original music that it continues, as the network heard it
    source: str = ""  # the name of that music
    key: str = ""  # that of the score, as MIDI files have it: 'F#m'; '' is the one that fits best
    remarks: tuple[str, ...] = ()  # what was assumed of what was given, in sentences
    tonality: str = ""  # the key that it is in, where `key` is a signature that may say another

    @property
    def whole(self) -> list[Event]:
        """The original music, and what was composed after it."""
        return [*self.prime, *self.events]


@dataclass(frozen=True)
class LoadedModel:
    """A bundle with what runs its network. It is only read, so all listeners share one."""

    bundle: Bundle
    family: ModelFamily
    predictor: Predictor
    variant: str

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols that it predicts."""
        return self.bundle.vocabulary

    @property
    def metadata(self) -> dict[str, Any]:
        """What the bundle tells of its training."""
        return self.bundle.metadata

    @cached_property
    def copy_index(self) -> CopyIndex | None:
        """The training pieces, to be searched; None in a bundle that does not carry them."""
        if not self.bundle.music:
            return None
        pieces = self.family.unpack(self.bundle.music)
        return CopyIndex((piece.name, piece.events) for piece in pieces)

    def copy_tracker(self, settings: Composing) -> CopyTracker | None:
        """What watches for copies while composing, if `settings` limits them.

        Raises UserError if the bundle does not carry what it was trained on.
        """
        if settings.max_copy is None:
            return None
        if self.copy_index is None:
            raise UserError(
                f"{self.bundle.name} does not carry the pieces it was trained on, so --max-copy "
                "cannot be kept; train it anew."
            )
        return CopyTracker(self.copy_index)

    def limited(self, settings: Composing) -> Composing:
        """The settings with the family's own limit of copied notes, unless another is given."""
        if settings.max_copy is not None or self.copy_index is None:
            return settings
        return replace(settings, max_copy=self.family.max_copy)

    def longest_copy(self, events: Sequence[Event]) -> Copy | None:
        """The longest passage that stands in the training pieces; None if they are not known."""
        return self.copy_index.longest(events) if self.copy_index else None

    def prime(self, seed: int | None) -> tuple[str, list[Event]]:
        """The beginning of one of the held-out pieces in the bundle, and its name; by the seed."""
        primes = self.metadata["primes"]
        chosen = primes[int(np.random.default_rng(seed).integers(len(primes)))]
        return str(chosen["name"]), from_json(chosen["events"])

    @cached_property
    def example(self) -> Sequence[Event]:
        """A few beginnings of held-out pieces: what its music is like."""
        return [e for row in self.metadata["primes"][:4] for e in from_json(row["events"][:6])]


# ---- the family


class ModelFamily(ABC):
    """A model type. One object serves for all models of its type, and keeps nothing of any of them."""

    number: ClassVar[int]  # --model-type
    summary: ClassVar[str]  # a line for --help
    unit: ClassVar[str]  # what a probability is of: nats per 'event' or per 'note'
    network: ClassVar[Network]  # defaults
    training: ClassVar[Training]
    finetuning: ClassVar[FineTuning] = FineTuning()
    transpose: ClassVar[int] = 0  # semitones up and down that training pieces are moved by default
    voices: ClassVar[tuple[str, ...]] = ()  # names of the voices, where they are told apart
    flags: ClassVar[frozenset[str]] = frozenset()  # options beyond those that every family takes
    default_variant: ClassVar[str] = "float32"  # what training exports, and what plays at first
    default_program: ClassVar[int | None] = None  # General MIDI 1..128; None: that of the corpus
    max_copy: ClassVar[int | None] = None  # notes in a row that a new piece copies unless told
    keeps: ClassVar[frozenset[str]] = frozenset()  # of what music.scores counts beside the notes
    grid: ClassVar[tuple[int, ...]] = GRID  # parts of a quarter to which it moves times
    kind: ClassVar[str] = "notes_and_chords"  # what its music is called, in the table of texts
    pitched: ClassVar[bool] = True  # whether it can continue a tune, and keep to a scale
    own_instruments: ClassVar[bool] = False  # whether its music says what plays it (Event.sounds)
    style: ClassVar[tuple[str, ...]] = (
        PITCHED  # what the report card compares (evaluation/style.py)
    )
    graded: ClassVar[bool] = (
        False  # its pieces are chorales in four voices: see evaluation/judge.py
    )

    def __init_subclass__(cls, abstract: bool = False, **options: Any) -> None:
        """Refuse, when it is defined, a family that leaves out an attribute. Raises TypeError.

        abstract: the class is only a base of families.
        """
        super().__init_subclass__(**options)
        needed = () if abstract else ("number", "summary", "unit", "network", "training")
        if missing := [name for name in needed if not hasattr(cls, name)]:
            raise TypeError(f"{cls.__name__} lacks {', '.join(missing)}: see families/base.py")
        if needed and cls.network.model_type != cls.number:
            raise TypeError(f"{cls.__name__}: the model_type of its network is not {cls.number}")

    # -- corpus

    @abstractmethod
    def read(self, source: str, paths: Paths, encoding: Encoding, show: bool = True) -> Corpus:
        """The pieces of a folder, a glob or 'music21:...'; show: a progress bar.

        Raises UserError when nothing in it can be learned from.
        """

    @abstractmethod
    def vocabulary(self, train: Sequence[Any], encoding: Encoding) -> Vocabulary:
        """The symbols of the training pieces. Raises UserError when there are too few."""

    def adapted(self, bundle: Bundle, train: Sequence[Any]) -> Bundle:
        """A trained bundle made ready to learn from other pieces: its vocabulary also has their symbols,
        and its weights begin, for these, as what they are made of.

        Here: the bundle as it is, which is right where the vocabulary is the same for all music. A
        family that overrides it keeps the symbols that there are, and puts new ones after them.
        """
        return bundle

    def metadata(self, corpus: Corpus, split: Split, bundle: Bundle) -> dict[str, Any]:
        """What a new bundle knows beside its split: 'primes' (held-out pieces to begin from), the tempo
        (BPM) and the instrument (General MIDI 1..128) that are used unless told otherwise."""
        held_out = [*split.test, *split.valid]
        primes = [{"name": p.name, "events": to_json(p.events)} for p in held_out[:PRIMES]]
        tempi = [p.bpm for p in corpus.pieces if p.bpm]
        bpm = round(median(tempi), 1) if tempi else None
        return {"primes": primes, "bpm": bpm, "instrument": self.default_program}

    def pack(self, pieces: Sequence[Any]) -> bytes:
        """Pieces as a bundle carries them."""
        return json.dumps([[p.name, to_json(p.events)] for p in pieces]).encode()

    def unpack(self, data: bytes) -> list[Any]:
        """The inverse of `pack`."""
        return [Piece(name, tuple(from_json(rows))) for name, rows in json.loads(data or b"[]")]

    def codec(self) -> PieceCodec:
        """What makes rows of shards of the files of a large corpus, and pieces of the rows."""
        from families.codec import PieceCodec

        return PieceCodec(self)

    # -- network

    @abstractmethod
    def sequences(self, pieces: Sequence[Any], bundle: Bundle) -> list[StepSequence]:
        """A step sequence for each piece that is long enough, in its own key."""

    @abstractmethod
    def dataset(self, split: Split, bundle: Bundle) -> Dataset:
        """The sequences of a split, and the baselines."""

    @abstractmethod
    def build(self, bundle: Bundle) -> keras.Model:
        """The untrained Keras network."""

    @abstractmethod
    def compile(self, model: keras.Model, training: Training) -> None:
        """Give a network its optimizer, loss and metrics."""

    def build_for_training(self, bundle: Bundle) -> keras.Model:
        """The network as training wants it, where that differs: reduced precision, kept states."""
        return self.build(bundle)

    @abstractmethod
    def batches(self, dataset: Dataset, bundle: Bundle, epoch: int) -> keras.utils.PyDataset:
        """The batches of training, from that epoch on (counted from 0)."""

    def stored_weights(self, model: keras.Model) -> Arrays:
        """The weights as a finished bundle keeps them."""
        return list(model.get_weights())

    def calibrated(
        self, model: keras.Model, dataset: Dataset, fields: Sequence[Field]
    ) -> keras.Model:
        """A trained network made as sure as it is right on the validation pieces, where it can be."""
        return model

    def diagram(self, model: keras.Model) -> tuple[dict[str, str], list[tuple[str, str]]] | None:
        """Boxes (name -> text) and arrows of a picture of the network; None: those of its layers."""
        return None

    @abstractmethod
    def inputs(self, rows: Rows, targets: Rows) -> tuple[Array, ...]:
        """What Keras takes: of rows [batch, steps, columns] and targets [batch, steps, heads]."""

    def outputs(self, raw: Any, rows: Rows) -> list[Probabilities]:
        """What Keras gives for them, as probabilities of each head [batch, steps, symbols]."""
        return list(raw) if isinstance(raw, list | tuple) else [raw]

    @abstractmethod
    def signatures(self, model: keras.Model, logits: bool) -> dict[str, Any]:
        """The functions of one step that are exported, by name: TensorFlow concrete functions.

        Their tensors have names; those of the state begin with STATE_PREFIX. logits: give logits in the
        place of probabilities, in outputs that are named so.
        """

    @abstractmethod
    def predictor(self, runner: StepRunner) -> Predictor:
        """The network one step at a time, by whatever runs its signatures."""

    # -- figures

    def score(
        self,
        probabilities: Sequence[Probabilities],
        sequence: StepSequence,
        fields: Sequence[Field],
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Nats [counted steps, heads], and whether a guess was right [counted steps, guesses].

        probabilities: of each head [steps, symbols]. Nats are summed over heads and divided by the
        number of guesses, which makes them nats per `unit`. Here: one guess a step, of the first head.
        """
        counted = sequence.targets[:, 0] >= 0
        targets = sequence.targets[counted]
        nats = [
            -np.log(np.maximum(_chosen(p[counted], t), 1e-12)) + (t == 0) * f.unknown_nats
            for p, t, f in zip(probabilities, targets.T, fields, strict=True)
        ]
        first = targets[:, 0]
        right = probabilities[0][counted][:, 1:].argmax(-1) + 1 == first  # '?' is never a guess
        return np.stack(nats, 1).astype(np.float64), right[:, None]

    def unknown_nats(self, dataset: Dataset, fields: Sequence[Field]) -> float:
        """What the rare symbols behind '?' cost on average in training, as they do in `score`."""
        targets = np.concatenate([s.targets for s in dataset.train])
        counted = targets[targets[:, 0] >= 0]
        costs = np.array([f.unknown_nats for f in fields])
        return float(((counted == 0).mean(0) * costs).sum())

    @abstractmethod
    def measure(self, model: LoadedModel, pieces: Sequence[Any]) -> dict[str, dict[str, Any]]:
        """Figures on held-out pieces by name: 'model' first, then the baselines."""

    # -- music

    def check_prime(self, path: Path | Score, paths: Paths, encoding: Encoding) -> None:
        """Raise UserError, with the reason, for a score that cannot be continued."""
        raise UserError(f"model type {self.number} continues no score: leave --prime out.")

    @abstractmethod
    def compose(self, model: LoadedModel, request: CompositionRequest, paths: Paths) -> Composition:
        """A new piece. Raises UserError for a request that cannot be met."""

    @abstractmethod
    def stream(self, model: LoadedModel, settings: Composing) -> Composer:
        """Music without end."""

    @property
    def plays_together(self) -> bool:
        """Whether `live` works for its models."""
        return type(self).live is not ModelFamily.live

    def live(self, model: LoadedModel, settings: Composing, voice: int = 0) -> LiveComposer:
        """What hears others and goes on, and may be an Accompanist as well.

        voice: whose notes one line is, where voices are told apart.

        Raises UserError if this model type cannot.
        """
        raise UserError(f"model type {self.number} cannot play together with others.")


def _chosen(p: Probabilities, tokens: Rows) -> Probabilities:
    """The probability of each token: [steps, symbols], [steps] -> [steps]."""
    return np.take_along_axis(p, np.maximum(tokens, 0)[:, None], -1)[:, 0]
