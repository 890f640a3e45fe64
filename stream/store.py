"""What survives a restart: the key of the links, stations, pages, ended logins, recordings; in SQLite.

SQLite keeps what was written when the process is killed or the power fails. When it cannot write (a
full disk), the server plays on, says so in its log, and what is kept lives as long as the process.
"""

import json
import logging
import os
import secrets
import sqlite3
import stat
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config_bach import UserError
from music.events import from_json, to_json
from stream.player_settings import PlayedEvent, PlayerSettings
from stream.source import StreamEvent

log = logging.getLogger("play_bach")

TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB);
CREATE TABLE IF NOT EXISTS stations (name TEXT PRIMARY KEY, settings TEXT, seed INTEGER, used REAL);
CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, station TEXT, used REAL,
    login TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS ended (number TEXT PRIMARY KEY, used REAL);
CREATE TABLE IF NOT EXISTS recordings (name TEXT PRIMARY KEY, title TEXT, played BLOB, made REAL,
    owner TEXT DEFAULT '', model TEXT DEFAULT '', seconds REAL);
"""
ADDED = {  # columns that files of before 0.2 lack
    "sessions": {"login": "TEXT NOT NULL DEFAULT ''"},
    "recordings": {"owner": "TEXT DEFAULT ''", "model": "TEXT DEFAULT ''", "seconds": "REAL"},
}
DAYS = {"stations": 30, "sessions": 30, "ended": 100}  # after which what nobody used is forgotten
MOST = 10_000  # rows of each of these


@dataclass(frozen=True)
class Kept:
    """A recording in a list. made: seconds since 1970; seconds: how long it is."""

    name: str
    title: str
    made: float
    model: str
    seconds: float


class Store:
    """One SQLite file. All methods may be called from any thread."""

    def __init__(self, path: Path | None, most_bytes: int) -> None:
        """path: None keeps everything in memory. most_bytes: of all recordings; the oldest go first.

        Raises UserError if there is a file that is no such store.
        """
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._closed = False
        try:
            if path is not None and not path.exists():
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, stat.S_IRUSR | stat.S_IWUSR))
            self._db = _opened(path)
        except OSError as error:
            raise UserError(
                f"cannot write {path}: {error.strerror}; free some space or mend the permissions."
            ) from error
        except sqlite3.DatabaseError as error:
            raise UserError(
                f"{path} cannot be used ({error}); free some space, or move it away: links and "
                "recordings begin anew then."
            ) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._closed = True
            self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; one that cannot be written is given up."""
        with self._lock:
            try:
                with self._db:
                    yield self._db
            except sqlite3.Error as error:
                log.warning("cannot remember what is made here (%s); free some space", error)

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            if self._closed:  # a page asks while the server ends
                return []
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                log.warning("cannot read what was made here (%s)", error)
                return []

    def key(self) -> bytes:
        """The secret that signs links; drawn once."""
        for (value,) in self._rows("SELECT value FROM facts WHERE name = 'key'"):
            return bytes(value)
        key = secrets.token_bytes(32)
        with self._writing() as db:
            db.execute("INSERT INTO facts VALUES ('key', ?)", (key,))
        return key

    def latest_time(self) -> float:
        """The last time that `remember_time` was told (seconds since 1970), 0 at first."""
        rows = self._rows("SELECT value FROM facts WHERE name = 'time'")
        return float(rows[0][0]) if rows else 0.0

    def remember_time(self, now: float) -> None:
        """Note that it is this late at least."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES ('time', ?)", (now,))

    def save_station(self, name: str, settings: PlayerSettings, seed: int) -> None:
        """Keep a station by its name."""
        row = (name, json.dumps(settings.to_json()), seed, time.time())
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO stations VALUES (?, ?, ?, ?)", row)

    def station(self, name: str) -> tuple[PlayerSettings, int] | None:
        """The settings and the seed of a station that was saved."""
        rows = self._rows("SELECT settings, seed FROM stations WHERE name = ?", name)
        try:
            return (PlayerSettings.from_json(json.loads(rows[0][0])), rows[0][1]) if rows else None
        except (UserError, ValueError):
            return None

    def save_session(self, number: int, station: str, login: str = "") -> None:
        """Keep which station a page has, and the login that it was opened with."""
        with self._writing() as db:
            row = (str(number), station, time.time(), login)
            db.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?)", row)

    def session(self, number: int) -> str | None:
        """The station of a page; None if there is no such page."""
        rows = self._rows("SELECT station FROM sessions WHERE id = ?", str(number))
        return rows[0][0] if rows else None

    def session_login(self, number: int) -> str:
        """The login that a page was opened with; empty if there is no such page."""
        rows = self._rows("SELECT login FROM sessions WHERE id = ?", str(number))
        return rows[0][0] if rows else ""

    def end_login(self, number: str) -> None:
        """Remember that somebody has logged out."""
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO ended VALUES (?, ?)", (number, time.time()))

    def has_ended(self, number: str) -> bool:
        """Whether that login was logged out."""
        return bool(self._rows("SELECT 1 FROM ended WHERE number = ?", number))

    def save_recording(
        self, name: str, title: str, played: Sequence[PlayedEvent], owner: str = ""
    ) -> None:
        """Keep what was played for its owner; older recordings make room for it."""
        rows = [[x.onset, x.settings.to_json(), *to_json([x.event])] for x in played]
        blob = zlib.compress(json.dumps(rows).encode())
        row = (name, title, blob, time.time(), owner, *_described(played))
        with self._writing() as db:
            db.execute("INSERT INTO recordings VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            total = 0
            for other, size in db.execute(
                "SELECT name, length(played) FROM recordings ORDER BY made DESC"
            ).fetchall():
                total += size
                if total > self._most_bytes and other != name:
                    db.execute("DELETE FROM recordings WHERE name = ?", (other,))

    def recording(self, name: str) -> tuple[str, list[PlayedEvent]] | None:
        """The title and the events of a recording, unless it had to make room."""
        rows = self._rows("SELECT title, played FROM recordings WHERE name = ?", name)
        return (rows[0][0], _unpacked(rows[0][1])) if rows else None

    def recordings(self, owner: str, most: int) -> list[Kept]:
        """What somebody kept, the newest first."""
        rows = self._rows(
            "SELECT name, title, made, model, seconds FROM recordings WHERE owner = ? "
            "ORDER BY made DESC, rowid DESC LIMIT ?",
            owner,
            most,
        )
        return [Kept(*row) if row[-1] is not None else self._complete(*row[:3]) for row in rows]

    def _complete(self, name: str, title: str, made: float) -> Kept:
        """Note of a recording of an earlier version what its list tells."""
        kept = self.recording(name)
        model, seconds = _described(kept[1] if kept else ())
        with self._writing() as db:
            query = "UPDATE recordings SET model = ?, seconds = ? WHERE name = ?"
            db.execute(query, (model, seconds, name))
        return Kept(name, title, made, model, seconds)

    def rename_recording(self, owner: str, name: str, title: str) -> bool:
        """Give a recording another title; False if its owner has no such recording."""
        return self._change("UPDATE recordings SET title = ?", (title,), owner, name)

    def delete_recording(self, owner: str, name: str) -> bool:
        """Forget a recording; False if its owner has no such recording."""
        return self._change("DELETE FROM recordings", (), owner, name)

    def _change(self, query: str, values: tuple[Any, ...], owner: str, name: str) -> bool:
        changed = 0
        with self._writing() as db:
            found = db.execute(f"{query} WHERE owner = ? AND name = ?", (*values, owner, name))
            changed = found.rowcount
        return changed > 0

    def adopt(self, owner: str) -> None:
        """Give an owner to what was kept when recordings had none."""
        with self._writing() as db:
            db.execute("UPDATE recordings SET owner = ? WHERE owner = ''", (owner,))

    def tidy(self) -> None:
        """Forget what nobody used for DAYS, and what is more than MOST."""
        with self._writing() as db:
            for table, days in DAYS.items():
                oldest = time.time() - days * 86400
                db.execute(f"DELETE FROM {table} WHERE used < ?", (oldest,))
                newest = f"SELECT rowid FROM {table} ORDER BY used DESC LIMIT {MOST}"
                db.execute(f"DELETE FROM {table} WHERE rowid NOT IN ({newest})")


def _opened(path: Path | None) -> sqlite3.Connection:
    db = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=5)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.executescript(TABLES)
    for table, columns in ADDED.items():
        known = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for column, kind in columns.items():
            if column not in known:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    db.commit()
    return db


def _unpacked(blob: bytes) -> list[PlayedEvent]:
    return [
        PlayedEvent(i, onset, StreamEvent(from_json([event])[0]), PlayerSettings(**settings))
        for i, (onset, settings, event) in enumerate(json.loads(zlib.decompress(blob)))
    ]


def _described(played: Sequence[PlayedEvent]) -> tuple[str, float]:
    """The model that played last, and how many seconds all takes."""
    return played[-1].settings.model if played else "", sum(x.seconds for x in played)
