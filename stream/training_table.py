"""The tables of what users have sent: read in a process of its own, one at a time."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import msgspec

from config_bach import Paths
from stream.training_reader import Table
from stream.uploads import Uploads

LONGEST_READ = (60.0, 1.0)  # seconds: for any corpus, and for each file more
LONGEST_TABLE = 200  # lines

Key = tuple[str, int]  # the fingerprint of the files, and the model type


class Tables:
    """A table for each user who has sent something. All methods may be called from any thread."""

    def __init__(self, uploads: Uploads, paths: Paths) -> None:
        self._uploads, self._paths = uploads, paths
        self._known: dict[str, tuple[Key, Table]] = {}
        self._wanted: dict[str, Key] = {}  # by users whose files are being read
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def want(self, user: str, model_type: int) -> None:
        """Let the files of a user be read as a model type reads them, unless they were."""
        key = self._uploads.fingerprint(user), model_type
        with self._lock:
            if self._closed or self._known.get(user, (None,))[0] == key:
                return
            busy = user in self._wanted
            self._wanted[user] = key
        if not busy:
            threading.Thread(target=self._read, args=(user,), daemon=True, name="table").start()

    def is_reading(self, user: str) -> bool:
        """Whether that goes on."""
        return user in self._wanted

    def shown(self, user: str) -> tuple[int, Table] | None:
        """The last table of a user, and its model type."""
        known = self._known.get(user)
        return (known[0][1], known[1]) if known else None

    def of(self, user: str, model_type: int) -> Table | None:
        """The table of the files as they are now; None while they are not read."""
        known = self._known.get(user)
        key = self._uploads.fingerprint(user), model_type
        return known[1] if known and known[0] == key else None

    def forget(self, user: str) -> None:
        """The files are gone."""
        with self._lock:
            self._known.pop(user, None)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                _kill(self._process)

    def _read(self, user: str) -> None:
        """Read until the table is of what is wanted."""
        while True:
            with self._turn:
                key = self._wanted[user]
                table = self._table(user, key[1])
            with self._lock:
                if self._closed or self._wanted[user] == key:
                    self._known[user] = key, table
                    del self._wanted[user]
                    return

    def _table(self, user: str, model_type: int) -> Table:
        """The table, or why there is none."""
        folder = self._uploads.inbox(user)
        longest = LONGEST_READ[0] + LONGEST_READ[1] * len(self._uploads.files(user))
        with tempfile.TemporaryDirectory(prefix="play_bach") as place:
            result = Path(place) / "table.json"
            if not self._run([str(folder), str(model_type), str(result)], longest):
                return Table(refused="these files take too long to read here; send fewer.")
            with contextlib.suppress(OSError, msgspec.DecodeError):
                table = msgspec.json.decode(result.read_bytes(), type=Table)
                return msgspec.structs.replace(table, lines=_shortened(table.lines))
        return Table(refused="these files cannot be read here; send others.")

    def _run(self, words: list[str], longest: float) -> bool:
        """Run the reader; False if it took too long."""
        with self._lock:
            if self._closed:
                return True
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "stream.training_reader", *words],
                cwd=Path(__file__).parent.parent,
                env={**os.environ, "PLAY_BACH_HOME": str(self._paths.root)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # it has processes of its own, which end with it
            )
        try:
            process.wait(longest)
        except subprocess.TimeoutExpired:
            return False
        finally:
            _kill(process)
            self._process = None
        return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started; it has nothing to save."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)


def _shortened(lines: tuple[str, ...]) -> tuple[str, ...]:
    """A long table has its first lines, and the last one with the sums."""
    if len(lines) <= LONGEST_TABLE:
        return lines
    return (*lines[: LONGEST_TABLE - 2], "  ...", lines[-1])
