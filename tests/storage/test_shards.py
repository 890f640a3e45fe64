"""Shards give back what was put in, whatever is asked for, and say what is wrong with them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config_bach import UserError
from storage.shards import (
    CACHED,
    MANIFEST,
    ROW_GROUP,
    Column,
    Manifest,
    Shard,
    ShardRow,
    Shards,
    has_shards,
    load_manifest,
    write_shard,
)

pytest.importorskip("pyarrow")


def row(number: int) -> ShardRow:
    """A piece of its own kind."""
    data: dict[str, Column] = {
        "ids": np.arange(number % 7, dtype=np.uint16),
        "times": np.full(number % 3 + 1, number, np.int64),
    }
    print_ = f"{number * 2654435761 % 2**64:016x}"
    program = number % 128 + 1 if number % 2 else None
    return ShardRow(f"{number}.mid", f"n{number}", print_, number, 100.0, program, data)


def folder_of(folder: Path, *shards: list[ShardRow]) -> Path:
    """A folder with a manifest and these shards."""
    names = tuple(f"shard-{i:05d}-x.parquet" for i in range(len(shards)))
    for name, rows in zip(names, shards, strict=True):
        write_shard(folder / name, rows, [("bad.mid", "no notes")])
    Manifest("here", {"family": 2}, 9, 1, names).save(folder)
    return folder


def same(a: ShardRow, b: ShardRow) -> bool:
    return replace(a, data={}) == replace(b, data={}) and all(
        a.data[name].dtype == b.data[name].dtype and a.data[name].tolist() == b.data[name].tolist()
        for name in {*a.data, *b.data}
    )


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [row(i) for i in range(2 * ROW_GROUP + 5)]
    write_shard(tmp_path / "a.parquet", rows, [("x.mid", "only drums"), ("x.mid", "no notes")])
    shard = Shard(tmp_path / "a.parquet")
    assert shard.refused == [("x.mid", "only drums"), ("x.mid", "no notes")]
    assert (len(shard), shard.groups) == (len(rows), 3)
    found = [r for group in range(3) for r in shard.rows(group)]
    assert all(same(a, b) for a, b in zip(found, rows, strict=True))


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_shard(tmp_path / name, [row(i) for i in range(9)], [])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_any_piece_can_be_had_in_any_order(tmp_path: Path) -> None:
    many = [[row(100 * s + i) for i in range(1, ROW_GROUP + 3)] for s in range(CACHED + 2)]
    shards = Shards(folder_of(tmp_path, *many))
    rows = [r for shard in many for r in shard]
    for i in np.random.default_rng(1).permutation(len(rows)).tolist():
        assert same(shards[i], rows[i])
    assert len(shards._groups) <= CACHED
    assert len(shards._open) <= CACHED


def test_a_shard_without_pieces_is_none_the_worse(tmp_path: Path) -> None:
    shards = Shards(folder_of(tmp_path, [], [row(1), row(2), row(3)], []))
    assert [shards[i].name for i in range(len(shards))] == ["n1", "n2", "n3"]


def test_what_is_the_same_in_any_key_counts_once(tmp_path: Path) -> None:
    again = replace(row(5), name="a copy")
    shards = Shards(folder_of(tmp_path, [row(i) for i in range(1, 9)], [again, row(20)]))
    assert shards.duplicates == 1
    assert "a copy" not in {shards[i].name for i in range(len(shards))}
    assert shards.steps == sum(range(1, 9)) + 20


def test_every_piece_is_on_one_side_and_all_sides_have_some(tmp_path: Path) -> None:
    for count in (3, 10, 400):
        folder = tmp_path / str(count)
        shards = Shards(folder_of(folder, [row(i) for i in range(1, count + 1)]))
        sides = shards.sides
        assert sorted(np.concatenate(list(sides.values())).tolist()) == list(range(count))
        assert all(len(rows) for rows in sides.values())
    assert len(sides["valid"]) == pytest.approx(80, abs=25)
    assert len(sides["test"]) == pytest.approx(40, abs=20)


def test_sides_stay_when_pieces_come(tmp_path: Path) -> None:
    def named(count: int) -> dict[str, str]:
        folder = folder_of(tmp_path / str(count), [row(i) for i in range(1, count + 1)])
        shards = Shards(folder)
        return {shards[int(i)].name: side for side, rows in shards.sides.items() for i in rows}

    before, after = named(200), named(300)
    assert before.items() <= after.items()


def test_another_seed_is_another_split(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, [row(i) for i in range(1, 100)])
    first, again, other = (Shards(folder, seed).sides["valid"].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_a_sample_is_some_of_a_side(tmp_path: Path) -> None:
    shards = Shards(folder_of(tmp_path, [row(i) for i in range(1, 200)]))
    names = [r.name for r in shards.sample("train", 10)]
    assert len(set(names)) == 10
    assert set(names) <= {r.name for r in shards.rows("train")}
    assert names == [r.name for r in Shards(tmp_path).sample("train", 10)]


def test_pieces_of_a_group_are_read_together(tmp_path: Path) -> None:
    shards = Shards(folder_of(tmp_path, [row(i) for i in range(1, 2 * ROW_GROUP + 1)], [row(999)]))
    groups = shards.groups(np.arange(len(shards)))
    assert [len(set(groups[:ROW_GROUP])), len(set(groups))] == [1, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 99},
        {"shards": ["../../etc/passwd"]},
        {"shards": 3},
        {"files": "many"},
        {"encoder": 1},
    ],
)
def test_a_manifest_that_is_wrong_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    folder = folder_of(tmp_path, [row(1)])
    path = folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=r"manifest\.json.*encode"):
        load_manifest(folder)


def test_a_folder_without_a_manifest_has_no_shards(tmp_path: Path) -> None:
    assert not has_shards(tmp_path)
    with pytest.raises(UserError, match="manifest"):
        Shards(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"PAR1", b"no parquet" * 100])
def test_a_shard_that_is_gone_or_damaged_is_named(tmp_path: Path, content: bytes | None) -> None:
    folder = folder_of(tmp_path, [row(1)])
    path = folder / "shard-00000-x.parquet"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match="shard-00000-x"):
        Shards(folder)


def test_nothing_to_learn_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing in here can be learned from"):
        Shards(folder_of(tmp_path, []))
