"""Real music out of order: the same notes, and not the same music."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from chorales import chorale

from evaluation.shuffled import shuffled_bars, shuffled_pitches
from families.satb.encoding import Chorale, chorale_of, notes_of, plan_of
from music.events import Event, duration_of, notes_from_events

BARS = [Fraction(t) for t in range(-1, 24, 4)]
PIECE = replace(chorale(3), plan=plan_of(96, BARS))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_bars_stay_whole_and_come_in_another_order() -> None:
    found = shuffled_bars(PIECE.events, rng())
    assert Counter(found) == Counter(PIECE.events)
    assert found != PIECE.events
    assert duration_of(found) == duration_of(PIECE.events)
    begins = [0, *(i for i, e in enumerate(PIECE.events) if i and e.beat == 0), len(PIECE.events)]
    bars = [PIECE.events[a:b] for a, b in pairwise(begins)]
    assert found == [event for i in rng().permutation(len(bars)) for event in bars[i]]


def test_a_piece_of_one_bar_stays_as_it_is() -> None:
    piece = Chorale("x", PIECE.symbols[:16], plan_of(16, [Fraction(0)]))
    assert shuffled_bars(piece.events, rng()) == piece.events


def test_each_voice_keeps_its_notes_and_its_rhythm_in_another_order() -> None:
    found = shuffled_pitches(PIECE.events, rng())
    before, after = notes_from_events(PIECE.events), notes_from_events(found)
    for voice in range(4):
        was = [n for n in before if n.voice == voice]
        now = [n for n in after if n.voice == voice]
        assert [(n.onset, n.duration) for n in now] == [(n.onset, n.duration) for n in was]
        assert sorted(n.pitch for n in now) == sorted(n.pitch for n in was)
        assert [n.pitch for n in now] != [n.pitch for n in was]
    assert all(e.pitches == tuple(sorted(set(e.voices))) for e in found)


def test_a_note_that_is_held_on_stays_one_note() -> None:
    held = Event((60,), Fraction(1), 90, (-1, 60, -1, -1), (False, True, False, False))
    on = replace(held, struck=(False,) * 4)
    rest = Event((), Fraction(1), 90, (-1,) * 4, (False,) * 4)
    again = replace(held, pitches=(64,), voices=(-1, 64, -1, -1))
    for seed in range(8):
        found = shuffled_pitches([held, on, rest, again], np.random.default_rng(seed))
        assert found[0].voices == found[1].voices
        assert found[2] == rest
        assert {found[0].voices[1], found[3].voices[1]} == {60, 64}


def test_notes_of_four_voices_can_be_read_again() -> None:
    found = chorale_of(shuffled_pitches(PIECE.events, rng()))
    assert len(notes_of(found.symbols)) == len(notes_of(PIECE.symbols))


@pytest.mark.parametrize("shuffle", [shuffled_bars, shuffled_pitches])
def test_equal_seeds_shuffle_alike(shuffle: object) -> None:
    assert callable(shuffle)
    assert shuffle(PIECE.events, rng()) == shuffle(PIECE.events, rng())
    assert shuffle(PIECE.events, rng()) != shuffle(PIECE.events, np.random.default_rng(1))
