"""What the network of percussion is told."""

import numpy as np
from grooves import groove

from families.drums.encoding import KINDS, UNHEARD
from families.drums.features import AGO, PAST, ROW, DrumFeatures, rows_of


def test_nothing_came_before_the_first_step() -> None:
    rows = rows_of(groove(5))
    assert (rows[0, :PAST] == UNHEARD).all()
    assert rows[0, PAST:].tolist() == [0, 0, 3, 0]
    assert rows.shape == (96, ROW)


def test_the_last_step_and_the_bars_before_are_told() -> None:
    piece = groove(5, bars=7)
    rows, symbols = rows_of(piece), piece.symbols
    for step in range(24, len(piece)):
        assert (rows[step, :KINDS] == symbols[step - 1]).all()
        for i, bars in enumerate(AGO, 1):
            told = rows[step, i * KINDS : (i + 1) * KINDS]
            then = step - 24 * bars
            assert (told == (symbols[then] if then >= 0 else UNHEARD)).all()


def test_the_place_in_bar_and_phrase_is_told() -> None:
    rows = rows_of(groove(1, bars=6, length=3))
    assert rows[:18, PAST].tolist() == [0, 1, 2, 3, 4, 5] * 3
    assert rows[:18, PAST + 1].tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert rows[:18, PAST + 2].tolist() == [2] * 6 + [1] * 6 + [0] * 6
    assert rows[::18, PAST + 3].tolist() == [0, 1, 2, 3, 0, 1]


def test_a_piece_that_begins_in_its_bar_has_its_places() -> None:
    whole = groove(5, bars=3)
    rows = rows_of(whole.part(6, 72, "part"))
    assert (
        rows[18:30, KINDS : 2 * KINDS] == np.r_[[[UNHEARD] * KINDS] * 6, whole.symbols[6:12]]
    ).all()


def test_a_copy_goes_on_by_itself() -> None:
    piece = groove(2)
    one = DrumFeatures()
    for symbols, place in zip(piece.symbols[:30].tolist(), piece.places[:30].tolist(), strict=True):
        one.place = tuple(place)
        one.feed(symbols)
    one.place = (1, 6, 24)
    two, before = one.copy(), one.row()
    two.feed([5] * KINDS)
    two.place = (1, 7, 24)
    assert one.row() == before
    assert two.row()[:KINDS] == [5] * KINDS
