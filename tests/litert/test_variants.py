"""Which variant plays on this machine."""

import json
from dataclasses import replace

import pytest
from conftest import play_bach, refused

from cli.list_models import table as listed
from config_bach import Paths, UserError
from families.registry import family_of
from litert.loading import playing, variant_here
from litert.variants import LOSSY, VARIANTS, benchmark_path, fastest_here, loss_note, machine
from storage.bundle import Bundle, load
from storage.catalog import path_of

pytestmark = pytest.mark.slow


def benchmarked(paths: Paths, bundle: Bundle, ms: dict[str, float], host: str = "") -> None:
    rows = [
        {
            "variant": v,
            "ms": t,
            "notes_per_second": 1000 / t,
            "crc32": bundle.metadata["variants"][v]["crc32"],
        }
        for v, t in ms.items()
    ]
    told = {"machine": host or machine(), "rows": rows}
    benchmark_path(bundle.name, paths).write_text(json.dumps(told))


def test_until_it_is_measured_what_training_exported_plays(
    home: Paths, all_variants: Bundle
) -> None:
    assert fastest_here(all_variants.name, all_variants.metadata, home) is None
    assert playing(all_variants, home).variant == "float32"
    assert family_of(5).default_variant == "dynamic"


def test_the_fastest_that_was_measured_here_plays(home: Paths, all_variants: Bundle) -> None:
    benchmarked(home, all_variants, {"float32": 0.3, "dynamic": 0.1})
    assert playing(all_variants, home).variant == "dynamic"
    assert playing(all_variants, home, "float16").variant == "float16"


def test_a_variant_that_loses_much_is_marked_and_not_chosen(
    home: Paths, all_variants: Bundle
) -> None:
    told = {**all_variants.metadata["variants"]}
    told["int8"] = {**told["int8"], "nll_change": LOSSY + 0.03}
    worse = all_variants.with_metadata(variants=told)
    worse.save(path_of(worse.name, home))
    benchmarked(home, worse, {"float32": 0.3, "int8": 0.01})
    assert loss_note("int8", worse.metadata) == " (loses 0.05 nats)"
    assert playing(worse, home).variant == "float32"
    assert playing(worse, home, "int8").variant == "int8"
    assert any("int8 (loses 0.05 nats)" in line for line in listed(home))


@pytest.mark.parametrize("what", ["another machine", "too slow", "another model", "damaged"])
def test_figures_that_do_not_hold_here_choose_nothing(
    home: Paths, all_variants: Bundle, what: str
) -> None:
    bundle = all_variants
    if what == "another model":
        told = {v: {**f, "crc32": 1} for v, f in bundle.metadata["variants"].items()}
        bundle = bundle.with_metadata(variants=told)
    ms = 100.0 if what == "too slow" else 0.1
    host = "elsewhere" if what == "another machine" else ""
    benchmarked(home, all_variants, {"dynamic": ms}, host)
    if what == "damaged":
        benchmark_path(bundle.name, home).write_text('{"rows": [3]}')
    assert playing(bundle, home).variant == "float32"


def test_a_variant_that_is_not_there_is_one_sentence(event_bundle: tuple[Bundle, Paths]) -> None:
    result = play_bach("-pm", "--app", "tunes", "--variant", "int8", home=event_bundle[1].root)
    assert "has no variant int8, only float32; export it with -sl int8" in refused(result)


def test_without_the_usual_variant_another_one_plays(all_variants: Bundle, paths: Paths) -> None:
    steps = {v: all_variants.steps[v] for v in ("dynamic", "int8")}
    assert variant_here(replace(all_variants, steps=steps), paths) == "dynamic"
    with pytest.raises(UserError, match="tunes2_nc_mo holds nothing to compose with; export its"):
        variant_here(replace(all_variants, steps={}), paths)
    with pytest.raises(UserError, match="has no variant float16, nor any other; export it"):
        playing(replace(all_variants, steps={}), paths, "float16")


def test_a_model_goes_through_a_file_with_its_variants(home: Paths, all_variants: Bundle) -> None:
    again = load(path_of(all_variants.name, home))
    assert again.steps == all_variants.steps
    assert list(again.metadata["variants"]) == list(VARIANTS)
