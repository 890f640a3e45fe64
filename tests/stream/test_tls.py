"""HTTPS on both ports: who speaks slowly or nonsense hurts nobody; what is wrong is named."""

import http.client
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from live import LOGIN, until

from cli.self_signed import made
from config_bach import Paths, UserError
from stream import connections
from stream.server import Servers
from stream.settings import Server
from stream.tls import Certificate, TlsSocket, context_of

NewServers = Callable[..., Servers]
PEMS = ("certificate.pem", "key.pem")
SETTINGS: dict[str, Any] = dict(zip(("certificate", "key"), PEMS, strict=True))
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==")


def write(
    folder: Path, days: int = 30, names: tuple[str, ...] = ("localhost", "127.0.0.1")
) -> None:
    """A certificate and its key."""
    for name, content in zip(PEMS, made(names, days), strict=True):
        (folder / name).write_bytes(content)


@pytest.fixture
def secure(equipped: Paths, new_servers: NewServers) -> Servers:
    """Servers that speak HTTPS."""
    write(equipped.root)
    return new_servers(**SETTINGS)


def trusting(folder: Path) -> ssl.SSLContext:
    """What a client believes who was told of our certificate."""
    return ssl.create_default_context(cafile=str(folder / PEMS[0]))


def ports(servers: Servers) -> tuple[int, int]:
    return servers.context.server.flask_port, servers.context.server.remi_port


def ask(
    number: int, path: str, context: ssl.SSLContext, method: str = "GET", **headers: str
) -> Any:
    """Ask by HTTPS: status, headers, body."""
    client = http.client.HTTPSConnection("127.0.0.1", number, timeout=10, context=context)
    client.request(method, path, headers={"Authorization": LOGIN, **headers})
    answer = client.getresponse()
    found = answer.status, answer.headers, answer.read(20_000)
    client.close()
    return found


def connected(number: int, context: ssl.SSLContext, *lines: str, path: str = "/") -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", number), timeout=10)
    s = context.wrap_socket(plain, server_hostname="127.0.0.1")
    head = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{number}", f"Authorization: {LOGIN}", *lines]
    s.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
    return s


# ---- files


def test_a_good_certificate_makes_tls_1_2_or_1_3(tmp_path: Path) -> None:
    write(tmp_path)
    context = context_of(tmp_path / PEMS[0], tmp_path / PEMS[1])
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION


def encrypted(pem: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    key: Any = serialization.load_pem_private_key(pem, None)
    return bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda c, k: c.unlink(), r"certificate: .*certificate.pem cannot be read \(No such file"),
        (lambda c, k: k.unlink(), r"key: .*key.pem cannot be read \(No such file"),
        (lambda c, k: (c.unlink(), c.mkdir()), r"certificate: .* cannot be read \(Is a directory"),
        (lambda c, k: c.write_text("x"), "certificate: .* is not a certificate in PEM form"),
        (lambda c, k: c.write_bytes(b""), "certificate: .* is not a certificate in PEM form"),
        (
            lambda c, k: k.write_bytes(b"\xff\0"),
            "key: .* is not a private key without a passphrase",
        ),
        (lambda c, k: k.write_bytes(c.read_bytes()), "key: .* is not a private key"),
        (lambda c, k: c.write_bytes(k.read_bytes()), "certificate: .* is not a certificate"),
        (lambda c, k: k.write_bytes(made(["x"])[1]), "key: .* is not the key of .*certificate.pem"),
        (lambda c, k: k.write_bytes(encrypted(k.read_bytes())), "without a passphrase"),
        (lambda c, k: write(c.parent, -1), "certificate: .* has expired on 20..-..-..; renew it"),
    ],
)
def test_what_is_wrong_with_the_files_is_one_sentence(
    tmp_path: Path, break_it: Callable[[Path, Path], Any], said: str
) -> None:
    write(tmp_path)
    break_it(tmp_path / PEMS[0], tmp_path / PEMS[1])
    with pytest.raises(UserError, match=said) as refusal:
        Certificate(Server(password="x", **SETTINGS), tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="everything can be read")
def test_a_key_of_somebody_else_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / PEMS[1]).chmod(0)
    with pytest.raises(UserError, match=r"key: .* cannot be read \(Permission denied"):
        Certificate(Server(password="x", **SETTINGS), tmp_path)


def test_paths_begin_at_the_settings_or_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for folder in ("~/", f"{tmp_path}/"):
        changes = {name: folder + path for name, path in SETTINGS.items()}
        Certificate(Server(password="x", **changes), Path("/nowhere"))


def served(certificate: Certificate, client: ssl.SSLContext) -> bytes:
    """The certificate that a client is shown."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    wrapped = certificate.wrap(ours)
    thread = threading.Thread(target=wrapped.do_handshake)
    thread.start()
    with client.wrap_socket(theirs, server_hostname="localhost") as s:
        shown = s.getpeercert(binary_form=True)
    thread.join()
    wrapped.close()
    return shown or b""


def test_a_renewed_certificate_is_taken_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path)
    certificate = Certificate(Server(password="x", **SETTINGS), tmp_path)
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    first = served(certificate, client)
    assert served(certificate, client) == first
    (tmp_path / PEMS[0]).write_bytes(made(["localhost"])[0])  # its key is yet to come
    with caplog.at_level("WARNING", logger="play_bach"):
        assert served(certificate, client) == first
        assert served(certificate, client) == first
    assert caplog.text.count("the old one stays in use") == 1  # not for every connection
    (tmp_path / PEMS[1]).unlink()
    assert served(certificate, client) == first
    write(tmp_path)
    assert served(certificate, client) != first


# ---- sockets


def test_one_thread_may_read_while_another_writes(tmp_path: Path) -> None:
    write(tmp_path)
    certificate = Certificate(Server(password="x", **SETTINGS), tmp_path)
    ours, theirs = socket.socketpair()
    client = trusting(tmp_path)
    client.sslsocket_class = TlsSocket  # of two threads on this side as well
    ends = [
        certificate.wrap(ours),
        client.wrap_socket(theirs, server_hostname="localhost", do_handshake_on_connect=False),
    ]
    sent = os.urandom(4_000_000)
    received: list[bytes] = [b"", b""]

    def read(i: int) -> None:
        while len(received[i]) < len(sent):
            received[i] += ends[i].recv(65536)

    def together(*work: Callable[[], Any]) -> None:
        threads = [threading.Thread(target=x, daemon=True) for x in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()

    for end in ends:
        end.settimeout(10)
    together(*(end.do_handshake for end in ends))
    reading = [lambda i=i: read(i) for i in (0, 1)]
    writing = [lambda end=end: end.sendall(sent) for end in ends]
    together(*reading, *writing)
    assert received == [sent, sent]
    for end in ends:
        end.close()


def test_calls_take_their_turns(tmp_path: Path) -> None:
    write(tmp_path)
    ours, theirs = socket.socketpair()
    server = Certificate(Server(password="x", **SETTINGS), tmp_path).wrap(ours)
    inside, most = [0], [0]

    def call() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        inside[0] -= 1

    threads = [threading.Thread(target=server._in_turn, args=(call,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    server.close()
    theirs.close()


def test_calls_end_in_time(tmp_path: Path) -> None:
    write(tmp_path)
    certificate = Certificate(Server(password="x", **SETTINGS), tmp_path)
    ours, theirs = socket.socketpair()
    ours.settimeout(0.2)
    server = certificate.wrap(ours)
    assert isinstance(server, TlsSocket)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        server.do_handshake()
    with pytest.raises(TimeoutError):
        server.plain_request()
    assert time.monotonic() - begun < 2
    server.close()
    theirs.close()


# ---- servers


@pytest.mark.slow
def test_both_ports_speak_https_and_cookies_are_secure(secure: Servers, equipped: Paths) -> None:
    audio, page = ports(secure)
    client = trusting(equipped.root)
    status, headers, body = ask(page, "/", client)
    assert (status, body[:15]) == (200, b"<!DOCTYPE html>")
    assert all("; Secure" in x for x in headers.get_all("Set-Cookie"))
    assert "Strict-Transport-Security" not in headers
    status, headers, _ = ask(audio, "/status", client)
    assert status == 200
    assert "; Secure" in headers["Set-Cookie"]
    station = secure.context.stations.open(secure.context.default_settings())
    listen = f"/listen/{secure.context.links.sign('listen', {'station': station.name})}"
    assert ask(audio, f"{listen}/bach.mp3", client)[2][:1] == b"\xff"
    playlist = ask(audio, f"{listen}/bach.m3u", client)[2].decode()
    assert f"https://127.0.0.1:{audio}/listen/" in playlist


@pytest.mark.slow
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken_and_nothing_older(
    secure: Servers, equipped: Paths, version: ssl.TLSVersion
) -> None:
    for number in ports(secure):
        client = trusting(equipped.root)
        client.minimum_version = client.maximum_version = version
        assert ask(number, "/", client)[0] in (200, 404)
        old = trusting(equipped.root)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(OSError):  # noqa: PT011
            ask(number, "/", old)


@pytest.mark.slow
def test_who_comes_with_http_is_sent_to_https(secure: Servers) -> None:
    for number in ports(secure):
        client = http.client.HTTPConnection("127.0.0.1", number, timeout=5)
        client.request("GET", "/?code=x")
        answer = client.getresponse()
        assert answer.status == 307
        assert answer.headers["Location"] == f"https://127.0.0.1:{number}/?code=x"
        client.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: evil\r\n\tSet-Cookie: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"\0" * 5000,
        b"\x16\x03\x01\x00\x05hello",
        b"\x16" + b"\xff" * 5000,
        b"\x16\x03\x01",
        b"",
    ],
)
def test_nonsense_is_answered_shortly_and_leaves_no_thread(
    secure: Servers, equipped: Paths, said: bytes
) -> None:
    client = trusting(equipped.root)
    for number in ports(secure):
        assert ask(number, "/ping", client)[0] in (200, 404)
    threads = threading.active_count()
    for number in ports(secure):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", number), timeout=5) as s:
                answer = b""
                try:
                    s.sendall(said)
                    s.shutdown(socket.SHUT_WR)
                    while piece := s.recv(4096):
                        answer += piece
                except OSError:  # it has hung up already
                    pass
                assert b"Set-Cookie" not in answer
                told = (b"", b"HTTP/1.1 400", b"HTTP/1.1 307")  # or an alert of TLS
                assert answer[:12] in told or answer[:1] == b"\x15", answer
        assert ask(number, "/ping", client)[0] in (200, 404)
    until(lambda: threading.active_count() <= threads + 1)


@pytest.mark.slow
def test_slow_handshakes_hold_nobody_up_and_are_cut_off(
    secure: Servers, equipped: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limits in (secure.audio.connections, secure.page.connections):
        monkeypatch.setattr(limits, "_seconds", 1.0)
    assert connections.REQUEST_SECONDS == 10.0
    client = trusting(equipped.root)
    for number in ports(secure):
        lazy = []
        for begin in (b"", b"\x16", b"\x16\x03\x01\x02\x00", b"GET / HT"):
            for _ in range(5):
                s = socket.create_connection(("127.0.0.1", number), timeout=5)
                s.sendall(begin)
                lazy.append(s)
        begun = time.monotonic()
        assert ask(number, "/ping", client)[0] in (200, 404)
        assert time.monotonic() - begun < 1.5
        for s in lazy:
            try:
                while s.recv(1000):
                    pass
            except ConnectionError:
                pass
            s.close()
        assert time.monotonic() - begun < 8


@pytest.mark.slow
def test_a_websocket_works_both_ways_at_once(secure: Servers, equipped: Paths) -> None:
    _, number = ports(secure)
    client = trusting(equipped.root)
    _, headers, _ = ask(number, "/", client)
    cookie = headers["Set-Cookie"].partition(";")[0]
    path = "/" + cookie.partition("=")[2].rpartition(".")[2]
    s = connected(number, client, *UPGRADE, f"Cookie: {cookie}", path=path)
    assert b" 101 " in s.recv(4096)
    data = b"callback/bach/request/11|what=update|8|name=bpm|9|value=155"
    for _ in range(300):  # each is acknowledged while news are sent
        s.sendall(bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data)
    received = b""
    while received.count(b"\x81\x013") < 300 or b"bach.news(" not in received:
        piece = s.recv(65536)
        assert piece
        received += piece
    assert any(x.settings.bpm == 155 for x in secure.context.stations._stations.values())
    s.close()


@pytest.mark.slow
def test_who_stops_reading_is_dropped_and_leaves_nothing(
    equipped: Paths, new_servers: NewServers
) -> None:
    write(equipped.root)
    servers = new_servers(**SETTINGS, backlog=1.0)
    number, client = ports(servers)[0], trusting(equipped.root)
    opened = len(psutil.Process().net_connections())
    hung = connected(number, client, path="/play.wav")
    hung.recv(100)
    until(lambda: servers.context.stations.figures()["dropped"] == 1)
    hung.close()
    assert ask(number, "/ping", client)[0] == 200
    until(lambda: len(psutil.Process().net_connections()) <= opened)
