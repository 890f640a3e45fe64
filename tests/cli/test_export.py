"""-sl: what is exported, and where it goes."""

import shutil

import pytest

from cli import export as exporting
from config_bach import Paths
from storage.bundle import Bundle, load
from storage.catalog import path_of

from .conftest import Run

pytestmark = pytest.mark.slow


@pytest.fixture
def name(event_bundle: tuple[Bundle, Paths], paths: Paths) -> str:
    """The small model of type 2, which has float32 only, in a home of its own."""
    bundle, there = event_bundle
    shutil.copy(path_of(bundle.name, there), paths.models)
    return bundle.name


def test_a_header_brings_the_variant_that_it_holds(
    run: Run, name: str, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    run("-sl", "micro", "--app", "tunes")
    said = capsys.readouterr().out
    assert "int8 " in said
    assert "float32 " not in said
    assert f"{name}.int8.tflite" in said
    assert f"{name}.micro.h" in said
    bundle = load(path_of(name, paths))
    assert list(bundle.steps) == ["float32", "int8"]
    assert bundle.metadata["variants"]["int8"]["windows"] > 100
    assert (paths.models / f"{name}.int8.tflite").read_bytes() == bundle.steps["int8"]
    assert not (paths.models / f"{name}.float32.tflite").exists()


def test_what_is_wanted_is_exported_in_the_usual_order(
    run: Run, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[list[str]] = []

    def exported(bundle: Bundle, variants: list[str], paths: Paths) -> Bundle:
        wanted.append(variants)
        return bundle

    monkeypatch.setattr(exporting, "_exported", exported)
    run("-sl", "dynamic", "float32", "--app", "tunes")
    run("-sl", "--app", "tunes")
    assert wanted == [["float32", "dynamic"], ["float32", "float16", "dynamic", "int8"]]
