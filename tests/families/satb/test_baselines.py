"""The table of counts, with the figures that pencil and paper give."""

from math import log

import numpy as np
import pytest
from chorales import chorale

from families.satb.baselines import _cells, table
from families.satb.encoding import HOLD, SILENCE, SYMBOLS, VOICES, Chorale, plan_of

CHORD = [40, 36, 33, 20]


def piece(*steps: list[int]) -> Chorale:
    return Chorale("x", np.array(steps, np.int16), plan_of(len(steps)))


HELD = piece(CHORD, *[[HOLD] * 4] * 3)
EVEN = 1 / SYMBOLS


def test_the_frequency_of_each_symbol_is_blended_with_an_even_chance() -> None:
    """Witten and Bell: (count + kinds * what was known before) / (all + kinds)."""
    struck, held = (1 + 2 * EVEN) / (4 + 2), (3 + 2 * EVEN) / (4 + 2)
    found = table([HELD], [HELD], depth=1)
    assert found.nll == pytest.approx(-(log(struck) + 3 * log(held)) / 4)
    assert found.accuracy == 0.75  # to hold is the likeliest
    assert found.count == 16
    assert found.fields == dict.fromkeys(VOICES, pytest.approx(found.nll))


def test_what_was_never_counted_has_what_is_left() -> None:
    other = piece([50, 46, 43, 30], [SILENCE] * 4)
    found = table([HELD], [other], depth=1)
    assert found.nll == pytest.approx(-log(2 * EVEN / (4 + 2)))
    assert found.accuracy == 0


def test_each_context_is_trusted_by_how_seldom_something_new_followed() -> None:
    """All four steps stand on their own beat, so each closer context has seen one thing, once."""
    nats = 0.0
    for count in (1, 3, 3, 3):
        chance = (count + 2 * EVEN) / (4 + 2)
        for _ in range(3):
            chance = (1 + 1 * chance) / (1 + 1)
        nats -= log(chance)
    found = table([HELD], [HELD])
    assert found.nll == pytest.approx(nats / 4)
    assert found.accuracy == 1
    for depth in (2, 3):
        assert found.nll < table([HELD], [HELD], depth).nll < table([HELD], [HELD], 1).nll


def test_a_context_that_was_never_seen_is_left_out() -> None:
    late = Chorale("late", HELD.symbols, HELD.plan + np.array([1, 0, 0], np.int16))
    first = (1 + 2 * EVEN) / 6
    nats = [-log(first)]  # struck on a beat where all moved before: never seen
    for _ in range(3):
        chance = (3 + 2 * EVEN) / 6
        nats.append(-log(chance))
    only = table([HELD], [late], depth=1)
    assert only.nll == pytest.approx(sum(nats) / 4)
    assert table([HELD], [late]).nll != pytest.approx(only.nll)


def test_the_voices_are_told_apart() -> None:
    silent = HELD.symbols.copy()
    silent[:, 3] = [SILENCE, 30, 31, 32]
    found = table([HELD], [piece(*silent.tolist())])
    assert found.fields["bass"] > 2 * found.fields["soprano"]
    assert found.nll == pytest.approx(sum(found.fields.values()) / 4)


def test_a_single_step_is_counted_as_one() -> None:
    found = table([HELD], [piece(CHORD)], depth=1)
    assert found.nll == pytest.approx(-log((1 + 2 * EVEN) / 6))
    assert sum(found.fields.values()) == pytest.approx(4 * found.nll)


def test_nothing_is_known_of_nothing() -> None:
    assert table([], [HELD]).nll == pytest.approx(log(SYMBOLS))
    assert table([], [HELD]).accuracy == 0.75  # to hold is the guess where nothing is known
    empty = table([HELD], [])
    assert (empty.nll, empty.accuracy, empty.count) == (0, 0, 0)


def test_more_that_is_known_tells_more() -> None:
    pieces = [chorale(i) for i in range(6)]
    alone = table(pieces[:5], pieces[5:], depth=1)
    full = table(pieces[:5], pieces[5:])
    assert full.nll < alone.nll < np.log(SYMBOLS)
    assert table(pieces, pieces).nll < full.nll


def test_contexts_are_beat_soprano_time_held_and_own_note() -> None:
    steps = [CHORD, [HOLD, HOLD, HOLD, 22], [41, HOLD, HOLD, HOLD], *[[HOLD] * 4] * 9]
    cells = list(_cells(piece(*steps)))
    assert len(cells) == 4 * 12
    first, second, third, last = cells[:4], cells[4:8], cells[8:12], cells[-4:]
    assert first[0] == ([(0,), (0, 0, -1), (0, 0, -1, 0), (0, 0, -1, 0, 0)], 40)
    assert first[1] == ([(1,), (1, 0, 1), (1, 0, 1, 0), (1, 0, 1, 0, 0)], 36)
    assert second[0] == ([(0,), (0, 1, -1), (0, 1, -1, 1), (0, 1, -1, 1, 40)], HOLD)
    assert second[3] == ([(3,), (3, 1, 0), (3, 1, 0, 1), (3, 1, 0, 1, 20)], 22)
    assert third[1] == ([(1,), (1, 2, 1), (1, 2, 1, 2), (1, 2, 1, 2, 36)], HOLD)
    assert third[3] == ([(3,), (3, 2, 1), (3, 2, 1, 1), (3, 2, 1, 1, 22)], HOLD)
    assert last[2][0][-1] == (2, 3, 0, 8, 33)  # eight steps and more are one
