"""Templates and the pieces of a bundle keep their plans; older files are still read."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from chorales import chorale

from families.satb.encoding import Chorale, plan_of
from families.satb.templates import TEMPLATES, packed, template_of, templates_of, unpacked
from music.events import to_json


def with_plan(number: int, bars: int = 6) -> Chorale:
    piece = chorale(number, bars)
    starts = [Fraction(-2 + 3 * i) for i in range(2 * bars)]
    ends = [(Fraction(6), Fraction(7)), (Fraction(9), Fraction(19, 2))]
    return replace(piece, plan=plan_of(len(piece), starts, ends), bpm=None)


def assert_same(one: Chorale, other: Chorale) -> None:
    assert (one.name, one.tells_struck) == (other.name, other.tells_struck)
    assert one.symbols.dtype == other.symbols.dtype == one.plan.dtype == other.plan.dtype
    assert (one.symbols == other.symbols).all()
    assert (one.plan == other.plan).all()


@pytest.mark.parametrize("tells_struck", [True, False])
def test_chorales_come_back_with_their_plans(tells_struck: bool) -> None:
    pieces = [replace(with_plan(i), tells_struck=tells_struck) for i in range(3)]
    for one, other in zip(unpacked(packed(pieces)), pieces, strict=True):
        assert_same(one, other)


def test_no_pieces_come_back_as_none() -> None:
    assert unpacked(packed([])) == unpacked(b"") == []


def test_the_events_of_older_bundles_are_read() -> None:
    piece = chorale(2)
    rows = [row[:5] for row in to_json(piece.events)]  # neither bars nor phrases
    (found,) = unpacked(json.dumps([["old", rows]]).encode())
    assert_same(found, replace(piece, name="old"))


def test_events_that_know_their_metre_come_back_with_it() -> None:
    piece = with_plan(3)
    (found,) = unpacked(json.dumps([["x", to_json(piece.events)]]).encode())
    assert_same(found, replace(piece, name="x"))


def test_a_template_is_the_plan_of_a_held_out_chorale() -> None:
    pieces = [with_plan(i) for i in range(3)]
    known = json.loads(json.dumps({"templates": templates_of(pieces)}))
    names = {template_of(known, seed).name for seed in range(40)}
    assert names == {p.name for p in pieces}
    found = template_of(known, 7)
    assert found.plan.dtype == np.int16
    assert (found.plan == next(p for p in pieces if p.name == found.name).plan).all()
    assert template_of(known, 7).name == found.name


def test_templates_are_of_ordinary_length_and_not_too_many() -> None:
    long = chorale(0, 41)
    pieces = [long.part(0, n, f"chorale {i}") for i, n in enumerate((95, 96, 640, 641))]
    assert [t["name"] for t in templates_of(pieces)] == ["chorale 1", "chorale 2"]
    assert [t["name"] for t in templates_of(pieces[:1])] == ["chorale 0"]
    assert len(templates_of([chorale(1)] * (TEMPLATES + 5))) == TEMPLATES == 48
