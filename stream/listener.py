"""One who listens to a station."""

import queue
from collections.abc import Iterator

from config_bach import UserError


class Full(UserError):
    """No room: a limit of the settings is reached."""


class Listener:
    """One who listens: its own queue of pieces of sound, in its own format."""

    def __init__(self, kind: str, name: str, most: int) -> None:
        """kind: 'wav' or 'mp3'. name: what its page calls it. most: pieces it may lag behind."""
        self.kind, self.name = kind, name
        self.start = 0  # the frame of the station that it hears first
        self._most = most
        self._gone = False
        self._box: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[bytes]:
        """The pieces as they come, until the station ends or drops this listener."""
        while not self._gone and (piece := self._box.get()) is not None:
            yield piece

    def offer(self, piece: bytes) -> bool:
        """Hand over a piece of sound; False if this listener lags too far behind."""
        if self._box.qsize() >= self._most:
            return False
        self._box.put(piece)
        return True

    def drop(self) -> None:
        """Free what waits, and let the response end."""
        self._gone = True
        while not self._box.empty():
            self._box.get_nowait()
        self._box.put(None)
