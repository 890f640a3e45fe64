"""What is given stays note for note, and what is composed knows what is to come."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from chorales import chorale
from predictors import Fixed

from config_bach import Composing, UserError
from families.base import LoadedModel
from families.satb.constraints import Constraints
from families.satb.encoding import HOLD, ORDER, SILENCE, SYMBOLS, Chorale, pitches, plan_of, symbol
from families.satb.inpainting import (
    LOOKAHEAD,
    PARTICLES,
    Aim,
    free_bars,
    free_voices,
    inpaint,
    unchanged,
    voices_named,
)
from families.satb.plan import ANY
from families.satb.style import style_in
from music.chords import chord_of
from music.keys import Key

SEEDED = Composing(seed=5)
EVEN = [0.0, *[1 / (SYMBOLS - 1)] * (SYMBOLS - 1)]


def fixed() -> Fixed:
    """Anything may come."""
    return Fixed(EVEN, EVEN, EVEN, EVEN, order=ORDER)


# ---- what is free


def test_all_is_free_but_the_voices_that_are_kept() -> None:
    free = free_voices(chorale(0), [0, 2])
    assert free.shape == (len(chorale(0)), 4)
    assert free.all(0).tolist() == [False, True, False, True]
    assert free.any(0).tolist() == [False, True, False, True]


def test_bars_are_counted_from_the_first_whole_one() -> None:
    piece = chorale(1)
    upbeat = replace(piece, plan=plan_of(96, [Fraction(-3 + 4 * i) for i in range(7)]))
    for bars, steps in {"1": (4, 20), "2-3": (20, 52), " 6-6 ": (84, 96), "0": (0, 4)}.items():
        free = free_bars(upbeat, bars, [])
        assert np.flatnonzero(free.all(1)).tolist() == list(range(*steps))
        assert not free[: steps[0]].any()
    assert np.flatnonzero(free_bars(piece, "3-4", [])[:, 0]).tolist() == list(range(32, 64))
    kept = free_bars(piece, "3-4", [0, 3])
    assert kept[40].tolist() == [False, True, True, False]


@pytest.mark.parametrize("nonsense", ["9", "4-3", "x", "0", "6-7", "1-", "-2", ""])
def test_bars_that_are_none_are_refused(nonsense: str) -> None:
    with pytest.raises(
        UserError, match=f"--regenerate '{nonsense}': the score has bars 1 to 6; wr"
    ):
        free_bars(chorale(1), nonsense, [])


def test_voices_are_called_by_name() -> None:
    assert voices_named("soprano, Bass") == [0, 3]
    assert voices_named("tenor,") == [2]
    for nonsense, wrong in (("soprano,cello", "cello"), (" , ", " , "), ("", "")):
        with pytest.raises(UserError, match=f"--keep '{wrong}' is no voice; take some of soprano"):
            voices_named(nonsense)


# ---- what is composed


@pytest.mark.parametrize("kept", [[0], [3], [0, 3], [1, 2], [0, 1, 2]])
def test_given_voices_stay_note_for_note(kept: list[int]) -> None:
    given = replace(chorale(31, bars=2), tells_struck=False)
    free = free_voices(given, kept)
    found = inpaint(fixed(), given, free, SEEDED)
    assert unchanged(given, found, free)
    assert (found.symbols[:, kept] == given.symbols[:, kept]).all()
    others = [v for v in range(4) if v not in kept]
    assert (found.symbols[:, others] != given.symbols[:, others]).any(0).all()
    assert (found.plan == given.plan).all()
    assert (found.name, found.bpm, found.tells_struck) == (given.name, given.bpm, False)
    assert (inpaint(fixed(), given, free, SEEDED).symbols == found.symbols).all()
    assert (inpaint(fixed(), given, free, Composing(seed=6)).symbols != found.symbols).any()


def test_bars_are_composed_anew_between_what_stands() -> None:
    given = chorale(32)
    free = free_bars(given, "3-4", [])
    found = inpaint(fixed(), given, free, SEEDED)
    changed = np.flatnonzero((found.symbols != given.symbols).any(1))
    assert changed.min() >= 32
    assert changed.max() < 64
    assert len(changed) > 20


def test_what_is_not_free_at_all_is_given_back() -> None:
    given = chorale(3)
    assert inpaint(fixed(), given, np.zeros((len(given), 4), bool), SEEDED) is given


def test_only_what_lies_before_and_soon_after_is_heard() -> None:
    """One piece up to the first free step, then many, until some steps after the last."""
    given = chorale(4, bars=12)
    predictor = fixed()
    inpaint(predictor, given, free_bars(given, "2", []), SEEDED)
    assert [len(rows) for rows in predictor.rows] == [1] * 16 + [PARTICLES] * (16 + LOOKAHEAD)
    told = np.stack([rows[0] for rows in predictor.rows])
    assert (told[:, -3:] == given.plan[: len(told)]).all()
    assert (told[1:17, :4] >= SILENCE).all()


def test_constraints_hold_for_what_is_composed_and_not_for_what_is_given() -> None:
    given = chorale(5)
    scale = frozenset({1, 3, 6, 8, 10})
    free = free_voices(given, [0])
    found = inpaint(fixed(), given, free, SEEDED, Constraints(scale))
    composed = pitches(found.symbols)[:, 1:]
    assert set((composed[composed >= 0] % 12).tolist()) <= scale
    assert (found.symbols[:, 0] == given.symbols[:, 0]).all()


class Foreseeing(Fixed):
    """The alto goes either way; only after one of them is the next soprano likely."""

    good, bad = symbol(64), symbol(66)

    def head(self, head: int, context: Any, rows: Any, chosen: Any) -> Any:
        p = super().head(head, context, rows, chosen)
        if head == 0:
            p[:] = np.where(rows[:, 1:2] == self.good, 0.9, 0.001)
        if head == 1:
            p[:] = 0
            p[:, [self.good, self.bad]] = 0.5
        return p


@pytest.mark.parametrize("particles", [1, PARTICLES])
def test_what_is_composed_fits_what_is_to_come(particles: int) -> None:
    given = chorale(6)
    free = free_voices(given, [0, 2, 3])
    predictor = Foreseeing(EVEN, EVEN, EVEN, EVEN, order=ORDER)
    found = inpaint(predictor, given, free, Composing(seed=1, top_p=1.0), particles=particles)
    alto = found.symbols[:-1, 1]
    share = float((alto == Foreseeing.good).mean())
    if particles == 1:
        assert 0.3 < share < 0.7  # by chance alone
    else:
        assert share > 0.95


def test_what_is_changed_is_noticed() -> None:
    given = chorale(7)
    free = free_voices(given, [0])
    other = given.symbols.copy()
    other[5, 1] = SILENCE
    assert unchanged(given, Chorale("x", other, given.plan), free)
    other[5, 0] = SILENCE
    assert not unchanged(given, Chorale("x", other, given.plan), free)


# ---- what it aims at

ENDS = [(Fraction(7), Fraction(8)), (Fraction(23), Fraction(24))]
PHRASED = plan_of(96, [Fraction(t) for t in range(0, 24, 4)], ENDS)


def test_the_network_is_told_the_plan_of_the_aim_and_the_piece_keeps_its_own() -> None:
    given = replace(chorale(5), plan=plan_of(96))
    predictor = fixed()
    found = inpaint(predictor, given, free_voices(given, [0]), SEEDED, aim=Aim(PHRASED))
    told = np.stack([rows[0, -3:] for rows in predictor.rows])
    assert (told == PHRASED).all()
    assert (found.plan == given.plan).all()


def test_the_aim_has_the_phrase_ends_of_its_plan_and_the_last_is_the_tonic() -> None:
    aim = Aim(PHRASED, Key(7, minor=True), style_in({}))
    assert sorted(aim.cadences) == [28, 31, 92, 95]
    inner, final = aim.cadences[28], aim.cadences[95]
    assert (inner.quality, inner.final) == (ANY, False)
    assert (final.root, final.quality, final.final) == (7, "minor", True)
    assert [aim.goal(step) is not None for step in (28, 91, 92, 95)] == [False, False, True, False]


def test_without_a_key_it_aims_at_nothing() -> None:
    aim = Aim(PHRASED)
    assert aim.sampling == {}
    assert aim.cadences == {}
    assert aim.goal(92) is None
    assert Aim(PHRASED, Key(0)).sampling == {}


def test_a_key_and_a_style_tell_how_to_sample() -> None:
    style = replace(style_in({}), onset=1.5, pitch=0.5)
    how = Aim(PHRASED, Key(3), style).sampling
    assert how["temperatures"] == (1.5, 0.5)
    assert (how["prior"] == style.prior(Key(3))).all()


def test_what_is_composed_ends_on_the_tonic_of_its_key() -> None:
    """A voice holds in nine of ten steps, else it can do anything."""
    given, slow = chorale(5), [0.0, 0.9, *[0.1 / (SYMBOLS - 2)] * (SYMBOLS - 2)]
    predictor = Fixed(slow, slow, slow, slow, order=ORDER)
    symbols = given.symbols.copy()
    symbols[-4:, 0] = symbol(67), HOLD, HOLD, HOLD
    given = replace(given, symbols=symbols)
    free = free_voices(given, [0])
    tonics = {True: 0, False: 0}
    for seed in range(8):
        for aimed in tonics:
            aim = Aim(PHRASED, Key(0) if aimed else None, style_in({}))
            found = inpaint(predictor, given, free, Composing(seed=seed), aim=aim)
            chord = chord_of(p for p in pitches(found.symbols)[-1].tolist() if p >= 0)
            tonics[aimed] += bool(chord and chord.root == 0)
    assert tonics[True] >= 5
    assert tonics[False] <= 2


@pytest.mark.slow
def test_a_real_network_harmonises_a_melody_and_leaves_it_as_it_is(satb_model: LoadedModel) -> None:
    given = chorale(33, bars=3)
    free = free_voices(given, [0])
    silent = given.symbols.copy()
    silent[free] = HOLD
    silent[0, 1:] = SILENCE
    melody = replace(given, symbols=silent)
    for seed in range(2):
        found = inpaint(satb_model.predictor, melody, free, Composing(seed=seed))
        assert (pitches(found.symbols) >= 0).any(0).all()
        assert unchanged(melody, found, free)
