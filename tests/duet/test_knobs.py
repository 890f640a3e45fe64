"""Knobs that were learned are kept, shown and forgotten."""

import json
from pathlib import Path
from typing import Any

import pytest
from mido import Message

from config_bach import Paths, UserError
from duet.knobs import Knobs, path_of, read


def turn(knobs: Knobs, control: int, value: int = 127) -> Any:
    return knobs.take(Message("control_change", control=control, value=value))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return path_of(Paths(tmp_path))


def test_what_was_learned_is_there_after_a_restart_and_what_was_mapped_is_not(path: Path) -> None:
    knobs = Knobs.parse(["80=panic"], path)
    assert not knobs.unsaved
    knobs.learn("temperature")
    assert turn(knobs, 74) is None
    assert knobs.unsaved
    knobs.save()
    assert not knobs.unsaved
    again = Knobs.parse([], path)
    assert again.by_control == {74: "temperature"}
    assert turn(again, 74) == ("temperature", 1.0)
    assert json.loads(path.read_text()) == {"74": "temperature"}
    assert [p.name for p in path.parent.iterdir()] == ["knobs.json"], "nothing half-written"


def test_what_is_mapped_holds_for_this_session_alone(path: Path) -> None:
    path.write_text('{"74": "temperature"}')
    knobs = Knobs.parse(["74=bpm"], path)
    assert turn(knobs, 74) == ("bpm", 1.0)
    knobs.save()
    assert Knobs(path=path).by_control == {74: "temperature"}


def test_all_numbers_of_control_changes_are_kept(path: Path) -> None:
    path.write_text('{"0": "bpm", "127": "swing"}')
    assert Knobs(path=path).by_control == {0: "bpm", 127: "swing"}


def test_a_knob_is_forgotten_for_good(path: Path) -> None:
    path.write_text('{"74": "temperature", "75": "model"}')
    knobs = Knobs.parse(["76=bpm"], path)
    knobs.forget(74)
    knobs.forget(76)
    knobs.forget(99)
    assert turn(knobs, 74) is None
    assert turn(knobs, 76) is None
    knobs.save()
    assert str(Knobs(path=path)) == "75=model"


def test_a_knob_that_does_something_can_learn_something_else(path: Path) -> None:
    knobs = Knobs.parse(["74=bpm"], path)
    knobs.learn("temperature")
    turn(knobs, 74)
    assert turn(knobs, 74) == ("temperature", 1.0)


def test_two_knobs_learn_two_things_though_the_first_goes_on_to_turn() -> None:
    knobs = Knobs()
    for name in ("temperature", "bpm"):
        knobs.learn(name)
    assert [turn(knobs, c) for c in (74, 74, 74, 75)] == [
        None,
        ("temperature", 1.0),
        ("temperature", 1.0),
        None,
    ]
    assert str(knobs) == "74=temperature 75=bpm"
    assert knobs.wanted is None


def test_a_model_is_stepped_to_by_a_press_and_not_by_letting_go() -> None:
    knobs = Knobs.parse(["80=model", "81=model2"])
    assert turn(knobs, 80) == ("model", 1.0)
    assert turn(knobs, 80, 0) is None
    assert turn(knobs, 81) == ("model2", 1.0)


def test_learning_without_end_takes_no_memory() -> None:
    knobs = Knobs()
    for _ in range(10_000):
        knobs.learn("bpm")
    assert len(knobs._wanted) < 100


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", "{", '{"74": "nonsense"}', '{"x": "bpm"}', '{"200": "bpm"}', '{"-1": "bpm"}',
     '{"74": ["bpm"]}', '{"74": null}', '{"\\u0663": "bpm"}', "[" * 99_999, "{}" + " " * 10**5],
)  # fmt: skip
def test_a_file_that_is_not_understood_is_refused_in_a_sentence(text: str, path: Path) -> None:
    path.write_text(text)
    with pytest.raises(
        UserError, match=r"the knobs in .*knobs.json are not understood .*remove it"
    ):
        read(path)


def test_a_folder_in_its_place_is_refused_in_a_sentence(path: Path) -> None:
    path.mkdir()
    with pytest.raises(UserError, match="are not understood"):
        Knobs(path=path)
