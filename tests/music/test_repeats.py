"""Scores are read as they are played."""

from fractions import Fraction
from pathlib import Path

import pytest

from config_bach import Reading
from midi_io import read_scores
from music.events import Note
from music.repeats import passages, unfolded
from music.scores import REPEATS, Score

HEAD = "X:1\nT:one\nM:4/4\nL:1/4\nK:C\n"


def tune(tmp_path: Path, body: str, unfold: bool = True) -> Score:
    path = tmp_path / "tune.abc"
    path.write_text(HEAD + body + "\n")
    (score,) = read_scores(path, Reading(unfold))
    return score


def names(score: Score) -> str:
    """The pitches in the order in which they sound, an octave above middle C, as letters."""
    letters = dict(zip((60, 62, 64, 65, 67, 69, 71), "CDEFGAB", strict=True))
    return "".join(letters[n.pitch] for n in sorted(score.notes, key=lambda n: n.onset))


@pytest.mark.parametrize(
    ("body", "played"),
    [
        ("|:CCCC|DDDD|EEEE:|", "CCCCDDDDEEEECCCCDDDDEEEE"),
        ("CCCC|DDDD:|EEEE|", "CCCCDDDDCCCCDDDDEEEE"),
        ("|:CCCC:|:DDDD|EEEE:|FFFF|", "CCCCCCCCDDDDEEEEDDDDEEEEFFFF"),
        ("CCCC:|DDDD:|EEEE|FFFF|", "CCCCCCCCDDDDDDDDEEEEFFFF"),
        ("|:CCCC|1DDDD:|2EEEE|FFFF|", "CCCCDDDDCCCCEEEEFFFF"),
        ("|:CCCC|1DDDD:|2EEEE:|FFFF|GGGG|", "CCCCDDDDCCCCEEEEFFFFGGGG"),
        ("CCCC|DDDD|", "CCCCDDDD"),
    ],
)
def test_repeats_are_played(tmp_path: Path, body: str, played: str) -> None:
    score = tune(tmp_path, body)
    assert names(score) == played
    assert [float(n.onset) for n in score.notes] == list(range(len(played)))
    assert [float(t) for t in score.bars] == list(range(0, len(played), 4))
    assert REPEATS not in score.holds


def test_repeats_that_are_not_played_are_counted(tmp_path: Path) -> None:
    score = tune(tmp_path, "|:CCCC:|:DDDD|EEEE:|FFFF|", unfold=False)
    assert names(score) == "CCCCDDDDEEEEFFFF"
    assert score.holds[REPEATS] == 2


def in_music21(*bars: str) -> object:
    """A part of bars with four notes each, with marks: '|:' ':|' 'DC' 'Fine'."""
    from music21 import bar, note, repeat, stream

    part = stream.Part()
    for number, text in enumerate(bars, 1):
        made = stream.Measure(number=number)
        letter, *marks = text.split()
        made.repeatAppend(note.Note(f"{letter}4"), 4)
        for mark in marks:
            if mark == "|:":
                made.leftBarline = bar.Repeat("start")
            elif mark.startswith(":|"):
                made.rightBarline = bar.Repeat("end", int(mark[2:] or 2))
            elif mark == "DC":
                made.append(repeat.DaCapoAlFine())
            else:
                made.append(repeat.Fine())
        part.append(made)
    return stream.Score([part])


def read(score: object) -> Score:
    from music.score_reader import score_of

    return score_of("x", score, Reading())


@pytest.mark.parametrize(
    ("bars", "played"),
    [
        (["C Fine", "D DC"], "CDC"),
        (["C |: :|3", "D"], "CCCD"),
        (["C |:", "D |: :|", "E :|"], "CDDECDDE"),
    ],
)
def test_words_and_times_and_repeats_within_repeats(bars: list[str], played: str) -> None:
    score = read(in_music21(*bars))
    assert names(score)[::4] == played
    assert len(score.bars) == len(played)


@pytest.mark.parametrize(
    "bars",
    [
        ["C |:", "D |:", "E |:", "F :|", "G :|", "A :|"],
        ["C |: :|9"],
        ["C |: :|1000000"],
        ["C |:", "D |:", "E"],
    ],
    ids=["too deep", "too often", "endless", "never closed"],
)
def test_what_is_no_music_is_read_as_written_and_said(bars: list[str]) -> None:
    score = read(in_music21(*bars))
    assert names(score)[::4] == "".join(b[0] for b in bars)
    assert score.holds.get(REPEATS, 0) == sum(":|" in b for b in bars)


def test_passages_are_what_is_played_without_a_jump() -> None:
    assert passages([0, 1, 2]) == [(0, 2)]
    assert passages([0, 1, 0, 2, 3, 3]) == [(0, 1), (0, 0), (2, 3), (3, 3)]


QUARTER = Fraction(1)
OFFSETS = [Fraction(0), Fraction(1), Fraction(5)]  # an upbeat of a quarter, then bars of four


def test_all_parts_bars_and_fermatas_move_together() -> None:
    notes = [Note(Fraction(t), QUARTER, 60 + t, 90, v) for v in (0, 1) for t in range(9)]
    score = Score(
        "x", tuple(notes), 80.0, 1, (Fraction(-3), *OFFSETS[1:]), ((Fraction(4), Fraction(5)),)
    )
    found = unfolded(score, [0, 1, 0, 1, 2], OFFSETS)
    pitches = [60, 61, 62, 63, 64] * 2 + [65, 66, 67, 68]
    for voice in (0, 1):
        own = [n for n in found.notes if n.voice == voice]
        assert [n.pitch for n in own] == pitches
        assert [int(n.onset) for n in own] == list(range(14))
    assert [n.voice for n in found.notes] == [0] * 14 + [1] * 14
    assert [int(t) for t in found.bars] == [-3, 1, 2, 6, 10]
    assert [(int(a), int(b)) for a, b in found.fermatas] == [(4, 5), (9, 10)]
    assert (found.bpm, found.program) == (80.0, 1)


def test_ties_end_where_the_music_jumps_and_begin_where_it_comes_again() -> None:
    """A note that sounds from the upbeat on, and one from the second bar into the last."""
    notes = (Note(Fraction(0), Fraction(2), 60, 90), Note(Fraction(4), Fraction(3), 64, 90))
    found = unfolded(Score("x", notes), [0, 1, 1, 2], OFFSETS)
    assert [(int(n.onset), int(n.duration), n.pitch) for n in found.notes] == [
        (0, 2, 60),
        (4, 1, 64),
        (5, 1, 60),
        (8, 3, 64),
    ]
