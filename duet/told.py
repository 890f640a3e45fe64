"""What pages were told that still sounds or is to come, so that one that joins late knows it, too."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from math import floor
from typing import Any

LARGEST = 4096  # notes that are planned; of more the oldest are forgotten

Message = list[Any]
Key = tuple[str, bool, int]  # whose note, whether it is a drum, pitch


class Record:
    """Follows the messages to pages (see browser.py) as a page does. Beats are swung."""

    def __init__(self) -> None:
        self.sounding: dict[Key, tuple[float, int]] = {}  # since when, velocity
        self._coming: list[
            tuple[float, int, str, bool, int, int]
        ] = []  # a heap: ends before beginnings

    def take(self, message: Message, beat: float) -> None:
        """Note a message that is told at a beat."""
        kind, *rest = message
        self._reach(beat)
        if kind == "now":
            self._note(beat, rest)
        elif kind == "plan":
            owner, at, begins, drum, pitch, velocity = rest
            heapq.heappush(self._coming, (at, begins, owner, drum, pitch, velocity))
            if len(self._coming) > LARGEST:
                heapq.heappop(self._coming)
        elif kind == "cancel":
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
        self._coming = [
            r for r in self._coming if r[2] != owner or (since is not None and r[0] < since)
        ]
        heapq.heapify(self._coming)

    def _reach(self, beat: float) -> None:
        """What was to come by a beat has come."""
        while self._coming and self._coming[0][0] <= beat:
            at, begins, owner, *rest = heapq.heappop(self._coming)
            self._note(at, (owner, begins, *rest))

    def now(self, beat: float) -> list[Message]:
        """What a page must be told that joins at a beat: what sounds, with the beat at which it began,
        and what is to come."""
        self._reach(beat)
        held = [
            ["plan", owner, floor(since * 1e6) / 1e6, 1, drum, pitch, velocity]
            for (owner, drum, pitch), (since, velocity) in self.sounding.items()
        ]
        coming = [
            ["plan", owner, at, begins, *rest] for at, begins, owner, *rest in sorted(self._coming)
        ]
        return [*held, *coming]
