"""A new piece: of several the one that the judge grades best."""

from dataclasses import replace

import pytest

from config_bach import Composing, Paths, UserError
from evaluation.judge import judge_of
from families.base import CompositionRequest, LoadedModel
from workflows.composer import compose


@pytest.mark.slow
def test_of_several_seeds_in_a_row_the_best_grade_is_kept(
    satb_model: LoadedModel, paths: Paths
) -> None:
    request = CompositionRequest(Composing(seed=3), options={"best_of": 4})
    found = compose(satb_model, request, paths)
    judge = judge_of(satb_model)
    alone = [
        satb_model.family.compose(satb_model, CompositionRequest(Composing(seed=seed)), paths)
        for seed in range(3, 7)
    ]
    grades = [judge.grade(piece.events).total for piece in alone]
    assert found == alone[grades.index(min(grades))]
    one = compose(satb_model, replace(request, options={"best_of": 1}), paths)
    assert one == alone[0] == compose(satb_model, replace(request, options={}), paths)


@pytest.mark.slow
def test_a_model_without_its_pieces_cannot_choose(satb_model: LoadedModel, paths: Paths) -> None:
    bare = replace(satb_model, bundle=replace(satb_model.bundle, music=b""))
    request = CompositionRequest(Composing(seed=3), options={"best_of": 2})
    with pytest.raises(UserError, match="does not carry the pieces"):
        compose(bare, request, paths)
