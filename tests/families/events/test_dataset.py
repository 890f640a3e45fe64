"""The split is honest, and windows keep to their piece."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from batches import Windows
from dataset import (
    Lesson,
    asking,
    cut_windows,
    lessons,
    split,
    training_lessons,
    window_sides,
)
from piece import Piece
from vocabulary import Vocabulary

from config_bach import Encoding, Network, Training

NETWORK = Network(model_type=2, seqlen=8)


def names(pieces: Sequence[Piece]) -> set[str]:
    return {p.name for p in pieces}


def test_whole_pieces_go_70_20_10(tunes: list[Piece]) -> None:
    parts = split(tunes * 1, seed=1, kind="piece")
    assert [len(s) for s in (parts.train, parts.valid, parts.test)] == [9, 2, 1]
    assert not names(parts.train) & (names(parts.valid) | names(parts.test))


def test_the_seed_decides_the_split(tunes: list[Piece]) -> None:
    assert split(tunes, 1, "piece") == split(tunes, 1, "piece")
    assert any(
        names(split(tunes, s, "piece").valid) != names(split(tunes, 1, "piece").valid)
        for s in (2, 3)
    )


def test_copies_in_other_keys_stay_on_one_side(tunes: list[Piece]) -> None:
    copies = [p.transposed(3) for p in tunes]
    parts = split([*tunes, *copies], 1, "piece")
    sides = [{p.fingerprint for p in side} for side in (parts.train, parts.valid, parts.test)]
    assert not sides[0] & sides[1]
    assert not (sides[0] | sides[1]) & sides[2]


def test_a_later_corpus_keeps_the_sides_of_known_pieces(tunes: list[Piece]) -> None:
    before = split(tunes[:10], 1, "piece")
    after = split(tunes, 1, "piece", before.table())
    assert names(after.valid) == names(before.valid)
    assert names(after.test) == names(before.test)
    assert names(tunes[10:]) <= names(after.train)


@pytest.mark.parametrize("number", [1, 2])
def test_too_few_pieces_are_cut_and_labelled(tunes: list[Piece], number: int) -> None:
    parts = split(tunes[:number], 1, "piece")
    assert parts.kind == "within"
    for side in (parts.train, parts.valid, parts.test):
        assert len(side) == number
    whole = tunes[0].events
    assert parts.train[0].events + parts.valid[0].events + parts.test[0].events == whole


def test_windows_never_cross_from_one_piece_into_the_next() -> None:
    rows = [np.full((n, 1), i, np.int32) for i, n in enumerate((5, 40, 17, 8, 9), 1)]
    whole = [Lesson(row[:-1], row[1:]) for row in rows]
    for seed in range(20):
        inputs, targets = cut_windows(whole, 8, np.random.default_rng(seed))
        assert inputs.shape[1:] == targets.shape[1:] == (8, 1)
        for x, y in zip(inputs[..., 0], targets[..., 0], strict=True):
            counted = y >= 0
            assert len({*x[counted], *y[counted]}) == 1
        assert (targets >= 0).sum() == sum(len(x.inputs) for x in whole)


def test_every_event_but_the_first_is_asked_for_once(tunes: list[Piece]) -> None:
    vocabulary = Vocabulary.learn(tunes, Encoding(), True)
    for lesson, piece in zip(lessons(tunes, vocabulary, NETWORK), tunes, strict=True):
        assert lesson.shown == len(piece.events) - 1
        assert (lesson.targets[:-1] == lesson.inputs[1:, :2]).all()


def test_training_hears_every_key(tunes: list[Piece]) -> None:
    vocabulary = Vocabulary.learn(tunes, Encoding(transpose=2), True)
    heard = training_lessons(tunes[:1], vocabulary, NETWORK)
    assert len(heard) == 5
    assert len({lesson.targets.tobytes() for lesson in heard}) == 5


def test_what_lookback_says_is_the_same_in_training_and_in_listening(tunes: list[Piece]) -> None:
    vocabulary = Vocabulary.learn(tunes, Encoding(), True)
    assert (
        training_lessons(tunes, vocabulary, NETWORK)[2].inputs
        == lessons(tunes, vocabulary, NETWORK)[2].inputs
    ).all()


def test_the_window_split_asks_each_event_on_one_side_only(tunes: list[Piece]) -> None:
    vocabulary = Vocabulary.learn(tunes, Encoding(), True)
    whole = lessons(tunes, vocabulary, NETWORK)
    sides = window_sides([len(p.events) for p in tunes], 8, seed=1)
    asked = [asking(whole, sides, side) for side in range(3)]
    counts = [sum(x.shown for x in lessons_asked) for lessons_asked in asked]
    assert sum(counts) == sum(len(p.events) - 8 for p in tunes)
    assert counts[0] / sum(counts) == pytest.approx(0.7, abs=0.01)
    for each in zip(*asked, strict=True):
        assert (sum((x.targets[:, 0] >= 0).astype(int) for x in each) <= 1).all()
        assert all((x.targets[:7] == -1).all() for x in each)


def test_forgetful_windows_hear_nothing_of_lookback(tunes: list[Piece]) -> None:
    vocabulary = Vocabulary.learn(tunes, Encoding(), True)
    whole = lessons(tunes, vocabulary, NETWORK)
    shares = []
    for forget in (0.0, 0.5, 1.0):
        windows = Windows(whole, replace(NETWORK, forget=forget), Training(), 0)
        inputs = [windows[i][0] for i in range(len(windows))]
        assert all(any(x[0].any(axis=1)) for x in inputs)  # the events themselves are heard
        told = [x[-1].any(axis=1).mean() for x in inputs]
        shares.append(float(np.mean(told)))
    assert shares[2] == 0
    assert 0.35 * shares[0] < shares[1] < 0.65 * shares[0]
