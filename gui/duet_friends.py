"""A duet for friends: its sound as a station, the audio server, and the link to it."""

from __future__ import annotations

import threading
import time

from duet.conductor import Conductor
from duet.dispatcher import LOOKING, others_too, real_time
from music.synth import find_soundfont, fluidsynth_module
from stream.app import sound_app, station_link
from stream.context import SoundContext
from stream.live import LiveStation
from stream.server import audio_server
from stream.texts import Texts

RENEWED = 60.0  # seconds for which a link is handed out; it is good for many hours


class Friends:
    """The audio server of a duet, and the one station that it has."""

    def __init__(self, context: SoundContext) -> None:
        """Raises UserError without FluidSynth or a SoundFont, and for a port that cannot be had."""
        fluidsynth_module()
        find_soundfont()
        self._context = context
        self._conductor: Conductor | None = None
        self._link, self._until = "", 0.0
        app = sound_app(context)
        app.before_request(_in_time)
        self._audio = audio_server(context, app)
        self.station = LiveStation(context.stations, context.server, self.title)
        context.stations.add(self.station)

    def start(self, conductor: Conductor) -> None:
        """Serve, in a thread: the session is there."""
        self._conductor = conductor
        threading.Thread(target=self._serve, daemon=True, name="audio server").start()
        others_too()

    def _serve(self) -> None:
        real_time(LOOKING)
        self._audio.serve()

    def title(self, t: Texts) -> str:
        """Who plays, in a language."""
        if self._conductor is None:
            return ""
        session = self._conductor.session
        return t(
            "duet_title", who=", ".join(p.name for p in (*session.players, *session.background))
        )

    def news(self) -> tuple[str, int]:
        """The link to hand out, a path of the audio server, and how many listen."""
        if time.monotonic() > self._until:
            self._link = station_link(self._context, "share", station=self.station.name)
            self._until = time.monotonic() + RENEWED
        return self._link, self.station.listeners

    def close(self) -> None:
        """End the server; the stations have ended before."""
        self._audio.stop()


def _in_time() -> None:
    """A thread of ordinary priority would hold up those who play, see dispatcher.real_time."""
    real_time(LOOKING)
