"""The page of friends, in a real browser."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from live import get, opened, raw, until

from stream.app import station_link
from stream.server import Servers

from .conftest import choose, touch

pytestmark = pytest.mark.slow

NewServers = Callable[..., Servers]
STATE = "document.getElementById('state').textContent"
PLAYS = (
    "document.getElementById('audio').currentTime > 0.5 && !document.getElementById('audio').paused"
)
INK = """(() => {
  const c = document.getElementById('roll');
  const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let bright = 0;
  for (let i = 0; i < data.length; i += 4) bright += data[i] > 200 && data[i + 3] > 128;
  return bright;
})()"""


def test_friends_see_what_plays_and_are_told_when_the_owner_stops(
    phone: Any, new_servers: NewServers
) -> None:
    servers = new_servers()
    context, station = servers.context, opened(servers.context, program=20)
    audio = context.server.flask_port
    link = station_link(context, "share", station=station.name, owner="me")
    phone.get(f"http://127.0.0.1:{audio}{link}")

    def ask(script: str) -> Any:
        return phone.execute_script(f"return {script}")

    until(lambda: "Nobody is listening" in ask(STATE))
    mine = station_link(context, "listen", station=station.name, name="me")
    owner = raw(audio, f"{mine}/bach.mp3", login=None)
    until(lambda: "Your friend is listening now" in ask(STATE))
    assert ask(INK) == 0
    touch(phone, "play")
    until(lambda: ask(PLAYS))
    until(lambda: "You hear what your friend hears" in ask(STATE))
    assert ask("document.getElementById('title').textContent").endswith("(Church Organ)")
    until(lambda: ask(INK) > 50, 10)  # the notes are drawn
    assert ask("notes.length") > 0
    heard = ask("told.start + audio.currentTime")
    assert abs(heard - station._clock() / 44100) < 3  # in time with the sound
    choose(phone, "volume", "0.25")
    assert ask("document.getElementById('audio').volume") == 0.25
    owner.close()
    for x in [x for x in station._listeners if x.name == "me"]:
        station.leave(x)
    until(lambda: "Your friend has stopped" in ask(STATE))
    assert ask(PLAYS)
    errors = [x for x in phone.get_log("browser") if x["level"] == "SEVERE"]
    assert errors == []  # its rules of security forbid nothing that it needs


def test_friends_are_told_when_the_station_has_ended_and_when_it_goes_on(
    phone: Any, new_servers: NewServers
) -> None:
    servers = new_servers()
    context, station = servers.context, opened(servers.context)
    link = station_link(context, "share", station=station.name)
    phone.get(f"http://127.0.0.1:{context.server.flask_port}{link}")
    touch(phone, "play")
    until(lambda: phone.execute_script(f"return {PLAYS}"))
    until(lambda: context.store.station(station.name) is not None)
    get_station = context.stations.get
    context.stations.get = lambda name: None  # type: ignore[method-assign]
    context.stations.end(station)
    until(lambda: "has ended" in phone.find_element("id", "state").text)
    assert phone.execute_script("return !on")
    context.stations.get = get_station  # type: ignore[method-assign]
    until(lambda: "Nobody is listening just now" in phone.find_element("id", "state").text)
    touch(phone, "play")
    until(lambda: phone.execute_script(f"return {PLAYS}"))


def test_old_links_say_so(phone: Any, new_servers: NewServers) -> None:
    servers = new_servers()
    context, station = servers.context, opened(servers.context)
    link = station_link(context, "share", station=station.name)
    phone.get(f"http://127.0.0.1:{context.server.flask_port}{link}")
    until(lambda: "Nobody" in phone.find_element("id", "state").text)
    context.links.clock = lambda: time.time() + 90_000
    until(lambda: "link is too old" in phone.find_element("id", "state").text)
    assert get(context.server.flask_port, link, None)[0] == 403
