"""Small chorales, and a bundle of model type 5 that is quickly trained on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bundle import Bundle
from chorale.forms import chorale_vocabulary
from chorale.grid import Chorale, plan_of, symbols_of
from config_bach import NETWORKS, TRAININGS, Encoding, Network

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


def tiny() -> Network:
    """The network of type 5, very small."""
    return replace(NETWORKS[5], units=12, embedding=8, dropout=0.0, mishear=0.0, head_dropout=0.0)


def bundle_of(batch: int, min_steps: int) -> Bundle:
    """An untrained bundle."""
    vocabulary = chorale_vocabulary(Encoding(transpose=6))
    training = replace(TRAININGS[5], batch=batch, min_steps=min_steps)
    return Bundle("x", vocabulary, tiny(), training, {"history": []})
