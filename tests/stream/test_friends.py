"""What friends are told of a station, and at what cost."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from live import get, hear, opened, until

from stream.app import station_link
from stream.context import ServerContext
from stream.friends import FRESH, MOST, News
from stream.server import Servers
from stream.station import Station
from stream.texts import ENGLISH, texts

pytestmark = pytest.mark.slow

NewServers = Callable[..., Servers]


@pytest.fixture
def playing(new_context: Callable[..., ServerContext]) -> Iterator[tuple[ServerContext, Station]]:
    """A station that somebody has listened to for two seconds, and still does."""
    context = new_context()
    station = opened(context, bpm=240)
    listener = context.stations.join(station, "wav", "owner")
    hear(listener, 2)
    yield context, station
    station.leave(listener)


def test_however_many_ask_a_station_is_looked_at_four_times_a_second(
    playing: tuple[ServerContext, Station], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, station = playing
    looks: list[int] = []
    told = Station.news

    def look(self: Station, *args: int) -> Any:
        looks.append(1)
        return told(self, *args)

    monkeypatch.setattr(Station, "news", look)
    now = [100.0]
    monkeypatch.setattr("stream.friends.time.monotonic", lambda: now[0])
    news = News(context)
    for _ in range(300):
        news.of(station, ENGLISH)
    assert len(looks) == 1
    now[0] += FRESH
    for _ in range(300):
        news.of(station, ENGLISH)
    assert len(looks) == 2
    assert 0 < len(news.of(station, ENGLISH)["notes"]) <= MOST


def test_the_title_is_that_of_the_settings_and_in_the_language_of_the_friend(
    playing: tuple[ServerContext, Station], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, station = playing
    now = [100.0]
    monkeypatch.setattr("stream.friends.time.monotonic", lambda: now[0])
    news = News(context)
    assert news.of(station, ENGLISH)["title"].startswith("Notes and chords, after Bach's chorales")
    assert news.of(station, texts("fr"))["title"].startswith("Notes et accords, d")
    station.settings = replace(station.settings, program=20)
    now[0] += FRESH
    assert news.of(station, ENGLISH)["title"].endswith("(Church Organ)")
    now[0] += 100
    news.of(station, ENGLISH)
    assert len(news._told) == 1  # what nobody asks for is forgotten


def test_news_need_their_own_link_and_tell_what_is_new(new_servers: NewServers) -> None:
    servers = new_servers()
    port = servers.context.server.flask_port
    station = opened(servers.context)

    def asked(after: Any = 0, **claims: str) -> dict[str, Any]:
        link = station_link(servers.context, "news", station=station.name, **claims)
        status, _, body = get(port, f"{link}?after={after}", None)
        assert status == 200
        return dict(json.loads(body))

    assert asked(name="x")["resting"]
    owner = servers.context.stations.join(station, "wav", "me")
    until(lambda: asked(name="x")["notes"])
    friend = servers.context.stations.join(station, "wav", "x")
    latest = asked(name="x", owner="me")
    assert latest["owner"] is True
    assert latest["start"] is not None
    number, onset, seconds, pitches, voices, cadence = latest["notes"][0]
    assert (voices, cadence) == ([], "")  # the model tells no voices apart
    played = station.news(0)[0]
    assert (number, pitches) == (played.number, list(played.event.pitches))
    assert (onset, seconds) == pytest.approx((played.onset / 44100, played.seconds), abs=0.001)
    assert asked(latest["last"], name="x")["notes"][:1] != latest["notes"][:1]
    assert asked("nonsense", name="y")["notes"][0] == latest["notes"][0]
    assert asked(name="y")["start"] is None
    assert asked(name="y")["owner"] is None  # links of before do not say who shared them
    station.leave(owner)
    assert asked(name="x", owner="me")["owner"] is False
    station.leave(friend)
    share = station_link(servers.context, "share", station=station.name).split("/")[2]
    assert get(port, f"/news/{share}", None)[0] == 403
    servers.context.stations.end(station)


def test_the_page_may_load_nothing_from_elsewhere(new_servers: NewServers) -> None:
    servers = new_servers()
    link = station_link(servers.context, "share", station=opened(servers.context).name)
    port = servers.context.server.flask_port
    rules = [get(port, link, None)[1]["Content-Security-Policy"] for _ in range(2)]
    assert rules[0] != rules[1]  # a nonce is used once
    told = dict(rule.strip().split(" ", 1) for rule in rules[0].split(";"))
    assert told["default-src"] == "'none'"
    assert "unsafe" not in rules[0]
    assert told["script-src"].startswith("'nonce-")
