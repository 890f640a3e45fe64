"""Four voices as symbols, with bars and phrases; as events and back again."""

from fractions import Fraction

import numpy as np
import pytest
from chorales import chorale

from config_bach import Encoding
from families.satb.encoding import (
    FIRST,
    HIGHEST,
    HOLD,
    LOWEST,
    NOTHING,
    POSITIONS,
    SILENCE,
    SYMBOLS,
    Chorale,
    chorale_of,
    cuts_of,
    event_of,
    events_of,
    fits,
    notes_of,
    pitch,
    pitches,
    plan_of,
    satb_vocabulary,
    sounding,
    symbol,
    symbols_of,
    symbols_of_notes,
    transposed,
)
from music.events import Event, Note, bar_starts, fermatas_of

QUARTER = Fraction(1)


def four(*notes: tuple[str, str, int]) -> list[list[Note]]:
    """Four voices a fourth apart that sing the same: (onset, duration, pitch of the soprano)."""
    return [
        [Note(Fraction(t), Fraction(d), p - 5 * v, 90, v) for t, d, p in notes] for v in range(4)
    ]


# ---- symbols


def test_held_notes_and_notes_struck_again_are_told_apart() -> None:
    symbols = symbols_of_notes(four(("0", "1", 60), ("1", "1", 60)), 8)
    assert (symbols[0] == symbols[4]).all()
    assert (symbols[[1, 2, 3, 5, 6, 7]] == HOLD).all()
    assert [n.onset for n in notes_of(symbols) if n.voice == 0] == [0, 1]


def test_rests_come_back_as_rests() -> None:
    symbols = symbols_of_notes(four(("1", "1", 60)), 12)
    assert (pitches(symbols)[:4] == -1).all()
    assert (pitches(symbols)[8:] == -1).all()
    assert symbols[:, 0].tolist() == [
        SILENCE,
        *[HOLD] * 3,
        symbol(60),
        *[HOLD] * 3,
        SILENCE,
        *[HOLD] * 3,
    ]
    assert [(float(n.onset), float(n.duration)) for n in notes_of(symbols)] == [(1, 1)] * 4


def test_a_silence_after_a_silence_is_held() -> None:
    apart = symbols_of_notes(four(("0", "1/4", 60), ("3/4", "1/4", 62)), 5)[:, 0]
    assert apart.tolist() == [symbol(60), SILENCE, HOLD, symbol(62), SILENCE]
    late = symbols_of_notes([[Note(Fraction(1, 4), Fraction(1, 4), 60, 90)], [], [], []], 3)
    assert late[:, 0].tolist() == [SILENCE, symbol(60), SILENCE]
    assert late[:, 1].tolist() == [SILENCE, HOLD, HOLD]


def test_notes_move_to_the_nearest_sixteenth_and_none_vanishes() -> None:
    voices = four(("0", "1/10", 60), ("23/20", "1", 62), ("9", "1", 64))
    assert symbols_of_notes(voices, 8)[:, 0].tolist() == [
        symbol(60), SILENCE, HOLD, HOLD, HOLD, symbol(62), HOLD, HOLD,
    ]  # fmt: skip


def test_every_pitch_has_its_symbol_and_no_other_has_one() -> None:
    assert [pitch(symbol(p)) for p in range(LOWEST, HIGHEST + 1)] == list(
        range(LOWEST, HIGHEST + 1)
    )
    assert (symbol(LOWEST), symbol(HIGHEST)) == (FIRST, SYMBOLS - 1)
    assert [pitch(s) for s in (NOTHING, HOLD, SILENCE)] == [-1, -1, -1]
    for outside in (LOWEST - 1, HIGHEST + 1):
        with pytest.raises(ValueError, match=rf"MIDI pitch {outside} is outside 28\.\.88"):
            symbol(outside)


def test_the_public_form_goes_in_and_out() -> None:
    steps = [[67, 60, 55, 48]] * 4 + [[67, 62, -1, 43]] * 3
    symbols = symbols_of(steps)
    assert pitches(symbols).tolist() == steps
    assert (symbols == HOLD).sum() == 3 * 4 + 1 + 2 * 4
    assert symbols[4].tolist() == [HOLD, symbol(62), SILENCE, symbol(43)]
    assert symbols_of([[LOWEST, HIGHEST, -1, 60]]).shape == (1, 4)


@pytest.mark.parametrize(
    "nonsense",
    [[[1, 2, 3]], [[60, 60, 60, HIGHEST + 1]], [[60, 60, 60, LOWEST - 1]], [60, 60, 60, 60],
     [[60, 60, 60, -2]], []],
)  # fmt: skip
def test_what_is_not_four_pitches_a_step_is_refused(nonsense: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="a step is four MIDI pitches of 28 to 88, or -1"):
        symbols_of(nonsense)


def test_what_sounds_is_what_was_struck_last() -> None:
    symbols = np.array([[HOLD, 10, SILENCE, 12], [HOLD, HOLD, HOLD, HOLD], [9, HOLD, 8, 7]])
    assert sounding(symbols.astype(np.int16)).tolist() == [
        [SILENCE, 10, SILENCE, 12], [SILENCE, 10, SILENCE, 12], [9, 10, 8, 7],
    ]  # fmt: skip
    assert sounding(symbols[:0].astype(np.int16)).shape == (0, 4)


def test_transposing_moves_the_notes_and_nothing_else() -> None:
    piece = chorale(0)
    moved = transposed(piece.symbols, 3)
    same = piece.symbols < FIRST
    assert (moved[same] == piece.symbols[same]).all()
    assert (moved[~same] == piece.symbols[~same] + 3).all()
    assert piece.transposed(3).fingerprint == piece.fingerprint != chorale(1).fingerprint


def test_nothing_is_transposed_beyond_the_symbols() -> None:
    symbols = symbols_of([[HIGHEST - 2, 60, -1, LOWEST + 1]])
    assert [k for k in range(-9, 9) if fits(symbols, k)] == [-1, 0, 1, 2]
    for k in (-2, 3):
        with pytest.raises(ValueError, match="leave the range of the symbols"):
            transposed(symbols, k)
    lowest = symbols_of([[HIGHEST, 60, -1, LOWEST]])
    assert [k for k in range(-9, 9) if fits(lowest, k)] == [0]
    with pytest.raises(ValueError, match="leave the range"):
        transposed(symbols_of([[60, 60, -1, LOWEST]]), -1)
    assert transposed(symbols, 2).max() == SYMBOLS - 1
    assert transposed(symbols, -1).min() == SILENCE


def test_the_fingerprint_is_of_what_sounds_and_not_of_how_often_it_is_struck() -> None:
    piece = chorale(0)
    struck = Chorale("x", sounding(piece.symbols), piece.plan)
    assert struck.fingerprint == piece.fingerprint
    silent = piece.symbols.copy()
    silent[:, 3] = SILENCE
    without_bass = Chorale("x", silent, piece.plan)
    assert without_bass.fingerprint != piece.fingerprint
    known = (piece.fingerprint, without_bass.fingerprint)  # as the tables of bundles have them
    assert known == ("1ca60250531c5d6b", "834b3cdc470729e3")


def test_a_part_strikes_what_was_held_at_its_beginning() -> None:
    piece = Chorale("x", symbols_of([[67, 60, 55, -1]] * 6), plan_of(6), 80.0, False)
    part = piece.part(2, 5, "some")
    assert (
        part.symbols.tolist() == [[symbol(67), symbol(60), symbol(55), SILENCE]] + [[HOLD] * 4] * 2
    )
    assert part.plan[:, 0].tolist() == [3, 4, 5]
    assert (part.name, part.bpm, part.tells_struck, len(part)) == ("some", 80.0, False, 3)
    assert len(piece.part(6, 6, "none")) == 0


def test_notes_are_in_order_with_their_voices() -> None:
    symbols = symbols_of([[67, 60, 55, 48], [69, 60, 55, 48], [69, 60, 55, -1]])
    assert notes_of(symbols) == [
        Note(Fraction(0), Fraction(1, 4), 67, 90, 0),
        Note(Fraction(0), Fraction(3, 4), 60, 90, 1),
        Note(Fraction(0), Fraction(3, 4), 55, 90, 2),
        Note(Fraction(0), Fraction(1, 2), 48, 90, 3),
        Note(Fraction(1, 4), Fraction(1, 2), 69, 90, 0),
    ]


def test_all_voices_choose_from_the_same_symbols() -> None:
    (field,) = satb_vocabulary(Encoding(transpose=6)).fields
    assert len(field.symbols) == SYMBOLS
    assert field.symbols[:4] == ("?", "hold", "silence", "E1")
    assert (field.symbols[symbol(60)], field.symbols[-1]) == ("C4", "E6")


# ---- the plan


def fractions(*times: float) -> list[Fraction]:
    return [Fraction(t) for t in times]


def test_without_bars_and_fermatas_only_a_place_in_four_quarters_is_counted() -> None:
    plan = plan_of(20)
    assert plan[:, 0].tolist() == [*range(1, 17), 1, 2, 3, 4]
    assert (plan[:, 1:] == 0).all()


def test_the_plan_knows_upbeats_bars_and_phrases() -> None:
    plan = plan_of(36, fractions(-3, 1, 5), [(Fraction(4), Fraction(5))])
    assert plan[:4, 0].tolist() == [13, 14, 15, 16]  # an upbeat is the end of a bar
    assert plan[4:20, 0].tolist() == list(range(1, 17))
    assert set(plan[:, 1]) == {4}
    assert (plan[16:20, 2] == 1).all()
    assert plan[:16, 2].tolist() == [5] * 4 + [4] * 4 + [3] * 4 + [2] * 4
    assert (plan[20:, 2] == 0).all()


def test_bars_may_differ_and_the_last_is_as_long_as_the_one_before() -> None:
    plan = plan_of(30, fractions(0, 3, 7))
    assert plan[:, 1].tolist() == [3] * 12 + [4] * 18
    assert plan[:, 0].tolist() == [*range(1, 13), *range(1, 17), 1, 2]
    assert set(plan_of(8, fractions(0))[:, 1]) == {4}  # nothing is known of another


def test_bars_and_fermatas_after_the_last_note_do_no_harm() -> None:
    plan = plan_of(10, fractions(0, 2, 4, 6, 8), [(Fraction(4), Fraction(5))])
    assert plan[:, 1].tolist() == [2] * 10
    assert plan[:, 2].tolist() == [5] * 4 + [4] * 4 + [3] * 2
    assert set(plan_of(8, fractions(0, 2))[:, 1]) == {2}


def test_bars_and_phrases_that_are_very_long_are_not_told_apart() -> None:
    plan = plan_of(60, fractions(0, 10), [(Fraction(30), Fraction(31))])
    assert plan[:40, 0].tolist() == [*range(1, POSITIONS - 1), *[POSITIONS - 1] * 10]
    assert set(plan[:40, 1]) == {8}
    assert plan_of(200, (), [(Fraction(40), Fraction(41))])[:, 2].max() == 19


def test_what_is_under_a_fermata_is_the_end_of_its_phrase() -> None:
    ends = [(Fraction(6), Fraction(8)), (Fraction(1), Fraction(2))]  # in any order
    phrase = plan_of(40, (), ends)[:, 2].tolist()
    assert phrase == [2] * 4 + [1] * 4 + [5] * 4 + [4] * 4 + [3] * 4 + [2] * 4 + [1] * 8 + [0] * 8
    begun = plan_of(8, (), [(Fraction(5, 4), Fraction(9))])[:, 2].tolist()
    assert begun == [3, 2, 2, 2, 2, 1, 1, 1]  # quarters count that are begun


# ---- events

METRES = {
    "nothing is known": ((), ()),
    "four quarters": ((0, 4, 8, 12), ((7, 8), (15, 16))),
    "an upbeat": ((-3, 1, 5, 9, 13), ((4, 5), (8, 9), (12, 13))),
    "three quarters": ((0, 3, 6, 9, 12, 15), ((5, 6), (11, 12))),
    "three quarters with an upbeat": ((-2.5, 0.5, 3.5, 6.5, 9.5, 12.5), ((6, 6.5), (9, 9.5))),
    "fermatas side by side": ((0, 4, 8, 12), ((2, 3), (3, 4), (6, 9))),
    "fermatas without bars": ((), ((3, 4),)),
    "bars without fermatas": ((0, 4, 8, 12), ()),
    "a metre that changes": ((0, 3, 7, 8, 14), ()),
    "bars of eight quarters": ((-1, 7, 15), ((6, 7),)),
    "a bar of a sixteenth": ((0, 0.25, 4, 8), ()),
    "bars of ten quarters": ((0, 10), ()),
}


def with_metre(name: str) -> Chorale:
    bars, ends = METRES[name]
    fermatas = [(Fraction(a), Fraction(b)) for a, b in ends]
    return Chorale(name, chorale(7).symbols[:64], plan_of(64, fractions(*bars), fermatas), 80.0)


@pytest.mark.parametrize("name", METRES)
def test_events_and_chorales_are_the_same_music_with_bars_and_phrases(name: str) -> None:
    piece = with_metre(name)
    back = chorale_of(events_of(piece), name)
    assert (back.symbols == piece.symbols).all()
    assert back.plan.tolist() == piece.plan.tolist()
    assert back.name == name


def test_events_of_a_chorale_carry_bars_and_fermatas() -> None:
    piece = with_metre("an upbeat")
    events = piece.events
    assert bar_starts(events) == [-3, 1, 5, 9, 13]
    assert [list(span) for span in fermatas_of(events)] == [[4, 5], [8, 9], [12, 13]]
    assert events[0].beat == 3
    assert sum(e.duration for e in events) == 16
    assert bar_starts(with_metre("nothing is known").events) == []


def test_no_event_goes_over_a_bar_line_or_the_edge_of_a_fermata() -> None:
    symbols = np.full((32, 4), HOLD, np.int16)
    symbols[0] = symbols_of([[67, 64, 60, 48]])[0]
    plan = plan_of(32, fractions(-1, 3), [(Fraction(5), Fraction(6))])
    events = events_of(Chorale("x", symbols, plan))
    assert [[e.beat, e.duration] for e in events] == [[1, 3], [0, 2], [2, 1], [3, 2]]
    assert [e.fermata for e in events] == [False, False, True, False]
    assert [e.struck for e in events] == [(True,) * 4, *[(False,) * 4] * 3]
    assert {e.voices for e in events} == {(67, 64, 60, 48)}


def test_an_event_is_made_of_what_the_voices_do_and_sound() -> None:
    sounds = [symbol(67), symbol(60), SILENCE, symbol(60)]
    event = event_of([symbol(67), HOLD, HOLD, symbol(60)], sounds, (5, 3, 1), 6)
    assert event == Event(
        (60, 67), Fraction(3, 2), 90, (67, 60, -1, 60), (True, False, False, True), QUARTER, True
    )
    unknown = event_of([HOLD] * 4, sounds, (5, 0, 2), 1)
    assert (unknown.beat, unknown.fermata, unknown.duration) == (None, False, Fraction(1, 4))
    late = event_of([HOLD] * 4, sounds, (POSITIONS - 1, 8, 0), 1)
    assert late.beat is None  # in so long a bar the place is not told


def test_cuts_are_where_something_begins() -> None:
    symbols = np.full((8, 4), HOLD, np.int16)
    symbols[0] = 10
    symbols[2, 3] = SILENCE
    plan = np.array([[15, 4, 2], [16, 4, 2], [1, 4, 2], [2, 4, 1], [3, 4, 1], [4, 4, 0],
                     [1, 0, 0], [1, 4, 0]], np.int16)  # fmt: skip
    assert np.flatnonzero(cuts_of(symbols, plan)).tolist() == [0, 2, 3, 5, 7]


def test_events_without_voices_are_spread_over_them() -> None:
    events = [Event((48, 60, 64, 72), QUARTER), Event((50, 70), QUARTER), Event((60,), QUARTER),
              Event((), QUARTER), Event((40, 50, 60, 70, 80), QUARTER)]  # fmt: skip
    heard = pitches(chorale_of(events).symbols)[::4].tolist()
    assert heard == [
        [72, 64, 60, 48],
        [70, -1, -1, 50],
        [-1, -1, -1, 60],
        [-1] * 4,
        [80, 70, 60, 50],
    ]


def test_events_are_held_only_where_they_say_so() -> None:
    voices = (67, 64, 60, 48)
    events = [Event((), QUARTER / 4, 90, voices, (True,) * 4),
              Event((), QUARTER / 4, 90, voices, (False, True, False, False)),
              Event((), QUARTER / 4, 90, (69, -1, 60, 48), (False,) * 4),
              Event((), QUARTER / 4, 90, (69, -1, 60, 48), (False,) * 4)]  # fmt: skip
    symbols = chorale_of(events).symbols.tolist()
    assert symbols[1] == [HOLD, symbol(64), HOLD, HOLD]
    assert symbols[2] == [symbol(69), SILENCE, HOLD, HOLD]  # a new pitch must be struck
    assert symbols[3] == [HOLD] * 4
