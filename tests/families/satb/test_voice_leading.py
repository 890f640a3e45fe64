"""Which pitches a voice may take without parallel fifths and octaves."""

import numpy as np
import pytest

from families.satb.encoding import HIGHEST, LOWEST, NOTHING, SILENCE, symbol
from families.satb.voice_leading import without_parallels


def barred(own: int, *others: tuple[int, int]) -> set[int]:
    """The MIDI pitches that a voice may not take from a pitch, beside others that move (-1: silent)."""

    def told(pitch: int) -> np.ndarray:
        return np.array([symbol(pitch) if pitch >= 0 else SILENCE])

    free = without_parallels(told(own), [(told(was), told(now)) for was, now in others])
    return {LOWEST + int(i) for i in np.flatnonzero(~free[0])}


def in_all_octaves(*classes: int) -> set[int]:
    return {p for p in range(LOWEST, HIGHEST + 1) if p % 12 in {c % 12 for c in classes}}


def test_a_fifth_may_not_move_to_a_fifth_in_either_direction() -> None:
    """G over C; the other voice goes from C to D: A is a fifth above it, G a fifth below."""
    assert barred(67, (48, 50)) == {57, 69, 81, 43, 31}
    assert barred(67, (48, 45)) == {52, 64, 76, 88, 38}
    assert barred(48, (67, 69)) == {62, 50, 38, 76, 88}


def test_an_octave_and_a_unison_may_not_move_to_an_octave() -> None:
    assert barred(60, (48, 50)) == in_all_octaves(2)
    assert barred(60, (60, 62)) == in_all_octaves(2)


def test_the_lowest_note_of_all_counts_as_any_other() -> None:
    assert LOWEST + 9 in barred(LOWEST + 7, (LOWEST, LOWEST + 2))
    assert LOWEST + 2 in barred(LOWEST, (LOWEST + 7, LOWEST + 9))
    assert LOWEST + 7 in barred(LOWEST + 9, (LOWEST + 2, LOWEST))


@pytest.mark.parametrize("interval", [1, 2, 3, 4, 5, 6, 8, 9, 10, 11])
def test_other_intervals_may_move_anywhere(interval: int) -> None:
    assert barred(60 + interval, (60, 62)) == set()


def test_whoever_stays_makes_no_parallels() -> None:
    assert barred(67, (48, 48)) == set()
    assert 67 not in barred(67, (48, 55))


@pytest.mark.parametrize(
    ("own", "other"), [(-1, (48, 50)), (67, (-1, 50)), (67, (48, -1)), (-1, (-1, -1))]
)
def test_silence_makes_no_parallels(own: int, other: tuple[int, int]) -> None:
    assert barred(own, other) == set()


def test_nothing_sounds_before_a_piece() -> None:
    nothing = np.array([NOTHING])
    assert without_parallels(nothing, [(nothing, np.array([symbol(60)]))]).all()


def test_every_voice_that_is_known_counts() -> None:
    both = barred(67, (48, 50), (79, 81))
    assert both == barred(67, (48, 50)) | in_all_octaves(9)
    assert barred(67) == set()


def test_each_piece_is_looked_at_by_itself() -> None:
    own = np.array([symbol(67), symbol(67), symbol(64)])
    before = np.array([symbol(48)] * 3)
    now = np.array([symbol(50), symbol(48), symbol(50)])
    free = without_parallels(own, [(before, now)])
    assert (~free).any(1).tolist() == [True, False, False]
