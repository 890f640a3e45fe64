"""What a worker does for one station: compose, render, encode; and begin anew after a failure."""

import logging
import math
import threading
import time
from collections.abc import Callable

from music.synth import RATE, Pcm
from stream.formats import Formats
from stream.messages import (
    BLOCK,
    BLOCK_SECONDS,
    Begin,
    Block,
    Compose,
    Composed,
    Earlier,
    Report,
    Restarted,
    State,
)
from stream.model_cache import ModelCache
from stream.piece import Sampling
from stream.player import Player
from stream.player_settings import PlayerSettings
from stream.pool import Pool
from stream.settings import Server
from stream.source import Source, StreamEvent, composer_of

log = logging.getLogger("play_bach")

STUCK = 0.4  # of the time ahead; a composer that takes longer is given up
LEAST_LIFE = 1.0  # seconds between two restarts, twice as many after each
LONGEST_LIFE = 60.0
PATIENCE = 0.3  # seconds that the first block may take when others are in need
BUSY = 0.7  # of the load of the pool; beyond it more is composed ahead
MOST_AHEAD = 2.5  # times as much


class Producer:
    """The sound of one station, block after block, a fixed time ahead of the station's clock."""

    def __init__(
        self,
        begin: Begin,
        models: ModelCache,
        server: Server,
        pool: Pool,
        report: Callable[[Report], None],
    ) -> None:
        """Raises UserError if there is no sound to be had, or the model is unusable."""
        self.number, self.name, self.settings = begin.number, begin.station, begin.settings
        self.pool, self.synths, self.levels = pool, models.synths, models.levels
        self._models, self._server, self._report = models, server, report
        self._model = models.model(begin.settings.model)
        self._seed = begin.seed
        self._ahead = int(server.ahead * RATE)
        self._formats = Formats(server.mp3_kbps)
        self._frames = begin.first  # composed so far
        self._begun: float | None = None  # when frame 0 was heard
        self._asked = time.monotonic()  # since when somebody listens
        self._events: list[Composed] = []  # of the next block
        self._failures = 0  # restarts that followed each other
        self._restarts = 0
        self._lock = threading.Lock()
        self._want(begin.kinds)
        self._player = self._new_player(begin.trouble, begin.samplings)

    def _new_player(self, trouble: str, samplings: tuple[Sampling, ...] = ()) -> Player:
        settings = self.settings
        source = Source(
            self._model,
            settings.temperature,
            self._seed,
            trouble,
            scale=settings.scale,
            samplings=samplings,
        )
        player = Player(self, source, self._frames)
        self.pool.add(player)
        return player

    # ---- orders

    def change(self, settings: PlayerSettings) -> None:
        """Other settings, from the next block on. Raises UserError for an unusable model."""
        if settings.model != self.settings.model:
            self.compose(Compose(self.number, settings, self._seed))
        self.settings = settings

    def compose(self, order: Compose) -> None:
        """Begin a piece with the next block. Raises UserError for an unusable model."""
        settings = order.settings
        model = self._models.model(settings.model)
        told = (settings.temperature, settings.scale)
        composer = composer_of(model, settings.temperature, order.seed, settings.scale)
        self.settings = settings  # before the piece begins, or the player would take it for changed
        self._model, self._seed = model, order.seed
        self._player.source.swap(model, composer, order.seed, told, order.samplings)
        self._player.cut = True

    def pace(self, kinds: tuple[str, ...], begun: float | None) -> None:
        """The formats that are listened to, and when frame 0 was heard; None: nothing was yet."""
        if kinds and not self.listening:
            self._asked = time.monotonic()
        self._begun = begun
        self._want(kinds)
        self.pool.notify()

    def end(self) -> None:
        """Let others have the synth."""
        with self._lock:
            self._formats.want(())
        self.pool.remove(self._player)

    @property
    def listening(self) -> bool:
        """Whether anybody listens."""
        return bool(self._formats)

    def _want(self, kinds: tuple[str, ...]) -> None:
        """Encode these formats from now on, and what is not yet heard in those that are new."""
        with self._lock:
            earlier = self._formats.want(kinds)
        for kind, blocks in earlier.items():
            self._report(Earlier(self.number, kind, blocks))

    # ---- the player's side

    @property
    def ahead(self) -> int:
        """Frames that are composed ahead of what is heard: the more, the busier the machine is."""
        busy = max(0.0, self.pool.load - BUSY) / (1 - BUSY)
        return int(self._ahead * (1 + (MOST_AHEAD - 1) * busy))

    def due(self, player: Player) -> float | None:
        """When the next block is to be made (time.monotonic); None: not now.

        Without a lock, for the pool asks often and holds its own; a moment later is soon enough.
        """
        if not self.listening:
            return None
        begun = self._begun
        if begun is None:  # not before those who would have a gap
            return self._asked + PATIENCE - self.ahead / RATE
        return begun + (self._frames + BLOCK - self.ahead) / RATE

    def send(self, player: Player, pcm: Pcm) -> None:
        """Take a block from the player and give it to the server."""
        with self._lock:
            if player is not self._player or not self.listening:
                return
            self._keep_time(player)
            sound = self._formats.add(self._frames, pcm)
            events, self._events = tuple(self._events), []
            block = Block(self.number, self._frames, sound, events, self.state())
            self._frames += BLOCK
            self._formats.forget(self._frames - self.lead * RATE - BLOCK)
        self._report(block)

    def _keep_time(self, player: Player) -> None:
        """Start the clock with the first block; a block that comes too late moves it."""
        now, sound = time.monotonic(), self._frames / RATE
        if self._begun is None:
            self._begun = now - sound
        elif (late := now - self._begun - sound) > 0:
            self._begun += late
            if player.composing > BLOCK_SECONDS / 2:  # it is the model, not the machine
                player.source.give_up("the model is too slow for this machine")

    @property
    def lead(self) -> float:
        """Seconds from composing to hearing, now; as many as can be while nothing is heard."""
        begun = self._begun
        return math.inf if begun is None else self._frames / RATE - (time.monotonic() - begun)

    def record(
        self, player: Player, event: StreamEvent, frame: int, settings: PlayerSettings
    ) -> None:
        """Remember an event that begins `frame` frames after the player did."""
        with self._lock:
            if player is self._player:
                self._events.append(Composed(player.first + frame, event, settings))

    def state(self) -> State:
        """How it does."""
        source = self._player.source
        trouble, notes = source.trouble, source.notes
        return State(trouble, bool(trouble), notes, source.seconds, self._restarts, source.copy)

    # ---- keeping it alive

    def check(self) -> None:
        """Replace a player that died or is stuck; the corpus plays until the model is back."""
        player, now = self._player, time.monotonic()
        if now - player.born < min(LEAST_LIFE * 2.0**self._failures, LONGEST_LIFE):
            return
        stuck = player.since is not None and now - player.since > STUCK * self._server.ahead
        if not player.died and not stuck:
            self._failures = 0 if now - player.born > LONGEST_LIFE else self._failures
            return
        if not self.listening:
            return
        why = "the composing thread died" if player.died else "the model is stuck"
        log.warning("station %s: %s; the corpus plays on", self.name, why)
        self._restarts += 1
        self._failures += 1
        self.pool.remove(player)
        self.pool.replace_thread(player.thread)
        with self._lock:
            self._events = []
            self._seed += 1  # the player that follows another composes something else
            self._player = self._new_player(why)
        self._report(Restarted(self.number, self.state()))
