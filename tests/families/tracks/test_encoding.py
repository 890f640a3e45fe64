"""Songs to tokens and back."""

import numpy as np
import pytest
from songs import EIGHTH, piece, random_song, song

from families.tracks.dataset import song_of
from families.tracks.encoding import LONGEST_NOTE, encode
from families.tracks.song import DURATION, Song, sorted_notes
from families.tracks.tokens import (
    GRID,
    METRES,
    SYMBOLS,
    TEMPI,
    nearest_tempo,
    possible_shifts,
    symbol,
    tracks_vocabulary,
    transposed,
)


def words(made: Song) -> list[str]:
    return [symbol(token) for token in encode(made).tolist()]


def notes(*rows: tuple[int, int, int, int, int]) -> np.ndarray:
    return sorted_notes(np.array(rows, np.int64).reshape(-1, 5))[0]


@pytest.mark.parametrize("seed", range(8))
def test_a_song_comes_back_note_for_note(seed: int) -> None:
    before = random_song(seed)
    after = song_of(before.name, encode(before))
    np.testing.assert_array_equal(after.notes, before.notes)
    np.testing.assert_array_equal(after.metres, before.metres)
    np.testing.assert_array_equal(after.tempi, before.tempi)


def test_what_is_in_force_is_not_said_again() -> None:
    made = Song("x", notes((0, 24, 41, 60, 22), (0, 24, 41, 64, 22), (24, 96, 41, 62, 30)))
    assert words(made) == [
        *("begin", "bar", "metre 4/4", "position 0/24", "program 41", "pitch 60", "duration 24/24"),
        *("pitch 64", "duration 24/24", "position 24/24", "velocity 122", "pitch 62"),
        *("duration 96/24", "end"),
    ]


def test_velocities_are_those_of_each_instrument() -> None:
    made = Song("x", notes((0, 1, 0, 36, 30), (0, 24, 41, 60, 22), (24, 1, 0, 36, 30)))
    assert [w for w in words(made) if w.startswith("velocity")] == ["velocity 122"]


def test_percussion_has_no_duration() -> None:
    made = Song("x", notes((0, 24, 0, 36, 22), (0, 24, 0, 42, 22)))
    assert words(made)[4:-1] == ["program 0", "drum 36", "drum 42"]


def test_long_notes_are_kept() -> None:
    for length in (1, 96, 97, 192, 384, 385, 5 * 384, LONGEST_NOTE):
        made = Song("x", notes((0, length, 1, 60, 22)))
        assert song_of("x", encode(made)).notes[0, DURATION] == length
    assert [w for w in words(made) if w.startswith("hold")][:2] == ["hold 384/24"] * 2
    longer = Song("x", notes((0, LONGEST_NOTE + 1, 1, 60, 22)))
    assert song_of("x", encode(longer)).notes[0, DURATION] == LONGEST_NOTE


def test_empty_bars_and_a_changing_metre() -> None:
    metres = np.array([[0, METRES.index((6, 8))], [144, METRES.index((3, 4))]])
    made = Song("x", notes((0, 12, 1, 60, 22), (144 + 36, 12, 1, 62, 22)), metres=metres)
    told = [w for w in words(made) if w.split()[0] in ("bar", "metre", "position")]
    assert told == [
        *("bar", "metre 6/8", "position 0/24", "bar", "bar", "metre 3/4", "position 36/24")
    ]


def test_an_upbeat_is_a_bar_that_begins_in_the_middle() -> None:
    made = Song("x", notes((72, 24, 1, 60, 22), (96, 24, 1, 62, 22)), upbeat=True)
    assert words(made)[1] == "upbeat"
    assert song_of("x", encode(made)).upbeat


def test_tempo_changes_after_the_last_note_are_left_out() -> None:
    tempi = np.array([[0, 5], [48, 5], [60, 6], [4000, 7]])
    made = Song("x", notes((0, 96, 1, 60, 22)), tempi)
    assert [w for w in words(made) if w.startswith("tempo")] == [
        f"tempo {TEMPI[5]}",
        f"tempo {TEMPI[6]}",
    ]


def test_equal_notes_are_one() -> None:
    rows, doubled = sorted_notes(np.array([(0, 5, 1, 60, 3), (0, 9, 1, 60, 2), (0, 5, 2, 60, 3)]))
    assert rows.tolist() == [[0, 9, 1, 60, 2], [0, 5, 2, 60, 3]]
    assert doubled == 1


def test_the_vocabulary_is_bounded_and_every_symbol_stands_once() -> None:
    from config_bach import Encoding

    (field,) = tracks_vocabulary(Encoding()).fields
    assert len(field.symbols) == len(set(field.symbols)) == SYMBOLS < 1000
    assert field.unknown_nats == 0
    assert {"?", "begin", "drum 35", "program 0", "program 128", "tempo 120"} <= set(field.symbols)


def test_only_pitches_are_transposed() -> None:
    tokens = piece().tokens
    before, after = (
        song_of("x", tokens).notes,
        song_of("x", transposed(tokens, 2).astype(np.uint16)).notes,
    )
    drums = before[:, 2] == 0
    np.testing.assert_array_equal(after[drums], before[drums])
    np.testing.assert_array_equal(after[~drums, 3], before[~drums, 3] + 2)


def test_no_pitch_leaves_the_range_of_midi() -> None:
    low = encode(Song("x", notes((0, 24, 1, 1, 22), (0, 24, 1, 126, 22))))
    assert possible_shifts(low, 3) == [-1, 0, 1]


def test_the_nearest_tempo() -> None:
    assert [TEMPI[i] for i in nearest_tempo([0.1, 119.4, 120, 121.5, 207, 1e9])] == [
        *(10, 120, 120, 122, 210, 400)
    ]


def test_a_piece_is_cut_at_bars() -> None:
    whole = piece(1)
    half = len(whole) // 2
    a, b = whole.part(0, half, "a"), whole.part(half, len(whole), "b")
    bars = a.song.end // (4 * GRID) + (a.song.end % (4 * GRID) > 0)
    joined = b.song.notes.copy()
    joined[:, 0] += bars * 4 * GRID
    np.testing.assert_array_equal(np.concatenate([a.song.notes, joined]), whole.song.notes)
    assert b.bpm == 90


def test_fingerprints_are_of_the_music_in_any_key() -> None:
    made = piece(2)
    other = type(made)("other", transposed(made.tokens, -3).astype(np.uint16))
    assert other.fingerprint == made.fingerprint != piece(3).fingerprint
    louder = song(2)
    louder.notes[:, 4] += 1
    assert type(made)("x", encode(louder)).fingerprint == made.fingerprint
    later = song(2)
    later.notes[3:, 0] += EIGHTH
    assert type(made)("x", encode(later)).fingerprint != made.fingerprint
