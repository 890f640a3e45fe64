"""Pictures are drawn whatever there is to draw, without a screen."""

import copy
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from cards import CARD
from chorales import untrained_bundle
from PIL import Image

from evaluation import plots
from families.registry import family_of


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that were saved."""
    figures: list[Any] = []
    save = plots.save

    def kept(figure: Any, path: Path) -> None:
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(plots, "save", kept)
    return figures


def opened(path: Path) -> Any:
    """A picture that is not of one colour."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert len(np.unique(np.asarray(image.convert("L")))) > 10
        return image.size


def test_pictures_can_be_drawn_here() -> None:
    assert plots.available()


@pytest.mark.parametrize("baselines", [0, 1, 2, 5])
def test_learning_curves_have_a_line_for_each_side_and_baseline(
    tmp_path: Path, drawn: list[Any], baselines: int
) -> None:
    history = [
        {"epoch": i, "train_nll": 1 / i, "val_nll": 2 / i, "train_accuracy": 0.1, "val_accuracy": 0}
        for i in (1, 2, 3)
    ]
    known = {f"table {i}": {"nll": 0.5, "accuracy": 0.3} for i in range(baselines)}
    bundle = untrained_bundle(2, 2).with_metadata(
        history=history, label="never seen", metrics={"baselines": known}
    )
    plots.learning_curves(tmp_path / "curves.png", bundle)
    opened(tmp_path / "curves.png")
    nats, accuracy = drawn[0].axes
    assert [line.get_label() for line in nats.lines] == ["training", "validation", *known]
    assert nats.lines[1].get_ydata().tolist() == [2, 1, 2 / 3]
    assert accuracy.lines[0].get_ydata().tolist() == [0.1] * 3
    assert drawn[0]._suptitle.get_text() == "x (never seen)"


def test_a_report_card_has_four_pictures(tmp_path: Path, drawn: list[Any]) -> None:
    plots.report_card(tmp_path / "card.png", CARD)
    opened(tmp_path / "card.png")
    assert [ax.get_title() for ax in drawn[0].axes] == [
        "nats, lower is better",
        "notes copied in a row from the training pieces",
        "distance from real pieces",
        "share of the time",
    ]
    bars = [bar.get_width() for bar in drawn[0].axes[0].patches]
    assert bars == [0.5, 0.5]


def test_a_report_card_of_voices_shows_faults_and_one_without_pieces_no_copies(
    tmp_path: Path, drawn: list[Any]
) -> None:
    faults = {"composed": {"leaps": 2.0, "all": 2.0}, "real": {"leaps": 1.0, "all": 1.0}}
    plots.report_card(tmp_path / "card.png", {**CARD, "faults": faults, "originality": {}})
    last = drawn[0].axes[3]
    assert last.get_title() == "voice-leading faults per 100 notes"
    assert [bar.get_width() for bar in last.patches] == [2.0, 2.0, 1.0, 1.0]
    assert [t.get_text() for t in last.get_yticklabels()] == ["all", "leaps"]
    assert [t.get_text() for t in last.get_legend().get_texts()] == ["composed", "real"]


def test_a_network_is_drawn_layer_by_layer(tmp_path: Path, drawn: list[Any]) -> None:
    one = keras.Input((None,), dtype="int32", name="one")
    two = keras.Input((None,), dtype="int32", name="two")
    both = keras.layers.Concatenate(name="both")([
        keras.layers.Embedding(5, 3, name="a")(one), keras.layers.Embedding(7, 4, name="b")(two),
    ])  # fmt: skip
    model = keras.Model([one, two], [keras.layers.Dense(2, name="out")(both)])
    labels, arrows = plots._graph(model)
    assert labels["both"] == "both\nConcatenate\n7"
    assert labels["one"] == "one\nInputLayer\ntoken"
    assert sorted(arrows) == [
        ("a", "both"), ("b", "both"), ("both", "out"), ("one", "a"), ("two", "b"),
    ]  # fmt: skip
    plots.model_diagram(tmp_path / "network.png", model, "x", None)
    opened(tmp_path / "network.png")
    texts = {t.get_text(): t.get_position() for t in drawn[0].axes[0].texts if t.get_text()}
    assert set(texts) == set(labels.values())
    columns = {label.split("\n")[0]: x for label, (x, _) in texts.items()}
    assert columns == {"one": 0, "two": 0, "a": 1, "b": 1, "both": 2, "out": 3}
    assert len(set(texts.values())) == len(texts)
    assert drawn[0]._suptitle.get_text() == f"x: {model.count_params()} weights"


def test_a_family_may_draw_its_network_itself(tmp_path: Path, drawn: list[Any]) -> None:
    from families.satb.network import built

    family = family_of(5)
    model = built(untrained_bundle(2, 2).network)
    plots.model_diagram(tmp_path / "network.png", model, "x", family.diagram(model))
    opened(tmp_path / "network.png")
    texts = [t.get_text().split("\n")[0] for t in drawn[0].axes[0].texts if t.get_text()]
    assert texts == ["features", "lstm 1", "lstm 2", "soprano", "bass", "tenor", "alto"]


def test_a_benchmark_has_a_bar_for_each_row_and_measure(tmp_path: Path, drawn: list[Any]) -> None:
    row = {
        "variant": "float32",
        "ms": 0.5,
        "kilobytes": 12,
        "megabytes": 30,
        "nll": 0.4,
        "crc32": 1,
    }
    lossy = {**row, "variant": "int8", "nll": None, "crc32": 0}
    told = {"rows": [row, lossy], "lossy": ["int8"], "model": "x", "machine": "here"}
    before = copy.deepcopy(told)
    plots.benchmark(tmp_path / "bench.png", told)
    opened(tmp_path / "bench.png")
    assert told == before
    axes = drawn[0].axes
    assert [ax.get_xlabel() for ax in axes] == ["ms a note", "KB", "peak MB", "nats"]
    assert [bar.get_width() for bar in axes[3].patches] == [0, 0.4]
    assert [t.get_text() for t in axes[0].get_yticklabels()] == ["int8 (lossy)", "float32"]
