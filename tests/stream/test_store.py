"""What survives: in a file that only its owner can read, through kill -9, and when the disk is full."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import pytest
from conftest import ROOT

from config_bach import UserError
from music.events import Event
from stream.player_settings import PlayedEvent, PlayerSettings
from stream.source import StreamEvent
from stream.store import Store

SETTINGS = PlayerSettings("bach2_nc_mo", program=20, bpm=77.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "play_bach.db"


def played(count: int, pitch: int = 60) -> list[PlayedEvent]:
    event = Event((pitch, 64), Fraction(1, 3), 80, (64, -1, -1, pitch), (True,) * 4, Fraction(1, 2))
    return [PlayedEvent(i, i * 44100, StreamEvent(event), SETTINGS) for i in range(count)]


def test_all_comes_back_after_a_restart(path: Path) -> None:
    store = Store(path, 10**6)
    key = store.key()
    store.save_station("s", SETTINGS, 7)
    store.save_session(2**127, "s")
    store.save_recording("r", "Play Bach", played(5))
    store.remember_time(123.5)
    store.close()
    again = Store(path, 10**6)
    assert again.key() == key
    assert len(key) == 32
    assert again.station("s") == (SETTINGS, 7)
    assert again.session(2**127) == "s"
    assert again.recording("r") == ("Play Bach", played(5))
    assert again.latest_time() == 123.5
    again.close()


def test_what_is_not_there_is_none(path: Path) -> None:
    store = Store(path, 10**6)
    assert (store.station("x"), store.session(1), store.recording("x")) == (None, None, None)
    assert store.latest_time() == 0
    store.save_station("s", SETTINGS, 1)
    store.save_station("s", SETTINGS, 2)
    assert store.station("s") == (SETTINGS, 2)


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_only_the_owner_can_read_it(path: Path) -> None:
    Store(path, 1).save_station("s", SETTINGS, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_old_recordings_make_room_for_new_ones(path: Path) -> None:
    store = Store(path, 600)
    for i in range(8):
        store.save_recording(f"r{i}", "x", played(40, 40 + i))
        time.sleep(0.002)
    kept = [i for i in range(8) if store.recording(f"r{i}")]
    assert kept
    assert kept == list(range(8 - len(kept), 8))
    assert len(kept) < 8
    store.save_recording("large", "x", played(4000))
    assert store.recording("large")  # what was just kept is there, whatever its size


def test_what_nobody_used_for_a_month_is_forgotten(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, now = Store(path, 1), time.time()
    monkeypatch.setattr(time, "time", lambda: now - 31 * 86400)
    store.save_station("old", SETTINGS, 1)
    store.save_session(1, "old")
    monkeypatch.setattr(time, "time", lambda: now)
    store.save_station("new", SETTINGS, 1)
    store.save_session(2, "new")
    store.tidy()
    assert (store.station("old"), store.session(1)) == (None, None)
    assert store.station("new")
    assert store.session(2) == "new"


def test_rows_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.store.MOST", 3)
    store = Store(path, 1)
    for i in range(5):
        store.save_session(i, "s")
        time.sleep(0.002)
    store.tidy()
    assert [store.session(i) for i in range(5)] == [None, None, "s", "s", "s"]


@pytest.mark.parametrize(
    "content", [b"no database at all" * 100, b"SQLite format 3\0" + b"x" * 500]
)
def test_a_file_that_is_none_is_said_in_a_sentence(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"play_bach\.db cannot be used \(.*move it away"):
        Store(path, 1)


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write .*free some space or mend the permissions"):
        Store(tmp_path / "none" / "play_bach.db", 1)


def test_a_row_that_makes_no_sense_is_no_station(path: Path) -> None:
    store = Store(path, 1)
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO stations VALUES ('a', '{', 1, 1), ('b', '{\"model\": 7}', 1, 1)")
    assert store.station("a") is None
    assert store.station("b") is None


def test_a_full_disk_ends_nothing_and_says_what_to_do(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(path, 10**6)
    store.save_station("s", SETTINGS, 1)
    store._db.execute("PRAGMA max_page_count = 1")  # SQLite then answers as on a full disk
    store.save_recording("r", "x", played(3000))
    assert "full" in caplog.text
    assert "free some space" in caplog.text
    assert store.recording("r") is None
    assert store.station("s") == (SETTINGS, 1)


def test_any_number_of_threads_may_use_it(path: Path) -> None:
    store = Store(path, 10**6)

    def work(n: int) -> None:
        for i in range(20):
            store.save_station(f"{n}.{i}", SETTINGS, i)
            assert store.station(f"{n}.{i}") == (SETTINGS, i)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(store.station(f"{n}.{i}") for n in range(8) for i in range(20))


def test_kill_9_loses_nothing_that_was_written(path: Path) -> None:
    program = (
        "import sys, os, signal; from pathlib import Path; from stream.store import Store;"
        "from stream.player_settings import PlayerSettings; s = Store(Path(sys.argv[1]), 1);"
        "s.save_station('s', PlayerSettings('m'), 9); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, check=False, timeout=60)
    assert Store(path, 1).station("s") == (PlayerSettings("m"), 9)
