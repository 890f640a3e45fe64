"""Which instruments play in one piece."""

from songs import piece

from families.tracks.instrumentation import MOST_KEPT, instrumentations, only, programs_of
from families.tracks.tokens import Kind, token


def test_the_programs_of_a_piece() -> None:
    assert programs_of(piece(0).tokens.tolist()) == [0, 1, 34]
    assert programs_of([token(Kind.BEGIN), token(Kind.BAR)]) == []


def test_each_piece_that_has_any_counts() -> None:
    tokens = piece(0).tokens.tolist()
    assert instrumentations([tokens, [token(Kind.BEGIN)], tokens]) == [[0, 1, 34]] * 2
    assert len(instrumentations([[token(Kind.PROGRAM, 5)]] * (MOST_KEPT + 9))) == MOST_KEPT


def test_other_programs_are_left_out_and_nothing_else() -> None:
    mask = only([0, 34])
    assert mask[token(Kind.PROGRAM, 34)]
    assert mask[token(Kind.PROGRAM, 0)]
    assert mask.sum() == len(mask) - 127
    assert only([]).all()
