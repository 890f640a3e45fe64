"""Corpora that do not fit in memory: their pieces stay in shards, and are read when they are learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

from config_bach import Encoding, UserError, counted
from families.base import Corpus, CorpusRow, Dataset, ModelFamily
from families.corpus import find
from families.steps import StepSequence
from storage.shards import Shards, has_shards

if TYPE_CHECKING:
    from storage.bundle import Bundle

SHARDS = "shards"  # the kind of split, see split.LABELS
LARGE = 2000  # files; from here on a corpus is encoded into shards before it is learned
SAMPLE = 200  # pieces of each side that are measured, and carried by the bundle
TOGETHER = 8  # row groups whose pieces are mixed
MOST_BATCHES = 2000  # of an epoch, so that what was learned is measured and saved in time

Numbers = npt.NDArray[np.int64]


def is_large(source: str) -> bool:
    """Whether a source is a folder of shards, or has so many files that it is to be encoded first."""
    if has_shards(Path(source)):
        return True
    try:
        return len(find(source)) >= LARGE
    except UserError:
        return False  # it is for the family to say what is wrong with it


def encoder_of(family: ModelFamily, encoding: Encoding) -> dict[str, object]:
    """What rows of shards depend on: shards that say otherwise cannot be learned from."""
    settings = {**encoding.to_json(), "transpose": 0, "min_count": 0}  # these come later
    return {"family": family.number, "version": family.codec().version, "encoding": settings}


def read_shards(folder: Path, family: ModelFamily, encoding: Encoding, seed: int) -> Corpus:
    """An encoded corpus: some pieces of each side, and the shards with all of them.

    Raises UserError if it was encoded for another family or in another way.
    """
    shards = Shards(folder, seed)
    if shards.manifest.encoder != encoder_of(family, encoding):
        raise UserError(
            f"{folder} was encoded for another model type or with other settings: encode the "
            f"corpus again with --encode and --model-type {family.number}."
        )
    codec, pieces, sides = family.codec(), [], []
    for side in shards.sides:
        sample = [codec.piece(row) for row in shards.sample(side, SAMPLE)]
        pieces += sample
        sides += [side] * len(sample)
    rows = (CorpusRow(str(folder), shards.steps),)
    return Corpus(str(folder), tuple(pieces), rows, tuple(sides), SHARDS, shards)


def lines(shards: Shards) -> list[str]:
    """What an encoded corpus holds, for people."""
    told, sides = shards.manifest, shards.sides
    each = ", ".join(f"{len(sides[s])} {s}" for s in ("train", "valid", "test"))
    copies = "1 copy" if shards.duplicates == 1 else f"{shards.duplicates} copies"
    files = f"{told.files - told.refused} of {counted(told.files, 'file')} accepted"
    found = f"{counted(len(shards), 'piece')} ({each}), {counted(shards.steps, 'step')}"
    return [f"  {files}, {copies} left out: {found} in {counted(len(told.shards), 'shard')}"]


def with_shards(dataset: Dataset, shards: Shards, family: ModelFamily, bundle: Bundle) -> Dataset:
    """A dataset whose training sequences are all those of the shards."""
    return replace(dataset, train=ShardSequences(shards, family, bundle))


class ShardSequences(Sequence[StepSequence]):
    """The training pieces of shards, each in its own key until `in_key` is asked for another.

    Only what is read at the moment is in memory.
    """

    def __init__(self, shards: Shards, family: ModelFamily, bundle: Bundle) -> None:
        self._shards, self._bundle, self._codec = shards, bundle, family.codec()
        self._pieces = shards.sides["train"]
        self.keys = self._codec.keys(bundle)

    def __len__(self) -> int:
        return len(self._pieces)

    @overload
    def __getitem__(self, i: int) -> StepSequence: ...

    @overload
    def __getitem__(self, i: slice) -> list[StepSequence]: ...

    def __getitem__(self, i: int | slice) -> StepSequence | list[StepSequence]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        return self.in_key(i % len(self), self.keys // 2)

    def in_key(self, i: int, key: int) -> StepSequence:
        """A piece in one of its keys, 0 to `keys`."""
        return self._codec.sequence(self._shards[int(self._pieces[i])], key, self._bundle)

    @cached_property
    def lengths(self) -> npt.NDArray[np.int32]:
        """The steps of each sequence."""
        return self._shards.lengths(self._pieces)

    def blocks(self, rng: np.random.Generator) -> Iterator[Numbers]:
        """The numbers of all pieces in random order, in blocks of those that are read together."""
        groups = self._shards.groups(self._pieces)
        starts = np.flatnonzero(np.diff(groups, prepend=-1))
        spans = np.split(np.arange(len(self)), starts[1:])
        order = rng.permutation(len(spans))
        for first in range(0, len(order), TOGETHER):
            block = np.concatenate([spans[i] for i in order[first : first + TOGETHER]])
            yield rng.permutation(block)


def lengths_of(sequences: Sequence[StepSequence]) -> npt.NDArray[np.int32]:
    """The steps of each of some sequences; none of those in shards is read for it."""
    if isinstance(sequences, ShardSequences):
        return sequences.lengths
    return np.array([len(s) for s in sequences], np.int32)


def counted_of(sequences: Sequence[StepSequence]) -> int:
    """How many steps of them are to be predicted; of those in shards that are all."""
    if isinstance(sequences, ShardSequences):
        return int(sequences.lengths.sum())
    return sum(s.counted for s in sequences)


def order_of(sequences: Sequence[StepSequence], rng: np.random.Generator) -> Iterator[int]:
    """The numbers of all sequences in random order; those in shards so that each is read once."""
    if isinstance(sequences, ShardSequences):
        return (int(i) for block in sequences.blocks(rng) for i in block)
    return iter(rng.permutation(len(sequences)).tolist())


def epoch_length(sequences: Sequence[StepSequence], batches: int) -> int:
    """How many batches an epoch has, of those that all sequences make."""
    return min(batches, MOST_BATCHES) if isinstance(sequences, ShardSequences) else batches
