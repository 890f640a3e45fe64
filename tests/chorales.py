"""Small chorales, and settings with which a model of type 5 is quickly trained on them."""

from dataclasses import replace

import numpy as np

from config_bach import Encoding, Network, Training
from families.registry import family_of
from families.satb.encoding import Chorale, plan_of, satb_vocabulary, symbols_of
from storage.bundle import Bundle

CHORDS = ((67, 64, 60, 48), (69, 65, 60, 53), (71, 67, 62, 55), (72, 67, 64, 48), (65, 62, 57, 50))


def chorale(number: int, bars: int = 6) -> Chorale:
    """Chords that follow each other as they did before, a passing note now and then."""
    rng = np.random.default_rng(number)
    chord, steps = number % len(CHORDS), []
    for beat in range(4 * bars):
        s, a, t, b = (p + number % 3 for p in CHORDS[chord])
        half = [s + (2 if beat % 4 == 3 else 0), a, t, b]
        steps += [[s, a, t, b]] * 2 + [half] * 2
        chord = (chord + (1 if rng.random() < 0.8 else 2)) % len(CHORDS)
    return Chorale(f"chorale {number}", symbols_of(steps), plan_of(len(steps)), 80.0)


def tiny(layers: int = 1) -> Network:
    """The network of type 5, very small: most of the time goes by until TensorFlow has a graph of it."""
    network = replace(family_of(5).network, units=12, embedding=8, layers=layers)
    return replace(network, dropout=0.0, token_dropout=0.0, head_dropout=0.0, retrieval=True)


def small_training() -> Training:
    """A training of a few seconds."""
    return replace(family_of(5).training, epochs=3, batch=8, min_steps=40, learning_rate=0.01)


def untrained_bundle(batch: int, min_steps: int) -> Bundle:
    """A bundle of type 5 without weights."""
    vocabulary = satb_vocabulary(Encoding(transpose=6))
    training = replace(family_of(5).training, batch=batch, min_steps=min_steps)
    return Bundle("x", vocabulary, tiny(layers=2), training, {"history": []})
