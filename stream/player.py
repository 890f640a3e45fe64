"""What composes for a station, and renders blocks of sound; done by the threads of stream/pool.py."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from music.events import Event
from music.instruments import Programs
from music.loudness import Fader, Levels
from music.synth import RATE, Pcm, Performer, Synth, Synths
from stream.messages import BLOCK
from stream.player_settings import PlayerSettings
from stream.pool import Pool
from stream.source import Source, StreamEvent

log = logging.getLogger("play_bach")

THRIFTY = 0.9  # of the load of the pool; beyond it what is only shown is not computed


class PlayerHost(Protocol):
    """What a player needs of its producer."""

    name: str
    settings: PlayerSettings
    synths: Synths
    levels: Levels
    pool: Pool

    def due(self, player: Player) -> float | None:
        """When the next block is to be made (time.monotonic); None: not now."""

    def send(self, player: Player, pcm: Pcm) -> None:
        """Take a block of sound [frames, 2]."""

    def record(
        self, player: Player, event: StreamEvent, frame: int, settings: PlayerSettings
    ) -> None:
        """Remember an event that begins `frame` frames after the player did."""


class Player:
    """What a predict thread does for a station: model -> next event -> sound -> station."""

    def __init__(self, station: PlayerHost, source: Source, first: int) -> None:
        """first: the frame of the station that it begins with."""
        self.source, self.first = source, first
        self.born = time.monotonic()
        self.since: float | None = None  # when it began to compose the next event
        self.thread: threading.Thread | None = None  # that is at it
        self.died = False
        self.composing = 0.0  # seconds that composing took in this block
        self.cut = False  # end the present event, a new model is waiting
        self._station, self._settings = station, station.settings
        self._mix = self._settings.mix(source.has_voices)
        self._measured: tuple[Sequence[Event], Programs] = ((), ())  # what the gain is for
        self._gain = 1.0
        self._fader: Fader | None = None
        self._synth: Synth | None = None
        self._performer: Performer | None = None

    @property
    def model(self) -> str:
        """The model that composes."""
        return self._settings.model

    def due(self) -> float | None:
        """When the next block is to be made (time.monotonic); None: not now."""
        return None if self.died else self._station.due(self)

    def play(self) -> float:
        """Make the next block; returns its seconds."""
        self.composing = 0.0
        self.thread = threading.current_thread()
        try:
            performer, synth = self._instrument()
            self._apply(performer, synth)
            self._station.send(self, self._with_volume(performer.block(BLOCK)))
        except BaseException:
            self.died = True
            raise
        finally:
            self.thread = None
        return BLOCK / RATE

    def close(self) -> None:
        """Let others have the synth."""
        if self._synth is not None:
            self._station.synths.give_back(self._synth)
            self._synth = None

    def _instrument(self) -> tuple[Performer, Synth]:
        if self._synth is None or self._performer is None:
            self._synth = self._station.synths.take(self._settings.programs, self._mix)
            self._performer = Performer(self._events(), self._synth, self._settings.bpm)
        return self._performer, self._synth

    def _events(self) -> Iterator[Event]:
        while True:
            self.since = begun = time.monotonic()
            predicted = next(self.source)
            self.since = None
            self.composing += time.monotonic() - begun
            frame = self._performer.frames if self._performer else 0
            self._station.record(self, predicted, frame, self._settings)
            yield predicted.event

    def _apply(self, performer: Performer, synth: Synth) -> None:
        """Follow the settings, from the next frame on."""
        settings, before = self._station.settings, self._settings
        self._settings = settings
        performer.bpm = settings.bpm
        self.source.sample(settings.temperature, settings.scale)
        self.source.thrifty = self._station.pool.load > THRIFTY
        if self.cut:
            self.cut = False
            performer.cut_short()
        if settings.programs != before.programs:
            synth.program(settings.programs)
            performer.strike_again()
        mix = settings.mix(self.source.has_voices)
        if mix != self._mix:
            self._mix = mix
            synth.mix(mix)

    def _with_volume(self, pcm: Pcm) -> Pcm:
        """The sound as loud as its instruments should be, at the present volume."""
        measured = (self.source.passage, self._settings.programs)
        if measured != self._measured:
            self._measured = measured
            self._gain = self._station.levels.gain(*measured)
        volume = self._settings.volume
        if self._fader is None:
            self._fader = Fader(self._gain, volume)
        return self._fader(pcm, self._gain, volume)
