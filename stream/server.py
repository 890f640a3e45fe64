"""Both servers, from start to end."""

import errno
import functools
import io
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cheroot import wsgi
from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection
from flask import Flask

from config_bach import Paths, UserError
from music.synth import find_soundfont, fluidsynth_module
from stream import settings
from stream.app import create_app
from stream.connections import Connections
from stream.context import ServerContext, SoundContext
from stream.settings import Server
from stream.source import composer_of
from stream.tls import TlsAdapter, handshake
from stream.tunes import LARGEST_TUNE

log = logging.getLogger("play_bach")

SPARE_THREADS = 24  # beyond one for each listener: pings, pages, downloads, polite refusals
SEND_BUFFER = (
    1 << 16
)  # bytes in the system's hands; more would hide that a listener stopped reading
LARGEST_HEADER = 16 * 1024  # bytes of all header lines of a request
LARGEST_BODY = 4096  # bytes
UPLOADS = ("/tunes", "/training/files", "/upload/")  # paths to which more may be sent
CLIENT_TIMEOUT = 5  # seconds in which a client must take or send something
GRACE = 1  # seconds for the last responses to end


PageServer = Callable[[ServerContext], Any]


class AudioConnection(HTTPConnection):
    """A connection whose requests must come in time, and whose address may not have too many."""

    def __init__(self, server: Any, sock: Any, makefile: Any = MakeFile) -> None:
        super().__init__(server, sock, makefile)
        self._agreed = False
        self._address = sock.getpeername()[0]
        self._counted = server.connections.opened(self._address)
        if not self._counted:
            sock.shutdown(socket.SHUT_RDWR)

    def communicate(self) -> Any:
        """Read a request and answer it."""
        self.server.connections.reading(self.socket)
        try:
            self._agreed = self._agreed or handshake(self.socket)
            if not self._agreed:
                return False
            return super().communicate()  # type: ignore[no-untyped-call]
        finally:
            self.server.connections.read(self.socket)

    def close(self) -> None:
        """Close, and let the address have another one."""
        super().close()
        if self._counted:
            self._counted = False
            self.server.connections.closed(self._address)


class AudioGateway(wsgi.Gateway_10):
    """Reads what a client posts before Flask does, while the clock is still running.

    Uploads are larger: they are read once the login is known, and the clock runs on until then.
    """

    def get_environ(self) -> Any:
        """The WSGI environment, with all of the body."""
        environ = super().get_environ()  # type: ignore[no-untyped-call]
        read = functools.partial(self.req.server.connections.read, self.req.conn.socket)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        is_upload = environ["PATH_INFO"].startswith(UPLOADS)
        if is_upload or length > LARGEST_BODY:
            self.req.close_connection = True  # it may be refused before it is read
        if is_upload:
            environ["play_bach.read"] = read
            return environ
        body = self.req.rfile.read(LARGEST_BODY + 1) if length <= LARGEST_BODY else b""
        environ["wsgi.input"] = io.BytesIO(body)
        read()
        return environ


class AudioServer(wsgi.Server):
    """A thread for each listener, all of them waiting; measured in docs/decisions.md."""

    ConnectionClass = AudioConnection
    max_request_header_size = LARGEST_HEADER

    def __init__(self, context: SoundContext, app: Flask) -> None:
        limits = context.server
        self.connections = Connections(limits.max_per_address, limits.proxies)
        super().__init__(
            (limits.host, limits.flask_port),
            app,
            numthreads=limits.max_connections + SPARE_THREADS,
            server_name="Play Bach",
            request_queue_size=128,
            timeout=CLIENT_TIMEOUT,
            shutdown_timeout=GRACE,
        )
        self.gateway = AudioGateway
        self.max_request_body_size = max(LARGEST_TUNE, limits.training_mb * 2**20)
        if context.certificate is not None:
            self.ssl_adapter = TlsAdapter(context.certificate)

    def prepare(self) -> None:
        """Bind the port. Accepted connections inherit the size of the buffer."""
        super().prepare()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def stop(self) -> None:
        """Stop, and watch no connection any longer."""
        self.connections.close()
        super().stop()

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Clients that vanish are no news."""
        log.debug("%s", msg, exc_info=traceback)


class Servers:
    """The audio server and the control page, started by the constructor."""

    def __init__(self, server: Server, paths: Paths, page_server: PageServer) -> None:
        """page_server: makes the server of the control page, given the context.

        Raises UserError for a port in use, a missing synth, SoundFont or model.
        """
        fluidsynth_module()
        find_soundfont()
        self.context = ServerContext(server, paths)
        self._threads: list[threading.Thread] = []
        try:
            wanted = self.context.default_settings()
            if server.delegate:  # later it would only be heard as the corpus playing
                composer_of(self.context.models.model(wanted.model), wanted.temperature, 0)
            self.audio = audio_server(self.context, create_app(self.context))
            try:
                self.page: Any = _bind(
                    lambda: page_server(self.context), "remi_port", server.remi_port, server.host
                )
            except UserError:
                self.audio.stop()
                raise
        except UserError:
            self.context.close()
            raise
        for work in (self.audio.serve, self.page.serve_forever):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """End all within 3 seconds."""
        self.context.close()
        closers = [
            threading.Thread(target=end, daemon=True) for end in (self.page.end, self.audio.stop)
        ]
        for closer in closers:
            closer.start()
        end = time.monotonic() + 2 * GRACE
        for thread in (*closers, *self._threads):
            thread.join(max(0.0, end - time.monotonic()))


def audio_server(context: SoundContext, app: Flask) -> AudioServer:
    """An audio server that listens already; `serve` answers. Raises UserError for a port in use."""
    audio, limits = AudioServer(context, app), context.server
    _bind(lambda: _as_daemon(audio.prepare), "flask_port", limits.flask_port, limits.host)
    return audio


def _as_daemon(work: Callable[[], None]) -> None:
    """Run work in a daemon thread: the threads that it starts cannot hold up the end of the program.

    cheroot's would, each by a client that has stopped reading. Raises what the work raises.
    """
    failures: list[Exception] = []

    def run() -> None:
        try:
            work()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def _bind(start: Any, key: str, port: int, host: str) -> Any:
    """Start a server. Raises UserError, naming the setting, if its port cannot be had."""
    try:
        return start()
    except (OSError, socket.gaierror) as error:
        taken = error.errno == errno.EADDRINUSE or "in use" in str(error)
        reason = (
            "is in use by another program" if taken else f"cannot be opened on {host} ({error})"
        )
        raise UserError(
            f"port {port} {reason}; end that program or change {key} in play_bach.json."
        ) from error


def stream(paths: Paths, page_server: PageServer, **overrides: Any) -> None:
    """Serve until Ctrl-C or SIGTERM; `overrides` go before what play_bach.json says.

    Raises UserError for what the user can mend.
    """
    server, new = settings.load_or_create(paths)
    server = replace(server, **overrides)
    servers = Servers(server, paths, page_server)
    try:
        _announce(server, new, paths)
        while True:  # Windows interrupts no endless wait
            time.sleep(0.5)
    except KeyboardInterrupt:
        print("\nplay_bach: stopping", flush=True)
    finally:
        servers.close()


def _announce(server: Server, new: bool, paths: Paths) -> None:
    """Print where to call, and how to come in."""
    address = address_of(server)
    print(f"Play Bach is on the air: {address}")
    if new:
        print(f"  user {server.user}, password {server.password}   (shown this once)")
    print(f"  settings {settings.path_of(paths)}")
    if settings.readable_by_others(paths):
        print(f"  other users can read your password: chmod 600 {settings.path_of(paths)}")
    if server.on_network:
        import segno

        print("  call it from a phone in the same network:")
        segno.make(address).terminal(compact=True)
    else:
        print('  for phones too: "host": "0.0.0.0" in the settings, and start again')
    print("  end it with Ctrl-C", flush=True)


def address_of(server: Server) -> str:
    """Where the control page is, for others too: 'http://192.168.1.5:8800/'."""
    name = server.dns or own_address(server)
    return f"{server.scheme}://{f'[{name}]' if ':' in name else name}:{server.remi_port}/"


def own_address(server: Server) -> str:
    """The address that others in the network know this machine by."""
    if server.host not in ("0.0.0.0", "::"):
        return server.host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; only asks which interface would
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
