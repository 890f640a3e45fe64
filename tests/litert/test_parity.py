"""How far each variant is from the Keras network it was made from."""

import zlib
from dataclasses import replace

import pytest
from conftest import SHIPPED

from config_bach import Encoding, Network, Training
from families.base import Corpus
from families.registry import family_of
from litert.export import with_variants
from litert.parity import Row, parity, table
from litert.variants import VARIANTS
from music.events import Piece
from storage.bundle import Bundle, load
from workflows.trainer import new_bundle

pytestmark = pytest.mark.slow

# the largest difference of a probability
FLOAT = {"float32": 1e-5, "float16": 5e-3, "dynamic": 0.15}


def test_the_shipped_model_keeps_parity_in_every_variant() -> None:
    """On 1,000 held-out windows, and 500 notes of the same seed."""
    bundle = load(SHIPPED)
    rows = {row.variant: row for row in parity(bundle, list(VARIANTS))}
    assert all(row.windows == 1000 for row in rows.values())
    assert rows["float32"].max_difference < 1e-5
    assert rows["float32"].same_notes
    assert all(rows[variant].max_difference < most for variant, most in FLOAT.items())
    assert all(abs(rows[variant].nll_change) < 0.005 for variant in FLOAT)
    assert rows["int8"].nll_change < 0.1
    for variant, told in bundle.metadata["variants"].items():  # what the bundle says of them is so
        assert told["nll"] == pytest.approx(rows[variant].nll, abs=5e-3)
        assert told["crc32"] == zlib.crc32(bundle.steps[variant])


@pytest.mark.parametrize("number", [1, 3])
def test_every_type_converts_to_every_variant(tunes: list[Piece], number: int) -> None:
    """With built-in operators only; in 32 bits it composes what Keras composes."""
    network = Network(model_type=number, units=16, embedding=8, seqlen=8)
    corpus = Corpus("tunes", tuple(tunes), ())
    bundle, parts = new_bundle("x", corpus, Encoding(), network, Training())
    family = family_of(number)
    bundle = replace(
        bundle,
        weights=family.build(bundle).get_weights(),
        music=family.pack(parts.train),
        held_out=family.pack(parts.valid),
    )
    rows = {r.variant: r for r in parity(with_variants(bundle, list(VARIANTS)), list(VARIANTS))}
    assert rows["float32"].same_notes
    assert all(rows[variant].max_difference < most for variant, most in FLOAT.items())
    assert rows["int8"].nll_change < 0.1


def test_four_voices_convert_to_every_variant(all_voices: tuple[Bundle, list[Row]]) -> None:
    rows = {row.variant: row for row in all_voices[1]}
    assert rows["float32"].same_notes
    assert all(rows[variant].max_difference < most for variant, most in FLOAT.items())
    assert rows["int8"].nll_change < 0.6  # twelve units lose more than others


def test_the_table_says_what_each_is_worth(all_voices: tuple[Bundle, list[Row]]) -> None:
    lines = table(all_voices[1])
    assert [line.split()[0] for line in lines[1:5]] == list(VARIANTS)
    assert "the same" in lines[1]
