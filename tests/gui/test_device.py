"""What the listener's device does: memory, sleep, waking up, keys, the lock screen, moods."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from live import OTHER, until

from config_bach import Paths
from gui.moods import MOODS
from stream.player_settings import PlayerSettings
from stream.server import Servers
from stream.station import Station

from .conftest import choose, touch, visit

NewServers = Callable[..., Servers]
PLAYS = (
    "document.getElementById('audio').currentTime > 0.5 && !document.getElementById('audio').paused"
)
CODES: dict[str, tuple[str, int]] = {" ": ("Space", 32), "m": ("KeyM", 77)}
HINT = "document.getElementById('hint').textContent"


def the_station(servers: Servers) -> Station:
    """The only one, or the latest."""
    return list(servers.context.stations._stations.values())[-1]


@pytest.mark.parametrize("name", MOODS)
def test_moods_are_settings_within_their_ranges(name: str) -> None:
    settings = PlayerSettings("x", **MOODS[name])  # raises UserError out of range
    assert settings.to_json() == {**PlayerSettings("x").to_json(), **MOODS[name]}
    assert {"program", "bpm", "temperature", "alto", "tenor", "bass"} == set(MOODS[name])


@pytest.mark.slow
def test_a_mood_is_one_tap_and_marked_until_something_is_changed(
    phone: Any, new_servers: NewServers
) -> None:
    servers = new_servers()
    ask = visit(phone, servers)
    pressed = "[...document.querySelectorAll('.mood[aria-pressed=true]')].map((x) => x.id)"
    until(lambda: ask("bach.settings.bpm > 0"))
    assert ask(pressed) == []
    touch(phone, "mood_box")
    until(lambda: ask(pressed) == ["mood_box"])
    assert the_station(servers).settings.to_json().items() >= MOODS["mood_box"].items()
    choose(phone, "bpm", "200")
    until(lambda: ask(pressed) == [])
    phone.execute_script("bach.request({what: 'settings', bpm: 9999, program: 20})")
    until(lambda: "9999" in ask(HINT))
    assert the_station(servers).settings.program == MOODS["mood_box"]["program"]


@pytest.mark.slow
def test_a_new_session_begins_with_what_the_listener_had(
    phone: Any, new_servers: NewServers, equipped: Paths
) -> None:
    servers = new_servers()
    ask = visit(phone, servers)
    until(lambda: ask("bach.settings.bpm > 0"))
    assert ask("localStorage.length") == 0  # what nobody chose is not remembered
    choose(phone, "model", OTHER)
    choose(phone, "bpm", "77")
    choose(phone, "program", "20")
    choose(phone, "format", "wav")
    until(lambda: ask("bach.remembered().bpm == 77 && bach.remembered().program == 20"))
    (equipped.models / f"{OTHER}.zip").unlink()  # and one of these cannot be had any more
    phone.delete_all_cookies()
    phone.execute_script("sessionStorage.clear()")
    ask = visit(phone, servers)
    until(lambda: ask("bach.settings.bpm == 77 && bach.settings.program == 20"))
    assert ask("bach.settings.model") != OTHER
    assert ask("bach.kind") == ask("document.getElementById('format').value") == "wav"
    assert len(servers.context.stations._stations) == 2
    phone.execute_script("localStorage.play_bach = 'nonsense{'")
    phone.delete_all_cookies()
    phone.execute_script("sessionStorage.clear()")
    ask = visit(phone, servers)
    until(lambda: ask("bach.settings.bpm > 0"))
    assert ask("bach.settings.bpm") != 77
    phone.execute_script("localStorage.clear()")


@pytest.mark.slow
def test_the_sleep_timer_fades_and_stops_and_can_be_cancelled(
    phone: Any, new_servers: NewServers
) -> None:
    servers = new_servers()
    ask = visit(phone, servers)
    touch(phone, "play")
    until(lambda: ask(PLAYS))
    choose(phone, "sleep", "15")
    assert ask("document.getElementById('sleep-left').textContent") in ("15:00", "14:59")
    phone.execute_script("bach.sleepAt = Date.now() + 10000")
    until(lambda: 0 < ask("document.getElementById('audio').volume") < 0.5)
    choose(phone, "sleep", "0")
    assert ask("document.getElementById('audio').volume") == 1
    choose(phone, "sleep", "30")
    phone.execute_script("bach.sleepAt = Date.now() + 500")
    until(lambda: the_station(servers).listeners == 0)
    assert "Good night" in ask(HINT)
    assert ask("document.getElementById('sleep').value") == "0"
    assert ask("document.getElementById('audio').volume") == 1


def press_key(phone: Any, key: str) -> None:
    """Press a key, wherever the focus is."""
    for kind in ("keyDown", "keyUp"):
        code: dict[str, Any] = {
            "key": key,
            "text": key if kind == "keyDown" else "",
            "code": CODES[key][0],
        }
        code["windowsVirtualKeyCode"] = CODES[key][1]
        phone.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": kind, **code})


@pytest.mark.slow
def test_keys_play_stop_and_mute_where_no_control_has_them(
    phone: Any, new_servers: NewServers
) -> None:
    ask = visit(phone, new_servers())
    press = functools.partial(press_key, phone)
    press(" ")
    assert ask("bach.wanted")
    press("m")
    assert ask("document.getElementById('audio').muted")
    assert ask("document.getElementById('mute').getAttribute('aria-pressed')") == "true"
    press(" ")
    assert not ask("bach.wanted")
    phone.execute_script("document.getElementById('program').focus()")
    press("m")  # looks for an instrument
    assert ask("document.getElementById('audio').muted")
    phone.execute_script("document.getElementById('mute').focus()")
    press(" ")  # presses the button
    assert not ask("document.getElementById('audio').muted")
    assert not ask("bach.wanted")


@pytest.mark.slow
def test_the_lock_screen_says_what_plays_and_has_the_buttons(
    phone: Any, new_servers: NewServers
) -> None:
    servers = new_servers()
    ask = visit(phone, servers)
    choose(phone, "program", "20")
    until(lambda: ask("navigator.mediaSession.metadata?.album") == "Church Organ")
    told = "(({title, artist, artwork}) => [title, artist, artwork.length])"
    title, artist, artwork = ask(f"{told}(navigator.mediaSession.metadata)")
    assert title.startswith("Notes and chords, after Bach's chorales")
    assert (artist, artwork) == ("Play Bach", 2)
    phone.execute_script("bach.actions.play()")
    until(lambda: ask(PLAYS))
    assert ask("navigator.mediaSession.playbackState") == "playing"
    phone.execute_script(
        "bach.asked = []; bach.request = (x) => bach.asked.push(x.what);"
        "bach.actions.nexttrack(); bach.actions.previoustrack(); bach.actions.pause();"
    )
    assert ask("bach.asked") == ["new", "back"]
    assert ask("document.getElementById('audio').paused")
    assert ask("document.getElementById('audio').src.length") > 0  # or its button would vanish
    assert ask("navigator.mediaSession.playbackState") == "paused"
    phone.execute_script("bach.actions.play()")
    until(lambda: ask(PLAYS))
    phone.execute_script("bach.actions.stop()")
    until(lambda: the_station(servers).listeners == 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "event",
    [
        "document.getElementById('audio').pause(); window.dispatchEvent(new Event('online'))",
        "document.getElementById('audio').pause();"
        "document.dispatchEvent(new Event('visibilitychange'))",
        "bach.ticked -= 60000",  # the device has slept for a minute
        "bach.behind = () => (tuned ? 0 : 60)",  # what is heard was composed a minute ago
    ],
)
def test_after_sleep_the_sound_goes_on_live_and_the_page_says_so(
    phone: Any, new_servers: NewServers, event: str
) -> None:
    servers = new_servers()
    ask = visit(phone, servers)
    touch(phone, "play")
    until(lambda: ask("document.getElementById('audio').currentTime > 1.5"))
    until(lambda: ask("bach.start !== null"))
    phone.execute_script(
        "window.tuned = 0; const old = bach.tune; bach.tune = () => { tuned++; old(); }"
    )
    phone.execute_script(event)
    until(lambda: ask("tuned") == 1)
    until(lambda: "the music goes on" in ask(HINT))
    assert ask(PLAYS)
    assert ask("bach.behind()") < 15
    touch(phone, "play")
    phone.execute_script("window.dispatchEvent(new Event('online'))")
    assert ask("tuned") == 1  # who has stopped it wants quiet


@pytest.mark.slow
def test_when_there_is_no_room_the_page_says_so(phone: Any, new_servers: NewServers) -> None:
    servers = new_servers(max_stations=1)
    other = servers.context.stations.open(servers.context.default_settings())
    listener = servers.context.stations.join(other, "wav")
    ask = visit(phone, servers)
    touch(phone, "play")
    until(lambda: "stations (max_stations) are taken" in ask(HINT))
    other.leave(listener)
    until(lambda: ask(PLAYS), 10)  # it had tried again
