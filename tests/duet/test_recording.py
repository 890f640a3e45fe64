"""A session is kept whole, and played again note for note."""

import functools
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import mido
import pytest
from conftest import ROOT
from duets import Desk, Parrot, notes

from config_bach import Paths, UserError
from duet import recording
from duet.casting import Cast, Role, bundle_path, playable, roles_from_json, roles_of
from duet.clock import InternalClock
from duet.dispatcher import Dispatcher
from duet.session import Session
from duet.settings import Together
from families.base import ModelFamily
from families.drums.family import Drums
from litert.loading import playing
from music.events import duration_of
from storage.bundle import load

CALL = notes((0.02, 60, 0.9), (0.98, 62, 1.9), (2.03, 64, 2.9), (3.0, 65, 3.4))
PATHS = Paths(ROOT)


@pytest.fixture
def desk() -> Desk:
    desk = Desk(Parrot(), answer=2)
    desk.run(12, CALL)
    return desk


def tracks(path: Path) -> list[list[tuple[int, Any]]]:
    """The messages of each track with their ticks."""
    found = []
    for track in mido.MidiFile(path).tracks:
        ticks, row = 0, []
        for message in track:
            ticks += message.time
            row.append((ticks, message))
        found.append(row)
    return found


def test_each_player_has_a_track_and_the_first_has_tempi_and_markers(
    desk: Desk, tmp_path: Path
) -> None:
    desk.session.tempi.append((4.0, 90.0))
    files = dict(recording.write(desk.session, tmp_path / "x.mid", [], musicxml=False))
    assert set(files) == {"music", "session"}
    first, me, model = tracks(tmp_path / "x.mid")
    said = {(t / 480, m.text) for t, m in first if m.type == "marker"}
    assert {(0.0, "call 1 by me"), (5.0, "answer 1 by m1")} <= said
    assert (7.0, "answer 1: 0.50 nats per note by m1") in said
    tempi = [(t / 480, round(60e6 / m.tempo)) for t, m in first if m.type == "set_tempo"]
    assert tempi == [(0.0, 60), (4.0, 90)]
    names = [next(m.name for _, m in t if m.type == "track_name") for t in (me, model)]
    assert names == ["me", "m1"]
    begun = [(t / 480, m.note) for t, m in me if m.type == "note_on"]
    assert begun == [(0, 60), (1, 62), (2, 64), (3, 65)], "on the grid"
    assert [(t / 480, m.note) for t, m in model if m.type == "note_on"] == [(5, 81), (6, 82)]
    assert {m.channel for _, m in model if m.type == "note_on"} != {
        m.channel for _, m in me if m.type == "note_on"
    }


def test_notes_are_kept_as_played_if_so_asked() -> None:
    desk = Desk(Parrot(), quantise=False)
    desk.run(12, CALL)
    part = desk.session.people[0].part
    assert [n.onset for n in recording.notes_of(part, desk.session)] == [0.02, 0.98, 2.03, 3.0]


def test_the_score_has_an_instrument_for_each_player(desk: Desk, tmp_path: Path) -> None:
    model = desk.session.models[0].part
    model.programs = [(0.0, 20)]
    model.notes = [replace(n, program=20) for n in model.notes]
    events = recording.score_events(desk.session)
    assert duration_of(events) % 4 == 0
    assert events[0].beat == 0
    struck = {s.program for e in events for s in e.sounds if s.struck}
    assert struck == {1, 20}
    files = dict(recording.write(desk.session, tmp_path / "x.mid", [], musicxml=True))
    text = files["score"].read_text()
    assert "Church Organ" in text


# ---- to play it again


def models_of(name: str) -> Any:
    return playing(load(ROOT / "models" / f"{name}.zip"), PATHS)


def session_of(cast: Cast, settings: Together, seed: int) -> Session:
    return cast.session(settings, seed, Dispatcher(InternalClock(60, 0.0), lambda: 0.0), {})


def play(session: Session, until: float, played: list[tuple[float, mido.Message]]) -> None:
    """Play as the engine does: input and points of the grid in the order of their beats."""
    coming = sorted(played, key=lambda x: x[0])
    while session.due <= until:
        if coming and coming[0][0] <= session.due:
            beat, message = coming.pop(0)
            session.take(message, beat, "pad")
        else:
            session.tick()


def all_notes(session: Session) -> list[list[tuple[float, float | None, int, int]]]:
    return [
        [(n.onset, n.end, n.pitch, n.velocity) for n in part.notes]
        for part in recording.parts_of(session)
    ]


@pytest.mark.parametrize(("way", "model"), [
    ("answer", "bach5_nc_mo"), ("continue", "bach5_nc_mo"), ("accompany", "bach5_nc_mo"),
    ("ring", "bach5_nc_mo"), ("answer", "madrigals6_nc_mo"),
])  # fmt: skip
def test_a_session_is_played_again_note_for_note(way: str, model: str, tmp_path: Path) -> None:
    """From its seed and its input, also where settings were changed while it was played."""
    cast = Cast(roles_of(["person", model]), lambda p: models_of(p.stem), PATHS)
    first = session_of(cast, Together(way=way, temperature=1.2), 5)
    play(first, 7, [*CALL, *notes((6.1, 67, 6.7))])
    first.control("temperature", 0.8, 7.0)
    first.control("button", None, 7.0)
    if way != "accompany":
        first.control("change", None, 7.1)
    play(first, 9, notes((8.06, 60, 8.9)))
    first.skip_to(15.2)
    play(first, 19, notes((16.0, 60, 17.0)))
    first.end(19.05)
    dict(recording.write(first, tmp_path / "x.mid", cast.to_json(), musicxml=False))
    data = recording.read(tmp_path / "x.duet.json")
    assert roles_from_json(data["players"]) == cast.roles
    again = session_of(cast, Together.from_json(data["settings"]), data["seed"])
    recording.replay(again, data)
    assert all_notes(again) == all_notes(first)
    assert sum(map(len, all_notes(first))) > 10
    assert again.tolds == first.tolds
    other = session_of(cast, Together.from_json(data["settings"]), data["seed"] + 1)
    recording.replay(other, data)
    assert all_notes(other) != all_notes(first)


def test_a_session_with_other_models_is_played_again_note_for_note(tmp_path: Path) -> None:
    """One is taken in the middle of an answer, one knows another grid, and a knob turns meanwhile."""
    cast = Cast(roles_of(["person", "bach5_nc_mo"]), lambda p: models_of(p.stem), PATHS)
    first = session_of(cast, Together(answer=4), 5)
    load = functools.cache(cast.candidate)

    def change(source: str, later: float) -> None:
        beat = first.due
        successor = first.prepare("bach5_nc_mo", load(source), beat)
        successor.rehearse()
        play(first, beat + later, notes((beat + 0.5, 64, beat + 0.9)))
        first.control("temperature", 0.8, beat + later)
        first.join(successor, beat + later)

    play(first, 6.2, CALL)
    change("bach2_nc_mo", 1.3)
    play(first, 16, notes((9.1, 67, 9.9)))
    change("drums4_nc_mo", 0.1)
    play(first, 26, notes((18.1, 38, 18.2), (19.34, 36, 19.4)))
    first.end(26.1)
    marks = [text for _, text in first.marks if ":" in text]
    assert marks == ["bach5_nc_mo: bach2_nc_mo", "bach5_nc_mo: drums4_nc_mo"]
    assert len(first.grid) == 6
    files = dict(recording.write(first, tmp_path / "x.mid", cast.to_json(), musicxml=False))
    me, model = tracks(files["music"])[1:]
    assert {m.channel for _, m in model if m.type == "note_on"} == {1, 9}
    assert {m.channel for t, m in me if m.type == "note_on" and t / 480 > 18} == {9}
    data = recording.read(tmp_path / "x.duet.json")
    again = session_of(cast, Together.from_json(data["settings"]), data["seed"])
    recording.replay(again, data, load)
    assert all_notes(again) == all_notes(first)
    assert again.marks == first.marks
    assert len(first.models[0].part.notes) > 10
    entry = [0, "model", 0.0, "bach5_nc_mo", "gone"]
    with pytest.raises(UserError, match="no model 'gone'"):
        recording.replay(again, {"log": [entry], "ticks": 1}, cast.candidate)


def test_only_models_that_can_play_together_are_offered_and_loaded(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for name in ("bach2_nc_mo", "drums4_nc_mo"):
        (models / f"{name}.zip").symlink_to(ROOT / "models" / f"{name}.zip")
    (models / "bad2_nc_mo.zip").write_bytes(b"PK nonsense")
    there = Paths(tmp_path)
    assert playable(there) == ["bach2_nc_mo", "drums4_nc_mo"]
    cast = Cast(roles_of(["person"]), lambda p: models_of(p.stem), there)
    found = cast.candidate("drums4_nc_mo")
    assert (found.source, found.program) == ("drums4_nc_mo", 0)
    assert 0 < found.expects[0] < found.expects[1]
    for wrong in ("bad2_nc_mo", "../bach2_nc_mo", "", "x" * 999):
        with pytest.raises(
            UserError, match="can play together here; there are: bach2_nc_mo, drums4"
        ):
            cast.candidate(wrong)

    def broken(path: Path) -> Any:
        raise KeyError("heads")

    with pytest.raises(UserError, match=r"bach2_nc_mo cannot play \(KeyError"):
        Cast(roles_of(["person"]), broken, there).candidate("bach2_nc_mo")


def test_a_family_that_has_no_way_to_play_together_is_not_offered() -> None:
    class Silent(Drums):
        live = ModelFamily.live  # type: ignore[assignment]

    assert Drums().plays_together
    assert not Silent().plays_together


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"format": 1}', '{"format": 9, "seed": 1}', "[" * 100_000,
     '{"format": 1, "seed": "x", "ticks": 1, "log": [], "players": []}',
     '{"format": 1, "seed": 1, "ticks": 1e12, "log": [], "players": []}',
     '{"format": 1, "seed": 1, "ticks": 1000000000000, "log": [], "players": []}'],
)  # fmt: skip
def test_what_is_no_session_is_refused_in_a_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.duet.json"
    path.write_text(text)
    with pytest.raises(UserError, match="is no session"):
        recording.read(path)


@pytest.mark.parametrize(
    "entry",
    [[], [0], [0, "midi", 1], [0, "midi", 0.0, "p", "zz"], [0, "midi", 0.0, "p", "90"],
     [0, "control", 0.0, "bpm", "fast"], [0, "control", 0.0, "clock", "in"], ["x", "midi"],
     [0, "model", 0.0], [0, "joins"], [0, "joins", 0.0, ["x"]]],
)  # fmt: skip
def test_input_that_is_not_understood_is_refused(entry: list[Any]) -> None:
    desk = Desk(Parrot())
    with pytest.raises(UserError):
        recording.replay(desk.session, {"log": [entry], "ticks": 1})


def test_players_that_are_not_understood_are_refused() -> None:
    for rows in ([{"kind": "x"}], [{"nonsense": 1}], [1], [Role("person", "a").__dict__] * 9):
        with pytest.raises(UserError, match="players of the session"):
            roles_from_json(rows)  # type: ignore[arg-type]


# ---- who plays


def test_players_are_named_by_what_they_are() -> None:
    roles = roles_of(["person", "file:a/tune.mid", "bach2", "bach2"], ["bach5"])
    assert [(r.kind, r.name, r.background) for r in roles] == [
        ("person", "person", False),
        ("file", "tune", False),
        ("model", "bach2", False),
        ("model", "bach2 2", False),
        ("model", "bach5", True),
    ]
    with pytest.raises(UserError, match="are the most"):
        roles_of(["person"] * 9)


def test_a_model_is_found_by_app_and_type() -> None:
    assert bundle_path("bach2", PATHS).stem == "bach2_nc_mo"
    assert bundle_path("jsb", PATHS).stem == "jsb5_nc_mo"
    assert bundle_path("bach5_nc_mo", PATHS).stem == "bach5_nc_mo"
    with pytest.raises(UserError, match="no model"):
        bundle_path("nothing7", PATHS)


def test_what_a_model_expects_is_a_range_of_its_own_music() -> None:
    cast = Cast(roles_of(["bach5_nc_mo"]), lambda p: models_of(p.stem), PATHS)
    low, high = cast.ranges()["bach5_nc_mo"]
    assert 0.2 < low < 1.5 < high < 6


def test_json_of_a_session_is_plain(desk: Desk) -> None:
    data = recording.to_json(desk.session, [])
    assert json.loads(json.dumps(data)) == data
    assert desk.session.until == Fraction(49, 4)
