"""How a voice chooses: what it does and which note it strikes have temperatures of their own."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from families.satb.choice import LEFT, Sampling, choose
from families.satb.encoding import FIRST, HOLD, SILENCE, SYMBOLS

A, B, C = FIRST + 10, FIRST + 20, FIRST + 30
PITCHES = SYMBOLS - FIRST
MANY = 20_000
LIKELY = {HOLD: 0.6, SILENCE: 0.1, A: 0.2, B: 0.08, C: 0.02}


def likely(chances: Mapping[int, float]) -> Any:
    p = np.zeros((MANY, SYMBOLS))
    for symbol, chance in chances.items():
        p[:, symbol] = chance
    return p


def shares(
    chances: Mapping[int, float],
    how: Sampling,
    barred: tuple[int, ...] = (),
    avoided: tuple[int, ...] = (),
) -> tuple[dict[int, float], float]:
    """How often each symbol is chosen, and how often a rule is broken."""
    allowed, preferred = np.ones((MANY, SYMBOLS), bool), np.ones((MANY, PITCHES), bool)
    allowed[:, list(barred)] = False
    preferred[:, [s - FIRST for s in avoided]] = False
    chosen, bound = choose(likely(chances), allowed, preferred, how, np.random.default_rng(0))
    counts = Counter(chosen.tolist())
    return {s: n / MANY for s, n in counts.items()}, float(bound.mean())


PLAIN = Sampling(1.0, 1.0, 1.0)


def test_each_symbol_comes_as_often_as_it_is_likely() -> None:
    found, bound = shares(LIKELY, PLAIN)
    assert found == pytest.approx(LIKELY, abs=0.01)
    assert bound == 0


def test_the_temperature_of_onsets_leaves_the_pitches_as_they_are() -> None:
    found, _ = shares(LIKELY, Sampling(2.0, 1.0, 1.0))
    does = np.sqrt([0.6, 0.1, 0.3])
    does /= does.sum()
    expected = dict(zip((A, B, C), does[2] * np.array([20, 8, 2]) / 30, strict=True))
    assert found == pytest.approx({HOLD: does[0], SILENCE: does[1], **expected}, abs=0.01)


def test_the_temperature_of_pitches_leaves_the_onsets_as_they_are() -> None:
    found, _ = shares(LIKELY, Sampling(1.0, 0.5, 1.0))
    squares = np.array([0.2, 0.08, 0.02]) ** 2
    expected = dict(zip((A, B, C), 0.3 * squares / squares.sum(), strict=True))
    assert found == pytest.approx({HOLD: 0.6, SILENCE: 0.1, **expected}, abs=0.01)


def test_the_nucleus_is_taken_of_the_pitches_alone() -> None:
    """An onset of one in a hundred stays possible; a pitch beyond the nucleus does not."""
    rare = {HOLD: 0.99, A: 0.006, B: 0.0038, C: 0.0002}
    found, _ = shares(rare, Sampling(1.0, 1.0, 0.95))
    assert set(found) == {HOLD, A, B}
    assert found[HOLD] == pytest.approx(0.99, abs=0.003)
    found, _ = shares(rare, Sampling(1.0, 1.0, 0.0))
    assert set(found) == {HOLD, A}


def test_at_temperature_zero_the_likeliest_comes() -> None:
    assert shares(LIKELY, Sampling(0.0, 0.0, 1.0))[0] == {HOLD: 1.0}
    assert shares({HOLD: 0.4, A: 0.25, B: 0.35}, Sampling(0.0, 0.0, 1.0))[0] == {B: 1.0}


def test_what_is_not_allowed_never_comes() -> None:
    found, _ = shares(LIKELY, PLAIN, barred=(HOLD, A))
    assert found == pytest.approx({SILENCE: 0.5, B: 0.4, C: 0.1}, abs=0.01)


def test_pitches_that_break_a_rule_are_avoided_without_fewer_onsets() -> None:
    found, bound = shares(LIKELY, PLAIN, avoided=(A,))
    assert found == pytest.approx({HOLD: 0.6, SILENCE: 0.1, B: 0.24, C: 0.06}, abs=0.01)
    assert bound == 0


def test_a_rule_gives_way_where_nearly_nothing_is_left() -> None:
    """And it is told, of those that strike a note."""
    share = LEFT / 2
    cornered = {HOLD: 0.5, A: 0.5 * (1 - share), B: 0.5 * share}
    found, bound = shares(cornered, PLAIN, avoided=(A,))
    assert found[A] == pytest.approx(0.5 * (1 - share), abs=0.01)
    assert bound == pytest.approx(0.5, abs=0.02)
    enough = {HOLD: 0.5, A: 0.5 * (1 - 2 * LEFT), B: LEFT}
    found, bound = shares(enough, PLAIN, avoided=(A,))
    assert found == pytest.approx({HOLD: 0.5, B: 0.5}, abs=0.02)
    assert bound == 0


def test_a_network_that_is_sure_of_what_is_barred_leaves_the_rest_alike() -> None:
    found, _ = shares({A: 1.0}, PLAIN, barred=(A, HOLD, SILENCE))
    assert len(found) == PITCHES - 1
    assert max(found.values()) < 3 / PITCHES
    found, _ = shares({A: 1.0}, PLAIN, barred=tuple(range(FIRST, SYMBOLS)))
    assert found == pytest.approx({HOLD: 0.5, SILENCE: 0.5}, abs=0.02)


def test_every_piece_chooses_by_its_own_probabilities() -> None:
    p = np.zeros((3, SYMBOLS))
    p[[0, 1, 2], [HOLD, A, B]] = 1.0
    free = np.ones((3, SYMBOLS), bool)
    rng = np.random.default_rng(1)
    chosen, bound = choose(p, free, free[:, FIRST:], Sampling(1.2, 1.1, 0.95), rng)
    assert chosen.tolist() == [HOLD, A, B]
    assert bound.tolist() == [False] * 3
