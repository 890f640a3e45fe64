"""Two servers behind a real nginx, with the very files of docs/: one page, one sound, one listener."""

import contextlib
import http.client
import http.cookiejar
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from live import SHIPPED, USER, answers, free_port, get, raw, start, until

from config_bach import Paths
from stream.settings import path_of

from .conftest import touch, visit_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(NGINX is None, reason="nginx is not installed")]

PASSWORD = "x y"
LOGIN = "Basic YmFjaDp4IHk="
WRONG = "Basic d3Jvbmc6d3Jvbmc="
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
PLAYS = "document.getElementById('audio').currentTime > 0.5"


@dataclass(frozen=True)
class Proxied:
    """Two servers behind nginx: its port, their audio ports, and what HLS is served from."""

    port: int
    audio: tuple[int, int]
    hls: Path
    hls_port: int
    homes: list[Path]
    running: list[subprocess.Popen[Any]]

    def restart(self, i: int) -> None:
        """kill -9 one of the servers, and start it again."""
        self.running[i].kill()
        self.running[i].wait()
        self.running[i] = start(self.homes[i])
        until(lambda: answers(self.audio[i]))

    def listeners(self) -> list[int]:
        """Of both servers."""
        told = (get(port, "/status", LOGIN)[2] for port in self.audio)
        return [int(json.loads(data)["listeners"]) for data in told]


def configured(name: str, changes: dict[str, str]) -> str:
    """A file of docs/ with other ports and folders; each of those must be in it."""
    text = (ROOT / "docs" / name).read_text("utf-8")
    for old, new in changes.items():
        text, count = re.subn(rf"(?<=[ :]){re.escape(old)}\b", new, text)
        assert count > 0, old
    return text


def write_home(home: Path, **ports: Any) -> None:
    (home / "models").mkdir(parents=True)
    shutil.copy(SHIPPED, home / "models")
    told = {"user": USER, "password": PASSWORD, "trusted_proxies": "127.0.0.1"}
    few = {"backlog": 1.0, "max_connections": 2}
    path_of(Paths(home)).write_text(json.dumps({**told, **few, **ports}))


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Two servers, each a process with a home of its own, and nginx with the files of docs/."""
    folder = tmp_path_factory.mktemp("proxied")
    number = {key: free_port() for key in ("8080", "8800", "8801", "8810", "8811", "8082", "8083")}
    homes = [folder / "home1", folder / "home2"]
    for i, home in enumerate(homes):
        ports = {"remi_port": number[f"88{i}0"], "flask_port": number[f"88{i}1"]}
        write_home(home, sound_url=f"http://127.0.0.1:{number['8080']}/{i + 1}", **ports)
    (folder / "hls").mkdir()
    proxy = {key: str(number[key]) for key in ("8080", "8800", "8801", "8810", "8811")}
    folders = {
        "/var/cache/nginx/play_bach": str(folder / "cache"),
        "/var/www/play_bach": str(folder / "hls"),
    }
    hls = {key: str(number[key]) for key in ("8082", "8083")} | folders
    text = configured("nginx.conf", proxy) + configured("nginx-hls.conf", hls)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    alone = f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;\n"
    (folder / "nginx.conf").write_text(f"{alone}events {{}}\nhttp {{\n{temporary}{text}}}\n")
    command = [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    audio = (number["8801"], number["8811"])
    running: list[subprocess.Popen[Any]] = [*map(start, homes), subprocess.Popen(command)]
    try:
        until(lambda: all(map(answers, audio)), 30)
        yield Proxied(number["8080"], audio, folder / "hls", number["8083"], homes, running)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(10)


def test_a_page_plays_through_the_proxy_and_friends_hear_it(phone: Any, proxied: Proxied) -> None:
    ask = visit_port(phone, proxied.port, USER, PASSWORD)  # its WebSocket is open
    touch(phone, "play")
    until(lambda: ask(PLAYS))
    source = ask("document.getElementById('audio').src")
    assert re.match(rf"http://127\.0\.0\.1:{proxied.port}/[12]/listen/", source)
    phone.execute_script("bach.update('bpm', '123')")
    until(lambda: ask("bach.settings.bpm == 123"))
    shared = ask("bach.url(bach.links.share)")
    phone.delete_all_cookies()  # a friend is somebody else
    phone.get(shared)
    touch(phone, "play")
    until(lambda: phone.execute_script(f"return {PLAYS}"))


def browser(port: int) -> tuple[Any, http.cookiejar.CookieJar]:
    """What opens the page again and again, and says whose it is; and its cookies."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Authorization": LOGIN})

    def whose() -> str:
        with opener.open(request, timeout=10) as answer:
            return str(re.search(r'"sound": "[^"]*/([12])"', answer.read().decode())[1])  # type: ignore[index]

    return whose, jar


def test_the_form_and_the_cookie_lead_to_the_same_process(proxied: Proxied) -> None:
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    fields = urllib.parse.urlencode({"user": USER, "password": PASSWORD}).encode()
    with contextlib.suppress(urllib.error.HTTPError):  # the form, and the cookie of a process
        opener.open(f"http://127.0.0.1:{proxied.port}/", timeout=10)
    with opener.open(f"http://127.0.0.1:{proxied.port}/login", fields, timeout=10) as answer:
        own = re.search(r'"sound": "[^"]*/([12])"', answer.read().decode())  # the page
    assert own
    assert {c.name for c in jar} >= {"play_bach_process", "play_bach_login", "remi_session"}
    with opener.open(f"http://127.0.0.1:{proxied.port}/{own[1]}/status", timeout=10) as answer:
        assert answer.status == 200


def test_a_browser_stays_with_its_process_and_browsers_are_spread(proxied: Proxied) -> None:
    first = []
    for _ in range(12):
        whose, _ = browser(proxied.port)
        first.append(whose())
        assert [whose() for _ in range(3)] == first[-1:] * 3
    assert set(first) == {"1", "2"}


def test_the_websocket_reaches_the_session_of_its_page_and_nobody_elses(proxied: Proxied) -> None:
    for _ in range(4):  # of whichever process
        whose, jar = browser(proxied.port)
        whose()
        cookies = "; ".join(f"{c.name}={c.value}" for c in jar)
        (number,) = [c.value or "" for c in jar if c.name == "remi_session"]
        page = raw(
            proxied.port,
            f"/{number.rpartition('.')[2]}/tab",
            *UPGRADE,
            KEY,
            f"Cookie: {cookies}",
            login=None,
        )
        assert b" 101 " in page.recv(4096).splitlines()[0]
        until(lambda page=page: b"bach.news(" in page.recv(65536))  # type: ignore[misc]
        page.close()
    stranger = raw(proxied.port, "/", *UPGRADE, KEY, login=None)
    assert b" 401 " in stranger.recv(4096).splitlines()[0]
    stranger.close()
    origin = "Origin: http://evil.example"
    foreign = raw(proxied.port, "/", *UPGRADE, KEY, f"Cookie: {cookies}", origin, login=LOGIN)
    assert b" 403 " in foreign.recv(4096).splitlines()[0]
    foreign.close()


def test_sound_arrives_at_once_and_ends_with_its_listener(proxied: Proxied) -> None:
    begun = time.monotonic()
    player = raw(proxied.port, "/1/play.mp3", login=LOGIN)
    received = 0
    while received < 50_000:  # more than a second of it
        received += len(player.recv(4096))
    assert time.monotonic() - begun < 2
    assert proxied.listeners() == [1, 0]
    player.close()
    until(lambda: proxied.listeners() == [0, 0])


def test_who_stops_reading_is_dropped_behind_the_proxy_too(proxied: Proxied) -> None:
    before = json.loads(get(proxied.audio[0], "/status", LOGIN)[2])["dropped"]
    hung = raw(proxied.port, "/1/play.wav", login=LOGIN)

    def dropped() -> int:
        return int(json.loads(get(proxied.audio[0], "/status", LOGIN)[2])["dropped"])

    until(lambda: dropped() > before)
    hung.close()


def test_titles_get_through(proxied: Proxied) -> None:
    headers = get(proxied.port, "/1/play.mp3", LOGIN, 100, Icy_MetaData="1")[1]
    assert headers["icy-metaint"] == "16000"


def test_a_player_goes_where_there_is_room(proxied: Proxied) -> None:
    with contextlib.ExitStack() as stack:

        def play(path: str) -> socket.socket:
            player = stack.enter_context(raw(proxied.port, path, login=LOGIN))
            player.recv(1000)
            return player

        until(lambda: proxied.listeners() == [0, 0])
        for _ in range(2):
            play("/1/play.mp3")
        until(lambda: proxied.listeners() == [2, 0])
        assert get(proxied.port, "/1/play.mp3", LOGIN)[0] == 503
        for _ in range(2):
            play("/play.mp3")
        until(lambda: proxied.listeners() == [2, 2])
        assert get(proxied.port, "/play.mp3", LOGIN)[0] == 503


def test_when_its_process_is_started_again_the_page_goes_on(phone: Any, proxied: Proxied) -> None:
    ask = visit_port(phone, proxied.port, USER, PASSWORD)
    touch(phone, "play")
    until(lambda: ask(PLAYS))
    shared = ask("bach.links.share")
    proxied.restart(int(ask("BACH.sound")[-1]) - 1)
    until(lambda: "goes on" in phone.find_element("id", "hint").text)
    until(lambda: ask(PLAYS))
    until(lambda: ask("document.getElementById('state').textContent") == "composing for you")
    until(lambda: ask("bach.notes.length > 0"))
    assert ask("bach.links.share").split(".")[0] == shared.split(".")[0]  # the same station


def guess(proxied: Proxied, source: str, path: str, **headers: str) -> int:
    """The status of a wrong password from an address of this machine."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", proxied.port, timeout=20, source_address=(source, 0)
    )
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", path, headers={"Authorization": WRONG, **told})
    with contextlib.closing(connection):
        return connection.getresponse().status


@pytest.mark.parametrize(("path", "net"), [("/1/status", "127.0.1"), ("/2/status", "127.0.2")])
def test_guesses_are_counted_by_the_real_address_whatever_is_forged(
    proxied: Proxied, path: str, net: str
) -> None:
    try:
        socket.create_server((f"{net}.5", 0)).close()
    except OSError:
        pytest.skip("this system has only one address of its own")
    forged = [guess(proxied, f"{net}.5", path, X_Forwarded_For=f"9.9.9.{i}") for i in range(5)]
    assert forged == [401] * 4 + [429]
    assert guess(proxied, f"{net}.6", path) == 401  # a neighbour is not the guesser
    assert guess(proxied, f"{net}.7", path, X_Forwarded_For=f"{net}.5") == 401


def test_segments_of_hls_are_fetched_once(proxied: Proxied) -> None:
    (proxied.hls / "bach1.ts").write_bytes(b"sound")
    (proxied.hls / "bach.m3u8").write_text("#EXTM3U\n")
    kinds = {"/bach1.ts": "video/mp2t", "/bach.m3u8": "application/vnd.apple.mpegurl"}
    for path, kind in kinds.items():
        answers = [get(proxied.hls_port, path, None)[1] for _ in range(3)]
        assert [a["X-Cache"] for a in answers] == ["MISS", "HIT", "HIT"]
        assert {a["Content-Type"] for a in answers} == {kind}
    (proxied.hls / "bach.m3u8").write_text("#EXTM3U\nbach2.ts\n")
    until(lambda: get(proxied.hls_port, "/bach.m3u8", None)[2].endswith(b"bach2.ts\n"))
