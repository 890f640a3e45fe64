"""A station for what is played at this moment: it renders what comes, and composes nothing.

It stays behind those who play by about as much as other stations are ahead of who listens, so that no
listener has a gap where the machine or the network is held up.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from music.events import Event
from music.synth import RATE, Pcm
from stream.formats import Formats
from stream.messages import (
    BLOCK,
    BLOCK_SECONDS,
    Begin,
    Block,
    Composed,
    Earlier,
    End,
    Load,
    Order,
    Pace,
    Report,
    State,
)
from stream.piece import Sampling, StationPiece
from stream.player_settings import PlayerSettings
from stream.pool import Pool
from stream.settings import Server
from stream.source import StreamEvent
from stream.station import Station
from stream.stations import Stations
from stream.texts import Texts
from stream.workers import Link

log = logging.getLogger("play_bach")

MODEL = "live"  # stands where the name of a model would
SECOND = PlayerSettings(model=MODEL, bpm=60)  # a quarter of the events is a second
LEAST_SLACK = 2 * BLOCK_SECONDS  # that a block is there before it is heard
SLEPT = 2.0  # seconds; what is overdue for longer is left out
AGAIN = 5.0  # seconds of silence after a failure


class Sound(Protocol):
    """What is played now."""

    delay: float  # seconds that a block is to be asked for after its end

    def begin(self) -> None:
        """Somebody listens from now on."""

    def block(self, start: float, frames: int) -> tuple[Pcm, list[tuple[int, Event]]]:
        """So many frames from a time (time.monotonic) on; what sounds, and from which frame on."""

    def end(self) -> None:
        """Nobody listens any longer."""


class LiveProducer:
    """Renders block after block, and only while somebody listens: work for a pool."""

    model = MODEL

    def __init__(
        self, begin: Begin, sound: Sound, server: Server, report: Callable[[Report], None]
    ) -> None:
        self._number, self._sound, self._report = begin.number, sound, report
        least = sound.delay + BLOCK_SECONDS + LEAST_SLACK
        self._later = max(server.ahead, least)  # seconds from playing to hearing
        self._retry = 0.0  # when it is tried again, after a failure
        self._formats = Formats(server.mp3_kbps)
        self._frames = begin.first  # rendered so far
        self._origin = 0.0  # when what is frame 0 was played
        self._begun: float | None = None  # when frame 0 was heard
        self._lock = threading.Lock()
        self.pace(begin.kinds, None)

    def pace(self, kinds: tuple[str, ...], begun: float | None) -> None:
        """The formats that are listened to, and when frame 0 was heard; None: nothing was yet."""
        with self._lock:
            before, self._begun = bool(self._formats), begun
            earlier = self._formats.want(kinds)
            if kinds and not before:
                self._origin = time.monotonic() - self._later - self._frames / RATE
                self._sound.begin()
            elif before and not kinds:
                self._sound.end()
        for kind, blocks in earlier.items():
            self._report(Earlier(self._number, kind, blocks))

    def due(self) -> float | None:
        """When the next block is over; None: nobody listens."""
        if not self._formats:
            return None
        return self._origin + (self._frames + BLOCK) / RATE + self._sound.delay

    def play(self) -> float:
        """Render and send the next block; returns its seconds."""
        with self._lock:
            due = self.due()
            if due is None:
                return BLOCK_SECONDS
            late = time.monotonic() - due
            self._origin += late if late > SLEPT else 0.0
            pcm, heard = self._rendered()
            block = Block(
                self._number,
                self._frames,
                self._formats.add(self._frames, pcm),
                tuple(Composed(self._frames + at, StreamEvent(e), SECOND) for at, e in heard),
                State(),
            )
            self._frames += BLOCK
            if self._begun is not None:
                self._formats.forget((time.monotonic() - self._begun) * RATE - BLOCK)
        self._report(block)
        return BLOCK_SECONDS

    def _rendered(self) -> tuple[Pcm, list[tuple[int, Event]]]:
        """The next block; silence where that fails, for a stream goes on."""
        if time.monotonic() >= self._retry:
            try:
                return self._sound.block(self._origin + self._frames / RATE, BLOCK)
            except Exception:
                log.exception("what is played cannot be rendered; silence for a while")
                self._retry = time.monotonic() + AGAIN
        return np.zeros((BLOCK, 2), np.int16), []

    def close(self) -> None:
        """Nothing more is wanted."""
        self.pace((), None)


class LiveWorker(Link):
    """The one worker of a server whose stations play what is played now."""

    def __init__(self, sound: Sound, server: Server) -> None:
        super().__init__(1)
        self._pool = Pool(1)
        self._sound, self._server = sound, server
        self._playing: dict[int, LiveProducer] = {}

    def order(self, order: Order) -> None:
        """Do it at once."""
        if isinstance(order, Begin):
            begun = LiveProducer(order, self._sound, self._server, self.report)
            self._playing[order.number] = begun
            self._pool.add(begun)
        elif (found := self._playing.get(order.number)) is None:
            return
        elif isinstance(order, Pace):
            found.pace(order.kinds, order.begun)
            self._pool.notify()
        elif isinstance(order, End):
            del self._playing[order.number]
            self._pool.remove(found)

    def report(self, report: Report) -> None:
        """Give a block to its station, and tell how busy this is."""
        self.load = Load(self._pool.load, self._pool.costs(), cpu=time.process_time())
        super().report(report)

    def close(self) -> None:
        """End all."""
        self.alive = False
        for work in list(self._playing.values()):
            self._pool.remove(work)
        self._playing.clear()
        self._pool.close()


class LiveStation(Station):
    """The station of what is played now, under a name that nobody guesses."""

    def __init__(self, stations: Stations, server: Server, title: Callable[[Texts], str]) -> None:
        """title: what it is called, in a language; it may change."""
        super().__init__(
            secrets.token_urlsafe(9),
            stations.models,
            SECOND,
            server,
            workers=stations.workers,
            seed=0,
        )
        self.live, self._title = True, title

    def title(self, t: Texts) -> str:
        """What it is called."""
        return self._title(t)

    def _piece(self, seed: int, samplings: tuple[Sampling, ...] = ()) -> StationPiece:
        return StationPiece(MODEL, seed, samplings or (Sampling(),))
