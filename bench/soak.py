"""Listeners that come, go, hang and lie, for a long time: do the good ones notice?

    python bench/soak.py [MINUTES]   default 30

Starts a server of its own, on loopback. Ten good listeners stay; all others are bad company. Prints
a line a minute: gaps of the good ones, the server's memory and threads. Ends with exit code 1 if a
good listener had a gap, or if memory or threads grew by more than a fifth after the first quarter.
"""

import random
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from listeners import LOGIN, Listener, Server, listen

GOOD = 10
CROWD = 40  # bad ones at a time
LIMITS: dict[str, Any] = {
    "max_stations": 60,
    "max_listeners": 80,
    "max_connections": 100,
    "idle_minutes": 0.5,
}
LIES = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"GET /play.wav HTTP/1.1\r\nHost: x\r\nRange: bytes=9-1,99999999999999999999-\r\n\r\n",
    b"GET /listen/" + b"A" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /stations/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n{",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    b"\0" * 500,
    b"GET /ping HTTP/1.1\r\n",
)


def ask(port: int, path: str, path_login: bool = True) -> socket.socket:
    """A connection that has asked for something."""
    s = socket.create_connection(("127.0.0.1", port), timeout=5)
    login = f"Authorization: {LOGIN}\r\n" if path_login else ""
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{login}\r\n".encode())
    return s


def hanger(server: Server) -> socket.socket:
    """Asks for music and never reads it."""
    return ask(server.port, f"/play.{random.choice(('mp3', 'wav'))}")


def leaver(server: Server) -> socket.socket:
    """Hears a little, and hangs up without a word."""
    s = ask(server.port, "/play.mp3")
    with suppress(OSError):
        s.recv(2000)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    return s


def half_closer(server: Server) -> socket.socket:
    """Says that it will send no more, and stops reading."""
    s = ask(server.port, "/play.wav")
    with suppress(OSError):
        s.shutdown(socket.SHUT_WR)
    return s


def slow(server: Server) -> socket.socket:
    """Sends its request so slowly that it never ends."""
    s = socket.create_connection(("127.0.0.1", random.choice((server.port, server.page))))
    s.sendall(b"GET /play.w")
    return s


def liar(server: Server) -> socket.socket:
    """Says nonsense to either port."""
    s = socket.create_connection(("127.0.0.1", random.choice((server.port, server.page))))
    with suppress(OSError):
        s.sendall(random.choice(LIES))
    return s


def guest(server: Server) -> socket.socket:
    """Opens the control page, and goes."""
    s = ask(server.page, "/")
    with suppress(OSError):
        s.recv(1 << 16)
    return s


BAD: tuple[Callable[[Server], socket.socket], ...] = (
    hanger, leaver, half_closer, slow, liar, guest,
)  # fmt: skip


def bad_company(server: Server, over: threading.Event) -> None:
    """Four a second come; the oldest and others go."""
    crowd: list[socket.socket] = []
    while not over.wait(0.25):
        with suppress(OSError):
            crowd.append(random.choice(BAD)(server))
        while len(crowd) > CROWD:
            crowd.pop(random.randrange(len(crowd))).close()


def main() -> None:
    """Let them all in."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30
    begun, end = time.monotonic(), time.monotonic() + 60 * minutes
    rows: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as home, Server(Path(home), **LIMITS) as server:
        first, path = server.share_link("mp3")
        good = [first, *(Listener(server, path) for _ in range(GOOD // 2 - 1))]
        good += [Listener(server, "/play.wav") for _ in range(GOOD - len(good))]
        over = threading.Event()
        threading.Thread(target=bad_company, args=(server, over), daemon=True).start()
        print("| minute | gaps of the good | server's underruns | dropped | MB | threads |")
        print("|---|---|---|---|---|---|")
        minute = 0
        while time.monotonic() < end:
            listen(good, 0.25)
            if time.monotonic() - begun > 60 * minute:
                rows.append(row(server, good, minute))
                minute += 1
        rows.append(row(server, good, minute))
        over.set()
    settled = rows[max(1, len(rows) // 4) :]
    grown = settled[-1][0] > 1.2 * settled[0][0] or settled[-1][1] > 1.2 * settled[0][1]
    sys.exit(1 if grown or any(x.underruns for x in good) else 0)


def row(server: Server, good: list[Listener], minute: int) -> tuple[float, int]:
    """Print how things are; returns the memory (MB) and the threads."""
    figures = server.ask("/status")
    memory, threads = server.memory, server.threads
    gaps = sum(x.underruns for x in good)
    print(
        f"| {minute} | {gaps} | {figures['underruns']} | {figures['dropped']} "
        f"| {memory:.0f} | {threads} |",
        flush=True,
    )
    return memory, threads


if __name__ == "__main__":
    main()
