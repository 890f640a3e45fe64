"""Music of many instruments as arrays: notes on a grid, tempi, metres."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from families.tracks.tokens import BAR_LENGTHS, COMMON_TIME, TEMPI

Ints = npt.NDArray[np.int64]
ONSET, DURATION, PROGRAM, PITCH, VELOCITY = range(5)  # columns of the notes


def no_changes() -> Ints:
    """A table without rows."""
    return np.zeros((0, 2), np.int64)


@dataclass(frozen=True, eq=False)
class Song:
    """notes: [notes, 5], onset and duration (in parts of a quarter, see tokens.GRID), program (0:
    percussion), pitch and velocity level; sorted by onset, program and pitch, in which no two are equal.

    tempi: [changes, 2], time and index into TEMPI. metres: [changes, 2], the time of a bar line and the
    metre of the bars after it, as an index into METRES, 4/4 before; times count from the first bar line.
    upbeat: the music begins with its first note, within the first bar; else with that bar.
    """

    name: str
    notes: Ints
    tempi: Ints = field(default_factory=no_changes)
    metres: Ints = field(default_factory=no_changes)
    upbeat: bool = False

    @property
    def end(self) -> int:
        """When the last note stops."""
        return int((self.notes[:, ONSET] + self.notes[:, DURATION]).max(initial=0))

    @property
    def bpm(self) -> float | None:
        """The tempo that is in force for most of the time, in quarters a minute; None if unknown."""
        if not len(self.tempi):
            return None
        lasting = np.diff(self.tempi[:, 0], append=max(self.end, int(self.tempi[-1, 0]) + 1))
        return float(TEMPI[int(self.tempi[lasting.argmax(), 1])])

    def bars(self, until: int) -> tuple[Ints, Ints]:
        """Where the bars up to a time begin, and their metres."""
        changes = self.metres
        if changes[:1, 0].tolist() != [0]:
            changes = np.concatenate([np.array([[0, COMMON_TIME]], np.int64), changes])
        changes = changes[(changes[:, 0] <= until) | (np.arange(len(changes)) == 0)]
        stops = [*changes[1:, 0].tolist(), until + 1]
        starts = [
            np.arange(start, max(stop, start + 1), BAR_LENGTHS[metre], dtype=np.int64)
            for (start, metre), stop in zip(changes.tolist(), stops, strict=True)
        ]
        counts = [len(s) for s in starts]
        return np.concatenate(starts), np.repeat(changes[:, 1], counts)


def sorted_notes(notes: Ints) -> tuple[Ints, int]:
    """Notes in order, of equal ones the longest, and how many were left out.

    Two notes are equal if onset, program and pitch are: in MIDI they are one key, pressed once.
    """
    key = (notes[:, ONSET] << 16) | (notes[:, PROGRAM] << 8) | notes[:, PITCH]
    order = np.lexsort((-notes[:, DURATION], key))
    notes, key = notes[order], key[order]
    first = np.ones(len(key), bool)
    first[1:] = key[1:] != key[:-1]
    return notes[first], len(notes) - int(first.sum())
