"""Composing for many instruments as a person asks for it; the network is one whose answers are known."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from songs import any_music, model_of, piece

from config_bach import Composing, Encoding, Paths, UserError
from families.base import Composition, CompositionRequest, Corpus, LoadedModel, Split
from families.registry import family_of
from families.tracks.dataset import packed, unpacked
from families.tracks.tokens import SYMBOLS
from midi_io import write_midi
from music.events import duration_of, from_json
from music.scores import Score

FAMILY = family_of(6)


@pytest.fixture
def model() -> LoadedModel:
    made = model_of(any_music())
    bundle = replace(made.bundle, held_out=packed([piece(i) for i in range(3)]))
    return replace(made, bundle=bundle.with_metadata(instrument=None))


def compose(model: LoadedModel, paths: Paths, **about: Any) -> Composition:
    settings = Composing(seed=1, notes=20, **about.pop("settings", {}))
    options = about.pop("options", {})
    return FAMILY.compose(model, CompositionRequest(settings, options=options, **about), paths)


def test_a_piece_from_the_beginning(model: LoadedModel, paths: Paths) -> None:
    made = compose(model, paths)
    assert len(made.events) == 20
    assert made.size == "20 events"
    assert made.title == "x from the beginning, seed 1"
    assert not made.prime
    assert made.events[0].beat is not None
    assert 10 <= made.bpm <= 400


def test_a_midi_file_goes_on_at_its_tempo(model: LoadedModel, paths: Paths, tmp_path: Path) -> None:
    path = tmp_path / "song.mid"
    write_midi(path, piece(0).events, 90, 1)
    made = compose(model, paths, prime=path)
    assert made.title == "x after song.mid, seed 1"
    assert made.source == "song.mid"
    assert made.bpm == 90
    assert duration_of(made.prime) % 4 == 0
    assert {s.program for e in made.prime for s in e.sounds} == {0, 1, 34}
    assert len(made.events) == 20
    assert compose(model, paths, prime=path, settings={"bpm": 60}).bpm == 60


def test_of_a_long_file_the_end_is_continued(
    model: LoadedModel, paths: Paths, tmp_path: Path
) -> None:
    path = tmp_path / "song.mid"
    write_midi(path, piece(0, 60).events, 90, 1)
    made = compose(model, paths, prime=path)
    assert Fraction(20) < duration_of(made.prime) < duration_of(piece(0, 60).events) / 2


def test_a_held_out_piece_is_continued_where_that_is_asked_for(
    model: LoadedModel, paths: Paths
) -> None:
    made = compose(model, paths, options={"with_prime": True})
    assert made.source in {"song0", "song1", "song2"}
    assert made.prime


def test_what_cannot_be_continued_is_refused(
    model: LoadedModel, paths: Paths, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.mid"
    bad.write_bytes(b"MThd")
    refusals: list[tuple[Path | Score, str]] = [
        (bad, "cannot be continued: damaged MIDI header"),
        (tmp_path / "none.mid", "there is no file"),
        (Score("mine", ()), "mine cannot be continued: it has no notes"),
    ]
    for prime, said in refusals:
        with pytest.raises(UserError, match=said):
            compose(model, paths, prime=prime)
        with pytest.raises(UserError, match=said):
            FAMILY.check_prime(prime, paths, Encoding())


def test_instruments_are_those_of_the_model(model: LoadedModel, paths: Paths) -> None:
    with pytest.raises(UserError, match="leave --instrument out"):
        compose(model, paths, instrument="flute")


def test_a_bundle_knows_beginnings_of_held_out_pieces(model: LoadedModel) -> None:
    pieces = tuple(piece(i, 40) for i in range(4))
    split = Split("piece", pieces[:2], pieces[2:3], pieces[3:])
    told = FAMILY.metadata(Corpus("x", pieces, ()), split, model.bundle)
    assert [row["name"] for row in told["primes"]] == ["song3", "song2"]
    for row, whole in zip(told["primes"], (pieces[3], pieces[2]), strict=True):
        assert len(row["events"]) > 64
        assert from_json(row["events"][:64]) == list(whole.events[:64])
    assert told["bpm"] == 90


def test_foreign_tokens_are_refused() -> None:
    for tokens in ([SYMBOLS], [-1]):
        with pytest.raises(ValueError, match="holds tokens that there are not"):
            unpacked(f'[["x", {tokens}]]'.encode())
    assert unpacked(b"") == []
