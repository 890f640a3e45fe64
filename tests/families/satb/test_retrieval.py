"""Tunes that were heard before: found in any key, by how long they match, never in the piece itself."""

from collections.abc import Sequence

import numpy as np
import pytest

from families.satb.dataset import sequence_of
from families.satb.encoding import FIRST, HOLD, NOTHING, SILENCE, Chorale, plan_of, symbol
from families.satb.features import RETRIEVED, SatbFeatures, rows_of, rows_transposed
from families.satb.retrieval import (
    LENGTHS,
    NOTES,
    NOTHING_FOUND,
    Tune,
    TuneIndex,
    TuneTracker,
    moved,
)

Notes = Sequence[tuple[int, int]]
TUNE: Notes = [(p, 2) for p in (60, 62, 64, 65, 67, 69, 67, 65, 64, 65, 62, 64, 60, 59, 57, 55, 53)]


def melody(notes: Notes, name: str = "a", below: int = 7) -> Chorale:
    """MIDI pitches (0: silence) and their sixteenths in the soprano; the others sound as much lower."""
    steps = []
    for pitch, length in notes:
        voices = [symbol(pitch - below * v) if pitch else SILENCE for v in range(4)]
        steps += [voices, *[[HOLD] * 4] * (length - 1)]
    grid = np.array(steps, np.int16)
    return Chorale(name, grid, plan_of(len(grid)))


def retrieved(piece: Chorale, *known: Chorale) -> np.ndarray:
    return rows_of(piece, TuneIndex(known))[:, RETRIEVED]


def test_what_four_voices_did_after_the_same_tune_is_found_in_any_key() -> None:
    known, other = melody(TUNE), melody([(p + 5, n) for p, n in TUNE], "b", 3)
    rows = retrieved(other, known)
    assert rows[8].tolist() == NOTHING_FOUND  # the fifth note is not heard yet
    assert rows[9].tolist() == [HOLD] * 4 + [1]
    assert rows[10].tolist() == [symbol(74 - 7 * v) for v in range(4)] + [1]
    assert rows[:, 4].max() == len(NOTES) == LENGTHS - 1


@pytest.mark.parametrize(("length", "notes"), list(enumerate(NOTES, 1)))
def test_the_class_tells_how_many_notes_match_at_the_least(length: int, notes: int) -> None:
    known = melody([(50, 1), *TUNE])
    rows = retrieved(melody([(80, 3), (75, 1), *TUNE[:notes], (80, 2)], "b"), known)
    assert rows[4 + 2 * notes - 1, 4] == length
    assert rows[4 + 2 * notes - 2, 4] == length - 1  # before its last note is struck


@pytest.mark.parametrize("place", [2, 4])
def test_a_tune_in_another_rhythm_is_another_tune(place: int) -> None:
    """Only the first note of a match may have any length."""
    slower = [(p, 4 if i == place else n) for i, (p, n) in enumerate(TUNE[:7])]
    assert (retrieved(melody(slower, "b"), melody(TUNE))[: 2 * 7, 4] == 0).all() == (place == 2)
    first = [(p, 4 if i == 0 else n) for i, (p, n) in enumerate(TUNE[:6])]
    assert retrieved(melody(first, "b"), melody(TUNE))[11, 4] == 1


def test_a_longer_note_than_the_one_known_is_not_found() -> None:
    rows = retrieved(melody([*TUNE[:5], (TUNE[5][0], 4)], "b"), melody(TUNE[:7]))
    assert rows[11, 4] == 2
    assert rows[12, 0] == symbol(67)  # where the sixth note ended there
    assert rows[13].tolist() == NOTHING_FOUND


def test_the_longest_match_counts_and_of_several_the_way_that_most_go() -> None:
    ways = [melody([*TUNE[:5], (p, 2)], n) for p, n in ((71, "x"), (69, "y"), (69, "z"))]
    assert retrieved(melody(TUNE[:6], "b", 3), *ways)[10, 0] == symbol(69)
    longer = melody([(55, 2), *TUNE[:5], (71, 2)], "w")
    tune = melody([(55, 2), *TUNE[:6]], "b", 3)
    assert retrieved(tune, *ways, longer)[12].tolist()[::4] == [symbol(71), 2]


def test_a_piece_is_not_found_in_itself_in_whatever_key() -> None:
    piece = melody(TUNE)
    index = TuneIndex([piece, melody([(p + 2, n) for p, n in TUNE], "the same")])
    assert not rows_of(piece, index)[:, RETRIEVED].any()
    assert rows_of(melody(TUNE, "b", 3), index)[:, RETRIEVED].any()


def test_silence_ends_a_tune() -> None:
    broken = [*TUNE[:3], (0, 2), *TUNE[3:8]]
    rows = retrieved(melody(broken, "b"), melody(broken))
    assert not rows.any()  # the same music
    rows = retrieved(melody(broken, "b", 3), melody(broken))
    assert rows[:17, 4].max() == 0
    assert rows[17, 4] == 1  # five notes after the rest


def test_voices_that_leave_the_symbols_are_not_told() -> None:
    assert moved(FIRST + 1, -1) == FIRST
    assert moved(FIRST, -1) == NOTHING
    assert moved(symbol(88), 1) == NOTHING
    assert [moved(s, 5) for s in (NOTHING, HOLD, SILENCE)] == [NOTHING, HOLD, SILENCE]
    rows = rows_of(melody(TUNE, "b", 3), TuneIndex([melody(TUNE)]))
    up = rows_transposed(rows, 25)[:, RETRIEVED]
    assert up[10].tolist()[:4] == [NOTHING] + [symbol(69 - 7 * v + 25) for v in (1, 2, 3)]
    assert (up[:, 4] == rows[:, RETRIEVED][:, 4]).all()
    down = rows_transposed(rows, -21)[:, RETRIEVED]
    assert down[10].tolist()[:4] == [symbol(69 - 7 * v - 21) for v in (0, 1, 2)] + [NOTHING]


def test_a_copy_of_the_features_goes_on_by_itself() -> None:
    index = TuneIndex([melody(TUNE)])
    steps = melody(TUNE, "b", 3).symbols.tolist()
    one = SatbFeatures(tracker=TuneTracker(index))
    for step in steps[:9]:
        one.feed(step)
    two = one.copy()
    one.feed([symbol(40)] * 4)
    two.feed(steps[9])
    assert one.row()[RETRIEVED] == NOTHING_FOUND
    assert two.row()[RETRIEVED] == rows_of(melody(TUNE, "b", 3), index)[10, RETRIEVED].tolist()


def test_an_endless_tune_stays_bounded() -> None:
    tune = Tune()
    for step in range(1000):
        tune.feed(FIRST + step % 5)
    assert len(tune._notes) == NOTES[-1]
    assert len(list(tune.shapes())) == len(NOTES)


def test_an_index_of_nothing_finds_nothing() -> None:
    assert not retrieved(melody(TUNE)).any()


def test_a_sequence_has_what_was_retrieved() -> None:
    piece, index = melody(TUNE, "b", 3), TuneIndex([melody(TUNE)])
    assert (sequence_of(piece, index).rows == rows_of(piece, index)).all()
    assert not sequence_of(piece).rows[:, RETRIEVED].any()
