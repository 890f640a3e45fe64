"""All stations of a server: the limits, the watch over them, and the figures."""

import logging
import secrets
import threading
import time
from typing import Any

from config_bach import UserError
from stream.listener import Full, Listener
from stream.model_cache import ModelCache
from stream.piece import StationPiece
from stream.player_settings import PlayerSettings
from stream.settings import Server
from stream.station import Station
from stream.store import Store
from stream.workers import Workers

log = logging.getLogger("play_bach")

WATCH = 0.2  # seconds between two looks at all stations
PATIENCE = 4.0  # seconds that a listener may wait for room that is about to be there
BRIEF = 15.0  # seconds that a station without a page outlives its last listener
REMIND = 60.0  # seconds between two notes of the time
MANY = 4  # stations that were opened but do not play, for each that may


class Stations:
    """The registry. Stations share nothing but the models, which are only read."""

    def __init__(self, server: Server, models: ModelCache, store: Store, workers: Workers) -> None:
        """store: where stations are kept that were listened to, and found again after a restart."""
        self.models, self._server, self._store = models, server, store
        self.workers = workers
        self._saved: dict[str, PlayerSettings] = {}
        self.born = time.monotonic()
        self._stations: dict[str, Station] = {}
        self._lock = threading.Lock()
        self._joining = 0
        self._past = dict.fromkeys(("underruns", "dropped", "restarts", "seconds"), 0.0)
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True, name="watch").start()

    def open(
        self, settings: PlayerSettings, brief: bool = False, piece: StationPiece | None = None
    ) -> Station:
        """A station of one's own; it costs nothing until somebody listens.

        brief: it ends soon after its last listener. piece: what it begins with; None: a new one.
        Raises UserError for an unusable model, and Full when too many were opened.
        """
        station = Station(
            secrets.token_urlsafe(9),
            self.models,
            settings,
            self._server,
            workers=self.workers,
            seed=piece.seed if piece else secrets.randbelow(2**31),
            samplings=piece.samplings if piece else (),
        )
        station.brief = brief
        return self.add(station)

    def add(self, station: Station) -> Station:
        """Let a station be found by its name. Raises Full when too many were opened."""
        with self._lock:
            if len(self._stations) >= MANY * self._server.max_stations:
                raise Full("too many stations are open; try again later.")
            return self._stations.setdefault(station.name, station)

    def get(self, name: str) -> Station | None:
        """The station of that name; one that rested or was there before a restart begins anew."""
        if name in self._stations:
            return self._stations[name]
        if self._over.is_set() or (kept := self._store.station(name)) is None:
            return None
        settings, seed = kept
        try:
            return self.add(
                Station(name, self.models, settings, self._server, workers=self.workers, seed=seed)
            )
        except UserError as error:  # its model is gone, or there is no room
            log.info("station %s cannot go on: %s", name, error)
            return None

    def join(self, station: Station, kind: str, name: str = "") -> Listener:
        """A new listener of a station. Raises Full when a limit of the settings is reached."""
        self._wait_for_room(station)
        with self._lock:
            self._admit(station)
            self._joining += 1
        try:
            return station.join(kind, name)
        finally:
            with self._lock:
                self._joining -= 1

    def admit(self, station: Station) -> None:
        """Raises Full if a new listener of a station would be refused now."""
        self._wait_for_room(station)
        with self._lock:
            self._admit(station)

    def _wait_for_room(self, station: Station) -> None:
        """Where many begin at once, let one begin after the other, rather than refuse them."""
        end, model = time.monotonic() + PATIENCE, station.settings.model
        while not station.listeners and time.monotonic() < end:
            if self.workers.has_room(model) or not self.workers.can_bear(model):
                return
            time.sleep(WATCH / 2)

    def _admit(self, station: Station) -> None:
        limits = self._server
        playing = [s for s in self._stations.values() if s.listeners and s is not station]
        listening = sum(s.listeners for s in self._stations.values()) + self._joining
        if not station.listeners and len(playing) >= limits.max_stations:
            raise Full(
                f"all {limits.max_stations} stations (max_stations) are taken; try again later."
            )
        if not station.listeners and not self.workers.has_room(station.settings.model):
            raise Full("this machine has no room for one more station; try again later.")
        if listening >= limits.max_connections:
            raise Full(
                f"all {limits.max_connections} places (max_connections) are taken; try again later."
            )

    def end(self, station: Station) -> None:
        """End a station and free what it holds; its figures are kept."""
        with self._lock:
            if self._stations.pop(station.name, None) is None:
                return
            self._saved.pop(station.name, None)
            for figure in self._past:
                self._past[figure] += getattr(station, figure)
        station.end()

    def close(self) -> None:
        """End all stations."""
        self._over.set()
        for station in list(self._stations.values()):
            self.end(station)
        self.workers.close()

    def figures(self) -> dict[str, Any]:
        """The statistics of the server since it started."""
        with self._lock:
            stations = list(self._stations.values())
            total = {
                figure: past + sum(getattr(s, figure) for s in stations)
                for figure, past in self._past.items()
            }
        notes = [s.notes for s in stations]
        count, spent = sum(n for n, _ in notes), sum(s for _, s in notes)
        return {
            "listeners": sum(s.listeners for s in stations),
            "stations": sum(s.playing and s.listeners > 0 for s in stations),
            "underruns": int(total["underruns"]),
            "dropped": int(total["dropped"]),
            "restarts": int(total["restarts"]),
            "composed_per_cpu_second": round(total["seconds"] / max(self.workers.cpu, 1e-3), 1),
            "ms_per_note": round(1000 * spent / max(count, 1), 2),
            "load": round(self.workers.load, 2),
            "uptime": round(time.monotonic() - self.born),
        }

    def _remember(self) -> None:
        """Keep the settings of stations that are listened to, where they have changed."""
        for station in list(self._stations.values()):
            settings = station.settings
            if (
                station.listeners
                and not station.brief
                and not station.live
                and self._saved.get(station.name) != settings
            ):
                self._store.save_station(station.name, settings, station.seed)
                self._saved[station.name] = settings

    def _watch(self) -> None:
        reminded = 0.0
        while not self._over.wait(WATCH):
            now = time.monotonic()
            self._remember()
            if now - reminded > REMIND:
                reminded = now
                self._store.remember_time(time.time())
            self.workers.check()
            for station in list(self._stations.values()):
                station.check()
                alive = BRIEF if station.brief else self._server.idle_minutes * 60
                idle = not station.listeners and not station.live
                if idle and now - station.quiet_since > alive:
                    self.end(station)
