"""The networks of the articles, whole and one event at a time."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from config_bach import Encoding, Training
from families.events.encoding import pitch_features
from families.events.family import EventFamily
from families.registry import family_of
from litert.keras_runner import on_keras
from model import WindowAttention
from music.events import Piece
from storage.bundle import Bundle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lively(tunes: list[Piece]) -> list[Piece]:
    """Tunes with velocities that vary, so that type 2 learns all three fields."""
    return [
        replace(
            p, events=tuple(replace(e, velocity=30 + 7 * (i % 12)) for i, e in enumerate(p.events))
        )
        for p in tunes
    ]


def bundle_of(pieces: list[Piece], number: int) -> tuple[EventFamily, Bundle]:
    family = family_of(number)
    assert isinstance(family, EventFamily)
    network = replace(family.network, units=16, embedding=8, seqlen=8)
    return family, Bundle("x", family.vocabulary(pieces, Encoding()), network, Training(), {})


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_head_gives_a_distribution_at_every_event(lively: list[Piece], number: int) -> None:
    family, bundle = bundle_of(lively, number)
    model = family.build(bundle)
    heads = family.outputs(
        model.predict_on_batch([np.ones((3, 8), np.int32)] * len(model.inputs)), np.zeros(0)
    )
    assert [h.shape for h in heads] == [(3, 8, len(f.symbols)) for f in bundle.vocabulary.fields]
    assert len(heads) == (3 if number == 2 else 1)
    assert all(np.allclose(h.sum(-1), 1, atol=1e-5) for h in heads)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_steps_give_what_the_whole_network_gives(lively: list[Piece], number: int) -> None:
    """To 1e-5, event by event, also far beyond the window, with weights far from the first ones."""
    family, bundle = bundle_of(lively, number)
    model = family.build(bundle)
    rng = np.random.default_rng(0)
    model.set_weights(
        [w + rng.normal(0, 0.2, w.shape).astype(w.dtype) for w in model.get_weights()]
    )
    (sequence,) = family.sequences(lively[4:5], bundle)
    assert len(sequence) > 3 * bundle.network.seqlen
    inputs = family.inputs(sequence.rows[None], sequence.targets[None])
    whole = family.outputs(model.predict_on_batch(list(inputs)), sequence.rows)
    predictor = on_keras(bundle, model).predictor
    state = predictor.initial_state()
    for now in range(len(sequence)):
        context, state = predictor.advance(sequence.rows[now : now + 1], state)
        for head in predictor.order:
            found = predictor.head(head, context, sequence.rows[:1], sequence.targets[:1])
            np.testing.assert_allclose(found[0], whole[head][0, now], atol=1e-5)


def test_attention_sees_the_window_and_no_further() -> None:
    layer = WindowAttention(4)
    x = np.random.default_rng(0).normal(size=(1, 12, 6)).astype(np.float32)
    before = np.array(layer(x))
    changed = x.copy()
    changed[0, 5] += 1
    differs = np.abs(np.array(layer(changed)) - before).max(-1)[0] > 1e-6
    assert differs.tolist() == [5 <= i <= 8 for i in range(12)]


def test_type_2_scores_a_chord_by_its_notes(lively: list[Piece]) -> None:
    """What is known of chords is given, not learned, and input and output share it."""
    family, bundle = bundle_of(lively, 2)
    model = family.build(bundle)
    embedding = next(x for x in model.layers if x.name.startswith("pitch_embedding"))
    assert np.array_equal(embedding.known, pitch_features(bundle.vocabulary))
    assert not embedding.known.trainable
    assert model.get_layer("next_pitch").embedding is embedding


def test_layers_are_as_many_as_asked_for(lively: list[Piece]) -> None:
    for number in (1, 2, 3):
        family, bundle = bundle_of(lively, number)
        deep = replace(bundle, network=replace(bundle.network, layers=3))
        found = [x for x in family.build(deep).layers if isinstance(x, keras.layers.LSTM)]
        assert [layer.units for layer in found] == [16] * 3
