"""What the tests of the live music share: a real model, real servers, real sockets."""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config_bach import Paths
from families.base import LoadedModel
from gui.server import PageServer
from litert.variants import benchmark_path
from stream.context import ServerContext
from stream.listener import Listener
from stream.model_cache import ModelCache
from stream.server import Servers
from stream.settings import Server
from stream.station import Station

USER, PASSWORD = "bach", "correct horse"
LOGIN = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
SHIPPED = Path(__file__).resolve().parent.parent / "models" / "bach2_nc_mo.zip"
MODEL = SHIPPED.stem
OTHER = "other2_nc_mo"
LOAD = ModelCache._load
READ: dict[Any, LoadedModel] = {}


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def free_ports() -> tuple[int, int]:
    """Two that are not the same."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])


def settings(**changes: Any) -> Server:
    remi, flask = free_ports()
    ports = {"remi_port": remi, "flask_port": flask}
    small: dict[str, Any] = {"max_connections": 12, "workers": 1, **ports, **changes}
    return Server(user=USER, password=PASSWORD, **small)


@pytest.fixture
def equipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """An installation with the model that is shipped, under two names."""
    monkeypatch.setattr(ModelCache, "_load", read_once)
    (tmp_path / "models").mkdir()
    for name in (OTHER, MODEL):
        shutil.copy(SHIPPED, tmp_path / "models" / f"{name}.zip")
    return Paths(tmp_path)


def read_once(cache: ModelCache, path: Path, variant: str) -> LoadedModel:
    """The shipped model: hundreds of servers begin with it, and its pieces take a third of a second."""
    if path.read_bytes() != SHIPPED.read_bytes():
        return LOAD(cache, path, variant)
    figures = benchmark_path(path.stem, cache._paths)  # which say what plays by default
    measured = figures.read_bytes() if figures.is_file() else b""
    key = (path.stem, variant, cache._variant, cache._runtime, measured)
    if key not in READ:
        READ[key] = LOAD(cache, path, variant)
    return READ[key]


@pytest.fixture
def new_context(equipped: Paths) -> Iterator[Callable[..., ServerContext]]:
    """Server contexts with some settings changed; they are closed afterwards."""
    contexts: list[ServerContext] = []

    def make(**changes: Any) -> ServerContext:
        contexts.append(ServerContext(settings(**changes), equipped))
        return contexts[-1]

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def new_servers(equipped: Paths) -> Iterator[Callable[..., Servers]]:
    """Both servers, with some settings changed; they are closed afterwards."""
    running: list[Servers] = []

    def make(**changes: Any) -> Servers:
        running.append(Servers(settings(**changes), equipped, PageServer))
        return running[-1]

    yield make
    for servers in running:
        servers.close()


def opened(context: ServerContext, **changes: Any) -> Station:
    return context.stations.open(replace(context.default_settings(MODEL), **changes))


def hear(listener: Listener, seconds: float) -> np.ndarray:
    """So much sound of a WAV listener [frames, 2]."""
    pieces: list[np.ndarray] = []
    coming = iter(listener)
    while sum(map(len, pieces)) < seconds * 44100:
        pieces.append(np.frombuffer(next(coming), "<i2").reshape(-1, 2))
    return np.concatenate(pieces)


def until(what: Callable[[], Any], seconds: float = 20.0) -> float:
    """Wait until something is true; returns the seconds it took. Fails if it takes too long."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - begun


def get(
    port: int, path: str, login: str | None = LOGIN, most: int = 65536, **headers: str
) -> tuple[int, Any, bytes]:
    """GET a page of a local server: status, headers, the first `most` bytes."""
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    if login:
        headers["Authorization"] = login
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read(most)
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def figures(servers: Servers) -> dict[str, Any]:
    return dict(json.loads(get(servers.context.server.flask_port, "/status")[2]))


def raw(
    port: int, path: str, *lines: str, login: str | None = LOGIN, method: str = "GET"
) -> socket.socket:
    """A connection that has sent a request, and has read nothing."""
    s = socket.create_connection(("127.0.0.1", port), timeout=10)
    head = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *lines]
    head += [f"Authorization: {login}"] if login else []
    s.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
    return s


def start(home: Path) -> subprocess.Popen[str]:
    """The server as a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(SHIPPED.parent.parent / "play_bach.py"), "-st"],
        env={**os.environ, "PLAY_BACH_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def answers(port: int) -> bool:
    try:
        return get(port, "/ping", None)[0] == 200
    except OSError:
        return False
