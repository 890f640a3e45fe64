"""The sampler chooses from the distribution it was given, and only from that."""

import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby, islice
from typing import Any

import bundle as bundles
import numpy as np
import pytest
from bundle import Bundle
from conftest import ROOT, SHIPPED
from lite import Probabilities
from piece import Event, Piece
from predict import Composer, Memory, Sampler, prime_of, reshaped, stuck
from rhythm import Rhythm

from config_bach import Composing, Places

Trained = tuple[Bundle, Places]
P = np.array([0.3, 0.1, 0.4, 0.2])  # token 0 is '?'


def compose(bundle: Bundle, notes: int = 60, **settings: Any) -> list[Event]:
    chosen = Composing(**{"seed": 1, **settings})
    return list(islice(Composer(bundle, chosen, prime_of(bundle, 1)[1]), notes))


def test_temperature_one_keeps_the_proportions() -> None:
    assert reshaped(P, 1, 1) == pytest.approx([0, 1 / 7, 4 / 7, 2 / 7])


def test_temperature_zero_is_the_likeliest() -> None:
    assert reshaped(P, 0, 1).tolist() == [0, 0, 1, 0]
    assert reshaped(np.array([0.9, 0.05, 0.05]), 0, 1).tolist() == [0, 1, 0]  # of equals the first


def test_temperature_flattens_and_sharpens() -> None:
    assert reshaped(P, 0.5, 1) == pytest.approx(np.array([0, 1, 16, 4]) / 21)
    assert reshaped(P, 100, 1)[1:] == pytest.approx([1 / 3] * 3, abs=0.01)


def test_top_p_keeps_the_fewest_that_have_the_mass() -> None:
    assert reshaped(P, 1, 0.5).tolist() == [0, 0, 1, 0]
    assert reshaped(P, 1, 0.6) == pytest.approx([0, 0, 2 / 3, 1 / 3])
    assert reshaped(P, 1, 0).tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("temperature", [0, 1e-300, 1e-9, 1e-3, 1, 100])
@pytest.mark.parametrize("top_p", [0, 1e-12, 0.5, 1])
@pytest.mark.parametrize(
    "p", [[1, 0, 0], [0, 1, 0], [1e-45, 1e-45, 0], [0.2, 0.4, 0.4], [0, 0, 0], [np.nan] * 3]
)
def test_there_is_always_a_choice(temperature: float, top_p: float, p: list[float]) -> None:
    out = reshaped(np.array(p, np.float32), temperature, top_p)
    assert out.sum() == pytest.approx(1)
    assert (out >= 0).all()
    assert out[0] == 0


class Coin:
    """An engine that always gives the same distribution."""

    inputs = outputs = 1

    def silence(self) -> Memory:
        return {}

    def step(self, heard: Sequence[int], memory: Memory) -> tuple[list[Probabilities], Memory]:
        return [P.astype(np.float32)], memory


@pytest.mark.parametrize(
    ("heard", "forbidden"),
    [
        ([3] * 7, set()),
        ([3] * 8, {3}),
        ([3, 5] * 15 + [3], set()),
        ([3, 5] * 16, {3}),
        ([1, 2, 3] * 11, {1}),
        ([1, 2, 3, 4] * 8, {1}),
        ([1, 2, 3, 4, 5] * 20, set()),
    ],
)
def test_a_repetition_ends_after_long_enough(heard: list[int], forbidden: set[int]) -> None:
    assert stuck(heard) == forbidden


def test_even_the_likeliest_does_not_repeat_for_ever() -> None:
    sampler = Sampler(Coin(), Composing(temperature=0), np.random.default_rng(0))
    sampler.hear([1])
    rows = [row[0] for row in islice(sampler, 100)]
    assert max(len(list(group)) for _, group in groupby(rows)) == 8


def test_samples_come_in_proportion() -> None:
    sampler = Sampler(Coin(), Composing(top_p=1.0), np.random.default_rng(0))
    sampler.hear([1])
    counts = np.bincount([row[0] for row in islice(sampler, 7000)], minlength=4) / 7000
    assert counts == pytest.approx([0, 1 / 7, 4 / 7, 2 / 7], abs=0.03)  # runs of 9 are broken


def test_same_seed_same_notes(trained: Trained) -> None:
    wild: dict[str, Any] = {"temperature": 1.5, "top_p": 1.0}
    assert compose(trained[0], seed=5, **wild) == compose(trained[0], seed=5, **wild)
    assert compose(trained[0], seed=5, **wild) != compose(trained[0], seed=6, **wild)


def test_settings_can_change_while_it_plays(trained: Trained) -> None:
    composer = Composer(trained[0], Composing(seed=1), prime_of(trained[0], 1)[1])
    next(composer)
    composer.sampler.settings = Composing(temperature=0)
    likeliest = [int(p[1:].argmax()) + 1 for p in composer.sampler.coming]
    assert next(composer.sampler) == tuple(likeliest)


def test_only_symbols_that_can_sound_are_composed(trained: Trained) -> None:
    events = compose(trained[0], 200, temperature=5.0, top_p=1.0)
    assert all(e.duration > 0 for e in events)
    assert all(0 <= p <= 127 for e in events for p in e.pitches)


def test_what_was_learned_is_heard(trained: Trained) -> None:
    """The tunes go up and down a scale: so must what is composed, mostly in steps."""
    tops = [e.pitches[-1] for e in compose(trained[0], 100, temperature=0.5)]
    steps = np.abs(np.diff(tops))
    assert (steps <= 2).mean() > 0.7
    assert len(set(tops)) > 5


def test_a_prime_shorter_than_the_window_will_do(trained: Trained) -> None:
    events = list(islice(Composer(trained[0], Composing(seed=1), [Event((60,), Fraction(1))]), 5))
    assert len(events) == 5


def test_a_prime_of_unknown_music_will_do(trained: Trained) -> None:
    odd = [Event((1, 2, 3), Fraction(7, 5)), Event((), Fraction(9, 7))]
    assert len(list(islice(Composer(trained[0], Composing(seed=1), odd), 5))) == 5


def test_rhythm_repeats_what_it_counted(tunes: list[Piece]) -> None:
    rhythm = Rhythm.learn(tunes)
    before = [Fraction(1, 2)] * 4
    drawn = {rhythm.sample(before, np.random.default_rng(s)) for s in range(20)}
    assert drawn <= {Fraction(1, 2), Fraction(1)}
    assert rhythm.sample([Fraction(5, 7)], np.random.default_rng(0)) in drawn | {Fraction(1)}


def longest_period(symbols: list[object], period: int) -> int:
    """The length of the longest stretch that repeats itself after `period` symbols."""
    longest = run = 0
    for now, before in zip(symbols[period:], symbols, strict=False):
        run = run + 1 if now == before else 0
        longest = max(longest, run + period if run else 0)
    return longest


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return bundles.load(SHIPPED)


@pytest.mark.parametrize("seed", range(20))
def test_the_shipped_model_does_not_get_stuck(shipped: Bundle, seed: int) -> None:
    prime = prime_of(shipped, seed)[1]
    events = islice(Composer(shipped, Composing(seed=seed, temperature=1.0), prime), 300)
    symbols: list[object] = [e.pitches for e in events]
    assert max(len(list(group)) for _, group in groupby(symbols)) <= 8
    assert max(longest_period(symbols, p) for p in (1, 2, 3, 4)) <= 32
    assert len(set(symbols)) > 60


def test_the_shipped_model_is_small_honest_and_better_than_lookup(shipped: Bundle) -> None:
    assert SHIPPED.stat().st_size < 15_000_000  # with all four variants
    metrics = shipped.facts["metrics"]
    assert shipped.facts["split"] == "piece"
    for baseline in metrics["baselines"].values():
        assert metrics["valid"]["nll"] < baseline["nll"]
        assert metrics["valid"]["accuracy"] > baseline["accuracy"]


def test_composing_needs_no_tensorflow() -> None:
    script = (
        "import sys, bundle, predict; from pathlib import Path; from config_bach import Composing\n"
        "b = bundle.load(Path(sys.argv[1]))\n"
        "c = predict.Composer(b, Composing(seed=1), predict.prime_of(b, 1)[1])\n"
        "next(c); print('tensorflow' in sys.modules, 'music21' in sys.modules)\n"
    )
    command = [sys.executable, "-c", script, str(SHIPPED)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.split() == ["False", "False"]
