"""The networks, and the step model that composes in their place."""

import tempfile
from dataclasses import replace

import keras
import numpy as np
import pytest
from dataset import lessons
from lite.engine import StepModel
from lite.export import converted, save_step
from piece import Piece
from vocabulary import Vocabulary

from config_bach import Encoding, Network
from model import build, input_names


def network(number: int) -> Network:
    return Network(model_type=number, units=16, embedding=8, seqlen=8)


def lively(tunes: list[Piece]) -> list[Piece]:
    return [
        replace(
            p, events=tuple(replace(e, velocity=30 + 7 * (i % 12)) for i, e in enumerate(p.events))
        )
        for p in tunes
    ]


def vocabulary_of(tunes: list[Piece], number: int) -> Vocabulary:
    return Vocabulary.learn(lively(tunes), Encoding(), with_duration=number == 2)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_head_gives_a_distribution_at_every_event(tunes: list[Piece], number: int) -> None:
    vocabulary = vocabulary_of(tunes, number)
    model = build(vocabulary, network(number))
    heads = model.predict_on_batch([np.ones((3, 8), np.int32)] * len(model.inputs))
    heads = heads if isinstance(heads, list) else [heads]
    assert [h.shape for h in heads] == [(3, 8, len(f.symbols)) for f in vocabulary.fields]
    assert all(np.allclose(h.sum(-1), 1, atol=1e-5) for h in heads)


def exported(model: keras.Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return converted(folder, save_step(model, folder, False), "float32")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_step_model_gives_what_keras_gives(tunes: list[Piece], number: int) -> None:
    """To 1e-5, event by event, also far beyond the window."""
    vocabulary = vocabulary_of(tunes, number)
    model = build(vocabulary, network(number))
    rng = np.random.default_rng(0)
    model.set_weights(
        [w + rng.normal(0, 0.2, w.shape).astype(w.dtype) for w in model.get_weights()]
    )
    lesson = lessons(lively(tunes)[4:5], vocabulary, network(number))[0]
    inputs = lesson.inputs[None]
    heads = model.predict_on_batch([inputs[..., i] for i in range(inputs.shape[-1])])
    heads = heads if isinstance(heads, list) else [heads]
    engine = StepModel(exported(model))
    memory = engine.silence()
    assert engine.inputs == len(input_names(vocabulary, network(number)))
    assert len(lesson.inputs) > 3 * 8
    for i, heard in enumerate(lesson.inputs.tolist()):
        coming, memory = engine.step(heard, memory)
        for head, probabilities in zip(heads, coming, strict=True):
            assert np.abs(head[0, i] - probabilities).max() < 1e-5


def test_attention_sees_the_window_and_no_further(tunes: list[Piece]) -> None:
    from model import WindowAttention

    layer = WindowAttention(4)
    x = np.random.default_rng(0).normal(size=(1, 12, 6)).astype(np.float32)
    before = np.array(layer(x))
    changed = x.copy()
    changed[0, 5] += 1
    differs = np.abs(np.array(layer(changed)) - before).max(-1)[0] > 1e-6
    assert differs.tolist() == [5 <= i <= 8 for i in range(12)]


def test_type_2_scores_a_chord_by_its_notes(tunes: list[Piece]) -> None:
    """A chord that was never a target gets likelier when chords that share its notes do."""
    vocabulary = vocabulary_of(tunes, 2)
    model = build(vocabulary, network(2))
    embedding = next(x for x in model.layers if x.name.startswith("pitch_embedding"))
    assert np.array_equal(embedding.known, vocabulary.pitch_features())
    assert not embedding.known.trainable
