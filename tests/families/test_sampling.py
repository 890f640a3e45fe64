"""What is drawn comes from the distribution that was given, and only from that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from predictors import Fixed

from config_bach import Composing
from families import sampling
from families.sampling import DETOURS, LEAST, StepSampler, nucleus, with_temperature
from families.steps import Rows
from music.copies import CopyIndex, CopyTracker
from music.events import Event

P = np.array([0.3, 0.1, 0.4, 0.2])  # token 0 is '?'


def shaped(p: npt.NDArray[Any], temperature: float, top_p: float) -> npt.NDArray[np.float64]:
    """Both, one after the other, as the sampler does it."""
    return nucleus(with_temperature(p, temperature), top_p)


# temperature


def test_temperature_one_keeps_the_proportions() -> None:
    assert with_temperature(P, 1) == pytest.approx([0, 1 / 7, 4 / 7, 2 / 7])


def test_temperature_zero_is_the_likeliest_and_of_equals_the_first() -> None:
    assert with_temperature(P, 0).tolist() == [0, 0, 1, 0]
    assert with_temperature(np.array([0.9, 0.05, 0.05]), 0).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("temperature", "wanted"),
    [
        (0.5, np.array([0, 1, 16, 4]) / 21),  # p ** (1 / temperature), scaled
        (0.25, np.array([0, 1, 256, 16]) / 273),
        (2.0, np.array([0, 1, 2, 2**0.5]) / (3 + 2**0.5)),
    ],
)
def test_temperature_is_an_exponent(temperature: float, wanted: Any) -> None:
    assert with_temperature(P, temperature) == pytest.approx(wanted, abs=1e-12)


def test_a_great_temperature_is_nearly_even() -> None:
    assert with_temperature(P, 100)[1:] == pytest.approx([1 / 3] * 3, abs=0.01)


def test_what_is_forbidden_is_never_drawn() -> None:
    assert with_temperature(P, 1, [2]) == pytest.approx([0, 1 / 3, 0, 2 / 3])
    assert with_temperature(P, 0, [2]).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("temperature", [0, 0.5, 1])
def test_a_network_that_is_sure_of_the_unknown_leaves_all_else_open(temperature: float) -> None:
    p = with_temperature(np.array([1.0, 0, 0, 0]), temperature, [1])
    assert p.tolist() == ([0, 0, 1, 0] if temperature == 0 else [0, 0, 0.5, 0.5])


@pytest.mark.parametrize("temperature", [0, 1e-300, 1e-9, 1e-3, 1, 100])
@pytest.mark.parametrize("top_p", [0, 1e-12, 0.5, 1])
@pytest.mark.parametrize(
    "p", [[1, 0, 0], [0, 1, 0], [1e-45, 1e-45, 0], [0.2, 0.4, 0.4], [0, 0, 0], [np.nan] * 3]
)
def test_there_is_always_a_choice(temperature: float, top_p: float, p: list[float]) -> None:
    out = shaped(np.array(p, np.float32), temperature, top_p)
    assert out.sum() == pytest.approx(1)
    assert (out >= 0).all()
    assert out[0] == 0


# nucleus


@pytest.mark.parametrize(
    ("top_p", "wanted"),
    [
        (0, [0, 0, 1, 0]),
        (0.39, [0, 0, 1, 0]),
        (0.41, [0, 0, 4 / 7, 3 / 7]),
        (0.69, [0, 0, 4 / 7, 3 / 7]),
        (0.71, [0, 2 / 9, 4 / 9, 3 / 9]),
        (0.89, [0, 2 / 9, 4 / 9, 3 / 9]),
        (0.91, [0.1, 0.2, 0.4, 0.3]),
        (1, [0.1, 0.2, 0.4, 0.3]),
    ],
)
def test_the_nucleus_is_the_fewest_that_have_the_mass(top_p: float, wanted: list[float]) -> None:
    assert nucleus(np.array([0.1, 0.2, 0.4, 0.3]), top_p) == pytest.approx(wanted)


def test_of_equals_the_first_are_in_the_nucleus() -> None:
    assert nucleus(np.full(4, 0.25), 0.5).tolist() == [0.5, 0.5, 0, 0]


@pytest.mark.parametrize("top_p", [0.0, 0.3, 0.9, 0.95, 0.999, 1.0])
@pytest.mark.parametrize("sharpness", [0.01, 1.0, 3.0])
def test_many_symbols_give_the_same_nucleus_without_sorting_all(
    top_p: float, sharpness: float
) -> None:
    """A partition finds the likeliest 256; where they do not hold the mass, all are sorted."""
    rng = np.random.default_rng(int(100 * top_p))
    p = np.exp(sharpness * rng.normal(size=1000))
    p /= p.sum()
    order = np.argsort(-p, kind="stable")
    kept = order[: 1 + int((np.cumsum(p[order])[:-1] < top_p).sum())]
    wanted = np.zeros(1000)
    wanted[kept] = p[kept] / p[kept].sum()
    assert nucleus(p, top_p) == pytest.approx(wanted, abs=1e-12)


def test_only_vocabularies_beyond_the_usual_nucleus_are_partitioned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(np, "argpartition", lambda *_: pytest.fail("partitioned"))
    even = np.full(sampling.ENOUGH, 1 / sampling.ENOUGH)
    assert (nucleus(even, 1.0) > 0).all()


# the sampler


class Seen:
    """Features that remember what they were fed."""

    def __init__(self, tokens: Sequence[Sequence[int]] = ()) -> None:
        self.tokens = [list(row) for row in tokens]

    def feed(self, tokens: Sequence[int]) -> None:
        self.tokens.append(list(tokens))

    def row(self) -> list[int]:
        return [len(self.tokens), self.tokens[-1][0] if self.tokens else 0]

    def copy(self) -> Seen:
        return Seen(self.tokens)


class Notes(StepSampler[Seen]):
    """Token n of head 0 is the note 60 + n, a quarter long."""

    mask: npt.NDArray[np.bool_] | None = None
    turns: int | None = 0

    def event(self, tokens: Sequence[int], row: Sequence[int]) -> Event:
        return Event((60 + tokens[0],), Fraction(1))

    def allowed(
        self, head: int, piece: int, tokens: Rows, row: Rows, given: Mapping[int, int]
    ) -> npt.NDArray[np.bool_] | None:
        return self.mask

    def detour(self, tokens: Sequence[int], given: Mapping[int, int]) -> int | None:
        return self.turns


def sampler(
    *heads: npt.ArrayLike,
    pieces: int = 1,
    seed: int = 0,
    order: Sequence[int] | None = None,
    tracker: CopyTracker | None = None,
    **settings: Any,
) -> tuple[Notes, Fixed]:
    predictor = Fixed(*heads, order=order)
    rng = np.random.default_rng(seed)
    chosen = Composing(**{"top_p": 1.0, **settings})
    return Notes(predictor, chosen, rng, [Seen() for _ in range(pieces)], tracker), predictor


def test_samples_come_in_proportion() -> None:
    notes, _ = sampler(P, pieces=7000)
    counts = np.bincount(notes.step()[:, 0], minlength=4) / 7000
    assert counts == pytest.approx([0, 1 / 7, 4 / 7, 2 / 7], abs=0.02)


def test_the_sampler_keeps_to_the_nucleus_of_its_settings() -> None:
    notes, _ = sampler([0, 0.5, 0.3, 0.2], pieces=300, top_p=0.49)
    assert set(notes.step()[:, 0]) == {1}
    notes.settings = replace(notes.settings, top_p=0.51)
    assert set(notes.step()[:, 0]) == {1, 2}


def test_settings_can_change_between_steps() -> None:
    notes, _ = sampler(P, pieces=50)
    assert len(set(notes.step()[:, 0])) > 1
    notes.settings = Composing(temperature=0)
    assert set(notes.step()[:, 0]) == {2}


def test_the_network_is_told_the_features_and_the_plan() -> None:
    notes, predictor = sampler(P, pieces=2, temperature=0)
    notes.step(plan=(7, 8))
    notes.step(plan=(9, 9))
    assert predictor.rows[0].tolist() == [[0, 0, 7, 8]] * 2
    assert predictor.rows[1].tolist() == [[1, 2, 9, 9]] * 2
    assert predictor.rows[0].dtype == np.int32
    assert notes.features[0].tokens == [[2], [2]]
    assert notes._state["memory_0"].tolist() == [[2], [2]]


def test_heads_choose_in_their_order_and_are_told_what_was_chosen() -> None:
    notes, predictor = sampler([0, 1, 0], [0, 0, 1], [0, 1, 0], order=(2, 0, 1))
    assert notes.step().tolist() == [[1, 2, 1]]
    assert [head for head, _ in predictor.chosen] == [2, 0, 1]
    assert [known.tolist() for _, known in predictor.chosen] == [
        [[0, 0, 0]],
        [[0, 0, 1]],
        [[1, 0, 1]],
    ]
    assert notes.probabilities[1].tolist() == [0, 0, 1]


def test_what_is_given_stands_and_is_weighed() -> None:
    notes, _ = sampler([0.5, 0.125, 0.375], [0, 0.5, 0.5], pieces=3)
    tokens = notes.step({0: 1})
    assert (tokens[:, 0] == 1).all()
    assert notes.log_weights == pytest.approx([np.log(0.125)] * 3)
    notes.step({0: 2, 1: 1})
    assert notes.log_weights == pytest.approx([np.log(0.125) + np.log(0.375 * 0.5)] * 3)
    notes.step()  # nothing given, nothing weighed
    assert notes.log_weights == pytest.approx([np.log(0.125 * 0.375 * 0.5)] * 3)


def test_even_what_the_network_finds_impossible_may_be_given() -> None:
    notes, _ = sampler([0, 1, 0])
    assert notes.step({0: 2})[0, 0] == 2
    assert notes.log_weights == pytest.approx([np.log(LEAST)])
    assert pytest.approx(1e-9) == LEAST


def test_only_what_is_allowed_is_drawn() -> None:
    notes, _ = sampler(P, pieces=60)
    notes.mask = np.array([True, True, False, True])
    assert set(notes.step()[:, 0]) == {1, 3}


# particles


def test_spread_goes_on_with_copies_of_the_first_piece() -> None:
    notes, _ = sampler(P, temperature=0)
    notes.step({0: 3})
    notes.spread(4)
    assert notes.log_weights.tolist() == [0, 0, 0, 0]
    assert [f.tokens for f in notes.features] == [[[3]]] * 4
    assert notes._state["memory_0"].tolist() == [[1]] * 4
    notes.features[0].feed([9])
    assert notes.features[1].tokens == [[3]]  # each goes on by itself
    assert notes.step().shape == (4, 1)


def test_pieces_that_are_alike_are_not_resampled() -> None:
    notes, _ = sampler(P, pieces=4)
    notes.log_weights = np.log([0.25, 0.35, 0.2, 0.2])
    before = notes.log_weights.copy()
    assert notes.resample().tolist() == [0, 1, 2, 3]
    assert (notes.log_weights == before).all()


def test_resampling_begins_when_half_of_the_pieces_count() -> None:
    """Two of four that share all the weight are exactly half: at and below that it begins."""
    notes, _ = sampler(P, pieces=4)
    notes.log_weights = np.log([0.5, 0.5, 1e-300, 1e-300])
    assert sorted(notes.resample().tolist()) == [0, 0, 1, 1]
    notes.log_weights = np.log([0.45, 0.45, 0.1, 1e-300])  # 2.4 pieces
    assert notes.resample().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(5))
def test_unlikely_pieces_make_room_for_likely_ones(seed: int) -> None:
    """Systematic resampling: each has as many heirs as its weight, rounded up or down."""
    notes, _ = sampler(P, pieces=10, seed=seed)
    for i, features in enumerate(notes.features):
        features.feed([i])
    notes._state = {"memory_0": np.arange(10, dtype=np.float32)[:, None]}
    weights = np.array([0.62, 0.17, 0.11, 0.1, 0, 0, 0, 0, 0, 0])
    notes.log_weights = np.log(np.maximum(weights, 1e-300)) - 700  # only ratios count
    parents = notes.resample()
    heirs = np.bincount(parents, minlength=10)
    assert (np.abs(heirs - 10 * weights) < 1).all()
    assert [f.tokens for f in notes.features] == [[[int(i)]] for i in parents]
    assert notes._state["memory_0"][:, 0].tolist() == parents.tolist()
    assert notes.log_weights.tolist() == [0] * 10


def test_resampling_is_fair() -> None:
    """Over many seeds each piece has heirs in proportion to its weight."""
    weights = np.array([0.72, 0.21, 0.05, 0.02])
    heirs = np.zeros(4)
    for seed in range(2000):
        notes, _ = sampler(P, pieces=4, seed=seed)
        notes.log_weights = np.log(weights)
        heirs += np.bincount(notes.resample(), minlength=4)
    assert heirs / 8000 == pytest.approx(weights, abs=0.01)


# copies


def scale(*tokens: int) -> list[Event]:
    return [Event((60 + token,), Fraction(1)) for token in tokens]


def limited(most: int | None, *heads: npt.ArrayLike, **settings: Any) -> tuple[Notes, Fixed]:
    """A sampler beside a corpus of one long scale of steps of one semitone."""
    tracker = CopyTracker(CopyIndex([("scale", scale(*range(1, 40)))]))
    return sampler(*heads, tracker=tracker, max_copy=most, **settings)


def test_a_passage_is_copied_only_so_far() -> None:
    """The likeliest repeats the scale; after as many notes as may be copied another token is taken."""
    notes, predictor = limited(4, [0, 1, 0, 0, 0, 0, 0, 0], temperature=0)
    tokens = []
    for next_ in range(1, 7):
        predictor.heads = [np.array([0.01 + 0.9 * (i == next_) for i in range(8)])]
        tokens.append(int(notes.step()[0, 0]))
    assert tokens[:4] == [1, 2, 3, 4]
    assert tokens[4] != 5
    assert tokens[5] == 6  # it is no longer in step with the corpus


def test_without_a_limit_or_an_index_nothing_is_in_the_way() -> None:
    for notes, predictor in (limited(None, [1.0]), sampler([1.0], max_copy=4)):
        for next_ in range(1, 7):
            predictor.heads = [np.eye(8)[next_]]
            assert notes.step()[0, 0] == next_


def test_where_every_way_is_a_copy_it_goes_on_after_so_many_detours() -> None:
    notes, predictor = limited(4, [0, 1])
    for token in range(1, 5):
        predictor.heads = [np.eye(64)[token]]
        notes.step()
    predictor.chosen.clear()
    tracker = notes.tracker
    assert tracker is not None
    tracker.would_be = lambda event: 99  # type: ignore[method-assign]
    notes.step()
    assert len(predictor.chosen) == DETOURS + 1


def test_a_sampler_without_a_detour_lets_a_copy_pass() -> None:
    notes, predictor = limited(4, [0, 1])
    notes.turns = None
    for token in range(1, 8):
        predictor.heads = [np.eye(8)[token]]
        assert notes.step()[0, 0] == token
    assert notes.tracker is not None
    assert notes.tracker.copy().notes == 7  # it was fed all the same


def test_a_plain_sampler_leaves_everything_open_and_turns_at_the_first_head() -> None:
    plain: StepSampler[Seen] = StepSampler(
        Fixed(P), Composing(), np.random.default_rng(0), [Seen()]
    )
    assert plain.allowed(0, 0, np.zeros(1, np.int32), np.zeros(1, np.int32), {}) is None
    assert plain.detour([1], {}) == 0
    with pytest.raises(NotImplementedError):
        plain.event([1], [])


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("top_p", [0.0, 0.4, 0.9, 1.0])
def test_many_pieces_choose_at_once_what_each_would_have_chosen(
    temperature: float, top_p: float
) -> None:
    table = np.random.default_rng(3).dirichlet(np.full(30, 0.3), 40).astype(np.float32)
    table[1, 1:] = 0  # sure of '?'
    masks: list[Any] = [None if i % 3 else np.arange(30) % 4 != 1 for i in range(40)]
    masks[6] = np.arange(30) == 7
    one, many = (sampler(P, seed=5, temperature=temperature, top_p=top_p)[0] for _ in range(2))
    for closed in ([], [2, 5]):
        wanted = [one._pick(p, mask, closed) for p, mask in zip(table, masks, strict=True)]
        assert many._pick_many(table, masks, closed).tolist() == wanted


def test_something_may_come_though_all_that_is_allowed_was_tried() -> None:
    """What is masked never comes; what was tried and copied does, before nothing could."""
    p = np.array([0.1, 0.2, 0.3, 0.4])
    made, _ = sampler(p)
    mask = np.array([True, True, True, False])
    assert {made._pick(p, mask, {1}) for _ in range(30)} == {2}
    assert {made._pick(p, mask, {1, 2}) for _ in range(60)} == {1, 2}
    assert {made._pick(p, None, {1, 2, 3}) for _ in range(99)} == {1, 2, 3}
    assert {made._pick(p, None, {3}) for _ in range(60)} == {1, 2}
