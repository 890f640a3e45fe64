"""What people answered in the listening test, counted by model, in SQLite."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config_bach import Paths, UserError
from storage.bundle import Bundle

TABLE = """
CREATE TABLE IF NOT EXISTS answers (model TEXT, fingerprint TEXT, real INTEGER, given INTEGER,
    correct INTEGER, PRIMARY KEY (model, fingerprint, real));
"""
PATIENCE = 5.0  # seconds to wait for another process that writes
NOT_MUSIC = ("variants",)  # metadata that may change while the network stays as it is


@dataclass(frozen=True)
class Counts:
    """Answers about real and about composed excerpts: how many were given, how many are right."""

    real: int = 0
    real_right: int = 0
    composed: int = 0
    composed_right: int = 0

    @property
    def answers(self) -> int:
        """All that were given."""
        return self.real + self.composed

    @property
    def right(self) -> int:
        """Those of them that are right."""
        return self.real_right + self.composed_right


class Answers:
    """The counts of all models, in one file. All methods may be called from any thread and process."""

    def __init__(self, path: Path) -> None:
        """The file is made with the first answer."""
        self._path = path

    def add(self, model: str, fingerprint: str, real: bool, right: bool) -> None:
        """Count an answer about an excerpt. Raises UserError if it cannot be written."""
        with self._opened() as db, db:
            db.execute(TABLE)
            db.execute(
                "INSERT INTO answers VALUES (?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET "
                "given = given + 1, correct = correct + excluded.correct",
                (model, fingerprint, real, right),
            )

    def of(self, model: str, fingerprint: str) -> Counts:
        """The counts of a model. Raises UserError for a file that cannot be read."""
        if not self._path.exists():
            return Counts()
        query = "SELECT real, given, correct FROM answers WHERE model = ? AND fingerprint = ?"
        with self._opened() as db:
            rows = db.execute(query, (model, fingerprint)).fetchall()
        found = {real: (given, correct) for real, given, correct in rows}
        return Counts(*found.get(1, (0, 0)), *found.get(0, (0, 0)))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=PATIENCE)) as db:
                yield db
        except sqlite3.Error as error:
            raise UserError(
                f"the answers in {self._path} cannot be used ({error}); free some space, or move the "
                "file away: they are counted anew then."
            ) from error


def answers_of(paths: Paths) -> Answers:
    """The counts of an installation."""
    return Answers(paths.root / "answers.db")


def fingerprint_of(bundle: Bundle) -> str:
    """The same for the same trained network, in whatever variant it plays."""
    known: dict[str, Any] = {k: v for k, v in bundle.metadata.items() if k not in NOT_MUSIC}
    told = json.dumps([bundle.network.to_json(), known], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
