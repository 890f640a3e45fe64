"""What was kept: listed for its owner, renamed, deleted, found again, and made into files."""

import sqlite3
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from chorales import chorale
from music21 import converter

from config_bach import UserError
from music.events import Event
from stream import recording, recordings
from stream.player_settings import PlayedEvent, PlayerSettings
from stream.recordings import Recordings, checked
from stream.source import StreamEvent
from stream.store import Store

SETTINGS = PlayerSettings("bach5_nc_mo", program=20, bpm=120)


def played(count: int = 4, pitch: int = 60) -> list[PlayedEvent]:
    event = Event((pitch,), Fraction(1))
    return [PlayedEvent(i, i * 22050, StreamEvent(event), SETTINGS) for i in range(count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "play_bach.db"


@pytest.fixture
def kept(path: Path) -> Iterator[Recordings]:
    store = Store(path, 10**6)
    yield Recordings(store)
    store.close()


def test_the_list_is_of_its_owner_the_newest_first_and_survives(
    kept: Recordings, path: Path
) -> None:
    names = [kept.add(played(2 * i + 2), "anna", f"piece {i}") for i in range(3)]
    other = kept.add(played(), "bob", "his")
    now = time.time()
    for found in (kept.of("anna"), Recordings(Store(path, 10**6)).of("anna")):
        assert [x.name for x in found] == names[::-1]
        assert [x.title for x in found] == ["piece 2", "piece 1", "piece 0"]
        assert [x.seconds for x in found] == [3, 2, 1]
        assert {x.model for x in found} == {"bach5_nc_mo"}
        assert all(abs(x.made - now) < 60 for x in found)
    assert [x.name for x in kept.of("bob")] == [other]
    assert kept.of("carl") == []


def test_a_title_can_be_changed_by_its_owner_alone(kept: Recordings, path: Path) -> None:
    name = kept.add(played(), "anna", "old")
    assert not kept.rename("bob", name, "mine")
    assert not kept.rename("anna", "none", "x")
    assert kept.rename("anna", name, "  Für Élise \N{EIGHTH NOTE} ")
    for again in (kept, Recordings(Store(path, 10**6))):
        found = again.get(name)
        assert found
        assert found.name == "Für Élise \N{EIGHTH NOTE}"
        assert [x.title for x in again.of("anna")] == [found.name]


def test_what_is_deleted_is_gone_with_its_files(kept: Recordings, path: Path) -> None:
    name = kept.add(played(), "anna", "x")
    assert kept.file(name, "mp3")
    assert not kept.delete("bob", name)
    assert kept.get(name)
    assert kept.delete("anna", name)
    assert not kept.delete("anna", name)
    assert kept.get(name) is None
    assert kept.file(name, "mp3") is None
    assert kept._rendered == {}
    assert Recordings(Store(path, 10**6)).get(name) is None


@pytest.mark.parametrize("title", ["", "  ", "x" * 81, "a\nb", "a\x00b", "\u202e"])
def test_what_is_no_title_is_refused(kept: Recordings, title: str) -> None:
    with pytest.raises(UserError, match="a title is a line of 1 to 80 characters"):
        checked(title)
    name = kept.add(played(), "anna", "x" * 80)
    with pytest.raises(UserError):
        kept.rename("anna", name, title)
    with pytest.raises(UserError):
        kept.add(played(), "anna", title)
    assert [x.title for x in kept.of("anna")] == ["x" * 80]


def test_a_sound_is_rendered_once_and_not_too_much_is_held(
    kept: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def write(x: Any) -> bytes:
        made.append(x.name)
        return bytes(100)

    monkeypatch.setitem(recordings.WRITERS, "mp3", write)
    monkeypatch.setattr(recordings, "RENDERED", 250)
    names = [kept.add(played(), "anna", f"piece {i}") for i in range(3)]
    for name in (names[0], names[0], names[1], names[2], names[2], names[0]):
        assert kept.file(name, "mp3") == bytes(100)
    assert made == ["piece 0", "piece 1", "piece 2", "piece 0"]


def test_a_file_of_an_earlier_version_is_used_and_its_recordings_have_an_owner(path: Path) -> None:
    store = Store(path, 10**6)
    store.save_recording("r", "Play Bach", played(6))
    store.close()
    db = sqlite3.connect(path)
    for column in ("owner", "model", "seconds"):
        db.execute(f"ALTER TABLE recordings DROP COLUMN {column}")
    db.commit()
    db.close()
    store = Store(path, 10**6)
    assert store.recordings("bach", 9) == []
    store.adopt("bach")
    (found,) = store.recordings("bach", 9)
    assert (found.name, found.title, found.model, found.seconds) == (
        "r", "Play Bach", "bach5_nc_mo", 3
    )  # fmt: skip
    assert store.recordings("bach", 9) == [found]  # now it stands in the file
    assert store.recordings("bach", 0) == []
    store.adopt("anna")
    assert store.recordings("anna", 9) == []
    assert store.rename_recording("bach", "r", "new")
    assert store.recording("r") == ("new", played(6))
    store.close()


@pytest.mark.slow
def test_a_score_has_its_title_and_a_picture() -> None:
    events = chorale(2).events
    music = [PlayedEvent(i, 0, StreamEvent(e), SETTINGS) for i, e in enumerate(events)]
    score = converter.parseData(recording.musicxml(music, "Für Anna").decode(), format="musicxml")
    assert score.metadata.bestTitle == "Für Anna"
    assert [p.partName for p in score.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    picture = recording.picture(music).decode()
    assert picture.startswith("<svg")
    assert "<script" not in picture
    assert picture.count('class="measure"') == 6
    assert picture.count('class="staff"') == 24


def test_a_picture_needs_verovio_and_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="too long for a picture"):
        recording.picture(played(1025))
    monkeypatch.setattr("config_bach.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="the picture of a score needs verovio"):
        recording.picture(played())
