"""Percussion on the grid: sixteenths and triplets, every General MIDI note, events and back."""

from fractions import Fraction

import numpy as np
import pytest
from grooves import groove
from hypothesis import given
from hypothesis import strategies as st

from config_bach import Encoding
from families.drums.encoding import (
    FIRST,
    KINDS,
    LONGEST_BAR,
    SILENT,
    SYMBOLS,
    VELOCITIES,
    drum_vocabulary,
    gridded,
    nearest_slot,
    onset,
    piece_of,
    places_of,
    slots_of,
    symbol,
)
from families.drums.kit import KIND_OF, KIT, NAMES
from music.events import bars_of, from_json, to_json
from music.sounds import DRUMS

BAR = [(Fraction(0), Fraction(4))]


def test_every_general_midi_percussion_note_has_a_kind() -> None:
    assert set(range(35, 82)) <= set(KIND_OF)
    assert len(KIT) == len(set(NAMES)) >= 9
    assert [KIND_OF[kind.note] for kind in KIT] == list(range(len(KIT)))
    assert len(KIND_OF) == sum(1 + len(kind.others) for kind in KIT)  # none in two kinds


@pytest.mark.parametrize("parts", [1, 2, 3, 4])
def test_sixteenths_and_triplets_are_exact(parts: int) -> None:
    for i in range(4 * parts):
        assert onset(nearest_slot(Fraction(i, parts))) == Fraction(i, parts)


@pytest.mark.parametrize(
    ("time", "slot"), [("1/20", 0), ("7/24", 1), ("3/10", 2), ("19/20", 6), ("11/12", 6)]
)
def test_other_times_go_to_the_nearest_place(time: str, slot: int) -> None:
    assert nearest_slot(Fraction(time)) == slot


@pytest.mark.parametrize("length", ["4", "3", "7/2", "5/4", "7/4", "12"])
def test_a_bar_is_as_long_as_its_slots(length: str) -> None:
    assert onset(slots_of(Fraction(length))) == Fraction(length)


@pytest.mark.parametrize("length", ["0", "-1", "1/8", "13", "49/4"])
def test_other_bars_are_refused(length: str) -> None:
    with pytest.raises(ValueError, match="a bar of"):
        slots_of(Fraction(length))


def test_loudness_is_kept_in_steps() -> None:
    assert [symbol(v) for v in VELOCITIES] == list(range(FIRST, SYMBOLS))
    assert (symbol(1), symbol(127), symbol(77), symbol(80)) == (2, 5, 3, 4)


def test_the_vocabulary_has_a_field_for_each_kind() -> None:
    fields = drum_vocabulary(Encoding()).fields
    assert [f.name for f in fields] == list(NAMES)
    assert {f.symbols for f in fields} == {("?", "-", "36", "64", "92", "120")}
    assert all(f.unknown_nats == 0 for f in fields)


def test_of_two_strokes_of_a_kind_on_a_step_the_louder_remains() -> None:
    hits = [(Fraction(1), 40, 60), (Fraction(1), 38, 120), (Fraction(101, 100), 38, 40)]
    piece = gridded("x", hits, BAR, None)
    assert piece.hits == 1
    assert piece.symbols[6, KIND_OF[38]] == symbol(120)


def test_a_stroke_just_before_a_bar_belongs_to_it() -> None:
    bars = [*BAR, (Fraction(4), Fraction(4))]
    piece = gridded("x", [(Fraction(399, 100), 36, 90)], bars, None)
    assert piece.symbols[24, 0] >= FIRST
    alone = gridded("x", [(Fraction(399, 100), 36, 90)], BAR, None)
    assert alone.symbols[23, 0] >= FIRST  # there is no other bar


def test_what_is_no_percussion_is_refused() -> None:
    with pytest.raises(ValueError, match="note 20"):
        gridded("x", [(Fraction(0), 20, 90)], BAR, None)


def test_events_begin_with_strokes_and_bars() -> None:
    hits = [(Fraction(1), 36, 92), (Fraction(4, 3), 42, 64), (Fraction(8), 49, 120)]
    bars = [(Fraction(4 * i), Fraction(4)) for i in range(4)]
    events = gridded("x", hits, bars, None).events
    assert [(e.beat, e.duration) for e in events] == [
        (0, 1), (1, Fraction(1, 3)), (Fraction(4, 3), Fraction(8, 3)), (0, 4), (0, 4), (0, 4),
    ]  # fmt: skip
    sounds = [[(s.program, s.pitch, s.velocity) for s in e.sounds] for e in events]
    assert sounds == [
        [], [(DRUMS, 36, 92)], [(DRUMS, 42, 64)], [], [(DRUMS, 49, 120)], [],
    ]  # fmt: skip
    assert [bar.length for bar in bars_of(events)] == [4] * 4


strokes = st.tuples(
    st.integers(0, 71).map(lambda i: (i // 24) * 4 + onset(i % 24)),
    st.sampled_from([kind.note for kind in KIT]),
    st.sampled_from(VELOCITIES),
)


@given(st.lists(strokes, min_size=1, unique_by=lambda hit: hit[:2]))
def test_nothing_is_lost_between_steps_and_events(hits: list[tuple[Fraction, int, int]]) -> None:
    bars = [(Fraction(4 * i), Fraction(4)) for i in range(3)]
    piece = gridded("x", hits, bars, 90.0)
    assert piece.hits == len(hits)
    again = piece_of(from_json(to_json(piece.events)), "x")
    assert np.array_equal(again.symbols, piece.symbols)
    assert np.array_equal(again.places, piece.places)
    time, heard = Fraction(0), []
    for event in piece.events:
        heard += [(time, s.pitch, s.velocity) for s in event.sounds]
        time += event.duration
    assert sorted(heard) == sorted(hits)


@pytest.mark.parametrize("length", [3, 4])
def test_a_single_bar_of_events_is_a_piece(length: int) -> None:
    piece = groove(1, bars=1, length=length)
    again = piece_of(piece.events, "x")
    assert np.array_equal(again.symbols, piece.symbols)
    assert np.array_equal(again.places, piece.places)


def test_copies_are_known_however_loud() -> None:
    piece = groove(3)
    softer = type(piece)("y", np.where(piece.symbols >= FIRST, FIRST, SILENT), piece.places, 60.0)
    assert softer.fingerprint == piece.fingerprint
    assert groove(4).fingerprint != piece.fingerprint
    assert groove(3, bars=5).fingerprint != piece.fingerprint


def test_a_part_begins_in_its_bar() -> None:
    part = groove(1, bars=3).part(30, 60, "part")
    assert part.places[0].tolist() == [0, 6, 24]
    assert part.places[-1].tolist() == [1, 11, 24]
    assert part.events[0].beat == 1
    assert len(part) == 30


def test_places_are_those_of_whole_bars() -> None:
    assert places_of([3, 2]).tolist() == [[0, 0, 3], [0, 1, 3], [0, 2, 3], [1, 0, 2], [1, 1, 2]]
    assert len(places_of([LONGEST_BAR])) == LONGEST_BAR
    assert len(KIT) == KINDS
