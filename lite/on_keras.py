"""The benchmark's rows of Keras, in a process that has TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bundle import Bundle, pieces_of
from chorale.ear import rows_of
from chorale.forms import unpacked
from chorale.grid import VOICES
from chorale.training import measure as measure_voices
from config_bach import CHORALE
from dataset import lessons
from evaluate import measure
from lite.benchmark import KERAS, SLOW_TIMED, Row, peak_megabytes, row_of, some, timed
from lite.export import network_of
from lite.parity import KerasChoir, KerasStep

COMPILED = "the window, compiled"
STEP = "a step in Keras, compiled"


def rows(bundle: Bundle) -> list[Row]:
    """`model.predict` on the window for every note, as in the articles; the same compiled; a step.

    In four voices each must know the ones before it, so a window gives one note at a time, too; a
    step gives four.
    """
    model = network_of(bundle)
    is_chorale = bundle.network.model_type == CHORALE
    if is_chorale:
        pieces = some(unpacked(bundle.held_out))
        figures = measure_voices(model, pieces)
    else:
        known = some(lessons(pieces_of(bundle.held_out), bundle.vocabulary, bundle.network))
        figures = measure(model, known, bundle.vocabulary)
    window = chorale_window(bundle) if is_chorale else event_window(bundle)
    compiled = tf.function(model)
    ways: dict[str, Callable[[], Any]] = {
        KERAS: lambda: model.predict(window, verbose=0),
        COMPILED: lambda: compiled([tf.constant(w) for w in window]),
        STEP: chorale_step(model, window) if is_chorale else event_step(model),
    }
    size = sum(w.nbytes for w in bundle.weights)
    return [
        row_of(
            name,
            size,
            timed(step, SLOW_TIMED, 3) / (len(VOICES) if is_chorale and name == STEP else 1),
            peak=peak_megabytes(),
            figures=figures,
        )
        for name, step in ways.items()
    ]


def event_window(bundle: Bundle) -> list[Any]:
    """The first window of a held-out piece [1, events], one for each input."""
    known = lessons(pieces_of(bundle.held_out), bundle.vocabulary, bundle.network)
    inputs = max(known, key=lambda lesson: len(lesson.inputs)).inputs[: bundle.network.seqlen]
    return [inputs[None, :, i] for i in range(inputs.shape[1])]


def chorale_window(bundle: Bundle) -> list[Any]:
    """The first window of a held-out chorale: rows and symbols [1, steps, n]."""
    piece = max(unpacked(bundle.held_out), key=len)
    part = slice(bundle.network.seqlen)
    return [rows_of(piece)[None, part], piece.symbols[None, part].astype(np.int32)]


def event_step(model: keras.Model) -> Callable[[], Any]:
    """One event with the memory handed in and out."""
    engine = KerasStep(model)
    memory = engine.silence()
    return lambda: engine.step([1] * engine.inputs, memory)


def chorale_step(model: Any, window: list[Any]) -> Callable[[], Any]:
    """One sixteenth in four voices, with the memory handed in and out."""
    engine = KerasChoir(model)
    row, sounds, memory = window[0][:, 0], window[1][:, 0], engine.silence(1)

    def step() -> None:
        context, _ = engine.hear(row, memory)
        for voice in range(len(VOICES)):
            engine.voice(voice, context, row, sounds)

    return step
