"""--encode makes shards, and -f learns from those of a large corpus."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from conftest import TINY

from config_bach import Paths, UserError
from families import large
from families.events.family import EventFamily
from play_bach import run
from storage.bundle import Bundle, load
from storage.shards import Shards

pytest.importorskip("pyarrow")


def test_a_corpus_becomes_shards(
    write_tunes: Callable[[], Paths], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write_tunes()
    to = paths.root / "shards"
    words = ["--encode", str(to), "--model-type", "1", "--concatenate", "--processes", "1"]
    for _ in range(2):
        run(words, paths)
        told = capsys.readouterr().out
        assert "12 of 12 files accepted, 0 copies left out: 12 pieces" in told
        assert f"--corpus {to}" in told
    shards = Shards(to)
    assert len(shards) == 12
    assert shards.manifest.encoder["encoding"]["concatenate"] is True


@pytest.mark.parametrize("verb", [["--encode", "x"], ["-l", "0", "-f"]])
@pytest.mark.parametrize("count", ["0", "-1", "1025"])
def test_processes_are_1_to_1024(
    write_tunes: Callable[[], Paths], verb: list[str], count: str
) -> None:
    with pytest.raises(UserError, match=f"--processes is {count}, but it must lie between 1"):
        run([*verb, "--processes", count], write_tunes())


def test_processes_must_divide_the_batch(write_tunes: Callable[[], Paths]) -> None:
    pytest.importorskip("jax")
    with pytest.raises(UserError, match="--processes 3 cannot share batches of 32"):
        run(["-l", "0", "-f", "--model-type", "2", "--processes", "3"], write_tunes())


def test_windows_of_a_large_corpus_are_refused(
    write_tunes: Callable[[], Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large, "LARGE", 5)
    with pytest.raises(UserError, match="--split window is for small corpora"):
        run(["-l", "0", "-f", "--split", "window"], write_tunes())


@pytest.mark.slow
def test_a_large_corpus_is_encoded_by_itself_and_learned(
    write_tunes: Callable[[], Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, short = write_tunes(), replace(EventFamily.training, min_steps=4)
    monkeypatch.setattr(large, "LARGE", 5)
    monkeypatch.setattr(EventFamily, "training", short)
    run(["-l", "0", "-f", "-e", "1", "--app", "t", "--model-type", "2", *TINY], paths)
    made = load(paths.models / "t2_nc_mo.zip")
    assert made.metadata["split"] == "shards"
    assert made.metadata["corpus"]["source"] == str(paths.training)
    assert made.metadata["metrics"]["valid"]["events"] > 0
    assert len(list((paths.cache / "shards").glob("*/shard-*.parquet"))) == 1
    sides = {p["name"]: p["side"] for p in made.metadata["corpus"]["pieces"]}
    monkeypatch.setattr(large, "LARGE", 10**6)  # what was large once stays so
    run(["-l", "1", "-f", "-e", "1", "--app", "t"], paths)
    again = load(paths.models / "t2_nc_mo.zip")
    assert [e["epoch"] for e in again.metadata["history"]] == [1, 2]
    assert {p["name"]: p["side"] for p in again.metadata["corpus"]["pieces"]} == sides


@pytest.mark.slow
def test_a_corpus_that_was_in_memory_is_not_divided_anew(
    event_bundle: tuple[Bundle, Paths],
    write_tunes: Callable[[], Paths],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = write_tunes()
    event_bundle[0].save(paths.models / "tunes2_nc_mo.zip")
    monkeypatch.setattr(large, "LARGE", 5)
    with pytest.raises(UserError, match="was trained on a corpus in memory"):
        run(["-l", "1", "-f", "--app", "tunes", "--corpus", str(paths.training)], paths)
