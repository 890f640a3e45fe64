"""What is written opens elsewhere and says what was composed; what is damaged is refused."""

import struct
from fractions import Fraction
from pathlib import Path

import mido
import pytest
from music21 import converter

from config_bach import UserError
from instruments import FAMILIES, NAMES, instrument_name, program_number
from midi_io import Refused, read_scores, spelled, write_midi, write_musicxml
from piece import Event, Piece, events_from_notes

CHORALE = [
    Event((48, 55, 64, 72), Fraction(1)),
    Event((47, 55, 62, 74), Fraction(1, 2)),
    Event((47, 55, 65, 74), Fraction(1, 2)),
    Event((48, 55, 64, 72), Fraction(3, 2)),
    Event((), Fraction(1, 3)),
    Event((60,), Fraction(1, 3)),
    Event((60,), Fraction(1, 3)),
    Event((48, 64), Fraction(7, 2)),
]


def events_of(path: Path) -> list[tuple[tuple[int, ...], Fraction]]:
    notes = read_scores(path)[0].notes
    return [(e.pitches, e.duration) for e in events_from_notes(notes, Fraction(4))]


def test_midi_round_trip_is_exact(tmp_path: Path, tunes: list[Piece]) -> None:
    for events in (CHORALE, tunes[3].events):
        write_midi(tmp_path / "x.mid", events, 90, 1)
        assert events_of(tmp_path / "x.mid") == [(e.pitches, e.duration) for e in events]


def test_musicxml_round_trip_is_exact(tmp_path: Path) -> None:
    write_musicxml(tmp_path / "x.musicxml", CHORALE, 90, 1)
    assert events_of(tmp_path / "x.musicxml") == [(e.pitches, e.duration) for e in CHORALE]


def test_midi_has_tempo_program_and_real_durations(tmp_path: Path) -> None:
    write_midi(tmp_path / "x.mid", CHORALE, 72, program_number("cello"))
    midi = mido.MidiFile(tmp_path / "x.mid")
    messages = [m for track in midi.tracks for m in track]
    assert {m.program for m in messages if m.type == "program_change"} == {42}
    assert [round(mido.tempo2bpm(m.tempo)) for m in messages if m.type == "set_tempo"] == [72]
    quarters = float(sum(e.duration for e in CHORALE))
    assert sum(m.time for m in midi if not m.is_meta) == pytest.approx(quarters * 60 / 72, abs=0.01)


def test_musicxml_is_a_score_with_key_bars_and_two_staves(tmp_path: Path) -> None:
    write_musicxml(tmp_path / "x.musicxml", CHORALE, 90, 1)
    score = converter.parse(tmp_path / "x.musicxml", forceSource=True)
    assert len(score.parts) == 2
    assert [len(p.getElementsByClass("Measure")) for p in score.parts] == [2, 2]
    assert score.parts[0].flatten().getElementsByClass("KeySignature")[0].sharps == 0
    assert score.parts[1].flatten().getElementsByClass("Clef")[0].sign == "F"
    assert any(n.tie for n in score.parts[1].flatten().notes)


@pytest.mark.parametrize(
    ("pitch", "sharps", "name"),
    [(66, 1, "F#4"), (66, -5, "G-4"), (70, -1, "B-4"), (66, -2, "F#4"), (59, 0, "B3"),
     (60, 7, "B#3"), (59, -7, "C-4"), (68, 0, "G#4"), (61, -1, "C#4"), (63, 0, "E-4")],
)  # fmt: skip
def test_pitches_are_spelled_in_their_key(pitch: int, sharps: int, name: str) -> None:
    assert spelled(pitch, sharps) == name


def test_all_128_instruments_are_there() -> None:
    assert len(NAMES) == len(set(NAMES)) == 128
    assert all(len(names.split(", ")) == 8 for names in FAMILIES.values())
    assert [program_number(n) for n in NAMES] == list(range(1, 129))
    assert (instrument_name(1), instrument_name(43)) == ("Acoustic Grand Piano", "Cello")
    assert program_number("128") == 128
    assert program_number("church") == 20


@pytest.mark.parametrize("name", ["0", "129", "kazoo", "", "piano", "-3"])
def test_unknown_instruments_are_refused(name: str) -> None:
    with pytest.raises(UserError):
        program_number(name)


def header(tracks: int = 1, ticks: int = 480) -> bytes:
    return b"MThd" + struct.pack(">IHHH", 6, 1, tracks, ticks)


def track(body: bytes) -> bytes:
    return b"MTrk" + struct.pack(">I", len(body)) + body


END = b"\x00\xff\x2f\x00"
NOTE = b"\x00\x90\x3c\x40\x83\x60\x80\x3c\x40"
DRUM = b"\x00\x99\x24\x40\x83\x60\x89\x24\x40"
NO_TEMPO = b"\x00\xff\x51\x03\x00\x00\x00"
BAD_FILES = {
    "empty.mid": b"",
    "photo.mid": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(200),
    "silent.mid": header() + track(END),
    "drums.mid": header() + track(DRUM + END),
    "no_division.mid": header(ticks=0) + track(NOTE + END),
    "cut.mid": (header() + track(NOTE * 40 + END))[:150],
    "header_only.mid": header(),
    "noise.mid": b"MThd" + bytes(range(256)),
    "text.musicxml": b"this is no score",
    "empty.abc": b"",
    "broken.mxl": b"PK\x03\x04 broken",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused_with_a_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BAD_FILES[name])
    with pytest.raises(Refused, match=r"\w{3}"):
        read_scores(tmp_path / name)


def test_a_tempo_of_zero_ticks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "zero.mid"
    path.write_bytes(header() + track(NO_TEMPO + NOTE * 3 + END))
    with pytest.raises(Refused, match="tempo"):
        read_scores(path)


def test_drums_are_left_out_of_other_music(tmp_path: Path) -> None:
    path = tmp_path / "both.mid"
    path.write_bytes(header(2) + track(NOTE + NOTE + END) + track(DRUM * 5 + END))
    assert [n.pitch for n in read_scores(path)[0].notes] == [60, 60]


def test_abc_with_several_tunes_gives_several_scores(tmp_path: Path) -> None:
    path = tmp_path / "tunes.abc"
    path.write_text("X:1\nT:one\nM:4/4\nL:1/4\nK:C\nCDEF|\n\nX:2\nT:two\nM:4/4\nL:1/4\nK:G\nGAB|\n")
    scores = read_scores(path)
    assert [[n.pitch for n in s.notes] for s in scores] == [[60, 62, 64, 65], [67, 69, 71]]
    assert [s.name for s in scores] == ["tunes.abc#1", "tunes.abc#2"]


def test_performed_timing_is_put_on_a_grid(tmp_path: Path) -> None:
    path = tmp_path / "played.mid"
    body = b"\x00\x90\x3c\x40\x83\x5a\x80\x3c\x40\x08\x90\x3e\x40\x83\x60\x80\x3e\x40"
    path.write_bytes(header() + track(body + END))
    assert events_of(path)[0] == ((60,), Fraction(1))
