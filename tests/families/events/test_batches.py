"""The batches of an epoch, without training on them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from config_bach import Encoding, Network, Training
from families.events.batches import WindowBatches, columns_of
from families.events.dataset import sequences
from families.events.encoding import learn_vocabulary
from families.steps import StepSequence
from music.events import Piece

NETWORK = Network(model_type=2, seqlen=8)


def rows_of(count: int) -> StepSequence:
    row = np.arange(1, count + 2, dtype=np.int32)[:, None]
    return StepSequence("x", row[:-1], row[1:])


def batches_of(lengths: list[int], epoch: int = 0, **training: Any) -> WindowBatches:
    settings = Training(**{"batch": 4, "min_steps": 1, **training})
    return WindowBatches([rows_of(n) for n in lengths], NETWORK, settings, epoch)


def all_rows(batches: WindowBatches) -> list[list[Any]]:
    return [[x.tolist() for x in (*rows, *targets)] for rows, targets in iterate(batches)]


def iterate(batches: WindowBatches) -> list[Any]:
    return [batches[i] for i in range(len(batches))]


@pytest.mark.parametrize(
    ("lengths", "training", "steps"),
    [
        ([16, 8, 8], {}, 1),  # four windows, a batch
        ([17, 8, 8], {}, 2),
        ([8], {"min_steps": 5}, 5),  # one window, twenty passes
        ([8, 8, 8], {"min_steps": 5}, 6),  # 7 passes of 3 windows
        ([16, 8, 8], {"min_steps": 2, "batch": 5}, 3),  # 3 passes of 4 windows
    ],
)
def test_an_epoch_has_enough_batches(
    lengths: list[int], training: dict[str, int], steps: int
) -> None:
    batches = batches_of(lengths, **training)
    assert len(batches) == steps
    sizes = [len(targets[0]) for _, targets in iterate(batches)]
    assert all(size == sizes[0] for size in sizes[:-1])
    assert 0 < sizes[-1] <= sizes[0]


def test_the_same_epoch_is_always_cut_the_same_way() -> None:
    """Also after a restart; the next epoch is cut otherwise."""
    first = batches_of([40, 30])
    begun = all_rows(first)
    assert begun == all_rows(batches_of([40, 30]))
    first.on_epoch_end()
    assert all_rows(first) == all_rows(batches_of([40, 30], epoch=1)) != begun
    assert all_rows(batches_of([40, 30], seed=2)) != begun


def test_batches_are_tuples_of_columns() -> None:
    table = np.arange(12).reshape(1, 4, 3)
    assert [c.tolist() for c in columns_of(table)] == [
        [[0, 3, 6, 9]],
        [[1, 4, 7, 10]],
        [[2, 5, 8, 11]],
    ]
    ((rows, targets),) = iterate(batches_of([8], batch=1))
    assert (len(rows), len(targets)) == (1, 1)
    assert rows[0].tolist() == [list(range(1, 9))]
    assert targets[0].tolist() == [list(range(2, 10))]


def test_forgetful_windows_hear_nothing_of_lookback(tunes: list[Piece]) -> None:
    vocabulary = learn_vocabulary(tunes, Encoding(), True)
    whole = sequences(tunes, vocabulary, lookback=True)
    shares = []
    for forget in (0.0, 0.5, 1.0):
        network = replace(NETWORK, lookback_dropout=forget)
        told = iterate(WindowBatches(whole, network, Training(), 0))
        assert all(len(rows) == 5 for rows, _ in told)
        assert all(column.any(axis=1).all() for rows, _ in told for column in rows[:2])
        heard = [np.any([c.any(axis=1) for c in rows[2:]], axis=0).mean() for rows, _ in told]
        shares.append(float(np.mean(heard)))
    assert shares[2] == 0
    assert 0.35 * shares[0] < shares[1] < 0.65 * shares[0]
