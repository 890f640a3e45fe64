"""What a MIDI file holds comes in, or is counted."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from chorales import chorale

from config_bach import Reading
from families.satb.dataset import of_score
from families.satb.encoding import Chorale, plan_of
from midi_io import read_scores, write_midi
from music.keys import KEYS
from music.midi_reader import on_grid
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
)


def message(kind: str, time: int = 0, **values: Any) -> Any:
    return mido.Message(kind, time=time, **values)


def note(pitch: int, time: int = 0, length: int = 480, velocity: int = 64, channel: int = 0) -> Any:
    where = {"note": pitch, "channel": channel}
    return [
        message("note_on", time, velocity=velocity, **where),
        message("note_off", length, velocity=0, **where),
    ]


def meta(kind: str, time: int = 0, **values: Any) -> Any:
    return mido.MetaMessage(kind, time=time, **values)


def file_of(path: Path, *tracks: Sequence[Any]) -> Path:
    midi = mido.MidiFile(type=1, ticks_per_beat=480)
    midi.tracks += [mido.MidiTrack(messages) for messages in tracks]
    midi.save(path)
    return path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Two instruments, drums, and all that a song has."""
    conductor = [
        meta("set_tempo", tempo=500_000),
        meta("time_signature", numerator=3, denominator=4),
        meta("set_tempo", 480, tempo=500_000),  # the same again is no change
        meta("set_tempo", 480, tempo=400_000),
        meta("time_signature", 480, numerator=4, denominator=4),
    ]
    piano = [
        meta("track_name", name="Grand Piano"),
        message("control_change", 240, control=64, value=127),
        *note(60, 240, 480, 64),
        *note(64, 0, 470, 90),
        message("control_change", 10, control=64, value=0),
        *note(67, 7),
    ]
    bass = [
        message("program_change", channel=1, program=33),
        message("pitchwheel", channel=1, pitch=100),
        message("pitchwheel", channel=1, pitch=0),
        *note(36, 480, 960, channel=1),
    ]
    drums = [m for i in range(5) for m in note(36 + i, 0, 120, channel=9)]
    return file_of(tmp_path / "song.mid", conductor, piano, bass, drums)


def read(path: Path, part: str = "") -> Score:
    (score,) = read_scores(path, Reading(part=part))
    return score


def test_what_a_song_holds_is_counted(song: Path) -> None:
    assert read(song).holds == {
        DRUMS: 5, PARTS: 2, INSTRUMENTS: 2, TEMPI: 1, METRES: 2, PEDAL: 1, BENDS: 1, TIMES: 1,
        VELOCITIES: 2, LEAD: 1,
    }  # fmt: skip


def test_a_plain_tune_loses_nothing(tmp_path: Path) -> None:
    assert read(file_of(tmp_path / "x.mid", note(60) + note(62))).holds == {}


def test_a_part_is_read_alone(song: Path) -> None:
    by_name, by_number, unnamed = read(song, "piano"), read(song, "1"), read(song, "bass")
    assert [n.pitch for n in by_name.notes] == [60, 64, 67]
    assert by_name == by_number
    assert {n.voice for n in unnamed.notes} == {0}
    assert (unnamed.program, by_name.program) == (34, 1)
    assert unnamed.holds == {TEMPI: 1, METRES: 2, BENDS: 1, LEAD: 1}
    with pytest.raises(Refused, match=r"only 1 Grand Piano, 2 Electric Bass \(finger\)"):
        read(song, "flute")


def test_a_tempo_may_stand_in_any_track_and_is_120_where_there_is_none(tmp_path: Path) -> None:
    melody = note(60, 0, 4800)
    assert read(file_of(tmp_path / "x.mid", melody)).bpm == 120
    late = [meta("set_tempo", 480, tempo=1_000_000)]
    assert read(file_of(tmp_path / "y.mid", melody, late)).bpm == 60
    late = [meta("set_tempo", 4000, tempo=1_000_000)]
    assert read(file_of(tmp_path / "z.mid", melody, late)).bpm == 120


def test_a_note_struck_while_it_sounds_keeps_its_length(tmp_path: Path) -> None:
    """The first to begin is the first to end."""
    on = [message("note_on", t, note=60, velocity=v) for t, v in ((0, 50), (240, 70))]
    off = [message("note_off", t, note=60) for t in (240, 480)]
    notes = read(file_of(tmp_path / "x.mid", on + off)).notes
    assert [(float(n.onset), float(n.duration), n.velocity) for n in notes] == [
        (0, 1, 50),
        (0.5, 1.5, 70),
    ]


def test_the_bars_of_a_file_come_in(tmp_path: Path) -> None:
    sign = meta("time_signature", numerator=3, denominator=4)
    later = meta("time_signature", 480 * 6, numerator=6, denominator=8)
    path = file_of(tmp_path / "x.mid", [sign, later], note(60, 0, 480 * 11))
    assert [int(t) for t in read(path).bars] == [0, 3, 6, 9]
    assert read(file_of(tmp_path / "y.mid", note(60, 0, 480 * 11))).bars == ()


@pytest.mark.parametrize("key", [key.midi_name for key in KEYS])
def test_the_first_key_signature_comes_in(tmp_path: Path, key: str) -> None:
    other = meta("key_signature", 480, key="Am" if key != "Am" else "C")
    path = file_of(tmp_path / "x.mid", [meta("key_signature", key=key), other], note(60))
    assert read(path).key == key
    assert read(file_of(tmp_path / "y.mid", note(60))).key == ""


@pytest.mark.parametrize("first", [-2, -1, 0])
def test_a_chorale_comes_back_with_its_bars_and_its_upbeat(tmp_path: Path, first: int) -> None:
    bars = [Fraction(3 * i + first) for i in range(9)]
    piece = chorale(8)
    piece = Chorale("x", piece.symbols, plan_of(len(piece), bars), 80.0)
    write_midi(tmp_path / "x.mid", piece.events, 80, 20)
    again = of_score(read(tmp_path / "x.mid"))
    whole = len(piece) // 12 * 12
    assert (again.symbols == piece.symbols).all()
    assert again.plan[:whole, :2].tolist() == piece.plan[:whole, :2].tolist()


def test_bars_that_are_no_bars_are_left_out(tmp_path: Path) -> None:
    tiny = meta("time_signature", numerator=1, denominator=64)
    assert read(file_of(tmp_path / "x.mid", [tiny], note(60))).bars == ()


def test_the_grid_is_the_nearest_place_as_fractions_have_it() -> None:
    for tpq in (1, 7, 96, 100, 220, 480, 1024):
        ticks = np.arange(3 * tpq + 1, dtype=np.int64)
        for tick, place in zip(ticks.tolist(), on_grid(ticks, tpq).tolist(), strict=True):
            exact = Fraction(tick, tpq)
            wanted = min(
                (Fraction(round(exact * n), n) for n in (8, 6)), key=lambda t: abs(t - exact)
            )
            assert Fraction(place, 24) == wanted


# ---- what others read


def raw(body: bytes, ticks: int = 96, after: bytes = b"", tracks: int = 1) -> bytes:
    chunk = b"MTrk" + struct.pack(">I", len(body)) + body
    return b"MThd" + struct.pack(">IHHH", 6, 1, tracks, ticks) + chunk + after


ON, OFF, END = b"\x00\x90\x3c\x50", b"\x60\x80\x3c\x00", b"\x00\xff\x2f\x00"


@pytest.mark.parametrize(
    "data",
    [
        raw(ON + OFF + END, after=b"\n\n"),
        raw(ON + OFF + END, after=b"junk at the end of a file"),
        raw(ON + b"\x20\xf7\x02\x01\x02\x40\x80\x3c\x00" + END),
        raw(ON + b"\x20\xf0\x03\x7e\x01\xf7\x40\x3c\x00" + END),
        raw(ON + b"\x20\xf0\x02\x7e\x01\x20\xf7\x02\x02\xf7\x20\x3c\x00" + END),
        raw(ON + OFF),
    ],
    ids=["two bytes more", "junk", "escape", "sysex, running on", "sysex in parts", "no end"],
)
def test_files_with_odd_bytes_are_read(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.mid").write_bytes(data)
    (found,) = read(tmp_path / "x.mid").notes
    assert (float(found.onset), float(found.duration), found.pitch) == (0, 1, 60)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (raw(ON + OFF + END, ticks=0xE728), r"seconds \(SMPTE\), not beats"),
        (raw(ON + OFF + END, tracks=2), "cut short"),
        (raw(ON + b"\xff\xff\xff\x7f\x80\x3c\x00" + END, 1), "longer than 100000 quarters"),
        (raw(ON + b"\x60\x91"), "cut short|damaged"),
    ],
    ids=["smpte", "a track is missing", "endless", "half a message"],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    (tmp_path / "x.mid").write_bytes(data)
    with pytest.raises(Refused, match=reason):
        read(tmp_path / "x.mid")
