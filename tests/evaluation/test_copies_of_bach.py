"""Passages copied from real chorales, and what a limit does."""

from fractions import Fraction
from itertools import islice

import pytest
from conftest import tune

from config_bach import Composing
from families.base import LoadedModel
from families.satb.encoding import FIRST, Chorale
from music.copies import CopyIndex, CopyTracker
from music.events import Event, Piece


def test_a_copied_passage_is_caught_with_its_place_in_any_key(bach: list[Chorale]) -> None:
    index = CopyIndex((p.name, p.events) for p in bach[1:])
    original = bach[5]
    piece = original.part(32, 96, "new").transposed(1)
    copy = index.longest(piece.events)
    struck = int((piece.symbols >= FIRST).sum())
    assert copy.piece == original.name
    assert copy.quarter == 8
    assert struck - 4 <= copy.notes <= struck
    assert str(copy) == f"{copy.notes} notes of {original.name} from quarter 9"
    assert index.longest(piece.events, but=original.name).notes < struck / 2
    assert index.longest(bach[0].events).notes < 40


def test_copies_are_found_where_voices_are_not_told_apart() -> None:
    pieces = [tune(50), Piece("other", tuple(Event((60 + i % 5,), Fraction(1)) for i in range(40)))]
    index = CopyIndex((p.name, p.events) for p in pieces)
    piece = [*tune(50).transposed(3).events[10:25], *[Event((40,), Fraction(3))] * 3]
    copy = index.longest(piece)
    assert copy.piece == "tune50"
    assert copy.notes == sum(len(e.pitches) for e in piece[:15])
    assert copy.begins == 0
    assert index.longest([Event((40,), Fraction(7))]).notes == 0


def test_following_tells_what_hearing_would(bach: list[Chorale]) -> None:
    index = CopyIndex([("x", tune(50).events)])
    tracker = CopyTracker(index)
    for event in tune(50).events[:20]:
        expected = tracker.would_be(event)
        assert tracker.feed(event) == expected


@pytest.mark.slow
def test_no_more_is_copied_than_is_allowed(event_model: LoadedModel) -> None:
    """A model that knows its tunes by heart is led away from them."""
    assert event_model.copy_index
    copied = {}
    for most in (10_000, 6):
        composer = event_model.family.stream(
            event_model, Composing(seed=1, temperature=0.3, max_copy=most)
        )
        events = [p.event for p in islice(composer, 120)]
        copied[most] = event_model.copy_index.longest(events).notes
    assert copied[10_000] > 12
    assert copied[6] <= 6
