"""Score files -> songs: MIDI through symusic, all others as midi_io reads them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from config_bach import DEFAULT_PROGRAM
from families.tracks.song import Ints, Song, sorted_notes
from families.tracks.tokens import (
    BAR_LENGTHS,
    COMMON_TIME,
    GRID,
    METRES,
    VELOCITY_STEP,
    nearest_tempo,
)
from midi_io import Refused, Score
from music.midi_repair import repaired

MOST_BARS = 20_000  # of a piece; a damaged file may say anything
CONTROLLERS = "pedal and controller changes"
BENDS = "pitch bends"
DOUBLED = "notes struck twice at once"
MOVED = "notes moved to the grid"
METRE_CHANGES = "time signatures"
US_A_MINUTE = 60_000_000
USUAL_TEMPO = 500_000  # microseconds a quarter, where a MIDI file does not say

Metre = tuple[int, int, int]  # from which time on, in parts of a quarter; beats, and what a beat is


def read_midi(path: Path) -> tuple[Song, Counter[str]]:
    """A MIDI file as a song, and what of it is lost. Raises Refused, with the reason."""
    return song_of_midi(_parsed(path), path.name)


def _parsed(path: Path) -> Any:
    """A MIDI file as symusic has it; one that breaks the rules is repaired before."""
    from symusic import Score as Midi

    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused(f"cannot be opened: {error.strerror}") from error
    if data[:4] != b"MThd" or len(data) < 14:
        raise Refused("not a MIDI file, whatever its name says" if data else "empty file")
    try:
        return Midi.from_midi(data)
    except (RuntimeError, ValueError):
        pass
    try:
        return Midi.from_midi(repaired(data))
    except EOFError as error:
        raise Refused("cut short: the file ends in the middle") from error
    except Exception as error:  # whatever symusic raises on damaged files
        raise Refused(f"damaged ({' '.join(str(error).split())[:60]})") from error


def song_of_midi(midi: Any, name: str) -> tuple[Song, Counter[str]]:
    """A symusic score as a song, and what of it is lost. Raises Refused without notes."""
    if midi.tpq <= 0:
        raise Refused("a division of zero")
    tracks = [track for track in midi.tracks if len(track.notes)]
    if not tracks:
        raise Refused("no notes")
    parts = [_part(track, midi.tpq) for track in tracks]
    notes, doubled = sorted_notes(np.concatenate([rows for rows, _ in parts]))
    tempi = midi.tempos.numpy()
    signs = midi.time_signatures.numpy()
    metres, ignored = metres_of(
        zip(
            *(
                on_grid(signs["time"], midi.tpq).tolist(),
                signs["numerator"].tolist(),
                signs["denominator"].tolist(),
            ),
            strict=True,
        )
    )
    song = Song(name, notes, _tempi(on_grid(tempi["time"], midi.tpq), tempi["mspq"]), metres)
    check_length(song)
    lost = Counter(
        {
            CONTROLLERS: sum(len(track.controls) for track in midi.tracks),
            BENDS: sum(len(track.pitch_bends) for track in midi.tracks),
            DOUBLED: doubled,
            MOVED: sum(moved for _, moved in parts),
            METRE_CHANGES: ignored,
        }
    )
    return song, +lost


def _part(track: Any, tpq: int) -> tuple[Ints, int]:
    """The notes of a track of symusic, and how many of them the grid moved."""
    table = track.notes.numpy()
    ticks = table["time"].astype(np.int64)
    onsets, stops = on_grid(ticks, tpq), on_grid(ticks + table["duration"], tpq)
    program = np.full_like(onsets, 0 if track.is_drum else int(track.program) + 1)
    levels = table["velocity"].astype(np.int64) // VELOCITY_STEP
    columns = (onsets, np.maximum(stops - onsets, 1), program, table["pitch"], levels)
    moved = int((onsets * tpq != ticks * GRID).sum())
    return np.stack(columns, axis=1).astype(np.int64), moved


def on_grid(ticks: Any, tpq: int) -> Ints:
    """Ticks, of which there are `tpq` in a quarter, as parts of a quarter (GRID)."""
    exact = np.asarray(ticks, np.int64)
    return np.asarray((2 * exact * GRID + tpq) // (2 * tpq), np.int64)


def _tempi(times: Ints, mspq: Any) -> Ints:
    """Tempo changes, the last one of each time; a MIDI file that does not say has 120."""
    found = {0: USUAL_TEMPO} | {
        t: m for t, m in zip(times.tolist(), mspq.tolist(), strict=True) if m > 0
    }
    known = np.array(sorted(found.items()), np.int64)
    return np.stack([known[:, 0], nearest_tempo(US_A_MINUTE / known[:, 1])], axis=1)


def metres_of(changes: Iterable[Metre]) -> tuple[Ints, int]:
    """Time signatures as the metres of a Song, and how many of them had to be ignored.

    One that comes within a bar shortens that bar; where no metre is as short, it waits for the next one.
    """
    rows, ignored = [(0, COMMON_TIME)], 0
    for time, upper, lower in sorted(changes):
        metre = metre_of(upper, lower)
        if metre is None:
            ignored += 1
            continue
        since, before = rows[-1]
        length = int(BAR_LENGTHS[before])
        into = (time - since) % length if time > since else 0
        short = metre_lasting(into) if into else None
        if short is not None:
            rows.append((time - into, short))
        waits = length - into if into and short is None else 0
        rows.append((max(time + waits, since), metre))
    last = dict(rows)  # of several at one time
    return np.array(sorted(last.items()), np.int64), ignored


def metre_of(upper: int, lower: int) -> int | None:
    """A time signature as an index into METRES, or one whose bars are as long; None if there is none."""
    if (upper, lower) in METRES:
        return METRES.index((upper, lower))
    length = Fraction(upper * 4 * GRID, lower) if upper > 0 and lower > 0 else Fraction(0)
    return metre_lasting(int(length)) if length.denominator == 1 else None


def metre_lasting(length: int) -> int | None:
    """The metre with bars of a length: in quarters if it can be, else eighths, sixteenths, halves."""
    found = [i for i, known in enumerate(BAR_LENGTHS.tolist()) if known == length]
    order = (4, 8, 16, 2)
    return min(found, key=lambda i: order.index(METRES[i][1]), default=None)


def check_length(song: Song) -> None:
    """Raise Refused for a piece of more bars than any music has."""
    shortest = int(BAR_LENGTHS[song.metres[:, 1]].min()) if len(song.metres) else GRID * 4
    if song.end // shortest > MOST_BARS:
        raise Refused(f"longer than {MOST_BARS} bars: hardly music")


def song_of_score(score: Score) -> Song:
    """Another score as a song: its parts by their instruments."""
    first = min([n.onset for n in score.notes], default=Fraction(0))
    start = min([first, *score.bars[:1]])
    rows = [
        (
            _place(n.onset - start),
            max(_place(n.end - start) - _place(n.onset - start), 1),
            program_of_part(score, n.voice),
            n.pitch,
            n.velocity // VELOCITY_STEP,
        )
        for n in score.notes
    ]
    notes, _ = sorted_notes(np.array(rows, np.int64))
    metres, _ = metres_of(_signs([_place(t - start) for t in score.bars]))
    tempi = np.array([[0, int(nearest_tempo(score.bpm))]] if score.bpm else [], np.int64)
    song = Song(score.name, notes, tempi.reshape(-1, 2), metres, upbeat=start < 0)
    check_length(song)
    return song


def program_of_part(score: Score, part: int) -> int:
    """The program (1..128) of a part."""
    own = score.programs[part] if part < len(score.programs) else 0
    return own or score.program or DEFAULT_PROGRAM


def _place(time: Fraction) -> int:
    return round(time * GRID)


def _signs(starts: Sequence[int]) -> Iterable[Metre]:
    """A time signature wherever the length of the bars changes."""
    before = None
    for a, b in pairwise(starts):
        metre = metre_lasting(b - a)
        if metre is not None and metre != before:
            yield a, *METRES[metre]
        before = metre
