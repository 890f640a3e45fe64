"""Nats and accuracy, counted by hand."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from predictors import Fixed

from families import metrics
from families.base import Dataset
from families.events.family import AttentionLSTM, EmbeddingLSTM
from families.metrics import Metrics, Totals, measure, padded, stepwise, through
from families.registry import family_of
from families.steps import Predictor, Probabilities, Rows, State, StepSequence
from storage.vocabulary import Field

PITCH = Field("pitch", ("?", "a", "b", "c"), rare=5)
LENGTH = Field("duration", ("?", "1", "2"), rare=2)
ONE, TWO = EmbeddingLSTM(), AttentionLSTM()


def sequence(*targets: Sequence[int], name: str = "x") -> StepSequence:
    """Targets of one or more heads, step after step; the rows count the steps."""
    rows = np.arange(len(targets), dtype=np.int32)[:, None]
    return StepSequence(name, rows, np.array(targets, np.int32))


def p(*rows: Sequence[float]) -> Probabilities:
    return np.array(rows, np.float32)


# scores


def test_nats_are_those_of_what_came() -> None:
    given = p([0.1, 0.2, 0.3, 0.4], [0.1, 0.6, 0.2, 0.1])
    nats, right = ONE.score([given], sequence([2], [1]), [PITCH])
    assert nats == pytest.approx(-np.log([[0.3], [0.6]]), abs=1e-6)
    assert right.tolist() == [[False], [True]]


def test_the_unknown_symbol_is_never_right_and_costs_the_choice_among_the_rare() -> None:
    """Even where the network is sure of it; nor does it stand in the way of a right guess."""
    given = p([0.9, 0.1, 0, 0], [0.9, 0.04, 0.03, 0.03], [0.9, 0.04, 0.03, 0.03])
    nats, right = ONE.score([given], sequence([0], [1], [2]), [PITCH])
    assert right[:, 0].tolist() == [False, True, False]
    assert nats[0, 0] == pytest.approx(-math.log(0.9) + math.log(5), abs=1e-6)
    assert nats[1, 0] == pytest.approx(-math.log(0.04), abs=1e-6)


def test_what_is_not_counted_is_left_out() -> None:
    given = p([1, 0, 0, 0], [0, 0, 0.5, 0.5], [1, 0, 0, 0])
    nats, right = ONE.score([given], sequence([-1], [3], [-1]), [PITCH])
    assert (nats.shape, right.shape) == ((1, 1), (1, 1))
    assert nats[0, 0] == pytest.approx(math.log(2), abs=1e-6)


def test_nothing_is_infinitely_unlikely() -> None:
    nats, _ = ONE.score([p([0, 1, 0, 0])], sequence([2]), [PITCH])
    assert nats[0, 0] == pytest.approx(-math.log(1e-12), rel=1e-6)


def test_each_head_has_its_nats_and_the_first_is_the_guess() -> None:
    heads = [p([0, 0.5, 0.25, 0.25], [0.25, 0, 0.75, 0]), p([0.5, 0.25, 0.25], [0.2, 0.4, 0.4])]
    nats, right = TWO.score(heads, sequence([1, 0], [0, 2]), [PITCH, LENGTH])
    wanted = [[math.log(2), math.log(2) + math.log(2)], [math.log(4) + math.log(5), -math.log(0.4)]]
    assert nats == pytest.approx(np.array(wanted), abs=1e-6)
    assert right.tolist() == [[True], [False]]


def test_what_the_loss_leaves_out_is_the_mean_cost_of_the_rare() -> None:
    train = [sequence([0, 1], [1, 0]), sequence([2, 2], [-1, -1], [3, 0])]
    dataset = Dataset(train, [], [], {})
    assert TWO.unknown_nats(dataset, [PITCH, LENGTH]) == pytest.approx(
        math.log(5) / 4 + math.log(2) / 2
    )


# totals


def test_totals_are_means_over_guesses() -> None:
    totals = Totals(["pitch", "duration"])
    totals.add(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[True], [False]]))
    totals.add(np.array([[5.0, 6.0]]), np.array([[True]]))
    assert totals.metrics() == Metrics(7.0, 2 / 3, {"pitch": 3.0, "duration": 4.0}, 3)


def test_with_several_guesses_a_step_nats_are_per_guess() -> None:
    """As with four voices: a step has four notes."""
    totals = Totals("satb")
    totals.add(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[True, False, False, True]]))
    found = totals.metrics()
    assert (found.nll, found.accuracy, found.count) == (2.5, 0.5, 4)
    assert found.fields == {"s": 1.0, "a": 2.0, "t": 3.0, "b": 4.0}


def test_nothing_added_gives_zeros() -> None:
    assert Totals(["pitch"]).metrics() == Metrics(0.0, 0.0, {"pitch": 0.0}, 0)


def test_figures_are_rounded_in_json() -> None:
    told = Metrics(1.23456789, 0.987654321, {"pitch": 0.123456}, 7).to_json()
    assert told == {"nll": 1.23457, "accuracy": 0.98765, "fields": {"pitch": 0.12346}, "events": 7}


def test_measure_adds_up_sequences() -> None:
    scored = [
        (sequence([1]), [p([0, 0.5, 0.5, 0])]),
        (sequence([2], [3]), [p([0, 0, 0.25, 0.75], [0, 0.5, 0, 0.5])]),
    ]
    found = measure(ONE, scored, [PITCH])
    assert found.count == 3
    assert found.nll == pytest.approx((math.log(2) + math.log(4) + math.log(2)) / 3, abs=1e-6)
    assert found.accuracy == pytest.approx(1 / 3)
    assert list(found.fields) == ["pitch"]


def test_heads_are_called_by_their_fields_or_voices() -> None:
    assert metrics.head_names(TWO, [PITCH, LENGTH]) == ["pitch", "duration"]
    assert metrics.head_names(family_of(5), [PITCH]) == ("soprano", "alto", "tenor", "bass")


# batches of sequences


def test_padding_fills_up_at_the_end() -> None:
    rows = padded([np.array([[1, 2], [3, 4]]), np.array([[5, 6]])], 3, -1)
    assert rows.dtype == np.int32
    assert rows.tolist() == [[[1, 2], [3, 4], [-1, -1]], [[5, 6], [-1, -1], [-1, -1]]]


class Echo:
    """In the place of a Keras network: the head says the step, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[Any]] = []

    def predict_on_batch(self, inputs: list[Any]) -> Any:
        self.asked.append(inputs)
        (rows,) = inputs
        return np.eye(200, dtype=np.float32)[rows]


def test_whole_sequences_are_padded_to_rounds_and_cut_again() -> None:
    network = Echo()
    sequences = [sequence(*[[1]] * n, name=str(n)) for n in (3, 130, 65)]
    found = list(metrics.forward(ONE, network, sequences, 200))
    assert [s.name for s, _ in found] == ["130", "65", "3"]
    for s, (head,) in found:
        assert head.argmax(-1).tolist() == list(range(len(s)))
    assert [inputs[0].shape for inputs in network.asked] == [(3, 192)]
    list(metrics.forward(ONE, network, sequences[2:], 200))
    assert network.asked[-1][0].shape == (1, 128)
    list(metrics.forward(ONE, network, [sequence(*[[1]] * 64)], 200))
    assert network.asked[-1][0].shape == (1, 64)


def test_batches_hold_what_fits_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sequence takes the room of the longest in its batch."""
    sequences = [sequence(*[[1]] * n) for n in (5, 10, 9, 4, 1)]

    def sizes(room: int) -> list[list[int]]:
        monkeypatch.setattr(metrics, "LARGEST_BATCH", room)
        return [[len(s) for s in batch] for batch in metrics._batches(sequences, 3)]

    assert sizes(10 * 3 * 5) == [[10, 9, 5, 4, 1]]
    assert sizes(10 * 3 * 2) == [[10, 9], [5, 4, 1]]
    assert sizes(10 * 3 * 2 - 1) == [[10], [9, 5], [4, 1]]
    assert sizes(1) == [[10], [9], [5], [4], [1]]
    assert metrics._batches([], 3) == []


def test_measure_is_the_same_in_one_batch_or_many(monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = [sequence(*[[1 + i % 3] for i in range(n)]) for n in (5, 10, 9)]

    def figures() -> Metrics:
        network: Any = Echo()
        return measure(ONE, metrics.forward(ONE, network, sequences, 200), [PITCH])

    together = figures()
    monkeypatch.setattr(metrics, "LARGEST_BATCH", 1)
    assert figures() == together


# step by step


class Counting(Predictor):
    """Head 0 says how many steps it has heard, head 1 what head 0 was told to have chosen."""

    advance_signature = "none"
    order = (0, 1)

    def __init__(self) -> None:
        pass

    def initial_state(self, batch: int = 1) -> State:
        return {"memory_0": np.zeros((batch, 1), np.float32)}

    def advance(self, rows: Rows, state: State) -> tuple[Any, State]:
        heard = state["memory_0"] + rows
        return heard, {"memory_0": heard.astype(np.float32)}

    def head(self, head: int, context: Any, rows: Rows, chosen: Rows) -> Probabilities:
        index = context[:, 0].astype(int) if head == 0 else chosen[:, 0]
        return np.eye(12, dtype=np.float32)[index]


def test_known_pieces_go_through_a_predictor_side_by_side() -> None:
    rows = np.array([[[1], [2], [3]], [[0], [1], [0]]], np.int32)
    tokens = np.array([[[4, 0], [5, 0], [6, 0]], [[1, 0], [2, 0], [3, 0]]], np.int32)
    first, second = through(Counting(), rows, tokens)
    assert first.argmax(-1).tolist() == [[1, 3, 6], [0, 1, 1]]
    assert second.argmax(-1).tolist() == [[4, 5, 6], [1, 2, 3]]


def test_stepwise_begins_each_sequence_anew_and_hides_what_is_not_counted() -> None:
    sequences = [sequence([3, 1], [-1, -1]), sequence([5, 1], [2, 1])]
    found: Iterator[Any] = stepwise(Counting(), sequences)
    told = [(s, [h.argmax(-1).tolist() for h in heads]) for s, heads in found]
    assert [s for s, _ in told] == sequences
    assert told[0][1] == [[0, 1], [3, 0]]
    assert told[1][1] == [[0, 1], [5, 2]]


def test_a_fixed_predictor_is_measured_as_it_says() -> None:
    predictor = Fixed([0.25, 0.25, 0.5, 0])
    found = measure(ONE, stepwise(predictor, [sequence([2], [1], [0])]), [PITCH])
    assert found.nll == pytest.approx((math.log(2) + 2 * math.log(4) + math.log(5)) / 3, abs=1e-6)
    assert found.accuracy == pytest.approx(1 / 3)
