"""Lookback finds the longest earlier match, and goes on finding it in an endless stream."""

import numpy as np

from lookback import MEMORY, Lookback, looked_back, places


def answers(row: str) -> list[str]:
    """What a Lookback says after each letter."""
    lookback = Lookback()
    said = [lookback.feed((ord(letter),)) for letter in row]
    return [chr(follows) if follows else "-" for follows, _ in said]


def test_nothing_was_heard_before_the_first_repetition() -> None:
    assert answers("abc") == ["-", "-", "-"]


def test_it_tells_what_followed_last_time() -> None:
    assert answers("abcab") == ["-", "-", "-", "b", "c"]


def test_a_longer_match_wins_over_a_later_one() -> None:
    assert answers("xabcyabdxab")[-1] == "c"


def test_of_equal_matches_the_latest_wins() -> None:
    assert answers("axayaza")[-1] == "z"


def test_the_length_of_the_match_is_told() -> None:
    lookback = Lookback()
    lengths = [lookback.feed((x,))[-1] for x in (1, 2, 3, 4, 5, 1, 2, 3, 4)]
    assert lengths == [0, 0, 0, 0, 0, 1, 2, 2, 3]  # 1, 2-3, 4-7


def test_a_whole_piece_at_once_gives_the_same_as_step_by_step() -> None:
    ids = np.random.default_rng(0).integers(1, 4, (300, 2)).astype(np.int32)
    lookback = Lookback()
    stepwise = [lookback.feed(row) for row in ids.tolist()]
    assert looked_back(ids, places(ids)).tolist() == [list(row) for row in stepwise]


def test_an_endless_stream_stays_bounded_and_keeps_matching() -> None:
    ids = (np.arange(MEMORY * 2 + 100) % 7 + 1)[:, None].astype(np.int32)
    lookback = Lookback()
    said = [lookback.feed(row)[0] for row in ids.tolist()]
    assert said[20:] == [(i + 1) % 7 + 1 for i in range(20, len(ids))]
    assert len(lookback._rows) <= MEMORY
