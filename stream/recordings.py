"""What listeners kept: recordings with a title, each of its owner, and their files."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from config_bach import UserError
from stream import recording
from stream.player_settings import PlayedEvent
from stream.store import Kept, Store

AT_HAND = 64  # recordings; older ones are read from the disk
LISTED = 100  # of one owner
LONGEST_TITLE = 80  # characters
RENDERED = 24 * 2**20  # bytes of files that are asked for again and again, in parts
CACHED = ("mp3", "svg")  # a WAV file is soon made and too large
Writer = Callable[["Recording"], bytes]
WRITERS: dict[str, Writer] = {
    "mid": lambda kept: recording.midi(kept.played, kept.name),
    "musicxml": lambda kept: recording.musicxml(kept.played, kept.name),
    "svg": lambda kept: recording.picture(kept.played),
    "mp3": lambda kept: recording.mp3(kept.played),
    "wav": lambda kept: recording.wav(kept.played),
}


@dataclass(frozen=True)
class Recording:
    """Music that somebody wanted to keep: its title, and the events."""

    name: str
    played: tuple[PlayedEvent, ...]


class Recordings:
    """All recordings. All methods may be called from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._at_hand: OrderedDict[str, Recording] = OrderedDict()
        self._rendered: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, played: Sequence[PlayedEvent], owner: str, title: str) -> str:
        """Keep some music; returns the name of the recording. Raises UserError for a bad title."""
        name, title = secrets.token_urlsafe(9), checked(title)
        with self._lock:
            self._at_hand[name] = Recording(title, tuple(played))
            while len(self._at_hand) > AT_HAND:
                self._at_hand.popitem(last=False)
        self._store.save_recording(name, title, played, owner)
        return name

    def get(self, name: str) -> Recording | None:
        """The recording of that name, unless it had to make room or was deleted."""
        with self._lock:
            if name in self._at_hand:
                return self._at_hand[name]
        kept = self._store.recording(name)
        return Recording(kept[0], tuple(kept[1])) if kept else None

    def file(self, name: str, kind: str) -> bytes | None:
        """A recording as a file of a kind of WRITERS; None if there is no such recording.

        Raises UserError if it cannot be written here.
        """
        if (kept := self.get(name)) is None:
            return None
        with self._lock:
            if (known := self._rendered.get((name, kind))) is not None:
                return known
        content = WRITERS[kind](kept)
        if kind in CACHED:
            with self._lock:
                self._rendered[name, kind] = content
                while sum(map(len, self._rendered.values())) > RENDERED:
                    self._rendered.popitem(last=False)
        return content

    def of(self, owner: str) -> list[Kept]:
        """What somebody kept, the newest first."""
        return self._store.recordings(owner, LISTED)

    def rename(self, owner: str, name: str, title: str) -> bool:
        """Another title; False if there is no such recording of theirs. Raises UserError."""
        title = checked(title)
        if not self._store.rename_recording(owner, name, title):
            return False
        with self._lock:
            if name in self._at_hand:
                self._at_hand[name] = replace(self._at_hand[name], name=title)
        return True

    def delete(self, owner: str, name: str) -> bool:
        """Forget a recording and its files; False if there is no such recording of theirs."""
        if not self._store.delete_recording(owner, name):
            return False
        with self._lock:
            self._at_hand.pop(name, None)
            for key in [key for key in self._rendered if key[0] == name]:
                del self._rendered[key]
        return True


def checked(title: str) -> str:
    """A title without blanks around it. Raises UserError for one that is empty, long or no line."""
    title = title.strip()
    if not title or len(title) > LONGEST_TITLE or not title.isprintable():
        raise UserError(f"a title is a line of 1 to {LONGEST_TITLE} characters; write another.")
    return title


def dated(what: str) -> str:
    """'Play Bach 2026-11-24 23.50.11'."""
    return f"{what} {datetime.now().strftime('%Y-%m-%d %H.%M.%S')}"
