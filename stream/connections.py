"""Limits on connections, of both servers: how many an address may have, how long a request may take.

Each connection costs a thread while its request is read, so who opens hundreds of them and sends a
byte now and then would else keep everybody out.
"""

import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from stream.auth import network_of

REQUEST_SECONDS = 10.0  # in which a whole request must have come
LOOK = 0.5  # seconds between two looks at those that are overdue


def client_of(peer: str, forwarded: str, trusted: Sequence[str]) -> str:
    """The IP address of who asks.

    peer: who connected. forwarded: the X-Forwarded-For of the request, which is believed only of a
    trusted proxy; each proxy has added, at the end, the address that it saw.
    """
    chain = [*(part.strip() for part in forwarded.split(",") if part.strip()), plain(peer)]
    while len(chain) > 1 and chain[-1] in trusted:
        chain.pop()
    return chain[-1]


def is_secure(encrypted: bool, peer: str, forwarded: str, trusted: Sequence[str]) -> bool:
    """Whether a browser reached us by HTTPS: here, or at a trusted proxy.

    forwarded: the X-Forwarded-Proto of the request.
    """
    return encrypted or (plain(peer) in trusted and forwarded.strip().lower() == "https")


def plain(address: str) -> str:
    """An IPv4 address that came in on a socket for both kinds, as it is usually written."""
    return address.removeprefix("::ffff:") if "." in address else address


class Connections:
    """The open connections of a server by address; closes those whose request does not come."""

    def __init__(self, most: int, trusted: Sequence[str], seconds: float = REQUEST_SECONDS) -> None:
        """most: of one address. trusted: proxies, which speak for any number of clients."""
        self._most, self._trusted, self._seconds = most, trusted, seconds
        self._open: Counter[str] = Counter()
        self._reading: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True, name="connections").start()

    def opened(self, address: str) -> bool:
        """Count a connection; False if this address has its share already: then it is to be closed."""
        client = network_of(address)
        with self._lock:
            if self._open[client] >= self._most and plain(address) not in self._trusted:
                return False
            self._open[client] += 1
            return True

    def closed(self, address: str) -> None:
        """A counted connection has ended."""
        client = network_of(address)
        with self._lock:
            self._open[client] -= 1
            if self._open[client] <= 0:
                del self._open[client]

    def reading(self, connection: socket.socket) -> None:
        """A request begins: all of it must come in time."""
        with self._lock:
            self._reading[connection] = time.monotonic()

    def read(self, connection: socket.socket) -> None:
        """The request has come; its answer may take as long as it likes."""
        with self._lock:
            self._reading.pop(connection, None)

    def close(self) -> None:
        """Watch no longer."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(LOOK):
            late = time.monotonic() - self._seconds
            with self._lock:
                overdue = [s for s, begun in self._reading.items() if begun < late]
                for connection in overdue:
                    del self._reading[connection]
            for connection in overdue:
                with suppress(OSError):  # the thread that reads from it wakes up
                    connection.shutdown(socket.SHUT_RDWR)
