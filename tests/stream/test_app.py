"""The audio server over real HTTP: who may listen, in what format, and what becomes of bad clients."""

import contextlib
import io
import json
import re
import shutil
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import wave
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import hypothesis
import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live import LOGIN, SHIPPED, figures, get, opened, raw, settings, until

from config_bach import Paths
from gui.server import PageServer
from stream.app import TOTAL, station_link
from stream.auth import DEVICE_COOKIE
from stream.links import SignedLinks
from stream.mp3 import frame_length
from stream.pool import THREADS
from stream.server import Servers
from stream.station import Station

pytestmark = pytest.mark.slow

OCARINA = 80  # hardly an overtone

NewServers = Callable[..., Servers]


def link(servers: Servers, station: Station, filename: str = "bach.wav") -> str:
    return f"{station_link(servers.context, 'listen', station=station.name)}/{filename}"


def port(servers: Servers) -> int:
    return servers.context.server.flask_port


PATHS = (
    "/",
    "/status",
    "/play.wav",
    "/play.mp3",
    "/stations/x",
    "/static/x",
    "/../etc/passwd",
    "/%00",
)
SIGNED = ("/listen/x", "/listen/x/bach.mp3", "/share/x", "/scale/x/scale.wav", "/keep/x/bach.mid")


def test_without_credentials_only_ping_answers(new_servers: NewServers) -> None:
    servers = new_servers()
    assert json.loads(get(port(servers), "/ping", None)[2]) == {"ping": "pong"}
    for path in PATHS:
        assert get(port(servers), path, None)[0] == 401, path
    for path in SIGNED:
        assert get(port(servers), path, None)[0] == 403, path
        assert get(port(servers), path)[0] == 403, path  # the login does not forge links
    assert get(port(servers), "/status")[0] == 200
    status, headers, _ = get(port(servers), "/status", None)
    assert status == 401
    assert headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_no_method_gets_past_the_login(new_servers: NewServers, method: str) -> None:
    servers = new_servers()
    for path in (*PATHS, *SIGNED):
        request = urllib.request.Request(f"http://127.0.0.1:{port(servers)}{path}", method=method)
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(request, timeout=5)
        assert refusal.value.code in (401, 403, 405)
        refusal.value.close()


def test_wav_begins_with_an_endless_header_and_then_music(new_servers: NewServers) -> None:
    servers = new_servers()
    path, some_seconds = link(servers, opened(servers.context)), 800_000  # it may begin with a rest
    status, headers, data = get(port(servers), path, None, some_seconds)
    assert (status, headers["Content-Type"]) == (200, "audio/wav")
    assert data[:4] == b"RIFF"
    assert data[8:16] == b"WAVEfmt "
    assert data[4:8] == data[40:44] == b"\xff\xff\xff\xff"
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (44100, 2, 2)
    assert np.frombuffer(data[44:], "<i2").any()
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_mp3_is_whole_frames_from_the_first_byte(new_servers: NewServers) -> None:
    servers = new_servers()
    station = opened(servers.context)
    for _ in range(2):  # the second listener joins in the middle
        status, headers, data = get(port(servers), link(servers, station, "bach.mp3"), None)
        assert (status, headers["Content-Type"]) == (200, "audio/mpeg")
        place = frames = 0
        while place + 4 <= len(data):
            length = frame_length(data[place : place + 4])
            assert length > 0
            place, frames = place + length, frames + 1
        assert frames > 20


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("audio/wav", "audio/wav"), ("audio/mpeg", "audio/mpeg"), ("*/*", "audio/mpeg")],
)
def test_the_browser_may_choose_the_format(new_servers: NewServers, accept: str, kind: str) -> None:
    servers = new_servers()
    path = station_link(servers.context, "listen", station=opened(servers.context).name)
    assert get(port(servers), path, None, Accept=accept)[1]["Content-Type"] == kind


def test_an_iphone_is_answered_in_ranges(new_servers: NewServers) -> None:
    servers = new_servers()
    station = opened(servers.context)
    path = link(servers, station, "bach.mp3")
    status, headers, data = get(port(servers), path, None, Range="bytes=0-1")
    assert (status, len(data), data[0]) == (206, 2, 0xFF)
    assert headers["Content-Range"] == f"bytes 0-1/{TOTAL}"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Length"] == "2"
    assert station.listeners == 0  # it only asked
    status, headers, data = get(port(servers), path, None, Range=f"bytes=0-{TOTAL - 1}")
    assert status == 206
    assert headers["Content-Range"] == f"bytes 0-{TOTAL - 1}/{TOTAL}"
    assert frame_length(data[:4]) > 0
    assert len(data) == 65536
    status, headers, _ = get(port(servers), path, None, Range="bytes=70000-")
    assert headers["Content-Range"] == f"bytes 70000-{TOTAL - 1}/{TOTAL}"
    assert get(port(servers), path, None, Range="bytes=0-")[0] == 200  # Chrome and Firefox
    assert get(port(servers), path, None, Range=f"bytes={TOTAL}-")[0] == 416


def test_links_expire_and_cannot_be_forged_or_used_for_something_else(
    new_servers: NewServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = new_servers(link_hours=1.0)
    station = opened(servers.context)
    path = link(servers, station)
    assert get(port(servers), path, None)[0] == 200
    assert get(port(servers), path.replace("/listen/", "/scale/"), None)[0] == 403
    token = path.split("/")[2]
    changed = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    for forged in (changed, token.upper(), "x" * 3000):
        assert get(port(servers), path.replace(token, forged), None)[0] == 403
    assert SignedLinks(1).read("listen", token) is None  # another server's key
    later = servers.context.links.clock() + 3700
    monkeypatch.setattr(servers.context.links, "clock", lambda: later)
    assert get(port(servers), path, None)[0] == 403


def test_both_ports_slow_down_guesses_made_at_either(new_servers: NewServers) -> None:
    servers = new_servers()
    for _ in range(4):
        assert get(port(servers), "/status", "Basic d3Jvbmc6d3Jvbmc=")[0] == 401
    begun = time.monotonic()
    status, headers, _ = get(servers.context.server.remi_port, "/", "Basic d3Jvbmc6d3Jvbmc=")
    assert status == 429
    assert int(headers["Retry-After"]) >= 1
    assert time.monotonic() - begun > 1
    begun = time.monotonic()
    status, headers, _ = get(servers.context.server.remi_port, "/")  # the right one gets in
    assert status == 200
    assert time.monotonic() - begun > 1
    cookie = next(c for c in headers.get_all("Set-Cookie") if c.startswith(DEVICE_COOKIE))
    begun = time.monotonic()
    assert get(port(servers), "/status", Cookie=cookie.split(";")[0])[0] == 200
    assert time.monotonic() - begun < 0.5


def test_one_who_hangs_up_frees_thread_and_memory(new_servers: NewServers) -> None:
    servers = new_servers()
    station = opened(servers.context)
    before = threading.active_count()
    paths = [link(servers, station, f"bach.{kind}") for kind in ("wav", "mp3")]
    sockets = [raw(port(servers), path, login=None) for path in paths]
    until(lambda: station.listeners == 2)
    for s in sockets:
        s.recv(1000)
        s.close()
    assert until(lambda: station.listeners == 0) < 5
    servers.context.stations.end(station)
    assert until(lambda: threading.active_count() <= before + THREADS) < 5
    assert len(servers.context.models.synths._free) == 1


def test_one_who_stops_reading_is_dropped_and_the_others_play_on(new_servers: NewServers) -> None:
    servers = new_servers(backlog=1.0)
    station = opened(servers.context)
    hung = raw(port(servers), link(servers, station), login=None)
    good = raw(port(servers), link(servers, station), login=None)
    good.settimeout(1)
    begun, received = time.monotonic(), 0
    while station.dropped == 0 and time.monotonic() - begun < 20:
        received += len(good.recv(1 << 16))  # would time out if it were held up
    assert station.dropped == 1
    assert station.listeners == 1
    assert received > (time.monotonic() - begun) * 44100 * 4
    assert station.underruns == 0
    hung.close()
    good.close()


def test_nonsense_and_silence_leave_the_server_well(new_servers: NewServers) -> None:
    servers = new_servers()
    liars = []
    for words in (b"\0\1\2\3\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 70000, b"GET"):
        for number in (port(servers), servers.context.server.remi_port):
            liars.append(raw(number, "/ping", login=None))
            with contextlib.suppress(OSError):
                liars[-1].sendall(words)
    assert get(port(servers), "/ping", None)[0] == 200
    assert get(servers.context.server.remi_port, "/")[0] == 200
    for liar in liars:
        liar.close()


def post_bytes(
    servers: Servers, station: Station, body: bytes, kind: str = "application/json"
) -> Any:
    """POST to a station: status and text."""
    url = f"http://127.0.0.1:{port(servers)}/stations/{station.name}"
    headers = {"Authorization": LOGIN, "Content-Type": kind}
    request = urllib.request.Request(url, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"program": 1.5}', "program is 1.5, but it must be a whole number"),
        ('{"program": null}', "program is None, but it must be a whole number"),
        ('{"program": true}', "program is True, but it must be a whole number"),
        ('{"program": "1"}', "program is '1', but it must be a whole number"),
        ('{"program": 0}', "program is 0, but it must lie between 1 and 128"),
        ('{"bpm": "fast"}', "bpm is 'fast', but it must be a number"),
        ('{"bpm": NaN}', "bpm is nan, but it must lie between"),
        ('{"volume": 1e400}', "volume is inf, but it must lie between"),
        ('{"temperature": []}', "temperature is [], but it must be a number"),
        ('{"model": 7}', "model is 7, but it must be text"),
        ('{"model": "../bach"}', "there is no such model"),
        ('{"seed": 1}', "there are model, program"),
        ("[1]", "there are model, program"),
        ("null", "there are model, program"),
        ("{", "Bad Request"),
        ("[" * 2000, "there are model, program"),
        ("{" + '"a":{' * 600, "Bad Request"),
    ],
)
def test_a_value_of_another_type_is_refused_and_the_station_plays_on(
    audio: Servers, body: str, said: str
) -> None:
    station = next(s for s in audio.context.stations._stations.values() if s.listeners)
    before = station.settings
    status, text = post_bytes(audio, station, body.encode())
    assert status == 400
    assert said in text
    assert station.settings == before
    assert station.restarts == 0
    assert post_bytes(audio, station, b'{"bpm": 99}')[0] == 200


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers with a station that somebody listens to."""
    home = tmp_path_factory.mktemp("audio")
    (home / "models").mkdir()
    shutil.copy(SHIPPED, home / "models")
    servers = Servers(settings(), Paths(home), PageServer)
    listener = raw(port(servers), "/play.wav")
    until(lambda: figures(servers)["listeners"] == 1)
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set() and listener.recv(65536):
            pass

    threading.Thread(target=read, daemon=True).start()
    yield servers
    stop.set()
    servers.close()
    listener.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=4,
)
KEYS = st.sampled_from(["model", "program", "alto", "bpm", "temperature", "volume", "x"])


@hypothesis.settings(max_examples=250, deadline=None)
@given(changes=st.dictionaries(KEYS, JSON, max_size=2) | JSON)
def test_no_json_harms_a_station(audio: Servers, changes: Any) -> None:
    station = next(s for s in audio.context.stations._stations.values() if s.listeners)
    status, _ = post_bytes(audio, station, json.dumps(changes).encode())
    assert status in (200, 400)
    assert station.restarts == 0
    assert station.trouble in ("", "this machine is too busy to keep up")


@hypothesis.settings(max_examples=250, deadline=None)
@given(body=st.binary(max_size=300))
def test_no_bytes_harm_a_station(audio: Servers, body: bytes) -> None:
    station = next(s for s in audio.context.stations._stations.values() if s.listeners)
    assert post_bytes(audio, station, body)[0] in (200, 400)
    assert post_bytes(audio, station, body, "text/plain")[0] == 415
    assert station.restarts == 0


def test_beyond_the_limits_comes_a_polite_503(new_servers: NewServers) -> None:
    servers = new_servers(max_stations=1, max_connections=2)
    first = raw(port(servers), "/play.wav")
    until(lambda: figures(servers)["listeners"] == 1)
    status, headers, data = get(port(servers), "/play.wav")
    assert status == 503
    assert headers["Retry-After"]
    assert "max_stations" in data.decode()
    first.close()


def test_it_says_whether_it_is_ready_or_why_not(
    new_servers: NewServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = new_servers()
    assert get(port(servers), "/ready", None)[::2] == (200, b"ready\n")
    (worker,) = servers.context.stations.workers.links
    model = servers.context.default_settings().model
    monkeypatch.setattr(type(worker), "busy", lambda self, name: 2.0 if name == model else 0.0)
    status, headers, text = get(port(servers), "/ready", None)
    assert status == 503
    assert int(headers["Retry-After"]) > 0
    assert b"no room for one more station" in text
    status, _, text = get(port(servers), "/play.wav")
    assert status == 503
    for path in servers.context.models._paths.models.glob("*.zip"):
        path.unlink()
    assert b"no model yet" in get(port(servers), "/ready", None)[2]


def test_metrics_are_for_prometheus_and_for_those_who_log_in(new_servers: NewServers) -> None:
    servers = new_servers()
    assert get(port(servers), "/metrics", None)[0] == 401
    text = get(port(servers), "/metrics")[2].decode()
    assert re.fullmatch(r"(play_bach_[a-z_]+ [\d.]+\n)+", text)
    assert "play_bach_listeners 0\n" in text
    assert "play_bach_load 0" in text


def test_a_station_just_for_a_player_with_a_login(new_servers: NewServers) -> None:
    servers = new_servers()
    one, two = (raw(port(servers), "/play.mp3") for _ in range(2))
    names = {re.search(rb"X-Station: (\S+)", s.recv(4096))[1] for s in (one, two)}  # type: ignore[index]
    assert len(names) == 2
    name = names.pop().decode()
    answer = post(servers, f"/stations/{name}", {"bpm": 150})
    assert 0 < answer["heard_in"] < 2
    for bad in ({"bpm": 1e6}, {"nonsense": 1}, {"bpm": "fast"}):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            post(servers, f"/stations/{name}", bad)
        assert refusal.value.code == 400
        refusal.value.close()
    one.close()
    two.close()


def post(servers: Servers, path: str, what: Any) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port(servers)}{path}",
        json.dumps(what).encode(),
        {"Authorization": LOGIN, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def test_friends_with_the_link_hear_the_same_station(new_servers: NewServers) -> None:
    servers = new_servers()
    station = opened(servers.context)
    shared = station_link(servers.context, "share", station=station.name)
    status, _, page = get(port(servers), shared, None)
    assert status == 200
    found = re.search(r'"source": "([^"]+)"', page.decode())
    assert found
    source = urllib.parse.urljoin(shared, found[1])
    assert source.startswith("/listen/")
    behind = urllib.parse.urljoin(f"/1{shared}", found[1])  # a proxy that put /1 before it
    assert behind == f"/1{source}"
    friend = raw(port(servers), source, login=None)
    until(lambda: station.listeners == 1)
    until(lambda: servers.context.store.station(station.name) is not None)
    friend.close()
    servers.context.stations.end(station)  # as the server does when it has long been quiet
    assert get(port(servers), source, None)[0] == 200


def test_a_link_to_a_station_that_was_never_heard_and_has_ended(new_servers: NewServers) -> None:
    servers = new_servers()
    station = opened(servers.context)
    path = link(servers, station)
    servers.context.stations.end(station)
    assert get(port(servers), path, None)[0] == 410


def test_keep_that_gives_midi_score_and_sound_of_what_was_heard(new_servers: NewServers) -> None:
    servers = new_servers()
    station = opened(servers.context, bpm=120.0, program=7)
    listener = raw(port(servers), link(servers, station), login=None)
    time.sleep(2.5)
    station.update(bpm=180.0, program=20)
    time.sleep(4)
    path = station_link(servers.context, "keep", recording=servers.context.keep(station))
    listener.close()
    heard = station.heard()
    _, headers, data = get(port(servers), f"{path}/bach.mid", None)
    assert re.fullmatch(r'attachment; filename="[\w .-]+\.mid"', headers["Content-Disposition"])
    midi = mido.MidiFile(file=io.BytesIO(data))
    tempi = [round(mido.tempo2bpm(m.tempo)) for m in midi.tracks[0] if m.type == "set_tempo"]
    programs = [m.program for m in midi.tracks[1] if m.type == "program_change"]
    assert (tempi, programs) == ([120, 180], [6, 19])
    notes = sum(x.seconds for x in heard)
    assert midi.length == pytest.approx(notes, abs=1.5)
    status, _, score = get(port(servers), f"{path}/bach.musicxml", None)
    assert status == 200
    assert b"<score-partwise" in score
    with urllib.request.urlopen(f"http://127.0.0.1:{port(servers)}{path}/bach.wav") as answer:
        sound = answer.read()[44:]
    assert len(sound) / 4 / 44100 == pytest.approx(midi.length + 2, abs=0.5)
    with urllib.request.urlopen(f"http://127.0.0.1:{port(servers)}{path}/bach.mp3") as answer:
        assert answer.headers["Content-Type"] == "audio/mpeg"
        mp3 = answer.read()
    assert len(mp3) / 24_000 == pytest.approx(midi.length + 2, abs=0.7)  # 192 kilobits a second
    assert frame_length(mp3[:4]) > 0
    assert get(port(servers), f"{path}/bach.exe", None)[0] == 404


def test_the_sound_test_is_a_scale(new_servers: NewServers) -> None:
    servers = new_servers()
    path = station_link(servers.context, "scale", program=OCARINA)
    with urllib.request.urlopen(f"http://127.0.0.1:{port(servers)}{path}/scale.wav") as answer:
        pcm = np.frombuffer(answer.read()[44:], "<i2").reshape(-1, 2)
    tones = [strongest(pcm[int((i + 0.2) * 11025) :][:8000]) for i in range(8)]
    assert all(a < b for a, b in pairwise(tones))
    assert tones[7] / tones[0] == pytest.approx(2, rel=0.02)
    data = get(port(servers), f"{path}/scale.mp3", None)[2]
    assert frame_length(data[:4]) > 0


def strongest(pcm: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(pcm.astype(float).mean(1), 1 << 16)).argmax())


def test_nothing_a_client_writes_comes_back_as_html(new_servers: NewServers) -> None:
    servers = new_servers()
    evil = urllib.parse.quote("<script>alert(1)</script>")
    for path in (f"/{evil}", f"/listen/{evil}", f"/share/{evil}", f"/keep/{evil}/{evil}"):
        _, headers, data = get(port(servers), path, None)
        assert headers["Content-Type"].startswith("text/plain")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert b"<script>" not in data
