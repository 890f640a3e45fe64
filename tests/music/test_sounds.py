"""Music whose instruments are told apart: what is played, written, drawn and compared of it."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import mido
import numpy as np
import pytest

from evaluation import piano_roll
from evaluation.style import degeneration
from midi_io import write_midi, write_musicxml
from music.copies import CopyIndex
from music.events import Event, Piece, from_json, held_over, notes_from_events, to_json
from music.keys import key_name
from music.loudness import Levels
from music.sounds import DRUMS, Sound, percussion_name, program_name, program_of, voice_of
from music.synth import BLOCK, RATE, Performer, Synth

QUARTER, HALF = Fraction(1), Fraction(2)
BASS, FLUTE, KICK, SNARE = 33, 74, 36, 38


def band() -> list[Event]:
    """Two quarters: a bass that is held, a flute that goes on, a kick and a snare; then faster."""
    return [
        Event.of(
            [Sound(BASS, 40, 100), Sound(FLUTE, 76, 60), Sound(DRUMS, KICK, 120)],
            QUARTER,
            beat=Fraction(0),
        ),
        Event.of(
            [Sound(BASS, 40, 100, struck=False), Sound(FLUTE, 77, 70), Sound(DRUMS, SNARE, 50)],
            QUARTER,
            beat=QUARTER,
        ),
        Event.of([], QUARTER, beat=HALF),
        Event.of([Sound(FLUTE, 76), Sound(DRUMS, KICK)], QUARTER, beat=Fraction(3), tempo=2.0),
    ]


def read(path: Path) -> list[tuple[int, int, int, int, int]]:
    """(tick in quarters, channel, program, pitch, velocity) of every note that a file begins."""
    midi = mido.MidiFile(path)
    found, programs = [], dict[int, int]()
    for track in midi.tracks:
        tick = 0
        for m in track:
            tick += m.time
            if m.type == "program_change":
                programs[m.channel] = m.program
            if m.type == "note_on" and m.velocity:
                at = tick // midi.ticks_per_beat
                found.append((at, m.channel, programs.get(m.channel, -1), m.note, m.velocity))
    return sorted(found)


def test_a_program_and_its_voice_belong_together_and_have_names() -> None:
    assert [program_of(voice_of(p)) for p in (DRUMS, 1, 128)] == [DRUMS, 1, 128]
    assert program_of(3) is None  # the bass of a choir
    assert program_name(DRUMS) == "Drum Kit"
    assert program_name(FLUTE) == "Flute"
    assert percussion_name(SNARE) == "Acoustic Snare"
    assert percussion_name(81) == "Open Triangle"
    assert percussion_name(82) == "percussion 82"


def test_an_event_knows_pitches_without_percussion_and_everything_that_is_drawn() -> None:
    event = band()[0]
    assert event.pitches == (40, 76)
    assert event.drawn == [KICK, 40, 76]
    assert event.velocity == 120
    assert event.velocity_of(voice_of(FLUTE), 76) == 60


def test_transposing_moves_all_but_percussion() -> None:
    moved = band()[0].transposed(2)
    assert moved.pitches == (42, 78)
    assert {s.pitch for s in moved.sounds if s.drum} == {KICK}


def test_only_what_is_held_goes_on() -> None:
    first, second, rest, last = band()
    assert held_over(first, second) == {(voice_of(BASS), 40)}
    assert held_over(rest, last) == set()
    again = Event.of([Sound(DRUMS, KICK, struck=False), Sound(FLUTE, 76, struck=True)], QUARTER)
    assert held_over(first, again) == set()


def test_notes_have_their_own_velocity_and_length() -> None:
    notes = {(n.voice, n.pitch, n.onset): n for n in notes_from_events(band())}
    bass = notes[voice_of(BASS), 40, Fraction(0)]
    assert (bass.duration, bass.velocity) == (HALF, 100)
    assert notes[voice_of(FLUTE), 77, QUARTER].velocity == 70
    assert notes[voice_of(DRUMS), SNARE, QUARTER].velocity == 50
    assert len(notes) == 7


def test_json_keeps_everything() -> None:
    assert from_json(to_json(band())) == band()


@pytest.mark.parametrize(
    "change",
    [
        [129, 40, 90, True],
        [-1, 40, 90, True],
        [1, 128, 90, True],
        [1, 40, 200, True],
        [1, 40],
        None,
    ],
)
def test_json_that_is_no_sound_is_refused(change: object) -> None:
    (row,) = to_json(band()[:1])
    row[7] = [change]
    with pytest.raises((ValueError, TypeError, IndexError)):
        from_json([row])


@pytest.mark.parametrize("tempo", [0, -1, 1000, "nan", None])
def test_json_with_a_tempo_that_cannot_be_played_is_refused(tempo: object) -> None:
    (row,) = to_json(band()[:1])
    row[8] = tempo
    with pytest.raises((ValueError, TypeError)):
        from_json([row])


def test_a_midi_file_has_a_track_for_each_instrument_and_percussion_on_channel_10(
    tmp_path: Path,
) -> None:
    write_midi(tmp_path / "band.mid", band(), 90, 1)
    assert read(tmp_path / "band.mid") == [
        (0, 0, BASS - 1, 40, 100),
        (0, 1, FLUTE - 1, 76, 60),
        (0, 9, -1, KICK, 120),
        (1, 1, FLUTE - 1, 77, 70),
        (1, 9, -1, SNARE, 50),
        (3, 1, FLUTE - 1, 76, 90),
        (3, 9, -1, KICK, 90),
    ]
    tracks = mido.MidiFile(tmp_path / "band.mid").tracks
    assert [t.name for t in tracks] == ["band", "Drum Kit", program_name(BASS), "Flute"]
    tempi = [m for m in tracks[0] if m.type == "set_tempo"]
    assert [round(mido.tempo2bpm(m.tempo)) for m in tempi] == [90, 180]


def test_more_instruments_than_channels_keep_their_programs(tmp_path: Path) -> None:
    events = [Event.of([Sound(p, 40 + p) for p in range(1, 41)], QUARTER) for _ in range(3)]
    write_midi(tmp_path / "many.mid", events, 90, 1)
    merged = mido.merge_tracks(mido.MidiFile(tmp_path / "many.mid").tracks)
    programs, found = dict[int, int](), []
    for m in merged:
        if m.type == "program_change":
            programs[m.channel] = m.program
        if m.type == "note_on" and m.velocity:
            assert m.channel != 9
            found.append((programs[m.channel] + 1, m.note))
    assert sorted(found) == sorted((p, 40 + p) for p in range(1, 41) for _ in range(3))


def test_a_score_has_a_staff_for_each_instrument_and_percussion_is_unpitched(
    tmp_path: Path,
) -> None:
    from music21 import converter, note, percussion

    write_musicxml(tmp_path / "band.musicxml", band(), 90, 1)
    parts = converter.parse(tmp_path / "band.musicxml").parts
    assert [p.partName for p in parts] == [program_name(BASS), "Flute", "Drum Kit"]
    hits = list(parts[2].flatten().getElementsByClass((note.Unpitched, percussion.PercussionChord)))
    assert [h.displayName for h in hits] == ["F4", "C5", "F4"]
    assert [n.pitch.midi for n in parts[1].flatten().getElementsByClass(note.Note)] == [76, 77, 76]


def test_percussion_says_nothing_about_the_key() -> None:
    g_major = [Event.of([Sound(1, p), Sound(DRUMS, 37)], HALF) for p in (67, 71, 74, 66, 67)]
    assert key_name(notes_from_events(g_major)) == "G"
    assert key_name(notes_from_events([Event.of([Sound(DRUMS, KICK)], QUARTER)])) == ""


def sound(events: Sequence[Event], bpm: float = 120) -> np.ndarray:
    synth = Synth(1)
    try:
        return np.concatenate(list(Performer(events, synth, bpm)))
    finally:
        synth.close()


def test_every_instrument_is_heard_and_percussion_is_no_piano() -> None:
    kick = sound([Event.of([Sound(DRUMS, KICK)], QUARTER)])
    piano = sound([Event.of([Sound(1, KICK)], QUARTER)])
    flute = sound([Event.of([Sound(FLUTE, 76)], QUARTER)])
    assert all(np.abs(x).max() > 500 for x in (kick, piano, flute))
    assert not np.array_equal(kick, piano)
    spectrum = np.abs(np.fft.rfft(flute[: RATE // 2, 0].astype(float)))
    assert abs(spectrum.argmax() * 2 - 659) < 12  # E5, in Hz


def test_a_synth_that_is_used_again_plays_other_instruments() -> None:
    synth = Synth(1)
    try:
        for program in range(1, 31):  # more than there are channels
            synth.strike(60, 100, voice_of(program))
            synth.release(60, voice_of(program))
        synth.reset()
        synth.strike(KICK, 100, voice_of(DRUMS))
        hit = synth.render(RATE // 4)
    finally:
        synth.close()
    fresh = sound([Event.of([Sound(DRUMS, KICK, 100)], QUARTER)])
    assert np.allclose(hit[:500], fresh[:500], atol=9)  # a little of the room is left


def test_tempo_is_a_ratio_to_that_of_the_piece() -> None:
    slow = [Event.of([Sound(1, 60)], QUARTER, tempo=0.5)]
    usual = sound([Event.of([Sound(1, 60)], QUARTER)])
    assert abs(len(sound(slow)) - len(usual) - RATE // 2) < BLOCK
    assert slow[0].seconds(120) == 1.0


def test_music_of_many_instruments_has_a_loudness() -> None:
    levels = Levels()
    try:
        drums = [Event.of([Sound(DRUMS, KICK)], QUARTER)] * 8
        assert 0.1 < levels.gain(drums, 1) < 30
    finally:
        levels.close()


def test_a_copy_is_found_in_any_key_with_the_same_instruments_only() -> None:
    index = CopyIndex([("band", band())])
    moved = [e.transposed(3) for e in band()]
    assert index.longest(moved) == index.longest(band())
    assert index.longest(band()).notes == 7  # of eight sounds one is held
    other = [Event.of([Sound(1, s.pitch) for s in e.sounds], e.duration) for e in band()]
    assert index.longest(other[:2]).notes == 0


def test_pieces_that_differ_in_percussion_or_instruments_alone_are_not_the_same() -> None:
    plain = Piece("a", tuple(band()))
    moved = plain.transposed(5)
    drums = Piece("b", (*band()[:3], Event.of([Sound(FLUTE, 76), Sound(DRUMS, SNARE)], QUARTER)))
    assert plain.fingerprint == moved.fingerprint
    assert plain.fingerprint != drums.fingerprint


def test_percussion_alone_is_no_silence() -> None:
    hits = [Event.of([Sound(DRUMS, p)], QUARTER) for p in (36, 38, 42, 38, 41)]
    assert degeneration(hits) == {"stuck": 0.0, "loops": 0.0, "silence": 0.0}


@pytest.mark.parametrize("drums", [True, False])
def test_a_picture_names_instruments_or_percussion(tmp_path: Path, drums: bool) -> None:
    events = [Event.of([Sound(DRUMS, KICK)], QUARTER)] if drums else band()
    path = tmp_path / "roll.png"
    piano_roll.draw(path, events, "title")
    assert path.read_bytes().startswith(b"\x89PNG")
