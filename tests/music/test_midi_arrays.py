"""A MIDI file as one array holds the notes that reading it note by note gives."""

from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import tune

from midi_io import read_scores, write_midi
from music.midi_arrays import QUARTER, on_grid, read

pytest.importorskip("symusic")

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "cello"


def test_a_file_has_the_notes_the_tempo_and_the_program_that_were_written(tmp_path: Path) -> None:
    piece = tune(60, 40)
    write_midi(tmp_path / "a.mid", piece.events, 100, 43)
    found = read((tmp_path / "a.mid").read_bytes())
    (score,) = read_scores(tmp_path / "a.mid")
    assert found is not None
    assert (found.bpm, found.program) == (100, 43)
    assert Counter(found.notes[["onset", "duration", "pitch", "velocity"]].tolist()) == Counter(
        (n.onset * QUARTER, n.duration * QUARTER, n.pitch, n.velocity) for n in score.notes
    )


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the cello suites")
def test_the_cello_suites_are_read_alike() -> None:
    for path in sorted(DATA.glob("cs[12]*.mid")):
        found, (score,) = read(path.read_bytes()), read_scores(path)
        assert found is not None
        assert (found.bpm, found.program) == (score.bpm, score.program)
        assert Counter(found.pitched[["onset", "pitch"]].tolist()) == Counter(
            (n.onset * QUARTER, n.pitch) for n in score.notes
        )


@pytest.mark.parametrize(
    "data", [b"", b"MThd", b"no MIDI file at all", b"MThd\0\0\0\6\0\1\0\0\0\x60", b"\xf0" * 40]
)
def test_what_is_no_midi_file_is_left_to_others(data: bytes) -> None:
    assert read(data) is None


def test_percussion_is_program_0_and_not_pitched() -> None:
    from symusic import Note, Score, Tempo, Track

    midi: Any = Score(480)
    midi.tempos.append(Tempo(0, qpm=90))
    for program, drums in ((0, True), (40, False)):
        midi.tracks.append(Track(program=program, is_drum=drums))
        midi.tracks[-1].notes.append(Note(0, 480, 60, 90))
    found = read(midi.dumps_midi())
    assert found is not None
    assert sorted(found.notes["program"].tolist()) == [0, 41]
    assert found.pitched["program"].tolist() == [41]
    assert (found.program, found.bpm) == (41, 90)


@pytest.mark.parametrize(
    ("ticks", "place"),
    [(0, 0), (480, 24), (60, 3), (80, 4), (61, 3), (79, 4), (240, 12), (160, 8), (479, 24)],
)
def test_times_go_to_the_nearest_place(ticks: int, place: int) -> None:
    assert on_grid(np.array([ticks]), 480).tolist() == [place]
    exact = Fraction(ticks, 480)
    near = [Fraction(round(exact * n), n) for n in (8, 6)]
    assert Fraction(place, QUARTER) == min(near, key=lambda t: abs(t - exact))
