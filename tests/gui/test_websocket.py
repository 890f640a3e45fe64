"""The WebSocket of the page, and whatever somebody who is logged in may send through it."""

import shutil
import struct
import threading
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live import SHIPPED, get, raw, settings, until

from config_bach import Paths
from gui.server import PageServer
from stream.server import Servers

from .conftest import port
from .test_page import UPGRADE, frame, path_of_session, session

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    home = tmp_path_factory.mktemp("websocket")
    (home / "models").mkdir()
    shutil.copy(SHIPPED, home / "models")
    servers = Servers(settings(), Paths(home), PageServer)
    yield servers
    servers.close()


@pytest.fixture(scope="module")
def page(servers: Servers) -> str:
    """The cookie of a page, whose WebSocket is open to nonsense."""
    return session(servers)


def connect(servers: Servers, cookie: str) -> Any:
    """A WebSocket of a page; the same tab every time."""
    s = raw(port(servers), f"{path_of_session(cookie)}/tab", *UPGRADE, f"Cookie: {cookie}")
    assert b" 101 " in s.recv(4096)
    return s


def bytes_of(opcode: int, masked: bool, lie: int, data: bytes) -> bytes:
    """A frame whose length may be a lie."""
    length = len(data) + lie
    head = bytes([0x80 | opcode])
    if 0 <= length < 126:
        head += bytes([masked << 7 | length])
    else:
        head += bytes([masked << 7 | 127]) + struct.pack(">Q", length % 2**64)
    return head + (bytes(4) if masked else b"") + data


VALUE = st.text(max_size=12) | st.sampled_from(["1.5", "nan", "inf", "-1", "1e999", "9" * 400])
NAME = st.sampled_from(["bpm", "program", "model", "volume", "__class__"]) | st.text(max_size=6)
WHAT = st.sampled_from(["update", "keep", "here", ""]) | st.text(max_size=6)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """What page.js sends, with values that it would not."""
    told = {"what": draw(WHAT), "name": draw(NAME), "value": draw(VALUE)}
    packed = "".join(f"{len(k) + len(v) + 1}|{k}={v}|" for k, v in told.items())
    return f"callback/bach/request/{packed}".encode()


FRAMES = st.builds(
    bytes_of,
    st.integers(0, 15),
    st.sampled_from([True, True, True, False]),
    st.sampled_from([0, 0, 0, 1, -1, 70_000, 2**63]),
    requests() | st.binary(max_size=200) | st.text(max_size=60).map(str.encode),
)


@hypothesis.settings(max_examples=150, deadline=None)
@given(frames=st.lists(FRAMES | st.binary(max_size=30), max_size=4))
def test_no_frames_harm_the_page_or_its_station(
    servers: Servers, page: str, frames: list[bytes]
) -> None:
    threads = threading.active_count()
    with connect(servers, page) as s:
        try:
            for data in frames:
                s.sendall(data)
        except OSError:
            pass  # it was cut off, rightly
    with connect(servers, page) as s:  # the page is still there, and does what it is asked
        s.sendall(frame("callback/bach/request/11|what=update|8|name=bpm|9|value=155|"))
        until(lambda: any(x.settings.bpm == 155 for x in stations(servers)), 30)
        s.sendall(frame("callback/bach/request/11|what=update|8|name=bpm|9|value=100|"))
        until(lambda: all(x.settings.bpm != 155 for x in stations(servers)), 30)
    assert len(stations(servers)) == 1
    assert threading.active_count() < threads + 8
    assert get(port(servers), "/", None)[0] == 401


def stations(servers: Servers) -> list[Any]:
    return list(servers.context.stations._stations.values())
