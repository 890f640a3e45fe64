"""What a listener can do with the music, in a real browser the size of a phone."""

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from live import LOGIN, MODEL, PASSWORD, USER, get, until

from config_bach import Paths
from storage.bundle import Bundle
from storage.catalog import path_of
from stream.server import Servers
from stream.station import Station

from .conftest import choose, port, touch, visit

pytestmark = pytest.mark.slow

NewServers = Callable[..., Servers]
VOICES = ("soprano", "alto", "tenor", "bass")


def stations(servers: Servers) -> list[Station]:
    return list(servers.context.stations._stations.values())


def said(ask: Callable[[str], Any], words: str) -> None:
    until(lambda: words in ask("document.getElementById('hint').textContent"))


def test_each_voice_can_be_turned_off_turned_down_and_placed(
    phone: Any, new_servers: NewServers, equipped: Paths, satb_bundle: tuple[Bundle, Paths]
) -> None:
    bundle, paths = satb_bundle
    shutil.copy(path_of(bundle.name, paths), path_of(bundle.name, equipped))
    servers = new_servers()
    ask = visit(phone, servers)
    (station,) = stations(servers)
    choose(phone, "model", MODEL)
    until(lambda: ask("document.getElementById('bass-on').offsetParent === null"))
    choose(phone, "model", bundle.name)
    until(lambda: ask("document.getElementById('bass-on').offsetParent !== null"))
    choose(phone, "bass_volume", "0.6")
    said(ask, "The bass will be heard")
    until(lambda: station.settings.bass_volume == 0.6)
    touch(phone, "bass-on")
    until(lambda: station.settings.bass_volume == 0)
    assert ask("document.getElementById('bass-on').getAttribute('aria-pressed')") == "false"
    assert ask("document.getElementById('alto-on').getAttribute('aria-pressed')") == "true"
    touch(phone, "bass-on")
    until(lambda: station.settings.bass_volume == 0.6)
    older = "{start: null, notes: [], settings: {...bach.settings, bass_volume: 0}, heard: '0'}"
    shown = "document.getElementById('bass_volume').value"
    assert ask(f"(bach.request({{what: 'here'}}), bach.news({older}), {shown})") == "0.6"
    assert ask("document.getElementById('bass-on').getAttribute('aria-pressed')") == "true"
    choose(phone, "tenor_pan", "-0.5")
    until(lambda: station.settings.tenor_pan == -0.5)
    until(lambda: ask("document.getElementById('tenor_pan-value').textContent") == "50 % left")
    for name in (*(f"{v}-on" for v in VOICES), "new", "back"):
        box = ask(f"document.getElementById('{name}').getBoundingClientRect().toJSON()")
        assert box["height"] >= 44, name
        assert box["width"] >= 44, name
    station.update(alto_volume=0.0)  # by somebody else
    until(lambda: ask("document.getElementById('alto-on').getAttribute('aria-pressed')") == "false")
    assert ask("document.documentElement.scrollWidth") <= 375
    assert [x for x in phone.get_log("browser") if x["level"] == "SEVERE"] == []


def test_key_and_room_are_chosen(phone: Any, new_servers: NewServers) -> None:
    servers = new_servers()
    ask = visit(phone, servers)
    (station,) = stations(servers)
    assert ask("document.getElementById('key').options.length") == 1 + 3 * 12
    choose(phone, "key", "F# minor")
    said(ask, "The key")
    until(lambda: station.settings.scale == "F# minor")
    choose(phone, "room", "0.9")
    until(lambda: station.settings.room == 0.9)
    assert ask("document.getElementById('room-value').textContent") == "90 %"
    station.update(scale="C D E G A")
    until(lambda: ask("document.getElementById('key').value") == "C D E G A")
    choose(phone, "key", "")
    until(lambda: station.settings.scale == "")


def test_every_key_of_the_list_is_understood() -> None:
    from gui.listening import DORIAN_KEYS, MAJOR_KEYS, MINOR_KEYS
    from music.scales import scale_of

    for mode, tonics in zip(
        ("major", "minor", "dorian"), (MAJOR_KEYS, MINOR_KEYS, DORIAN_KEYS), strict=True
    ):
        assert len({scale_of(f"{tonic} {mode}") for tonic in tonics}) == 12


def test_a_new_piece_and_back_and_a_link_to_it(phone: Any, new_servers: NewServers) -> None:
    servers = new_servers()
    ask = visit(phone, servers)
    (station,) = stations(servers)
    first = station.seed
    seed = "document.getElementById('seed').textContent"
    until(lambda: ask(seed) == str(first))
    choose(phone, "bpm", "240")
    touch(phone, "play")
    until(lambda: ask("document.getElementById('audio').currentTime > 1"))
    events = [x.event for x in station.news(0)]
    touch(phone, "new")
    said(ask, "The new piece will be heard in")
    until(lambda: station.seed != first)
    until(lambda: ask(seed) == str(station.seed))
    touch(phone, "back")
    said(ask, "The beginning will be heard in")
    until(lambda: station.seed == first)
    until(lambda: ask(seed) == str(first))
    link = ask("document.getElementById('piece').href")
    assert link.startswith(f"http://127.0.0.1:{port(servers)}/?piece={first}&model=other2_nc_mo%3A")
    touch(phone, "play")
    phone.get(link.replace("http://", f"http://{USER}:{PASSWORD.replace(' ', '%20')}@"))
    until(lambda: ask("!!bach.links.listen"))
    assert ask("location.search") == ""  # loaded anew it is the same station
    (second,) = [x for x in stations(servers) if x is not station]
    assert second.settings.bpm == 240
    touch(phone, "play")
    until(lambda: len(second.news(0, 999)) >= min(len(events), 12))
    count = len(second.news(0, 999))
    assert [x.event for x in second.news(0, 999)][: len(events)] == events[:count]
    phone.refresh()
    until(lambda: ask("!!bach.links.listen"))
    assert len(stations(servers)) == 2


def test_a_link_that_is_wrong_says_so_and_costs_no_page(new_servers: NewServers) -> None:
    servers = new_servers()
    status, _, text = get(port(servers), "/?piece=1&model=none")
    assert (status, text) == (400, b"there is no such model; choose one of the list.\n")
    status, _, text = get(port(servers), "/?piece=<script>")
    assert status == 400
    assert b"copy all of it" in text
    assert stations(servers) == []
    assert get(port(servers), "/?piece=1&model=none", None)[0] == 401
    _, headers, _ = get(port(servers), f"/?piece=1&model={MODEL}", LOGIN)
    cookie = headers["Set-Cookie"].partition(";")[0]
    _, headers, _ = get(port(servers), f"/?piece=2&model={MODEL}", LOGIN, Cookie=cookie)
    assert [x.seed for x in stations(servers)] == [1, 2]
    assert headers["Set-Cookie"].partition(";")[0].count(".") == 1
    assert json.dumps([x.piece.seed for x in stations(servers)]) == "[1, 2]"
