"""Music that was kept, as files."""

import io
from fractions import Fraction
from pathlib import Path

import mido
import pytest
from chorales import chorale

from families.satb.encoding import Chorale, plan_of
from midi_io import read_scores
from music.events import Event
from stream import recording
from stream.player_settings import PlayedEvent, PlayerSettings
from stream.source import StreamEvent

SETTINGS = PlayerSettings("x", program=20, bpm=80.0)


def played(events: list[Event], settings: PlayerSettings = SETTINGS) -> list[PlayedEvent]:
    return [PlayedEvent(i, 0, StreamEvent(e), settings) for i, e in enumerate(events)]


@pytest.mark.slow
def test_a_chorale_that_was_kept_has_its_bars_and_fermatas(tmp_path: Path) -> None:
    """In 3/4 from the middle of a bar on; two fermatas, one of them over a half note."""
    piece = chorale(0, bars=6)
    bars = [Fraction(3 * i - 1) for i in range(9)]
    fermatas = [(Fraction(4), Fraction(5)), (Fraction(13), Fraction(15))]
    piece = Chorale("x", piece.symbols, plan_of(len(piece), bars, fermatas), 80.0)
    path = tmp_path / "kept.musicxml"
    path.write_bytes(recording.musicxml(played(piece.events)))
    assert b"<beats>3</beats>" in path.read_bytes()
    (score,) = read_scores(path)
    assert [float(bar) for bar in score.bars[:4]] == [-1, 2, 5, 8]
    assert [onset for onset, _ in score.fermatas] == [4, 13]
    assert score.bpm == 80
    assert {n.voice for n in score.notes} == {0, 1, 2, 3}


def test_tempo_and_instrument_change_where_they_were_changed() -> None:
    first = played([Event((60,), Fraction(1)), Event((62,), Fraction(1, 2))])
    others = PlayerSettings("x", program=74, bpm=160.0)
    second = played([Event((64,), Fraction(2))], others)
    midi = mido.MidiFile(file=io.BytesIO(recording.midi([*first, *second])))
    tempi, voice = midi.tracks
    quarter = midi.ticks_per_beat
    now, changes = 0, []
    for m in tempi:
        now += m.time
        if m.type == "set_tempo":
            changes.append((now / quarter, round(mido.tempo2bpm(m.tempo))))
    assert changes == [(0, 80), (1.5, 160)]
    now, programs = 0, []
    for m in voice:
        now += m.time
        if m.type == "program_change":
            programs.append((now / quarter, m.program))
    assert programs == [(0, 19), (1.5, 73)]
    assert midi.length == pytest.approx(1.5 * 60 / 80 + 2 * 60 / 160)


def test_a_wav_header_tells_the_size() -> None:
    assert recording.wav_header(8)[40:44] == (8).to_bytes(4, "little")
    assert recording.wav_header(8)[4:8] == (44).to_bytes(4, "little")
    assert recording.wav_header()[40:44] == b"\xff\xff\xff\xff"
    assert len(recording.wav_header()) == 44
