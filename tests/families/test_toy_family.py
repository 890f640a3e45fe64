"""A model type that is one file and a call of `register` does everything that the others do."""

from collections.abc import Iterator
from pathlib import Path

import mido
import pytest
from conftest import home, tune
from toy_family import TopNotes

from config_bach import Network, Paths, Training, UserError
from families import registry
from families.base import ModelFamily
from midi_io import write_midi
from play_bach import run

NAME = "toy9_nc_mo"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paths]:
    """A home in which the new family was trained, exported and composed, by the command line."""
    registry.register(TopNotes())
    paths = home(tmp_path_factory.mktemp("toy"))
    for i in range(6):
        piece = tune(60, 30 + i)
        write_midi(paths.training / f"{i}.mid", piece.events, 100, 1)
    run(["-l", "0", "-f", "--app", "toy", "--model-type", "9", "-e", "4"], paths)
    yield paths
    del registry._families[9]


def test_it_trains(toy: Paths) -> None:
    from storage.bundle import load

    bundle = load(toy.models / f"{NAME}.zip")
    history = bundle.metadata["history"]
    assert [e["epoch"] for e in history] == [1, 2, 3, 4]
    assert history[-1]["val_nll"] < history[0]["val_nll"]
    assert list(bundle.steps) == ["float32"]


def test_it_goes_on_training(toy: Paths) -> None:
    from storage.bundle import load

    run(["-l", "1", "-f", "--app", "toy", "-e", "1"], toy)
    assert len(load(toy.models / f"{NAME}.zip").metadata["history"]) == 5


def test_it_is_fine_tuned(toy: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """Its vocabulary stays: what it has no symbol for is '?'."""
    from storage.bundle import load

    folder = toy.root / "others"
    for i in range(4):
        write_midi(folder / f"{i}.mid", tune(64, 40 + i).events, 100, 1)
    words = ["-f", "--app", "other", "--from", "toy", "--corpus", str(folder), "-e", "1"]
    run([*words, "--no-scratch", "--mix", "0.5"], toy)
    bundle = load(toy.models / "other9_nc_mo.zip")
    assert bundle.vocabulary == load(toy.models / f"{NAME}.zip").vocabulary
    assert bundle.metadata["finetuning"]["mix"] == 0.5
    new = bundle.metadata["comparison"]["new"]
    assert new["after"] < new["before"]
    assert "starting from toy9_nc_mo; 0 new symbols for the new pieces" in capsys.readouterr().out


def test_it_composes(toy: Paths) -> None:
    run(["-pm", "--app", "toy", "--notes", "20", "--seed", "1", "--musicxml"], toy)
    midi = mido.MidiFile(toy.models / f"{NAME}.mid")
    notes = [m for track in midi.tracks for m in track if m.type == "note_on"]
    assert len(notes) == 20
    assert (toy.models / f"{NAME}.musicxml").is_file()


def test_it_exports_and_passes_parity(toy: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    from storage.bundle import load

    run(["-sl", "float32", "int8", "--app", "toy"], toy)
    variants = load(toy.models / f"{NAME}.zip").metadata["variants"]
    assert variants["float32"]["max_difference"] < 1e-5
    assert variants["float32"]["same_notes"]
    assert abs(variants["int8"]["nll_change"]) < 0.5
    assert "against Keras on" in capsys.readouterr().out


def test_it_is_measured(toy: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    run(["-bl", "-bf", "--app", "toy"], toy)
    told = capsys.readouterr().out
    assert "model.predict on the window" in told
    assert "float32" in told


def test_it_has_a_report_card(toy: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    run(["--app", "toy", "--evaluate", str(toy.training)], toy)
    assert "nats per event" in capsys.readouterr().out


def test_it_streams(toy: Paths) -> None:
    from config_bach import Composing
    from litert.loading import playing
    from storage.bundle import load

    model = playing(load(toy.models / f"{NAME}.zip"), toy)
    composer = model.family.stream(model, Composing(seed=3))
    first = [next(composer).event for _ in range(5)]
    again = model.family.stream(model, Composing(seed=3))
    assert [next(again).event for _ in range(5)] == first


def test_an_option_it_does_not_understand_is_refused(toy: Paths) -> None:
    with pytest.raises(UserError, match="--prime is not for model type 9"):
        run(["-pm", "--app", "toy", "--prime", "x.mid"], toy)


def test_a_family_that_lacks_something_is_refused_when_it_is_defined(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="lacks number, summary, unit, network, training"):

        class Nothing(ModelFamily):
            pass

    with pytest.raises(TypeError, match="model_type of its network is not 8"):

        class Wrong(ModelFamily):
            number, summary, unit = 8, "", "event"
            network, training = Network(model_type=9), Training()


def test_a_number_is_given_once() -> None:
    class Other(TopNotes):
        number, network = 2, Network(model_type=2)

    with pytest.raises(ValueError, match="model type 2 is AttentionLSTM already"):
        registry.register(Other())
    with pytest.raises(UserError, match="there is no model type 77; choose one of 1, 2, 3, "):
        registry.family_of(77)
