"""The notes of a MIDI file as one array, through symusic, without an object for any of them.

For files that are well-formed; midi_io.read_scores reads the others, and says what is wrong with them.
"""

from __future__ import annotations

from dataclasses import dataclass
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
        return self.notes[self.notes["program"] > 0]


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
    notes = np.concatenate([_notes(track, part, midi.tpq) for part, track in enumerate(sounding)])
    if midi.end() > LONGEST * midi.tpq or not (bpm := _prevailing(midi)):
        return None
    pitched = [track for track in sounding if not track.is_drum]
    most = max(pitched, key=lambda track: len(track.notes), default=None)
    return MidiNotes(notes, bpm, None if most is None else int(most.program) + 1)


def _notes(track: Any, part: int, tpq: int) -> Notes:
    table = track.notes.numpy()
    start = table["time"].astype(np.int64)
    end = on_grid(start + table["duration"], tpq)
    notes = np.empty(len(start), NOTE)
    notes["onset"] = on_grid(start, tpq)
    notes["duration"] = np.maximum(end - notes["onset"], SHORTEST)
    notes["pitch"], notes["velocity"] = table["pitch"], table["velocity"]
    notes["program"] = 0 if track.is_drum else int(track.program) + 1
    notes["part"] = part
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
    order = np.argsort(table["time"], kind="stable")
    since = np.append(0, table["time"][order].astype(np.int64))
    tempo = np.append(USUAL_TEMPO, table["mspq"][order].astype(np.int64))
    if (tempo <= 0).any():
        return 0.0
    lasting = np.append(since[1:], max(int(midi.end()), int(since[-1]))) - since
    return round(60_000_000 / float(tempo[(lasting * tempo).argmax()]), 2)
