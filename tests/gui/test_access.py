"""Everybody can use the page: on screens of any size, in the dark, by keyboard, with a screen reader."""

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live import opened, until

from stream.app import station_link
from stream.server import Servers

from .conftest import touch, visit

pytestmark = pytest.mark.slow

NewServers = Callable[..., Servers]
SCREENS = [(320, 568), (375, 812), (812, 375), (820, 1180), (1440, 900)]


def axe() -> str:
    """axe-core, which knows the rules of WCAG."""
    found = importlib.util.find_spec("axe_playwright_python")
    assert found
    assert found.origin
    return (Path(found.origin).parent / "axe.min.js").read_text("utf-8")


def violations(phone: Any) -> list[str]:
    """What axe-core has to say of the page."""
    phone.execute_script(axe())
    found = phone.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    return [
        f"{v['id']}: {v['help']}: {[n['target'] for n in v['nodes'][:3]]}"
        for v in found["violations"]
    ]


@pytest.fixture
def screen(phone: Any) -> Any:
    """Sets size and colours of the screen; they are as before afterwards."""

    def change(size: tuple[int, int], colours: str = "light") -> None:
        wide, high = size
        told = {"width": wide, "height": high, "deviceScaleFactor": 1, "mobile": wide < 1000}
        phone.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)
        scheme = [{"name": "prefers-color-scheme", "value": colours}]
        phone.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        time.sleep(0.3)

    yield change
    phone.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    change((375, 812))


def test_axe_finds_nothing_on_any_screen_in_light_and_dark(
    phone: Any, new_servers: NewServers, screen: Any
) -> None:
    ask = visit(phone, new_servers())
    touch(phone, "play")
    until(lambda: ask("document.querySelectorAll('#bars li em').length") == 5)
    for size in SCREENS:
        for colours in ("light", "dark"):
            screen(size, colours)
            assert violations(phone) == [], (size, colours)


@pytest.mark.parametrize("size", SCREENS)
def test_play_is_in_sight_and_nothing_sticks_out(
    phone: Any, new_servers: NewServers, screen: Any, size: tuple[int, int]
) -> None:
    ask = visit(phone, new_servers())
    screen(size)
    place = ask("document.getElementById('play').getBoundingClientRect().toJSON()")
    assert place["top"] >= 0
    assert place["bottom"] <= size[1] if size[1] > 400 else place["bottom"] <= size[1] + 1
    assert ask("document.documentElement.scrollWidth") <= size[0]
    roll = ask("document.getElementById('roll').getBoundingClientRect().toJSON()")
    assert roll["height"] >= 100
    if size[0] > 1000:  # the screen is used: the roll wide, the controls beside it
        assert roll["width"] > 600
        station = ask("document.getElementById('station').getBoundingClientRect().toJSON()")
        assert station["left"] > roll["right"]
        assert station["top"] < roll["bottom"]


def test_all_controls_have_names_and_are_large_enough_for_a_finger(
    phone: Any, new_servers: NewServers
) -> None:
    visit(phone, new_servers())
    tree = phone.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    names = {
        n["name"]["value"] for n in tree if n.get("role", {}).get("value") in ("slider", "combobox")
    }
    assert {"Tempo", "Temperature", "Volume"} <= names
    assert all(names)
    phone.execute_script("for (const x of document.querySelectorAll('details')) x.open = true")
    assert unnamed_or_small(phone) == []


def unnamed_or_small(phone: Any) -> list[str]:
    """What a finger cannot hit, or the keyboard or a screen reader cannot find."""
    found: list[str] = phone.execute_script(
        "return [...document.querySelectorAll('button, select, input, summary, a.chip')]"
        ".filter((x) => x.offsetParent && (x.getBoundingClientRect().height < 44"
        " || x.getBoundingClientRect().width < 44 || x.tabIndex < 0)).map((x) => x.outerHTML)"
    )
    tree = phone.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = ("button", "slider", "combobox", "link", "DisclosureTriangle")
    controls = [n for n in tree if n.get("role", {}).get("value") in roles]
    return found + [str(n) for n in controls if not n.get("name", {}).get("value")]


def test_where_motion_is_unwanted_nothing_moves_but_the_line(
    phone: Any, new_servers: NewServers
) -> None:
    reduced = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    ask = visit(phone, new_servers())
    lines = (
        "(() => { const seen = []; bach.roll.lines = (g, w, h, place) => seen.push(place.x(0));"
        "for (const at of [8, 9, 10]) bach.roll.draw([], at); delete bach.roll.lines;"
        "return new Set(seen).size })()"
    )
    assert ask(lines) == 3  # the notes pass
    phone.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": reduced})
    assert ask(lines) == 1  # they stand, for seven seconds at a time
    touch(phone, "play")
    assert ask("getComputedStyle(document.getElementById('play')).animationName") == "none"
    phone.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_play_and_sliders_answer_to_the_keyboard(phone: Any, new_servers: NewServers) -> None:
    from selenium.webdriver.common.keys import Keys

    servers = new_servers()
    ask = visit(phone, servers)
    until(lambda: ask("document.getElementById('bpm').value > 0"))
    before = float(ask("document.getElementById('bpm').value"))
    phone.find_element("id", "bpm").send_keys(Keys.ARROW_RIGHT)
    until(
        lambda: any(
            s.settings.bpm == before + 1 for s in servers.context.stations._stations.values()
        )
    )
    assert "BPM" in ask("document.getElementById('bpm').getAttribute('aria-valuetext')")
    phone.find_element("id", "play").send_keys(Keys.ENTER)
    until(lambda: ask("document.getElementById('play').getAttribute('aria-label')") == "Stop")


def test_the_page_of_friends_is_for_everybody_too(
    phone: Any, new_servers: NewServers, screen: Any
) -> None:
    servers = new_servers()
    link = station_link(servers.context, "share", station=opened(servers.context).name)
    phone.get(f"http://127.0.0.1:{servers.context.server.flask_port}{link}")
    for size in SCREENS:
        screen(size)
        assert violations(phone) == [], size
        place = phone.execute_script(
            "return document.getElementById('play').getBoundingClientRect()"
        )
        assert place["bottom"] <= size[1]
        assert phone.execute_script("return document.documentElement.scrollWidth") <= size[0]
        assert unnamed_or_small(phone) == []
    touch(phone, "play")
    until(lambda: "You hear" in phone.find_element("id", "state").text)


def test_when_the_server_is_gone_the_page_says_so(phone: Any, new_servers: NewServers) -> None:
    servers = new_servers()
    ask = visit(phone, servers)
    servers.close()
    until(lambda: "trying again" in ask("document.getElementById('state').textContent"))
