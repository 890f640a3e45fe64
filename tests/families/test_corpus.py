"""Every file is accounted for, one bad one stops nothing, and nothing is read twice."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import corpus
import pytest
from piece import Piece
from test_midi_io import BAD_FILES

from config_bach import Places, UserError
from midi_io import write_midi

LONG = Fraction(4)


def test_good_and_bad_files_are_all_in_the_table(write_tunes: Callable[[], Places]) -> None:
    places = write_tunes()
    for name, content in BAD_FILES.items():
        (places.training / name).write_bytes(content)
    read = corpus.read(str(places.training), places, LONG)
    assert len(read.pieces) == 12
    assert {row.name for row in read.rows if row.refused} == set(BAD_FILES)
    text = "\n".join(corpus.table(read))
    assert all(name in text for name in BAD_FILES)
    assert "drums.mid                    refused: only drums" in text
    assert "12 of 23 files accepted" in text


def test_a_long_table_is_short_and_still_adds_up(write_tunes: Callable[[], Places]) -> None:
    places = write_tunes()
    read = corpus.read(str(places.training), places, LONG)
    many = corpus.Corpus("x", read.pieces * 10, read.rows * 10)
    lines = corpus.table(many)
    assert len(lines) < 20
    assert "and 108 more files" in lines[-2]


def test_a_file_that_was_read_is_not_read_again(
    write_tunes: Callable[[], Places], monkeypatch: pytest.MonkeyPatch
) -> None:
    places = write_tunes()
    first = corpus.read(str(places.training), places, LONG)
    monkeypatch.setattr(corpus, "read_scores", lambda path: pytest.fail(f"{path} read again"))
    assert corpus.read(str(places.training), places, LONG) == first


def test_a_changed_file_is_read_again(
    write_tunes: Callable[[], Places], tunes: list[Piece]
) -> None:
    places = write_tunes()
    before = corpus.read(str(places.training), places, LONG)
    changed = places.training / "tune50.mid"
    write_midi(changed, tunes[0].transposed(1).events, 100, 1)
    after = corpus.read(str(places.training), places, LONG)
    differ = [a.name for a, b in zip(before.pieces, after.pieces, strict=True) if a != b]
    assert differ == ["tune50.mid"]


def test_the_cache_is_json_and_damage_to_it_is_harmless(write_tunes: Callable[[], Places]) -> None:
    places = write_tunes()
    first = corpus.read(str(places.training), places, LONG)
    kept = [p for p in places.cache.rglob("*") if p.is_file()]
    assert {p.suffix for p in kept} == {".json"}
    for path in kept:
        path.write_text('{"scores": [{"notes": [[1')
    assert corpus.read(str(places.training), places, LONG) == first


def test_a_cache_that_cannot_be_written_is_harmless(write_tunes: Callable[[], Places]) -> None:
    places = write_tunes()
    places.cache.write_text("a file where the folder should be")
    assert len(corpus.read(str(places.training), places, LONG).pieces) == 12


def test_folder_glob_and_file_are_sources(write_tunes: Callable[[], Places]) -> None:
    places = write_tunes()
    (places.training / "README.md").write_text("not a score")
    assert len(corpus.find(str(places.training))) == 12
    assert len(corpus.find(f"{places.training}/tune5[0-4].mid")) == 5
    assert len(corpus.find(f"{places.training}/tune50.mid")) == 1


def test_music21_carries_corpora() -> None:
    assert len(corpus.find("music21:chorales")) > 340
    assert len(corpus.find("music21:bach")) > 400
    with pytest.raises(UserError, match="music21:palestrina"):
        corpus.find("music21:nobody")


def test_an_empty_training_folder_means_the_chorales(
    write_tunes: Callable[[], Places], places: Places
) -> None:
    assert corpus.default_source(places) == "music21:chorales"
    write_tunes()
    assert corpus.default_source(places) == str(places.training)


def test_an_empty_corpus_is_one_sentence(places: Places) -> None:
    with pytest.raises(UserError, match="has no scores"):
        corpus.read(str(places.training), places, LONG)
    (places.training / "a.mid").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.mid: empty file"):
        corpus.read(str(places.training), places, LONG)


def test_a_piece_of_one_event_is_refused(places: Places, tunes: list[Piece]) -> None:
    write_midi(places.training / "one.mid", tunes[0].events[1:2], 100, 1)
    write_midi(places.training / "two.mid", tunes[0].events[1:3], 100, 1)
    read = corpus.read(str(places.training), places, LONG)
    assert [(row.name, bool(row.refused)) for row in read.rows] == [
        ("one.mid", True),
        ("two.mid", False),
    ]


def test_a_missing_prime_is_said(places: Places) -> None:
    with pytest.raises(UserError, match="there is no file"):
        corpus.read_piece(Path("nowhere.mid"), places, LONG)
