"""The scores that users send to train with: checked, bounded, under names that every system takes.

Each user has a folder of their own in uploads/, with what was sent in files/, and a folder for each
training with the files that it learns from. What is damaged is found when it is read: training_table.py.
"""

import contextlib
import filecmp
import hashlib
import os
import re
import shutil
import struct
import tempfile
import threading
import time
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from config_bach import Paths, UserError
from midi_io import SUFFIXES
from stream.settings import Server

LARGEST_SCORE = 4 * 2**20  # bytes
LONGEST_NAME = 80  # characters
LONGEST_UPLOAD = 600.0  # seconds
CHUNK = 1 << 16  # bytes
ASIDE = ".upload-"
DIRECTORY_END = struct.Struct(
    "<4s4H2LH"
)  # of a zip file: how many entries, bytes of their list, ...
LARGEST_DIRECTORY = 2 * 2**20  # bytes
TAIL = 1 << 16  # bytes of a comment that may come after it
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)( .*)?", re.IGNORECASE)  # on Windows


@dataclass(frozen=True)
class Received:
    """What became of an upload: names of the scores in it, and of what is no score."""

    scores: tuple[str, ...]
    others: tuple[str, ...] = ()


class Uploads:
    """The uploaded scores of all users. All methods may be called from any thread."""

    def __init__(self, paths: Paths, server: Server) -> None:
        self._root, self._server = paths.uploads, server
        self._lock = threading.Lock()
        for left in self._root.glob(f"*/{ASIDE}*"):  # by a server that was killed
            shutil.rmtree(left, ignore_errors=True)

    def folder(self, user: str) -> Path:
        """The folder of a user; names that differ have folders that differ."""
        plain = re.sub(r"[^a-z0-9]+", "-", user.lower()).strip("-")[:32]
        return self._root / f"{plain}-{hashlib.blake2s(user.encode(), digest_size=6).hexdigest()}"

    def inbox(self, user: str) -> Path:
        """Where what a user has sent lies."""
        return self.folder(user) / "files"

    def files(self, user: str) -> list[Path]:
        """What a user has sent."""
        return _files_in(self.inbox(user))

    def size(self, user: str) -> int:
        """How many bytes that is."""
        return sum(path.stat().st_size for path in self.files(user))

    def fingerprint(self, user: str) -> str:
        """What changes when a file is added or removed."""
        rows = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in self.files(user)]
        return hashlib.sha256(repr(rows).encode()).hexdigest()

    def receive(self, user: str, name: str, body: IO[bytes]) -> Received:
        """Take a score, or a zip file with scores. Raises UserError, and takes nothing, for anything
        else and for more than the settings allow."""
        if is_archive := name.lower().endswith(".zip"):
            most = self._server.training_mb * 2**20
        else:
            most, name = LARGEST_SCORE, safe_name(name)
        self.inbox(user).mkdir(parents=True, exist_ok=True)
        with _full_disk_told(), _aside(self.folder(user)) as place:
            aside = place / "upload"
            _save(body, aside, most)
            if not aside.stat().st_size:
                raise UserError("there is no file in this request; send one.")
            received = self._unpacked(aside, place) if is_archive else {name: aside}
            scores = {n: path for n, path in received.items() if path is not None}
            if not scores:
                raise UserError("there are no scores in this zip file; put some into it.")
            with self._lock:
                kept = self._keep(user, scores)
        return Received(kept, tuple(n for n, path in received.items() if path is None))

    def remove(self, user: str) -> None:
        """Delete what a user has sent; what trainings learn from stays."""
        with self._lock:
            for path in self.files(user):
                path.unlink(missing_ok=True)

    def copied(self, user: str, folder: Path) -> None:
        """Give a training the files as they are now, in a folder of its own. Raises UserError."""
        with self._lock, _full_disk_told():
            shutil.rmtree(folder, ignore_errors=True)  # of a training that learned nothing
            folder.mkdir(parents=True)
            for path in self.files(user):
                _link_or_copy(path, folder / path.name)

    def _unpacked(self, archive: Path, folder: Path) -> dict[str, Path | None]:
        """The scores in a zip file by name, and under None what is none. Raises UserError."""
        _check_directory(archive)
        found: dict[str, Path | None] = {}
        left, taken = self._server.training_mb * 2**20, Counter[str]()
        with _damage_told(), zipfile.ZipFile(archive) as opened:
            for item in opened.infolist():
                if _is_litter(item):
                    continue
                if not is_score(item.filename):
                    found[_shown(item.filename)] = None
                    continue
                name, path = _free(safe_name(item.filename), taken), folder / str(len(found))
                self._check_count(len(taken))
                with opened.open(item) as body:
                    _save(body, path, min(LARGEST_SCORE, left))
                left -= path.stat().st_size
                found[name] = path
        return found

    def _keep(self, user: str, scores: dict[str, Path]) -> tuple[str, ...]:
        """Move scores to the others of a user, which must not become too many."""
        folder = self.inbox(user)
        new = {name: path for name, path in scores.items() if not _is_there(path, folder / name)}
        self._check_count(len(self.files(user)) + len(new))
        size = self.size(user) + sum(path.stat().st_size for path in new.values())
        if size > self._server.training_mb * 2**20:
            raise UserError(
                f"these are more than {self._server.training_mb} MB (training_mb); send fewer."
            )
        for name, path in new.items():
            os.replace(path, folder / _free_in(folder, name))
        return tuple(scores)

    def _check_count(self, count: int) -> None:
        if count > self._server.training_files:
            raise UserError(
                f"these are more than {self._server.training_files} files (training_files); "
                "send fewer."
            )


def safe_name(name: str) -> str:
    """The last part of a path as a file name that every system takes.

    Raises UserError for one that does not end as those of scores do.
    """
    if not is_score(name):
        raise UserError(
            f"{_shown(name)} is no score by its name, which must end in {' '.join(SUFFIXES)} or .zip."
        )
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    stem, _, suffix = last.rpartition(".")
    stem = " ".join(re.sub(r"[^\w()' -]", "_", stem).split()).strip("-_ ")[:LONGEST_NAME]
    while len(stem.encode()) > 2 * LONGEST_NAME:  # most systems count bytes, up to 255
        stem = stem[:-1]
    return f"{'_' if RESERVED.fullmatch(stem) else ''}{stem.strip() or 'score'}.{suffix.lower()}"


def is_score(name: str) -> bool:
    """Whether a file is a score by its name."""
    return name.lower().endswith(SUFFIXES)


def _shown(name: str) -> str:
    """A name that may be anything, in a sentence."""
    plain = "".join(c if c.isprintable() else "_" for c in name).strip()
    return plain[-LONGEST_NAME:] or "this file"


def _save(body: IO[bytes], path: Path, most: int) -> None:
    """Write what comes. Raises UserError if it is too much, or takes too long."""
    size, begun = 0, time.monotonic()
    with path.open("wb") as file:
        while chunk := body.read(CHUNK):
            size += len(chunk)
            if size > most:
                raise UserError(f"a score or zip file is larger than {most / 2**20:.0f} MB.")
            if time.monotonic() - begun > LONGEST_UPLOAD:
                raise UserError("this takes too long; send smaller files.")
            file.write(chunk)


def _check_directory(archive: Path) -> None:
    """Raise UserError for a zip file whose list of entries would fill the memory, or that has none."""
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - TAIL - DIRECTORY_END.size))
        tail = file.read()
    end = tail[max(0, tail.rfind(b"PK\5\6")) :][: DIRECTORY_END.size]
    if len(end) < DIRECTORY_END.size or not end.startswith(b"PK\5\6"):
        raise UserError("this zip file is damaged; make it anew.")
    if DIRECTORY_END.unpack(end)[5] > LARGEST_DIRECTORY:
        raise UserError("there are too many files in this zip file; send fewer.")


def _is_litter(item: zipfile.ZipInfo) -> bool:
    """Whether an entry is a folder, or what systems add of their own."""
    parts = item.filename.replace("\\", "/").split("/")
    return item.is_dir() or "__MACOSX" in parts or parts[-1].startswith(".")


def _free(name: str, taken: Counter[str]) -> str:
    """A name that is not taken yet, in whatever case; from now on it is."""
    taken[name.lower()] += 1
    free = name
    while (number := taken[name.lower()]) > 1:
        free = _numbered(name, number)
        if not taken[free.lower()]:
            taken[free.lower()] = 1
            break
        taken[name.lower()] += 1
    return free


def _free_in(folder: Path, name: str) -> str:
    free, number = name, 1
    while (folder / free).exists():
        number += 1
        free = _numbered(name, number)
    return free


def _numbered(name: str, number: int) -> str:
    """'tune.mid' and 2: 'tune (2).mid'."""
    stem, suffix = os.path.splitext(name)
    return f"{stem} ({number}){suffix}"


def _is_there(path: Path, other: Path) -> bool:
    """Whether the same file was sent before, under the same name."""
    return other.is_file() and filecmp.cmp(path, other, shallow=False)


@contextlib.contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """A folder beside others, for as long as something is received."""
    with tempfile.TemporaryDirectory(prefix=ASIDE, dir=folder, ignore_cleanup_errors=True) as place:
        yield Path(place)


def _files_in(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(path for path in folder.iterdir() if path.is_file())
    return []


def _link_or_copy(path: Path, other: Path) -> None:
    """A second name for a file or, on a file system without such, a second file."""
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)


@contextlib.contextmanager
def _damage_told() -> Iterator[None]:
    """Raise UserError for whatever zipfile, zlib, bz2 and lzma raise."""
    try:
        yield
    except UserError:
        raise
    except NotImplementedError as error:
        raise UserError("this zip file is packed in an unusual way; make it anew.") from error
    except RuntimeError as error:
        raise UserError("this zip file has a password; send one without.") from error
    except Exception as error:
        raise UserError("this zip file is damaged; make it anew.") from error


@contextlib.contextmanager
def _full_disk_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"this cannot be kept here ({error.strerror}); tell the owner.") from error
