"""HTTPS for both ports: the certificate, and connections whose handshake holds nobody up."""

import logging
import re
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cheroot.errors import FatalSSLAlert
from cheroot.makefile import MakeFile
from cheroot.ssl import Adapter

from config_bach import UserError, require
from stream.settings import Server

log = logging.getLogger("play_bach")

Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
HANDSHAKE = b"\x16"  # what a TLS client begins with
PLAIN = re.compile(rb"(?:GET|HEAD) (/[!-~]*) HTTP/1\.[01]\r\n")
HOST = re.compile(rb"\r\nHost:[ \t]*([\w.:\[\]-]{1,255})[ \t]*\r\n", re.IGNORECASE)
LARGEST_PLAIN = 4096  # bytes of such a request that are looked at


class TlsSocket(ssl.SSLSocket):
    """A connection by TLS from which one thread may read while another writes.

    OpenSSL allows no two calls at the same time for one connection. So each call takes its turn, and who
    has to wait for the client waits outside.
    """

    _seconds: float | None
    _turn: threading.Lock

    def __new__(cls, *args: Any, **kwargs: Any) -> "TlsSocket":
        """Sockets are made by SSLContext, which calls no constructor."""
        made = super().__new__(cls, *args, **kwargs)
        made._turn, made._seconds = threading.Lock(), None
        return made

    def settimeout(self, value: float | None) -> None:
        """The seconds that a call may take. The socket itself never waits."""
        self._seconds = value
        super().settimeout(0)

    def gettimeout(self) -> float | None:
        """What was set."""
        return self._seconds

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Read; recv and recv_into come to this."""
        return self._in_turn(super().read, len, buffer)

    def send(self, data: Any, flags: int = 0) -> int:
        """Write some of it; sendall comes to this."""
        return int(self._in_turn(super().send, data, flags))

    def do_handshake(self, block: bool = False) -> None:
        """Agree with the client on keys."""
        self._in_turn(super().do_handshake)

    def plain_request(self) -> bytes:
        """What a client begins with that speaks no TLS, such as an HTTP request; empty for TLS."""
        end = None if self._seconds is None else time.monotonic() + self._seconds
        self._wait(selectors.EVENT_READ, end)
        if socket.socket.recv(self, 1, socket.MSG_PEEK) in (HANDSHAKE, b""):
            return b""
        request = b""
        while b"\r\n\r\n" not in request and len(request) < LARGEST_PLAIN:
            self._wait(selectors.EVENT_READ, end)
            piece = socket.socket.recv(self, LARGEST_PLAIN)
            if not piece:
                break
            request += piece
        return request

    def shutdown(self, how: int) -> None:
        """End the connection; says goodbye if there is room for that, and waits for nothing."""
        with self._turn:
            with suppress(OSError, ValueError):
                self.unwrap()
            socket.socket.shutdown(self, how)

    def _in_turn(self, call: Callable[..., Any], *args: Any) -> Any:
        end = None if self._seconds is None else time.monotonic() + self._seconds
        while True:
            try:
                with self._turn:
                    return call(*args)
            except ssl.SSLWantReadError:
                self._wait(selectors.EVENT_READ, end)
            except ssl.SSLWantWriteError:
                self._wait(selectors.EVENT_WRITE, end)

    def _wait(self, event: int, end: float | None) -> None:
        left = None if end is None else end - time.monotonic()
        with Selector() as selector:
            selector.register(self, event)
            if (left is not None and left <= 0) or not selector.select(left):
                raise TimeoutError("timed out")


class Certificate:
    """The certificate of a server with its key, read anew when the files have changed."""

    def __init__(self, server: Server, folder: Path) -> None:
        """folder: of play_bach.json, where relative paths begin.

        Raises UserError, naming the setting, for files that are no certificate with its key.
        """
        self._files = [folder / Path(x).expanduser() for x in (server.certificate, server.key)]
        self._seen = self._state()
        self._context = context_of(*self._files)

    def wrap(self, connection: socket.socket) -> TlsSocket:
        """A connection whose handshake is still to come. Raises OSError if it is gone already."""
        self._renew()
        wrapped = self._context.wrap_socket(
            connection, server_side=True, do_handshake_on_connect=False
        )
        assert isinstance(wrapped, TlsSocket)
        return wrapped

    def _state(self) -> list[tuple[int, int]]:
        try:
            return [(s.st_mtime_ns, s.st_ino) for s in (path.stat() for path in self._files)]
        except OSError:
            return []

    def _renew(self) -> None:
        """What was renewed meanwhile is taken; if it cannot be, the one before stays."""
        if (state := self._state()) == self._seen:
            return
        self._seen = state
        try:
            self._context = context_of(*self._files)
        except UserError as error:
            log.warning("the certificate has changed, but the old one stays in use: %s", error)


def context_of(certificate: Path, key: Path) -> ssl.SSLContext:
    """What connections are made with: TLS 1.2 or 1.3. Raises UserError, naming the setting."""
    require("cryptography", "HTTPS")
    _check(certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    context.sslsocket_class = TlsSocket
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise UserError(f"certificate: {certificate} cannot be used ({error}).") from error
    return context


def _check(certificate: Path, key: Path) -> None:
    """Raise UserError if these are no certificate with its key, or it has expired."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    with _named("certificate", certificate, "a certificate"):
        found = load_pem_x509_certificate(certificate.read_bytes())
    with _named("key", key, "a private key without a passphrase"):
        private = load_pem_private_key(key.read_bytes(), None)
    if found.not_valid_after_utc < datetime.now(UTC):
        raise UserError(
            f"certificate: {certificate} has expired on {found.not_valid_after_utc:%Y-%m-%d}; renew it."
        )
    if found.public_key() != private.public_key():
        raise UserError(
            f"key: {key} is not the key of {certificate}; write the one it was made with."
        )


@contextmanager
def _named(setting: str, path: Path, wanted: str) -> Iterator[None]:
    """Raise UserError, naming the setting, for a file that cannot be read or is something else."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        yield
    except OSError as error:
        raise UserError(f"{setting}: {path} cannot be read ({error.strerror}).") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{setting}: {path} is not {wanted} in PEM form ({reason[:120]})."
        ) from error


def handshake(connection: socket.socket) -> bool:
    """Agree on keys with a client; False if that fails. A connection without TLS is as it should be.

    May take as long as the connection's timeout, so it belongs in the thread of the connection. A
    browser that speaks HTTP here is sent to https://.
    """
    if not isinstance(connection, TlsSocket):
        return True
    try:
        if request := connection.plain_request():
            socket.socket.sendall(connection, _elsewhere(request))
            return False
        connection.do_handshake()
    except (OSError, ValueError):
        return False
    return True


def _elsewhere(request: bytes) -> bytes:
    """The answer to an HTTP request at a port of HTTPS."""
    asked, host = PLAIN.match(request), HOST.search(request)
    if not asked or not host:
        return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    address = b"https://" + host[1] + asked[1]
    return (
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: " + address + b"\r\n"
        b"Content-Length: 0\r\nConnection: close\r\n\r\n"
    )


class TlsAdapter(Adapter):
    """Lets cheroot speak TLS, without a handshake where it accepts connections."""

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate

    def bind(self, sock: socket.socket) -> socket.socket:
        """The listening socket stays as it is."""
        return sock

    def wrap(self, sock: socket.socket) -> tuple[socket.socket, dict[str, str]]:
        """A new connection, and what its requests are told."""
        try:
            return self._certificate.wrap(sock), self.get_environ()
        except OSError as error:
            sock.close()
            raise FatalSSLAlert(*error.args) from error

    def get_environ(self) -> dict[str, str]:
        """What WSGI says of a request that came by HTTPS."""
        return {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def makefile(self, sock: Any, mode: str = "r", bufsize: int = -1) -> Any:
        """A file that reads from or writes to a connection."""
        return MakeFile(sock, mode, bufsize)
