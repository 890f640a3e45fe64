"""What is written opens elsewhere and says what was composed; what is damaged is refused."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from chorales import chorale
from conftest import ROOT
from music21 import converter

from families.satb.dataset import of_score
from families.satb.encoding import Chorale, chorale_of, plan_of
from midi_io import Played, Refused, Score, midi_file, read_scores, write_midi, write_musicxml
from music.events import TICKS, Event, Note, Piece, events_from_notes, notes_from_events
from music.instruments import program_number
from music.keys import key_name
from music.score_reader import notes_of

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


# ---- the MIDI writer

TYPES = ("set_tempo", "program_change", "note_on", "note_off")


def told(track: Any) -> list[tuple[int, str, int]]:
    """(tick, type, tempo, program or note) of the messages of a track."""
    tick, found = 0, []
    for message in track:
        tick += message.time
        if message.type in TYPES:
            fields = ("tempo", "program", "note")
            value = next(v for f in fields if (v := getattr(message, f, None)) is not None)
            found.append((tick, message.type, value))
    return found


def test_tempo_and_programs_change_where_they_happen() -> None:
    soprano, bass = (
        Event((72,), Fraction(1), 90, (72, -1, -1, -1), (True,) * 4),
        Event((48, 74), Fraction(1, 3), 90, (74, -1, -1, 48), (True,) * 4),
    )
    played = [
        Played(soprano, 60, (1, 2, 3, 4)),
        Played(bass, 60, (1, 2, 3, 20)),
        Played(soprano, 90, (5, 2, 3, 20)),
        Played(soprano, 60, (5, 2, 3, 20)),
    ]
    midi = midi_file(played)
    third, one = TICKS // 3, TICKS
    assert midi.ticks_per_beat == TICKS
    tempi, first, last = midi.tracks
    assert told(tempi) == [
        (0, "set_tempo", 1_000_000),
        (one + third, "set_tempo", 666_667),
        (2 * one + third, "set_tempo", 1_000_000),
    ]
    assert told(first) == [
        (0, "program_change", 0), (0, "note_on", 72),
        (one, "note_off", 72), (one, "note_on", 74),
        (one + third, "program_change", 4), (one + third, "note_off", 74),
        (one + third, "note_on", 72),
        (2 * one + third, "note_off", 72), (2 * one + third, "note_on", 72),
        (3 * one + third, "note_off", 72),
    ]  # fmt: skip
    assert told(last) == [
        (0, "program_change", 3), (one, "program_change", 19), (one, "note_on", 48),
        (one + third, "note_off", 48),
    ]  # fmt: skip
    assert {m.channel for m in first if not m.is_meta} == {0}
    assert {m.channel for m in last if not m.is_meta} == {3}


def test_loudness_is_written_note_by_note() -> None:
    events = [Event((60,), Fraction(1), 33), Event((62,), Fraction(1), 101)]
    (_, track) = midi_file([Played(e, 90, (1,) * 4) for e in events]).tracks
    assert [(m.note, m.velocity) for m in track if m.type == "note_on"] == [(60, 33), (62, 101)]
    assert {m.velocity for m in track if m.type == "note_off"} == {0}


def test_silence_is_a_midi_file_too(tmp_path: Path) -> None:
    write_midi(tmp_path / "x.mid", [Event((), Fraction(3))], 90, 1)
    assert len(mido.MidiFile(tmp_path / "x.mid").tracks) == 2
    with pytest.raises(Refused, match="no notes"):
        read_scores(tmp_path / "x.mid")


def test_a_midi_file_has_a_track_for_each_voice(tmp_path: Path) -> None:
    piece = chorale(8)
    write_midi(tmp_path / "x.mid", piece.events, 80, (69, 72, 70, 71))
    assert mido.MidiFile(tmp_path / "x.mid").type == 1  # tracks that sound together
    voices = mido.MidiFile(tmp_path / "x.mid").tracks[1:]
    programs = [m.program + 1 for t in voices for m in t if m.type == "program_change"]
    assert programs == [69, 72, 70, 71]
    (score,) = read_scores(tmp_path / "x.mid")
    assert (of_score(score).symbols == piece.symbols).all()
    assert score.bpm == 80


def test_a_midi_file_has_what_daws_and_notation_programs_show(tmp_path: Path) -> None:
    """In 3/4 after an upbeat of a quarter; read again by mido and by music21."""
    bars = [Fraction(3 * i - 2) for i in range(9)]
    piece = chorale(8)
    piece = Chorale("x", piece.symbols, plan_of(len(piece), bars), 80.0)
    path = tmp_path / "Tune for G\u00fcnter \u2669.mid"
    write_midi(path, piece.events, 80, (69, 72, 70, 71))
    midi = mido.MidiFile(path, charset="latin1")
    assert [t.name for t in midi.tracks] == [
        "Tune for G\u00fcnter ?", "Soprano", "Alto", "Tenor", "Bass"
    ]  # fmt: skip
    now, metre, keys = 0, [], []
    for m in midi.tracks[0]:
        now += m.time
        if m.type == "time_signature":
            metre.append((now / TICKS, m.numerator, m.denominator))
        keys += [m.key] if m.type == "key_signature" else []
    assert metre == [(0, 1, 4), (1, 3, 4)]
    assert keys == [key_name(notes_from_events(piece.events))]
    score = converter.parse(path, forceSource=True)
    assert [p.partName for p in score.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    players = [p.recurse().getElementsByClass("Instrument").last() for p in score.parts]
    assert [p.midiProgram for p in players] == [68, 71, 69, 70]
    signatures = [
        t.ratioString for t in score.parts[0].recurse().getElementsByClass("TimeSignature")
    ]
    assert signatures == ["1/4", "3/4"]
    assert score.recurse().getElementsByClass("MetronomeMark").first().number == 80
    assert score.recurse().getElementsByClass("KeySignature").first() is not None


def test_a_metre_that_is_not_known_is_not_told() -> None:
    def metres(*beats: Fraction | None) -> list[str]:
        events = [Event((60,), Fraction(1), beat=beat) for beat in beats]
        (conductor, track) = midi_file([Played(e, 90, (41,) * 4) for e in events]).tracks
        assert track.name == "Violin"
        return [str(m) for m in conductor if m.type == "time_signature"]

    assert metres(None, None) == []
    assert len(metres(Fraction(0), Fraction(1), Fraction(0))) == 1
    for length in (Fraction(2, 3), Fraction(300)):  # what no MIDI file can tell
        played = [Event((60,), length, beat=Fraction(0))] * 2
        (conductor, _) = midi_file([Played(e, 90, (1,) * 4) for e in played]).tracks
        assert not [m for m in conductor if m.type == "time_signature"]


# ---- the MusicXML writer


def test_musicxml_is_a_score_with_key_bars_and_two_staves(tmp_path: Path) -> None:
    write_musicxml(tmp_path / "x.musicxml", CHORALE, 90, 1)
    score = converter.parse(tmp_path / "x.musicxml", forceSource=True)
    assert len(score.parts) == 2
    assert [len(p.getElementsByClass("Measure")) for p in score.parts] == [2, 2]
    assert score.parts[0].flatten().getElementsByClass("KeySignature")[0].sharps == 0
    assert score.parts[1].flatten().getElementsByClass("Clef")[0].sign == "F"
    assert any(n.tie for n in score.parts[1].flatten().notes)


BARS: dict[
    str, tuple[list[float], list[tuple[float, float]]]
] = {  # where bars begin and fermatas stand, in quarters
    "four quarters": ([0, 4, 8, 12], [(7, 8), (15, 16)]),
    "an upbeat": ([-3, 1, 5, 9, 13], [(3, 5), (10, 12), (14, 16)]),
    "three quarters with an upbeat": ([-2, 1, 4, 7, 10, 13], [(6, 7), (15, 16)]),
    "an upbeat of an eighth": ([-2.5, 0.5, 3.5, 6.5, 9.5, 12.5], [(6, 6.5)]),
    "changing bars": ([0, 3, 7, 10, 14], []),
    "bars of two whole notes": ([-4, 4, 12], [(8, 12)]),
}


@pytest.mark.parametrize("name", BARS)
def test_a_chorale_comes_back_from_musicxml_with_its_bars_and_fermatas(
    tmp_path: Path, name: str
) -> None:
    bars, fermatas = BARS[name]
    ends = [(Fraction(a), Fraction(b)) for a, b in fermatas]
    symbols = chorale(3).symbols[:64].copy()
    for a, b in fermatas:  # Bach's fermatas stand over notes that are struck and held
        symbols[round(a * 4)] = chorale(5).symbols[0]
        symbols[round(a * 4) + 1 : round(b * 4)] = 1
        symbols[round(b * 4) :][:1] = chorale(6).symbols[0]
    piece = Chorale(name, symbols, plan_of(64, [Fraction(b) for b in bars], ends), 80.0)
    write_musicxml(tmp_path / "x.musicxml", piece.events, 80, 20)
    (score,) = read_scores(tmp_path / "x.musicxml")
    again = of_score(score)
    assert (again.symbols == piece.symbols).all()
    assert again.plan.tolist() == piece.plan.tolist()
    assert (score.bpm, score.program) == (80, 20)
    assert [n.voice for n in score.notes] == sorted(n.voice for n in score.notes)
    assert chorale_of(again.events).plan.tolist() == piece.plan.tolist()


ODD = [("1/3", 60), ("2/3", 62), ("5/4", 64), ("7/4", 65), ("7/3", 67), ("9/2", 69), ("1/6", 71),
       ("1/5", 72), ("3/10", 74), ("12", 76), ("1/7", 77), ("6/7", 79)]  # fmt: skip


def test_odd_durations_come_back_from_musicxml(tmp_path: Path) -> None:
    events = [Event((pitch - 12, pitch), Fraction(length)) for length, pitch in ODD]
    write_musicxml(tmp_path / "x.musicxml", events, 80, 1)
    found = {replace(n, voice=0) for n in read_scores(tmp_path / "x.musicxml")[0].notes}
    assert found == set(notes_from_events(events))


def test_random_music_comes_back_from_musicxml_note_for_note(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lengths = [Fraction(x) for x in ("1/4", "1/3", "1/2", "3/4", "1", "4/3", "5/4", "7/4", "3")]
    events = []
    for _ in range(80):
        pitches = rng.choice(np.arange(40, 80), int(rng.integers(0, 5)), replace=False)
        length = lengths[int(rng.integers(len(lengths)))]
        events.append(Event(tuple(sorted(pitches.tolist())), length))
    events.append(Event((60,), Fraction(1)))
    write_musicxml(tmp_path / "x.musicxml", events, 80, 1)
    found = {replace(n, voice=0) for n in read_scores(tmp_path / "x.musicxml")[0].notes}
    assert found == set(notes_from_events(events))


# ---- reading MIDI


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


REASONS = {
    "empty.mid": "empty file",
    "photo.mid": "not a MIDI file, whatever its name says",
    "silent.mid": "no notes",
    "drums.mid": "only drums",
    "no_division.mid": "damaged MIDI header",
    "cut.mid": "cut short: the file ends in the middle",
    "header_only.mid": "cut short",
    "noise.mid": "cut short",
    "text.musicxml": "damaged",
    "empty.abc": "empty file",
    "broken.mxl": r"damaged \(",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_refused_with_a_reason(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BAD_FILES[name])
    with pytest.raises(Refused, match=REASONS[name]):
        read_scores(tmp_path / name)


def test_a_file_that_is_not_there_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be opened: No such file"):
        read_scores(tmp_path / "none.mid")


def test_a_header_of_fourteen_bytes_is_whole(tmp_path: Path) -> None:
    (tmp_path / "x.mid").write_bytes(header()[:13])
    with pytest.raises(Refused, match="damaged MIDI header"):
        read_scores(tmp_path / "x.mid")


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


def midi_of(tmp_path: Path, *tracks: Sequence[Any], ticks: int = 480) -> Score:
    """The score of a MIDI file with these messages."""
    midi = mido.MidiFile(type=1, ticks_per_beat=ticks)
    for messages in tracks:
        midi.tracks.append(mido.MidiTrack(messages))
    midi.save(tmp_path / "made.mid")
    return read_scores(tmp_path / "made.mid")[0]


def struck(
    note: int, time: int = 0, length: int = 480, velocity: int = 64, channel: int = 0
) -> list[Any]:
    where = {"note": note, "channel": channel}
    return [
        mido.Message("note_on", velocity=velocity, time=time, **where),
        mido.Message("note_off", velocity=0, time=length, **where),
    ]


def tempo(bpm: float, time: int = 0) -> Any:
    return mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm), time=time)


def test_the_tempo_is_the_one_in_force_longest(tmp_path: Path) -> None:
    notes = struck(60, length=480 * 12)
    assert midi_of(tmp_path, [tempo(60), tempo(150, 480)], notes).bpm == 150
    assert midi_of(tmp_path, [tempo(60), tempo(150, 480 * 10)], notes).bpm == 60
    changes = [tempo(60), tempo(100, 480), tempo(200, 480 * 9)]
    assert midi_of(tmp_path, changes, notes).bpm == 100


@pytest.mark.parametrize(("bpm", "known"), [(9.5, None), (10, 10), (400, 400), (500, None)])
def test_a_tempo_that_music_cannot_have_is_not_believed(
    tmp_path: Path, bpm: float, known: float | None
) -> None:
    assert midi_of(tmp_path, [tempo(bpm)], struck(60)).bpm == known


def test_the_program_is_that_of_the_track_with_most_notes(tmp_path: Path) -> None:
    def track(channel: int, program: int, count: int) -> list[Any]:
        change = mido.Message("program_change", program=program, channel=channel)
        notes = [m for i in range(count) for m in struck(60 + i, 0, 240, 90, channel)]
        return [change, *notes]

    score = midi_of(tmp_path, [tempo(90)], track(0, 5, 2), track(1, 42, 6), track(2, 70, 3))
    assert score.program == 43
    assert [n.voice for n in score.notes] == [0] * 2 + [1] * 6 + [2] * 3


def test_performed_times_move_to_the_nearest_32nd_or_triplet(tmp_path: Path) -> None:
    times = {0: "0", 55: "1/8", 65: "1/8", 75: "1/6", 90: "1/6", 125: "1/4", 162: "1/3", 238: "1/2"}
    for ticks, onset in times.items():
        (note,) = midi_of(tmp_path, [*struck(60, time=ticks, length=480 - ticks)]).notes
        assert note.onset == Fraction(onset)
        assert note.end == 1


def test_a_note_of_no_length_lasts_a_32nd(tmp_path: Path) -> None:
    (note,) = midi_of(tmp_path, struck(60, time=480, length=3)).notes
    assert note == Note(Fraction(1), Fraction(1, 8), 60, 64, 0)


# ---- reading other scores


def abc(tmp_path: Path, body: str) -> Score:
    path = tmp_path / "tune.abc"
    path.write_text(f"X:1\nT:one\nM:4/4\nL:1/4\n{body}\n")
    return read_scores(path)[0]


def sounding(score: Score) -> list[tuple[int, str, str]]:
    return [(n.pitch, str(n.onset), str(n.duration)) for n in score.notes]


def test_tied_notes_are_one_note(tmp_path: Path) -> None:
    score = abc(tmp_path, "K:C\nC D E2-|E4-|E F G2|")
    assert sounding(score) == [
        (60, "0", "1"), (62, "1", "1"), (64, "2", "7"), (65, "9", "1"), (67, "10", "2"),
    ]  # fmt: skip


def tied(tmp_path: Path, *notes: tuple[int, str, str, str]) -> list[tuple[int, str, str]]:
    """A part with notes of (pitch, onset, length, tie), written and read."""
    from music21 import note, stream, tie

    part = stream.Part()
    for pitch, onset, length, kind in notes:
        element = note.Note(pitch, quarterLength=Fraction(length))
        element.tie = tie.Tie(kind) if kind else None
        part.insert(Fraction(onset), element)
    stream.Score([part]).write("musicxml", fp=tmp_path / "tied.musicxml")
    return sounding(read_scores(tmp_path / "tied.musicxml")[0])


def test_ties_join_only_what_is_adjacent(tmp_path: Path) -> None:
    whole = [(60, "0", "1", "start"), (60, "1", "1", "stop")]
    apart = [(60, "0", "1", "start"), (62, "1", "1", ""), (60, "2", "1", "stop")]
    assert tied(tmp_path, *whole) == [(60, "0", "2")]
    assert tied(tmp_path, *apart) == [(60, "0", "1"), (62, "1", "1"), (60, "2", "1")]


def test_ties_join_only_the_same_pitch_and_only_where_one_ends(tmp_path: Path) -> None:
    other = [(60, "0", "1", "start"), (64, "1", "1", "stop")]
    assert tied(tmp_path, *other) == [(60, "0", "1"), (64, "1", "1")]
    twice = [(60, "0", "1", ""), (60, "1", "1", "start"), (60, "2", "1", "stop")]
    assert tied(tmp_path, *twice) == [(60, "0", "1"), (60, "1", "2")]
    through = [(60, "0", "1", "start"), (60, "1", "1", "continue"), (60, "2", "1", "stop")]
    assert tied(tmp_path, *through) == [(60, "0", "3")]


def test_chord_symbols_and_grace_notes_do_not_sound(tmp_path: Path) -> None:
    score = abc(tmp_path, 'K:C\n"Am"C "G7"D {c}E2|')
    assert sounding(score) == [(60, "0", "1"), (62, "1", "1"), (64, "2", "2")]


def test_a_chord_symbol_that_has_a_duration_does_not_sound_either() -> None:
    from music21 import harmony, note, stream

    symbol = harmony.ChordSymbol("G7")
    symbol.quarterLength = 4
    score = stream.Score([stream.Part([symbol, note.Note(62)])])
    assert [n.pitch for n in notes_of(score.parts)] == [62]


def test_percussion_and_rests_are_no_pitches(tmp_path: Path) -> None:
    from music21 import note, percussion, stream

    drum = percussion.PercussionChord([note.Unpitched("D4"), note.Note(64)])
    part = stream.Part([note.Unpitched("C4"), note.Rest(), note.Note(62), drum])
    stream.Score([part]).write("musicxml", fp=tmp_path / "x.musicxml")
    found = read_scores(tmp_path / "x.musicxml")[0]
    assert [pitch for pitch, *_ in sounding(found)][:1] == [62]
    rests = stream.Score([stream.Part([note.Rest()])])
    rests.write("musicxml", fp=tmp_path / "rests.musicxml")
    with pytest.raises(Refused, match="no notes"):
        read_scores(tmp_path / "rests.musicxml")


def test_the_program_of_a_score_is_that_of_the_most_notes(tmp_path: Path) -> None:
    from music21 import instrument, note, stream, tempo

    parts = []
    for player, count in (("Flute", 2), ("Violoncello", 5), ("Oboe", 3)):
        notes = [note.Note(60 + i) for i in range(count)]
        notes[0].volume.velocity = 30 + count
        parts.append(stream.Part([getattr(instrument, player)(), *notes]))
    parts[0].insert(0, tempo.MetronomeMark(number=900))
    parts[0].insert(1, tempo.MetronomeMark("x", 40, note.Note(type="half")))
    stream.Score(parts).write("musicxml", fp=tmp_path / "x.musicxml")
    (score,) = read_scores(tmp_path / "x.musicxml")
    assert score.program == 43
    assert score.bpm == 80  # the first that music can have, in quarters a minute
    assert [n.velocity for n in score.notes if n.onset == 0] == [32, 35, 33]
    assert {n.velocity for n in score.notes if n.onset > 0} == {90}


def test_a_score_that_tells_little_has_bars_but_no_tempo_or_program(tmp_path: Path) -> None:
    score = abc(tmp_path, "K:C\nC D E F|G A B c|")
    assert (score.bpm, score.program, score.fermatas) == (None, None, ())
    assert list(score.bars) == [0, 4]
    assert [n.velocity for n in score.notes] == [90] * 8
    assert score.notes[0] == Note(Fraction(0), Fraction(1), 60, 90, 0)


def track_of(*messages: bytes) -> bytes:
    """A MIDI file of one track with these messages."""
    return header(ticks=96) + track(b"".join(messages) + b"\x00\xff\x2f\x00")


ON, OFF = b"\x00\x90\x3c\x50", b"\x60\x80\x3c\x00"
REPAIRABLE = {
    "a data byte above 127": track_of(b"\x00\xb0\xa8\x80", ON, OFF),
    "a velocity above 127": track_of(b"\x00\x90\x3c\xff", OFF),
    "running status after sysex": track_of(ON, b"\x20\xf0\x02\x7e\xf7", b"\x40\x3c\x00"),
    "running status after text": track_of(ON, b"\x20\xff\x01\x01x", b"\x40\x3c\x00"),
    "an undefined status": track_of(b"\x00\xf4", ON, OFF),
    "a chunk that is no track": (
        track_of(ON, OFF)[:14] + b"XFIH\x00\x00\x00\x02ab" + track_of(ON, OFF)[14:]
    ),
}


@pytest.mark.parametrize("problem", REPAIRABLE)
def test_files_that_break_the_rules_are_read_as_others_read_them(
    tmp_path: Path, problem: str
) -> None:
    path = tmp_path / "x.mid"
    path.write_bytes(REPAIRABLE[problem])
    (score,) = read_scores(path)
    assert [(n.onset, n.duration, n.pitch) for n in score.notes] == [(Fraction(0), Fraction(1), 60)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MidiTok", "jazz-soft"])
def test_test_files_of_other_projects_are_read(name: str) -> None:
    """All but the silent ones, drums, and what is no MIDI file or is cut short."""
    folder = ROOT.parent / "shared" / "data" / "midi" / name
    if not folder.is_dir():
        pytest.skip("these files are not part of the repository")
    refused = set()
    for path in folder.glob("*.mid"):
        try:
            read_scores(path)
        except Refused as reason:
            refused.add(str(reason))
    assert refused <= {
        "no notes",
        "only drums",
        "empty file",
        "cut short: the file ends in the middle",
        "not a MIDI file, whatever its name says",
    }
