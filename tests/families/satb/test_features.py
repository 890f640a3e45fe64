"""What the network is told before every step: the past and the plan, never what is to come."""

import numpy as np
import pytest
from chorales import chorale

from families.satb.encoding import FIRST, HOLD, LOWEST, SILENCE, plan_of, symbol, symbols_of
from families.satb.features import (
    COLUMNS,
    FEATURES,
    KEY,
    LONGEST_HELD,
    SatbFeatures,
    rows_of,
    rows_transposed,
)
from music.lookback import SPAN

CHORD = [symbol(p) for p in (72, 67, 64, 48)]


def fed(*steps: list[int]) -> SatbFeatures:
    features = SatbFeatures()
    for step in steps:
        features.feed(step)
    return features


def told(features: SatbFeatures) -> dict[str, list[int]]:
    """The row by the names of its columns."""
    row, found, first = features.row(), {}, 0
    for name, count in COLUMNS.items():
        found[name] = row[first : first + count]
        first += count
    return found


def test_nothing_is_known_before_the_first_step() -> None:
    assert SatbFeatures().row() == [0] * FEATURES


def test_what_sounds_and_since_when_is_told() -> None:
    silent = [CHORD[0], SILENCE, HOLD, HOLD]
    row = told(fed(CHORD, [HOLD] * 4, silent))
    assert row["sounding"] == [CHORD[0], SILENCE, CHORD[2], CHORD[3]]
    assert row["held"] == [1, 1, 3, 3]
    assert told(fed([HOLD] * 4))["sounding"] == [SILENCE] * 4
    long = told(fed(CHORD, *[[HOLD] * 4] * 40))
    assert long["held"] == [LONGEST_HELD - 1] * 4


def test_what_followed_last_time_is_remembered() -> None:
    piece = chorale(3)
    features = fed(*piece.symbols.tolist(), *piece.symbols[:8].tolist())
    row = told(features)
    assert row["lookback"] == piece.symbols[8].tolist()
    assert row["lookback_length"] == [4]  # eight steps


def test_the_same_sounds_are_the_same_passage_whether_struck_or_held() -> None:
    struck = fed(CHORD, [HOLD] * 4, [FIRST] * 4, CHORD, CHORD)
    assert told(struck)["lookback"] == [FIRST] * 4
    assert told(struck)["lookback_length"] == [2]


def test_a_row_tells_nothing_of_its_own_step_or_later_ones() -> None:
    piece = chorale(4)
    changed = piece.symbols.copy()
    changed[20:] = FIRST + 30
    rows = rows_of(piece), rows_of(type(piece)("x", changed, piece.plan))
    assert (rows[0][:21] == rows[1][:21]).all()
    assert (rows[0][21] != rows[1][21]).any()
    assert rows[0].shape == (len(piece), FEATURES + 3) == (len(piece), sum(COLUMNS.values()))
    assert (rows[0][:, FEATURES:] == plan_of(len(piece))).all()


@pytest.mark.parametrize("semitones", range(-6, 6))
def test_features_are_the_same_in_every_key(semitones: int) -> None:
    piece = chorale(2)
    moved = rows_transposed(rows_of(piece), semitones)
    assert np.array_equal(moved, rows_of(piece.transposed(semitones)))
    batch = np.stack([rows_of(piece)] * 2)
    assert np.array_equal(rows_transposed(batch, semitones)[1], moved)


def test_the_lowest_note_is_transposed_too() -> None:
    low = type(chorale(0))("low", symbols_of([[70, 60, 50, LOWEST]] * 40), plan_of(40))
    assert np.array_equal(rows_transposed(rows_of(low), 3), rows_of(low.transposed(3)))


def test_only_pitches_are_transposed() -> None:
    piece = chorale(2)
    rows = rows_of(piece)
    rows[:, [0, 8]] = SILENCE
    moved = rows_transposed(rows, 2)
    assert (moved[:, [0, 8]] == SILENCE).all()
    others = [*range(4, 8), 12, *range(FEATURES, FEATURES + 3)]
    assert (moved[:, others] == rows[:, others]).all()
    assert (moved[:, KEY] == np.roll(rows[:, KEY], 2, 1)).all()


def test_a_copy_goes_on_by_itself() -> None:
    piece = chorale(1).symbols.tolist()
    one = fed(*piece[:20])
    two = one.copy()
    one.feed([FIRST] * 4)
    for step in piece[20:24]:
        two.feed(step)
    assert two.row() == fed(*piece[:24]).row()
    assert one.row() == fed(*piece[:20], [FIRST] * 4).row()


def test_an_endless_stream_stays_bounded_and_still_finds_what_followed() -> None:
    features = SatbFeatures()
    span = SPAN
    for step in range(2 * span + 2300):
        features.feed([FIRST + step % 7] * 4)
        if step > 20:
            expected = [FIRST + (step + 1) % 7] * 4
            assert features._found == expected
    assert len(features._steps) <= 2 * span
