"""Over HTTPS with a certificate of one's own: the form, the page, the sound, friends."""

from collections.abc import Callable
from typing import Any

import pytest
from live import PASSWORD, USER, until

from cli.self_signed import made
from config_bach import Paths
from stream.accounts import LOGIN_COOKIE
from stream.server import Servers

from .conftest import log_in, port, touch

pytestmark = pytest.mark.slow

PLAYS = (
    "return document.getElementById('audio').currentTime > 0.5"
    " && document.getElementById('audio').error === null"
)


@pytest.fixture
def secure(equipped: Paths, new_servers: Callable[..., Servers], phone: Any) -> Servers:
    """Servers with a certificate that the browser does not know, but lets pass."""
    for name, content in zip(("certificate", "key"), made(["localhost", "127.0.0.1"]), strict=True):
        (equipped.root / name).write_bytes(content)
    phone.execute_cdp_cmd("Security.setIgnoreCertificateErrors", {"ignore": True})
    return new_servers(certificate="certificate", key="key")


def test_all_of_it_works_over_https(phone: Any, secure: Servers) -> None:
    phone.get(f"http://127.0.0.1:{port(secure)}/")  # by an old bookmark
    assert phone.current_url.startswith("https://")
    log_in(phone, USER, "wrong")
    until(lambda: phone.find_elements("css selector", "[role=alert]"))
    log_in(phone, USER, PASSWORD)
    until(lambda: phone.find_elements("id", "play"))
    until(lambda: phone.execute_script("return !!bach.links.listen"))
    assert phone.get_cookie(LOGIN_COOKIE)["secure"] is True
    assert phone.execute_script("return isSecureContext")
    touch(phone, "play")
    until(lambda: phone.execute_script(PLAYS))
    source = phone.execute_script("return document.getElementById('audio').src")
    assert source.startswith(f"https://127.0.0.1:{secure.context.server.flask_port}/listen/")
    until(lambda: phone.execute_script("return bach.notes.length > 0"), 10)  # by WebSocket
    phone.execute_script("bach.update('bpm', '123')")
    until(lambda: phone.execute_script("return bach.settings.bpm == 123"))
    touch(phone, "ping")
    until(lambda: "pong" in phone.find_element("id", "tested").text)
    assert not [x for x in phone.get_log("browser") if "Mixed Content" in x["message"]]
    shared = phone.execute_script("return bach.url(bach.links.share)")
    touch(phone, "logout")
    until(lambda: phone.find_elements("name", "password"))
    phone.get(shared)
    touch(phone, "play")
    until(lambda: phone.execute_script(PLAYS))
