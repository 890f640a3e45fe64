"""The batches of type 5, and the precision that this machine computes fastest in."""

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from families.large import epoch_length, lengths_of, order_of
from families.metrics import padded
from families.satb.encoding import FIRST, Grid, fits
from families.satb.features import rows_transposed
from families.steps import Rows, StepSequence
from storage.bundle import Bundle


class StatefulBatches(keras.utils.PyDataset):
    """Batches of `batch` rows, in each of which one chorale follows the other, `seqlen` steps at a time.

    The network keeps the state of each row from batch to batch, so that a short window sees all that
    came before. Each chorale comes once a pass, in a key drawn anew; an epoch is as many whole passes as
    make `min_steps` batches. Where two predictions of a window are to agree, each row comes twice.
    """

    def __init__(self, sequences: Sequence[StepSequence], bundle: Bundle, epoch: int) -> None:
        """epoch: the first one, counted from 0; a run that goes on begins its rows anew."""
        super().__init__()
        self._window = bundle.network.seqlen
        self._rng = np.random.default_rng([bundle.training.seed, epoch])
        self._reach = bundle.vocabulary.encoding.transpose
        self._sequences = sequences
        windows = float((lengths_of(sequences) / self._window + 0.5).sum())
        self._copies = bundle.training.copies
        lanes = bundle.training.batch // self._copies
        passes = math.ceil(bundle.training.min_steps * lanes / windows)
        self._length = epoch_length(sequences, math.ceil(windows * passes / lanes))
        stream = self._stream()
        self._sources = [self._windows(stream) for _ in range(lanes)]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: int) -> tuple[tuple[Any, ...], Any]:
        """The next batch, whatever the number."""
        windows = [w for row in self._sources for w in [next(row)] * self._copies]
        rows, symbols, keep_state = zip(*windows, strict=True)
        targets = np.stack(symbols).astype(np.int32)
        inputs = (np.stack(rows), np.maximum(targets, 0), np.array(keep_state, np.float32))
        return inputs, targets

    def _stream(self) -> Iterator[tuple[Rows, Grid]]:
        """Chorales without end, each once a pass."""
        while True:
            for i in order_of(self._sequences, self._rng):
                piece = self._sequences[i]
                symbols = piece.targets.astype(np.int16)
                semitones = int(self._rng.choice(possible_shifts(symbols, self._reach)))
                moved = np.where(symbols >= FIRST, symbols + semitones, symbols)
                yield rows_transposed(piece.rows, semitones), moved

    def _windows(self, stream: Iterator[tuple[Rows, Grid]]) -> Iterator[tuple[Rows, Rows, float]]:
        """The windows of one row of the batch; the first of a chorale may be short: cuts vary."""
        for rows, symbols in stream:
            keep_state, start = 0.0, -int(self._rng.integers(self._window))
            while start < len(rows):
                part = slice(max(start, 0), start + self._window)
                yield (
                    padded([rows[part]], self._window, 0)[0],
                    padded([symbols[part]], self._window, -1)[0],
                    keep_state,
                )
                keep_state, start = 1.0, start + self._window


def possible_shifts(symbols: Grid, reach: int) -> list[int]:
    """The transpositions of a chorale [steps, 4]: 12 at the most, and no pitch may leave the symbols."""
    wanted = range(-reach, reach if reach == 6 else reach + 1)
    return [k for k in wanted if fits(symbols, k)] or [0]


def fastest_dtype() -> str:
    """'mixed_bfloat16' where this machine multiplies faster with it, else 'float32'.

    On JAX always float32: the processes of one training have to do the same.
    """
    if keras.backend.backend() != "tensorflow":
        return "float32"
    times = {}
    for dtype in ("float32", "bfloat16"):
        x, w = ops.ones((128, 512), dtype), ops.ones((512, 2048), dtype)
        ops.convert_to_numpy(ops.matmul(x, w))
        begun = time.perf_counter()
        for _ in range(20):
            ops.convert_to_numpy(ops.matmul(x, w))
        times[dtype] = time.perf_counter() - begun
    return "mixed_bfloat16" if times["bfloat16"] < 0.7 * times["float32"] else "float32"
