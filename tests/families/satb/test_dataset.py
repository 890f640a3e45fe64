"""Scores of four parts and the public JSB form become chorales; others are refused with the reason."""

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from chorales import chorale

from config_bach import Paths, UserError
from families.satb import dataset
from families.satb.encoding import HOLD, SILENCE, Chorale, notes_of, pitches, symbols_of
from families.satb.features import rows_of
from midi_io import Refused, Score, read_scores, write_midi
from music.events import Event, Note


def lines(*pitches: int, steps: int = 20) -> tuple[Note, ...]:
    """A part for each pitch, in quarters."""
    return tuple(
        Note(Fraction(i), Fraction(1), pitch + i % 2, 90, part)
        for part, pitch in enumerate(pitches)
        for i in range(steps // 4)
    )


# ---- scores


def test_a_score_of_four_parts_is_read_with_its_bars_and_fermatas(
    tmp_path: Path, paths: Paths
) -> None:
    from music21 import corpus

    folder = tmp_path / "scores"
    folder.mkdir()
    shutil.copy(str(corpus.getWork("bach/bwv269")), folder / "bwv269.mxl")
    (folder / "broken.mid").write_bytes(b"MThd")
    found = dataset.read(str(folder), paths, show=False)
    (piece,) = found.pieces
    score = read_scores(folder / "bwv269.mxl")[0]
    assert [(r.name, r.steps, r.refused) for r in found.rows] == [
        ("broken.mid", 0, "damaged MIDI header"), ("bwv269.mxl", len(piece), ""),
    ]  # fmt: skip
    assert len(piece) == max(n.end for n in score.notes) * 4
    assert len(notes_of(piece.symbols)) == len(score.notes)
    assert (piece.plan[:, 2] == 1).any()
    assert piece.plan[0, 0] == 9  # three quarters to the bar, an upbeat of one
    assert set(piece.plan[:, 1]) == {3}
    assert (found.sides, found.source) == ((), str(folder))


def test_parts_are_ordered_by_their_height() -> None:
    piece = dataset.of_score(Score("x", lines(48, 72, 60, 67), 77.0))
    assert pitches(piece.symbols)[0].tolist() == [72, 67, 60, 48]
    assert (piece.name, piece.bpm, piece.tells_struck, len(piece)) == ("x", 77.0, True, 20)


@pytest.mark.parametrize(
    ("notes", "problem"),
    [
        (lines(60), "one part, a chorale has four"),
        (lines(60, 62, 64), "3 parts, a chorale has four"),
        (lines(60, 62, 64, 65, 67), "5 parts, a chorale has four"),
        (lines(60, 62, 64, 65, steps=12), "12 sixteenths, a chorale has 16 to 4096"),
        (lines(60, 62, 64, 65, steps=4100), "4100 sixteenths, a chorale has 16 to 4096"),
        (lines(60, 62, 64, 20), r"MIDI pitch 20 is outside 28\.\.88"),
        (
            tuple(Note(Fraction(0), Fraction(9), 60 + i, 90, i % 4) for i in range(8)),
            "a part has several notes at once",
        ),
    ],
)
def test_what_is_not_in_four_voices_is_refused(notes: tuple[Note, ...], problem: str) -> None:
    with pytest.raises(Refused, match=problem):
        dataset.of_score(Score("x", notes))


def test_the_shortest_and_the_longest_chorale_are_read() -> None:
    for steps in (16, 4096):
        assert len(dataset.of_score(Score("x", lines(72, 67, 60, 48, steps=steps)))) == steps


def test_notes_that_overlap_by_less_than_half_a_sixteenth_are_one_after_the_other() -> None:
    def part(overlap: Fraction) -> list[Note]:
        return [Note(Fraction(0), 1 + overlap, 60, 90), Note(Fraction(1), Fraction(1), 62, 90)]

    assert dataset.voices_of(part(Fraction(1, 8))) == [part(Fraction(1, 8))]
    with pytest.raises(Refused, match="several notes at once"):
        dataset.voices_of(part(Fraction(1, 7)))


def test_a_corpus_without_four_voices_names_three_files_and_why(
    tmp_path: Path, paths: Paths
) -> None:
    for i in range(4):
        write_midi(tmp_path / f"{i}.mid", [Event((60,), Fraction(4))] * 5, 90, 1)
    told = r"nothing in .* is in four voices \(0.mid: one part.*; 1.mid.*; 2.mid: one part[^;]*\)"
    with pytest.raises(UserError, match=told):
        dataset.read(str(tmp_path), paths, show=False)


# ---- the JSB chorales


def test_a_corpus_that_divides_itself_stays_divided(tmp_path: Path, paths: Paths) -> None:
    path = tmp_path / "x.json"
    steps = [[67, 60, 55, 48]] * 20
    path.write_text(json.dumps({"train": [steps, steps], "valid": [steps], "more": [steps]}))
    found = dataset.read(str(path), paths)
    assert found.sides == ("train", "train", "valid")
    assert not any(p.tells_struck for p in found.pieces)
    assert [(r.name, r.steps) for r in found.rows] == [
        ("train 1", 20),
        ("train 2", 20),
        ("valid 1", 20),
    ]
    assert (found.pieces[0].symbols == symbols_of(steps)).all()
    assert found.kind == "given"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", r"is not JSON \(.*; get it anew"),
        ("[]", 'no pieces under "train", "valid" or "test"'),
        ('{"train": 3}', "no pieces"),
        ('{"train": [[[1]]]}', r"piece train 1 cannot be read \(a step is four"),
        ('{"valid": [7]}', "piece valid 1 cannot be read"),
        ('{"valid": [[[60, 60, 60, 99999999]]]}', "piece valid 1 cannot be read"),
        (json.dumps({"test": [[[60] * 4] * 4097]}), "test 1 cannot be read .more than 4096 steps"),
    ],
)
def test_a_file_in_another_form_is_refused(
    tmp_path: Path, paths: Paths, text: str, problem: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(UserError, match=problem):
        dataset.read(str(path), paths)
    with pytest.raises(UserError, match=r"cannot be read \(No such file"):
        dataset.read(str(tmp_path / "none.json"), paths)


def test_music21_scores_are_divided_as_the_jsb_chorales_are() -> None:
    table = json.loads(dataset.JSB_SIDES.read_text())
    pieces = [Chorale(name, chorale(0).symbols, chorale(0).plan) for name in table]
    assert dataset.jsb_sides(pieces) == tuple(table.values())
    assert min(list(table.values()).count(side) for side in dataset.SIDES) > 60
    assert dataset.jsb_sides([*pieces, chorale(0)]) == ()
    assert dataset.jsb_sides(pieces[:1]) == ()  # all on one side


# ---- scores to compose around


def put(tmp_path: Path, piece: Chorale, voices: list[int]) -> Path:
    """A score with some of the voices of a piece, each on a track of its own."""
    silent = piece.symbols.copy()
    for voice in set(range(4)) - set(voices):
        silent[:, voice] = HOLD
        silent[0, voice] = SILENCE
    path = tmp_path / f"{''.join(map(str, voices))}.mid"
    write_midi(path, Chorale("x", silent, piece.plan).events, 80, 20)
    return path


def melodies(path: Path, paths: Paths, kept: list[int]) -> Chorale:
    return dataset.of_parts(*dataset.read_parts(path, paths, kept))


def test_a_whole_score_gives_all_its_voices(tmp_path: Path, paths: Paths) -> None:
    piece = chorale(8)
    path = put(tmp_path, piece, [0, 1, 2, 3])
    for found in (dataset.read_chorale(path, paths), melodies(path, paths, [0])):
        assert (found.symbols == piece.symbols).all()


def test_melodies_are_placed_where_they_are_kept(tmp_path: Path, paths: Paths) -> None:
    piece = chorale(8)
    path = put(tmp_path, piece, [0, 3])
    for kept in ([0, 3], [2, 1]):
        found = melodies(path, paths, kept)
        top, low = min(kept), max(kept)
        assert (pitches(found.symbols)[:, [top, low]] == pitches(piece.symbols)[:, [0, 3]]).all()
        others = [v for v in range(4) if v not in kept]
        assert (pitches(found.symbols)[:, others] == -1).all()


def test_what_cannot_be_composed_around_is_refused(tmp_path: Path, paths: Paths) -> None:
    path = put(tmp_path, chorale(8), [0, 3])
    with pytest.raises(UserError, match="around: it has 2 parts, and 1 are to be kept; choose"):
        melodies(path, paths, [0])
    with pytest.raises(UserError, match="not in four voices: 2 parts, a chorale has four; choose"):
        dataset.read_chorale(path, paths)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="not in four voices: empty file"):
        dataset.read_chorale(path, paths)
    with pytest.raises(UserError, match="composed around: empty file"):
        melodies(path, paths, [0])
    with pytest.raises(UserError, match="there is no file"):
        dataset.read_chorale(tmp_path / "none.mid", paths)


def test_a_sequence_is_the_features_before_each_step_and_the_symbols_at_it() -> None:
    piece = chorale(3)
    found = dataset.sequence_of(piece)
    assert found.rows.tolist() == rows_of(piece).tolist()
    assert found.targets.tolist() == piece.symbols.tolist()
    assert found.targets.dtype == found.rows.dtype == np.int32
    assert (found.name, found.counted, found.tells_struck) == ("chorale 3", len(piece), True)
    untold = Chorale("x", piece.symbols, piece.plan, tells_struck=False)
    assert not dataset.sequence_of(untold).tells_struck
