"""The WebSocket of a page: frames are checked before anything is done with them."""

from __future__ import annotations

import logging
import select
import socket
import struct
import threading
import warnings
from contextlib import suppress

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # REMI imports pkg_resources, which complains about itself
    from remi import server as remi

log = logging.getLogger("play_bach")

IDLE_TIMEOUT = 75.0  # seconds without a message, after which a page is taken for gone
SEND_TIMEOUT = 2.0  # seconds that a page may not take what it is sent
LARGEST_MESSAGE = 4096  # bytes
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10  # WebSocket opcodes


class WebSocketHandler(remi.WebSocketsHandler):
    """A WebSocket of a page; it reaches nothing but its own session."""

    handshake_done: bool

    def handle(self) -> None:
        """Read messages until the page has gone."""
        self._sending = threading.RLock()
        self.request.settimeout(IDLE_TIMEOUT)
        app = remi.clients.get(remi.parse_session_cookie(self.headers.get("Cookie", "")))
        if app is None:
            return
        try:
            with self._sending:  # news that come meanwhile wait for the answer
                app.websockets.add(self)  # no other tab may have the session from now on
                app.connected = self.handshake() or app.connected
            while self.handshake_done and self.read_next_message():
                pass
        finally:
            app.websockets.discard(self)
            self.handshake_done = False

    def close(self, terminate_server: bool = True) -> None:
        """Hang up; the thread that reads from the page ends with it."""
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)

    def handshake(self) -> bool:
        """Answer the upgrade of a known session."""
        return bool(self.headers.get("Sec-WebSocket-Key")) and bool(super().handshake())

    def read_next_message(self) -> bool:
        """Read and handle one frame. False when this was the last."""
        try:
            first, second = self._exactly(2)
            length = second & 127
            if length == 126:
                (length,) = struct.unpack(">H", self._exactly(2))
            if length > LARGEST_MESSAGE or not second & 128 or not first & 128:
                return False  # a page masks what it sends, and has nothing long to say
            mask, data = self._exactly(4), self._exactly(length)
        except (OSError, ValueError, EOFError):
            return False
        return self._handle_frame(first & 15, bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def _exactly(self, count: int) -> bytes:
        data = self.rfile.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def _handle_frame(self, opcode: int, data: bytes) -> bool:
        if opcode == PING:
            self._frame(PONG, data)
        elif opcode == TEXT:
            try:
                self.on_message(remi.from_websocket(data.decode()))
            except Exception:  # nonsense from a page must not end its session
                log.debug("a page sent nonsense", exc_info=True)
        return opcode != CLOSE

    def on_message(self, message: str) -> None:
        """'callback/bach/request/...' goes to the session; nothing else means anything."""
        self.send_message("3")  # REMI's acknowledgement
        kind, widget, function, *rest = (*message.split("/", 3), "", "", "")
        app = remi.clients.get(self.session)
        if (kind, widget, function) == ("callback", "bach", "request") and app is not None:
            wanted = remi.parse_parametrs(rest[0])
            app.on_request(**{str(k): str(v) for k, v in wanted.items()})

    def send_message(self, message: str) -> bool:
        """Send text. False if the page does not take it."""
        with self._sending:
            return self.handshake_done and self._frame(TEXT, message.encode())

    def _frame(self, opcode: int, data: bytes) -> bool:
        head = bytes([128 | opcode])
        head += bytes([len(data)]) if len(data) < 126 else b""
        head += struct.pack(">BH", 126, len(data)) if 126 <= len(data) < 65536 else b""
        head += struct.pack(">BQ", 127, len(data)) if len(data) >= 65536 else b""
        with self._sending:
            try:
                if not select.select([], [self.request], [], SEND_TIMEOUT)[1]:
                    return False
                self.request.sendall(head + data)
            except (OSError, ValueError):
                return False
        return True
