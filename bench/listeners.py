"""A server to test, and many listeners in one thread who notice every gap. Loopback only."""

from __future__ import annotations

import base64
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).resolve().parent.parent
USER, PASSWORD = "bench", "bench"
LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
WAV_RATE = 44_100 * 4  # bytes a second
START = 0.25  # seconds of sound that a player wants before it begins


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Server:
    """play_bach.py -st in a process and a home of its own."""

    def __init__(self, home: Path, model: str = "bach5_nc_mo", **settings: Any) -> None:
        self.home = home
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        (home / "models").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "models" / f"{model}.zip", home / "models")
        self.port, self.page = free_port(), free_port()
        login = {"user": USER, "password": PASSWORD}
        ports = {"flask_port": self.port, "remi_port": self.page}
        (home / "play_bach.json").write_text(json.dumps({**login, **ports, **settings}))
        self.kbps = settings.get("mp3_kbps", 320)
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "play_bach.py"), "-st"],
            env={**os.environ, "PLAY_BACH_HOME": str(home)},
            stdout=subprocess.DEVNULL,
        )
        self._monitor = psutil.Process(self._process.pid)
        self._wait()

    def _wait(self) -> None:
        for _ in range(200):
            try:
                self.ask("/ping")
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the server did not start")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def ask(self, path: str, what: Any = None) -> Any:
        """GET or, with something to say, POST; the JSON of the answer."""
        headers = {"Authorization": LOGIN, "Content-Type": "application/json"}
        data = None if what is None else json.dumps(what).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        with self._opener.open(request, timeout=10) as answer:  # known by a cookie, not slowed
            return json.load(answer)

    def share_link(self, kind: str) -> tuple[Listener, str]:
        """A station that plays, its first listener, and a path by which others hear it too."""
        first = Listener(self, f"/play.{kind}")
        while not first.station:
            first.read()
            time.sleep(0.01)
        link = self.ask(f"/stations/{first.station}")["listen"]
        return first, f"{link}/bach.{kind}"

    @property
    def processes(self) -> list[psutil.Process]:
        """The server and the workers it has started."""
        return [self._monitor, *self._monitor.children(recursive=True)]

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far, of all of them."""
        return sum(t.user + t.system for t in (p.cpu_times() for p in self.processes))

    @property
    def memory(self) -> float:
        """Resident megabytes, of all of them; what they share is counted once (PSS)."""
        return sum(p.memory_full_info().pss for p in self.processes) / 2**20

    @property
    def threads(self) -> int:
        """Their threads."""
        return sum(p.num_threads() for p in self.processes)


@dataclass
class Listener:
    """One connection, and a player that plays what comes through it in real time."""

    server: Server
    path: str
    keep: bool = False
    received: int = 0
    underruns: int = 0
    gap: float = 0.0  # seconds of silence it had to bear
    asked: float = 0.0
    began: float = 0.0  # when it began to play; 0 before
    station: str = ""
    status: int = 0
    sound: bytearray = field(default_factory=bytearray)
    _head: bytes | None = b""
    _chunk: int = 0

    def __post_init__(self) -> None:
        wav = self.path.endswith("wav")
        self.rate = WAV_RATE if wav else self.server.kbps * 125
        self.socket = socket.create_connection(("127.0.0.1", self.server.port), timeout=10)
        self.asked = time.monotonic()
        login = f"Authorization: {LOGIN}\r\n"
        # HTTP/1.0: the answer is not cut into chunks, so what comes is sound and nothing else
        self.socket.sendall(f"GET {self.path} HTTP/1.0\r\nHost: x\r\n{login}\r\n".encode())
        self.socket.setblocking(False)

    def read(self) -> bool:
        """Take what has come. False when the connection has ended."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        if self._head is not None:
            data = self._headers(data)
        self.received += len(data)
        if self.keep:
            self.sound += data
        self._play()
        return True

    def _headers(self, data: bytes) -> bytes:
        self._head = (self._head or b"") + data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return b""
        self.status = int(head.split()[1])
        if found := re.search(rb"X-Station: (\S+)", head):
            self.station = found[1].decode()
        self._head = None
        return rest

    def _play(self) -> None:
        """Where the player stands: it has a gap whenever sound came later than it was due."""
        now, seconds = time.monotonic(), self.received / self.rate
        if not self.began:
            self.began = now if seconds >= START else 0.0
            self._chunk = self.received
            return
        if now > self._played_until_now():
            self.underruns += 1
            late = now - self._played_until_now()
            self.gap += late
            self.began += late
        self._chunk = self.received

    def _played_until_now(self) -> float:
        """When what had come before now is played to its end."""
        return self.began + self._chunk / self.rate

    def late(self) -> bool:
        """Whether it is silent now, for want of sound."""
        return bool(self.began) and time.monotonic() > self._played_until_now()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def listen(listeners: list[Listener], seconds: float) -> int:
    """Let all listen for some time; returns how many had no gap and are still connected."""
    reader = selectors.DefaultSelector()
    for listener in listeners:
        reader.register(listener.socket, selectors.EVENT_READ, listener)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for key, _ in reader.select(min(left, 0.2)):
            if not key.data.read():
                reader.unregister(key.fileobj)
                key.data.underruns += 1
    reader.close()
    return sum(x.underruns == 0 and x.began > 0 and not x.late() for x in listeners)
