"""Both servers, from start to end."""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cheroot import wsgi
from synth import find_soundfont, fluidsynth_module

from config_bach import Places, UserError
from stream import settings
from stream.app import create_app
from stream.hall import Hall
from stream.settings import Server
from stream.source import composer_of

log = logging.getLogger("play_bach")

SPARE_THREADS = 24  # beyond one for each listener: pings, pages, downloads, polite refusals
SEND_BUFFER = (
    1 << 16
)  # bytes in the system's hands; more would hide that a listener stopped reading
SILENCE = 5  # seconds in which a client must take or send something
GRACE = 1  # seconds for the last responses to end


class AudioServer(wsgi.Server):
    """A thread for each listener, all of them waiting; measured in docs/decisions.md."""

    def __init__(self, hall: Hall) -> None:
        limits = hall.server
        super().__init__(
            (limits.host, limits.flask_port),
            create_app(hall),
            numthreads=limits.max_connections + SPARE_THREADS,
            server_name="Play Bach",
            request_queue_size=128,
            timeout=SILENCE,
            shutdown_timeout=GRACE,
        )

    def prepare(self) -> None:
        """Bind the port. Accepted connections inherit the size of the buffer."""
        super().prepare()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Clients that vanish are no news."""
        log.debug("%s", msg, exc_info=traceback)


class Servers:
    """The audio server and the control page, started by the constructor."""

    def __init__(self, server: Server, places: Places) -> None:
        """Raises UserError for a port in use, a missing synth, SoundFont or model."""
        from gui import PageServer

        fluidsynth_module()
        find_soundfont()
        self.hall = Hall(server, places)
        self._threads: list[threading.Thread] = []
        try:
            knobs = self.hall.default_knobs()
            if server.delegate:  # later it would only be heard as the corpus playing
                composer_of(self.hall.shelf.bundle(knobs.model), knobs.temperature, 0)
            self.audio = AudioServer(self.hall)
            _bind(
                lambda: _as_daemon(self.audio.prepare),
                "flask_port",
                server.flask_port,
                server.host,
            )
            try:
                self.page: Any = _bind(
                    lambda: PageServer(self.hall), "remi_port", server.remi_port, server.host
                )
            except UserError:
                self.audio.stop()
                raise
        except UserError:
            self.hall.close()
            raise
        for work in (self.audio.serve, self.page.serve_forever):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """End all within 3 seconds."""
        self.hall.close()
        closers = [
            threading.Thread(target=end, daemon=True) for end in (self.page.end, self.audio.stop)
        ]
        for closer in closers:
            closer.start()
        end = time.monotonic() + 2 * GRACE
        for thread in (*closers, *self._threads):
            thread.join(max(0.0, end - time.monotonic()))


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


def stream(places: Places, **instead: Any) -> None:
    """-st: serve until Ctrl-C or SIGTERM; `instead` of what the settings say.

    Raises UserError for what the user can mend.
    """
    server, new = settings.load_or_create(places)
    server = replace(server, **instead)
    servers = Servers(server, places)
    try:
        _greet(server, new, places)
        while True:  # Windows interrupts no endless wait
            time.sleep(0.5)
    except KeyboardInterrupt:
        print("\nplay_bach: stopping", flush=True)
    finally:
        servers.close()


def _greet(server: Server, new: bool, places: Places) -> None:
    """Print where to call, and how to come in."""
    address = f"http://{server.dns or _own_address(server)}:{server.remi_port}/"
    print(f"Play Bach is on the air: {address}")
    if new:
        print(f"  user {server.user}, password {server.password}   (shown this once)")
    print(f"  settings {settings.path_of(places)}")
    if settings.readable_by_others(places):
        print(f"  other users can read your password: chmod 600 {settings.path_of(places)}")
    if server.on_network:
        import segno

        print("  call it from a phone in the same network:")
        segno.make(address).terminal(compact=True)
    else:
        print('  for phones too: "host": "0.0.0.0" in the settings, and start again')
    print("  end it with Ctrl-C", flush=True)


def _own_address(server: Server) -> str:
    """The address that others in the network know this machine by."""
    if server.host not in ("0.0.0.0", "::"):
        return server.host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; only asks which interface would
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
