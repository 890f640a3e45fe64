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
CREATE TABLE IF NOT EXISTS recordings (name TEXT PRIMARY KEY, title TEXT, played BLOB, made REAL);
"""
DAYS = {"stations": 30, "sessions": 30, "ended": 100}  # after which what nobody used is forgotten
MOST = 10_000  # rows of each of these


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

    def save_recording(self, name: str, title: str, played: Sequence[PlayedEvent]) -> None:
        """Keep what was played; older recordings make room for it."""
        rows = [[x.onset, x.settings.to_json(), *to_json([x.event])] for x in played]
        blob = zlib.compress(json.dumps(rows).encode())
        with self._writing() as db:
            db.execute(
                "INSERT INTO recordings VALUES (?, ?, ?, ?)", (name, title, blob, time.time())
            )
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
        if not rows:
            return None
        played = [
            PlayedEvent(i, onset, StreamEvent(from_json([event])[0]), PlayerSettings(**settings))
            for i, (onset, settings, event) in enumerate(json.loads(zlib.decompress(rows[0][1])))
        ]
        return rows[0][0], played

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
    if "login" not in [column[1] for column in db.execute("PRAGMA table_info(sessions)")]:
        db.execute("ALTER TABLE sessions ADD COLUMN login TEXT NOT NULL DEFAULT ''")  # before 0.2
        db.commit()
    return db
