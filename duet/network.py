"""MIDI over TCP: the bytes as on a cable, as mido's own sockets send them.

TCP, for a lost note-off is a note that never ends; without Nagle's delay. Each connection is read in a
thread of its own, so times are those of arrival. There is no password: a port that listens does so on
this machine alone unless another address is named.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

from config_bach import UserError
from duet.dispatcher import READING, real_time
from duet.notes import PEDAL
from duet.ports import Inbox, Port

BLOCK = 1024  # bytes
AGAIN = 1.0  # seconds until a connection is tried again
MOST = 8  # connections to one port
PATIENCE = 3.0  # seconds for a first connection
ALIVE = {
    "TCP_KEEPIDLE": 2,
    "TCP_KEEPALIVE": 2,
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": 3,
}  # seconds, tries


class _Connection:
    """A socket that is read in a thread; `send` never waits for a peer that does not read."""

    def __init__(self, port: _Network, made: socket.socket) -> None:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in ALIVE.items():  # a cable that was pulled out is noticed in five seconds
            if hasattr(socket, name):
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        made.settimeout(None)
        self._port, self._socket, self._begun = port, made, Begun()

    def read(self) -> None:
        """Pass on what comes until the other end closes; then what it began ends."""
        from mido.parser import Parser

        parser = Parser()
        with contextlib.suppress(OSError):
            while data := self._socket.recv(BLOCK):
                now = time.monotonic()
                parser.feed(data)
                for message in parser:
                    self._begun.watch(message)
                    self._port.arrived(message, now)
        self.close()
        for message in self._begun.ends():
            self._port.arrived(message)

    def send(self, data: bytes) -> bool:
        """Send bytes; false, and closed, if the other end is gone or does not read."""
        try:
            if self._socket.send(data, _DONT_WAIT) == len(data):
                return True
        except OSError:
            pass
        self.close()
        return False

    def close(self) -> None:
        """End the connection; its reader ends, too."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Begun:
    """The notes and pedals that one end of a connection has begun and not ended."""

    def __init__(self) -> None:
        self._notes: set[tuple[int, int]] = set()  # channel, note
        self._pedals: set[int] = set()  # channels

    def watch(self, message: Any) -> None:
        """Follow a message."""
        if message.type in ("note_on", "note_off"):
            begins = message.type == "note_on" and message.velocity > 0
            key = message.channel, message.note
            (self._notes.add if begins else self._notes.discard)(key)
        elif message.type == "control_change" and message.control == PEDAL:
            down = message.value >= 64
            (self._pedals.add if down else self._pedals.discard)(message.channel)

    def ends(self) -> list[Any]:
        """The messages that end them."""
        from mido import Message

        notes = [Message("note_off", channel=c, note=n, velocity=0) for c, n in sorted(self._notes)]
        pedals = [
            Message("control_change", channel=c, control=PEDAL, value=0)
            for c in sorted(self._pedals)
        ]
        return [*notes, *pedals]


_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)  # Windows has none


class _Network(Port):
    """A port with any number of connections."""

    def __init__(self, name: str, inbox: Inbox) -> None:
        super().__init__(name, inbox)
        self._lock = threading.Lock()
        self._connections: list[_Connection] = []

    def _add(self, made: socket.socket) -> _Connection:
        """A connection that hears what is sent; closed if there are too many."""
        connection = _Connection(self, made)
        with self._lock:
            full = self.closed or len(self._connections) >= MOST
            if not full:
                self._connections.append(connection)
        if full:
            connection.close()
        return connection

    def _serve(self, connection: _Connection) -> None:
        """Read a connection until it ends."""
        real_time(READING)
        connection.read()
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)
            alone = not self._connections
        if alone:
            self.disconnected()

    def _send(self, message: Any) -> None:
        data = bytes(message.bytes())
        with self._lock:
            self._connections = [c for c in self._connections if c.send(data)]

    def _close(self) -> None:
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()


class Listening(_Network):
    """Waits for connections; all of them hear what is sent."""

    def __init__(self, host: str, number: int, inbox: Inbox) -> None:
        """Raises UserError if the address is taken or not ours."""
        super().__init__(f"listen:{host}:{number}", inbox)
        try:
            self._server = socket.create_server((host, number))
        except OSError as error:
            raise UserError(
                f"nothing can listen at {host}:{number} ({error.strerror}); take another port."
            ) from error
        threading.Thread(target=self._accept, daemon=True, name=self.name).start()

    @property
    def number(self) -> int:
        """The number of the port, also where any was asked for."""
        return int(self._server.getsockname()[1])

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while not self.closed:
                made, _ = self._server.accept()
                connection = self._add(made)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        super()._close()


class Connecting(_Network):
    """Connects, and does so again whenever the connection is lost."""

    def __init__(self, host: str, number: int, inbox: Inbox) -> None:
        """Raises UserError if nobody listens there."""
        super().__init__(f"connect:{host}:{number}", inbox)
        self._address = (host, number)
        try:
            made = socket.create_connection(self._address, PATIENCE)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UserError(f"nobody listens at {host}:{number} ({reason}).") from error
        first = self._add(made)
        threading.Thread(target=self._stay, args=(first,), daemon=True, name=self.name).start()

    def _stay(self, connection: _Connection) -> None:
        while not self.closed:
            self._serve(connection)
            while not self.closed:
                time.sleep(AGAIN)
                with contextlib.suppress(OSError):
                    connection = self._add(socket.create_connection(self._address, PATIENCE))
                    break
