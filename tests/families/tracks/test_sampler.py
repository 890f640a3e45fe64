"""Composing with a network whose probabilities are known."""

from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from predictors import Fixed
from songs import any_music, model_of, piece

from config_bach import Composing
from families.base import Prediction
from families.tracks.dataset import packed
from families.tracks.features import AGAIN
from families.tracks.grammar import following
from families.tracks.sampler import MOST_REPEATS, REST, TrackComposer
from families.tracks.tokens import SYMBOLS, Kind, token
from music.sounds import DRUMS


def composer(predictor: Fixed | None = None, **options: Any) -> TrackComposer:
    settings = Composing(top_p=1.0, **{"seed": 1, **options.pop("settings", {})})
    model = model_of(predictor or any_music(), options.pop("music", b""))
    return TrackComposer(model, settings, options.pop("prime", ()), **options)


def music(made: TrackComposer, events: int = 60) -> list[Prediction]:
    return list(islice(made, events))


def test_it_composes_without_end_for_several_instruments() -> None:
    events = [p.event for p in music(composer(any_music(PROGRAM=20)))]
    programs = {s.program for e in events for s in e.sounds}
    assert len(programs) > 10
    assert DRUMS in programs
    assert all(e.duration > 0 for e in events)
    assert events[0].sounds


def test_the_same_seed_gives_the_same_music() -> None:
    first = music(composer())
    assert [p.event for p in first] == [p.event for p in music(composer())]
    other = music(composer(settings={"seed": 2}))
    assert [p.event for p in first] != [p.event for p in other]


def test_a_piece_that_ends_is_followed_by_another() -> None:
    made = music(composer(any_music(END=3)), 100)
    begins = [i for i, p in enumerate(made) if p.begins is not None]
    assert begins[0] == 0
    assert len(begins) > 3
    assert all(made[i - 1].event == REST for i in begins[1:])
    again = music(composer(any_music(END=3), settings={"seed": made[begins[1]].begins}))
    length = begins[2] - begins[1]
    assert [p.event for p in again[:length]] == [p.event for p in made[begins[1] : begins[2]]]


def test_a_piece_that_may_not_end_goes_on() -> None:
    made = music(composer(any_music(END=3), may_end=False))
    assert [i for i, p in enumerate(made) if p.begins is not None] == [0]


def test_only_notes_of_the_scale() -> None:
    made = composer(settings={"scale": "C E G"})
    pitches = {p % 12 for x in music(made) for p in x.event.pitches}
    assert pitches == {0, 4, 7}
    made.settings = replace(made.settings, scale="D F A")
    later = {
        s.pitch % 12 for x in music(made)[2:] for s in x.event.sounds if s.struck and s.program
    }
    assert later == {2, 5, 9}


def test_it_goes_on_after_a_prime_at_the_next_bar() -> None:
    before = [*piece(0, 3).tokens[:-1].tolist(), token(Kind.BAR)]
    predictor = any_music()
    made = composer(predictor, prime=before, bpm=90.0)
    assert made.prime == list(piece(0, 3).events[: len(made.prime)])
    assert made.bpm == 90
    heard = [int(rows[0, 0]) for rows in predictor.rows]
    assert heard == before[:-1][-40:]  # as many as a window holds
    first = next(made).event
    assert first.beat == 0
    held = [s for s in first.sounds if not s.struck]
    assert [(s.program, s.pitch) for s in held] == [(1, 60)]


def test_a_copied_passage_is_left() -> None:
    """Where little but a training piece is likely, other ways are tried when too much is copied."""
    tokens = piece(0, 6).tokens
    index = iter(range(10**6))

    class Knows(Fixed):
        def head(self, head: int, context: Any, rows: Any, chosen: Any) -> Any:
            where = next(index) + 1
            p = np.full((1, SYMBOLS), 1e-4, np.float32)
            p[0, 0] = 0
            p[0, tokens[where % len(tokens)]] = 1
            return p / p.sum()

    def longest(most: int | None) -> int:
        nonlocal index
        index = iter(range(10**6))
        model = model_of(Knows(np.ones(SYMBOLS)), packed([piece(0, 6)]))
        made = TrackComposer(model, Composing(seed=1, top_p=0.5, max_copy=most))
        copy = model.longest_copy([p.event for p in islice(made, 25)])
        assert copy
        return copy.notes

    assert longest(None) > 12
    assert longest(8) <= 8


def test_what_it_composes_is_allowed_and_a_prediction_tells_of_it() -> None:
    made = composer()
    for prediction in islice(made, 50):
        assert prediction.chosen > 0
        assert prediction.probabilities.shape == (SYMBOLS,)
    assert following(made._sampler.features[0].cursor).any()


@pytest.mark.parametrize("temperature", [0.0, 100.0])
def test_any_temperature(temperature: float) -> None:
    made = music(composer(settings={"temperature": temperature}), 50)
    assert sum(p.event.duration for p in made) > 0


def test_tempi_are_in_proportion_to_that_of_the_model() -> None:
    events = [p.event for p in music(composer(any_music(TEMPO=9), bpm=100.0), 60)]
    assert len({e.tempo for e in events}) > 3
    assert all(0.09 <= e.tempo <= 4 for e in events)


def test_a_piece_is_for_the_instruments_of_one_that_was_learned() -> None:
    """Drawn by the seed; another piece may be for others."""
    known = [[0, 34], [1], [41, 43]]

    def played(seed: int) -> set[int]:
        model = model_of(any_music(PROGRAM=900))
        model.bundle.metadata["instrumentations"] = known
        made = TrackComposer(model, Composing(seed=seed, top_p=1.0), may_end=False)
        return {s.program for p in islice(made, 60) for s in p.event.sounds}

    found = {seed: played(seed) for seed in range(16)}
    assert {tuple(sorted(programs)) for programs in found.values()} == set(map(tuple, known))
    assert played(3) == found[3]


def test_what_goes_on_has_the_instruments_of_what_came_before() -> None:
    before = [*piece(0, 3).tokens[:-1].tolist(), token(Kind.BAR)]
    made = composer(any_music(PROGRAM=900), prime=before, may_end=False)
    assert {s.program for p in music(made) for s in p.event.sounds} == {1, DRUMS, 34}


def test_what_only_repeats_itself_is_left() -> None:
    """A network that knows nothing but to copy what came before would do it for ever."""

    class Copies(Fixed):
        def head(self, head: int, context: Any, rows: Any, chosen: Any) -> Any:
            p = any_music().heads[0][None].copy()
            p[0, rows[:, AGAIN]] += 1e6 * (rows[:, AGAIN] > 0)
            return p / p.sum()

    before = [*piece(0, 2).tokens[:-1].tolist(), token(Kind.BAR)] * 2
    made = composer(Copies(np.ones(SYMBOLS)), prime=before, may_end=False)
    most = 0
    for _ in range(150):
        next(made)
        most = max(most, made._sampler.features[0].repeats)
    assert 1 <= most <= MOST_REPEATS
