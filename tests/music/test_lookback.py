"""Lookback finds the longest earlier match, and goes on finding it in an endless stream."""

import numpy as np

from music.lookback import LENGTHS, SPAN, Lookback, looked_back, matches


def answers(row: str) -> list[str]:
    """What a Lookback says after each letter."""
    lookback = Lookback()
    said = [lookback.feed((ord(letter),)) for letter in row]
    return [chr(follows) if follows else "-" for follows, _ in said]


def test_nothing_was_heard_before_the_first_repetition() -> None:
    assert answers("abc") == ["-", "-", "-"]


def test_it_tells_what_followed_last_time() -> None:
    assert answers("abcab") == ["-", "-", "-", "b", "c"]


def test_what_began_the_piece_is_remembered_too() -> None:
    assert answers("aab") == ["-", "a", "-"]


def test_a_longer_match_wins_over_a_later_one() -> None:
    assert answers("xabcyabdxab")[-1] == "c"


def test_of_equal_matches_the_latest_wins() -> None:
    assert answers("axayaza")[-1] == "z"


def test_all_fields_of_what_followed_are_told_but_the_first_decides() -> None:
    lookback = Lookback()
    for row in ((1, 5), (2, 6)):
        assert lookback.feed(row) == (0, 0, 0)
    assert lookback.feed((1, 9)) == (2, 6, 1)


def test_the_length_of_the_match_is_told() -> None:
    lookback = Lookback()
    lengths = [lookback.feed((x,))[-1] for x in (1, 2, 3, 4, 5, 1, 2, 3, 4)]
    assert lengths == [0, 0, 0, 0, 0, 1, 2, 2, 3]  # 1, 2-3, 4-7


def test_very_long_matches_are_not_told_apart() -> None:
    lookback = Lookback()
    lengths = [lookback.feed((i % 3 + 1,))[-1] for i in range(400)]
    assert max(lengths) == lengths[-1] == LENGTHS - 1


def test_a_whole_piece_at_once_gives_the_same_as_step_by_step() -> None:
    ids = np.random.default_rng(0).integers(1, 4, (300, 2)).astype(np.int32)
    lookback = Lookback()
    stepwise = [lookback.feed(row) for row in ids.tolist()]
    assert looked_back(ids, matches(ids)).tolist() == [list(row) for row in stepwise]
    assert matches(ids[:0]).shape == (0, 2)


def test_a_copy_goes_on_by_itself() -> None:
    one = Lookback()
    for x in (1, 2, 3, 1):
        one.feed((x,))
    two = one.copy()
    assert one.feed((7,)) == (0, 0)
    assert two.feed((2,)) == (3, 2)
    assert one.feed((2,)) == (3, 1)


def test_an_endless_stream_stays_bounded_and_keeps_matching() -> None:
    ids = (np.arange(SPAN * 2 + 100) % 7 + 1)[:, None].astype(np.int32)
    lookback = Lookback()
    said = [lookback.feed(row)[0] for row in ids.tolist()]
    assert said[20:] == [(i + 1) % 7 + 1 for i in range(20, len(ids))]
    assert len(lookback._rows) <= SPAN


def test_what_a_stream_has_forgotten_is_not_found_and_indices_count_from_its_beginning() -> None:
    lookback = Lookback()
    lookback.feed((1,))
    lookback.feed((2,))
    for i in range(SPAN - 2):
        lookback.feed((10 + i,))
    assert lookback.search((1,))[1] == 0  # the beginning is gone
    assert lookback.search((10 + SPAN - 3,)) == (SPAN, 1)  # what followed it: the 1 just now
