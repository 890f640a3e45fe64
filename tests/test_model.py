"""The networks of the articles: their heads, and that one step is worth the whole window."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from config_bach import Encoding, Network, Training
from families.events.encoding import pitch_features
from families.events.network import without_softmax
from families.metrics import forward, through
from families.registry import family_of
from litert.keras_runner import on_keras
from model import UNSEEN, OneHot, WindowAttention, looked_up, state_shapes, step
from music.events import Piece
from storage.bundle import Bundle

TYPES = [1, 2, 3]


def bundle_of(tunes: list[Piece], number: int) -> Bundle:
    """A very small network of that type, for tunes that are not played evenly."""
    family = family_of(number)
    network = Network(model_type=number, units=16, embedding=8, seqlen=8)
    vocabulary = family.vocabulary(lively(tunes), Encoding())
    return Bundle("x", vocabulary, network, Training(), {})


def lively(tunes: list[Piece]) -> list[Piece]:
    return [
        replace(
            p, events=tuple(replace(e, velocity=30 + 7 * (i % 12)) for i, e in enumerate(p.events))
        )
        for p in tunes
    ]


def shaken(model: keras.Model) -> keras.Model:
    """The network with weights that are not what they were at first."""
    rng = np.random.default_rng(0)
    model.set_weights(
        [w + rng.normal(0, 0.2, w.shape).astype(w.dtype) for w in model.get_weights()]
    )
    return model


@pytest.mark.parametrize("number", TYPES)
def test_every_head_gives_a_distribution_at_every_event(tunes: list[Piece], number: int) -> None:
    bundle = bundle_of(tunes, number)
    model = family_of(number).build(bundle)
    heads = model.predict_on_batch([np.ones((3, 8), np.int32)] * len(model.inputs))
    heads = heads if isinstance(heads, list) else [heads]
    fields = bundle.vocabulary.fields
    assert [h.shape for h in heads] == [(3, 8, len(f.symbols)) for f in fields]
    assert all(np.allclose(h.sum(-1), 1, atol=1e-5) for h in heads)
    assert [f.name for f in fields] == (
        ["pitch", "duration", "velocity"] if number == 2 else ["pitch"]
    )


@pytest.mark.parametrize("number", TYPES)
def test_one_event_at_a_time_gives_what_the_whole_gives(tunes: list[Piece], number: int) -> None:
    """To 1e-5, event by event, also far beyond the window."""
    bundle, family = bundle_of(tunes, number), family_of(number)
    model = shaken(family.build(bundle))
    (sequence,) = family.sequences(lively(tunes)[4:5], bundle)
    assert len(sequence) > 3 * bundle.network.seqlen
    ((_, whole),) = forward(family, model, [sequence], 40)
    predictor = on_keras(bundle, model).predictor
    steps = through(predictor, sequence.rows[None], np.maximum(sequence.targets[None], 0))
    for found, wanted in zip(steps, whole, strict=True):
        assert np.abs(found[0] - wanted).max() < 1e-5


@pytest.mark.parametrize("number", TYPES)
def test_the_state_has_two_vectors_a_layer_and_the_window(tunes: list[Piece], number: int) -> None:
    model = family_of(number).build(bundle_of(tunes, number))
    shapes = state_shapes(model)
    assert shapes[:4] == [(1, 16)] * 4
    assert [shape[:2] for shape in shapes[4:]] == ([(1, 8), (1, 8)] if number == 2 else [])


def test_logits_are_given_in_the_place_of_probabilities_only_while_asked(
    tunes: list[Piece],
) -> None:
    model = shaken(family_of(2).build(bundle_of(tunes, 2)))
    ids = [np.array([1], np.int32)] * len(model.inputs)
    state = [np.zeros(shape, np.float32) for shape in state_shapes(model)]
    before, _ = step(model, ids, state)
    with without_softmax(model):
        logits, _ = step(model, ids, state)
    after, _ = step(model, ids, state)
    for p, scores, again in zip(before, logits, after, strict=True):
        exp = np.exp(np.array(scores) - np.max(scores))
        assert np.allclose(exp / exp.sum(), p, atol=1e-6)
        assert np.array_equal(p, again)


def test_attention_sees_the_window_and_no_further() -> None:
    layer = WindowAttention(4)
    x = np.random.default_rng(0).normal(size=(1, 12, 6)).astype(np.float32)
    before = np.array(layer(x))
    changed = x.copy()
    changed[0, 5] += 1
    differs = np.abs(np.array(layer(changed)) - before).max(-1)[0] > 1e-6
    assert differs.tolist() == [5 <= i <= 8 for i in range(12)]


def test_attention_one_event_at_a_time_sees_the_same() -> None:
    layer = WindowAttention(4)
    x = np.random.default_rng(0).normal(size=(1, 12, 6)).astype(np.float32)
    whole = np.array(layer(x))[0]
    past, filled = np.zeros((1, 4, 6), np.float32), np.zeros((1, 4), np.float32)
    for i in range(12):
        found, past, filled = (np.array(t) for t in layer.step(x[:, i], past, filled))
        assert np.allclose(found[0], whole[i], atol=1e-5)
        assert filled.sum() == min(i + 1, 4)
    assert np.exp(-UNSEEN) < 1e-12  # what is not there yet counts for nothing


def test_one_hot_by_comparing_is_one_hot() -> None:
    layer, ids = OneHot(5), np.array([[0, 4, 2]], np.int32)
    assert np.array_equal(layer(ids), layer.step(ids))
    assert np.array_equal(np.array(layer(ids))[0], np.eye(5)[[0, 4, 2]])
    assert looked_up(np.arange(6).reshape(3, 2), ids[:, [0, 2]]).numpy().tolist() == [
        [[0, 1], [4, 5]]
    ]


def test_type_2_scores_a_chord_by_its_notes(tunes: list[Piece]) -> None:
    """A chord that was never a target gets likelier when chords that share its notes do."""
    bundle = bundle_of(tunes, 2)
    model = family_of(2).build(bundle)
    embedding = next(x for x in model.layers if x.name.startswith("pitch_embedding"))
    assert np.array_equal(embedding.known, pitch_features(bundle.vocabulary))
    assert not embedding.known.trainable
    assert embedding.learned.trainable
    assert model.get_layer("next_pitch").embedding is embedding  # input and output share it


@pytest.mark.parametrize("number", TYPES)
def test_layers_are_as_many_as_asked_for(tunes: list[Piece], number: int) -> None:
    bundle = bundle_of(tunes, number)
    deep = replace(bundle, network=replace(bundle.network, layers=3))
    model = family_of(number).build(deep)
    units = [layer.units for layer in model.layers if isinstance(layer, keras.layers.LSTM)]
    assert units == [16] * 3
