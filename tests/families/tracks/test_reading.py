"""Files to songs: what goes in comes out."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from mido import Message, MetaMessage, MidiFile, MidiTrack
from songs import piece, song

from config_bach import Paths
from families.tracks.corpus import read
from families.tracks.dataset import song_of
from families.tracks.encoding import encode
from families.tracks.events import events_of
from families.tracks.reading import metres_of, read_midi, song_of_score
from families.tracks.song import Song
from families.tracks.tokens import METRES, TEMPI
from midi_io import write_midi
from music.events import Note
from music.scores import Refused, Score

SHARED = Path(__file__).parents[4] / "shared" / "data" / "midi"
FILES = sorted(SHARED.glob("*/*.mid"))


def midi(path: Path, *tracks: list[object], tpq: int = 480) -> Path:
    """A MIDI file of these messages, with delta times."""
    file = MidiFile(type=1, ticks_per_beat=tpq)
    for messages in tracks:
        file.tracks.append(MidiTrack(messages))
    file.save(path)
    return path


def note(
    pitch: int, start: int, length: int, channel: int = 0, velocity: int = 90
) -> list[Message]:
    about = {"note": pitch, "channel": channel}
    return [
        Message("note_on", time=start, velocity=velocity, **about),
        Message("note_off", time=length, **about),
    ]


def sounds(made: Song) -> set[tuple[int, int, int]]:
    return {(onset, program, pitch) for onset, _, program, pitch, _ in made.notes.tolist()}


def through_tokens(made: Song, path: Path) -> Song:
    """File -> tokens -> file -> song."""
    events = events_of(encode(made).tolist(), made.bpm)
    write_midi(path, events, made.bpm or 120, 1)
    return read_midi(path)[0]


@pytest.mark.parametrize("i", range(4))
def test_a_song_is_the_same_after_its_tokens_were_written_and_read(i: int, tmp_path: Path) -> None:
    before = song(i)
    after = through_tokens(before, tmp_path / "x.mid")
    pitched = before.notes[:, 2] > 0
    np.testing.assert_array_equal(after.notes[after.notes[:, 2] > 0], before.notes[pitched])
    assert sounds(after) == sounds(before)
    assert set(after.notes[:, 4]) == set(before.notes[:, 4])
    assert [TEMPI[t] for t in after.tempi[:, 1]] == [120, 90]
    np.testing.assert_array_equal(after.metres, before.metres)


@pytest.mark.skipif(not FILES, reason="the shared files are not here")
def test_the_files_of_other_projects_come_back_from_their_tokens() -> None:
    """Every file is read or refused with a reason; every note and every drum comes back."""
    refused = {}
    for path in FILES:
        try:
            before, _ = read_midi(path)
        except Refused as reason:
            refused[path.name] = str(reason)
            continue
        if len(before.notes) < 8000:  # longer ones take their time, and are like the others
            after = song_of("x", encode(before))
            np.testing.assert_array_equal(
                after.notes[:, [0, 2, 3, 4]], before.notes[:, [0, 2, 3, 4]]
            )
    assert len(refused) == 16
    assert all(refused.values())


@pytest.mark.skipif(not FILES, reason="the shared files are not here")
@pytest.mark.parametrize("name", ["POP909_008", "d8faddb8596fff7abb24d78666f73e4e"])
def test_the_files_of_other_projects_come_back_as_files(name: str, tmp_path: Path) -> None:
    """At least 98 % of (onset, program, pitch), and every drum; see docs/tracks.md for all files."""
    before, _ = read_midi(SHARED / "MidiTok" / f"{name}.mid")
    wanted, found = sounds(before), sounds(through_tokens(before, tmp_path / "x.mid"))
    assert len(wanted & found) >= 0.98 * len(wanted)
    assert {n for n in wanted if n[1] == 0} <= found


def test_times_are_rounded_to_a_24th_of_a_quarter(tmp_path: Path) -> None:
    path = midi(tmp_path / "x.mid", [*note(60, 9, 480), *note(62, 0, 11), *note(64, 100, 0)])
    made, lost = read_midi(path)
    assert made.notes[:, :2].tolist() == [[0, 24], [24, 1], [30, 1]]
    assert lost["exact time"] == 2


def test_programs_drums_and_what_is_lost(tmp_path: Path) -> None:
    path = midi(
        tmp_path / "x.mid",
        [Message("program_change", program=40), *note(60, 0, 480)],
        [
            Message("program_change", program=24, channel=9),
            *note(36, 0, 10, 9),
            *note(36, 470, 10, 9),
        ],
        [
            Message("program_change", program=40, channel=1),
            Message("control_change", control=64, value=127, channel=1),
            Message("pitchwheel", pitch=100, channel=1),
            *note(60, 0, 960, 1),
            Message("control_change", control=64, value=0, channel=1),
        ],
    )
    made, lost = read_midi(path)
    assert made.notes[:, :4].tolist() == [[0, 1, 0, 36], [0, 48, 41, 60], [24, 1, 0, 36]]
    assert lost == {"doubled note": 1, "pedal mark": 1, "pitch bend": 1, "separate part": 1}


def test_tempo_and_metre_are_read(tmp_path: Path) -> None:
    path = midi(
        tmp_path / "x.mid",
        [
            MetaMessage("time_signature", numerator=3, denominator=4),
            MetaMessage("set_tempo", tempo=500_000, time=0),
            MetaMessage("set_tempo", tempo=1_000_000, time=480),
            MetaMessage("time_signature", numerator=4, denominator=4, time=960),
        ],
        note(60, 0, 4800),
    )
    made, _ = read_midi(path)
    assert [(t, TEMPI[i]) for t, i in made.tempi.tolist()] == [(0, 120), (24, 60)]
    assert [(t, METRES[i]) for t, i in made.metres.tolist()] == [(0, (3, 4)), (72, (4, 4))]
    assert made.bpm == 60


def test_a_file_that_names_no_tempo_has_120(tmp_path: Path) -> None:
    assert read_midi(midi(tmp_path / "x.mid", note(60, 0, 480)))[0].bpm == 120


def test_a_metre_within_a_bar_shortens_it() -> None:
    rows, ignored = metres_of([(0, 4, 4), (24, 3, 4)])
    assert [(t, METRES[i]) for t, i in rows.tolist()] == [(0, (1, 4)), (24, (3, 4))]
    rows, _ = metres_of([(0, 4, 4), (96 + 25, 3, 4)])
    assert [(t, METRES[i]) for t, i in rows.tolist()] == [(0, (4, 4)), (192, (3, 4))]
    assert ignored == 0


def test_metres_that_there_are_not() -> None:
    rows, ignored = metres_of([(0, 5, 3), (0, 24, 16), (144, 2, 1), (336, 9, 1)])
    assert [(t, METRES[i]) for t, i in rows.tolist()] == [(0, (6, 4)), (144, (8, 4))]
    assert ignored == 2


def test_a_score_keeps_its_parts_and_its_upbeat() -> None:
    notes = (
        Note(Fraction(0), Fraction(1), 67, 90, 0),
        Note(Fraction(1), Fraction(4), 72, 60, 0),
        Note(Fraction(1), Fraction(1, 3), 48, 90, 1),
    )
    bars = (Fraction(-3), Fraction(1), Fraction(5))
    made = song_of_score(Score("x", notes, 100, 7, bars, programs=(41, 0)))
    assert made.notes.tolist() == [[72, 24, 41, 67, 22], [96, 8, 7, 48, 22], [96, 96, 41, 72, 15]]
    assert made.upbeat
    assert made.bpm == 100
    assert METRES[made.metres[0, 1]] == (4, 4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"RIFF" + b"\0" * 20, "not a MIDI file"),
        (b"MThd\0\0\0\6\0\1\0\1\1\xe0MTrk\0\0\1\0\0", "cut short"),
        (b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0", "no notes"),
    ],
)
def test_a_file_without_music_is_refused_with_the_reason(
    data: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.mid"
    path.write_bytes(data)
    with pytest.raises(Refused, match=reason):
        read_midi(path)


def test_a_file_that_never_ends_is_refused(tmp_path: Path) -> None:
    path = midi(tmp_path / "x.mid", [*note(60, 2**27, 100)], tpq=1)
    with pytest.raises(Refused, match="longer than 20000 bars"):
        read_midi(path)


def test_a_folder_of_files_each_accounted_for(paths: Paths) -> None:
    for i in range(3):
        write_midi(paths.training / f"{i}.mid", piece(i).events, 120, 1)
    (paths.training / "bad.mid").write_bytes(b"MThd")
    corpus = read(str(paths.training), paths, show=False)
    assert [row.name for row in corpus.rows] == ["0.mid", "1.mid", "2.mid", "bad.mid"]
    assert [bool(row.refused) for row in corpus.rows] == [False, False, False, True]
    assert [p.fingerprint for p in corpus.pieces] == [piece(i).fingerprint for i in range(3)]
    assert not any(row.lost for row in corpus.rows)
    assert [row.steps for row in corpus.rows[:3]] == [len(p) for p in corpus.pieces]


def test_a_score_in_xml_says_what_it_does_not_keep(paths: Paths) -> None:
    """Parts by the same instrument become one; percussion is not read there."""
    from music21 import instrument, meter, note, stream

    parts = []
    for pitch, player in (
        (67, instrument.Violin()),
        (60, instrument.Violin()),
        (48, instrument.Violoncello()),
    ):
        part = stream.Part([player, meter.TimeSignature("3/4"), note.Note(pitch, quarterLength=3)])
        parts.append(part)
    parts.append(stream.Part([instrument.SnareDrum(), note.Unpitched(quarterLength=3)]))
    stream.Score(parts).write("musicxml", fp=paths.training / "x.musicxml")
    corpus = read(str(paths.training), paths, show=False)
    (piece,) = corpus.pieces
    found = piece.song.notes[:, [0, 1, 2, 3]].tolist()
    assert found == [[0, 72, 41, 60], [0, 72, 41, 67], [0, 72, 43, 48]]
    assert METRES[piece.song.metres[0, 1]] == (3, 4)
    assert corpus.rows[0].lost == {"separate part": 1, "drum note": 1}


def test_one_part_of_a_midi_file(tmp_path: Path) -> None:
    tracks = [
        [MetaMessage("track_name", name="Bass"), *note(40, 0, 480)],
        [MetaMessage("track_name", name="Lead"), *note(70, 0, 480, 1)],
    ]
    path = midi(tmp_path / "x.mid", *tracks)
    assert read_midi(path, "lead")[0].notes[:, 3].tolist() == [70]
    assert read_midi(path, "1")[0].notes[:, 3].tolist() == [40]
    with pytest.raises(Refused, match="no part is called 'flute', only 1 Bass, 2 Lead"):
        read_midi(path, "flute")
