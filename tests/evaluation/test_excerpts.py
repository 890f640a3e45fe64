"""Excerpts for the listening test: cut alike, equally loud, of pieces that training never saw."""

from dataclasses import replace
from fractions import Fraction

import pytest
from conftest import ROOT

from config_bach import UserError
from evaluation.excerpts import LENGTH, excerpt, unseen
from families.registry import family_of
from music.events import Event, duration_of
from storage.bundle import Bundle, load

BEAT = Fraction(1)


def quarters(count: int, *ends: int) -> list[Event]:
    """So many quarters; phrases end with these."""
    return [Event((60,), BEAT, 50, fermata=i + 1 in ends, tempo=2.0) for i in range(count)]


@pytest.mark.parametrize(
    ("ends", "count", "length"),
    [
        ((8, 16, 24, 31, 40), 60, 31),  # the nearest phrase end
        ((15, 49), 60, 32),  # none that is near
        ((), 60, 32),
        ((), 20, 20),  # all there is
        ((16,), 60, 16),
        ((48,), 60, 48),
    ],
)
def test_it_ends_with_the_phrase_that_is_nearest_to_eight_bars(
    ends: tuple[int, ...], count: int, length: int
) -> None:
    found = excerpt(quarters(count, *ends))
    assert duration_of(found) == length
    assert {(e.velocity, e.tempo, e.pitches) for e in found} == {(90, 1.0, (60,))}


def test_a_note_over_the_end_is_cut() -> None:
    found = excerpt([Event((60,), LENGTH - 1), Event((62,), Fraction(4))])
    assert [e.duration for e in found] == [LENGTH - 1, 1]
    assert excerpt([]) == []


@pytest.fixture(scope="module")
def bach() -> Bundle:
    return load(ROOT / "models" / "bach5_nc_mo.zip", weights=False)


def test_only_pieces_that_training_never_saw(bach: Bundle) -> None:
    family = family_of(5)
    found = unseen(bach, family)
    names = {p["name"] for p in bach.metadata["corpus"]["pieces"] if p["side"] == "train"}
    assert len(found) > 50
    assert not names & {p.name for p in found}
    held_out = family.unpack(bach.held_out)
    leaky = replace(bach, music=family.pack(held_out[:3]))
    assert {p.name for p in held_out[:3]}.isdisjoint(p.name for p in unseen(leaky, family))


def test_a_model_without_such_pieces_is_refused(bach: Bundle) -> None:
    for none in (replace(bach, held_out=b""), bach.with_metadata(split="within")):
        with pytest.raises(UserError, match="no pieces that it has not learned from"):
            unseen(none, family_of(5))
