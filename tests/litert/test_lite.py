"""The variants of the engine: how far from Keras, how they are chosen, measured and exported."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import bundle as bundles
import numpy as np
import pytest
from bundle import Bundle
from conftest import SHIPPED, play_bach, refused
from corpus import Corpus
from course import course_of
from fit import new_bundle
from lite import benchmark, micro
from lite.engine import StepModel, interpreter
from lite.export import with_variants
from lite.parity import Row, parity, table, with_parity
from lite.variants import (
    LOSSY,
    VARIANTS,
    benchmark_path,
    exported_first,
    fastest_here,
    machine,
    mark,
)
from piece import Piece
from PIL import Image

from config_bach import Encoding, Network, Places, Runtime, Training, UserError

FLOAT = {
    "float32": 1e-5,
    "float16": 5e-3,
    "dynamic": 0.15,
}  # the largest difference of a probability


@pytest.fixture(scope="session")
def all_variants(trained: tuple[Bundle, Places]) -> Bundle:
    """The small model of type 2 with every variant, and what each is worth."""
    return with_parity(with_variants(trained[0], list(VARIANTS)), list(VARIANTS))[0]


@pytest.fixture(scope="session")
def all_voices(choir: tuple[Bundle, Places]) -> tuple[Bundle, list[Row]]:
    """The same of the small model of type 5."""
    return with_parity(with_variants(choir[0], list(VARIANTS)), list(VARIANTS))


@pytest.fixture
def home(all_variants: Bundle, places: Places) -> Places:
    """A home with that model, in models/."""
    all_variants.save(bundles.path_of(all_variants.name, places))
    return places


# Parity


def test_the_shipped_model_keeps_parity_in_every_variant() -> None:
    """On 1,000 held-out windows, and 500 notes of the same seed."""
    bundle = bundles.load(SHIPPED)
    rows = {row.variant: row for row in parity(bundle, list(VARIANTS))}
    assert all(row.windows == 1000 for row in rows.values())
    assert rows["float32"].max_difference < 1e-5
    assert rows["float32"].same_notes
    assert all(rows[variant].max_difference < most for variant, most in FLOAT.items())
    assert all(abs(rows[variant].nll_change) < 0.005 for variant in FLOAT)
    assert rows["int8"].nll_change < 0.1
    for variant, told in bundle.facts["variants"].items():  # what the bundle says of them is so
        assert told["nll"] == pytest.approx(rows[variant].nll, abs=5e-3)
        assert told["crc32"] == zlib.crc32(bundle.steps[variant])


@pytest.mark.parametrize("number", [1, 3])
def test_every_type_converts_to_every_variant(tunes: list[Piece], number: int) -> None:
    """With built-in operators only; in 32 bits it composes what Keras composes."""
    network = Network(model_type=number, units=16, embedding=8, seqlen=8)
    corpus = Corpus("tunes", tuple(tunes), ())
    bundle, parts = new_bundle("x", corpus, Encoding(), network, Training())
    course = course_of(parts, bundle)
    weights = course.network(bundle).get_weights()
    bundle = replace(bundle, weights=weights, music=course.music(), held_out=course.held_out())
    rows = {r.variant: r for r in parity(with_variants(bundle, list(VARIANTS)), list(VARIANTS))}
    assert rows["float32"].same_notes
    assert all(rows[variant].max_difference < most for variant, most in FLOAT.items())
    assert rows["int8"].nll_change < 0.1


def test_four_voices_convert_to_every_variant(all_voices: tuple[Bundle, list[Row]]) -> None:
    rows = {row.variant: row for row in all_voices[1]}
    assert rows["float32"].same_notes
    assert all(rows[variant].max_difference < most for variant, most in FLOAT.items())
    assert rows["int8"].nll_change < 0.3


@pytest.mark.parametrize(("variant", "whole"), [("int8", True), ("float32", False)])
def test_int8_multiplies_whole_numbers(all_variants: Bundle, variant: str, whole: bool) -> None:
    """Every matrix product takes int8 and gives int8, as accelerators want it."""
    engine = interpreter(all_variants.steps[variant])
    kinds = {d["index"]: d["dtype"] for d in engine.get_tensor_details()}
    products = [op for op in engine._get_ops_details() if op["op_name"] == "FULLY_CONNECTED"]
    assert products
    flows = {kinds[i] for op in products for i in (*op["inputs"][:2], *op["outputs"])}
    assert (flows == {np.int8}) == whole


def test_smaller_variants_are_smaller(all_voices: tuple[Bundle, list[Row]]) -> None:
    sizes = {variant: len(content) for variant, content in all_voices[0].steps.items()}
    assert sizes["float32"] > sizes["float16"]


def test_the_table_says_what_each_is_worth(all_voices: tuple[Bundle, list[Row]]) -> None:
    lines = table(all_voices[1])
    assert [line.split()[0] for line in lines[1:5]] == list(VARIANTS)
    assert "the same" in lines[1]


def test_what_cannot_convert_is_named_with_its_reason(
    trained: tuple[Bundle, Places], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lite import export

    def refuse(*_: object) -> bytes:
        raise RuntimeError("tf.Strange op is neither a custom op nor a flex op\nand so on")

    monkeypatch.setattr(export, "converted", refuse)
    with pytest.raises(UserError, match=r"tunes2_nc_mo .* as dynamic: tf.Strange op .* flex op;"):
        with_variants(trained[0], ["dynamic"])


def test_a_bundle_without_its_pieces_cannot_learn_ranges(trained: tuple[Bundle, Places]) -> None:
    with pytest.raises(UserError, match="int8: it does not carry the pieces"):
        with_variants(replace(trained[0], music=b""), ["int8"])


# Which variant plays


def benchmarked(places: Places, bundle: Bundle, ms: dict[str, float], host: str = "") -> None:
    rows = [
        {
            "variant": v,
            "ms": t,
            "notes_per_second": 1000 / t,
            "crc32": bundle.facts["variants"][v]["crc32"],
        }
        for v, t in ms.items()
    ]
    told = {"machine": host or machine(), "rows": rows}
    benchmark_path(bundle.name, places).write_text(json.dumps(told))


def test_until_it_is_measured_what_training_exported_plays(
    home: Places, all_variants: Bundle
) -> None:
    assert fastest_here(all_variants.name, all_variants.facts, home) is None
    assert bundles.playing(all_variants, home, None, Runtime()).plays == "float32"
    assert exported_first(5) == "float16"


def test_the_fastest_that_was_measured_here_plays(home: Places, all_variants: Bundle) -> None:
    benchmarked(home, all_variants, {"float32": 0.3, "dynamic": 0.1})
    assert bundles.playing(all_variants, home, None, Runtime()).plays == "dynamic"
    assert bundles.playing(all_variants, home, "float16", Runtime()).plays == "float16"


def test_a_variant_that_loses_much_is_marked_and_not_chosen(
    home: Places, all_variants: Bundle
) -> None:
    told = {**all_variants.facts["variants"]}
    told["int8"] = {**told["int8"], "nll_change": LOSSY + 0.03}
    worse = all_variants.with_facts(variants=told)
    worse.save(bundles.path_of(worse.name, home))
    benchmarked(home, worse, {"float32": 0.3, "int8": 0.01})
    assert mark("int8", worse.facts) == " (loses 0.05 nats)"
    assert bundles.playing(worse, home, None, Runtime()).plays == "float32"
    assert bundles.playing(worse, home, "int8", Runtime()).plays == "int8"
    assert any("int8 (loses 0.05 nats)" in line for line in bundles.table(home))


@pytest.mark.parametrize("what", ["another machine", "too slow", "another model", "damaged"])
def test_figures_that_do_not_hold_here_choose_nothing(
    home: Places, all_variants: Bundle, what: str
) -> None:
    bundle = all_variants
    if what == "another model":
        told = {v: {**f, "crc32": 1} for v, f in bundle.facts["variants"].items()}
        bundle = bundle.with_facts(variants=told)
    ms = 100.0 if what == "too slow" else 0.1
    host = "elsewhere" if what == "another machine" else ""
    benchmarked(home, all_variants, {"dynamic": ms}, host)
    if what == "damaged":
        benchmark_path(bundle.name, home).write_text('{"rows": [3]}')
    assert bundles.playing(bundle, home, None, Runtime()).plays == "float32"


def test_a_variant_that_is_not_there_is_one_sentence(trained: tuple[Bundle, Places]) -> None:
    result = play_bach("-pm", "--app", "tunes", "--variant", "int8", home=trained[1].root)
    assert "has no variant int8, only float32; export it with -sl int8" in refused(result)


def test_a_model_goes_through_a_file_with_its_variants(home: Places, all_variants: Bundle) -> None:
    loaded = bundles.load(bundles.path_of(all_variants.name, home))
    assert loaded.steps == all_variants.steps
    assert loaded.held_out == all_variants.held_out
    assert list(loaded.facts["variants"]) == list(VARIANTS)


def test_older_bundles_with_one_step_model_are_read(
    trained: tuple[Bundle, Places], tmp_path: Path
) -> None:
    import zipfile

    path = bundles.path_of(trained[0].name, trained[1])
    with zipfile.ZipFile(path) as now, zipfile.ZipFile(tmp_path / "old.zip", "w") as old:
        for name in now.namelist():
            if name != "held_out.json":
                old.writestr("step.tflite" if name == "float32.tflite" else name, now.read(name))
    assert bundles.load(tmp_path / "old.zip").step == trained[0].step


def test_the_runtime_reaches_the_engine(all_variants: Bundle, tmp_path: Path) -> None:
    """Threads change nothing that is heard; a delegate that is none is one sentence."""
    one = StepModel(all_variants.step)
    four = StepModel(all_variants.step, Runtime(threads=4))
    heard = [1] * one.inputs
    a, b = (engine.step(heard, engine.silence())[0][0] for engine in (one, four))
    assert np.abs(a - b).max() < 1e-6
    with pytest.raises(UserError, match=r"the delegate /no/such.so cannot be used"):
        StepModel(all_variants.step, Runtime(delegate="/no/such.so"))
    with pytest.raises(UserError, match=r"libc.so.6 cannot be used"):  # a library, but no delegate
        StepModel(all_variants.step, Runtime(delegate="libc.so.6"))
    with pytest.raises(UserError, match="threads is 0"):
        Runtime(threads=0)
    assert "threads is 0" in refused(play_bach("-pm", "--threads", "0", home=tmp_path))


def test_a_delegate_library_is_asked(all_variants: Bundle, tmp_path: Path) -> None:
    """A real library is loaded and its two functions are called; this one says no."""
    source, library = tmp_path / "d.c", tmp_path / "libno.so"
    source.write_text(
        "#include <stdio.h>\n"
        "void *tflite_plugin_create_delegate(char **k, char **v, unsigned long n,\n"
        "                                    void (*report)(const char *)) {\n"
        f'  FILE *f = fopen("{tmp_path / "asked"}", "w"); fclose(f);\n'
        '  report("no such chip"); return 0;\n}\n'
        "void tflite_plugin_destroy_delegate(void *d) {}\n"
    )
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    with pytest.raises(UserError, match=r"the delegate .*libno.so cannot be used"):
        StepModel(all_variants.step, Runtime(delegate=str(library)))
    assert (tmp_path / "asked").exists()


# The command line


def test_export_and_benchmark_from_the_shell(
    trained: tuple[Bundle, Places], places: Places
) -> None:
    """-sl -bf -bl: the files, the table, the JSON, the picture; then the fastest one plays."""
    shutil.copy(bundles.path_of(trained[0].name, trained[1]), places.models)
    words = ["-l", "1", "-sl", "-bf", "-bl", "--app", "tunes"]
    result = play_bach(*words, home=places.root)
    assert result.returncode == 0, result.stderr
    name = trained[0].name
    for variant in VARIANTS:
        path = places.models / f"{name}.{variant}.tflite"
        assert path.read_bytes()[4:8] == b"TFL3"
        assert re.search(rf"^{variant} +[\d,]+ +[\d.]+ +[\d.]+ ", result.stdout, re.M)
    told = json.loads(benchmark_path(name, places).read_text())
    rows = {row["variant"]: row for row in told["rows"]}
    assert rows.keys() > set(VARIANTS)
    assert rows[benchmark.KERAS]["ratio"] == 1
    assert rows["float32"]["ratio"] == pytest.approx(
        rows[benchmark.KERAS]["ms"] / rows["float32"]["ms"]
    )
    assert rows["float32"]["nll"] == pytest.approx(rows[benchmark.KERAS]["nll"], abs=1e-4)
    assert all(row["ms"] <= row["ms_95"] and row["megabytes"] > 20 for row in rows.values())
    assert rows["float32"]["megabytes"] < rows[benchmark.KERAS]["megabytes"] / 3
    with Image.open(places.models / f"{name}.benchmark.png") as picture:
        assert picture.width > 800
    listed = play_bach("--list", home=places.root).stdout
    fastest = re.search(r"fastest here: (\w+),", listed)
    assert fastest
    assert fastest.group(1) in VARIANTS


def test_four_voices_are_measured_too(
    choir: tuple[Bundle, Places], all_voices: tuple[Bundle, list[Row]], places: Places
) -> None:
    path = bundles.path_of(choir[0].name, places)
    all_voices[0].save(path)
    told = benchmark.benchmark(path, True, True, Runtime())
    rows = {row["variant"]: row for row in told["rows"]}
    assert rows["float16"]["nll"] == pytest.approx(rows[benchmark.KERAS]["nll"], abs=2e-3)
    assert len(benchmark.table(told)) >= 1 + 3 + len(VARIANTS) + 1


# Microcontrollers


def test_the_header_compiles_and_holds_the_model(
    home: Places, all_variants: Bundle, tmp_path: Path
) -> None:
    """A C program, compiled with gcc, counts the bytes, their checksum and the vocabulary."""
    result = play_bach("-sl", "micro", "--app", "tunes", home=home.root)
    assert result.returncode == 0, result.stderr
    path = home.models / f"{all_variants.name}.micro.h"
    program = tmp_path / "check"
    source = Path(__file__).with_name("micro.c")
    subprocess.run(
        ["gcc", "-std=c99", "-Wall", "-Werror", f'-DHEADER="{path}"', "-o", program, source],
        check=True,
    )
    told = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    model = bundles.load(bundles.path_of(all_variants.name, home)).steps["int8"]
    symbols = [s for field in all_variants.vocabulary.fields for s in field.symbols]
    assert told[0] == f"{len(model)} bytes, crc32 {zlib.crc32(model):08x}, as promised"
    assert bytes.fromhex(told[1]) == model
    assert told[2:] == symbols


def test_without_an_int8_variant_there_is_no_header(trained: tuple[Bundle, Places]) -> None:
    with pytest.raises(UserError, match="no variant int8; export it with -sl int8 micro"):
        micro.write_header(trained[0], trained[1].models)
