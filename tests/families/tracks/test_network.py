"""The Keras network, its batches, and the steps that are exported."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from songs import piece

from config_bach import Encoding
from families.base import Corpus
from families.metrics import forward, stepwise
from families.registry import family_of
from families.tracks.dataset import packed, sequences
from families.tracks.features import COLUMNS
from families.tracks.tokens import SYMBOLS, Kind, symbol, token, transposed
from storage.bundle import Bundle
from workflows.trainer import new_bundle

pytestmark = pytest.mark.slow

FAMILY = family_of(6)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """An untrained model that knows its pieces."""
    pieces = tuple(piece(i, 3) for i in range(6))
    network = replace(FAMILY.network, units=8, embedding=4, seqlen=16)
    training = replace(FAMILY.training, batch=4, min_steps=2)
    made, parts = new_bundle("x", Corpus("x", pieces, ()), Encoding(transpose=2), network, training)
    weights = FAMILY.build(made).get_weights()
    return replace(made, weights=weights, music=packed(parts.train), held_out=packed(parts.valid))


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> Any:
    network = FAMILY.build(bundle)
    network.set_weights(bundle.weights)
    return network


def test_every_variant_predicts_what_keras_does(bundle: Bundle, model: Any) -> None:
    from litert.export import with_variants
    from litert.loading import loaded

    made = with_variants(bundle, ["float32", "dynamic", "int8"])
    part = [s.part(60) for s in sequences([piece(0, 3)])]
    ((_, exact),) = forward(FAMILY, model, part, SYMBOLS)
    for variant, far in (("float32", 1e-6), ("dynamic", 0.01), ("int8", 0.05)):
        predictor = loaded(made, variant).predictor
        ((_, found),) = stepwise(predictor, part)
        assert np.abs(exact[0] - found[0]).max() < far


def test_what_followed_the_last_time_is_raised_as_the_network_likes(model: Any) -> None:
    rows = np.zeros((1, 1, len(COLUMNS)), np.int32)
    rows[..., list(COLUMNS).index("again")] = again = token(Kind.PITCH, 60)
    layer = model.get_layer("next_token")
    before = layer.raised.get_weights()
    found = []
    for strength in (-5.0, 0.0, 5.0):
        layer.raised.set_weights([np.zeros_like(before[0]), np.array([strength])])
        found.append(model.predict_on_batch(list(FAMILY.inputs(rows, rows)))[0, 0])
    layer.raised.set_weights(before)
    low, even, high = (p[again] for p in found)
    assert low < even / 50 < high / 1000
    others = np.arange(SYMBOLS) != again
    ratio = found[2][others] / found[1][others]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)


def test_what_sounds_is_told_bit_by_bit() -> None:
    from families.tracks.network import Bits

    numbers = np.array([0, *(1 << np.arange(12)), 2**12 - 1], np.int32)
    found = np.asarray(Bits(12)(numbers))
    np.testing.assert_array_equal(found[:-1], np.eye(13, 12, -1))
    assert found[-1].all()


def test_batches_are_windows_in_other_keys(bundle: Bundle) -> None:
    from families.tracks.batches import TrackBatches

    whole = sequences([piece(0, 3)])
    batches = TrackBatches(whole, bundle, epoch=0)
    again = TrackBatches(whole, bundle, epoch=0)
    windows = [(c, t) for i in range(len(batches)) for c, t in [batches[i]]]
    targets = np.concatenate([t[0] for _, t in windows])
    np.testing.assert_array_equal(
        targets, np.concatenate([again[i][1][0] for i in range(len(again))])
    )
    keys = set()
    for inputs, (row,) in windows:
        np.testing.assert_array_equal(
            inputs[0][:, 1:][row[:, 1:] >= 0], row[:, :-1][row[:, 1:] >= 0]
        )
        for start in range(len(row)):
            pitches = [t for t in row[start] if t >= 0 and symbol(int(t)).startswith("pitch")]
            keys.update(pitches[:1])
    assert len(keys) > 3
    batches.on_epoch_end()
    assert any((batches[i][1][0] != again[i][1][0]).any() for i in range(len(again)))


def test_a_sequence_in_another_key() -> None:
    from families.tracks.batches import in_key

    (whole,) = sequences([piece(0, 3)])
    assert in_key(whole, 0) is whole
    wanted = transposed(piece(0, 3).tokens, 2)
    np.testing.assert_array_equal(in_key(whole, 2).targets[:, 0], wanted[1:])
    np.testing.assert_array_equal(in_key(whole, 2).rows[:, 0], wanted[:-1])
