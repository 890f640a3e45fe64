"""Which tokens may follow."""

import numpy as np
import pytest
from songs import piece, random_song

from families.tracks.cursor import Cursor
from families.tracks.dataset import song_of
from families.tracks.encoding import encode
from families.tracks.grammar import MOST_NOTES, following
from families.tracks.tokens import KINDS, SPAN, SYMBOLS, Kind, symbol, token


def allowed(cursor: Cursor, **options: object) -> set[str]:
    return {symbol(int(i)) for i in np.flatnonzero(following(cursor, **options))}  # type: ignore[arg-type]


def after(*tokens: int) -> Cursor:
    cursor = Cursor()
    for one in tokens:
        cursor.feed(one)
    return cursor


@pytest.mark.parametrize("i", range(4))
def test_real_music_is_allowed(i: int) -> None:
    cursor = Cursor()
    for one in piece(i).tokens.tolist():
        assert following(cursor)[one], (symbol(one), cursor.kind)
        cursor.feed(one)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_drawn_is_a_piece(seed: int) -> None:
    """Random tokens that are allowed, with many notes a moment: encoded again they are the same."""
    rng, cursor = np.random.default_rng(seed), Cursor()
    tokens = [token(Kind.BEGIN)]
    cursor.feed(tokens[0])
    weights = np.array([1, 1, 1, 2, 1, 1, 1, 1, 1, 4, 9, 9, 1, 9])[KINDS]
    while len(tokens) < 2000:
        mask = following(cursor, may_end=False)
        assert mask.any()
        p = mask * rng.random(SYMBOLS) * weights
        tokens.append(int(p.argmax()))
        cursor.feed(tokens[-1])
        assert cursor.notes <= MOST_NOTES
    bar = max(i for i, t in enumerate(tokens) if KINDS[t] in (Kind.POSITION,))
    made = np.array([*tokens[:bar], token(Kind.END)], np.uint16)
    again = song_of("x", encode(song_of("x", made)))
    np.testing.assert_array_equal(again.notes, song_of("x", made).notes)


def test_after_a_pitch_comes_a_duration() -> None:
    cursor = after(token(Kind.BEGIN), token(Kind.BAR), token(Kind.POSITION), token(Kind.PROGRAM, 1))
    cursor.feed(token(Kind.PITCH, 60))
    assert {w.split()[0] for w in allowed(cursor)} == {"hold", "duration"}
    cursor.feed(token(Kind.HOLD, 1))
    assert "hold 384/24" not in allowed(cursor)
    cursor.feed(token(Kind.HOLD, 1))
    cursor.feed(token(Kind.HOLD, 1))
    assert {w.split()[0] for w in allowed(cursor)} == {"duration"}


def test_notes_of_a_moment_come_in_order() -> None:
    cursor = after(token(Kind.BEGIN), token(Kind.BAR), token(Kind.POSITION, 10))
    for one in (token(Kind.PROGRAM, 41), token(Kind.PITCH, 60), token(Kind.DURATION, 5)):
        cursor.feed(one)
    told = allowed(cursor)
    assert {"pitch 61", "program 42", "position 11/24", "bar", "end"} <= told
    assert not {"pitch 60", "program 41", "program 40", "position 10/24", "drum 36"} & told
    assert f"velocity {cursor.velocity * 4 + 2}" not in told


def test_percussion_is_played_by_program_0_alone() -> None:
    cursor = after(token(Kind.BEGIN), token(Kind.BAR), token(Kind.POSITION), token(Kind.PROGRAM, 0))
    assert "drum 36" in allowed(cursor)
    assert not any(w.startswith("pitch") for w in allowed(cursor))


def test_positions_lie_within_the_bar() -> None:
    cursor = after(token(Kind.BEGIN), token(Kind.BAR), token(Kind.METRE, 0))  # 1/2
    assert {"position 47/24"} <= allowed(cursor)
    assert "position 48/24" not in allowed(cursor)


def test_silence_does_not_last_for_ever() -> None:
    tokens = piece().tokens.tolist()
    cursor = after(*tokens[:40])
    for _ in range(3):
        assert "bar" in allowed(cursor)
        cursor.feed(token(Kind.BAR))
    assert "bar" not in allowed(cursor)


def test_a_piece_begins_with_notes_and_ends_only_if_it_may() -> None:
    begun = after(token(Kind.BEGIN))
    assert allowed(begun) == {"bar", "upbeat"}
    begun.feed(token(Kind.BAR))
    assert not {"bar", "end"} & allowed(begun)
    later = after(*piece().tokens[:40].tolist())
    later.feed(token(Kind.BAR))
    assert "end" in allowed(later)
    assert "end" not in allowed(later, may_end=False)
    assert allowed(after(token(Kind.END))) == {"begin"}


def test_pitches_of_a_scale_percussion_of_any() -> None:
    cursor = after(token(Kind.BEGIN), token(Kind.BAR), token(Kind.POSITION), token(Kind.PROGRAM, 1))
    major = frozenset({0, 2, 4, 5, 7, 9, 11})
    found = following(cursor, scale=major)[SPAN[Kind.PITCH]]
    assert {int(p) % 12 for p in np.flatnonzero(found)} == major
    drums = after(token(Kind.BEGIN), token(Kind.BAR), token(Kind.POSITION), token(Kind.PROGRAM, 0))
    assert following(drums, scale=major)[SPAN[Kind.DRUM]].all()
    cursor.feed(token(Kind.PITCH, 127))
    cursor.feed(token(Kind.DURATION))
    cursor.feed(token(Kind.POSITION, 1))
    cursor.feed(token(Kind.VELOCITY))
    assert following(cursor, scale=frozenset({3})).any()


def test_random_songs_are_read_without_an_error() -> None:
    cursor = Cursor()
    for one in encode(random_song(9)).tolist():
        cursor.feed(one)
    assert cursor.kind == Kind.END
