"""MIDI files -> percussion: what is read, what is said, what is refused."""

import io
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from grooves import groove
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mido import Message, MetaMessage, MidiFile, MidiTrack

from families.drums.encoding import LONGEST
from families.drums.kit import KIND_OF, NAMES
from families.drums.reading import Reading, read_drums
from midi_io import Refused, write_midi

TICKS = 480


def midi(path: Path, *tracks: Sequence[tuple[Any, Message | MetaMessage]]) -> Path:
    """A MIDI file of messages at quarter lengths."""
    file = MidiFile(ticks_per_beat=TICKS)
    for messages in tracks:
        track, now = MidiTrack(), 0
        for time, message in sorted(messages, key=lambda x: x[0]):
            tick = round(time * TICKS)
            track.append(message.copy(time=tick - now))
            now = tick
        file.tracks.append(track)
    file.save(path)
    return path


def hit(note: int, velocity: int = 92, channel: int = 9) -> Message:
    return Message("note_on", channel=channel, note=note, velocity=velocity)


def metre(numerator: int, denominator: int) -> MetaMessage:
    return MetaMessage("time_signature", numerator=numerator, denominator=denominator)


def struck(reading: Reading) -> list[tuple[Any, str]]:
    """When which kind is struck."""
    found: list[tuple[Any, str]] = []
    time = Fraction(0)
    for event in reading.piece.events:
        found += [(time, NAMES[KIND_OF[s.pitch]]) for s in event.sounds]
        time += event.duration
    return found


@pytest.mark.parametrize("number", range(4))
def test_what_is_written_is_read(number: int, tmp_path: Path) -> None:
    piece = groove(number)
    write_midi(tmp_path / "x.mid", piece.events, 130, 1)
    reading = read_drums(tmp_path / "x.mid")
    assert (reading.piece.symbols == piece.symbols).all()
    assert (reading.piece.places == piece.places).all()
    assert reading.piece.bpm == 130
    assert reading.lost == {}


def test_what_is_kept_otherwise_is_said(tmp_path: Path) -> None:
    hits = [
        (0, hit(35)),
        (0, hit(36)),
        (1, hit(40)),
        (2, hit(20)),
        (Fraction(5, 2) + Fraction(1, 40), hit(42)),
    ]
    piano = [(0, hit(60, channel=0)), (1, hit(60, 0, channel=0)), (1, hit(62, channel=3))]
    reading = read_drums(midi(tmp_path / "x.mid", hits, piano))
    assert struck(reading) == [(0, "kick"), (1, "snare"), (Fraction(5, 2), "closed hi-hat")]
    assert (reading.merged, reading.moved, reading.unknown, reading.pitched) == (1, 1, 1, 2)
    assert reading.mapped == {35: 1, 40: 1}
    assert reading.lost == {
        "pitched note": 2,
        "unknown drum note": 1,
        "doubled stroke": 1,
        "off-grid stroke": 1,
        "substituted drum sound": 2,
    }


def test_silence_before_the_first_bar_with_strokes_is_left_out(tmp_path: Path) -> None:
    reading = read_drums(midi(tmp_path / "x.mid", [(9, hit(38)), (12, hit(36))]))
    assert struck(reading) == [(1, "snare"), (4, "kick")]


def test_metres_and_their_changes_are_read(tmp_path: Path) -> None:
    marks = [(0, metre(3, 4)), (6, metre(7, 8)), (Fraction(19, 2), metre(4, 4))]
    hits = [(i, hit(36)) for i in range(13)]
    piece = read_drums(midi(tmp_path / "x.mid", marks, hits)).piece
    slots = dict.fromkeys(map(tuple, piece.places[:, [0, 2]].tolist()))
    assert list(slots) == [(0, 18), (1, 18), (2, 21), (3, 24)]


def test_a_metre_that_changes_within_a_bar_ends_it(tmp_path: Path) -> None:
    marks = [(0, metre(4, 4)), (6, metre(3, 4))]
    piece = read_drums(midi(tmp_path / "x.mid", marks, [(0, hit(36)), (8, hit(36))])).piece
    slots = dict.fromkeys(map(tuple, piece.places[:, [0, 2]].tolist()))
    assert list(slots) == [(0, 24), (1, 12), (2, 18)]


def test_a_file_without_drums_is_refused_with_that_reason(tmp_path: Path) -> None:
    path = midi(tmp_path / "x.mid", [(0, hit(60, channel=0))])
    with pytest.raises(Refused, match="no drums: nothing on channel 10"):
        read_drums(path)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("x.mid", b"", "empty file"),
        ("x.mid", b"RIFFxxxxxxxxxxxxxxxx", "not a MIDI file"),
        ("x.mid", b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\0\x20\0\x99", "cut short"),
        ("x.mid", b"MThd\0\0\0\6\0\1\0\0\1\xe0", "no notes"),
        ("x.xml", b"<score/>", "from MIDI files alone"),
    ],
)
def test_other_files_are_refused(name: str, content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused, match=why):
        read_drums(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be opened"):
        read_drums(tmp_path / "gone.mid")


@pytest.mark.parametrize(
    ("marks", "last", "why"),
    [
        ([], 4 * LONGEST + 1, f"more than {LONGEST} bars"),
        ([(0, metre(1, 64))], 40, "a bar of 1/16 quarters, which the grid has not"),
        ([(0, metre(255, 4))], 400, "a bar of 255 quarters"),
    ],
)
def test_music_that_does_not_fit_is_refused(
    marks: list[tuple[Fraction | int, MetaMessage]], last: int, why: str, tmp_path: Path
) -> None:
    path = midi(tmp_path / "x.mid", marks, [(0, hit(36)), (last, hit(36))])
    with pytest.raises(Refused, match=why):
        read_drums(path)


def test_bytes_that_break_the_rules_are_repaired(tmp_path: Path) -> None:
    file = MidiFile(ticks_per_beat=TICKS)
    file.tracks.append(MidiTrack([hit(36, 100), hit(38, 99).copy(time=TICKS)]))
    out = io.BytesIO()
    file.save(file=out)
    data = out.getvalue().replace(b"\x24\x64", b"\x24\xe4").replace(b"\x26\x63", b"\x26\xe3")
    (tmp_path / "x.mid").write_bytes(data)
    assert struck(read_drums(tmp_path / "x.mid")) == [(0, "kick"), (1, "snare")]


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 150), st.integers(0, 255)), max_size=8),
    stop=st.integers(0, 150),
)
def test_damaged_files_are_read_or_refused(
    changes: list[tuple[int, int]], stop: int, tmp_path: Path
) -> None:
    marks: list[tuple[Fraction | int, MetaMessage | Message]] = [(0, metre(3, 4)), (3, metre(4, 4))]
    path = midi(tmp_path / "x.mid", marks, [(Fraction(i, 2), hit(36 + i)) for i in range(12)])
    data = bytearray(path.read_bytes())
    for at, value in changes:
        data[at % len(data)] = value
    path.write_bytes(bytes(data[: max(stop, 20)] if stop < 100 else data))
    with suppress(Refused):
        assert read_drums(path).piece.hits > 0
