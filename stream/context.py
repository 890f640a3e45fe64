"""What the requests of both servers share: stations, login, links, recordings."""

import time
from collections.abc import Sequence

from config_bach import DEFAULT_BPM, DEFAULT_PROGRAM, Paths, UserError
from stream.accounts import Accounts
from stream.auth import Authenticator
from stream.links import Clock, SignedLinks
from stream.model_cache import ModelCache
from stream.player_settings import PlayedEvent, PlayerSettings, range_of
from stream.quiz import Quiz
from stream.recordings import Recording, Recordings, dated
from stream.settings import Server, store_of
from stream.station import Station
from stream.stations import Stations
from stream.store import Store
from stream.tls import Certificate
from stream.training import Trainings
from stream.tunes import Tunes
from stream.workers import Link, Workers


class LoginContext:
    """What a server needs to let people in: settings, certificate, users, and what it remembers."""

    def __init__(self, server: Server, paths: Paths) -> None:
        self.server = server
        self.certificate = Certificate(server, paths.root) if server.certificate else None
        self.store = Store(store_of(paths), server.recordings_mb * 2**20)
        self.links = SignedLinks(
            server.link_hours, self.store.key(), Clock(self.store.latest_time())
        )
        self.accounts = Accounts(server.passwords, server.guests, self.links, self.store.has_ended)
        self.authenticator = Authenticator(self.accounts)

    def close(self) -> None:
        """Close what it remembers in; all that is to survive is written already."""
        self.store.close()


class SoundContext(LoginContext):
    """What the sound of stations needs beside that."""

    def __init__(self, server: Server, paths: Paths, only: Link | None = None) -> None:
        """only: the one worker that produces sound; None: as many as the settings say."""
        super().__init__(server, paths)
        self.models = ModelCache(paths, server.variant, server.runtime)
        workers = Workers(self.models, paths, server, only)
        self.stations = Stations(server, self.models, self.store, workers)

    def close(self) -> None:
        """End all stations."""
        self.stations.close()
        super().close()


class ServerContext(SoundContext):
    """What the requests of both servers share; made once when they start."""

    def __init__(self, server: Server, paths: Paths) -> None:
        super().__init__(server, paths)
        self.store.tidy()
        self.recordings = Recordings(self.store)
        self.store.adopt(server.user)
        self.tunes = Tunes(self.models, paths, server)
        self.quiz = Quiz(self.models, paths, server)
        self.trainings = Trainings(self.models, paths, server)

    def default_settings(self, model: str | None = None) -> PlayerSettings:
        """The settings that suit a model, by default the usual one. Raises UserError without any."""
        name = model or self.models.usual()
        if name is None:
            raise UserError("there is no model yet; train one with -l 0 -f.")
        metadata = self.models.model(name).metadata
        low, high = range_of("bpm")
        bpm = round(min(max(metadata.get("bpm") or DEFAULT_BPM, low), high))
        program = metadata.get("instrument") or DEFAULT_PROGRAM
        return PlayerSettings(model=name, program=program, bpm=bpm)

    def keep(self, station: Station, owner: str = "") -> str:
        """Keep what was heard of a station in the last minutes; returns the name of the recording.

        owner: a user; by default the one of the settings. Raises UserError if nothing was heard yet.
        """
        played = tuple(station.heard())
        if not played:
            raise UserError("nothing was heard yet; press Play first.")
        return self.recordings.add(played, owner or self.server.user, dated("Play Bach"))

    def recording(self, name: str) -> Recording | None:
        """The recording of that name, unless it had to make room."""
        return self.recordings.get(name)

    def close(self) -> None:
        """End all stations. What is to survive is written already."""
        self.tunes.close()
        self.quiz.close()
        self.trainings.close()
        super().close()


def minutes(played: Sequence[PlayedEvent]) -> str:
    """How long some music is: '2:05'."""
    return minutes_of(sum(x.seconds for x in played))


def minutes_of(seconds: float) -> str:
    """'2:05' of 125 seconds."""
    seconds = round(seconds)
    return time.strftime("%M:%S", time.gmtime(seconds)).removeprefix("0")
