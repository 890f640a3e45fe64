"""What runs the exported steps."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from config_bach import Paths, Runtime, UserError
from families.base import LoadedModel
from families.registry import family_of
from families.satb.network import ROW
from families.steps import Predictor
from litert.interpreter import LiteRTRunner
from litert.keras_runner import network_of, on_keras
from litert.loading import loaded
from storage.bundle import Bundle

pytestmark = pytest.mark.slow

BATCHES = (1, 7, 48)
STEPS = 5


@pytest.fixture(scope="module")
def by_keras(satb_bundle: tuple[Bundle, Paths]) -> Predictor:
    return on_keras(satb_bundle[0], network_of(satb_bundle[0])).predictor


def walk(predictor: Predictor, batch: int, seed: int) -> list[np.ndarray]:
    """All that comes out in some steps through nonsense, with the state carried on."""
    rng = np.random.default_rng(seed)
    state, found = predictor.initial_state(batch), []
    for _ in range(STEPS):
        rows = rng.integers(0, 4, (batch, ROW)).astype(np.int32)
        tokens = rng.integers(3, 60, (batch, 4)).astype(np.int32)
        context, state = predictor.advance(rows, state)
        found += [predictor.head(head, context, rows, tokens) for head in predictor.order]
        found += [context, *state.values()]
    return found


@pytest.mark.parametrize(("variant", "most"), [("float32", 1e-5), ("float16", 1e-3)])
@pytest.mark.parametrize("seed", range(4))
def test_any_batches_in_any_order_are_computed_as_keras_does(
    all_voices: tuple[Bundle, object], by_keras: Predictor, variant: str, most: float, seed: int
) -> None:
    """LiteRT with XNNPACK mixes up states when the batch changes; see docs/decisions.md."""
    predictor = loaded(all_voices[0], variant).predictor
    for batch in np.random.default_rng(seed).choice(BATCHES, 6).tolist():
        for a, b in zip(walk(predictor, batch, seed), walk(by_keras, batch, seed), strict=True):
            assert np.abs(a - b).max() < most


def test_batches_have_no_xnnpack_and_single_pieces_share_no_memory(
    satb_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of LiteRT comes and goes with the memory of a process, so its cure is held fast."""
    made: list[dict[str, Any]] = []

    class Recording(Interpreter):
        def __init__(self, **options: Any) -> None:
            made.append(options)
            super().__init__(**options)

    monkeypatch.setattr("ai_edge_litert.interpreter.Interpreter", Recording)
    runner = LiteRTRunner(satb_model.bundle.steps[satb_model.variant])
    predictor = satb_model.family.predictor(runner)
    for batch, interpreters in ((1, 1), (7, 2), (48, 2), (1, 2)):
        predictor.advance(np.zeros((batch, ROW), np.int32), predictor.initial_state(batch))
        assert len(made) == interpreters
    single, batched = made
    assert single["experimental_preserve_all_tensors"]
    assert single["experimental_op_resolver_type"] is OpResolverType.AUTO
    assert batched["experimental_op_resolver_type"] is (
        OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    assert runner._single is not runner._batched


def test_a_batch_is_as_many_single_pieces(satb_model: LoadedModel) -> None:
    predictor = satb_model.predictor
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 4, (3, ROW)).astype(np.int32)
    state = {
        k: rng.normal(size=(3, v.shape[1])).astype(np.float32)
        for k, v in predictor.initial_state().items()
    }
    together, after = predictor.advance(rows, state)
    for i in range(3):
        alone, next_state = predictor.advance(
            rows[i : i + 1], {k: v[i : i + 1] for k, v in state.items()}
        )
        # 8-bit kernels round the last bit differently with XNNPACK and without
        np.testing.assert_allclose(together[i], alone[0], atol=2e-3)
        for name, value in next_state.items():
            np.testing.assert_allclose(after[name][i], value[0], atol=2e-3)


def test_the_state_of_the_caller_is_not_touched(satb_model: LoadedModel) -> None:
    predictor = satb_model.predictor
    state = predictor.initial_state()
    predictor.advance(np.ones((1, ROW), np.int32), state)
    assert all(not value.any() for value in state.values())


def test_threads_change_nothing_that_is_heard(all_variants: Bundle) -> None:
    family = family_of(2)
    predictors = [
        family.predictor(LiteRTRunner(all_variants.steps["float32"], Runtime(threads=n)))
        for n in (1, 4)
    ]
    columns = sum(n.startswith("heard_") for n in predictors[0].runner.shapes("serving_default"))
    rows = np.ones((1, columns), np.int32)
    a, b = (p.advance(rows, p.initial_state())[0][0] for p in predictors)
    assert np.abs(a - b).max() < 1e-6


@pytest.mark.parametrize("library", ["/no/such.so", "libc.so.6"])
def test_a_delegate_that_is_none_is_one_sentence(all_variants: Bundle, library: str) -> None:
    with pytest.raises(UserError, match=f"the delegate {library} cannot be used"):
        LiteRTRunner(all_variants.steps["float32"], Runtime(delegate=library))


def test_what_is_no_network_is_one_sentence() -> None:
    with pytest.raises(UserError, match="the step model in the bundle cannot be run"):
        LiteRTRunner(b"no flatbuffer")


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
        LiteRTRunner(all_variants.steps["float32"], Runtime(delegate=str(library)))
    assert (tmp_path / "asked").exists()
