"""The notes of a MIDI file as one array, through symusic, without an object for any of them.

For files that are well-formed; midi_io.read_scores reads the others, and says what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from music.midi_repair import repaired
from music.note_arrays import NOTE, Notes

GRID = (8, 6)  # times are moved to the nearest 32nd or sixteenth triplet
QUARTER = 24  # ticks of a quarter length: both are whole
SHORTEST = QUARTER // 8  # a note of no length lasts a 32nd
USUAL_TEMPO = 500_000  # microseconds a quarter, where a file does not say
LONGEST = 100_000  # quarter lengths
SYSEX = b"\xf0"  # after which some take running status for more of the same

Ticks = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MidiNotes:
    """The notes of a MIDI file in ticks of a QUARTER, percussion among them (program 0).

    bpm: the tempo that is in force for most of the time. program: General MIDI 1..128, of most notes.
    """

    notes: Notes
    bpm: float
    program: int | None

    @property
    def pitched(self) -> Notes:
        """The notes without percussion."""
        drums = self.notes["program"] == 0
        return self.notes[~drums] if drums.any() else self.notes


def read(data: bytes) -> MidiNotes | None:
    """The notes of a MIDI file; None for what symusic does not read or what looks damaged."""
    from symusic import Score

    try:
        midi: Any = Score.from_midi(repaired(data) if SYSEX in data else data)
    except (RuntimeError, ValueError, EOFError, IndexError):
        return None
    sounding = [track for track in midi.tracks if len(track.notes)]
    if midi.tpq <= 0 or not sounding:
        return None
    notes = _notes(sounding, midi.tpq)
    if midi.end() > LONGEST * midi.tpq or not (bpm := _prevailing(midi)):
        return None
    pitched = [track for track in sounding if not track.is_drum]
    most = max(pitched, key=lambda track: len(track.notes), default=None)
    return MidiNotes(notes, bpm, None if most is None else int(most.program) + 1)


def _notes(tracks: Sequence[Any], tpq: int) -> Notes:
    """The notes of all tracks, one track after the other."""
    tables = [track.notes.numpy() for track in tracks]
    column = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    start = column["time"].astype(np.int64)
    end = on_grid(start + column["duration"], tpq)
    notes = np.empty(len(start), NOTE)
    notes["onset"] = onset = on_grid(start, tpq)
    notes["duration"] = np.maximum(end - onset, SHORTEST)
    notes["pitch"], notes["velocity"] = column["pitch"], column["velocity"]
    counts = [len(table["time"]) for table in tables]
    programs = [0 if track.is_drum else int(track.program) + 1 for track in tracks]
    notes["program"] = np.repeat(programs, counts)
    notes["part"] = np.repeat(np.arange(len(tracks)), counts)
    return notes


def on_grid(ticks: Ticks, tpq: int) -> Ticks:
    """Ticks, of which a quarter has `tpq`, in ticks of QUARTER: the nearest place that GRID allows."""
    thirty_seconds, triplets = (np.rint(ticks * n / tpq).astype(np.int64) for n in GRID)
    far = abs(thirty_seconds * tpq - 8 * ticks) * 3
    farther = abs(triplets * tpq - 6 * ticks) * 4
    return np.where(far <= farther, thirty_seconds * (QUARTER // 8), triplets * (QUARTER // 6))


def _prevailing(midi: Any) -> float:
    """The tempo in BPM that is in force for most of the time; 0 where one of them is none."""
    table = midi.tempos.numpy()
    told = sorted(
        zip(table["time"].tolist(), table["mspq"].tolist(), strict=True), key=itemgetter(0)
    )
    since, tempi = [0, *(t for t, _ in told)], [USUAL_TEMPO, *(tempo for _, tempo in told)]
    if min(tempi) <= 0:
        return 0.0
    ends = [*since[1:], max(int(midi.end()), since[-1])]
    lasting = [(b - a) * tempo for a, b, tempo in zip(since, ends, tempi, strict=True)]
    return round(60_000_000 / tempi[lasting.index(max(lasting))], 2)
