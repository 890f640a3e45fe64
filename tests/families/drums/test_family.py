"""Percussion as a model type: read, trained, packed, composed with, from the command line too."""

import json
import sys
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from conftest import ROOT
from grooves import groove, little, short_training

import play_bach
from config_bach import Composing, Encoding, Paths, UserError
from families.base import Composition, CompositionRequest, Corpus, LoadedModel
from families.drums.encoding import piece_of
from families.drums.family import TABLE, bars_of
from families.drums.reading import read_drums
from families.registry import family_of
from midi_io import Score, write_midi
from music.events import Event, from_json
from music.sounds import DRUMS
from storage import bundle as bundles
from storage.bundle import Bundle
from storage.catalog import path_of
from workflows.trainer import new_bundle

sys.path.insert(0, str(ROOT / "bench"))
import drum_patterns

FAMILY = family_of(4)
CHANNEL = 9


def folder_of(paths: Paths, count: int = 12) -> Path:
    """A folder with so many drum files and a piano piece."""
    for i in range(count):
        write_midi(paths.training / f"groove{i}.mid", groove(i, bars=8).events, 100, 1)
    piano = [Event((60 + i,), groove(0).events[0].duration) for i in range(8)]
    write_midi(paths.training / "piano.mid", piano, 100, 1)
    return paths.training


# ---- reading, and what a bundle carries


def test_a_folder_is_read_and_every_file_is_accounted_for(paths: Paths) -> None:
    corpus = FAMILY.read(str(folder_of(paths, 3)), paths, Encoding(), show=False)
    told = {row.name: (row.steps, row.refused) for row in corpus.rows}
    assert not any(row.lost for row in corpus.rows)
    assert told == {
        "groove0.mid": (192, ""),
        "groove1.mid": (192, ""),
        "groove2.mid": (192, ""),
        "piano.mid": (0, "no drums: nothing on channel 10"),
    }
    assert [p.bpm for p in corpus.pieces] == [100] * 3


def test_a_folder_without_drums_is_refused(paths: Paths) -> None:
    with pytest.raises(UserError, match=r"nothing in .* has drums .*piano\.mid: no drums"):
        FAMILY.read(str(folder_of(paths, 0)), paths, Encoding(), show=False)


def test_a_few_strokes_are_no_piece(paths: Paths) -> None:
    two = piece_of(groove(0).events[:2], "x")
    write_midi(paths.training / "x.mid", two.events, 100, 1)
    with pytest.raises(UserError, match="3 strokes, a piece has 4"):
        FAMILY.read(str(paths.training), paths, Encoding(), show=False)


def test_pieces_come_back_from_their_bundle() -> None:
    pieces = [groove(2), groove(5, bars=3, length=3), groove(1).part(6, 90, "part")]
    again = FAMILY.unpack(FAMILY.pack(pieces))
    for a, b in zip(pieces, again, strict=True):
        assert (a.name, a.bpm) == (b.name, b.bpm)
        assert np.array_equal(a.symbols, b.symbols)
        assert np.array_equal(a.places, b.places)


@pytest.mark.parametrize("bars", [[73], [0], [24] * 5000])
def test_pieces_that_are_none_are_refused(bars: list[int]) -> None:
    with pytest.raises(ValueError, match="bars than music has"):
        FAMILY.unpack(json.dumps([["x", None, bars, 0, []]]).encode())


def test_a_new_bundle_knows_metres_tempo_and_beginnings() -> None:
    pieces = tuple(groove(i, bars=2, length=3 if i < 2 else 4) for i in range(6))
    corpus = Corpus("x", pieces, (), ("train",) * 4 + ("valid",) + ("test",), "given")
    bundle, parts = new_bundle("x", corpus, Encoding(), little(), short_training())
    assert bundle.metadata["metres"] in ([[18, 4], [24, 4]], [[24, 4], [18, 4]])
    assert bundle.metadata["bpm"] == 102.5
    assert bundle.metadata["instrument"] is None
    assert [p["name"] for p in bundle.metadata["primes"]] == ["groove 5", "groove 4"]
    assert from_json(bundle.metadata["primes"][0]["events"]) == pieces[5].events
    assert bars_of(pieces[0]) == [18, 18]
    baselines = FAMILY.dataset(parts, bundle).baselines
    assert list(baselines) == ["most frequent symbol", TABLE]


@pytest.mark.slow
def test_it_learns_and_the_file_is_small(drum_bundle: tuple[Bundle, Paths]) -> None:
    bundle, paths = drum_bundle
    metrics = bundle.metadata["metrics"]
    assert metrics["valid"]["nll"] < 0.5 * metrics["baselines"]["most frequent symbol"]["nll"]
    saved = bundles.load(path_of(bundle.name, paths))
    assert {w.dtype for w in saved.weights} == {np.dtype("float16")}
    assert list(saved.steps) == [FAMILY.default_variant]


@pytest.mark.slow
def test_a_guess_is_right_when_the_whole_step_is(drum_model: LoadedModel) -> None:
    sequence = FAMILY.sequences([groove(1)], drum_model.bundle)[0]
    sure = [
        np.eye(6, dtype=np.float32)[sequence.targets[:, k]]
        for k in range(sequence.targets.shape[1])
    ]
    nats, right = FAMILY.score(sure, sequence, drum_model.vocabulary.fields)
    assert (nats.sum(), right.mean()) == (0, 1)
    sure[3] = np.roll(sure[3], 1, axis=0)
    _, right = FAMILY.score(sure, sequence, drum_model.vocabulary.fields)
    same = (sure[3].argmax(1) == sequence.targets[:, 3])[:, None]
    assert (right == same).all()


# ---- composing


def composed(model: LoadedModel, paths: Paths, **given: Any) -> Composition:
    settings = Composing(
        seed=given.pop("seed", 5), notes=given.pop("notes", 30), bpm=given.pop("bpm", None)
    )
    request = CompositionRequest(
        settings, given.pop("prime", None), given.pop("instrument", None), given
    )
    return FAMILY.compose(model, request, paths)


@pytest.mark.slow
def test_a_piece_is_percussion_in_whole_bars(drum_model: LoadedModel, paths: Paths) -> None:
    piece = composed(drum_model, paths)
    assert all(s.program == DRUMS for e in piece.events for s in e.sounds)
    assert sum(e.duration for e in piece.events) % 4 == 0
    assert sum(bool(e.sounds) for e in piece.events) >= 30
    assert piece.size.endswith(" bars of drums")
    assert piece.bpm == drum_model.metadata["bpm"]
    assert piece.title == "small4_nc_mo, seed 5"
    assert piece.copy == drum_model.longest_copy(piece.events)
    assert composed(drum_model, paths, bpm=150.0).bpm == 150
    assert not piece.prime


@pytest.mark.slow
def test_a_drum_file_is_continued(drum_model: LoadedModel, paths: Paths, tmp_path: Path) -> None:
    waltz = groove(1, bars=2, length=3)
    write_midi(tmp_path / "waltz.mid", waltz.events, 140, 1)
    piece = composed(drum_model, paths, prime=tmp_path / "waltz.mid")
    assert piece.prime == waltz.events
    assert piece.source == "waltz.mid"
    assert piece.bpm == 140
    assert max(e.beat or 0 for e in piece.events) < 3
    assert sum(e.duration for e in piece.events) % 3 == 0
    assert piece.whole[: len(piece.prime)] == waltz.events


@pytest.mark.slow
def test_a_held_out_piece_is_continued(drum_model: LoadedModel, paths: Paths) -> None:
    piece = composed(drum_model, paths, with_prime=True)
    name, events = drum_model.prime(5)
    assert (piece.source, list(piece.prime)) == (name, events)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["piano", "gone", "score"])
def test_what_has_no_drums_cannot_be_continued(
    kind: str, drum_model: LoadedModel, paths: Paths
) -> None:
    prime = {
        "piano": folder_of(paths, 0) / "piano.mid",
        "gone": paths.root / "gone.mid",
        "score": Score("tune", ()),
    }[kind]
    with pytest.raises(UserError, match="there is no file" if kind == "gone" else "no drums"):
        composed(drum_model, paths, prime=prime)


@pytest.mark.slow
def test_the_kit_cannot_be_exchanged(drum_model: LoadedModel, paths: Paths) -> None:
    with pytest.raises(UserError, match="leave --instrument out"):
        composed(drum_model, paths, instrument="piano")


# ---- from the command line


def songs(folder: Path) -> None:
    """A folder of songs of twelve patterns, each with a break."""
    patterns: list[dict[str, Any]] = []
    bits = [f"{i:04b}".replace("0", "-").replace("1", "x") for i in range(12)]
    for i, own in enumerate(bits):
        for ends in (False, True):
            kick = f"x-------x---{own}" if ends else f"x---{own}x-------"
            tracks = {"42": "x-" * 8, "38": "----x-------x---", "36": kick}
            title, about = f"Rock{i}{'Break' * ends}", {"style": "Rock", "break": ends}
            pattern = {"title": title, **about, "signature": "4/4", "steps": 16, "tracks": tracks}
            patterns.append(pattern)
    folder.mkdir()
    for i, song in enumerate(drum_patterns.songs_of(patterns)):
        drum_patterns.write(song, folder / f"{i}.mid")


@pytest.mark.slow
def test_from_a_folder_to_a_piece_on_the_command_line(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Songs -> training -> a .mid on channel 10, its sound, a score, a picture."""
    songs(paths.root / "songs")
    monkeypatch.setattr(type(FAMILY), "training", short_training())
    train = ["-l", "0", "-f", "--app", "beat", "--model-type", "4", "-e", "1", "--units", "8"]
    play_bach.run([*train, "--corpus", str(paths.root / "songs")], paths)
    words = ["-pm", "--model-type", "4", "--seed", "3"]
    play_bach.run([*words, "--notes", "40", "--musicxml", "--wav"], paths)
    assert "bars of drums, Drum Kit, 110 BPM" in capsys.readouterr().out
    path = paths.models / "beat4_nc_mo.mid"
    hits = [m for m in mido.MidiFile(path) if m.type == "note_on" and m.velocity]
    assert {m.channel for m in hits} == {CHANNEL}
    for suffix in (".musicxml", ".wav", ".png"):
        assert path.with_suffix(suffix).is_file()
    play_bach.run([*words, "--prime", str(path), "--output", str(paths.root / "on.mid")], paths)
    on, before = (read_drums(x).piece for x in (paths.root / "on.mid", path))
    assert (on.symbols[: len(before)] == before.symbols).all()
    assert len(on) > len(before)
    with pytest.raises(UserError, match="drum kit"):
        play_bach.run([*words, "--instrument", "oboe"], paths)
