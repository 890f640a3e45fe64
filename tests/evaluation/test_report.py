"""The report card of a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chorales import chorale
from conftest import loaded_model, play_bach, refused, tune
from PIL import Image

from config_bach import Paths
from evaluation import report
from families import metrics
from families.base import LoadedModel
from families.satb.encoding import pitches
from midi_io import write_midi
from music.events import Piece
from storage.bundle import Bundle

pytestmark = pytest.mark.slow


def test_the_report_card_of_a_model_of_events(
    event_bundle: tuple[Bundle, Paths], tmp_path: Path
) -> None:
    bundle, paths = event_bundle
    folder = tmp_path / "scores"
    folder.mkdir()
    for start in (41, 43, 46):
        write_midi(folder / f"t{start}.mid", tune(start, 44 + start % 5).events, 100, 43)
    result = play_bach(
        "--app", "tunes", "--evaluate", folder, "--json", tmp_path / "c.json", home=paths.root
    )
    assert result.returncode == 0, result.stderr
    card = json.loads((tmp_path / "c.json").read_text())
    assert card["pieces"] == 3
    assert card["prediction"]["model"]["nll"] < card["prediction"]["most frequent symbol"]["nll"]
    assert len(card["originality"]["composed"]) == card["composed"] == 20
    assert set(card["style"]["composed"]) == {"pitch classes", "intervals", "rhythm", "harmony"}
    assert "nats per event" in result.stdout
    assert "distance, harmony" in result.stdout
    assert Image.open(paths.models / f"{bundle.name}.report.png").size[0] > 800


def test_pieces_that_were_learned_from_are_labelled(
    event_bundle: tuple[Bundle, Paths], tmp_path: Path, tunes: list[Piece]
) -> None:
    bundle, paths = event_bundle
    learned = {p["name"] for p in bundle.metadata["corpus"]["pieces"] if p["side"] == "train"}
    folder = tmp_path / "scores"
    folder.mkdir()
    for piece in [p for p in tunes if p.name in learned][:2]:
        write_midi(folder / f"{piece.name}.mid", piece.events, 100, 43)
    real = report.real_pieces(loaded_model(bundle), str(folder), paths)
    assert real.label == report.LEAKS
    assert len(real.works) == 2


def test_four_voices_are_judged_in_seven_keys(satb_model: LoadedModel) -> None:
    pieces = [chorale(i) for i in range(40, 43)]
    figures = satb_model.family.measure(satb_model, pieces)
    assert list(figures) == ["model", "model, mean of 7 keys", "table of note, beat and hold"]
    sequences = satb_model.family.sequences(pieces, satb_model.bundle)
    scored = metrics.stepwise(satb_model.predictor, sequences)
    own = metrics.measure(satb_model.family, scored, satb_model.vocabulary.fields)
    assert figures["model"]["nll"] == pytest.approx(own.nll, abs=1e-4)
    assert figures["model, mean of 7 keys"]["nll"] < own.nll + 0.05
    assert set(figures["model"]["fields"]) == {"soprano", "alto", "tenor", "bass"}


def test_the_card_of_four_voices_has_faults(
    satb_model: LoadedModel, satb_bundle: tuple[Bundle, Paths], tmp_path: Path
) -> None:
    source = tmp_path / "pieces.json"
    steps = pitches(chorale(50).symbols).tolist()
    source.write_text(json.dumps({"test": [steps, pitches(chorale(51).symbols).tolist()]}))
    card = report.report(satb_model, str(source), satb_bundle[1], pieces=2)
    assert card["unit"] == "note"
    assert set(card["faults"]) == {"composed", "real"}
    assert "faults per 100 notes, all" in "\n".join(report.lines(card))


def test_what_cannot_be_evaluated_is_one_sentence(
    event_bundle: tuple[Bundle, Paths], tmp_path: Path
) -> None:
    paths = event_bundle[1]
    for words, problem in (
        (("--evaluate", tmp_path / "nowhere"), "no scores"),
        (("-pm", "--json", tmp_path / "x.json"), "--json is for the report card: add --evaluate"),
        (("-pm", "--max-copy", "2"), "max_copy"),
    ):
        assert problem in refused(play_bach("--app", "tunes", *words, home=paths.root))
