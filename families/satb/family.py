"""Four voices as a model family: type 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from config_bach import (
    DEFAULT_BPM,
    Composing,
    Encoding,
    FineTuning,
    Network,
    Paths,
    Training,
    UserError,
    counted,
)
from families import metrics
from families.base import (
    Composition,
    CompositionRequest,
    Corpus,
    Dataset,
    LoadedModel,
    ModelFamily,
    Split,
)
from families.satb.baselines import table
from families.satb.composer import SatbComposer, compose
from families.satb.constraints import Constraints, constraints_of
from families.satb.dataset import SatbSequence, read, read_chorale, read_prime, sequence_of
from families.satb.encoding import (
    FIRST,
    HOLD,
    SILENCE,
    STEP,
    SYMBOLS,
    VOICES,
    Chorale,
    chorale_of,
    first_phrase,
    fits,
    following,
    satb_vocabulary,
)
from families.satb.features import rows_transposed
from families.satb.inpainting import PARTICLES, Aim, free_bars, free_voices, inpaint, voices_named
from families.satb.live import SatbLive
from families.satb.melody import Melody, key_of_given, read_melody
from families.satb.predictor import SatbPredictor
from families.satb.retrieval import TuneIndex
from families.satb.style import key_of_piece, style_in, style_of
from families.satb.templates import packed, templates_of, unpacked
from families.steps import Array, Probabilities, Rows, StepRunner, StepSequence
from music.events import bars_of
from music.instruments import ORGAN, program_number
from music.keys import Key, key_named
from music.scores import LEAD, METRES, PARTS, Score
from storage.bundle import Arrays, Bundle
from storage.vocabulary import Field, Vocabulary

if TYPE_CHECKING:
    import keras

LEAST_P = 1e-30  # the probability of what has none
KEYS = 7  # transpositions that are averaged: the piece's own, and three each way
TABLE = "table of note, beat and hold"


class FourVoices(ModelFamily):
    """Type 5: a step is a sixteenth, a head is a voice."""

    number = 5
    summary = "four voices on a grid of sixteenths: LSTM, a softmax for each voice in turn"
    unit = "note"
    network = Network(
        model_type=5,
        seqlen=16,
        units=512,
        embedding=32,
        dropout=0.6,
        input_dropout=0.25,
        head_dropout=0.6,
        recurrent_dropout=0.3,
        token_dropout=0.2,
        profiles=True,
    )
    training = Training(
        epochs=20,
        batch=128,
        learning_rate=0.003,
        patience=12,
        weight_decay=0.05,
        average=0.999,
        min_steps=140,
        consistency=0.4,
    )
    finetuning = FineTuning(epochs=12, min_steps=30)
    transpose = 6
    voices = VOICES
    keeps = frozenset({PARTS, METRES, LEAD})
    grid = (round(1 / STEP),)
    kind = "four_voices"
    flags = frozenset({"prime", "with_prime", "without_prime", "harmonise", "keep"}) | frozenset(
        {"regenerate", "scale", "range", "no_crossing", "key", "best_of", "retrieval"}
    )
    default_variant = "dynamic"  # three times as fast as float16, for less than 0.0001 nats
    default_program = ORGAN
    graded = True
    max_copy = 20  # half of Bach's chorales share 15 notes or more in a row with others of his

    # -- corpus

    def read(self, source: str, paths: Paths, encoding: Encoding, show: bool = True) -> Corpus:
        return read(source, paths, show, encoding.reading, self.keeps)

    def vocabulary(self, train: Sequence[Chorale], encoding: Encoding) -> Vocabulary:
        return satb_vocabulary(encoding)

    def metadata(self, corpus: Corpus, split: Split, bundle: Bundle) -> dict[str, Any]:
        """Templates, and the style of the training pieces, besides what every bundle knows.

        temperatures: of composing, besides those of the network, which `calibrated` fits.
        """
        held_out = [*split.test, *split.valid]
        own = {
            "templates": templates_of(held_out),
            "style": style_of(split.train),
            "temperatures": {"onset": 1.0, "pitch": 1.0},
        }
        return {**super().metadata(corpus, split, bundle), **own}

    def pack(self, pieces: Sequence[Chorale]) -> bytes:
        return packed(pieces)

    def unpack(self, data: bytes) -> list[Chorale]:
        return unpacked(data)

    # -- network

    def sequences(self, pieces: Sequence[Chorale], bundle: Bundle) -> list[StepSequence]:
        index = self._index(bundle)
        return [sequence_of(piece, index) for piece in pieces]

    def _index(self, bundle: Bundle) -> TuneIndex | None:
        """The training pieces that a bundle carries, if its network is told of them."""
        if not bundle.network.retrieval or not bundle.music:
            return None
        return TuneIndex(self.unpack(bundle.music))

    def dataset(self, split: Split, bundle: Bundle) -> Dataset:
        """Training pieces in their own key: the batches transpose them."""
        index = TuneIndex(split.train) if bundle.network.retrieval else None
        train, valid, test = (
            [sequence_of(piece, index) for piece in x]
            for x in (split.train, split.valid, split.test)
        )
        figures = {
            "most frequent symbol": table(split.train, split.valid, depth=1).to_json(),
            TABLE: table(split.train, split.valid).to_json(),
        }
        return Dataset(train, valid, test, figures)

    def build(self, bundle: Bundle) -> keras.Model:
        from families.satb.network import built

        return built(bundle.network)

    def build_for_training(self, bundle: Bundle) -> keras.Model:
        """The network keeps states from batch to batch; in bfloat16 where this machine is faster so."""
        from families.satb.batches import fastest_dtype
        from families.satb.network import built

        training = bundle.training
        consistency = training.consistency if training.copies == 2 else 0.0
        return built(bundle.network, training.batch, fastest_dtype(), consistency)

    def compile(self, model: keras.Model, training: Training) -> None:
        """Mean nats and accuracy over all voices."""
        from families.losses import Accuracy, masked_nll, optimizer_of

        loss = masked_nll(from_logits=True)
        model.compile(optimizer_of(training), loss=loss, metrics=[Accuracy()], jit_compile=False)

    def batches(self, dataset: Dataset, bundle: Bundle, epoch: int) -> keras.utils.PyDataset:
        from families.satb.batches import StatefulBatches

        return StatefulBatches(dataset.train, bundle, epoch)

    def stored_weights(self, model: keras.Model) -> Arrays:
        """Half precision halves the file and costs less than 0.0001 nats."""
        return [w.astype(np.float16) for w in model.get_weights()]

    def calibrated(
        self, model: keras.Model, dataset: Dataset, fields: Sequence[Field]
    ) -> keras.Model:
        """Fit the temperatures; those that it has are left out of account."""
        from families.satb.calibration import fit

        model.temperatures.reset()
        scored = [
            (sequence, np.log(np.maximum(np.stack(p, -2), LEAST_P)))
            for sequence, p in metrics.forward(self, model, dataset.valid, SYMBOLS)
        ]

        def nats(temperatures: Any) -> float:
            tempered = ((s, self.outputs(temperatures(logits), s.rows)) for s, logits in scored)
            return metrics.measure(self, tempered, fields).nll

        fit(model.temperatures, nats)
        return model

    def diagram(self, model: keras.Model) -> tuple[dict[str, str], list[tuple[str, str]]]:
        boxes: tuple[dict[str, str], list[tuple[str, str]]] = model.graph()
        return boxes

    def inputs(self, rows: Rows, targets: Rows) -> tuple[Array, ...]:
        return rows, targets

    def outputs(self, raw: Any, rows: Rows) -> list[Probabilities]:
        """Logits [batch, steps, 4, symbols] -> probabilities by voice."""
        logits = np.asarray(raw, np.float32)
        p = np.exp(logits - logits.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        return [p[..., voice, :] for voice in range(len(VOICES))]

    def signatures(self, model: keras.Model, logits: bool) -> dict[str, Any]:
        from families.satb.network import signatures

        return signatures(model, logits)

    def predictor(self, runner: StepRunner) -> SatbPredictor:
        return SatbPredictor(runner)

    # -- figures

    def score(
        self,
        probabilities: Sequence[Probabilities],
        sequence: StepSequence,
        fields: Sequence[Field],
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Every voice is guessed at every step.

        Where a source does not tell held notes from those struck again, both are the same note, and
        their probabilities are added.
        """
        p, targets = np.stack(probabilities, 1), sequence.targets
        chance = np.take_along_axis(p, targets[..., None], -1)[..., 0].astype(np.float64)
        if isinstance(sequence, SatbSequence) and not sequence.tells_struck:
            own = sequence.rows[:, : len(VOICES)]
            again = np.take_along_axis(p, own[..., None], -1)[..., 0]
            chance += again * ((targets == HOLD) & (own >= FIRST))
        return -np.log(np.maximum(chance, 1e-12)), p.argmax(-1) == targets

    def unknown_nats(self, dataset: Dataset, fields: Sequence[Field]) -> float:
        return 0.0

    def measure(self, model: LoadedModel, pieces: Sequence[Chorale]) -> dict[str, dict[str, Any]]:
        """The model, the mean of its probabilities over keys, and the table of counts."""
        index = self._index(model.bundle)
        own, averaged = metrics.Totals(VOICES), metrics.Totals(VOICES)
        for piece in tqdm(pieces, "measuring", leave=False, disable=None):
            nats, right = self._in_keys(model, sequence_of(piece, index), piece)
            own.add(nats[0], right[0])
            averaged.add(-np.log(np.exp(-nats).mean(0)), right[0])
        found = {
            "model": own.metrics().to_json(),
            f"model, mean of {KEYS} keys": averaged.metrics().to_json(),
        }
        if model.bundle.music:
            found[TABLE] = table(self.unpack(model.bundle.music), pieces).to_json()
        return found

    def _in_keys(
        self, model: LoadedModel, first: SatbSequence, piece: Chorale
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """The scores of a piece in several keys [keys, steps, 4], its own first.

        To listen in several keys and average is still a prediction: nothing of what is to come is used.
        """
        shifts = [0, *(k for k in _around(KEYS) if fits(piece.symbols, k))]
        moved = [
            replace(
                first,
                rows=rows_transposed(first.rows, k),
                targets=piece.transposed(k).symbols.astype(np.int32),
            )
            for k in shifts
        ]
        rows, targets = np.stack([s.rows for s in moved]), np.stack([s.targets for s in moved])
        heads = metrics.through(model.predictor, rows, targets)
        scores = [
            self.score([head[i] for head in heads], s, model.vocabulary.fields)
            for i, s in enumerate(moved)
        ]
        return np.stack([nats for nats, _ in scores]), np.stack([right for _, right in scores])

    # -- music

    def compose(self, model: LoadedModel, request: CompositionRequest, paths: Paths) -> Composition:
        """A whole chorale, or one around a score; raises UserError for what cannot be read or kept."""
        options = request.options
        constraints = constraints_of(
            options.get("scale"), options.get("range") or [], bool(options.get("no_crossing"))
        )
        key = key_named(options["key"]) if options.get("key") else None
        make = _composed_around if options.get("harmonise") else _composed
        made = make(model, request, paths, constraints, key)
        prime, chorale = made.prime, made.chorale
        before, events = following(prime, chorale) if prime else ([], chorale.events)
        return Composition(
            f"{model.bundle.name} {made.title}, seed {request.settings.seed}",
            f"{counted(len(bars_of(events)), 'bar')} in four voices",
            events,
            request.settings.bpm or model.metadata["bpm"] or DEFAULT_BPM,
            _programs(request.instrument, model.metadata["instrument"]),
            model.longest_copy(events),
            before,
            prime.name if prime else "",
            made.key,
            made.remarks,
            made.tonality,
        )

    def check_prime(self, path: Path | Score, paths: Paths, encoding: Encoding) -> None:
        read_prime(path, paths, encoding)

    def stream(self, model: LoadedModel, settings: Composing) -> SatbComposer:
        return SatbComposer(model, settings)

    def live(self, model: LoadedModel, settings: Composing, voice: int = 0) -> SatbLive:
        return SatbLive(model, settings, voice, self._index(model.bundle))


@dataclass(frozen=True)
class _Made:
    """A composed chorale. prime: what it continues. key, remarks, tonality: see Composition."""

    chorale: Chorale
    title: str
    key: str
    prime: Chorale | None = None
    remarks: tuple[str, ...] = ()
    tonality: str = ""


def _composed(
    model: LoadedModel,
    request: CompositionRequest,
    paths: Paths,
    constraints: Constraints,
    key: Key | None,
) -> _Made:
    """A whole chorale on a plan, after a prime if one is wanted, whose key it then has."""
    prime = _prime(model, request, paths)
    key = key or (key_of_piece(prime.symbols) if prime else None)
    chorale, plan = compose(model, request.settings, constraints, prime, key)
    return _Made(chorale, chorale.name, plan.key.midi_name, prime)


def _composed_around(
    model: LoadedModel,
    request: CompositionRequest,
    paths: Paths,
    constraints: Constraints,
    key: Key | None,
) -> _Made:
    """A score with new voices or bars, in the key of what is given."""
    melody, free = _given(request, paths)
    given = melody.chorale
    key = key or key_of_given(np.where(free, SILENCE, given.symbols))
    aim = Aim(melody.phrased, key, style_in(model.metadata))
    particles = request.options.get("particles", PARTICLES)
    how = request.settings, constraints
    chorale = inpaint(model.predictor, given, free, *how, particles=particles, aim=aim)
    signature = melody.key or key.midi_name
    return _Made(chorale, f"around {chorale.name}", signature, None, melody.remarks, key.midi_name)


def _prime(model: LoadedModel, request: CompositionRequest, paths: Paths) -> Chorale | None:
    """What is to be continued: a score of the user's, or the first phrase of a held-out chorale."""
    if request.prime:
        return read_prime(request.prime, paths, model.vocabulary.encoding)
    if not request.options.get("with_prime"):
        return None
    name, events = model.prime(request.settings.seed)
    whole = chorale_of(events, name)
    return whole.part(0, first_phrase(whole.plan), name)


def _given(request: CompositionRequest, paths: Paths) -> tuple[Melody, npt.NDArray[np.bool_]]:
    """The score of a request, and what of it is composed anew [steps, 4]."""
    options = request.options
    keep, bars, score = options.get("keep"), options.get("regenerate"), options["harmonise"]
    if bars:
        kept = voices_named(keep) if keep else []
        given = read_chorale(score, paths)
        return Melody(given, given.plan), free_bars(given, bars, kept)
    kept = voices_named(keep or VOICES[0])
    melody = read_melody(score, paths, kept)
    return melody, free_voices(melody.chorale, kept)


def _programs(instrument: str | None, default: int | None) -> list[int]:
    """Programs 1..128, one or four. Raises UserError for any other number of instruments."""
    names = [] if instrument is None else instrument.split(",")
    programs = [program_number(name) for name in names] or [default or ORGAN]
    if len(programs) not in (1, len(VOICES)):
        raise UserError("--instrument takes one instrument, or four separated by commas.")
    return programs


def _around(count: int) -> list[int]:
    """1, -1, 2, -2, ...: one less than `count` of them."""
    return list(chain.from_iterable((k, -k) for k in range(1, count // 2 + 1)))
