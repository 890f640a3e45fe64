"""What both servers share: the stations, the login, the links, and the music that was kept."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from config_bach import Places, UserError
from stream.guard import Guard, Links
from stream.settings import Server
from stream.source import Shelf
from stream.station import Knobs, Played, Station
from stream.stations import Stations

KEEPSAKES = 64  # that wait for their download at once, the oldest goes first
DEFAULT_BPM = 90.0
DEFAULT_PROGRAM = 1


@dataclass(frozen=True)
class Keepsake:
    """Music that somebody wanted to keep: a name for its files, and the events."""

    name: str
    played: tuple[Played, ...]


class Hall:
    """Everything behind the doors of the two servers."""

    def __init__(self, server: Server, places: Places) -> None:
        self.server = server
        self.shelf = Shelf(places, server.variant, server.runtime)
        self.stations = Stations(server, self.shelf)
        self.guard = Guard(server.user, server.password)
        self.links = Links(server.link_hours)
        self._keepsakes: OrderedDict[str, Keepsake] = OrderedDict()
        self._lock = threading.Lock()

    def default_knobs(self, model: str | None = None) -> Knobs:
        """The knobs that suit a model, by default the latest. Raises UserError if there is none."""
        known = self.shelf.models()
        name = model or next(reversed(known), None)
        if name is None:
            raise UserError("there is no model yet; train one with -l 0 -f.")
        facts = self.shelf.bundle(name).facts
        bpm = min(max(facts.get("bpm") or DEFAULT_BPM, 40.0), 200.0)
        program = facts.get("instrument") or DEFAULT_PROGRAM
        return Knobs(model=name, program=program, bpm=round(bpm))

    def keep(self, station: Station) -> str:
        """Hold what was heard of a station in the last minutes; returns the name of the keepsake.

        Raises UserError if nothing was heard yet.
        """
        played = tuple(station.heard())
        if not played:
            raise UserError("nothing was heard yet; press Play first.")
        name, when = secrets.token_urlsafe(9), datetime.now().strftime("%Y-%m-%d %H.%M.%S")
        with self._lock:
            self._keepsakes[name] = Keepsake(f"Play Bach {when}", played)
            while len(self._keepsakes) > KEEPSAKES:
                self._keepsakes.popitem(last=False)
        return name

    def keepsake(self, name: str) -> Keepsake | None:
        """What was kept under that name."""
        with self._lock:
            return self._keepsakes.get(name)

    def close(self) -> None:
        """End all stations."""
        self.stations.close()


def minutes(played: tuple[Played, ...] | list[Played]) -> str:
    """How long some music is: '2:05'."""
    seconds = round(sum(x.seconds for x in played))
    return time.strftime("%M:%S", time.gmtime(seconds)).removeprefix("0")
