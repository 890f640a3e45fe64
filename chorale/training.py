"""The course of model type 5: lanes of chorales, the loss, and what the network is worth."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from batches import Accuracy, optimizer_of
from bundle import Arrays, Bundle, packed_music
from chorale.baseline import table
from chorale.ear import KEY, Rows, rows_of, rows_transposed
from chorale.forms import packed
from chorale.grid import FIRST, HOLD, VOICES, Chorale
from chorale.key import in_key
from chorale.network import ChoraleNetwork, built
from chorale.score import events_of
from dataset import SHARES, Split
from evaluate import Figures

ROUND = 128  # steps; TensorFlow prepares itself anew for every shape it has not met
TOGETHER = 16  # pieces measured at once

Lesson = tuple[Rows, npt.NDArray[np.integer]]


@dataclass(frozen=True)
class Voices:
    """The course of model type 5: what Course asks for."""

    bundle: Bundle
    train: tuple[Chorale, ...]
    valid: tuple[Chorale, ...]
    test: tuple[Chorale, ...]
    baselines: dict[str, Any]

    @classmethod
    def of(cls, parts: Split[Chorale], bundle: Bundle) -> Voices:
        """The course of a split."""
        figures = {
            "most frequent symbol": table(parts.train, parts.valid, depth=1).to_json(),
            "table of note, beat and hold": table(parts.train, parts.valid).to_json(),
        }
        return cls(bundle, parts.train, parts.valid, parts.test, figures)

    def sides(self) -> dict[str, int]:
        """Notes to predict: four in every step."""
        return {s: sum(len(p) * len(VOICES) for p in getattr(self, s)) for s in SHARES}

    def network(self, bundle: Bundle) -> keras.Model:
        """See Course. It computes in bfloat16 where this machine is faster so."""
        model = built(bundle.network, bundle.training.batch, fastest_dtype())
        if bundle.weights:
            model.set_weights(bundle.weights)
        optimizer = optimizer_of(bundle.training)
        model.compile(optimizer, loss=nll, metrics=[Accuracy()], jit_compile=False)
        if bundle.optimizer:
            optimizer.build(model.trainable_variables)
            for variable, value in zip(optimizer.variables, bundle.optimizer, strict=True):
                variable.assign(value)
        return model

    def batches(self, epoch: int) -> keras.utils.PyDataset:
        """See Course."""
        return Lanes(self.train, self.bundle, epoch)

    def unknown_nats(self) -> float:
        """Nothing is unknown: every pitch has its symbol."""
        return 0.0

    def measure(self, model: keras.Model, side: str) -> Figures:
        """See Course."""
        return measure(model, getattr(self, side))

    def music(self) -> bytes:
        """See Course."""
        return packed_music((p.name, events_of(p)) for p in self.train)

    def held_out(self) -> bytes:
        """See Course."""
        return packed(self.valid)

    def kept(self, model: keras.Model) -> Arrays:
        """See Course. Half precision halves the file and costs less than 0.0001 nats."""
        return [w.astype(np.float16) for w in model.get_weights()]


class Lanes(keras.utils.PyDataset):
    """Batches of `batch` lanes, in each of which one chorale follows the other.

    `seqlen` steps at a time: the network remembers each lane from batch to batch, so that a short
    window sees all that came before.

    Each chorale comes once a pass, in a key drawn anew; an epoch is as many whole passes as
    make `min_steps` batches.
    """

    def __init__(self, pieces: Sequence[Chorale], bundle: Bundle, epoch: int) -> None:
        """epoch: the first one, counted from 0; a run that goes on begins its lanes anew."""
        super().__init__()
        self._window, self._lanes = bundle.network.seqlen, bundle.training.batch
        self._rng = np.random.default_rng([bundle.training.seed, epoch])
        self._reach = bundle.vocabulary.encoding.transpose
        self._lessons = [(rows_of(p), p.symbols) for p in pieces]
        self._shifts = [possible_shifts(p, self._reach) for p in pieces]
        windows = sum(len(p) / self._window + 0.5 for p in pieces)
        passes = math.ceil(bundle.training.min_steps * self._lanes / windows)
        self._length = math.ceil(windows * passes / self._lanes)
        stream = self._stream()
        self._sources = [self._windows(stream) for _ in range(self._lanes)]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: int) -> tuple[tuple[Any, ...], Any]:
        """The next batch, whatever the number."""
        rows, symbols, going_on = zip(*(next(lane) for lane in self._sources), strict=True)
        targets = np.stack(symbols).astype(np.int32)
        heard = (np.stack(rows), np.maximum(targets, 0), np.array(going_on, np.float32))
        return heard, targets

    def _stream(self) -> Iterator[Lesson]:
        """Chorales without end, each once a pass."""
        while True:
            for i in self._rng.permutation(len(self._lessons)):
                semitones = int(self._rng.choice(self._shifts[i]))
                rows, symbols = self._lessons[i]
                moved = np.where(symbols >= FIRST, symbols + semitones, symbols)
                yield rows_transposed(rows, semitones), moved

    def _windows(self, stream: Iterator[Lesson]) -> Iterator[tuple[Rows, Rows, float]]:
        """The windows of one lane; the first of a chorale may be short, so that cuts vary."""
        for rows, symbols in stream:
            going_on, start = 0.0, -int(self._rng.integers(self._window))
            while start < len(rows):
                part = slice(max(start, 0), start + self._window)
                yield (
                    padded(rows[part], self._window, 0),
                    padded(symbols[part], self._window, -1),
                    going_on,
                )
                going_on, start = 1.0, start + self._window


def possible_shifts(piece: Chorale, reach: int) -> list[int]:
    """The transpositions of a chorale: 12 at the most, and no pitch may leave the symbols."""
    wanted = range(-reach, reach if reach == 6 else reach + 1)
    return [k for k in wanted if piece.fits(k)] or [0]


def padded(part: npt.NDArray[Any], length: int, value: int) -> npt.NDArray[np.int32]:
    """[steps, n] filled up at the end -> [length, n]."""
    out = np.full((length, part.shape[1]), value, np.int32)
    out[: len(part)] = part
    return out


def nll(targets: Any, logits: Any) -> Any:
    """Mean nats per note over the targets that count (those that are not -1)."""
    counted = ops.cast(targets >= 0, "float32")
    nats = ops.sparse_categorical_crossentropy(ops.maximum(targets, 0), logits, from_logits=True)
    return ops.sum(nats * counted) / ops.maximum(ops.sum(counted), 1.0)


def measure(
    model: ChoraleNetwork, pieces: Sequence[Chorale], shifts: Sequence[int] = (0,)
) -> Figures:
    """A network on whole chorales: nats per note over all voices and sixteenths, and accuracy.

    shifts: the transpositions over which the probabilities are averaged; each must leave every piece
    among the symbols. Where a source does not tell held notes from those struck again, both count as
    the same note, and their probabilities are added. `fields` holds the nats of each voice.
    """
    right, nats = 0, np.zeros(len(VOICES))
    for start in range(0, len(pieces), TOGETHER):
        some = sorted(pieces, key=len)[start : start + TOGETHER]
        length = -(-max(map(len, some)) // ROUND) * ROUND
        chances, hits = zip(*(_chances(model, some, length, k) for k in shifts), strict=True)
        counted = np.stack([padded(p.symbols, length, -1) for p in some]) >= 0
        nats -= (np.log(np.mean(chances, axis=0)) * counted).sum((0, 1))
        right += int((hits[0] & counted).sum())
    asked = sum(map(len, pieces))
    fields = dict(zip(VOICES, (nats / asked).tolist(), strict=True))
    return Figures(float(nats.sum()) / asked / 4, right / asked / 4, fields, asked * len(VOICES))


def _chances(
    model: ChoraleNetwork, pieces: Sequence[Chorale], length: int, semitones: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The probability of every note that came [pieces, length, 4], and whether it was the likeliest."""
    rows = np.stack([padded(rows_transposed(rows_of(p), semitones), length, 0) for p in pieces])
    moved = [p.transposed(semitones) for p in pieces]
    symbols = np.stack([padded(p.symbols, length, HOLD) for p in moved])
    p = ops.convert_to_numpy(ops.softmax(forward(model)(rows, symbols)))
    p = in_key(p, rows[..., None, KEY])
    chosen = np.take_along_axis(p, symbols[..., None], -1)[..., 0]
    for i, piece in enumerate(moved):
        if not piece.tells_struck:  # the same note struck again is what they call held
            own = rows[i, : len(piece), : len(VOICES)]
            again = np.take_along_axis(p[i, : len(piece)], own[..., None], -1)[..., 0]
            chosen[i, : len(piece)] += again * (piece.symbols == HOLD) * (own >= FIRST)
    return np.maximum(chosen, 1e-12).astype(np.float64), p.argmax(-1) == symbols


def forward(model: ChoraleNetwork) -> Any:
    """The network as a compiled function of (rows, symbols); made once."""
    if not hasattr(model, "forward"):
        model.forward = tf.function(
            lambda rows, symbols: model((rows, symbols)), reduce_retracing=True
        )
    return model.forward


def fastest_dtype() -> str:
    """'mixed_bfloat16' where this machine multiplies faster with it, else 'float32'."""
    times = {}
    for dtype in ("float32", "bfloat16"):
        x, w = tf.ones((128, 512), dtype), tf.ones((512, 2048), dtype)
        work = tf.function(tf.matmul)
        work(x, w).numpy()
        begun = time.perf_counter()
        for _ in range(20):
            work(x, w).numpy()
        times[dtype] = time.perf_counter() - begun
    return "mixed_bfloat16" if times["bfloat16"] < 0.7 * times["float32"] else "float32"
