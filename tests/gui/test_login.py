"""The login form: what it gives to whom, and what it refuses; in raw HTTP and in a real browser."""

import functools
import http.client
import json
import re
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from live import LOGIN, PASSWORD, USER, get, raw, until
from remi import server as remi

from stream import auth
from stream.accounts import LOGIN_COOKIE
from stream.auth import DEVICE_COOKIE
from stream.server import Servers

from .conftest import log_in, port, touch, visit
from .test_access import SCREENS, screen, violations  # noqa: F401  (a fixture)

pytestmark = pytest.mark.slow

NewServers = Callable[..., Servers]
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==")
PLAYS = "document.getElementById('audio').currentTime > 0.3"
FORM = "application/x-www-form-urlencoded"
ANNA, CODE = "anna's own", "guest-4ever-young"
WITH_OTHERS: dict[str, Any] = {"users": {"anna": ANNA}, "guests": [CODE]}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    text: str

    @property
    def cookies(self) -> dict[str, str]:
        """What is set, by name, with the rules."""
        return {
            x.partition("=")[0]: x.partition("=")[2]
            for x in self.headers.get_all("Set-Cookie") or ()
        }

    def cookie(self, name: str = LOGIN_COOKIE) -> str:
        """As a browser sends it."""
        return f"{name}={self.cookies[name].partition(';')[0]}"


def ask(
    number: int, method: str, path: str, body: str | None = None, source: str = "", **headers: str
) -> Answer:
    """Ask a port of this machine."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", number, timeout=20, source_address=(source, 0) if source else None
    )
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, told)
    answer = connection.getresponse()
    text = b"" if answer.getheader("Content-Type", "").startswith("audio") else answer.read()
    connection.close()
    return Answer(answer.status, answer.headers, text.decode())


def send(servers: Servers, fields: dict[str, str], **headers: str) -> Answer:
    """Send the form."""
    told = {"Content_Type": FORM, **HTML, **headers}
    return ask(port(servers), "POST", "/login", urllib.parse.urlencode(fields), **told)


def logged_in(servers: Servers, user: str = USER, password: str = PASSWORD) -> str:
    """The cookie of a login."""
    answer = send(servers, {"user": user, "password": password})
    assert (answer.status, answer.headers["Location"]) == (303, "./")
    return answer.cookie()


def guest(servers: Servers) -> str:
    answer = send(servers, {"code": CODE})
    assert answer.status == 303
    return answer.cookie()


def page_of(servers: Servers, cookie: str) -> tuple[str, str]:
    """A page opened with a login: the path of its WebSocket, and all cookies."""
    answer = ask(port(servers), "GET", "/", Cookie=cookie)
    assert answer.status == 200
    own = answer.cookie("remi_session")
    return "/" + own.rpartition("=")[2].rpartition(".")[2], f"{cookie}; {own}"


def upgraded(servers: Servers, path: str, cookies: str, login: str | None = None) -> bytes:
    with raw(port(servers), path, *UPGRADE, f"Cookie: {cookies}", login=login) as s:
        return s.recv(200).splitlines()[0]


def audio(servers: Servers) -> int:
    return servers.context.server.flask_port


# ---- who gets the form


def test_browsers_get_the_form_and_programs_are_asked_for_basic(new_servers: NewServers) -> None:
    servers = new_servers()
    for path in ("/", "/login", "/anything"):
        answer = ask(port(servers), "GET", path, **HTML)
        assert answer.status == 401
        assert "WWW-Authenticate" not in answer.headers  # which would open a dialog
        assert 'action="login"' in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert 'name="code"' not in answer.text  # there are no guests here
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = ask(port(servers), "GET", "/", **accept)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert get(port(servers), "/", LOGIN)[0] == 200
    assert ask(port(servers), "HEAD", "/", **HTML).text == ""


def test_the_right_password_gets_a_cookie_that_opens_everything(new_servers: NewServers) -> None:
    servers = new_servers()
    answer = send(servers, {"user": USER, "password": PASSWORD})
    rules = answer.cookies[LOGIN_COOKIE].partition("; ")[2]
    assert rules == "Path=/; HttpOnly; SameSite=Lax; Max-Age=7776000"  # no Secure without HTTPS
    assert DEVICE_COOKIE in answer.cookies
    cookie = answer.cookie()
    path, cookies = page_of(servers, cookie)
    assert b" 101 " in upgraded(servers, path, cookies)
    assert json.loads(ask(audio(servers), "GET", "/status", Cookie=cookie).text)["listeners"] == 0
    assert ask(audio(servers), "GET", "/play.mp3", Cookie=cookie).status == 200
    assert ask(port(servers), "GET", "/login", Cookie=cookie, **HTML).headers["Location"] == "./"


@pytest.mark.parametrize(
    "fields",
    [
        {"user": USER, "password": "wrong"},
        {"user": "nobody", "password": PASSWORD},
        {"user": "", "password": ""},
        {"user": USER},
        {"password": PASSWORD},
        {"code": PASSWORD},
        {"code": f"{USER}:{PASSWORD}"},
        {"code": ""},
        {},
    ],
)
def test_what_is_wrong_gets_the_form_again(new_servers: NewServers, fields: dict[str, str]) -> None:
    answer = send(new_servers(**WITH_OTHERS), fields)
    assert answer.status == 401
    assert not answer.cookies
    said = re.findall(r'role="alert">([^<]*)<', answer.text)
    assert said == [
        "There is no such code." if fields.get("code") else "That name or password is wrong."
    ]
    assert PASSWORD not in answer.text


def test_names_come_back_nowhere(new_servers: NewServers) -> None:
    servers = new_servers()
    evil = 'x"><script>alert(1)</script>\r\nSet-Cookie: a=b'
    for fields in ({"user": evil, "password": evil}, {"code": evil}):
        answer = send(servers, fields)
        assert answer.status == 401
        assert "<script" not in answer.text
        assert not answer.cookies
    assert ask(port(servers), "GET", f"/?code={urllib.parse.quote(evil)}", **HTML).status == 401


# ---- what attackers try


@pytest.mark.parametrize("path", ["/login", "/logout"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "", "x"])
def test_a_form_of_a_foreign_page_is_refused(
    new_servers: NewServers, origin: str, path: str
) -> None:
    servers = new_servers()
    cookie = logged_in(servers)
    fields = urllib.parse.urlencode({"user": USER, "password": PASSWORD})
    told = {"Content_Type": FORM, "Origin": origin, "Cookie": cookie, **HTML}
    answer = ask(port(servers), "POST", path, fields, **told)
    assert answer.status == 403
    assert not answer.cookies
    assert page_of(servers, cookie)  # still logged in
    told["Origin"] = f"http://127.0.0.1:{port(servers)}"
    assert ask(port(servers), "POST", path, fields, **told).status == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Length": "4097"},
        {"Content_Length": "99999999999999999999"},
        {"Content_Length": "-1"},
        {"Content_Length": "x"},
        {"Content_Length": "0", "Content_Type": "application/json"},
        {"Content_Length": "0", "Content_Type": "multipart/form-data; boundary=x"},
        {"Transfer_Encoding": "chunked"},
    ],
)
def test_a_body_that_is_no_small_form_is_not_read(
    new_servers: NewServers, headers: dict[str, str]
) -> None:
    servers = new_servers()
    lines = {"Content_Type": FORM, **headers}
    head = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in lines.items())
    with raw(port(servers), "/ping", login=None) as other:  # the port is open for others meanwhile
        with raw(port(servers), "/login", login=None) as s:
            s.close()
        connection = http.client.HTTPConnection("127.0.0.1", port(servers), timeout=5)
        connection.connect()
        assert connection.sock is not None
        request = f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{port(servers)}\r\n{head}\r\n"
        begun = time.monotonic()
        connection.sock.sendall(request.encode())
        assert b" 400 " in connection.sock.recv(200)
        assert time.monotonic() - begun < 3
        connection.close()
        assert other.recv(100)


def test_many_fields_and_broken_ones_are_no_login(new_servers: NewServers) -> None:
    servers = new_servers()
    told = {"Content_Type": FORM, **HTML}
    right = urllib.parse.urlencode({"user": USER, "password": PASSWORD})
    for body in ("&".join(["a=b"] * 9 + [right]), "%", "user=%ff%fe&password=%00", "=&=;"):
        assert ask(port(servers), "POST", "/login", body, **told).status == 401, body


def test_guesses_count_for_form_code_and_basic_on_both_ports(
    new_servers: NewServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "SLOWED", 0.05)
    servers = new_servers(**WITH_OTHERS)
    wrong = "Basic d3Jvbmc6d3Jvbmc="
    assert send(servers, {"user": USER, "password": "wrong"}).status == 401
    assert send(servers, {"code": "wrong code"}).status == 401
    assert ask(port(servers), "GET", "/?code=wrong", **HTML).status == 401
    assert ask(audio(servers), "GET", "/status", Authorization=wrong).status == 401
    assert ask(audio(servers), "GET", "/status", Authorization=wrong).status == 429
    slowed = send(servers, {"user": USER, "password": "wrong"})
    assert slowed.status == 429
    seconds = int(slowed.headers["Retry-After"])
    assert f"wait {seconds} s" in slowed.text
    assert send(servers, {"code": "wrong code"}).status == 429
    assert ask(port(servers), "GET", "/?code=wrong", **HTML).status == 429
    assert send(servers, {"user": USER, "password": PASSWORD}).status == 303  # gets in all the same
    assert guest(servers)


def test_a_session_that_somebody_else_began_is_not_taken_over(new_servers: NewServers) -> None:
    servers = new_servers(**WITH_OTHERS)
    anna, owner = logged_in(servers, "anna", ANNA), logged_in(servers)
    path, cookies = page_of(servers, anna)
    planted = cookies.partition("; ")[2]
    answer = ask(port(servers), "GET", "/", Cookie=f"{owner}; {planted}")
    assert path[1:] not in answer.cookies["remi_session"]  # a page of its own
    assert b" 404 " in upgraded(servers, path, f"{owner}; {planted}")
    assert b" 404 " in upgraded(servers, path, f"{guest(servers)}; {planted}")
    assert b" 101 " in upgraded(servers, path, cookies)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "BREW", "POST", "HEAD"])
def test_no_odd_method_does_anything(new_servers: NewServers, method: str) -> None:
    servers = new_servers(**WITH_OTHERS)
    cookie = logged_in(servers)
    for number in (port(servers), audio(servers)):
        for path in ("/logout", "/login", f"/?code={CODE}", "/stations/x"):
            answer = ask(number, method, path, Content_Length="0", **HTML)
            assert answer.status in (400, 401, 403, 405, 501), (number, path)
            assert LOGIN_COOKIE not in answer.cookies
    if method != "POST":
        assert ask(port(servers), method, "/logout", Cookie=cookie).status != 303
    assert page_of(servers, cookie)


# ---- leaving


def test_who_logs_out_is_out_in_all_tabs_and_with_every_copy(new_servers: NewServers) -> None:
    servers = new_servers()
    cookie, elsewhere = logged_in(servers), logged_in(servers)
    path, cookies = page_of(servers, cookie)
    other, others = page_of(servers, elsewhere)
    tab = raw(port(servers), path, *UPGRADE, f"Cookie: {cookies}", login=None)
    assert b" 101 " in tab.recv(4096)
    until(lambda: any(page.connected for page in remi.clients.values()))
    answer = ask(port(servers), "POST", "/logout", Cookie=cookie, **HTML)
    assert answer.status == 303
    assert answer.cookies[LOGIN_COOKIE].startswith("; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
    received, begun = b"", time.monotonic()
    while piece := tab.recv(65536):
        received += piece
        assert time.monotonic() - begun < 5
    assert b"location.reload()" in received  # and then the end of the connection
    tab.close()
    assert ask(port(servers), "GET", "/", Cookie=cookie, **HTML).status == 401
    assert ask(audio(servers), "GET", "/status", Cookie=cookie).status == 401
    assert b" 401 " in upgraded(servers, path, cookies)
    assert b" 101 " in upgraded(servers, other, others)
    servers.close()
    again = new_servers()
    assert ask(port(again), "GET", "/", Cookie=cookie, **HTML).status == 401
    assert page_of(again, elsewhere)


def test_after_a_restart_pages_of_who_left_or_has_another_password_are_closed(
    new_servers: NewServers,
) -> None:
    servers = new_servers(**WITH_OTHERS)
    pages = {}
    for name, cookie in (
        ("owner", logged_in(servers)),
        ("anna", logged_in(servers, "anna", ANNA)),
        ("guest", guest(servers)),
    ):
        pages[name] = page_of(servers, cookie)
        assert b" 101 " in upgraded(servers, *pages[name])
        until(functools.partial(servers.context.store.session, int(pages[name][0][1:])))
    servers.close()
    servers = new_servers(**WITH_OTHERS)
    for name, (path, cookies) in pages.items():
        assert b" 101 " in upgraded(servers, path, cookies), name
        alone = cookies.partition("; ")[2]  # Safari, which has logged in by HTTP Basic
        assert b" 101 " in upgraded(servers, path, alone), name
    servers.close()
    servers = new_servers(users={"anna": "another"}, guests=["another code"])
    for name, (path, cookies) in pages.items():
        told = b" 101 " if name == "owner" else b" 401 "
        assert told in upgraded(servers, path, cookies), name
        assert told in upgraded(servers, path, cookies.partition("; ")[2]), name


# ---- guests


def test_a_guest_has_a_page_and_a_station_and_sees_nothing_of_others(
    new_servers: NewServers,
) -> None:
    servers = new_servers(**WITH_OTHERS)
    cookie = guest(servers)
    path, cookies = page_of(servers, cookie)
    with raw(port(servers), path, *UPGRADE, f"Cookie: {cookies}", login=None) as s:
        received = b""
        while b"bach.news(" not in received:
            received += s.recv(65536)
    assert b'"links"' in received
    assert b'"figures"' not in received
    assert ask(audio(servers), "GET", "/play.mp3", Cookie=cookie).status == 200
    (station,) = {x.name for x in servers.context.stations._stations.values() if x.listeners} or {
        ""
    }
    for path in ("/status", "/metrics", f"/stations/{station or 'x'}", "/stations/none"):
        answer = ask(audio(servers), "GET", path, Cookie=cookie)
        assert (answer.status, answer.text) == (
            403,
            "guests have a station, and nothing else here.\n",
        )
    body = {"Content_Type": "application/json", "Cookie": cookie}
    assert ask(audio(servers), "POST", "/stations/x", '{"bpm": 60}', **body).status == 403
    anna = logged_in(servers, "anna", ANNA)
    assert ask(audio(servers), "GET", "/status", Cookie=anna).status == 200


def test_a_link_with_a_code_lets_in_and_logs_nobody_out(new_servers: NewServers) -> None:
    servers = new_servers(**WITH_OTHERS)
    link = f"/?code={CODE}"
    answer = ask(port(servers), "GET", link, **HTML)
    assert (answer.status, answer.headers["Location"]) == (303, "./")
    assert page_of(servers, answer.cookie())
    owner = logged_in(servers)
    answer = ask(port(servers), "GET", link, Cookie=owner, **HTML)
    assert (answer.status, answer.cookies) == (303, {})
    assert ask(port(servers), "GET", "/?code=", Cookie=owner, **HTML).status == 200


def test_behind_a_proxy_with_https_cookies_are_secure(new_servers: NewServers) -> None:
    fields = {"user": USER, "password": PASSWORD}
    servers = new_servers(trusted_proxies="127.0.0.1")
    answer = send(servers, fields, X_Forwarded_Proto="https")
    assert all(x.endswith("; Secure") for x in answer.cookies.values())
    assert "; Secure" in ask(
        audio(servers), "GET", "/status", Authorization=LOGIN, X_Forwarded_Proto="https"
    ).headers.get("Set-Cookie", "")
    assert "Secure" not in send(servers, fields).cookies[LOGIN_COOKIE]
    alone = new_servers()
    assert "Secure" not in send(alone, fields, X_Forwarded_Proto="https").cookies[LOGIN_COOKIE]


# ---- in a browser


def test_a_person_logs_in_hears_music_and_logs_out(phone: Any, new_servers: NewServers) -> None:
    servers = new_servers(**WITH_OTHERS)
    phone.get(f"http://127.0.0.1:{port(servers)}/")
    log_in(phone, USER, "wrong")
    until(lambda: phone.find_elements("css selector", "[role=alert]"))
    assert "is wrong" in phone.find_element("css selector", "[role=alert]").text
    assert phone.find_element("name", "user").get_attribute("value") == ""
    ask_page = visit(phone, servers)
    assert "logged in as bach" in phone.find_element("tag name", "main").text
    touch(phone, "play")
    until(lambda: ask_page(PLAYS))
    first = phone.current_window_handle
    phone.switch_to.new_window("tab")
    phone.get(f"http://127.0.0.1:{port(servers)}/")
    until(lambda: phone.find_elements("id", "logout"))
    until(lambda: ask_page("!!bach.links.listen"))
    touch(phone, "logout")
    until(lambda: phone.find_elements("name", "password"))
    phone.switch_to.window(first)
    until(lambda: phone.find_elements("name", "password"), 10)  # by itself
    assert phone.get_cookie(LOGIN_COOKIE) is None
    until(lambda: not any(x.listeners for x in servers.context.stations._stations.values()))


def test_a_guest_comes_in_with_a_code(phone: Any, new_servers: NewServers) -> None:
    servers = new_servers(**WITH_OTHERS)
    phone.get(f"http://127.0.0.1:{port(servers)}/")
    phone.find_element("name", "code").send_keys(f" {CODE} ")
    phone.find_elements("tag name", "button")[1].click()
    until(lambda: phone.find_elements("id", "logout"))
    until(lambda: phone.execute_script("return !!bach.links.listen"))
    text = phone.find_element("tag name", "main").text
    assert "You are a guest." in text
    assert "engine room" not in text
    touch(phone, "play")
    until(lambda: phone.execute_script(f"return {PLAYS}"))


def test_when_the_password_changes_an_open_page_shows_the_form(
    phone: Any, new_servers: NewServers
) -> None:
    servers = new_servers(**WITH_OTHERS)
    ports = {"remi_port": port(servers), "flask_port": audio(servers)}
    phone.get(f"http://127.0.0.1:{port(servers)}/?code={CODE}")
    until(lambda: phone.find_elements("id", "logout"))
    assert phone.current_url.endswith(f":{port(servers)}/")
    until(lambda: phone.execute_script("return !!bach.links.listen"))
    servers.close()
    new_servers(**ports, guests=["another code"])
    until(lambda: phone.find_elements("name", "code"))


def test_the_form_is_for_everybody(
    phone: Any,
    new_servers: NewServers,
    screen: Any,  # noqa: F811
) -> None:
    servers = new_servers(**WITH_OTHERS)
    phone.get(f"http://127.0.0.1:{port(servers)}/")
    log_in(phone, USER, "wrong")
    until(lambda: phone.find_elements("css selector", "[role=alert]"))
    for size in SCREENS:
        for colours in ("light", "dark"):
            screen(size, colours)
            assert violations(phone) == [], (size, colours)
        wide = phone.execute_script("return document.documentElement.scrollWidth")
        assert wide <= size[0]
    tree = phone.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    names = [n["name"]["value"] for n in tree if n.get("role", {}).get("value") == "textbox"]
    assert names == ["Name", "Password", "Code"]
    low = phone.execute_script(
        "return [...document.querySelectorAll('input, button')]"
        ".filter((x) => x.getBoundingClientRect().height < 44).length"
    )
    assert low == 0
