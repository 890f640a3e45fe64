"""Trained networks as LiteRT models."""

from dataclasses import replace

import numpy as np
import pytest

from config_bach import Paths, UserError
from families.registry import family_of
from litert.export import calibration, with_variants
from litert.interpreter import interpreter
from litert.keras_runner import network_of
from litert.parity import Row
from storage.bundle import Bundle

pytestmark = pytest.mark.slow


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


def test_what_cannot_convert_is_named_with_its_reason(
    event_bundle: tuple[Bundle, Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    from litert import export

    def refuse(*_: object) -> bytes:
        raise RuntimeError("tf.Strange op is neither a custom op nor a flex op\nand so on")

    monkeypatch.setattr(export, "converted", refuse)
    with pytest.raises(UserError, match=r"tunes2_nc_mo .* as dynamic: tf.Strange op .* flex op;"):
        with_variants(event_bundle[0], ["dynamic"])


def test_a_bundle_without_its_pieces_cannot_learn_ranges(
    event_bundle: tuple[Bundle, Paths],
) -> None:
    with pytest.raises(UserError, match="int8: it does not carry the pieces"):
        with_variants(replace(event_bundle[0], music=b""), ["int8"])


def test_int8_learns_its_ranges_from_whole_training_pieces(
    satb_bundle: tuple[Bundle, Paths],
) -> None:
    """With the bars and phrases that the pieces have: none of them is hidden."""
    bundle = satb_bundle[0]
    calls = calibration(bundle, family_of(5).signatures(network_of(bundle), logits=True))
    rows = np.concatenate([inputs["rows"] for name, inputs in calls if name == "hear"])
    assert 400 < len(rows) <= 600
    pieces = family_of(5).unpack(bundle.music)
    positions = {int(p) for piece in pieces for p in piece.plan[:, 0]}
    assert set(rows[:, -3].tolist()) == positions
    assert {name for name, _ in calls} == {"hear", "soprano", "alto", "tenor", "bass"}
