"""Two models are compared on the same pieces and the same symbols, and how sure that is, is said."""

import re
from dataclasses import replace

import numpy as np
import pytest
from conftest import tune

from config_bach import Encoding, Network, Training
from evaluation.comparison import PieceScores, change, charged_in_full, lines, piece_scores, table
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


# the table

BEFORE = {"new": scores(60, 70, 65, 71), "old": scores(40, 50, 45)}


def told(after: PieceScores, old: PieceScores, scratch: PieceScores | None = None) -> str:
    found = table("note", BEFORE, {"new": after, "old": old})
    if scratch:
        found["scratch"] = {"nll": scratch.nll, **change(scratch, after)}
    return "\n".join(lines(found, "mine", "bach"))


BETTER, SAME = scores(20, 31, 22, 30), scores(41, 50, 44)


def test_the_table_has_four_figures_and_their_intervals() -> None:
    text = told(BETTER, SAME)
    assert text.splitlines()[0].startswith("nats per note, lower is better")
    assert re.search(
        r"your held-out pieces \(4\) +6\.650 +2\.575 +-4\.075 \[-4\.\d+, -3\.\d+\]", text
    )
    assert re.search(r"the old held-out pieces \(3\) +4\.500 +4\.500 +\+0\.000 \[", text)
    assert "mine knows your music better than bach does" in text
    assert "forgotten" not in text
    assert "scratch" not in text


@pytest.mark.parametrize(
    ("scratch", "verdict"),
    [
        (scores(10, 20, 14, 22), "FROM SCRATCH IS BETTER by 0.925 nats: train with -l 0 -f"),
        (scores(40, 50, 45, 52), "better than from scratch by 2.100 nats"),
        (scores(21, 30, 23, 29), "no sure difference from training from scratch"),
    ],
)
def test_it_says_plainly_when_from_scratch_is_better(scratch: PieceScores, verdict: str) -> None:
    text = told(BETTER, SAME, scratch)
    assert verdict in text
    assert re.search(rf"from scratch, on your pieces +{scratch.nll:.3f}$", text, re.M)
    verdicts = ("FROM SCRATCH IS BETTER", "better than from scratch", "no sure difference")
    assert sum(v in text for v in verdicts) == 1


def test_it_says_what_was_forgotten() -> None:
    text = told(BETTER, scores(46, 55, 52))
    assert "it has forgotten some of the old style: 0.600 nats (--mix keeps more)" in text


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (scores(61, 68, 66, 70), "does not surely know your music better than bach does"),
        (scores(70, 80, 75, 81), "knows your music no better than bach does"),
    ],
)
def test_it_does_not_call_better_what_is_not(after: PieceScores, verdict: str) -> None:
    assert f"mine {verdict}" in told(after, SAME)


def test_few_pieces_and_none_of_the_old_ones() -> None:
    before, after = {"new": scores(60)}, {"new": scores(20)}
    text = "\n".join(lines(table("note", before, after), "mine", "bach"))
    assert "(too few pieces for an interval)" in text
    assert "with 1 held-out piece all this may be chance" in text
    assert "the old" not in text
