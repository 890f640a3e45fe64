"""Durations for networks that predict pitches alone."""

from fractions import Fraction

import numpy as np
import pytest

from families.events.rhythm import ORDER, Rhythm
from music.events import Event, Piece

F = Fraction


def piece(*durations: Fraction | int) -> Piece:
    return Piece("p", tuple(Event((60,), F(d)) for d in durations))


def test_what_follows_what_is_counted_up_to_four_durations_back() -> None:
    counts = Rhythm.learn([piece(1, F(1, 2), 1, F(1, 2), F(1, 2)), piece(1)]).counts
    assert counts[""] == {"1": 3, "0.5": 3}
    assert counts["1"] == {"0.5": 2}
    assert counts["0.5"] == {"1": 1, "0.5": 1}
    assert counts["1 0.5 1 0.5"] == {"0.5": 1}
    assert max(len(context.split()) for context in counts) == ORDER == 4


def test_the_longest_known_context_decides() -> None:
    rhythm = Rhythm.learn([piece(1, 2, 3, 1, 4, 3)])
    rng = np.random.default_rng(0)
    assert {rhythm.sample([F(2), F(3)], rng) for _ in range(9)} == {F(1)}
    assert {rhythm.sample([F(7), F(2)], rng) for _ in range(9)} == {F(3)}
    assert {rhythm.sample([F(7), F(1)], rng) for _ in range(40)} == {F(2), F(4)}
    assert {rhythm.sample([F(9)], rng) for _ in range(99)} == {F(1), F(2), F(3), F(4)}
    assert {rhythm.sample([], rng) for _ in range(99)} == {F(1), F(2), F(3), F(4)}


def test_no_more_than_four_durations_are_looked_back_at() -> None:
    rhythm = Rhythm.learn([piece(9, 1, 1, 1, 1, 2)])
    rng = np.random.default_rng(0)
    assert rhythm.sample([F(1, 3)] * 5 + [F(1)] * 4, rng) == 2


def test_durations_come_as_often_as_they_were_counted() -> None:
    rhythm = Rhythm({"": {"1": 3, "1/3": 1}})
    rng = np.random.default_rng(0)
    drawn = [rhythm.sample([], rng) for _ in range(4000)]
    assert drawn.count(F(1, 3)) / 4000 == pytest.approx(0.25, abs=0.02)


def test_tunes_keep_their_rhythm(tunes: list[Piece]) -> None:
    rhythm = Rhythm.learn(tunes)
    before = [F(1, 2)] * 4
    drawn = {rhythm.sample(before, np.random.default_rng(s)) for s in range(20)}
    assert drawn <= {F(1, 2), F(1)}
