"""Pieces as rows of shards, and back: what makes any family learn from a corpus of any size.

`PieceCodec` works for every family, by way of its pieces; a family with a faster way has a codec of its
own (see families/events/shards.py and ModelFamily.codec).
"""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from config_bach import Encoding, Paths, UserError
from families.steps import StepSequence
from midi_io import Refused
from storage.shards import ShardRow, Shards
from storage.vocabulary import Vocabulary

if TYPE_CHECKING:
    from storage.bundle import Bundle

PACKED = "packed"
SAMPLE = 1000  # pieces from which a vocabulary is learned that does not depend on the pieces much


class PackedPieces(Protocol):
    """What a codec needs of a model family (see families/base.py, which knows the codec)."""

    def read(self, source: str, paths: Paths, encoding: Encoding, show: bool = True) -> Any:
        """The corpus of a source, with its `pieces`."""

    def vocabulary(self, train: Sequence[Any], encoding: Encoding) -> Vocabulary:
        """The symbols of pieces."""

    def pack(self, pieces: Sequence[Any]) -> bytes:
        """Pieces as bytes."""

    def unpack(self, data: bytes) -> list[Any]:
        """The inverse of `pack`."""

    def sequences(self, pieces: Sequence[Any], bundle: Bundle) -> list[StepSequence]:
        """Pieces as a network sees them."""


class PieceCodec:
    """A row holds its piece as a bundle would (ModelFamily.pack)."""

    version = 1  # raise it when rows change: then all is encoded again

    def __init__(self, family: PackedPieces) -> None:
        self.family = family

    def rows(self, path: Path, encoding: Encoding) -> list[ShardRow]:
        """The pieces of a file. Raises Refused, with the reason, if it has none."""
        with tempfile.TemporaryDirectory() as folder:  # nothing is cached: the shards are the cache
            try:
                corpus = self.family.read(
                    glob.escape(str(path)), Paths(Path(folder)), encoding, show=False
                )
            except UserError as error:
                raise Refused(_reason(error, path)) from error
        return [self.row(piece, path) for piece in corpus.pieces]

    def row(self, piece: Any, path: Path) -> ShardRow:
        """A piece as a row."""
        packed = np.frombuffer(self.family.pack([piece]), np.uint8)
        return ShardRow(
            path.name,
            piece.name,
            piece.fingerprint,
            len(piece),
            piece.bpm,
            getattr(piece, "program", None),
            {PACKED: packed},
        )

    def piece(self, row: ShardRow) -> Any:
        """The inverse of `row`."""
        return self.family.unpack(row.data[PACKED].tobytes())[0]

    def keys(self, bundle: Bundle) -> int:
        """In how many keys a piece is learned, where its batches do not see to that themselves."""
        return 1

    def sequence(self, row: ShardRow, key: int, bundle: Bundle) -> StepSequence:
        """A piece as a network sees it, in one of its keys (0 to `keys`)."""
        found = self.family.sequences([self.piece(row)], bundle)
        if found:
            return found[0]
        heads = len(bundle.vocabulary.fields)
        return StepSequence(
            row.name, np.zeros((0, heads), np.int32), np.zeros((0, heads), np.int32)
        )

    def vocabulary(self, shards: Shards, encoding: Encoding) -> Vocabulary:
        """The symbols of all training pieces."""
        pieces = [self.piece(row) for row in shards.sample("train", SAMPLE)]
        return self.family.vocabulary(pieces, encoding)


def _reason(error: UserError, path: Path) -> str:
    """The reason why a file is refused, without the sentence around it."""
    text = str(error)
    start = text.find(f"({path.name}: ")
    if start < 0:
        return text
    return text[start + len(path.name) + 3 : text.rfind(")")]
