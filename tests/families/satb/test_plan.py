"""What is known of a chorale before its notes: key, cadences, form."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from families.satb.encoding import plan_of
from families.satb.plan import ANY, Plan, phrase_ends, plan_of_piece, planned
from families.satb.style import Style, style_in
from families.satb.templates import Template
from music.keys import KEYS, Key

STYLE = style_in({})
C, G_MINOR = Key(0), Key(7, minor=True)


def grid(steps: int, *fermatas: tuple[float, float]) -> Any:
    """A plan of bars in 4/4 with fermatas (quarter lengths)."""
    bars = [Fraction(t) for t in range(0, steps // 4, 4)]
    return plan_of(steps, bars, [(Fraction(a), Fraction(b)) for a, b in fermatas])


FOUR = grid(128, (7, 8), (15, 16), (23, 24), (31, 32))


def known(*rows: tuple[tuple[int, str], ...], **changes: Any) -> Style:
    """A style with these cadences in major."""
    return replace(STYLE, cadences={False: rows, True: STYLE.cadences[True]}, **changes)


def plan(style: Style = STYLE, key: Key = C, rows: Any = FOUR, seed: int = 0) -> Plan:
    return planned(Template("x", rows), style, key, np.random.default_rng(seed))


# ---- phrases


def test_phrases_end_under_fermatas() -> None:
    assert phrase_ends(FOUR) == [(28, 31), (60, 63), (92, 95), (124, 127)]


def test_the_end_of_a_piece_is_the_end_of_a_phrase() -> None:
    assert phrase_ends(grid(64, (3, 4))) == [(12, 15), (60, 63)]
    assert phrase_ends(grid(64)) == [(60, 63)]
    assert phrase_ends(grid(3)) == [(0, 2)]


def test_a_fermata_that_ends_just_before_the_end_is_the_last_one() -> None:
    assert phrase_ends(grid(64, (14, 15.25))) == [(56, 60)]
    assert phrase_ends(grid(64, (14, 15))) == [(56, 59), (60, 63)]


# ---- cadences


def test_cadences_are_those_of_a_piece_with_as_many_phrases_in_the_key() -> None:
    row = ((0, "major"), (7, "major"), (9, "minor"), (0, "major"))
    other = ((5, "major"), (0, "major"))
    for key, roots in ((C, [0, 7, 9, 0]), (Key(10), [10, 5, 7, 10])):
        found = plan(known(row, other), key).cadences
        assert [c.root for c in found] == roots
        assert [c.quality for c in found] == ["major", "major", "minor", "major"]
    assert [(c.first, c.last) for c in found] == phrase_ends(FOUR)
    assert [c.final for c in found] == [False, False, False, True]


def test_a_piece_with_nearly_as_many_phrases_is_repeated_within() -> None:
    row = ((0, "major"), (7, "major"), (0, "major"))
    assert [c.root for c in plan(known(row)).cadences] == [0, 7, 0, 0]
    assert [c.root for c in plan(known(((0, "major"),))).cadences] == [0] * 4


@pytest.mark.parametrize("last", [(7, "major"), (0, ANY)])
def test_a_piece_ends_on_its_tonic_whatever_the_corpus_does(last: tuple[int, str]) -> None:
    final = plan(known(((7, "major"), (0, ANY), (2, "minor"), last))).cadences[-1]
    assert (final.root, final.quality) == (0, "major")
    style = replace(STYLE, cadences={False: [], True: [((5, "minor"), last)]})
    final = plan(style, G_MINOR).cadences[-1]
    assert (final.root, final.quality) == (7, "minor")


def test_a_minor_key_ends_in_major_where_the_corpus_does() -> None:
    style = replace(STYLE, cadences={False: [], True: [((5, "minor"), (0, "major"))]})
    assert plan(style, G_MINOR).cadences[-1].quality == "major"


def test_a_phrase_end_that_was_no_triad_may_be_any() -> None:
    found = plan(known(((0, ANY), (7, "major"), (0, ANY), (0, "major")))).cadences
    assert [c.quality for c in found] == [ANY, "major", ANY, "major"]


# ---- form


def test_the_opening_comes_back_as_often_as_in_the_corpus() -> None:
    plans = [plan(replace(STYLE, returns=0.25, whole=0.8), seed=i) for i in range(800)]
    lengths = Counter(p.again for p in plans)
    assert set(lengths) == {0, 64}
    assert lengths[64] / 800 == pytest.approx(0.25, abs=0.05)
    assert sum(p.whole for p in plans) / 800 == pytest.approx(0.8, abs=0.05)


def test_an_opening_only_comes_back_where_the_phrases_do() -> None:
    style = replace(STYLE, returns=1.0)
    assert plan(style).again == 64
    assert plan(style, rows=grid(128, (7, 8), (15, 16), (31, 32))).again == 0
    assert plan(style, rows=grid(96, (7, 8), (15, 16), (23, 24))).again == 0
    assert plan(replace(STYLE, returns=0.0)).again == 0


def test_a_step_of_the_repeat_knows_the_one_it_repeats() -> None:
    found = Plan("x", FOUR, C, (), again=64)
    assert [found.returning(step) for step in (0, 63, 64, 127)] == [None, None, 0, 63]
    assert Plan("x", FOUR, C, (), again=32).returning(64) is None
    assert Plan("x", FOUR, C, ()).returning(0) is None
    assert len(found) == 128


# ---- from a seed

METADATA = {"templates": [{"name": str(i), "plan": FOUR.T.tolist()} for i in range(9)]}


def test_a_seed_gives_a_plan_and_another_one_another() -> None:
    plans = [plan_of_piece(METADATA, STYLE, seed) for seed in range(40)]
    again = plan_of_piece(METADATA, STYLE, 7)
    assert (again.name, again.key, again.cadences) == (
        plans[7].name,
        plans[7].key,
        plans[7].cadences,
    )
    assert len({p.key for p in plans}) > 5
    assert len({p.name for p in plans}) > 5


def test_keys_come_as_often_as_in_the_corpus() -> None:
    style = replace(STYLE, keys={C: 3, G_MINOR: 1})
    found = Counter(plan_of_piece(METADATA, style, seed).key for seed in range(400))
    assert set(found) == {C, G_MINOR}
    assert found[C] / 400 == pytest.approx(0.75, abs=0.07)


@pytest.mark.parametrize("key", KEYS[::5], ids=str)
def test_the_key_of_the_user_is_taken(key: Key) -> None:
    found = plan_of_piece(METADATA, STYLE, 3, key)
    assert found.key == key
    assert found.cadences[-1].root == key.tonic
    assert found.name == plan_of_piece(METADATA, STYLE, 3).name


def test_a_scale_gives_a_key_that_has_its_notes() -> None:
    keys = {plan_of_piece(METADATA, STYLE, seed, scale="Eb major").key for seed in range(30)}
    assert keys == {Key(3)}
