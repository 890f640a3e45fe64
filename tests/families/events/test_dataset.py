"""Pieces become sequences, and windows keep to their piece."""

import numpy as np
import pytest

from config_bach import Encoding
from families.events.dataset import (
    cut_windows,
    masked,
    sequence,
    sequences,
    transposed_sequences,
    window_sides,
)
from families.events.encoding import EventEncoder, learn_vocabulary
from families.steps import StepSequence
from music.events import Piece
from storage.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def vocabulary(tunes: list[Piece]) -> Vocabulary:
    return learn_vocabulary(tunes, Encoding(), True)


def numbered(*lengths: int) -> list[StepSequence]:
    """Sequences in which every event of every piece has a number of its own."""
    made = []
    for i, n in enumerate(lengths, 1):
        row = np.arange(1000 * i, 1000 * i + n + 1, dtype=np.int32)[:, None]
        made.append(StepSequence(str(i), row[:-1], row[1:]))
    return made


def test_each_event_is_told_and_the_next_one_asked() -> None:
    ids = np.array([[1, 7], [2, 8], [3, 9]], np.int32)
    plain = sequence("x", ids, lookback=False)
    assert plain.rows.tolist() == [[1, 7], [2, 8]]
    assert plain.targets.tolist() == [[2, 8], [3, 9]]


def test_lookback_tells_what_followed_the_last_time() -> None:
    """1 2 3 1 2: at the second 1 it is told 2, with a match of one; at the second 2, 3 with two."""
    ids = np.array([[1, 5], [2, 6], [3, 7], [1, 8], [2, 9], [4, 4]], np.int32)
    made = sequence("x", ids, lookback=True)
    assert made.rows.tolist() == [
        [1, 5, 0, 0, 0],
        [2, 6, 0, 0, 0],
        [3, 7, 0, 0, 0],
        [1, 8, 2, 6, 1],
        [2, 9, 3, 7, 2],
    ]
    assert made.targets.tolist() == ids[1:].tolist()
    found = np.array([[0, 0], [0, 0], [0, 0], [2, 1], [2, 1], [0, 0]])
    assert sequence("x", ids, True, found).rows[3].tolist() == [1, 8, 3, 7, 1]


def test_every_event_but_the_first_is_asked_for_once(
    tunes: list[Piece], vocabulary: Vocabulary
) -> None:
    made = sequences(tunes, vocabulary, lookback=True)
    for found, piece in zip(made, tunes, strict=True):
        assert found.name == piece.name
        assert found.counted == len(found) == len(piece.events) - 1
        assert (found.targets[:-1] == found.rows[1:, :2]).all()


def test_a_single_event_is_no_sequence(tunes: list[Piece], vocabulary: Vocabulary) -> None:
    pieces = [tunes[0].part(0, n, str(n)) for n in (1, 2, 0, 3)]
    assert [s.name for s in sequences(pieces, vocabulary, True)] == ["2", "3"]
    assert [s.name for s in transposed_sequences(pieces, vocabulary, True)] == ["2", "3"]


def test_training_hears_every_key(tunes: list[Piece]) -> None:
    vocabulary = learn_vocabulary(tunes, Encoding(transpose=2), True)
    heard = transposed_sequences(tunes[:1], vocabulary, lookback=True)
    assert len(heard) == 5
    encoder = EventEncoder(vocabulary)
    for semitones, found in zip(range(-2, 3), heard, strict=True):
        wanted = sequence("", encoder.encode(tunes[0].transposed(semitones).events), True)
        assert (found.targets == wanted.targets).all()
        assert (found.rows == wanted.rows).all()


def test_what_lookback_says_is_the_same_in_training_and_in_listening(
    tunes: list[Piece], vocabulary: Vocabulary
) -> None:
    for lookback, columns in ((True, 5), (False, 2)):
        trained = transposed_sequences(tunes, vocabulary, lookback)[2].rows
        assert (trained == sequences(tunes, vocabulary, lookback)[2].rows).all()
        assert trained.shape[1] == columns


# the split by window


def test_windows_are_divided_70_20_10_after_the_first_ones() -> None:
    sides = window_sides([60, 5, 8, 50], 8, seed=1)
    assert [len(row) for row in sides] == [60, 5, 8, 50]
    assert all((row[:8] == -1).all() for row in sides)
    drawn = np.concatenate([row[8:] for row in sides])
    assert np.bincount(drawn).tolist() == [66, 19, 9]  # of 94
    ten = window_sides([18], 8, seed=3)[0][8:]
    assert np.bincount(ten).tolist() == [7, 2, 1]


def test_the_seed_decides_the_windows() -> None:
    a, b, c = (window_sides([100], 8, seed)[0].tolist() for seed in (1, 1, 2))
    assert a == b != c


def test_nothing_long_enough_gives_no_windows() -> None:
    assert [row.tolist() for row in window_sides([3, 0], 8, 1)] == [[-1] * 3, []]


def test_the_window_split_asks_each_event_on_one_side_only(
    tunes: list[Piece], vocabulary: Vocabulary
) -> None:
    whole = sequences(tunes, vocabulary, lookback=True)
    sides = window_sides([len(p.events) for p in tunes], 8, seed=1)
    asked = [masked(whole, sides, side) for side in range(3)]
    counts = [sum(x.counted for x in side) for side in asked]
    assert sum(counts) == sum(len(p.events) - 8 for p in tunes)
    assert counts[0] / sum(counts) == pytest.approx(0.7, abs=0.01)
    for piece, row, *each in zip(whole, sides, *asked, strict=True):
        assert (sum((x.targets[:, 0] >= 0).astype(int) for x in each) <= 1).all()
        for side, x in enumerate(each):
            counted = x.targets[:, 0] >= 0
            assert (counted == (row[1:] == side)).all()
            assert (x.targets[counted] == piece.targets[counted]).all()
            assert (x.targets[~counted] == -1).all()
            assert (x.rows == piece.rows).all()


# windows of training


def test_windows_never_cross_from_one_piece_into_the_next() -> None:
    whole = numbered(4, 39, 16, 7, 8)
    for seed in range(20):
        rows, targets = cut_windows(whole, 8, np.random.default_rng(seed))
        assert rows.shape[1:] == targets.shape[1:] == (8, 1)
        seen = []
        for x, y in zip(rows[..., 0], targets[..., 0], strict=True):
            counted = y >= 0
            length = int(counted.sum())
            assert length >= 1
            assert counted[:length].all()  # what is missing is missing at the end
            assert (x[length:] == 0).all()
            assert (np.diff(x[:length]) == 1).all()  # neighbours in one piece
            assert (y[:length] == x[:length] + 1).all()
            seen += x[:length].tolist()
        assert sorted(seen) == sorted(np.concatenate([s.rows[:, 0] for s in whole]).tolist())


def test_cuts_begin_anywhere_but_short_pieces_stay_whole() -> None:
    firsts = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows, _ = cut_windows(numbered(8), 8, rng)
        assert rows[..., 0].tolist() == [list(range(1000, 1008))]
        rows, targets = cut_windows(numbered(20), 8, rng)
        lengths = {int(x[0, 0]): int((y >= 0).sum()) for x, y in zip(rows, targets, strict=True)}
        firsts.add(lengths[1000])
        starts = sorted(lengths)
        assert all(lengths[start] == 8 for start in starts[1:-1])
    assert firsts == set(range(1, 9))


def test_windows_come_in_random_order() -> None:
    orders = {
        tuple(cut_windows(numbered(4, 5, 6), 8, np.random.default_rng(seed))[0][:, 0, 0].tolist())
        for seed in range(40)
    }
    assert len(orders) == 6
