"""The control page: its login in raw bytes, and all of it in a real browser the size of a phone."""

import io
import re
import shutil
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import mido
import pytest
from live import LOGIN, MODEL, OTHER, get, raw, until
from remi import server as remi

from config_bach import Paths
from music.instruments import VOICE_COLORS
from storage.bundle import Bundle, load
from storage.catalog import path_of
from stream.server import Servers

from .conftest import choose, port, touch, visit

pytestmark = pytest.mark.slow

NewServers = Callable[..., Servers]
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==")


def answer(servers: Servers, *lines: str, login: str | None = None, path: str = "/") -> bytes:
    """The beginning of what the server says to a request."""
    with raw(port(servers), path, *lines, login=login) as s:
        return s.recv(4096)


def test_without_a_login_every_path_and_method_is_refused(new_servers: NewServers) -> None:
    servers = new_servers()
    for path in ("/", "/ping", "/res:style.css", "/../gui/page.py", "/123/close", "/%00"):
        assert get(port(servers), path, None)[0] == 401, path
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"):
        request = urllib.request.Request(f"http://127.0.0.1:{port(servers)}/", method=method)
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, timeout=5)
        assert refusal.value.code == 401, method
        refusal.value.close()


def test_a_websocket_needs_the_login_too(new_servers: NewServers) -> None:
    servers = new_servers()
    assert b" 401 " in answer(servers, *UPGRADE)
    assert b" 401 " in answer(servers, *UPGRADE, "Cookie: remi_session=0")
    assert b" 401 " in answer(servers, *UPGRADE, "Cookie: remi_session=1234567890123")
    assert b" 401 " in answer(servers, *UPGRADE, login="Basic d3Jvbmc6d3Jvbmc=")
    cookie, other = session(servers), session(servers)
    own = {"path": path_of_session(cookie)}
    assert b" 101 " in answer(servers, *UPGRADE, f"Cookie: {cookie}", **own)
    assert b" 101 " in answer(servers, *UPGRADE, f"Cookie: {cookie}", login=LOGIN, **own)
    assert b" 401 " in answer(servers, *UPGRADE, f"Cookie: {other}", **own)
    assert b" 101 " not in answer(servers, *UPGRADE, f"Cookie: {other}", login=LOGIN, **own)


def session(servers: Servers) -> str:
    """The cookie of a new session."""
    status, headers, _ = get(port(servers), "/")
    assert status == 200
    assert "HttpOnly" in headers["Set-Cookie"]
    return str(headers["Set-Cookie"].partition(";")[0])


def path_of_session(cookie: str) -> str:
    """Where the page of the latest session of a cookie opens its WebSocket."""
    return "/" + cookie.partition("=")[2].rpartition(".")[2]


def test_news_that_come_while_a_websocket_opens_wait_for_it(
    new_servers: NewServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = new_servers()
    upgrade = remi.WebSocketsHandler.handshake

    def slow(handler: remi.WebSocketsHandler) -> bool:
        time.sleep(0.7)  # news are sent four times a second
        return bool(upgrade(handler))

    cookie = session(servers)
    monkeypatch.setattr(remi.WebSocketsHandler, "handshake", slow)
    with raw(port(servers), path_of_session(cookie), *UPGRADE, f"Cookie: {cookie}") as s:
        heard = b""
        while heard.count(b"bach.news(") < 3:
            piece = s.recv(65536)
            assert piece, "the page was cut off"
            heard += piece


def test_a_page_of_somebody_else_cannot_open_our_websocket(new_servers: NewServers) -> None:
    servers = new_servers()
    own = session(servers)
    cookie, path = f"Cookie: {own}", path_of_session(own)
    evil, ours = "Origin: http://evil.example", f"Origin: http://127.0.0.1:{port(servers)}"
    assert b" 403 " in answer(servers, *UPGRADE, cookie, evil, login=LOGIN, path=path)
    assert b" 101 " in answer(servers, *UPGRADE, cookie, ours, path=path)


def test_sessions_are_kept_apart_and_cannot_be_guessed(new_servers: NewServers) -> None:
    servers = new_servers()
    cookies = {session(servers) for _ in range(5)}
    assert len(cookies) == 5
    assert all(int(c.partition("=")[2]) > 2**64 for c in cookies)


def frame(text: str) -> bytes:
    """A short masked WebSocket frame."""
    data = text.encode()
    return bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data


@pytest.mark.parametrize(
    "message",
    [
        "callback/bach/close/",
        "callback/0/request/",
        "callback/bach/request/11|what=update",
        "callback/bach/request/",
        "%",
        "callback/bach/request/11|what=update|8|name=bpm|9|value=abc",
        "callback/bach/request/11|what=update|14|name=__class__|7|value=1",
    ],
)
def test_nonsense_from_a_page_harms_nobody(new_servers: NewServers, message: str) -> None:
    servers = new_servers()
    cookie = session(servers)
    with raw(port(servers), path_of_session(cookie), *UPGRADE, f"Cookie: {cookie}") as s:
        assert b" 101 " in s.recv(4096)
        s.sendall(frame(message))
        time.sleep(0.1)
        s.sendall(frame("callback/bach/request/11|what=update|8|name=bpm|9|value=155"))
        until(
            lambda: any(x.settings.bpm == 155 for x in servers.context.stations._stations.values())
        )
    assert get(port(servers), "/")[0] == 200


def test_each_tab_has_a_session_of_its_own_and_keeps_it_when_it_is_loaded_anew(
    new_servers: NewServers,
) -> None:
    servers = new_servers()
    first = session(servers)
    opened = raw(port(servers), path_of_session(first) + "/old", *UPGRADE, f"Cookie: {first}")
    assert b" 101 " in opened.recv(4096)
    _, headers, _ = get(port(servers), "/", Cookie=first)
    both = str(headers["Set-Cookie"].partition(";")[0])
    assert path_of_session(both) != path_of_session(first)
    second = raw(port(servers), path_of_session(both), *UPGRADE, f"Cookie: {both}")
    assert b" 101 " in second.recv(4096)
    assert b" 409 " in answer(servers, *UPGRADE, f"Cookie: {both}", path=path_of_session(first))
    opened.close()
    answer(servers, *UPGRADE, f"Cookie: {both}", path=path_of_session(first) + "/new")
    number = int(path_of_session(first)[1:])
    until(lambda: not remi.clients[number].websockets)  # the server has seen that the tab has gone
    _, headers, _ = get(port(servers), "/", Cookie=both)
    again = str(headers["Set-Cookie"].partition(";")[0])
    assert path_of_session(again) == path_of_session(first)
    assert len(servers.context.stations._stations) == 2
    second.close()


def test_names_of_models_are_written_into_the_page_as_text(
    new_servers: NewServers, equipped: Paths
) -> None:
    evil = "<img src=x onerror=alert(1)>"
    shutil.copy(equipped.models / f"{MODEL}.zip", equipped.models / f"{evil}.zip")
    page = get(port(new_servers()), "/", most=1 << 20)[2].decode()
    assert evil not in page
    assert "&lt;img" in page


def test_two_tabs_are_two_stations(phone: Any, new_servers: NewServers) -> None:
    servers = new_servers()
    ask = visit(phone, servers)
    choose(phone, "bpm", "111")
    first = phone.current_window_handle
    until(lambda: ask("bach.settings.bpm == 111"))
    phone.switch_to.new_window("tab")
    visit(phone, servers)
    until(lambda: ask("bach.settings.bpm == 111"), 5)  # what was remembered
    assert len(servers.context.stations._stations) == 2
    choose(phone, "bpm", "155")
    until(lambda: ask("bach.settings.bpm == 155"))
    phone.switch_to.window(first)
    time.sleep(2.5)  # the settings are told every two seconds
    assert ask("bach.settings.bpm") == 111
    phone.refresh()
    until(lambda: ask("!!bach.links.listen"))
    until(lambda: ask("bach.settings.bpm == 111"))


LISTEN = """
const audio = document.getElementById("audio");
if (!window.analyser) {
  const context = new AudioContext();
  window.analyser = context.createAnalyser();
  analyser.fftSize = 8192; analyser.smoothingTimeConstant = 0.9;
  context.createMediaElementSource(audio).connect(analyser);
  analyser.connect(context.destination);
  context.resume();
}
const bins = new Float32Array(analyser.frequencyBinCount);
analyser.getFloatFrequencyData(bins);
return Array.from(bins.slice(0, 2048));
"""


def sound(phone: Any) -> list[float]:
    """What the audio element plays, in decibels by frequency, averaged over a second and a half."""
    phone.execute_script(LISTEN)
    spectra = []
    for _ in range(10):
        time.sleep(0.15)
        spectra.append(phone.execute_script(LISTEN))
    return [sum(max(s[i], -140) for s in spectra) / len(spectra) for i in range(len(spectra[0]))]


def test_on_a_phone_from_login_to_keep_that(phone: Any, new_servers: NewServers) -> None:
    servers = new_servers()
    ask = visit(phone, servers)
    choose(phone, "program", "20")  # church organ
    until(lambda: "instrument" in ask("document.getElementById('hint').textContent"))
    begun = time.monotonic()
    touch(phone, "play")
    until(lambda: ask("document.getElementById('audio').currentTime > 0"))
    assert time.monotonic() - begun < 5
    until(lambda: ask("document.getElementById('audio').currentTime > 4"))
    assert ask("document.getElementById('state').textContent") == "composing for you"
    assert ask("bach.start") is not None
    assert ask("document.querySelectorAll('#bars li em').length") == 5
    assert re.match(r"\d+(\.\d)? %", ask("document.querySelector('#bars em').textContent"))
    assert ask("document.getElementById('chord').textContent")
    organ = sound(phone)
    choose(phone, "program", "74")  # flute
    until(lambda: "will be heard in" in ask("document.getElementById('hint').textContent"))
    time.sleep(3.5)
    assert max(organ) > -100, "silence"
    flute = sound(phone)
    assert max(flute) > -100, "silence"
    different = sum(abs(a - b) for a, b in zip(organ, flute, strict=True)) / len(organ)
    assert different > 6  # decibels, on average over all frequencies

    touch(phone, "keep")
    until(lambda: ask("!document.getElementById('downloads').hidden"))
    with urllib.request.urlopen(
        ask("document.getElementById('keep-mid').href"), timeout=10
    ) as kept:
        midi = mido.MidiFile(file=io.BytesIO(kept.read()))
    assert sum(m.type == "note_on" for m in midi.tracks[1]) > 5
    assert {19, 73} == {m.program for m in midi.tracks[1] if m.type == "program_change"}
    wide = ask("document.documentElement.scrollWidth")
    assert wide <= 375  # nothing sticks out
    errors = [x for x in phone.get_log("browser") if x["level"] == "SEVERE"]
    assert errors == []


def test_stop_tests_models_and_a_reload(phone: Any, new_servers: NewServers) -> None:
    servers = new_servers()
    ask = visit(phone, servers)
    touch(phone, "play")
    until(lambda: ask("document.getElementById('audio').currentTime > 1"))
    (station,) = servers.context.stations._stations.values()
    assert station.listeners == 1
    choose(phone, "model", OTHER)
    until(lambda: station.settings.model == OTHER)
    choose(phone, "bpm", "144")
    until(lambda: station.settings.bpm == 144)
    phone.execute_script("bach.request({what: 'update', name: 'model', value: '../../x'})")
    until(lambda: "no such model" in ask("document.getElementById('hint').textContent"))
    assert station.settings.model == OTHER
    touch(phone, "play")  # now it says Stop
    until(lambda: station.listeners == 0)
    touch(phone, "ping")
    until(lambda: "pong" in ask("document.getElementById('tested').textContent"))
    touch(phone, "scale")
    until(lambda: "to its end" in ask("document.getElementById('tested').textContent"))
    phone.refresh()
    until(lambda: ask("typeof bach !== 'undefined' && bach.settings.bpm") == 144)
    assert ask("document.getElementById('model').value") == OTHER


def test_variants_can_be_chosen_and_lossy_ones_are_marked(
    phone: Any, new_servers: NewServers, equipped: Paths
) -> None:
    bundle = load(path_of(MODEL, equipped))
    told = {**bundle.metadata["variants"]}
    told["int8"] = {**told["int8"], "nll_change": 0.051}
    bundle.with_metadata(variants=told).save(path_of(MODEL, equipped))
    servers = new_servers()
    ask = visit(phone, servers)
    labels = ask("[...document.getElementById('model').options].map(o => o.text).join('; ')")
    title = f"Notes and chords, after Bach's chorales ({MODEL})"
    assert f"{title}, int8 (loses 0.05 nats)" in labels
    assert f"{title}, dynamic;" in labels
    choose(phone, "model", f"{MODEL}:int8")
    touch(phone, "play")
    until(lambda: ask("document.getElementById('audio').currentTime > 1"))
    (station,) = servers.context.stations._stations.values()
    assert station.settings.model == f"{MODEL}:int8"
    assert ask("document.getElementById('state').textContent") == "composing for you"
    phone.execute_script(f"bach.request({{what: 'update', name: 'model', value: '{MODEL}:int3'}})")
    until(lambda: "has no variant int3" in ask("document.getElementById('hint').textContent"))


def test_when_the_model_fails_the_page_says_so_and_music_goes_on(
    phone: Any, new_servers: NewServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from families.events.sampler import EventComposer

    servers = new_servers()
    ask = visit(phone, servers)
    touch(phone, "play")
    until(lambda: ask("document.getElementById('audio').currentTime > 1"))

    def fail(self: EventComposer) -> Any:
        raise RuntimeError("gone")

    monkeypatch.setattr(EventComposer, "__next__", fail)
    until(
        lambda: "Bach himself plays on" in ask("document.getElementById('state').textContent"), 10
    )
    before = ask("document.getElementById('audio').currentTime")
    until(lambda: ask("document.getElementById('audio').currentTime") > before + 2)


HARMONY = "document.getElementById('harmony').textContent"
PAINT = f"backgroundColor === 'rgb{tuple(bytes.fromhex(VOICE_COLORS[-1][1:]))}'"
CHORD = (
    "{number: 1, onset: 0, seconds: 9, pitches: [48, 55, 64, 72], voices: [72, 64, 55, 48],"
    " key: 'Bbm', cadence: 'V65', likely: [], chosen: ['hold', 1]}"
)
DRAW = f"bach.roll.lowest = 40, bach.roll.highest = 80, bach.roll.draw([{CHORD}], 1)"
SEEN = """(() => {
  const c = document.getElementById('roll'), seen = new Set();
  const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 3] === 255) seen.add(data.slice(i, i + 3).join());
  return [...seen];
})()"""


def colors(ask: Callable[[str], Any]) -> set[tuple[int, ...]]:
    """Red, green, blue of what is drawn of a chord."""
    return {tuple(map(int, x.split(","))) for x in ask(f"({DRAW}, {SEEN})")}


def test_each_voice_has_its_instrument(
    phone: Any, new_servers: NewServers, equipped: Paths, satb_bundle: tuple[Bundle, Paths]
) -> None:
    bundle, paths = satb_bundle
    shutil.copy(path_of(bundle.name, paths), path_of(bundle.name, equipped))
    ask = visit(phone, new_servers())
    choose(phone, "model", MODEL)
    until(lambda: ask("document.getElementById('voices').hidden"))
    choose(phone, "model", bundle.name)
    until(lambda: not ask("document.getElementById('voices').hidden"))
    assert ask("document.getElementById('bass').options.length") == 129
    choose(phone, "program", "74")
    choose(phone, "bass", "44")
    touch(phone, "play")
    until(lambda: ask("document.getElementById('audio').currentTime > 4"))
    assert {tuple(bytes.fromhex(color[1:])) for color in VOICE_COLORS} <= colors(ask)
    assert ask(
        f"getComputedStyle(document.querySelector('#legend :last-child'), '::before').{PAINT}"
    )
    assert ask("document.getElementById('legend').checkVisibility()")
    assert re.match(r"[A-G][♯♭]? (major|minor)", ask(HARMONY))
    assert (
        ask(f"(bach.notes = [{CHORD}], bach.harmony(bach.notes[0]), {HARMONY})") == "B♭ minor · V65"
    )
    touch(phone, "keep")
    until(lambda: ask("!document.getElementById('downloads').hidden"))
    link = ask("document.getElementById('keep-mid').href")
    with urllib.request.urlopen(link, timeout=10) as kept:
        midi = mido.MidiFile(file=io.BytesIO(kept.read()))
    programs = {m.channel: m.program for t in midi.tracks for m in t if m.type == "program_change"}
    assert programs == {0: 73, 1: 73, 2: 73, 3: 43}
    assert {m.channel for t in midi.tracks for m in t if m.type == "note_on"} == {0, 1, 2, 3}
