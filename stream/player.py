"""The predict thread of a station: it composes, and renders blocks of sound."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from music.events import Event
from music.synth import Pcm, Performer, Synth, Synths
from stream.player_settings import PlayerSettings
from stream.source import Source, StreamEvent

log = logging.getLogger("play_bach")

BLOCK = 8192  # frames that are sent at a time: 0.19 s; half as long costs 15 % more


class PlayerHost(Protocol):
    """What a player needs of its station."""

    name: str
    settings: PlayerSettings
    synths: Synths
    cpu: float

    def wants(self, player: Player) -> bool:
        """Wait until more sound is due; False if the player is to end."""

    def send(self, player: Player, pcm: Pcm) -> None:
        """Take a block of sound [frames, 2]."""

    def record(
        self, player: Player, event: StreamEvent, frame: int, settings: PlayerSettings
    ) -> None:
        """Remember an event that begins `frame` frames after the player did."""


class Player(threading.Thread):
    """The predict thread: model -> next event -> sound -> station."""

    def __init__(self, station: PlayerHost, source: Source, first: int) -> None:
        """first: the frame of the station that it begins with."""
        super().__init__(daemon=True, name=f"predict {station.name}")
        self.source, self.first = source, first
        self.born = time.monotonic()
        self.since: float | None = None  # when it began to compose the next event
        self.composing = 0.0  # seconds that composing took in this block
        self.cut = False  # end the present event, a new model is waiting
        self._station, self._settings = station, station.settings
        self._gain = self._settings.volume

    def run(self) -> None:
        """Play until the station needs no more."""
        synth = self._station.synths.take(self._settings.programs)
        try:
            self._performer = Performer(self._events(), synth, self._settings.bpm)
            while self._station.wants(self):
                begun, self.composing = time.thread_time(), 0.0
                self._apply(synth)
                self._station.send(self, self._with_volume(self._performer.block(BLOCK)))
                self._station.cpu += time.thread_time() - begun
        except Exception:
            log.exception("the predict thread of station %s died", self._station.name)
        finally:
            self._station.synths.give_back(synth)

    def _events(self) -> Iterator[Event]:
        while True:
            self.since = begun = time.monotonic()
            predicted = next(self.source)
            self.since = None
            self.composing += time.monotonic() - begun
            self._station.record(self, predicted, self._performer.frames, self._settings)
            yield predicted.event

    def _apply(self, synth: Synth) -> None:
        """Follow the settings, from the next frame on."""
        settings, before = self._station.settings, self._settings
        self._settings = settings
        self._performer.bpm = settings.bpm
        self.source.set_temperature(settings.temperature)
        if self.cut:
            self.cut = False
            self._performer.cut_short()
        if settings.programs != before.programs:
            synth.program(settings.programs)
            self._performer.strike_again()

    def _with_volume(self, pcm: Pcm) -> Pcm:
        """The sound at the present volume; a change is spread over the block, so that nothing clicks."""
        now, self._gain = self._gain, self._settings.volume
        if now == self._gain == 1:
            return pcm
        gain = np.linspace(now, self._gain, len(pcm), dtype=np.float32)[:, None]
        return np.asarray(pcm * gain, np.int16)
