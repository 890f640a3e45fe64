"""Distances, voice leading and repetition, on music whose answer is known."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from evaluation.style import degeneration, distances, faults, faults_per_100
from families.satb.encoding import FIRST, Chorale
from music.events import Event


def shuffled(piece: Chorale, seed: int) -> list[Event]:
    """The same notes in another order, voice by voice."""
    rng = np.random.default_rng(seed)
    symbols = piece.symbols.copy()
    for voice in range(4):
        struck = symbols[:, voice] >= FIRST
        symbols[struck, voice] = rng.permutation(symbols[struck, voice])
    return Chorale(piece.name, symbols, piece.plan).events


def test_bach_is_nearest_to_bach_and_shuffled_notes_are_farthest(bach: list[Chorale]) -> None:
    music = [p.events for p in bach]
    real = distances(music[::2], music[1::2])
    mixed = distances([shuffled(p, 1) for p in bach[::2]], music[1::2])
    same = distances(music, music)
    for feature in ("intervals", "harmony"):
        assert same[feature] == pytest.approx(0)
        assert real[feature] < 0.6 * mixed[feature]
    assert real["rhythm"] < 0.35
    other_keys = [p.transposed(2).events for p in bach]
    assert distances(other_keys, music)["pitch classes"] < 1e-6


def test_bach_leads_his_voices_well_and_shuffled_notes_do_not(bach: list[Chorale]) -> None:
    good = faults_per_100([p.events for p in bach])
    bad = faults_per_100([shuffled(p, 2) for p in bach])
    assert good["all"] < 4
    assert bad["all"] > 5 * good["all"]
    assert good["parallel fifths"] < 0.5


def led(*chords: Sequence[int]) -> list[Event]:
    """Chords of four voices, every note struck."""
    return [Event(tuple(sorted(set(c))), Fraction(1), 90, tuple(c), (True,) * 4) for c in chords]


@pytest.mark.parametrize(
    ("chords", "kind", "count"),
    [
        (((67, 64, 60, 48), (69, 65, 62, 50)), "parallel octaves", 1),
        (((72, 64, 55, 48), (71, 65, 57, 50)), "parallel fifths", 1),
        (((72, 64, 55, 48), (72, 64, 55, 48)), "parallel fifths", 0),  # nothing moves
        (((72, 64, 60, 48), (72, 59, 60, 48)), "crossings", 1),
        (((72, 64, 60, 48), (85, 64, 60, 48)), "out of range", 1),
        (((67, 64, 55, 48), (65, 64, 57, 50)), "parallel octaves", 0),
        (((67, 64, 59, 48), (65, 64, 59, 46)), "parallel fifths", 1),
        (((67, 64, 59, 48), (62, 64, 59, 55)), "parallel fifths", 0),  # contrary motion
        (((72, 64, 59, 48), (67, 64, 59, 55)), "parallel octaves", 0),  # contrary motion
        (((60, 55, 52, 48), (67, 55, 52, 48)), "leaps", 0),
        (((60, 55, 52, 48), (66, 55, 52, 48)), "leaps", 1),
        (((60, 55, 52, 48), (73, 55, 52, 48)), "leaps", 1),
    ],
)
def test_each_fault_is_found(chords: tuple[Sequence[int], ...], kind: str, count: int) -> None:
    assert faults(led(*chords))[kind] == count


def test_stuck_loops_and_silence_are_shares_of_the_time() -> None:
    scale = [Event((60 + i % 7 + i // 7,), Fraction(1)) for i in range(40)]
    assert degeneration(scale) == {"stuck": 0, "loops": 0, "silence": 0}
    stuck = degeneration([Event((60,), Fraction(1))] * 40)
    assert stuck["stuck"] == pytest.approx(0.8)
    looping = degeneration([Event((60 + i % 3,), Fraction(1)) for i in range(60)])
    assert looping["loops"] == pytest.approx(1 - 12 / 60)
    assert degeneration([Event((), Fraction(3)), Event((60,), Fraction(1))])["silence"] == 0.75
