"""Radio apps: playlists that open, and titles within the sound that leave the sound as it is."""

import configparser
import re
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from live import LOGIN, OTHER, get, opened, until

from config_bach import UserError
from stream.app import station_link
from stream.mp3 import frame_length
from stream.radio import METAINT, address_of, title_block, titled
from stream.server import Servers
from stream.settings import Server
from stream.station import Station

NewServers = Callable[..., Servers]
TITLE = "Notes and chords, after Bach's chorales"


def link(servers: Servers, station: Station) -> str:
    return station_link(servers.context, "listen", station=station.name)


def port(servers: Servers) -> int:
    return servers.context.server.flask_port


def separated(data: bytes, every: int) -> tuple[bytes, list[str]]:
    """What a radio app makes of a stream: the sound, and the titles that came, '' for no news."""
    sound, titles, place = b"", [], 0
    while place < len(data):
        sound += data[place : place + every]
        place += every
        if place < len(data):
            length = 16 * data[place]
            block = data[place + 1 : place + 1 + length].rstrip(b"\0").decode()
            titles.append(re.fullmatch(r"StreamTitle='(.*?)';", block)[1] if block else "")  # type: ignore[index]
            place += 1 + length
    return sound, titles


@given(
    st.lists(st.binary(max_size=90)), st.integers(1, 40), st.lists(st.text("ab'; ü♯", max_size=9))
)
def test_the_sound_is_what_it_was(pieces: list[bytes], every: int, names: list[str]) -> None:
    coming = iter(names)
    data = b"".join(titled(pieces, lambda: next(coming, "end"), every))
    whole = b"".join(pieces)
    sound, titles = separated(data, every)
    assert sound == whole
    assert len(titles) == len(whole) // every


@given(st.text())
@example(";")
@example("';")
def test_any_title_is_one_block(title: str) -> None:
    block = title_block("".join(c for c in title if c.isprintable()) * 50)
    assert len(block) == 1 + 16 * block[0]
    text = block[1:].rstrip(b"\0").decode()
    assert text.index("';") == len(text) - 2


def test_a_title_is_told_again_only_when_it_has_changed() -> None:
    names = iter(["one", "one", "two", "two"])
    _, titles = separated(b"".join(titled([b"x" * 45], lambda: next(names), 10)), 10)
    assert titles == ["one", "", "two", ""]


HOSTS = [
    ({}, "192.168.1.5:8801", "http://192.168.1.5:8801"),
    ({}, "bach.example", "http://bach.example"),
    ({}, "[2001:db8::5]:8801", "http://[2001:db8::5]:8801"),
    ({"dns": "my-house.example"}, "evil.example", "http://my-house.example:8801"),
    ({"dns": "2001:db8::5"}, "", "http://[2001:db8::5]:8801"),
    ({"sound_url": "https://bach.example/1"}, "evil.example", "https://bach.example/1"),
]


@pytest.mark.parametrize(("settings", "host", "address"), HOSTS)
def test_a_playlist_names_the_host_that_the_client_can_reach(
    settings: dict[str, Any], host: str, address: str
) -> None:
    assert address_of(Server(password="x", **settings), host) == address


@pytest.mark.parametrize(
    "host", ["", "a b", "a/b", "a@b", "a\n#x", "a:port", "-a", "a" * 300, "[x]", "a?b", "ä.example"]
)
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(UserError, match="set dns in play_bach"):
        address_of(Server(password="x"), host)


@pytest.mark.slow
def test_playlists_lead_to_the_sound(new_servers: NewServers) -> None:
    servers = new_servers()
    path = link(servers, opened(servers.context))
    source = f"http://127.0.0.1:{port(servers)}{path}/bach.mp3"
    status, headers, data = get(port(servers), f"{path}/bach.m3u", None)
    assert (status, headers["Content-Type"]) == (200, "audio/x-mpegurl")
    assert data.decode().splitlines() == ["#EXTM3U", f"#EXTINF:-1,Play Bach: {TITLE}", source]
    status, headers, data = get(port(servers), f"{path}/bach.pls", None)
    assert (status, headers["Content-Type"]) == (200, "audio/x-scpls")
    listed = configparser.ConfigParser(interpolation=None)
    listed.read_string(data.decode())
    told = listed["playlist"]
    assert (told["file1"], told["title1"]) == (source, f"Play Bach: {TITLE}")
    assert (told["numberofentries"], told["length1"], told["version"]) == ("1", "-1", "2")
    with urllib.request.urlopen(source, timeout=10) as answer:
        assert frame_length(answer.read(4)) > 0
    assert get(port(servers), f"{path}/bach.m3u", None, Host="a/b")[0] == 400
    assert get(port(servers), "/listen/forged/bach.m3u", None)[0] == 403


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers", [{}, {"Icy_MetaData": "0"}, {"Icy_MetaData": "1", "Range": "bytes=0-9999"}]
)
def test_who_does_not_ask_for_titles_gets_none(
    new_servers: NewServers, headers: dict[str, str]
) -> None:
    servers = new_servers()
    path = link(servers, opened(servers.context))
    status, told, data = get(port(servers), f"{path}/bach.mp3", None, 3 * METAINT, **headers)
    assert status in (200, 206)
    assert not [name for name in told if name.lower().startswith("icy-")]
    assert frames(data) == data
    told = get(port(servers), f"{path}/bach.wav", None, 100, Icy_MetaData="1")[1]
    assert "icy-metaint" not in told


def frames(data: bytes) -> bytes:
    """The MP3 frames that data begins with, the last of them perhaps cut off."""
    place = 0
    while place + 4 <= len(data) and (length := frame_length(data[place : place + 4])):
        place += length
    return data[: max(place, len(data) - 3)]


@pytest.mark.slow
def test_titles_say_model_and_instrument_and_follow_changes(new_servers: NewServers) -> None:
    servers = new_servers()
    station = opened(servers.context, program=20)
    source = f"http://127.0.0.1:{port(servers)}{link(servers, station)}/bach.mp3"
    request = urllib.request.Request(source, headers={"Icy-MetaData": "1"})
    with urllib.request.urlopen(request, timeout=10) as stream:
        assert stream.headers["icy-name"] == f"Play Bach: {TITLE}"
        assert stream.headers["icy-br"] == "320"
        every = int(stream.headers["icy-metaint"])
        sound, titles = read(stream, every, 3)
        assert titles == [f"{TITLE} (Church Organ)", "", ""]
        station.update(program=53)
        begun = time.monotonic()
        while not titles[-1] and time.monotonic() - begun < 4:
            more, titles = read(stream, every, 1)
            sound += more
        assert titles == [f"{TITLE} (Choir Aahs)"]
        station.update(model=OTHER)
        more, titles = read(stream, every, 10)
    assert frames(sound + more) == sound + more  # not one byte of the sound is missing


def read(stream: Any, every: int, blocks: int) -> tuple[bytes, list[str]]:
    """So many blocks of sound, and the titles after each."""
    data = b""
    for _ in range(blocks):
        data += stream.read(every) + (unit := stream.read(1)) + stream.read(16 * unit[0])
    return separated(data, every)


@pytest.mark.slow
def test_a_player_with_a_login_has_titles_too(new_servers: NewServers) -> None:
    servers = new_servers()
    headers = get(port(servers), "/play.mp3", LOGIN, 100, Icy_MetaData="1")[1]
    assert headers["icy-metaint"] == str(METAINT)
    until(lambda: not any(s.listeners for s in servers.context.stations._stations.values()))
