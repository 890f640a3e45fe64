"""--list: a line for each model."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from chorales import untrained_bundle

from cli.list_models import table
from config_bach import Paths
from litert.variants import benchmark_path, machine
from storage.bundle import Bundle
from storage.catalog import path_of

from .conftest import Run

FIGURES = {"nll": 1.23456, "accuracy": 0.654}


def saved(paths: Paths, name: str, **metadata: Any) -> Bundle:
    """A bundle with nothing but what --list tells."""
    known = {"label": "split by whole piece", "corpus": {"source": "hymns/"}, **metadata}
    bundle = replace(untrained_bundle(8, 8), name=name, metadata=known)
    bundle.save(path_of(name, paths))
    return bundle


def test_of_nothing_it_says_what_to_do(
    run: Run, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--list")
    assert capsys.readouterr().out == f"no models in {paths.models} yet: train one with -l 0 -f\n"


@pytest.mark.usefixtures("with_shipped")
def test_it_shows_models_and_how_good_they_are(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--list")
    out = capsys.readouterr().out
    assert re.search(r"bach2_nc_mo +2 +\d+ +\d\.\d{3} +\d+\.\d%", out)
    assert "music21:chorales" in out
    assert "in LiteRT: float32, float16, dynamic, int8; measure them here with -bl" in out


def test_figures_stand_in_their_columns(paths: Paths) -> None:
    lookup = {"nll": 2.5, "accuracy": 0.25}
    metrics = {"valid": FIGURES, "baselines": {"longest-match lookup": lookup}}
    saved(paths, "a5_nc_mo", metrics=metrics)
    saved(paths, "b5_nc_mo", label="within, LEAKS")
    head, first, second, note = table(paths)
    assert head.split() == [
        *("model", "type", "symbols", "valid", "test", "lookup", "nats", "per", "corpus")
    ]
    assert first.split()[:1] + first.split()[3:] == (
        ["a5_nc_mo", "1.235", "65.4%", "?", "2.500", "25.0%", "note", "hymns/"]
    )
    assert second.endswith("hymns/  (within, LEAKS)")
    assert second.split()[3:6] == ["?", "?", "?"]
    assert "lower is better" in note


def test_variants_are_told_with_what_they_lose_and_which_plays(paths: Paths) -> None:
    variants = {
        "float32": {"crc32": 1, "nll_change": 0.0},
        "int8": {"crc32": 2, "nll_change": 0.055},
    }
    bundle = saved(paths, "a5_nc_mo", variants=variants)
    assert table(paths)[2].strip() == (
        "in LiteRT: float32, int8 (loses 0.06 nats); measure them here with -bl"
    )
    row = {"variant": "float32", "ms": 0.256, "notes_per_second": 4000, "crc32": 1}
    told = {"machine": machine(), "rows": [row]}
    benchmark_path(bundle.name, paths).write_text(json.dumps(told))
    assert table(paths)[2].endswith("; fastest here: float32, 0.26 ms a note")
    saved(paths, "a5_nc_mo", variants={"float32": {}})
    assert len(table(paths)) == 3  # a single variant is not worth a line
