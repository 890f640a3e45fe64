"""MIDI ports behind one face: `send`, `receive`, an iterator of (message, time), `close`.

In mido's way, but with the time of each message: that at which it came, by time.monotonic(). What
comes in is only put into an inbox, whoever brings it.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

LARGEST_INBOX = 4096  # messages that wait; the oldest give way


class Received(NamedTuple):
    """A message, when it came (time.monotonic()), and the name of the port; message None: it is gone."""

    message: Any
    time: float
    port: str


class Inbox:
    """What came in and was not yet taken; anybody may put, one takes.

    Where the oldest had to give way, it is as if their ports had been lost: what they would have ended
    ends.
    """

    def __init__(self) -> None:
        self._waiting: deque[Received] = deque()
        self._lost: dict[str, Received] = {}  # by port
        self._some = threading.Condition()

    def put(self, received: Received) -> None:
        """Add what came in; never waits for whoever takes it."""
        with self._some:
            self._waiting.append(received)
            if len(self._waiting) > LARGEST_INBOX:
                lost = self._waiting.popleft()
                self._lost[lost.port] = lost._replace(message=None)
            self._some.notify()

    def get(self, timeout: float | None = None) -> Received | None:
        """The oldest, or None if nothing came in that many seconds."""
        with self._some:
            if not self._waiting:
                self._some.wait(timeout)
            if self._lost:
                return self._lost.pop(next(iter(self._lost)))
            return self._waiting.popleft() if self._waiting else None


class Port(ABC):
    """A port that takes and gives messages, or only does one of the two.

    inbox: where its messages go; several ports may share one.
    """

    takes = True  # whether it can be played through
    gives = True  # whether anything comes from it

    def __init__(self, name: str, inbox: Inbox | None = None) -> None:
        self.name, self.closed = name, False
        self.inbox = Inbox() if inbox is None else inbox

    def receive(self, timeout: float | None = None) -> Received | None:
        """The next message and its time; None if none came in that many seconds."""
        return self.inbox.get(timeout)

    def __iter__(self) -> Iterator[Received]:
        """All that comes in until the port is closed."""
        while not self.closed:
            if received := self.receive(0.1):
                yield received

    def send(self, message: Any) -> None:
        """Send a message now; a port that is closed or gone loses it."""
        if not self.closed:
            self._send(message)

    def close(self) -> None:
        """Close it; twice does no harm."""
        if not self.closed:
            self.closed = True
            self._close()

    def arrived(self, message: Any, when: float | None = None) -> None:
        """Put what came in into the inbox, with its time."""
        self.inbox.put(Received(message, time.monotonic() if when is None else when, self.name))

    def disconnected(self) -> None:
        """Say that whoever was at the other end is gone, so that the notes they hold end."""
        self.arrived(None)

    @abstractmethod
    def _send(self, message: Any) -> None:
        """Send a message."""

    def _close(self) -> None:  # noqa: B027  (most have nothing to let go of)
        """Let go of what it holds."""


class MemoryPort(Port):
    """A port without anything behind it: keeps what is sent with its time, and is fed by hand."""

    def __init__(self, name: str = "memory", inbox: Inbox | None = None) -> None:
        super().__init__(name, inbox)
        self.sent: list[tuple[float, Any]] = []

    def _send(self, message: Any) -> None:
        self.sent.append((time.monotonic(), message))


class Loopback(Port):
    """What is sent to it comes in from it: the port of a player who is a file."""

    def _send(self, message: Any) -> None:
        self.arrived(message)
