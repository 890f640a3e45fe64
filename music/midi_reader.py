"""MIDI files -> scores, through symusic. Times are counted in 24ths of a quarter on the way."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from config_bach import BPM_RANGE, Reading
from music.events import Note
from music.instruments import instrument_name
from music.keys import Key
from music.midi_repair import check_whole, may_run_on, repaired
from music.scores import (
    BENDS,
    DRUMS,
    INSTRUMENTS,
    LEAD,
    METRES,
    PARTS,
    PEDAL,
    TEMPI,
    TIMES,
    VELOCITIES,
    Refused,
    Score,
    leading_rest,
    part_number,
    several,
)

GRID = (8, 6)  # times are moved to the nearest 32nd or sixteenth triplet
UNIT = 24  # that both are made of
SHORTEST = UNIT // 8  # a note of no length lasts a 32nd
LONGEST = 100_000  # quarter lengths; files that are longer are damaged
SHORTEST_BAR = Fraction(1, 4)  # quarter lengths; shorter ones are no metre
USUAL_TEMPO = 500_000  # microseconds a quarter, where a file does not say
NO_TIME = "a tempo or a division of zero"

Ticks = npt.NDArray[np.int64]


def read(path: Path, reading: Reading) -> list[Score]:
    """The score of a MIDI file. Raises Refused or EOFError, RuntimeError if it is damaged."""
    midi = parsed(path.read_bytes())
    sounding = [track for track in midi.tracks if len(track.notes)]
    pitched = [track for track in sounding if not track.is_drum]
    if not pitched:
        raise Refused("only drums" if sounding else "no notes")
    last = max(int(track.end()) for track in sounding)
    if last > LONGEST * midi.tpq:
        raise Refused(f"longer than {LONGEST} quarters: damaged")
    holds = {TEMPI: _changes(midi), METRES: len(_metres(midi))}
    if reading.part:
        pitched = [pitched[part_number(list(map(name_of, pitched)), reading.part)]]
    else:
        holds[DRUMS] = sum(len(track.notes) for track in sounding if track.is_drum)
    holds |= {
        PARTS: len(pitched),
        INSTRUMENTS: len({track.program for track in pitched}),
        PEDAL: sum(len(track.pedals) for track in pitched),
        BENDS: sum(bool(bend.value) for track in pitched for bend in track.pitch_bends),
    }
    notes, moved, levels = _notes(pitched, midi.tpq)
    holds |= {TIMES: moved, VELOCITIES: levels, LEAD: leading_rest(notes)}
    program = int(max(pitched, key=lambda track: len(track.notes)).program) + 1
    bpm, bars = _prevailing(midi, last), _bars(midi, last)
    programs = tuple(int(track.program) + 1 for track in pitched)
    said, key = several(holds), _key(midi)
    return [Score(path.name, tuple(notes), bpm, program, bars, (), said, programs, key)]


def parsed(data: bytes) -> Any:
    """A MIDI file as symusic has it, in ticks; one that breaks the rules is repaired before.

    Raises EOFError if it ends in the middle, RuntimeError if it is damaged in other ways, Refused if
    it has no beats.
    """
    from symusic.core import ScoreTick

    check_whole(data)
    try:
        midi = ScoreTick.from_midi(repaired(data) if may_run_on(data) else data)
    except RuntimeError as error:
        if "ticks per quarter" in str(error):
            raise Refused("its times are seconds (SMPTE), not beats") from error
        midi = ScoreTick.from_midi(repaired(data))
    if midi.tpq <= 0 or any(tempo.mspq <= 0 for tempo in midi.tempos):
        raise Refused(NO_TIME)
    return midi


def name_of(track: Any) -> str:
    """What a part is called: as the file says, else by its instrument."""
    return str(track.name).strip() or instrument_name(int(track.program) + 1)


def _notes(tracks: Sequence[Any], tpq: int) -> tuple[list[Note], int, int]:
    """The notes of all tracks, each a voice; how many the grid moved; how many velocities there are."""
    notes: list[Note] = []
    moved, velocities = 0, set[int]()
    for voice, track in enumerate(tracks):
        table = track.notes.numpy()
        time = table["time"].astype(np.int64)
        onset, end = (on_grid(ticks, tpq) for ticks in (time, time + table["duration"]))
        length = np.maximum(end - onset, SHORTEST)
        moved += int((onset * tpq != time * UNIT).sum())
        columns = (onset, length, table["pitch"], table["velocity"])
        rows = zip(*(column.tolist() for column in columns), strict=True)
        notes += [Note(_place(on), _place(long), p, v, voice) for on, long, p, v in rows]
        velocities.update(table["velocity"].tolist())
    return notes, moved, len(velocities)


def on_grid(ticks: Ticks, tpq: int) -> Ticks:
    """Ticks, of which a quarter has `tpq`, as 24ths of a quarter: the nearest place that GRID allows."""
    eighths, sixths = (np.rint(ticks * n / tpq).astype(np.int64) for n in GRID)
    off = [
        abs(places * tpq - n * ticks) * (UNIT // n)
        for n, places in zip(GRID, (eighths, sixths), strict=True)
    ]
    return np.where(off[0] <= off[1], eighths * (UNIT // 8), sixths * (UNIT // 6))


@lru_cache(2**16)
def _place(place: int) -> Fraction:
    return Fraction(place, UNIT)


def _tempi(midi: Any) -> list[tuple[int, int]]:
    """When the tempo changes, in ticks, and to how many microseconds a quarter; the first at 0."""
    found = {0: USUAL_TEMPO}
    for tempo in sorted(midi.tempos, key=lambda tempo: int(tempo.time)):
        found[int(tempo.time)] = int(tempo.mspq)
    changes = list(found.items())
    return changes[:1] + [b for a, b in pairwise(changes) if a[1] != b[1]]


def _changes(midi: Any) -> int:
    return len(_tempi(midi)) - 1


def _prevailing(midi: Any, last: int) -> float | None:
    """The tempo in BPM that is in force for most of the time; the first one may be a leftover."""
    tempi = _tempi(midi)
    ends = [*(time for time, _ in tempi[1:]), max(last, int(midi.end()))]
    lasting = [(end - time) * tempo for (time, tempo), end in zip(tempi, ends, strict=True)]
    return sensible(60_000_000 / tempi[lasting.index(max(lasting))][1])


def sensible(bpm: float | None) -> float | None:
    """A tempo that music can have, rounded; None for anything else."""
    return round(float(bpm), 2) if bpm and BPM_RANGE[0] <= bpm <= BPM_RANGE[1] else None


def _metres(midi: Any) -> list[tuple[Fraction, Fraction]]:
    """Since when bars are how long, both in quarter lengths."""
    found = {}
    for sign in sorted(midi.time_signatures, key=lambda sign: int(sign.time)):
        if sign.denominator > 0:
            since = Fraction(int(sign.time), midi.tpq)
            found[since] = Fraction(4 * int(sign.numerator), int(sign.denominator))
    kept = {since: length for since, length in found.items() if length >= SHORTEST_BAR}
    changes = list(kept.items())
    return changes[:1] + [b for a, b in pairwise(changes) if a[1] != b[1]]


def _bars(midi: Any, last: int) -> tuple[Fraction, ...]:
    """Where the bars begin, in quarter lengths; a first one shorter than the next is an upbeat."""
    metres = _metres(midi)
    if not metres:
        return ()
    ends = [*(since for since, _ in metres[1:]), Fraction(last, midi.tpq)]
    bars = [t for metre, end in zip(metres, ends, strict=True) for t in _until(*metre, end)]
    if len(metres) > 1 and metres[1][0] == metres[0][1] < metres[1][1]:
        bars[0] = metres[1][0] - metres[1][1]
    return tuple(bars)


def _key(midi: Any) -> str:
    """The first key signature, as MIDI files have it: 'F#m'; '' without one."""
    for sign in sorted(midi.key_signatures, key=lambda sign: int(sign.time)):
        fifths, minor = int(sign.key), bool(sign.tonality)
        return Key((7 * fifths + 9 * minor) % 12, minor).midi_name
    return ""


def _until(since: Fraction, length: Fraction, end: Fraction) -> Iterator[Fraction]:
    while since < end:
        yield since
        since += length
