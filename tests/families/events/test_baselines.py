"""Figures that can be checked by hand."""

import math

import numpy as np
import pytest
from dataset import Lesson
from evaluate import ENOUGH, Known, baselines, longest_match, measure, most_frequent
from piece import Piece
from vocabulary import Field, Vocabulary

from config_bach import Encoding, Network
from model import build

LETTERS = Field("pitch", ("?", "a", "b", "c", "d"), rare=5)


def ids(text: str) -> np.ndarray:
    return np.array([LETTERS.ids.get(letter, 0) for letter in text], np.int32)


def known(train: str, held_out: str) -> Known:
    return Known.of([ids(t) for t in train.split()], [ids(t) for t in held_out.split()])


def test_most_frequent_counts_training_only() -> None:
    nats, accuracy, events = most_frequent(known("aaab", "bbba"), LETTERS)
    assert (accuracy, events) == (1 / 3, 3)
    assert nats == pytest.approx(-(2 * math.log(2 / 9) + math.log(4 / 9)) / 3)


def test_an_unknown_symbol_costs_the_choice_among_the_rare_ones() -> None:
    nats, accuracy, _ = most_frequent(known("aaa", "aX"), LETTERS)
    assert accuracy == 0
    assert nats == pytest.approx(-math.log(1 / 8) + math.log(5))


def test_lookup_repeats_what_it_has_seen() -> None:
    assert longest_match(known("abcdabcd", "abcd"), LETTERS)[1] == 1.0


def test_lookup_prefers_the_longest_match() -> None:
    _, accuracy, _ = longest_match(known("abc cbd cbd", "abc"), LETTERS)
    assert accuracy == 1.0  # 'ab' was followed by c, though 'b' alone more often by d


def test_lookup_hears_the_piece_itself_but_not_its_future() -> None:
    assert longest_match(known("dd", "abcabcabc"), LETTERS)[1] >= 5 / 8
    assert longest_match(known("dd", "abc"), LETTERS)[1] == 0.0


def test_lookup_nats_are_a_distribution() -> None:
    """The probabilities that the blend gives to all symbols after the same history sum to one."""
    nats = []
    for last in "abcd?":
        first, _, _ = longest_match(known("abcabd", "ab"), LETTERS)
        both, _, n = longest_match(known("abcabd", f"ab{last}"), LETTERS)
        nats.append(both * n - first - (math.log(5) if last == "?" else 0))
    assert sum(math.exp(-x) for x in nats) == pytest.approx(1)


def test_lookup_beats_frequency_on_music_that_repeats(tunes: list[Piece]) -> None:
    vocabulary = Vocabulary.learn(tunes[:9], Encoding(), True)
    rows = [vocabulary.encode(p.events) for p in tunes]
    lessons = [Lesson(r[:-1], r[1:]) for r in rows]
    figures = baselines(lessons[:9], lessons[9:], vocabulary)
    lookup, frequent = figures["longest-match lookup"], figures["most frequent symbol"]
    assert lookup["nll"] < 0.7 * frequent["nll"]
    assert lookup["accuracy"] > 0.6
    assert lookup["events"] <= ENOUGH
    assert lookup["nll"] == pytest.approx(sum(lookup["fields"].values()), abs=1e-4)


def test_an_untrained_network_is_as_good_as_guessing(tunes: list[Piece]) -> None:
    vocabulary = Vocabulary.learn(tunes, Encoding(), False)
    network = Network(model_type=3, units=8, embedding=4, layers=1)
    row = vocabulary.encode(tunes[0].events)
    model = build(vocabulary, network)
    figures = measure(model, [Lesson(row[:-1], row[1:])], vocabulary)
    assert figures.nll == pytest.approx(math.log(len(vocabulary.fields[0].symbols)), rel=0.1)
    assert figures.events == len(row) - 1


def test_measure_is_the_same_in_one_batch_or_many(
    tunes: list[Piece], monkeypatch: pytest.MonkeyPatch
) -> None:
    vocabulary = Vocabulary.learn(tunes, Encoding(), False)
    model = build(vocabulary, Network(model_type=1, units=8, layers=1))
    rows = [vocabulary.encode(p.events) for p in tunes]
    lessons = [Lesson(r[:-1], r[1:]) for r in rows]
    together = measure(model, lessons, vocabulary)
    monkeypatch.setattr("evaluate.LARGEST_BATCH", 1)
    apart = measure(model, lessons, vocabulary)
    assert apart.nll == pytest.approx(together.nll, abs=1e-5)
    assert apart.accuracy == pytest.approx(together.accuracy)
