"""Encoded corpora on disk: Parquet files of pieces, each file a shard, and a manifest of them.

A row is a piece: where it comes from, its fingerprint, its steps, and the columns of the family that
encoded it, which are whole numbers. Shards are read a row group at a time, so memory stays bounded.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from config_bach import Settings, UserError, require_large
from storage.files import replacing, write_text

FORMAT = "play-bach-shards"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 2**26  # bytes
ROW_GROUP = 64  # pieces that are read at a time
CACHED = 12  # row groups that are kept in memory
SHARES = (("test", 0.1), ("valid", 0.2))  # the rest is for training
REFUSED = b"play_bach_refused"

Column = npt.NDArray[Any]


@dataclass(frozen=True)
class ShardRow:
    """A piece: the name of its file, its own, the same for the same music in any key, how many steps it
    has to predict, tempo (BPM) and program (1..128) if known, and what the family keeps of it."""

    file: str
    name: str
    fingerprint: str
    steps: int
    bpm: float | None = None
    program: int | None = None
    data: dict[str, Column] = field(default_factory=dict)


def write_shard(path: Path, rows: Sequence[ShardRow], refused: Sequence[tuple[str, str]]) -> None:
    """Write a shard whole or not at all. The same rows give the same bytes.

    refused: the names of files that have none, and why.
    """
    pa, pq = _arrow()
    columns: dict[str, Any] = {
        "file": pa.array([r.file for r in rows], pa.string()),
        "name": pa.array([r.name for r in rows], pa.string()),
        "fingerprint": pa.array([r.fingerprint for r in rows], pa.string()),
        "steps": pa.array([r.steps for r in rows], pa.int32()),
        "bpm": pa.array([r.bpm for r in rows], pa.float64()),
        "program": pa.array([r.program for r in rows], pa.int16()),
    }
    for name in rows[0].data if rows else ():
        values = [np.asarray(r.data[name]) for r in rows]
        ends = np.cumsum([0, *map(len, values)]).astype(np.int64)
        flat = pa.array(np.concatenate(values))
        columns[name] = pa.LargeListArray.from_arrays(pa.array(ends), flat)
    told = {REFUSED: json.dumps(list(refused)).encode()}
    table = pa.table(columns).replace_schema_metadata(told)
    with replacing(path) as aside:
        pq.write_table(table, aside, row_group_size=ROW_GROUP, compression="zstd")


def _arrow() -> tuple[Any, Any]:
    """pyarrow and its Parquet. Raises UserError where it is not installed."""
    require_large("pyarrow", "a corpus in shards")
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pa, pq


class Shard:
    """A Parquet file, opened."""

    def __init__(self, path: Path) -> None:
        """Raises UserError if it is missing or damaged."""
        pa, pq = _arrow()
        try:
            self._file = pq.ParquetFile(path, memory_map=True)
            told = json.loads((self._file.schema_arrow.metadata or {}).get(REFUSED, b"[]"))
        except (OSError, ValueError, pa.ArrowException) as error:
            raise UserError(
                f"the shard {path} cannot be read ({error}); remove it and encode the corpus again."
            ) from error
        self.refused: list[tuple[str, str]] = [(str(name), str(why)) for name, why in told]

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    @property
    def groups(self) -> int:
        """How many row groups there are."""
        return int(self._file.num_row_groups)

    def columns(self, *names: str) -> list[Any]:
        """Some columns of all rows, as Python lists."""
        table = self._file.read(columns=list(names))
        return [table.column(name).to_pylist() for name in names]

    def rows(self, group: int) -> list[ShardRow]:
        """The pieces of a row group."""
        table = self._file.read_row_group(group).combine_chunks()
        fixed = {}
        for name in ("file", "name", "fingerprint", "steps", "bpm", "program"):
            fixed[name] = table.column(name).to_pylist()
        lists = {
            name: _slices(table.column(name).chunk(0))
            for name in table.column_names
            if name not in fixed
        }
        return [
            ShardRow(
                **{name: values[i] for name, values in fixed.items()},
                data={name: values[i] for name, values in lists.items()},
            )
            for i in range(table.num_rows)
        ]


def _slices(column: Any) -> list[Column]:
    """A list column as an array for each row."""
    ends, values = column.offsets.to_numpy(), column.values.to_numpy()
    return [values[a:b] for a, b in pairwise(ends)]


@dataclass(frozen=True)
class Manifest:
    """What lies in a folder of shards.

    encoder: the family's number, its version of encoding and the settings. files: how many there were;
    refused: how many of these have no music in them. shards: the file names. digest: of all their
    names, which are made of contents.
    """

    source: str
    encoder: dict[str, Any]
    files: int
    refused: int
    shards: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The same for the same corpus, encoded in the same way."""
        return hashlib.sha256("\n".join(self.shards).encode()).hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Write the manifest, which says that all shards are there."""
        told = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "source": self.source,
            "encoder": self.encoder,
            "files": self.files,
            "refused": self.refused,
            "shards": list(self.shards),
        }
        write_text(folder / MANIFEST, json.dumps(told, indent=1))


def has_shards(folder: Path) -> bool:
    """Whether a folder holds an encoded corpus."""
    return (folder / MANIFEST).is_file()


def load_manifest(folder: Path) -> Manifest:
    """Read a manifest. Raises UserError, naming it, if it is damaged or foreign."""
    path = folder / MANIFEST
    try:
        if path.stat().st_size > LARGEST_MANIFEST:
            raise ValueError("too large")
        data = json.loads(path.read_text("utf-8"))
        if data["format"] != FORMAT or data["version"] != FORMAT_VERSION:
            raise ValueError("of another format")
        names = tuple(str(name) for name in data["shards"])
        if any(Path(name).name != name for name in names):
            raise ValueError("a shard outside of its folder")
        numbers = int(data["files"]), int(data["refused"])
        return Manifest(str(data["source"]), dict(data["encoder"]), *numbers, names)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} cannot be used ({error}): encode the corpus again with --encode."
        ) from error


class Shards:
    """An encoded corpus: which pieces there are, on which side, and each of them when it is asked for.

    Of pieces that are the same in any key only the first one counts. What a piece is for (training,
    validation, test) follows from its fingerprint and a seed, so that it stays when others come.
    """

    def __init__(self, folder: Path, seed: int = 1) -> None:
        """Raises UserError if the folder has no shards that can be read."""
        self.folder, self.manifest, self._seed = folder, load_manifest(folder), seed
        self._open: OrderedDict[str, Shard] = OrderedDict()
        self._groups: OrderedDict[tuple[int, int], list[ShardRow]] = OrderedDict()
        shard, row, steps, prints = [], [], [], []
        for number in range(len(self.manifest.shards)):
            fingerprint, length = self._shard(number).columns("fingerprint", "steps")
            shard.append(np.full(len(length), number, np.int32))
            row.append(np.arange(len(length), dtype=np.int32))
            steps.append(np.array(length, np.int32))
            prints.append(np.array([int(p, 16) for p in fingerprint], np.uint64))
        if not sum(map(len, row)):
            raise UserError(f"nothing in {self.manifest.source} can be learned from; add scores.")
        known = np.concatenate(prints)
        first = np.sort(np.unique(known, return_index=True)[1])
        self.duplicates = len(known) - len(first)
        self._chance = _mixed(known[first], seed)
        self._shard_of, self._row_of, self._steps = (
            np.concatenate(x)[first] for x in (shard, row, steps)
        )

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def steps(self) -> int:
        """All steps of all pieces that count."""
        return int(self._steps.sum())

    @cached_property
    def sides(self) -> dict[str, npt.NDArray[np.int64]]:
        """The numbers of the pieces of each side, in the order of the shards."""
        order, found, taken, limit = np.argsort(self._chance), {}, 0, 0.0
        for side, share in SHARES:
            limit += share
            stop = max(taken + 1, int((self._chance < limit).sum()))
            found[side], taken = order[taken:stop], stop
        found["train"] = order[taken:]
        return {side: np.sort(rows) for side, rows in found.items()}

    def sample(self, side: str, count: int) -> list[ShardRow]:
        """Some pieces of a side, always the same ones."""
        rows = self.sides[side]
        chosen = rows[np.argsort(self._chance[rows])[:count]]
        return [self[int(i)] for i in np.sort(chosen)]

    def lengths(self, pieces: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """The steps of some pieces."""
        return np.asarray(self._steps[pieces])

    def groups(self, pieces: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """A number for the row group of each of some pieces: those that are read together."""
        return np.asarray(self._shard_of[pieces].astype(np.int64) << 32) | (
            self._row_of[pieces] // ROW_GROUP
        )

    def rows(self, side: str) -> Iterator[ShardRow]:
        """All pieces of a side, one row group after the other."""
        return (self[int(i)] for i in self.sides[side])

    def __getitem__(self, i: int) -> ShardRow:
        shard, row = int(self._shard_of[i]), int(self._row_of[i])
        key = (shard, row // ROW_GROUP)
        if key not in self._groups:
            self._groups[key] = self._shard(shard).rows(key[1])
            if len(self._groups) > CACHED:
                self._groups.popitem(last=False)
        self._groups.move_to_end(key)
        return self._groups[key][row % ROW_GROUP]

    def _shard(self, number: int) -> Shard:
        name = self.manifest.shards[number]
        if name not in self._open:
            self._open[name] = Shard(self.folder / name)
            if len(self._open) > CACHED:
                self._open.popitem(last=False)
        self._open.move_to_end(name)
        return self._open[name]


def _mixed(values: npt.NDArray[np.uint64], seed: int) -> npt.NDArray[np.float64]:
    """Numbers of 0 to 1 that follow from others and a seed (splitmix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        x = values + np.uint64(seed + 1) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((x ^ (x >> np.uint64(31))) / 2.0**64)


def encoder_key(encoder: Mapping[str, Any]) -> str:
    """What tells one way of encoding from another, as text."""
    return json.dumps(encoder, sort_keys=True)


def settings_of(encoder: Mapping[str, Any], group: type[Settings]) -> Settings:
    """The settings in a manifest. Raises UserError if they are damaged."""
    return group.from_json(encoder.get("encoding", {}))
