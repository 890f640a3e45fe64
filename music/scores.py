"""Scores as they are read: their notes and bars, and what else stands in the file, counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from music.events import Note

# What a file may hold and a model type may not keep, as the table of a corpus calls one of them.
DRUMS = "drum note"
PARTS = "separate part"
INSTRUMENTS = "instrument"
TEMPI = "tempo change"
METRES = "time signature"
PEDAL = "pedal mark"
BENDS = "pitch bend"
VELOCITIES = "velocity level"
DYNAMICS = "dynamic mark"
GRACE = "grace note"
LEAD = "leading rest"  # silence before the first note
REPEATS = "repeat"
TIMES = "exact time"  # notes that the grid moved
REPEATED = "repeated note"  # that are held on

LISTED = 20  # parts that are named


class Refused(Exception):
    """Why a file cannot be learned from, in a few words."""


@dataclass(frozen=True)
class Score:
    """The notes of one score, with its tempo (BPM) and General MIDI program (1..128) if it has any.

    bars: where the bars begin, in quarter lengths; that of an upbeat lies before 0. fermatas: onset
    and end of the notes of the first part that bear one. Both are empty where the score is silent.
    holds: how many of each of the above stand in the file, beside the notes. programs: 1..128 of each
    voice of the notes, 0 where the score does not say. key: the first key signature of a MIDI file, as
    music/keys.py names it ('F#m'), or ''.
    """

    name: str
    notes: tuple[Note, ...]
    bpm: float | None = None
    program: int | None = None
    bars: tuple[Fraction, ...] = ()
    fermatas: tuple[tuple[Fraction, Fraction], ...] = ()
    holds: dict[str, int] = field(default_factory=dict, hash=False)
    programs: tuple[int, ...] = ()
    key: str = ""


def leading_rest(notes: Sequence[Note]) -> int:
    """1 where there is silence before the first note."""
    return int(min((n.onset for n in notes), default=0) > 0)


def several(found: dict[str, int]) -> dict[str, int]:
    """What there is at all; of parts, instruments and velocities only if there is more than one."""
    alone = {PARTS: 1, INSTRUMENTS: 1, VELOCITIES: 1}
    return {what: count for what, count in found.items() if count > alone.get(what, 0)}


def part_number(names: Sequence[str], wanted: str) -> int:
    """Which part is meant, from 0: by its number from 1, its name or what only its name contains.

    Raises Refused, naming the parts that there are.
    """
    listed = ", ".join(f"{i} {name}" for i, name in enumerate(names[:LISTED], 1))
    listed += f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    if wanted.isdigit():
        if 1 <= int(wanted) <= len(names):
            return int(wanted) - 1
        raise Refused(f"there is no part {wanted}, only {listed}")
    known, word = [name.casefold() for name in names], wanted.strip().casefold()
    found = [i for i, name in enumerate(known) if name == word]
    found = found or [i for i, name in enumerate(known) if word in name]
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(f"several parts are called '{wanted}', give a number: {listed}")
    raise Refused(f"no part is called '{wanted}', only {listed}")
