"""The lookup baseline, beside the one of types 1 to 3, which compares everything with everything."""

import math

import numpy as np
import pytest

from families.events.baselines import Known, longest_match
from families.tracks import lookup as module
from families.tracks.lookup import baselines, lookup
from storage.vocabulary import Field

SYMBOLS = tuple("?abcdefg")


def tunes(seed: int, count: int) -> list[np.ndarray]:
    """Rows that repeat themselves and each other."""
    rng = np.random.default_rng(seed)
    phrases = [rng.integers(1, len(SYMBOLS), 7) for _ in range(4)]
    return [np.concatenate([phrases[i] for i in rng.integers(0, 4, 9)]) for _ in range(count)]


@pytest.mark.parametrize("seed", range(4))
def test_nats_are_those_of_the_slow_baseline(seed: int) -> None:
    train, held_out = tunes(seed, 4), tunes(seed + 100, 1) + tunes(seed, 6)[4:]
    known = Known.of([r.astype(np.int32) for r in train], [r.astype(np.int32) for r in held_out])
    counts = np.bincount(np.concatenate(train), minlength=len(SYMBOLS)) + 1.0
    slow, _, asked = longest_match(known, Field("x", SYMBOLS))
    fast, _ = lookup(train, held_out, counts / counts.sum())
    assert asked == sum(len(row) - 1 for row in held_out)
    assert fast == pytest.approx(slow, rel=1e-9)


def test_what_came_once_is_guessed_the_next_time() -> None:
    row = np.array([1, 2, 3, 4, 5, 6] * 8)
    found = baselines([np.array([1, 1, 1])], [row], len(SYMBOLS), "token")
    table = found["longest-match lookup"]
    assert table["accuracy"] == pytest.approx(42 / 47, abs=1e-4)
    assert table["nll"] < 0.4
    assert table["events"] == 47
    assert table["fields"] == {"token": table["nll"]}


def test_the_most_frequent_token_is_that_of_the_training_pieces() -> None:
    rows = [np.array([3, 3, 3, 1])], [np.array([1, 3, 1, 1])]
    found = baselines(*rows, len(SYMBOLS), "token")["most frequent symbol"]
    assert found["accuracy"] == pytest.approx(1 / 3, abs=1e-4)
    share = [4 / 11, 2 / 11, 2 / 11]  # of 4 tokens and 7 symbols
    assert found["nll"] == pytest.approx(-sum(map(math.log, share)) / 3, abs=1e-4)


def test_without_training_pieces_it_knows_the_piece_itself() -> None:
    row = np.array([1, 2] * 20)
    nats, right = lookup([], [row], np.full(len(SYMBOLS), 1 / 7))
    assert right > 0.9
    assert nats < 1


def test_it_asks_as_much_of_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENOUGH", 20)
    found = baselines(tunes(0, 2), tunes(1, 4), len(SYMBOLS), "token")
    assert {figures["events"] for figures in found.values()} == {20}
