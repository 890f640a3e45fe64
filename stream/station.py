"""A station: one predict thread that composes and plays, heard by any number of listeners.

The predict thread turns events into blocks of sound and stays a fixed time ahead of the station's
clock. Every block goes to every listener, each of whom has a bounded backlog of its own, so that
nobody can hold up anybody else. While nobody listens the station rests.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from piece import Event
from synth import RATE, Pcm, Performer, Synth

from config_bach import Settings, setting
from stream.listener import Full, Listener
from stream.mp3 import Mp3
from stream.settings import Server
from stream.source import Draw, Shelf, Source, composer_of

log = logging.getLogger("play_bach")

CHUNK = 8192  # frames that are sent at a time: 0.19 s; half as long costs 15 % more
STUCK = 0.4  # of the time ahead; a composer that takes longer is given up
LEAST_LIFE = 1.0  # seconds between two predict threads of a station
LATE_FOR = 10.0  # seconds for which an underrun is reported
FORMATS = ("wav", "mp3")


@dataclass(frozen=True)
class Knobs(Settings):
    """What a listener can turn."""

    model: str
    program: int = setting(1, 1, 128, "General MIDI instrument")
    alto: int = setting(0, 0, 128, "instrument of the second voice; 0 as the first")
    tenor: int = setting(0, 0, 128, "instrument of the third voice; 0 as the first")
    bass: int = setting(0, 0, 128, "instrument of the fourth voice; 0 as the first")
    bpm: float = setting(90.0, 30.0, 240.0, "quarter notes a minute")
    temperature: float = setting(1.0, 0.0, 2.0, "0 always takes the likeliest")
    volume: float = setting(0.8, 0.0, 1.0, "share of full loudness")

    @property
    def programs(self) -> tuple[int, ...]:
        """The instruments of the four voices; music without voices is played by the first."""
        others = (self.alto, self.tenor, self.bass)
        return (self.program, *(p or self.program for p in others))


@dataclass(frozen=True)
class Played:
    """An event of a station: its number, its onset in frames, and the knobs it was played with."""

    number: int
    onset: int
    draw: Draw
    knobs: Knobs

    @property
    def event(self) -> Event:
        """What sounds."""
        return self.draw.event

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return float(self.event.duration) * 60 / self.knobs.bpm


class Station:
    """See the top of this file. All methods may be called from any thread."""

    def __init__(self, name: str, shelf: Shelf, knobs: Knobs, server: Server, seed: int) -> None:
        """Costs next to nothing until somebody listens. Raises UserError if the model is unusable."""
        self.name, self.knobs = name, knobs
        self.brief = False  # ends as soon as nobody listens
        self.underruns = self.dropped = self.restarts = 0
        self.cpu = 0.0  # seconds of the predict threads
        self.quiet_since = time.monotonic()
        self._shelf, self._server, self._seed = shelf, server, seed
        self.synths = shelf.synths
        self._bundle = shelf.bundle(knobs.model)
        self._ahead = int(server.ahead * RATE)
        self._turn = threading.Condition(threading.RLock())
        self._player: Player | None = None
        self._ended = False
        self._frames = 0  # composed so far
        self._zero: float | None = None  # when frame 0 was heard; None while nothing is
        self._ring: deque[tuple[int, bytes, bytes]] = deque()  # what is composed and not yet heard
        self._listeners: list[Listener] = []
        self._mp3: Mp3 | None = None
        self._log: deque[Played] = deque()
        self._numbers = 0
        self._late_at = -LATE_FOR  # when the last underrun was

    # ---- listening

    def join(self, kind: str, name: str = "") -> Listener:
        """A new listener, who is sent at once what is composed and not yet heard.

        Raises Full when there are too many, or when the station has ended.
        """
        with self._turn:
            if self._ended:
                raise Full("this station has ended; open the page again.")
            if len(self._listeners) >= self._server.max_listeners:
                raise Full(
                    f"this station has its {self._server.max_listeners} listeners (max_listeners); "
                    "try again later."
                )
            if self._player is None:
                self._begin()
            listener = Listener(kind, name, int(self._server.backlog * RATE / CHUNK))
            self._catch_up(listener)
            self._listeners.append(listener)
            self._turn.notify_all()
            return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener. The last one lets the station rest."""
        with self._turn:
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
        with self._turn:
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
        self._zero = None
        self.quiet_since = time.monotonic()

    # ---- the clock

    def _clock(self) -> float:
        """The frame that is heard now, if a listener's player began at once."""
        if self._zero is None:
            return self._frames
        return min((time.monotonic() - self._zero) * RATE, self._frames)

    @property
    def lead(self) -> float:
        """Seconds from composing to hearing, now."""
        with self._turn:
            return (self._frames - self._clock()) / RATE

    def _forget_heard(self) -> None:
        heard = self._clock()
        while self._ring and self._ring[0][0] + CHUNK <= heard:
            self._ring.popleft()

    # ---- the predict thread's side

    def wants(self, player: Player) -> bool:
        """Wait until more sound is due. False if the thread is to end."""
        with self._turn:
            while not self._ended and self._player is player:
                if not self._listeners:
                    self._turn.wait()
                    continue
                missing = self._frames + CHUNK - self._clock() - self._ahead
                if missing <= 0:
                    return True
                self._turn.wait(missing / RATE)
            return False

    def send(self, player: Player, pcm: Pcm) -> None:
        """Take a block from the predict thread and give it to all."""
        with self._turn:
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
        if self._zero is None:
            self._zero = time.monotonic() - self._frames / RATE
            return
        late = time.monotonic() - self._zero - self._frames / RATE
        if late > 0:
            self.underruns += 1
            self._late_at = time.monotonic()
            self._zero += late
            if player.composing > CHUNK / RATE / 2:  # it is the model, not the machine
                player.source.give_up("the model is too slow for this machine")

    def note(self, player: Player, draw: Draw, frame: int, knobs: Knobs) -> None:
        """Remember an event that begins `frame` frames after the player did."""
        with self._turn:
            if self._player is not player:
                return
            self._numbers += 1
            self._log.append(Played(self._numbers, player.first + frame, draw, knobs))
            oldest = self._frames - self._server.keep_minutes * 60 * RATE
            while self._log and self._log[0].onset < oldest:
                self._log.popleft()

    # ---- knobs

    def turn(self, **changes: Any) -> float:
        """Turn knobs; returns the seconds until it is heard.

        Raises UserError for values out of range and for a model that cannot be used; the present
        one then plays on.
        """
        knobs = replace(self.knobs, **changes)
        with self._turn:
            player = self._player
        if knobs.model != self.knobs.model:
            bundle = self._shelf.bundle(knobs.model)
            if player:
                composer = composer_of(bundle, knobs.temperature, self._seed)
                player.source.swap(bundle, composer)
                player.cut = True
            self._bundle = bundle
        with self._turn:  # somebody else may have turned another knob meanwhile
            self.knobs = replace(self.knobs, **changes)
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
    def copied(self) -> str:
        """The longest passage that stands in the training pieces, for people."""
        player = self._player
        return str(player.source.copy) if player and player.source.copy.notes else ""

    @property
    def seconds(self) -> float:
        """Seconds of sound composed so far."""
        return self._frames / RATE

    def news(self, after: int, most: int = 48) -> list[Played]:
        """The latest events with a higher number than `after`, among them what is not yet heard."""
        with self._turn:
            new = [x for x in self._log if x.number > after]
        return new[-most:]

    def heard(self) -> list[Played]:
        """The events of the last minutes that were heard, the oldest first."""
        with self._turn:
            now = self._clock()
            return [x for x in self._log if x.onset < now]

    # ---- keeping it alive

    def check(self) -> None:
        """Replace a predict thread that died or is stuck; the corpus plays until the model is back."""
        with self._turn:
            player = self._player
            if player is None or self._ended or not self._listeners:
                return
            now = time.monotonic()
            if now - player.born < LEAST_LIFE:
                return
            stuck = player.since is not None and now - player.since > STUCK * self._server.ahead
            if player.is_alive() and not stuck:
                return
            why = "the model is stuck" if player.is_alive() else "the composing thread died"
            log.warning("station %s: %s; the corpus plays on", self.name, why)
            self.restarts += 1
            self._begin(why)

    def _begin(self, trouble: str = "") -> None:
        """Start a predict thread. Raises UserError if there is no sound to be had."""
        self._seed += 1
        source = Source(self._bundle, self.knobs.temperature, self._seed, trouble)
        self._player = Player(self, source, self._frames)
        self._player.start()

    def end(self) -> None:
        """End for good: the thread, the synth, and all responses."""
        with self._turn:
            self._ended = True
            for listener in list(self._listeners):
                self.leave(listener)
            self._turn.notify_all()


class Player(threading.Thread):
    """The predict thread: model -> next event -> sound -> station."""

    def __init__(self, station: Station, source: Source, first: int) -> None:
        """first: the frame of the station that it begins with."""
        super().__init__(daemon=True, name=f"predict {station.name}")
        self.source, self.first = source, first
        self.born = time.monotonic()
        self.since: float | None = None  # when it began to compose the next event
        self.composing = 0.0  # seconds that composing took in this block
        self.cut = False  # end the present event, a new model is waiting
        self._station, self._knobs = station, station.knobs
        self._gain = self._knobs.volume

    def run(self) -> None:
        """Play until the station has enough of it."""
        synth = self._station.synths.take(self._knobs.programs)
        try:
            self._performer = Performer(self._events(), synth, self._knobs.bpm)
            while self._station.wants(self):
                begun, self.composing = time.thread_time(), 0.0
                self._obey(synth)
                self._station.send(self, self._loud(self._performer.block(CHUNK)))
                self._station.cpu += time.thread_time() - begun
        except Exception:
            log.exception("the predict thread of station %s died", self._station.name)
        finally:
            self._station.synths.give_back(synth)

    def _events(self) -> Iterator[Event]:
        while True:
            self.since = begun = time.monotonic()
            draw = next(self.source)
            self.since = None
            self.composing += time.monotonic() - begun
            self._station.note(self, draw, self._performer.frames, self._knobs)
            yield draw.event

    def _obey(self, synth: Synth) -> None:
        """Do what the knobs say, from the next frame on."""
        knobs, before = self._station.knobs, self._knobs
        self._knobs = knobs
        self._performer.bpm = knobs.bpm
        self.source.warm(knobs.temperature)
        if self.cut:
            self.cut = False
            self._performer.cut_short()
        if knobs.programs != before.programs:
            synth.program(knobs.programs)
            self._performer.strike_again()

    def _loud(self, pcm: Pcm) -> Pcm:
        """The sound at the present volume; a change is spread over the block, so that nothing clicks."""
        now, self._gain = self._gain, self._knobs.volume
        if now == self._gain == 1:
            return pcm
        gain = np.linspace(now, self._gain, len(pcm), dtype=np.float32)[:, None]
        return np.asarray(pcm * gain, np.int16)
