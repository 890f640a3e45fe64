"""A station: one predict thread that composes and plays, heard by any number of listeners.

The predict thread turns events into blocks of sound and stays a fixed time ahead of the station's
clock. Every block goes to every listener, each of whom has a bounded backlog of its own, so that
nobody can hold up anybody else. While nobody listens the station rests.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np

from music.copies import Copy
from music.synth import RATE, Pcm
from stream.listener import Full, Listener
from stream.model_cache import ModelCache
from stream.mp3 import Mp3
from stream.player import BLOCK, Player
from stream.player_settings import PlayedEvent, PlayerSettings
from stream.pool import Pool
from stream.settings import Server
from stream.source import Source, StreamEvent, composer_of

log = logging.getLogger("play_bach")

STUCK = 0.4  # of the time ahead; a composer that takes longer is given up
LEAST_LIFE = 1.0  # seconds between two restarts, twice as many after each
LONGEST_LIFE = 60.0
BUSY = 0.7  # of the load of the pool; beyond it more is composed ahead
MOST_AHEAD = 2.5  # times as much
LATE_FOR = 10.0  # seconds for which an underrun is reported
FORMATS = ("wav", "mp3")


class Station:
    """One predict thread and its listeners. All methods may be called from any thread."""

    def __init__(
        self,
        name: str,
        models: ModelCache,
        settings: PlayerSettings,
        server: Server,
        *,
        pool: Pool,
        seed: int,
    ) -> None:
        """Costs next to nothing until somebody listens. Raises UserError if the model is unusable."""
        self.name, self.settings = name, settings
        self.brief = False  # ends as soon as nobody listens
        self.underruns = self.dropped = self.restarts = 0
        self.cpu = 0.0  # seconds of the predict threads
        self.quiet_since = time.monotonic()
        self._models, self._server, self.seed = models, server, seed
        self._drawn = seed  # a predict thread that follows another composes something else
        self.synths, self.pool = models.synths, pool
        self._model = models.model(settings.model)
        self._ahead = int(server.ahead * RATE)
        self._lock = threading.RLock()
        self._player: Player | None = None
        self._ended = False
        self._frames = 0  # composed so far
        self._clock_start: float | None = None  # when frame 0 was heard; None while nothing is
        self._ring: deque[tuple[int, bytes, bytes]] = deque()  # what is composed and not yet heard
        self._listeners: list[Listener] = []
        self._mp3: Mp3 | None = None
        self._log: deque[PlayedEvent] = deque()
        self._numbers = 0
        self._late_at = -LATE_FOR  # when the last underrun was
        self._failures = 0  # restarts that followed each other

    # ---- listening

    def join(self, kind: str, name: str = "") -> Listener:
        """A new listener, who is sent at once what is composed and not yet heard.

        Raises Full when there are too many, or when the station has ended.
        """
        with self._lock:
            if self._ended:
                raise Full("this station has ended; open the page again.")
            if len(self._listeners) >= self._server.max_listeners:
                raise Full(
                    f"this station has its {self._server.max_listeners} listeners (max_listeners); "
                    "try again later."
                )
            if self._player is None:
                self._begin()
            listener = Listener(kind, name, int(self._server.backlog * RATE / BLOCK))
            self._catch_up(listener)
            self._listeners.append(listener)
        self.pool.notify()
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener. The last one lets the station rest."""
        with self._lock:
            listener.drop()
            if listener in self._listeners:
                self._listeners.remove(listener)
            if self._mp3 and not any(x.kind == "mp3" for x in self._listeners):
                self._mp3 = None
            if not self._listeners:
                self._rest()

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    def start_of(self, name: str) -> int | None:
        """The frame that the listener of that name heard first; None if there is no such listener."""
        with self._lock:
            return next((x.start for x in reversed(self._listeners) if x.name == name), None)

    def _catch_up(self, listener: Listener) -> None:
        """Give a new listener the sound that is ahead of the clock, so that it plays at once."""
        if listener.kind == "mp3" and self._mp3 is None:
            self._mp3 = Mp3(self._server.mp3_kbps)
            self._ring = deque(
                (n, wav, self._mp3.encode(np.frombuffer(wav, "<i2").reshape(-1, 2)))
                for n, wav, _ in self._ring
            )
        self._forget_heard()
        listener.start = self._ring[0][0] if self._ring else self._frames
        for _, wav, mp3 in self._ring:
            listener.offer(mp3 if listener.kind == "mp3" else wav)

    def _rest(self) -> None:
        """Stop the clock. What nobody heard is forgotten, so that Play begins with what is new."""
        heard = self._clock()
        self._log = deque(x for x in self._log if x.onset < heard)
        self._ring.clear()
        self._clock_start = None
        self.quiet_since = time.monotonic()

    # ---- the clock

    def _clock(self) -> float:
        """The frame that is heard now, if a listener's player began at once."""
        if self._clock_start is None:
            return self._frames
        return min((time.monotonic() - self._clock_start) * RATE, self._frames)

    @property
    def lead(self) -> float:
        """Seconds from composing to hearing, now."""
        with self._lock:
            return (self._frames - self._clock()) / RATE

    def _forget_heard(self) -> None:
        heard = self._clock()
        while self._ring and self._ring[0][0] + BLOCK <= heard:
            self._ring.popleft()

    # ---- the predict thread's side

    @property
    def ahead(self) -> int:
        """Frames that are composed ahead of what is heard: the more, the busier the machine is."""
        busy = max(0.0, self.pool.load - BUSY) / (1 - BUSY)
        return int(self._ahead * (1 + (MOST_AHEAD - 1) * busy))

    def due(self, player: Player) -> float | None:
        """When the next block is to be made (time.monotonic); None: not now.

        Without a lock, for the pool asks often and holds its own; a moment later is soon enough.
        """
        if self._ended or self._player is not player or not self._listeners:
            return None
        begun = self._clock_start
        return 0.0 if begun is None else begun + (self._frames + BLOCK - self.ahead) / RATE

    def send(self, player: Player, pcm: Pcm) -> None:
        """Take a block from the predict thread and give it to all."""
        with self._lock:
            if self._player is not player or self._ended or not self._listeners:
                return
            self._keep_time(player)
            wav = pcm.astype("<i2", copy=False).tobytes()
            mp3 = self._mp3.encode(pcm) if self._mp3 else b""
            self._ring.append((self._frames, wav, mp3))
            self._frames += len(pcm)
            self._forget_heard()
            for listener in list(self._listeners):
                if not listener.offer(mp3 if listener.kind == "mp3" else wav):
                    self.dropped += 1
                    self.leave(listener)

    def _keep_time(self, player: Player) -> None:
        """Start the clock with the first block; a block that comes too late moves it."""
        if self._clock_start is None:
            self._clock_start = time.monotonic() - self._frames / RATE
            return
        late = time.monotonic() - self._clock_start - self._frames / RATE
        if late > 0:
            self.underruns += 1
            self._late_at = time.monotonic()
            self._clock_start += late
            if player.composing > BLOCK / RATE / 2:  # it is the model, not the machine
                player.source.give_up("the model is too slow for this machine")

    def record(
        self, player: Player, event: StreamEvent, frame: int, settings: PlayerSettings
    ) -> None:
        """Remember an event that begins `frame` frames after the player did."""
        with self._lock:
            if self._player is not player:
                return
            self._numbers += 1
            self._log.append(PlayedEvent(self._numbers, player.first + frame, event, settings))
            oldest = self._frames - self._server.keep_minutes * 60 * RATE
            while self._log and self._log[0].onset < oldest:
                self._log.popleft()

    # ---- settings

    def update(self, **changes: Any) -> float:
        """Change settings; returns the seconds until that is heard.

        Raises UserError for values out of range and for a model that cannot be used; the present
        one then plays on.
        """
        settings = replace(self.settings, **changes)
        with self._lock:
            player = self._player
        if settings.model != self.settings.model:
            model = self._models.model(settings.model)
            if player:
                composer = composer_of(model, settings.temperature, self._drawn)
                player.source.swap(model, composer)
                player.cut = True
            self._model = model
        with self._lock:  # somebody else may have changed another one meanwhile
            self.settings = replace(self.settings, **changes)
            return self.lead

    # ---- what others ask

    @property
    def playing(self) -> bool:
        """Whether it has a predict thread, at work or resting."""
        return self._player is not None and not self._ended

    @property
    def trouble(self) -> str:
        """What is wrong, for people; empty if nothing is."""
        player = self._player
        if player and player.source.trouble:
            return player.source.trouble
        late = time.monotonic() - self._late_at < LATE_FOR
        return "this machine is too busy to keep up" if late else ""

    @property
    def from_corpus(self) -> bool:
        """Whether the corpus plays because the model cannot."""
        player = self._player
        return bool(player and player.source.trouble)

    @property
    def notes(self) -> tuple[int, float]:
        """The notes composed by the present predict thread, and the seconds it took."""
        player = self._player
        return (player.source.notes, player.source.seconds) if player else (0, 0.0)

    @property
    def copied(self) -> Copy:
        """The longest passage that stands in the training pieces."""
        player = self._player
        return player.source.copy if player else Copy()

    @property
    def seconds(self) -> float:
        """Seconds of sound composed so far."""
        return self._frames / RATE

    def news(self, after: int, most: int = 48) -> list[PlayedEvent]:
        """The latest events with a higher number than `after`, among them what is not yet heard."""
        with self._lock:
            new = [x for x in self._log if x.number > after]
        return new[-most:]

    def heard(self) -> list[PlayedEvent]:
        """The events of the last minutes that were heard, the oldest first."""
        with self._lock:
            now = self._clock()
            return [x for x in self._log if x.onset < now]

    # ---- keeping it alive

    def check(self) -> None:
        """Replace a predict thread that died or is stuck; the corpus plays until the model is back."""
        with self._lock:
            player = self._player
            if player is None or self._ended or not self._listeners:
                return
            now = time.monotonic()
            if now - player.born < min(LEAST_LIFE * 2.0**self._failures, LONGEST_LIFE):
                return
            stuck = player.since is not None and now - player.since > STUCK * self._server.ahead
            if not player.died and not stuck:
                self._failures = 0 if now - player.born > LONGEST_LIFE else self._failures
                return
            why = "the composing thread died" if player.died else "the model is stuck"
            log.warning("station %s: %s; the corpus plays on", self.name, why)
            self.restarts += 1
            self._failures += 1
            self.pool.remove(player)
            self.pool.replace_thread(player.thread)
            self._begin(why)

    def _begin(self, trouble: str = "") -> None:
        """Start to compose. Raises UserError if there is no sound to be had."""
        self._drawn += 1
        source = Source(self._model, self.settings.temperature, self._drawn, trouble)
        self._player = Player(self, source, self._frames)
        self.pool.add(self._player)

    def end(self) -> None:
        """End for good: the thread, the synth, and all responses."""
        with self._lock:
            self._ended = True
            for listener in list(self._listeners):
                self.leave(listener)
            if self._player is not None:
                self.pool.remove(self._player)
