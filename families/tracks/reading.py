"""Score files -> songs: MIDI through symusic, all others as midi_io reads them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from config_bach import DEFAULT_PROGRAM
from families.tracks.song import Ints, Song, sorted_notes
from families.tracks.tokens import BAR_LENGTHS, COMMON_TIME, GRID, VELOCITY_STEP, nearest_tempo
from families.tracks.tokens import METRES as KNOWN
from midi_io import refusing
from music import midi_reader
from music.scores import BENDS, METRES, PARTS, PEDAL, TIMES, Refused, Score, part_number

MOST_BARS = 20_000  # of a piece; a damaged file may say anything
DOUBLED = "doubled note"
US_A_MINUTE = 60_000_000

Metre = tuple[int, int, int]  # from which time on, in parts of a quarter; beats, and what a beat is


def read_midi(path: Path, part: str = "") -> tuple[Song, Counter[str]]:
    """A MIDI file as a song, and what of it is lost. Raises Refused, with the reason.

    part: the only track that is read, by name or number; empty: all.
    """
    with refusing(path):
        return song_of_midi(midi_reader.parsed(path.read_bytes()), path.name, part)


def song_of_midi(midi: Any, name: str, part: str = "") -> tuple[Song, Counter[str]]:
    """A symusic score as a song, and what of it is lost. Raises Refused without notes."""
    tracks = [track for track in midi.tracks if len(track.notes)]
    if not tracks:
        raise Refused("no notes")
    if part:
        names = [midi_reader.name_of(track) for track in tracks]
        tracks = [tracks[part_number(names, part)]]
    parts = [_part(track, midi.tpq) for track in tracks]
    notes, doubled = sorted_notes(np.concatenate([rows for rows, _ in parts]))
    tempi, signs = midi.tempos.numpy(), midi.time_signatures.numpy()
    times = on_grid(signs["time"], midi.tpq)
    told = (times, signs["numerator"], signs["denominator"])
    metres, ignored = metres_of(zip(*(column.tolist() for column in told), strict=True))
    song = Song(name, notes, _tempi(on_grid(tempi["time"], midi.tpq), tempi["mspq"]), metres)
    check_length(song)
    lost = {
        PEDAL: sum(len(track.pedals) for track in tracks),
        BENDS: sum(len(track.pitch_bends) for track in tracks),
        TIMES: sum(moved for _, moved in parts),
        METRES: ignored,
        PARTS: sharing({i: program_of(track) for i, track in enumerate(tracks)}),
        DOUBLED: doubled,
    }
    return song, +Counter(lost)


def _part(track: Any, tpq: int) -> tuple[Ints, int]:
    """The notes of a track of symusic, and how many of them the grid moved."""
    table = track.notes.numpy()
    ticks = table["time"].astype(np.int64)
    onsets, stops = on_grid(ticks, tpq), on_grid(ticks + table["duration"], tpq)
    program = np.full_like(onsets, program_of(track))
    levels = table["velocity"].astype(np.int64) // VELOCITY_STEP
    columns = (onsets, np.maximum(stops - onsets, 1), program, table["pitch"], levels)
    moved = int((onsets * tpq != ticks * GRID).sum())
    return np.stack(columns, axis=1).astype(np.int64), moved


def program_of(track: Any) -> int:
    """The program (1..128) of a track of symusic, 0 of percussion."""
    return 0 if track.is_drum else int(track.program) + 1


def sharing(programs: Mapping[int, int]) -> int:
    """How many parts have the instrument of an earlier one: what tells them apart is not kept."""
    return len(programs) - len(set(programs.values()))


def on_grid(ticks: Any, tpq: int) -> Ints:
    """Ticks, of which there are `tpq` in a quarter, as parts of a quarter (GRID)."""
    exact = np.asarray(ticks, np.int64)
    return np.asarray((2 * exact * GRID + tpq) // (2 * tpq), np.int64)


def _tempi(times: Ints, mspq: Any) -> Ints:
    """Tempo changes, the last one of each time; a MIDI file that does not say has 120."""
    found = {0: midi_reader.USUAL_TEMPO} | dict(zip(times.tolist(), mspq.tolist(), strict=True))
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
    """A time signature as an index into tokens.METRES: itself, or one as long; None if there is none."""
    if (upper, lower) in KNOWN:
        return KNOWN.index((upper, lower))
    length = Fraction(upper * 4 * GRID, lower) if upper > 0 and lower > 0 else Fraction(0)
    return metre_lasting(int(length)) if length.denominator == 1 else None


def metre_lasting(length: int) -> int | None:
    """The metre with bars of a length: in quarters if it can be, else eighths, sixteenths, halves."""
    found = [i for i, known in enumerate(BAR_LENGTHS.tolist()) if known == length]
    order = (4, 8, 16, 2)
    return min(found, key=lambda i: order.index(KNOWN[i][1]), default=None)


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
    lines = [_place(t - start) for t in score.bars]
    if len(lines) == 1:  # a single bar is as long as the music
        lines.append(max(_place(n.end - start) for n in score.notes))
    metres, _ = metres_of(_signs(lines))
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
            yield a, *KNOWN[metre]
        before = metre
