"""Listeners that come, go, hang and lie, and attacks, for a long time: do the good ones notice?

    python bench/soak.py [MINUTES]   default 30

Starts a server of its own, on loopback. Ten good listeners stay; all others are bad company, most of
it from another loopback address (Linux). Prints a line a minute: gaps of the good ones, the server's
memory and threads. Ends with exit code 1 if a good listener had a gap, if memory or threads grew by
more than a fifth after the first quarter, or if somebody who should have been refused was not.
"""

import json
import multiprocessing
import os
import random
import socket
import struct
import sys
import tempfile
import time
import zipfile
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from listeners import LOGIN, USER, Listener, Server, listen

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


FOREIGN = "127.0.0.66"  # where most of the bad come from
FLOOD = 500  # connections at a time of one address
VALUES: tuple[Any, ...] = (
    1.5,
    None,
    True,
    "x",
    [],
    {},
    -1,
    10**400,
    "9" * 3000,
)  # none is a good setting


@dataclass(frozen=True)
class Target:
    """What the bad know of the server: its ports, its home, and a station that plays."""

    port: int
    page: int
    home: Path
    station: str


def connect(port: int) -> socket.socket:
    """A connection from the other address."""
    return socket.create_connection(("127.0.0.1", port), 5, (FOREIGN, 0))


def ask(port: int, path: str, login: str = LOGIN, body: bytes | None = None) -> socket.socket:
    """A connection that has asked for something, or posted JSON."""
    s = connect(port)
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    head += f"Authorization: {login}\r\n" if login else ""
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    s.sendall(f"{head}\r\n".encode() + (body or b""))
    return s


def hanger(server: Target) -> socket.socket:
    """Asks for music and never reads it."""
    return ask(server.port, f"/play.{random.choice(('mp3', 'wav'))}")


def leaver(server: Target) -> socket.socket:
    """Hears a little, and hangs up without a word."""
    s = ask(server.port, "/play.mp3")
    with suppress(OSError):
        s.recv(2000)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    return s


def half_closer(server: Target) -> socket.socket:
    """Says that it will send no more, and stops reading."""
    s = ask(server.port, "/play.wav")
    with suppress(OSError):
        s.shutdown(socket.SHUT_WR)
    return s


def slow(server: Target) -> socket.socket:
    """Sends its request so slowly that it never ends."""
    s = connect(random.choice((server.port, server.page)))
    s.sendall(b"GET /play.w")
    return s


def liar(server: Target) -> socket.socket:
    """Says nonsense to either port."""
    s = connect(random.choice((server.port, server.page)))
    with suppress(OSError):
        s.sendall(random.choice(LIES))
    return s


def guest(server: Target) -> socket.socket:
    """Opens the control page, and goes."""
    s = ask(server.page, "/")
    with suppress(OSError):
        s.recv(1 << 16)
    return s


def guesser(server: Target) -> socket.socket:
    """Guesses the password."""
    wrong = "Basic " + b64encode(f"{USER}:{random.random()}".encode()).decode()
    return ask(random.choice((server.port, server.page)), "/", wrong)


def forger(server: Target) -> socket.socket:
    """Makes up a link."""
    return ask(server.port, f"/listen/{'eyJzdGF0aW9uIjoiYSJ9.Zw.' + 'A' * 27}/bach.mp3", "")


def meddler(server: Target) -> socket.socket:
    """Is logged in, and changes the settings of a good listener's station to nonsense."""
    name = random.choice(("program", "bpm", "temperature", "volume", "model", "alto", "nothing"))
    body = json.dumps({name: random.choice(VALUES)}).encode()
    return ask(server.port, f"/stations/{server.station}", body=body)


BAD: tuple[Callable[[Target], socket.socket], ...] = (
    hanger, leaver, half_closer, slow, liar, guest, guesser, forger, meddler,
)  # fmt: skip


# ---- attacks that take a while, one after the other


def long_header(server: Target) -> None:
    """60 MB in one header line."""
    s = connect(server.port)
    s.sendall(b"GET /ping HTTP/1.1\r\nX: ")
    for _ in range(60):
        s.sendall(b"A" * 2**20)
    s.close()


def many_slow(server: Target) -> None:
    """Hundreds of connections that begin a request, and as many that say nothing at all."""
    crowd = []
    for i in range(2 * FLOOD):
        with suppress(OSError):
            crowd.append(connect((server.port, server.page)[i % 2]))
            if i < FLOOD:
                crowd[-1].sendall(b"GET / HT")
    time.sleep(5)
    for s in crowd:
        s.close()


def many_pages(server: Target) -> None:
    """200 page loads without a cookie."""
    for _ in range(200):
        with suppress(OSError), ask(server.page, "/") as s:
            s.recv(1 << 16)


def odd_models(server: Target) -> None:
    """Files in models/ that are no models, or lie."""
    models = server.home / "models"
    (models / "text1_nc_mo.zip").write_text("no zip at all")
    with zipfile.ZipFile(models / "deep1_nc_mo.zip", "w") as deep:
        deep.writestr("bundle.json", "[" * 100_000)
    with (
        zipfile.ZipFile(models / "bomb1_nc_mo.zip", "w", zipfile.ZIP_DEFLATED) as bomb,
        bomb.open("bundle.json", "w") as manifest,
    ):
        for _ in range(900):
            manifest.write(b" " * 1_000_000)
    if not (models / "pipe1_nc_mo.zip").exists():
        os.mkfifo(models / "pipe1_nc_mo.zip")
    for _ in range(5):
        with suppress(OSError), ask(server.page, "/") as s:
            s.recv(1 << 16)
    for path in models.glob("*1_nc_mo.zip"):
        path.unlink()


ATTACKS = (long_header, many_slow, many_pages, odd_models)


def attacks(server: Target, over: Any) -> None:
    """One after the other, with a rest between them."""
    while not over.is_set():
        for attack in ATTACKS:
            with suppress(OSError):
                attack(server)
            if over.wait(10):
                return


def bad_company(server: Target, over: Any) -> None:
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
        target = Target(server.port, server.page, server.home, first.station)
        over = multiprocessing.Event()
        for work in (bad_company, attacks):  # processes: they must not hold up the good
            multiprocessing.Process(target=work, args=(target, over), daemon=True).start()
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
        well = settings_are_good(server, first.station)
    settled = rows[max(1, len(rows) // 4) :]
    grown = settled[-1][0] > 1.2 * settled[0][0] or settled[-1][1] > 1.2 * settled[0][1]
    sys.exit(1 if grown or not well or any(x.underruns for x in good) else 0)


def settings_are_good(server: Server, station: str) -> bool:
    """Whether the meddler changed nothing."""
    told = server.ask(f"/stations/{station}")
    print(f"\nthe station that was meddled with: {told}")
    return bool(told["settings"]["program"] != 1.5 and told["listeners"] > 0)


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
