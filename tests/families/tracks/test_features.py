"""What the network is told before each token."""

import numpy as np
import pytest
from songs import piece, song

from families.tracks import features as module
from families.tracks.encoding import encode
from families.tracks.features import (
    COLUMNS,
    MATCHES,
    LongestMatch,
    TrackFeatures,
    rows_of,
    rows_transposed,
)
from families.tracks.tokens import KINDS, Kind, transposed

NAMES = list(COLUMNS)


def told(i: int) -> dict[str, int]:
    """The row after so many tokens of a piece."""
    return dict(zip(NAMES, rows_of(piece(0).tokens)[i - 1].tolist(), strict=True))


def test_it_knows_where_it_stands_and_what_sounds() -> None:
    tokens = piece(0).tokens
    second = [i for i, t in enumerate(tokens) if KINDS[t] == Kind.POSITION][1]
    row = told(second + 1)
    assert row["token"] == tokens[second]
    assert (row["quarter"], row["part"]) == (1, 0)
    held = {52 % 12, 56 % 12, 59 % 12}  # the piano's chord; the bass has stopped
    assert row["sounding"] == sum(1 << c for c in held)
    at_start = told(4)
    assert (at_start["sounding"], at_start["program"], at_start["recent"]) == (0, 0, 0)


def test_the_last_pitch_of_the_program_in_force() -> None:
    tokens = piece(0).tokens.tolist()
    bass = [i for i, t in enumerate(tokens) if KINDS[t] == Kind.PROGRAM][-1]
    last = [n for n in song(0).notes.tolist() if n[2] == 34][-1]
    assert told(bass + 1)["program"] - 1 in (1, 34, 0)
    found = [r for r in map(told, range(100, len(tokens))) if r["program"] - 1 == 34]
    assert found[-1]["recent"] == last[3] + 1


def test_rows_are_those_of_a_growing_piece() -> None:
    tokens = piece(1).tokens
    features = TrackFeatures()
    for i, token in enumerate(tokens[:-1].tolist()):
        features.feed((token,))
        if i == 50:
            twin = features.copy()
    for token in tokens[51:-1].tolist():
        twin.feed((token,))
    assert features.row() == twin.row() == rows_of(tokens)[-1].tolist()


@pytest.mark.parametrize("semitones", [-3, 1, 2])
def test_a_piece_in_another_key_has_other_rows(semitones: int) -> None:
    moved = transposed(piece(1).tokens, semitones).astype(np.uint16)
    np.testing.assert_array_equal(
        rows_transposed(rows_of(piece(1).tokens), semitones), rows_of(moved)
    )


def test_values_are_within_their_columns() -> None:
    rows = np.concatenate([rows_of(encode(song(i))) for i in range(3)])
    assert (rows >= 0).all()
    assert (rows.max(0) < list(COLUMNS.values())).all()


def test_what_followed_the_last_time() -> None:
    match = LongestMatch()
    told = [match.feed(t) for t in [1, 2, 77, 8, 1, 2, 77, 5, 77, 8]]
    assert told == [(0, 0)] * 5 + [(77, 1), (8, 1), (0, 0), (0, 0), (1, 1)]


def test_a_longer_passage_counts_more_than_a_later_one() -> None:
    match = LongestMatch()
    phrase = list(range(10, 26))
    for t in [*phrase, 50, 9, *phrase[-2:], 60, 9, 9]:
        match.feed(t)
    told = [match.feed(t) for t in phrase]
    assert told[-1] == (50, 4)
    assert told[1] == (12, 1)


def test_longer_matches_are_of_higher_classes() -> None:
    match = LongestMatch()
    classes = [match.feed(t % 50)[1] for t in range(600)]
    assert sorted(set(classes)) == list(range(MATCHES))


def test_an_endless_piece_takes_a_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPAN", 100)
    match = LongestMatch()
    for i in range(1000):
        expected, _ = match.feed(i % 30)
        assert len(match._tokens) < 200
        assert all(len(after) < 200 for after in match._after)
        assert i < 60 or expected == (i + 1) % 30


def test_how_often_a_passage_has_come_again_in_a_row() -> None:
    match, found = LongestMatch(), []
    for one in [9, *[1, 2, 3] * 5, 4]:
        match.feed(one)
        found.append(match.repeats)
    assert found == [0] * 6 + [1] * 3 + [2] * 3 + [3] * 3 + [4] + [0]


def test_it_can_begin_to_look_back_anew() -> None:
    features = TrackFeatures()
    for one in [*piece(0).tokens[:60].tolist(), *piece(0).tokens[:60].tolist()]:
        features.feed((one,))
    expected = features.row()[NAMES.index("again")]
    assert expected == piece(0).tokens[0]
    assert features.forget() == expected
    assert features.row()[-2:] == [0, 0]
    assert features.forget() == 0


def test_a_match_in_what_is_forgotten_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first tokens come again just when the older half is dropped, and they with it."""
    monkeypatch.setattr(module, "SPAN", 20)
    match = LongestMatch()
    for one in [*range(100, 138), 100, 101]:
        found = match.feed(one)
    assert found == (0, 0)
    assert match.feed(102) == (0, 0)
