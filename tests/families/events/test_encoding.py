"""Symbols as in the articles, and back again without loss."""

from dataclasses import replace
from fractions import Fraction

import pytest
from piece import Event, Piece
from vocabulary import Vocabulary, chord_symbol, duration_symbol

from config_bach import Encoding, UserError

EXACT = Encoding(min_count=1)


def test_notes_chords_and_rests_are_written_as_in_the_articles() -> None:
    assert chord_symbol((47,), normal=False) == "B2"
    assert chord_symbol((45, 56), normal=False) == "A2.G#3"
    assert chord_symbol((), normal=False) == "R"


def test_normal_folds_the_octaves_of_chords_only() -> None:
    assert chord_symbol((45, 57, 64), normal=True) == "E.A"
    assert chord_symbol((45,), normal=True) == "A2"


@pytest.mark.parametrize(
    ("duration", "symbol"),
    [("1/2", "0.5"), ("1/4", "0.25"), ("2", "2"), ("1/3", "1/3"), ("1/8", "0.125")],
)
def test_durations_are_exact(duration: str, symbol: str) -> None:
    assert duration_symbol(Fraction(duration)) == symbol
    assert Fraction(symbol) == Fraction(duration)


@pytest.mark.parametrize("concatenate", [False, True])
@pytest.mark.parametrize("with_duration", [False, True])
def test_events_survive_the_vocabulary(
    tunes: list[Piece], concatenate: bool, with_duration: bool
) -> None:
    encoding = replace(EXACT, concatenate=concatenate)
    vocabulary = Vocabulary.learn(tunes, encoding, with_duration)
    events = tunes[3].events
    back = [
        vocabulary.event(row, e.duration)
        for row, e in zip(vocabulary.encode(events).tolist(), events, strict=True)
    ]
    assert [(e.pitches, e.duration) for e in back] == [(e.pitches, e.duration) for e in events]


def test_concatenated_symbols_hold_the_duration(tunes: list[Piece]) -> None:
    symbols = Vocabulary.learn(tunes, replace(EXACT, concatenate=True), False).fields[0].symbols
    assert "D3.F#3.A3$1" in symbols


def test_rare_symbols_are_unknown_and_counted(tunes: list[Piece]) -> None:
    odd = Piece("odd", (Event((1,), Fraction(1)), Event((2,), Fraction(1))))
    field = Vocabulary.learn([*tunes, odd], Encoding(min_count=2), False).fields[0]
    assert "C#-1" not in field.symbols
    assert field.rare == 2
    vocabulary = Vocabulary.learn([*tunes, odd], Encoding(min_count=2), False)
    assert vocabulary.encode(odd.events).tolist() == [[0], [0]]


def test_transposition_widens_the_vocabulary(tunes: list[Piece]) -> None:
    narrow, wide = (Vocabulary.learn(tunes, Encoding(transpose=t), False) for t in (0, 4))
    assert set(narrow.fields[0].symbols) < set(wide.fields[0].symbols)


def test_velocity_is_learned_only_where_it_varies(tunes: list[Piece]) -> None:
    lively = [
        replace(
            p, events=tuple(replace(e, velocity=30 + 7 * (i % 12)) for i, e in enumerate(p.events))
        )
        for p in tunes
    ]
    assert [f.name for f in Vocabulary.learn(tunes, EXACT, True).fields] == ["pitch", "duration"]
    fields = Vocabulary.learn(lively, EXACT, True).fields
    assert [f.name for f in fields] == ["pitch", "duration", "velocity"]


def test_folded_chords_sound_where_the_corpus_plays_them(tunes: list[Piece]) -> None:
    low = [p.transposed(-12) for p in tunes]
    vocabulary = Vocabulary.learn(low, replace(EXACT, normal=True), False)
    chord = vocabulary.encode(low[0].events)[0].tolist()
    assert min(vocabulary.event(chord, Fraction(1)).pitches) < 55


def test_pitch_features_tell_which_chords_share_notes(tunes: list[Piece]) -> None:
    vocabulary = Vocabulary.learn(tunes, EXACT, False)
    table, ids = vocabulary.pitch_features(), vocabulary.fields[0].ids
    chord, third, stranger = (table[ids[s]] for s in ("D3.F#3.A3", "F#3", "G3"))
    assert chord @ third == 2  # the pitch and its pitch class
    assert chord @ stranger == 0
    assert not table[0].any()


def test_json_round_trip(tunes: list[Piece]) -> None:
    vocabulary = Vocabulary.learn(tunes, Encoding(transpose=1), True)
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary


def test_too_little_to_learn_is_said() -> None:
    with pytest.raises(UserError, match="add more scores"):
        Vocabulary.learn([Piece("p", (Event((60,), Fraction(1)),))], Encoding(), False)
