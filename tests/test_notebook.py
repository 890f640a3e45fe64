"""The notebook, cell by cell, in a Jupyter kernel; Colab's own uploads and downloads are left out."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, tune
from nbclient import NotebookClient

from midi_io import write_midi

NOTEBOOK = ROOT / "notebooks" / "play_bach.ipynb"
PACKAGES = {path.parent.name for path in ROOT.glob("*/__init__.py")}

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What git would clone, with small scores in training/."""
    for source in ROOT.iterdir():
        if source.suffix in (".py", ".txt") or source.name in PACKAGES:
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, tmp_path / source.name)
    for folder in ("training", "models", "checkpoint"):
        (tmp_path / folder).mkdir()
    for i in range(5):
        piece = tune(50 + i, 30 + 3 * i)
        write_midi(tmp_path / "training" / f"{i}.mid", piece.events, 100, 1)
    return tmp_path


def test_its_cells_train_compose_and_play(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLAY_BACH_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace("EPOCHS = 30", "EPOCHS = 1")
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(checkout)}})
    client.execute()
    told = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())
    )
    assert "all is well" in told
    assert "model saved to" in told
    assert told.count(" music ") >= 2
    shown = [o.data for c in notebook.cells for o in c.get("outputs", ()) if "data" in o]
    assert any("image/png" in data for data in shown)
    assert sum("<audio" in data.get("text/html", "") for data in shown) == 2
    assert (checkout / "models" / "mine2_nc_mo.mid").is_file()


def test_it_does_nothing_but_call_the_command_line() -> None:
    """It imports no module of Play Bach, and carries no output."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    ours = {path.stem for path in ROOT.glob("*.py")} | PACKAGES
    for cell in notebook.cells:
        assert not cell.get("outputs")
        for line in cell.source.splitlines():
            words = line.split()
            assert not (words[:1] in (["import"], ["from"]) and words[1].split(".")[0] in ours)
