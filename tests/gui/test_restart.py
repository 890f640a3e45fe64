"""After kill -9 pages and friends hear music again by themselves."""

import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from live import SHIPPED, USER, answers, figures, free_ports, get, raw, start, until

from config_bach import Paths
from stream.server import Servers
from stream.settings import path_of, store_of

from .conftest import port, touch, visit_port

pytestmark = pytest.mark.slow

NewServers = Callable[..., Servers]
PASSWORD = "x y"
LOGIN = "Basic YmFjaDp4IHk="
LISTENERS = 10
PLAYS = (
    "document.getElementById('audio').currentTime > 0.5 && !document.getElementById('audio').paused"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a model and settings."""
    (tmp_path / "models").mkdir()
    shutil.copy(SHIPPED, tmp_path / "models")
    ports = {**dict(zip(("remi_port", "flask_port"), free_ports(), strict=True))}
    data = {"user": USER, "password": PASSWORD, **ports}
    path_of(Paths(tmp_path)).write_text(json.dumps(data))
    return tmp_path


@pytest.fixture
def server(home: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts the server, as often as it is called; returns when it answers."""
    running: list[subprocess.Popen[str]] = []
    audio = json.loads(path_of(Paths(home)).read_text())["flask_port"]

    def begin() -> subprocess.Popen[str]:
        running.append(start(home))
        until(lambda: answers(audio))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


def read_some(listener: socket.socket) -> int:
    return len(listener.recv(4096))


def test_after_kill_9_all_hear_music_again_by_themselves(
    phone: Any, home: Path, server: Callable[[], subprocess.Popen[str]]
) -> None:
    settings = json.loads(path_of(Paths(home)).read_text())
    audio = settings["flask_port"]
    process = server()
    ask = visit_port(phone, settings["remi_port"], USER, PASSWORD)
    phone.execute_script("bach.update('bpm', '123')")
    until(lambda: ask("bach.settings.bpm == 123"))
    touch(phone, "play")
    until(lambda: ask(PLAYS))
    page, shared, listen = (
        phone.current_window_handle,
        ask("bach.links.share"),
        ask("bach.links.listen"),
    )
    phone.switch_to.new_window("tab")
    phone.get(f"http://127.0.0.1:{audio}{shared}")
    touch(phone, "play")
    until(lambda: phone.execute_script(f"return {PLAYS}"))
    listeners = [raw(audio, f"{listen}/bach.mp3", login=None) for _ in range(LISTENERS)]
    assert all(map(read_some, listeners))
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: "trying again" in phone.find_element("id", "state").text)
    server()
    begun = time.monotonic()
    again = [raw(audio, f"{listen}/bach.mp3", login=None) for _ in range(LISTENERS)]
    assert all(b" 200 " in x.recv(4096) for x in again)  # their links still work
    until(lambda: phone.execute_script(f"return {PLAYS}"))
    until(lambda: "goes on" in phone.find_element("id", "state").text)
    phone.switch_to.window(page)
    until(lambda: "goes on" in ask("document.getElementById('hint').textContent"))
    until(lambda: ask(PLAYS))
    until(lambda: ask("document.getElementById('state').textContent") == "composing for you")
    assert time.monotonic() - begun < 15
    until(lambda: ask("bach.notes.length > 0"), 5)  # the news go on, too
    at = (
        "document.getElementById('audio').currentTime"  # a sound begun anew, or the notes run ahead
    )
    assert ask(at) < time.monotonic() - begun
    assert ask("bach.settings.bpm") == 123
    told = json.loads(get(audio, "/status", LOGIN)[2])
    assert told["stations"] == 1  # all of them hear the same one
    for x in (*listeners, *again):
        x.close()


def test_what_was_kept_can_still_be_had_after_a_restart(new_servers: NewServers) -> None:
    servers = new_servers()
    station = servers.context.stations.open(servers.context.default_settings())
    listener = servers.context.stations.join(station, "wav")
    until(lambda: station.seconds > 1)
    time.sleep(1)
    name = servers.context.keep(station)
    link = f"/keep/{servers.context.links.sign('keep', {'recording': name})}/bach.mid"
    before = get(servers.context.server.flask_port, link, None)[2]
    assert before[:4] == b"MThd"
    station.leave(listener)
    servers.close()
    again = new_servers()
    assert get(again.context.server.flask_port, link, None)[2] == before


def test_two_hundred_page_loads_leave_room_for_the_owner(new_servers: NewServers) -> None:
    servers = new_servers(max_stations=2)
    for _ in range(200):
        assert get(port(servers), "/")[0] == 200
    assert len(servers.context.stations._stations) < 70
    assert get(port(servers), "/")[0] == 200
    assert figures(servers)["listeners"] == 0


def test_a_full_disk_at_the_first_start_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from config_bach import UserError
    from stream.settings import load_or_create

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match="No space left on device; free some space"):
        load_or_create(Paths(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert not store_of(Paths(tmp_path)).exists()
