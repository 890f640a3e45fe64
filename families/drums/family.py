"""Percussion as a model family: type 4."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from config_bach import (
    DEFAULT_BPM,
    Composing,
    Encoding,
    Network,
    Paths,
    Training,
    UserError,
    counted,
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
)
from families.drums.baselines import table
from families.drums.encoding import (
    BAR,
    LONGEST,
    LONGEST_BAR,
    SLOT,
    SLOTS,
    DrumPiece,
    drum_vocabulary,
    piece_of,
    places_of,
)
from families.drums.features import rows_of
from families.drums.live import DrumLive
from families.drums.predictor import DrumPredictor
from families.drums.reading import Reading, read_drums
from families.drums.sampler import DrumComposer, compose, metre_of
from families.steps import Array, Probabilities, Rows, StepRunner, StepSequence
from midi_io import Refused, Score
from storage.bundle import Arrays, Bundle
from storage.vocabulary import Field, Vocabulary

if TYPE_CHECKING:
    import keras

FEWEST = 4  # strokes of a piece
TABLE = "table of place and bars before"


class Drums(ModelFamily):
    """Type 4: a step is a place of the grid, a head is a kind of percussion."""

    number = 4
    summary = (
        "percussion on a grid of sixteenths and triplets: LSTM, a softmax for each kind in turn"
    )
    unit = "step"
    network = Network(
        model_type=4,
        seqlen=96,
        units=128,
        layers=1,
        embedding=64,
        dropout=0.2,
        input_dropout=0.1,
        head_dropout=0.1,
        token_dropout=0.05,
    )
    training = Training(
        epochs=30, batch=16, learning_rate=0.01, patience=8, weight_decay=0.05, average=0.98
    )
    flags = frozenset({"prime", "with_prime", "without_prime", "notes"})
    kind = "drums"
    pitched = False
    own_instruments = True
    style = ("strokes", "places in the bar", "strokes at once", "times between strokes")

    # -- corpus

    def read(self, source: str, paths: Paths, encoding: Encoding, show: bool = True) -> Corpus:
        """The pieces of the MIDI files of a folder or a glob. Raises UserError if none has drums."""
        pieces: list[DrumPiece] = []
        rows = []
        for path, found in readings(corpora.find(source), show):
            if isinstance(found, Reading):
                pieces.append(found.piece)
                rows.append(CorpusRow(path.name, len(found.piece), lost=found.lost))
            else:
                rows.append(CorpusRow(path.name, 0, found))
        if not pieces:
            reasons = "; ".join(f"{row.name}: {row.refused}" for row in rows[:3])
            raise UserError(
                f"nothing in {source} has drums ({reasons}); model type 4 learns from MIDI files "
                "that play on channel 10."
            )
        return Corpus(source, tuple(pieces), tuple(rows))

    def vocabulary(self, train: Sequence[DrumPiece], encoding: Encoding) -> Vocabulary:
        return drum_vocabulary(encoding)

    def metadata(self, corpus: Corpus, split: Split, bundle: Bundle) -> dict[str, Any]:
        """How many training bars have so many slots, besides what every bundle knows."""
        bars = Counter(n for piece in split.train for n in bars_of(piece))
        known = super().metadata(corpus, split, bundle)
        return {**known, "metres": [list(metre) for metre in bars.most_common()]}

    def pack(self, pieces: Sequence[DrumPiece]) -> bytes:
        return json.dumps([_packed(piece) for piece in pieces]).encode()

    def unpack(self, data: bytes) -> list[DrumPiece]:
        return [_unpacked(*row) for row in json.loads(data or b"[]")]

    # -- network

    def sequences(self, pieces: Sequence[DrumPiece], bundle: Bundle) -> list[StepSequence]:
        return [StepSequence(p.name, rows_of(p), p.symbols.astype(np.int32)) for p in pieces]

    def dataset(self, split: Split, bundle: Bundle) -> Dataset:
        train, valid, test = (
            self.sequences(x, bundle) for x in (split.train, split.valid, split.test)
        )
        figures = {
            "most frequent symbol": table(train, valid, depth=1).to_json(),
            TABLE: table(train, valid).to_json(),
        }
        return Dataset(train, valid, test, figures)

    def build(self, bundle: Bundle) -> keras.Model:
        from families.drums.network import built

        return built(bundle.network)

    def compile(self, model: keras.Model, training: Training) -> None:
        """Mean nats and accuracy over all kinds of percussion."""
        from families.losses import Accuracy, masked_nll, optimizer_of

        loss = masked_nll(from_logits=True)
        model.compile(optimizer_of(training), loss=loss, metrics=[Accuracy()], jit_compile=False)

    def batches(self, dataset: Dataset, bundle: Bundle, epoch: int) -> keras.utils.PyDataset:
        from families.drums.batches import DrumBatches

        return DrumBatches(dataset.train, bundle.network, bundle.training, epoch)

    def stored_weights(self, model: keras.Model) -> Arrays:
        """Half precision halves the file."""
        return [w.astype(np.float16) for w in model.get_weights()]

    def diagram(self, model: keras.Model) -> tuple[dict[str, str], list[tuple[str, str]]]:
        boxes: tuple[dict[str, str], list[tuple[str, str]]] = model.graph()
        return boxes

    def inputs(self, rows: Rows, targets: Rows) -> tuple[Array, ...]:
        return rows, targets

    def outputs(self, raw: Any, rows: Rows) -> list[Probabilities]:
        """Logits [batch, steps, KINDS, SYMBOLS] -> probabilities by kind."""
        logits = np.asarray(raw, np.float32)
        p = np.exp(logits - logits.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        return [p[..., kind, :] for kind in range(p.shape[-2])]

    def signatures(self, model: keras.Model, logits: bool) -> dict[str, Any]:
        from families.drums.network import signatures

        return signatures(model, logits)

    def predictor(self, runner: StepRunner) -> DrumPredictor:
        return DrumPredictor(runner)

    # -- figures

    def score(
        self,
        probabilities: Sequence[Probabilities],
        sequence: StepSequence,
        fields: Sequence[Field],
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """One guess a step: it is right if the likeliest symbol of every kind is what came."""
        p, targets = np.stack(probabilities, 1), sequence.targets
        chance = np.take_along_axis(p, targets[..., None], -1)[..., 0].astype(np.float64)
        right = (p.argmax(-1) == targets).all(1)
        return -np.log(np.maximum(chance, 1e-12)), right[:, None]

    def measure(self, model: LoadedModel, pieces: Sequence[DrumPiece]) -> dict[str, dict[str, Any]]:
        """The model, and the table of counts."""
        held_out = self.sequences(pieces, model.bundle)
        scored = metrics.stepwise(model.predictor, held_out, show=True)
        found = {"model": metrics.measure(self, scored, model.vocabulary.fields).to_json()}
        if model.bundle.music:
            train = self.sequences(self.unpack(model.bundle.music), model.bundle)
            found[TABLE] = table(train, held_out).to_json()
        return found

    # -- music

    def read_prime(self, path: Path | Score) -> DrumPiece:
        """The drums of a MIDI file, to be continued. Raises UserError, with the reason, without any."""
        try:
            if isinstance(path, Score):
                raise Refused("it has no drums")
            if not path.is_file():
                raise UserError(f"there is no file {path}; check its name.")
            return read_drums(path).piece
        except Refused as reason:
            name = path.name if isinstance(path, Score) else path
            raise UserError(
                f"{name} cannot be continued by drums: {reason}; give a MIDI file with drums, or "
                "choose a model of another type (--list shows them)."
            ) from reason

    def check_prime(self, path: Path | Score, paths: Paths, encoding: Encoding) -> None:
        self.read_prime(path)

    def compose(self, model: LoadedModel, request: CompositionRequest, paths: Paths) -> Composition:
        """Whole bars, from nothing or after what is to be continued."""
        if request.instrument is not None:
            raise UserError("drums are played by the drum kit: leave --instrument out.")
        settings = model.limited(request.settings)
        prime = self._prime(model, request)
        slots = int(prime.places[-1, SLOTS]) if prime else metre_of(model, settings.seed)
        piece = compose(model, settings, slots, prime)
        after = f" after {prime.name}" if prime else ""
        return Composition(
            f"{model.bundle.name}{after}, seed {settings.seed}",
            f"{counted(int(piece.places[-1, BAR]) + 1, 'bar')} of drums",
            piece.events,
            settings.bpm or (prime and prime.bpm) or model.metadata["bpm"] or DEFAULT_BPM,
            1,
            model.longest_copy(piece.events),
            prime.events if prime else (),
            prime.name if prime else "",
        )

    def _prime(self, model: LoadedModel, request: CompositionRequest) -> DrumPiece | None:
        """What is to be continued: a file of the user's, or a held-out piece."""
        if request.prime:
            return self.read_prime(request.prime)
        if not request.options.get("with_prime"):
            return None
        name, events = model.prime(request.settings.seed)
        return piece_of(events, name)

    def stream(self, model: LoadedModel, settings: Composing) -> DrumComposer:
        return DrumComposer(model, settings)

    def live(self, model: LoadedModel, settings: Composing, voice: int = 0) -> DrumLive:
        return DrumLive(model, settings)


# ---- files and bundles


def readings(files: Sequence[Path], show: bool) -> Iterator[tuple[Path, Reading | str]]:
    """Every file, in order, with what was read or the reason for refusing it; on all cores."""
    workers = min(os.cpu_count() or 1, len(files))
    bar = {"desc": "reading drums", "unit": "file", "total": len(files), "disable": not show}
    if workers < 2:
        yield from zip(files, tqdm(map(_read, files), **bar), strict=True)
        return
    with ProcessPoolExecutor(workers, initializer=corpora.end_with_parent) as pool:
        found: Iterable[Reading | str] = pool.map(_read, files, chunksize=16)
        yield from zip(files, tqdm(found, **bar), strict=True)


def _read(path: Path) -> Reading | str:
    try:
        reading = read_drums(path)
    except Refused as reason:
        return str(reason)
    hits = reading.piece.hits
    return reading if hits >= FEWEST else f"{counted(hits, 'stroke')}, a piece has {FEWEST}"


def bars_of(piece: DrumPiece) -> list[int]:
    """The slots of each bar of a piece."""
    starts = np.flatnonzero(np.diff(piece.places[:, BAR], prepend=-1))
    return [int(slots) for slots in piece.places[starts, SLOTS]]


def _packed(piece: DrumPiece) -> list[Any]:
    """A piece as JSON types: name, tempo, bars, the slot it begins on, and the symbols by step."""
    rows = ["".join(map(str, step)) for step in piece.symbols.tolist()]
    return [piece.name, piece.bpm, bars_of(piece), int(piece.places[:1, SLOT].sum()), rows]


def _unpacked(
    name: str, bpm: float | None, bars: list[int], first: int, rows: list[str]
) -> DrumPiece:
    """The inverse of `_packed`. Raises ValueError for what is no piece."""
    if len(bars) > LONGEST or not all(0 < slots <= LONGEST_BAR for slots in bars):
        raise ValueError(f"{name}: more or longer bars than music has")
    symbols = np.array([[int(x) for x in row] for row in rows], np.uint8)
    places = places_of(bars)[first : first + len(rows)]
    return DrumPiece(name, symbols, places, bpm)
