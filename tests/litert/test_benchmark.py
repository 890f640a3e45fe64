"""How fast a model is here."""

import json
import re
import shutil
from dataclasses import replace

import pytest
from PIL import Image

import play_bach
from config_bach import Paths, Runtime, UserError
from litert import benchmark
from litert.parity import Row
from litert.variants import VARIANTS, benchmark_path
from storage.bundle import Bundle
from storage.catalog import path_of

pytestmark = pytest.mark.slow


def test_export_and_benchmark_from_the_command_line(
    event_bundle: tuple[Bundle, Paths], paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """-sl -bf -bl: the files, the table, the JSON, the picture; then the fastest one plays."""
    shutil.copy(path_of(event_bundle[0].name, event_bundle[1]), paths.models)
    words = ["-l", "1", "-sl", "-bf", "-bl", "--app", "tunes"]
    play_bach.run(words, paths)
    said = capsys.readouterr().out
    name = event_bundle[0].name
    for variant in VARIANTS:
        path = paths.models / f"{name}.{variant}.tflite"
        assert path.read_bytes()[4:8] == b"TFL3"
        assert re.search(rf"^{variant} +[\d,]+ +[\d.]+ +[\d.]+ ", said, re.M)
    told = json.loads(benchmark_path(name, paths).read_text())
    rows = {row["variant"]: row for row in told["rows"]}
    assert rows.keys() > set(VARIANTS)
    assert rows[benchmark.KERAS]["ratio"] == 1
    assert rows["float32"]["ratio"] == pytest.approx(
        rows[benchmark.KERAS]["ms"] / rows["float32"]["ms"]
    )
    assert rows["float32"]["nll"] == pytest.approx(rows[benchmark.KERAS]["nll"], abs=1e-4)
    assert all(row["ms"] <= row["ms_95"] and row["megabytes"] > 20 for row in rows.values())
    assert rows["float32"]["megabytes"] < rows[benchmark.KERAS]["megabytes"] / 3
    with Image.open(paths.models / f"{name}.benchmark.png") as picture:
        assert picture.width > 800
    play_bach.run(["--list"], paths)
    fastest = re.search(r"fastest here: (\w+),", capsys.readouterr().out)
    assert fastest
    assert fastest.group(1) in VARIANTS


def test_four_voices_are_measured_too(
    satb_bundle: tuple[Bundle, Paths], all_voices: tuple[Bundle, list[Row]], paths: Paths
) -> None:
    path, bundle = path_of(satb_bundle[0].name, paths), all_voices[0]
    two = {variant: bundle.steps[variant] for variant in ("float16", "dynamic")}
    replace(bundle, steps=two).save(path)
    told = benchmark.benchmark(path, True, True, Runtime())
    rows = {row["variant"]: row for row in told["rows"]}
    assert rows["float16"]["nll"] == pytest.approx(rows[benchmark.KERAS]["nll"], abs=2e-3)
    assert len(benchmark.table(told)) >= 1 + 3 + len(two) + 1


def test_a_model_without_held_out_pieces_cannot_be_measured(
    event_bundle: tuple[Bundle, Paths], paths: Paths
) -> None:
    path = path_of("x", paths)
    replace(event_bundle[0], held_out=b"").save(path)
    with pytest.raises(UserError, match="carries no held-out pieces to be tried on"):
        benchmark.benchmark(path, True, False, Runtime())
