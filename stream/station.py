"""A station: a producer that composes and plays, heard by any number of listeners.

The producer, in one of the workers, turns events into blocks of sound and stays a fixed time ahead of
the station's clock. Every block goes to every listener, each of whom has a bounded backlog of its own,
so that nobody can hold up anybody else. While nobody listens the station rests.
"""

import logging
import secrets
import threading
import time
from collections import deque
from dataclasses import replace
from typing import Any

from music.copies import Copy
from music.synth import RATE
from stream.listener import Full, Listener
from stream.messages import BLOCK, Begin, Block, Earlier, Restarted, State
from stream.model_cache import ModelCache
from stream.piece import History, Sampling, StationPiece
from stream.player_settings import PlayedEvent, PlayerSettings
from stream.settings import Server
from stream.source import composer_of
from stream.texts import Texts
from stream.workers import RemoteProducer, Workers

log = logging.getLogger("play_bach")

LATE_FOR = 10.0  # seconds for which an underrun is reported
YOUNG = 3.0  # seconds; back from a younger piece leads to the one before
FORMATS = ("wav", "mp3")


class Station:
    """A producer and its listeners. All methods may be called from any thread."""

    def __init__(
        self,
        name: str,
        models: ModelCache,
        settings: PlayerSettings,
        server: Server,
        *,
        workers: Workers,
        seed: int,
        samplings: tuple[Sampling, ...] = (),
    ) -> None:
        """Costs next to nothing until somebody listens. Raises UserError if the model is unusable.

        samplings: how the first piece is sampled, where that is fixed beforehand.
        """
        self.name, self.settings = name, settings
        self.brief = False  # ends as soon as nobody listens
        self.live = False  # plays what is played now; it is there as long as the server, no longer
        self.underruns = self.dropped = 0
        self.quiet_since = time.monotonic()
        self._models, self._server, self.seed = models, server, seed
        self._samplings = samplings
        self._history = History(self._piece(seed, samplings))
        self._workers = workers
        self._lock = threading.RLock()
        self._producer: RemoteProducer | None = None
        self._state = State()
        self._past = 0  # restarts of the producers before
        self._ended = False
        self._frames = 0  # composed so far
        self._clock_start: float | None = None  # when frame 0 was heard; None while nothing is
        self._ring: deque[Block] = deque()  # what is composed and not yet heard
        self._listeners: list[Listener] = []
        self._waiting: list[Listener] = []  # those of them whose format is not there yet
        self._kinds: set[str] = set()  # the formats that are there
        self._log: deque[PlayedEvent] = deque()
        self._numbers = 0
        self._late_at = -LATE_FOR  # when the last underrun was

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
            listener = Listener(kind, name, int(self._server.backlog * RATE / BLOCK))
            self._listeners.append(listener)
            if kind in self._kinds:
                self._catch_up(listener)
            else:
                self._waiting.append(listener)
                self._pace()
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener. The last one lets the station rest."""
        with self._lock:
            listener.drop()
            if listener in self._waiting:
                self._waiting.remove(listener)
            if listener in self._listeners:
                self._listeners.remove(listener)
                if not self._listeners:
                    self._rest()
                elif not any(x.kind == listener.kind for x in self._listeners):
                    self._pace()

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
        self._forget_heard()
        sound = [(b.frame, b.sound[listener.kind]) for b in self._ring if listener.kind in b.sound]
        listener.start = sound[0][0] if sound else self._frames
        for _, piece in sound:
            listener.offer(piece)

    def _pace(self) -> None:
        """Tell the producer what is listened to, and since when; there is one from now on."""
        if self._producer is not None:
            self._producer.pace((x.kind for x in self._listeners), self._clock_start)
        elif self._listeners:
            self._begin()
        self._kinds &= {x.kind for x in self._listeners}

    def _rest(self) -> None:
        """Stop the clock. What nobody heard is forgotten, so that Play begins with what is new."""
        heard = self._clock()
        self._log = deque(x for x in self._log if x.onset < heard)
        self._ring.clear()
        self._clock_start = None
        self._pace()
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
        while self._ring and self._ring[0].frame + BLOCK <= heard:
            self._ring.popleft()

    # ---- the producer's side

    def take(self, producer: RemoteProducer, report: Block | Earlier | Restarted) -> None:
        """Take a block of sound and give it to all; or other news of the producer."""
        with self._lock:
            if self._producer is not producer or self._ended:
                return
            if isinstance(report, Earlier):
                self._take_format(report)
                return
            self._state = report.state
            if isinstance(report, Block) and self._listeners:
                self._send(report)

    def _take_format(self, earlier: Earlier) -> None:
        """From now on there is another format; who waits for it is sent what is not yet heard."""
        self._kinds.add(earlier.kind)
        for block in self._ring:
            if block.frame in earlier.blocks:
                block.sound[earlier.kind] = earlier.blocks[block.frame]
        for listener in [x for x in self._waiting if x.kind == earlier.kind]:
            self._waiting.remove(listener)
            self._catch_up(listener)

    def _send(self, block: Block) -> None:
        self._keep_time(block)
        self._ring.append(block)
        self._frames = block.frame + BLOCK
        self._record(block)
        self._forget_heard()
        for listener in [x for x in self._listeners if x not in self._waiting]:
            piece = block.sound.get(listener.kind)  # none of a format that was asked for just now
            if piece and not listener.offer(piece):
                self.dropped += 1
                self.leave(listener)

    def _keep_time(self, block: Block) -> None:
        """Start the clock with the first block; a block that comes too late moves it."""
        now, sound = time.monotonic(), block.frame / RATE
        if self._clock_start is None:
            self._clock_start = now - sound
        elif (late := now - self._clock_start - sound) > 0:
            self.underruns += 1
            self._late_at = now
            self._clock_start += late
        else:
            return
        self._pace()

    def _record(self, block: Block) -> None:
        """Remember the events of a block, as long as they may be wanted."""
        for x in block.events:
            self._numbers += 1
            self._log.append(PlayedEvent(self._numbers, x.onset, x.predicted, x.settings))
            if x.predicted.origin:
                self._history.take(x.onset, x.predicted.origin)
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
        if settings.model != self.settings.model:
            model = self._models.model(settings.model)
            composer_of(model, settings.temperature, self.seed, settings.scale)
        with self._lock:  # somebody else may have changed another one meanwhile
            self.settings = replace(self.settings, **changes)
            if self._producer is not None:
                self._producer.change(self.settings)
            elif {"model", "temperature", "scale"} & set(changes):  # before anything was composed
                self._samplings = ()
                self._history = History(self._piece(self.seed))
            return self.lead

    # ---- pieces

    @property
    def piece(self) -> StationPiece:
        """The piece that is heard; before that, the one that will be."""
        with self._lock:
            return self._history.present(self._clock())

    def new(self, seed: int | None = None) -> float:
        """Begin a piece, from a new seed or from this one; returns the seconds until it is heard."""
        with self._lock:
            seed = secrets.randbelow(2**31) if seed is None else seed
            self._history.new(self._piece(seed), self._clock())
            return self._compose(seed, self.settings)

    def back(self) -> float:
        """Begin the present piece again, or the one before if it has just begun.

        With the temperature and the scale that it had. Returns the seconds until it is heard. Raises
        UserError if its model is gone.
        """
        with self._lock:
            piece = self._history.back(self._clock(), YOUNG * RATE)
            last = piece.samplings[-1]
            settings = replace(
                self.settings,
                model=self._models.choice(piece.model),
                temperature=last.temperature,
                scale=last.scale,
            )
            return self._compose(piece.seed, settings, piece.samplings)

    def _piece(self, seed: int, samplings: tuple[Sampling, ...] = ()) -> StationPiece:
        """A piece that is not begun. Raises UserError if the model is unusable."""
        now = self.settings
        samplings = samplings or (Sampling(0, now.temperature, now.scale),)
        return StationPiece(self._models.label(now.model), seed, samplings)

    def _compose(
        self, seed: int, settings: PlayerSettings, samplings: tuple[Sampling, ...] = ()
    ) -> float:
        self.seed, self.settings, self._samplings = seed, settings, samplings
        if self._producer is not None:
            self._producer.compose(settings, seed, samplings)
        return self.lead

    # ---- what others ask

    def title(self, t: Texts) -> str:
        """What it is called, in a language; empty: what its model is."""
        return ""

    @property
    def playing(self) -> bool:
        """Whether it has a producer, at work or resting."""
        return self._producer is not None and not self._ended

    @property
    def trouble(self) -> str:
        """What is wrong, for people; empty if nothing is."""
        late = time.monotonic() - self._late_at < LATE_FOR
        return self._state.trouble or ("this machine is too busy to keep up" if late else "")

    @property
    def from_corpus(self) -> bool:
        """Whether the corpus plays because the model cannot."""
        return self._state.from_corpus

    @property
    def notes(self) -> tuple[int, float]:
        """The notes composed by the present producer, and the seconds it took."""
        return self._state.notes, self._state.seconds

    @property
    def copied(self) -> Copy:
        """The longest passage that stands in the training pieces."""
        return self._state.copied

    @property
    def restarts(self) -> int:
        """How often producing had to begin anew."""
        return self._past + self._state.restarts

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
        """Begin anew in another worker when that of the producer has ended."""
        with self._lock:
            if self._producer is None or self._producer.alive or self._ended:
                return
            self._past += self._state.restarts + 1
            self._producer = None
            if self._listeners:
                log.warning("station %s goes on in another worker", self.name)
                self._kinds.clear()
                self._begin()

    def _begin(self) -> None:
        """Let a worker produce sound. After another producer it composes something else."""
        kinds = tuple(sorted({x.kind for x in self._listeners}))
        seed, samplings = self.seed + self._past, () if self._past else self._samplings
        begin = Begin(0, self.name, self.settings, seed, self._frames, kinds, samplings=samplings)
        self._state = State()
        self._producer = self._workers.producer(self, begin)
        self._producer.start()

    def end(self) -> None:
        """End for good: the producer, and all responses."""
        with self._lock:
            self._ended = True
            for listener in list(self._listeners):
                self.leave(listener)
            if self._producer is not None:
                self._producer.end()
