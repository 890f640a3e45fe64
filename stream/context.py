"""What the requests of both servers share: stations, login, links, recordings."""

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from config_bach import DEFAULT_BPM, DEFAULT_PROGRAM, Paths, UserError
from stream.accounts import Accounts
from stream.auth import Authenticator
from stream.links import Clock, SignedLinks
from stream.model_cache import ModelCache
from stream.player_settings import PlayedEvent, PlayerSettings, range_of
from stream.settings import Server, store_of
from stream.station import Station
from stream.stations import Stations
from stream.store import Store
from stream.tls import Certificate
from stream.workers import Workers

RECORDINGS = 64  # that are at hand; older ones are read from the disk


@dataclass(frozen=True)
class Recording:
    """Music that somebody wanted to keep: a name for its files, and the events."""

    name: str
    played: tuple[PlayedEvent, ...]


class ServerContext:
    """What the requests of both servers share; made once when they start."""

    def __init__(self, server: Server, paths: Paths) -> None:
        self.server = server
        self.certificate = Certificate(server, paths.root) if server.certificate else None
        self.store = Store(store_of(paths), server.recordings_mb * 2**20)
        self.store.tidy()
        self.models = ModelCache(paths, server.variant, server.runtime)
        workers = Workers(self.models, paths, server)
        self.stations = Stations(server, self.models, self.store, workers)
        self.links = SignedLinks(
            server.link_hours, self.store.key(), Clock(self.store.latest_time())
        )
        self.accounts = Accounts(server.passwords, server.guests, self.links, self.store.has_ended)
        self.authenticator = Authenticator(self.accounts)
        self._recordings: OrderedDict[str, Recording] = OrderedDict()
        self._lock = threading.Lock()

    def default_settings(self, model: str | None = None) -> PlayerSettings:
        """The settings that suit a model, by default the latest. Raises UserError if there is none."""
        known = self.models.models()
        name = model or next(reversed(known), None)
        if name is None:
            raise UserError("there is no model yet; train one with -l 0 -f.")
        metadata = self.models.model(name).metadata
        low, high = range_of("bpm")
        bpm = round(min(max(metadata.get("bpm") or DEFAULT_BPM, low), high))
        program = metadata.get("instrument") or DEFAULT_PROGRAM
        return PlayerSettings(model=name, program=program, bpm=bpm)

    def keep(self, station: Station) -> str:
        """Hold what was heard of a station in the last minutes; returns the name of the recording.

        Raises UserError if nothing was heard yet.
        """
        played = tuple(station.heard())
        if not played:
            raise UserError("nothing was heard yet; press Play first.")
        name, when = secrets.token_urlsafe(9), datetime.now().strftime("%Y-%m-%d %H.%M.%S")
        with self._lock:
            self._recordings[name] = Recording(f"Play Bach {when}", played)
            while len(self._recordings) > RECORDINGS:
                self._recordings.popitem(last=False)
        self.store.save_recording(name, f"Play Bach {when}", played)
        return name

    def recording(self, name: str) -> Recording | None:
        """The recording of that name, unless it had to make room."""
        with self._lock:
            if name in self._recordings:
                return self._recordings[name]
        kept = self.store.recording(name)
        return Recording(kept[0], tuple(kept[1])) if kept else None

    def close(self) -> None:
        """End all stations. What is to survive is written already."""
        self.stations.close()
        self.store.close()


def minutes(played: tuple[PlayedEvent, ...] | list[PlayedEvent]) -> str:
    """How long some music is: '2:05'."""
    seconds = round(sum(x.seconds for x in played))
    return time.strftime("%M:%S", time.gmtime(seconds)).removeprefix("0")
