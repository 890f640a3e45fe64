"""Repeated sequences, against their definition."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from evaluation.repeats import repeated_lengths

HELD = -2


def by_definition(symbols: Sequence[int]) -> Counter[int]:
    """Every part that comes twice, begins with a note, has two or more, and is no mere part of a longer
    one that comes as often and begins with a note too."""
    n = len(symbols)
    parts = Counter(tuple(symbols[i:j]) for i in range(n) for j in range(i + 1, n + 1))
    good = {
        part: count
        for part, count in parts.items()
        if count > 1 and part[0] != HELD and sum(s != HELD for s in part) > 1
    }
    found: Counter[int] = Counter()
    for part, count in good.items():
        longer = (
            other
            for other, n in parts.items()
            if n == count and len(other) > len(part) and contains(other, part)
        )
        if not any(worth(other, part) for other in longer):
            found[len(part)] += count
    return found


def contains(long: Sequence[int], short: Sequence[int]) -> bool:
    return any(tuple(long[i : i + len(short)]) == tuple(short) for i in range(len(long)))


def worth(other: Sequence[int], part: Sequence[int]) -> bool:
    """Whether a longer sequence has more than held steps before the part."""
    return not (other[-len(part) :] == part and set(other[: -len(part)]) == {HELD})


@pytest.mark.parametrize(
    ("symbols", "lengths"),
    [
        ([1, 2, 1, 2], {2: 2}),
        ([1, 2, 3, 9, 1, 2, 3], {3: 2}),
        ([1, 2, 3, 4], {}),
        ([1, 1], {}),  # a single note is no sequence
        ([1, 2, 3, 8, 1, 2, 3, 9, 1, 2], {3: 2, 2: 3}),  # the shorter one comes once more
        ([1, HELD, 2, HELD, 7, 1, HELD, 2, HELD], {4: 2}),
        ([1, HELD, HELD, 7, 1, HELD, HELD], {}),  # one note, however long
        ([5, HELD, 1, 2, 6, HELD, 1, 2], {2: 2}),  # it begins with a note
        ([], {}),
    ],
)
def test_sequences_that_come_again(symbols: list[int], lengths: dict[int, int]) -> None:
    assert repeated_lengths(symbols, HELD) == Counter(lengths)


@pytest.mark.parametrize("seed", range(60))
def test_any_music_has_the_sequences_that_the_definition_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = [HELD, 1, 2, 3][: int(rng.integers(2, 5))]
    symbols = rng.choice(kinds, int(rng.integers(2, 16))).tolist()
    symbols[0] = 1
    assert repeated_lengths(symbols, HELD) == by_definition(symbols)


def test_a_whole_piece_is_fast() -> None:
    symbols = np.random.default_rng(0).integers(0, 9, 4000).tolist()
    assert sum(repeated_lengths(symbols, HELD).values()) > 1000
