"""Training hears every chorale as often, in keys that vary, one window after the other."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from chorales import chorale, untrained_bundle

from families.satb.batches import StatefulBatches, fastest_dtype, possible_shifts
from families.satb.dataset import sequence_of
from families.satb.encoding import FIRST, SILENCE, Chorale, plan_of, symbols_of
from families.satb.features import FEATURES, rows_of
from families.satb.network import ROW, built

PIECES = [chorale(i) for i in range(6)]


def batches_of(
    pieces: list[Chorale], batch: int, min_steps: int, epoch: int = 0, consistency: float = 0.0
) -> StatefulBatches:
    bundle = untrained_bundle(batch, min_steps)
    bundle = replace(bundle, training=replace(bundle.training, consistency=consistency))
    return StatefulBatches([sequence_of(p) for p in pieces], bundle, epoch)


def test_where_two_predictions_are_to_agree_every_window_comes_twice_in_a_row() -> None:
    batches, lanes = batches_of(PIECES, 6, 60, consistency=1.0), batches_of(PIECES, 3, 60)
    (rows, symbols, keep_state), targets = batches[0]
    assert len(rows) == 6
    for array in (rows, symbols, keep_state, targets):
        assert (array[::2] == array[1::2]).all()
    assert not (rows[0] == rows[2]).all()
    assert len(batches) == len(lanes)  # as many windows of music as half the rows bring
    assert len(batches_of(PIECES, 3, 60, consistency=1.0)[0][1]) == 3  # odd: it cannot be


def test_an_epoch_brings_every_note_as_often_in_keys_that_vary() -> None:
    batches = batches_of(PIECES, batch=2, min_steps=60)
    brought = [batches[i] for i in range(len(batches))]
    counted = sum(int((targets >= 0).all(-1).sum()) for _, targets in brought)
    passes = math.ceil(120 / sum(len(p) / 16 + 0.5 for p in PIECES))
    assert passes == 4
    assert counted == pytest.approx(passes * sum(map(len, PIECES)), rel=0.1)
    lowest = {int(t[t >= FIRST].min()) for _, t in brought if (t >= FIRST).any()}
    assert len(lowest) > 6
    for (rows, symbols, keep_state), targets in brought:
        assert rows.shape == (2, 16, ROW)
        assert (symbols == np.maximum(targets, 0)).all()
        assert keep_state.dtype == np.float32


def test_windows_follow_each_other_through_a_chorale_in_one_key() -> None:
    batches = batches_of(PIECES[:1], batch=1, min_steps=40)
    piece, symbols, starts = PIECES[0], list[list[int]](), list[int]()
    for i in range(len(batches)):
        (rows, _, keep_state), targets = batches[i]
        counted = (targets[0] >= 0).all(-1)
        length = int(counted.sum())
        assert counted[:length].all()
        assert (rows[0, length:] == 0).all()
        if not keep_state[0]:
            starts.append(len(symbols))
        symbols += targets[0, :length].tolist()
    keys, firsts = set(), set()
    for start in starts[:-1]:
        heard = np.array(symbols[start : start + len(piece)], np.int16)
        semitones = int(heard[0, 0]) - int(piece.symbols[0, 0])
        assert (heard == piece.transposed(semitones).symbols).all()
        keys.add(semitones)
        firsts.add(start % 16)
    assert len(keys) > 2
    assert [b - a for a, b in pairwise(starts)] == [len(piece)] * (len(starts) - 1)


def test_the_rows_are_those_of_the_key_that_is_heard() -> None:
    (rows, _, keep_state), targets = batches_of(PIECES[2:3], batch=1, min_steps=2)[0]
    length = int((targets[0] >= 0).all(-1).sum())
    semitones = int(targets[0, 0, 0]) - int(PIECES[2].symbols[0, 0])
    expected = rows_of(PIECES[2].transposed(semitones))[:length]
    assert (rows[0, :length] == expected).all()
    assert (rows[0, :length, FEATURES:] == PIECES[2].plan[:length]).all()
    assert keep_state.tolist() == [0]


def test_a_run_that_goes_on_has_other_batches_but_the_same_each_time() -> None:
    def first(epoch: int) -> list[int]:
        (rows, *_), _ = batches_of(PIECES, 2, 10, epoch)[0]
        return list(rows.ravel().tolist())

    assert first(3) == first(3) != first(4)


def test_pieces_are_learned_in_twelve_keys_up_and_down() -> None:
    assert possible_shifts(chorale(1).symbols, 6) == [-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5]
    assert possible_shifts(chorale(1).symbols, 2) == [-2, -1, 0, 1, 2]
    assert possible_shifts(chorale(1).symbols, 0) == [0]
    high = symbols_of([[86, 80, 70, 60]] * 4)
    assert possible_shifts(high, 6) == [-6, -5, -4, -3, -2, -1, 0, 1, 2]
    silent = Chorale("silent", np.full((4, 4), SILENCE, np.int16), plan_of(4))
    assert 0 in possible_shifts(silent.symbols, 6)


@pytest.mark.slow
def test_kept_states_go_on_where_the_last_batch_ended() -> None:
    """Windows one after the other give what the whole piece gives."""
    from chorales import tiny

    model = built(tiny(layers=2), batch=1)
    piece = chorale(5)
    rows, symbols = rows_of(piece)[None, :32], piece.symbols[None, :32].astype(np.int32)
    whole = np.array(model((rows, symbols)))
    for _ in range(2):  # what begins anew knows nothing of what was before
        for start, keep_state in ((0, 0.0), (16, 1.0)):
            part = slice(start, start + 16)
            heard = (rows[:, part], symbols[:, part], np.array([keep_state], np.float32))
            assert np.allclose(np.array(model(heard)), whole[:, part], atol=1e-5)


def test_a_precision_is_chosen_that_keras_knows() -> None:
    assert fastest_dtype() in ("float32", "mixed_bfloat16")
