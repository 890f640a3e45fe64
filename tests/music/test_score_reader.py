"""What a score holds beside its notes is counted; a part can be read alone."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from config_bach import Reading
from midi_io import read_scores
from music.score_reader import score_of
from music.scores import (
    DRUMS,
    DYNAMICS,
    GRACE,
    INSTRUMENTS,
    LEAD,
    METRES,
    PARTS,
    TEMPI,
    VELOCITIES,
    Refused,
    Score,
)


@pytest.fixture(scope="module")
def duet() -> Any:
    """A flute with a grace note, a cello, and a drum."""
    from music21 import dynamics, instrument, meter, note, percussion, stream, tempo

    flute = stream.Part([instrument.Flute(), meter.TimeSignature("4/4")], id="upper")
    flute.partName = "Flute"
    flute.append([note.Rest(), note.Note(72), note.Note(74).getGrace(), note.Note(76)])
    flute.append([meter.TimeSignature("3/4"), note.Note(77, quarterLength=3)])
    flute.insert(0, dynamics.Dynamic("f"))
    for offset, bpm in ((0, 90), (2, 90), (3, 120)):
        flute.insert(offset, tempo.MetronomeMark(number=bpm))
    cello = stream.Part([instrument.Violoncello(), note.Rest(), note.Note(48, quarterLength=5)])
    cello.partName = "Violoncello"
    cello.notes[0].volume.velocity = 40
    drum = stream.Part([note.Unpitched("C4"), percussion.PercussionChord([note.Unpitched("D4")])])
    drum.partName = "Drum"
    return stream.Score([flute, cello, drum])


def read(score: Any, part: str = "") -> Score:
    return score_of("x", score, Reading(part=part))


def test_what_a_score_holds_is_counted(duet: Any) -> None:
    assert read(duet).holds == {
        DRUMS: 2, GRACE: 1, DYNAMICS: 1, TEMPI: 1, METRES: 2, PARTS: 2, INSTRUMENTS: 2,
        VELOCITIES: 2, LEAD: 1,
    }  # fmt: skip


def test_a_grace_note_takes_no_time(duet: Any) -> None:
    notes = read(duet, "flute").notes
    assert [(n.pitch, float(n.onset), float(n.duration)) for n in notes] == [
        (72, 1, 1),
        (76, 2, 1),
        (77, 3, 3),
    ]


def test_a_part_is_read_alone_with_the_metre_of_the_score(duet: Any) -> None:
    cello = read(duet, "2")
    assert cello == read(duet, "cello")
    assert [(n.pitch, n.voice) for n in cello.notes] == [(48, 0)]
    assert cello.program == 43
    assert cello.holds == {TEMPI: 1, METRES: 2, LEAD: 1}
    with pytest.raises(Refused, match="only 1 Flute, 2 Violoncello, 3 Drum"):
        read(duet, "viola")


def test_a_part_without_notes_is_refused(duet: Any, tmp_path: Path) -> None:
    duet.write("musicxml", fp=tmp_path / "x.musicxml")
    assert read_scores(tmp_path / "x.musicxml", Reading(part="cello"))[0].notes[0].onset == 1
    with pytest.raises(Refused, match="no notes"):
        read_scores(tmp_path / "x.musicxml", Reading(part="Drum"))


def test_fermatas_are_those_of_the_part_that_is_read() -> None:
    from music21 import expressions, note, stream

    upper, lower = stream.Part([note.Note(72), note.Note(74)]), stream.Part([note.Note(60)])
    upper.notes[1].expressions.append(expressions.Fermata())
    score = stream.Score([upper, lower])
    assert read(score).fermatas == ((Fraction(1), Fraction(2)),)
    assert read(score, "2").fermatas == ()
