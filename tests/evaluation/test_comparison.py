"""Two models are compared on the same pieces and the same symbols, and how sure that is, is said."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import tune

from config_bach import Encoding, Network, Training
from evaluation.comparison import PieceScores, change, charged_in_full, piece_scores
from families.registry import family_of
from storage.bundle import Bundle
from storage.vocabulary import Field, Vocabulary


def scores(*nats: float, guesses: int = 10) -> PieceScores:
    return PieceScores(np.array(nats), np.full(len(nats), float(guesses)))


def test_nats_are_per_guess_over_all_pieces() -> None:
    both = PieceScores(np.array([10.0, 60.0]), np.array([10.0, 20.0]))
    assert both.nll == pytest.approx(70 / 30)


def test_the_interval_is_of_pieces_and_of_differences() -> None:
    """Pieces differ much more than the models do: a paired interval does not mind."""
    hard = [10.0, 80.0, 20.0, 50.0, 35.0, 61.0]
    found = change(scores(*hard), scores(*(n - 2 - i / 10 for i, n in enumerate(hard))))
    assert found["change"] == pytest.approx(-0.225)
    low, high = found["interval"]
    assert -0.26 < low < -0.225 < high < -0.19
    assert change(scores(*hard), scores(*hard)) == {"change": 0.0, "interval": [0.0, 0.0]}


def test_an_interval_includes_zero_where_pieces_disagree() -> None:
    low, high = change(scores(10, 10, 10, 10), scores(14, 5, 13, 7))["interval"]
    assert low < 0 < high


def test_long_pieces_count_more() -> None:
    before = PieceScores(np.zeros(3), np.array([10.0, 10.0, 980.0]))
    found = change(before, PieceScores(np.array([10.0, 10.0, -980.0]), before.guesses))
    assert found["change"] == pytest.approx(-0.96)


@pytest.mark.parametrize("pieces", [1, 2])
def test_too_few_pieces_have_no_interval(pieces: int) -> None:
    assert change(scores(*[9.0] * pieces), scores(*[5.0] * pieces))["interval"] is None


def vocabulary(*fields: tuple[int, int]) -> Vocabulary:
    """Fields of so many symbols, and rare ones behind '?'."""
    made = (
        Field(f"f{i}", ("?", *map(str, range(count - 1))), rare)
        for i, (count, rare) in enumerate(fields)
    )
    return Vocabulary(Encoding(), tuple(made))


def test_the_question_mark_costs_what_is_missing() -> None:
    """Together with its own symbols a model then has as many as the other, whatever it calls '?'."""
    old, new = vocabulary((10, 5), (4, 1)), vocabulary((13, 7), (4, 1))
    bundle = Bundle("x", old, Network(), Training(), {})
    charged = charged_in_full(bundle, new).vocabulary.fields
    assert [(len(f.symbols), f.rare) for f in charged] == [(10, 10), (4, 1)]
    assert 9 + 10 == 12 + 7
    assert charged_in_full(replace(bundle, vocabulary=new), new).vocabulary == new


@pytest.mark.slow
def test_pieces_are_scored_one_by_one_in_their_order() -> None:
    family = family_of(3)
    pieces = [tune(50 + i, n) for i, n in enumerate((9, 40, 1, 25))]  # one is too short
    encoding = Encoding(min_count=1)
    network = Network(model_type=3, units=4, embedding=2, seqlen=4)
    bundle = Bundle("x", family.vocabulary(pieces, encoding), network, Training(), {})
    model = family.build(bundle)
    bundle = replace(bundle, weights=list(model.get_weights()))
    found = piece_scores(bundle, model, pieces)
    assert found.guesses.tolist() == [8, 39, 24]
    for i, piece in enumerate(p for p in pieces if len(p) > 1):
        alone = piece_scores(bundle, model, [piece])
        assert alone.nats[0] == pytest.approx(found.nats[i], rel=1e-4)
    assert piece_scores(bundle, model, []).nats.shape == (0,)
