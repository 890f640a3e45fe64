"""What pages were told that still sounds or is to come, so that one that joins late knows it, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LARGEST = 4096  # notes that are planned; of more the oldest are forgotten

Message = list[Any]
Key = tuple[str, bool, int]  # whose note, whether it is a drum, pitch


class Record:
    """Follows the messages to pages (see browser.py) as a page does. Beats are swung."""

    def __init__(self) -> None:
        self.sounding: dict[Key, tuple[float, int]] = {}  # since when, velocity
        self._coming: list[tuple[float, str, int, bool, int, int]] = []

    def take(self, message: Message, beat: float) -> None:
        """Note a message that is told at a beat."""
        kind, *rest = message
        if kind == "now":
            self._note(beat, rest)
        elif kind == "plan":
            owner, at, begins, drum, pitch, velocity = rest
            self._coming.append((at, owner, begins, drum, pitch, velocity))
            if len(self._coming) > LARGEST:
                self._reach(beat)
                del self._coming[: len(self._coming) - LARGEST]
        elif kind == "cancel":
            self._reach(beat)
            self._drop(rest[0], rest[1])
        elif kind == "end":
            self._drop(rest[0])
            self.sounding = {k: x for k, x in self.sounding.items() if k[0] != rest[0]}
        elif kind == "panic":
            self.sounding, self._coming = {}, []

    def _note(self, beat: float, row: Sequence[Any]) -> None:
        """A note begins or ends. row: whose, 1 or 0, drum, pitch, velocity."""
        owner, begins, drum, pitch, velocity = row
        self.sounding.pop((owner, drum, pitch), None)
        if begins and not drum:  # percussion rings out
            self.sounding[owner, drum, pitch] = beat, velocity

    def _drop(self, owner: str, since: float | None = None) -> None:
        """Forget what is to come from somebody, from a beat on."""
        keeps = [r[1] != owner or (since is not None and r[0] < since) for r in self._coming]
        self._coming = [r for r, keep in zip(self._coming, keeps, strict=True) if keep]

    def _reach(self, beat: float) -> None:
        """What was to come by a beat has come."""
        for row in sorted((r for r in self._coming if r[0] <= beat), key=lambda r: (r[0], r[2])):
            self._note(row[0], row[1:])
        self._coming = [r for r in self._coming if r[0] > beat]

    def now(self, beat: float) -> list[Message]:
        """What a page must be told that joins at a beat: what sounds, with the beat at which it began,
        and what is to come."""
        self._reach(beat)
        held = [
            ["plan", owner, round(since, 6), 1, drum, pitch, velocity]
            for (owner, drum, pitch), (since, velocity) in self.sounding.items()
        ]
        coming = [["plan", owner, at, *rest] for at, owner, *rest in self._coming]
        return [*held, *coming]
