"""Slow, idle and greedy clients: each has its share of connections, and not for ever."""

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Callable

import psutil
import pytest
from live import get, raw, until

from stream import connections
from stream.connections import Connections, client_of
from stream.server import Servers

NewServers = Callable[..., Servers]


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "client"),
    [
        ("1.2.3.4", "", [], "1.2.3.4"),
        ("1.2.3.4", "9.9.9.9", [], "1.2.3.4"),  # anybody can write that
        ("10.0.0.1", "9.9.9.9", ["10.0.0.1"], "9.9.9.9"),
        ("10.0.0.1", "6.6.6.6, 9.9.9.9", ["10.0.0.1"], "9.9.9.9"),  # the first is made up
        ("10.0.0.1", "9.9.9.9, 10.0.0.2", ["10.0.0.1", "10.0.0.2"], "9.9.9.9"),
        ("10.0.0.1", " , ", ["10.0.0.1"], "10.0.0.1"),
        ("10.0.0.1", "", ["10.0.0.1"], "10.0.0.1"),
        ("::ffff:10.0.0.1", "9.9.9.9", ["10.0.0.1"], "9.9.9.9"),  # on a socket for both
        ("::1", "2001:db8::5", ["::1"], "2001:db8::5"),
    ],
)
def test_only_a_trusted_proxy_speaks_for_others(
    peer: str, forwarded: str, trusted: list[str], client: str
) -> None:
    assert client_of(peer, forwarded, trusted) == client


def test_an_address_has_its_share_and_a_proxy_has_not() -> None:
    limits = Connections(2, ["10.0.0.1"])
    assert [limits.opened("1.2.3.4") for _ in range(3)] == [True, True, False]
    assert limits.opened("1.2.3.5")
    limits.closed("1.2.3.4")
    assert [limits.opened("1.2.3.4") for _ in range(2)] == [True, False]  # one of two was left
    assert all(limits.opened("10.0.0.1") for _ in range(10))
    assert [limits.opened(f"2001:db8::{i}") for i in range(3)] == [True, True, False]  # one network
    limits.close()


def test_what_is_closed_is_not_remembered() -> None:
    limits = Connections(2, [])
    for i in range(100):
        limits.opened(f"1.2.3.{i}")
        limits.closed(f"1.2.3.{i}")
    assert not limits._open
    limits.close()


def test_a_request_that_does_not_come_is_cut_off() -> None:
    limits = Connections(2, [], seconds=0.2)
    slow, fast = socket.socketpair(), socket.socketpair()
    limits.reading(slow[0])
    limits.reading(fast[0])
    limits.read(fast[0])
    slow[1].settimeout(5)
    assert slow[1].recv(1) == b""
    fast[0].sendall(b"x")
    assert fast[1].recv(1) == b"x"
    limits.close()


@pytest.fixture
def many_files() -> None:
    """Room for a thousand connections in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 8192), hard), hard))


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("begin", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_hundreds_of_connections_of_one_address_leave_both_ports_open(
    new_servers: NewServers, monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 1.0)
    servers = new_servers(max_per_address=40, trusted_proxies="127.0.0.9")
    ports = (servers.context.server.flask_port, servers.context.server.remi_port)
    lazy = []
    for number in ports:
        for _ in range(500):
            with contextlib.suppress(OSError):
                s = socket.create_connection(
                    ("127.0.0.1", number), timeout=5, source_address=("127.0.0.2", 0)
                )
                lazy.append(s)
                s.sendall(begin)
    for number in ports:
        until(lambda number=number: get(number, "/ping", None)[0] in (200, 401), 8)  # type: ignore[misc]
    for s in lazy:
        s.close()


@pytest.mark.slow
def test_a_request_that_drips_is_cut_off(new_servers: NewServers) -> None:
    servers = new_servers()
    for number in (servers.context.server.flask_port, servers.context.server.remi_port):
        s = raw(number, "/ping", "Content-Length: 4000", login=None)
        s.settimeout(0.1)
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - begun < 20:
                s.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    if not s.recv(1000):
                        break
                time.sleep(0.3)
        assert time.monotonic() - begun < 13
        s.close()


@pytest.mark.slow
def test_endless_headers_and_bodies_take_no_memory(new_servers: NewServers) -> None:
    servers = new_servers()
    before = psutil.Process().memory_info().rss
    for head in (b"GET /ping HTTP/1.1\r\nX: ", b"GET /", b"POST /stations/x HTTP/1.1\r\nA: b\r\n"):
        for number in (servers.context.server.flask_port, servers.context.server.remi_port):
            s = socket.create_connection(("127.0.0.1", number), timeout=5)
            sent = 0
            with contextlib.suppress(OSError):
                s.sendall(head)
                while sent < 60_000_000:
                    sent += s.send(b"a" * 65536)
            assert sent < 10_000_000
            s.close()
    assert psutil.Process().memory_info().rss - before < 30_000_000
    assert get(servers.context.server.flask_port, "/ping", None)[0] == 200


@pytest.mark.slow
def test_posting_to_long_a_body_is_refused(new_servers: NewServers) -> None:
    servers = new_servers()
    s = raw(servers.context.server.flask_port, "/status", "Content-Length: 99999999")
    assert b" 413 " in s.recv(200)
    s.close()


def test_threads_end_with_the_limits() -> None:
    before = threading.active_count()
    limits = Connections(2, [])
    limits.close()
    until(lambda: threading.active_count() <= before)
