"""Where one is in a row of tokens: the bar, the position, what is in force, the last note."""

from __future__ import annotations

import copy
from typing import NamedTuple

from families.tracks.tokens import (
    BAR_LENGTHS,
    COMMON_TIME,
    HOLDS,
    INDEX,
    KINDS,
    USUAL_VELOCITY,
    Kind,
)

_KINDS: list[int] = KINDS.tolist()
_INDEX: list[int] = INDEX.tolist()
_LENGTHS: list[int] = BAR_LENGTHS.tolist()
NO_PROGRAM, NO_POSITION = -1, -1


class Struck(NamedTuple):
    """A note that begins: program (0: percussion), pitch, velocity level, and duration in GRID parts."""

    program: int
    pitch: int
    velocity: int
    duration: int


class Cursor:
    """Reads tokens, whatever they are, and knows where it is. Times are in parts of a quarter (GRID)."""

    def __init__(self) -> None:
        self.kind, self.index = int(Kind.END), 0  # of the last token
        self._begin()

    def _begin(self) -> None:
        self.bar = 0  # when this bar began
        self.bars = 0
        self.metre, self.length = COMMON_TIME, _LENGTHS[COMMON_TIME]
        self.position = NO_POSITION  # in this bar; NO_POSITION before the first one
        self.upbeat = False
        self.program = NO_PROGRAM
        self.velocities: dict[int, int] = {}
        self.notes = 0  # in this moment
        self.pitch = -1  # the last one in this moment by this program
        self.held = 0  # what holds have added to the note that is not complete
        self.silent_bars = 0  # in a row, in which nothing happened, before this one
        self.struck: Struck | None = None  # the note that the last token completed

    def copy(self) -> Cursor:
        """Another that goes on by itself."""
        twin = copy.copy(self)
        twin.velocities = dict(self.velocities)
        return twin

    @property
    def time(self) -> int:
        """Now, since the first bar began."""
        return self.bar + max(self.position, 0)

    @property
    def velocity(self) -> int:
        """The velocity level in force for this program."""
        return self.velocities.get(self.program, USUAL_VELOCITY)

    def feed(self, token: int) -> None:
        """Take one token."""
        kind, index = _KINDS[token], _INDEX[token]
        self.struck = None
        if kind == Kind.PITCH:
            self.pitch, self.held = index, 0
        elif kind == Kind.DURATION:
            if self.kind in (Kind.PITCH, Kind.HOLD):
                self._strike(max(self.program, 1), self.held + index + 1)
        elif kind == Kind.POSITION:
            self.position = max(index, self.position)
            self.notes, self.pitch = 0, -1
        elif kind == Kind.PROGRAM:
            self.program, self.pitch = index, -1
        elif kind == Kind.VELOCITY:
            self.velocities[self.program] = index
        elif kind == Kind.DRUM:
            self.pitch = index
            self._strike(0, 0)
        elif kind == Kind.HOLD:
            self.held += HOLDS[index]
        else:
            self._bar_or_piece(kind, index)
        self.kind, self.index = kind, index

    def _strike(self, program: int, duration: int) -> None:
        self.notes += 1
        self.struck = Struck(program, self.pitch, self.velocity, duration)

    def _bar_or_piece(self, kind: int, index: int) -> None:
        if kind in (Kind.BAR, Kind.UPBEAT):
            self.bar += self.length if self.bars else 0
            quiet = self.bars and self.position == NO_POSITION
            self.silent_bars = self.silent_bars + 1 if quiet else 0
            self.bars += 1
            self.upbeat = self.upbeat or (kind == Kind.UPBEAT and self.bars == 1)
            self.position, self.notes, self.pitch = NO_POSITION, 0, -1
        elif kind == Kind.METRE:
            self.metre, self.length = index, _LENGTHS[index]
        elif kind == Kind.BEGIN:
            self._begin()
