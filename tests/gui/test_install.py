"""The page can be installed as an app: its manifest and icons, and what a real Chromium says of them."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from live import get, raw
from PIL import Image

from gui.assets import ICONS, MANIFEST
from stream.server import Servers

from .conftest import port, visit

pytestmark = pytest.mark.slow

NewServers = Callable[..., Servers]


def test_icons_need_no_login_and_nothing_else_comes_without_one(new_servers: NewServers) -> None:
    servers = new_servers()
    for path, kind in ICONS.items():
        status, headers, body = get(port(servers), path, None)
        assert (status, headers["Content-Type"]) == (200, kind), path
        if kind == "image/png":
            wide, high = Image.open(io.BytesIO(body)).size
            assert wide == high
            assert str(wide) in path or wide in (180, 512)
    for path in (MANIFEST, "/icon.svg/..", "/icon.svg?x", "/ICON.svg", "/page.py"):
        assert get(port(servers), path, None)[0] == 401, path
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==")
    with raw(port(servers), "/icon.svg", *upgrade, login=None) as s:
        assert b" 401 " in s.recv(4096)
    for path in ("/icon.svg?x", "/icons/icon.svg", "/../gui/icons/icon.svg", "/head.html"):
        assert get(port(servers), path)[0] == 404, path


def test_the_manifest_says_all_that_is_needed(new_servers: NewServers) -> None:
    status, headers, body = get(port(new_servers()), MANIFEST, Accept_Language="de")
    assert (status, headers["Content-Type"]) == (200, "application/manifest+json")
    told = json.loads(body)
    assert told["name"] == told["short_name"] == "Play Bach"
    assert (told["start_url"], told["display"], told["lang"]) == ("/", "standalone", "de")
    assert {"192x192", "512x512", "any"} <= {icon["sizes"] for icon in told["icons"]}
    assert "maskable" in {icon.get("purpose") for icon in told["icons"]}
    assert all(icon["src"] in ICONS for icon in told["icons"])


def test_a_real_browser_finds_nothing_that_keeps_it_from_installing(
    phone: Any, new_servers: NewServers
) -> None:
    ask = visit(phone, new_servers())
    found = phone.execute_cdp_cmd("Page.getAppManifest", {})
    assert found["errors"] == []
    assert json.loads(found["data"])["display"] == "standalone"  # it came, behind the login
    errors = phone.execute_cdp_cmd("Page.getInstallabilityErrors", {})["installabilityErrors"]
    assert [e["errorId"] for e in errors if e["errorId"] != "in-incognito"] == []
    assert ask("document.querySelectorAll('meta[name=theme-color]').length") == 2
    icons = "document.querySelectorAll('link[rel$=icon]')"
    links = ask(f"[...{icons}].map((x) => x.getAttribute('href'))")
    assert set(links) <= set(ICONS)
    assert len(links) == 2
