"""Symbols as in the articles, and back again without loss."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from config_bach import Encoding, UserError
from families.events.encoding import (
    EventEncoder,
    chord_pitches,
    chord_symbol,
    duration_symbol,
    knows_durations,
    learn_vocabulary,
    pitch_features,
    shifts,
    velocities_vary,
    velocity_symbol,
)
from music.events import Event, Piece
from storage.vocabulary import Field, Vocabulary

EXACT = Encoding(min_count=1)


def piece(*chords: tuple[int, ...], duration: Fraction = Fraction(1), velocity: int = 90) -> Piece:
    return Piece("p", tuple(Event(c, duration, velocity) for c in chords))


def with_velocities(*velocities: int) -> Piece:
    return Piece("p", tuple(Event((60 + i % 2,), Fraction(1), v) for i, v in enumerate(velocities)))


# symbols


def test_notes_chords_and_rests_are_written_as_in_the_articles() -> None:
    assert chord_symbol((47,), normal=False) == "B2"
    assert chord_symbol((45, 56), normal=False) == "A2.G#3"
    assert chord_symbol((), normal=False) == "R"


def test_normal_folds_the_octaves_of_chords_only() -> None:
    assert chord_symbol((45, 57, 64), normal=True) == "E.A"
    assert chord_symbol((45,), normal=True) == "A2"
    assert chord_symbol((), normal=True) == "R"


def test_symbols_sound() -> None:
    assert chord_pitches("A2.G#3", 4) == (45, 56)
    assert chord_pitches("E.A", 4) == (64, 69)
    assert chord_pitches("E.A", 2) == (40, 45)
    assert chord_pitches("R", 4) == ()


@pytest.mark.parametrize(
    ("duration", "symbol"),
    [
        ("1/2", "0.5"),
        ("1/4", "0.25"),
        ("2", "2"),
        ("1/3", "1/3"),
        ("1/8", "0.125"),
        ("5/6", "5/6"),
        ("11/8", "1.375"),
    ],
)
def test_durations_are_exact(duration: str, symbol: str) -> None:
    assert duration_symbol(Fraction(duration)) == symbol
    assert Fraction(symbol) == Fraction(duration)


@pytest.mark.parametrize(
    ("velocity", "level"), [(0, "8"), (15, "8"), (16, "24"), (90, "88"), (127, "120")]
)
def test_velocities_are_learned_in_eight_levels(velocity: int, level: str) -> None:
    assert velocity_symbol(velocity) == level


def test_velocities_vary_where_no_level_has_nine_in_ten() -> None:
    def events(loud: int, rest: int = 0) -> tuple[Event, ...]:
        return with_velocities(*[40] * (10 - loud), *[90] * loud).events + (
            (Event((), Fraction(1), 8),) * rest
        )

    assert not velocities_vary(events(1))
    assert velocities_vary(events(2))
    assert not velocities_vary(events(1, rest=5))  # silence has no velocity
    assert not velocities_vary([])


# vocabularies


@pytest.mark.parametrize("concatenate", [False, True])
@pytest.mark.parametrize("with_duration", [False, True])
def test_events_survive_the_vocabulary(
    tunes: list[Piece], concatenate: bool, with_duration: bool
) -> None:
    encoding = replace(EXACT, concatenate=concatenate)
    encoder = EventEncoder(learn_vocabulary(tunes, encoding, with_duration))
    events = tunes[3].events
    back = [
        encoder.event(row, e.duration)
        for row, e in zip(encoder.encode(events).tolist(), events, strict=True)
    ]
    assert [(e.pitches, e.duration) for e in back] == [(e.pitches, e.duration) for e in events]


def test_learned_durations_and_velocities_go_before_those_that_are_handed_in() -> None:
    lively = Piece(
        "p", tuple(Event((60 + i % 2,), Fraction(1 + i % 2), 40 + 40 * (i % 2)) for i in range(8))
    )
    encoder = EventEncoder(learn_vocabulary([lively], EXACT, True))
    row = encoder.encode(lively.events[1:2])[0].tolist()
    assert encoder.event(row, Fraction(7)) == Event((61,), Fraction(2), 88)
    plain = EventEncoder(learn_vocabulary([lively], EXACT, False))
    row = plain.encode(lively.events[1:2])[0].tolist()
    assert plain.event(row, Fraction(7)) == Event((61,), Fraction(7), 80)  # the median velocity


def test_no_events_are_no_rows(tunes: list[Piece]) -> None:
    encoder = EventEncoder(learn_vocabulary(tunes, EXACT, True))
    assert encoder.encode([]).shape == (0, 2)
    assert encoder.encode(tunes[0].events).dtype == np.int32


def test_concatenated_symbols_hold_the_duration(tunes: list[Piece]) -> None:
    vocabulary = learn_vocabulary(tunes, replace(EXACT, concatenate=True), False)
    assert "D3.F#3.A3$1" in vocabulary.fields[0].symbols


@pytest.mark.parametrize(("min_count", "kept"), [(1, 5), (2, 3), (3, 2), (4, 1)])
def test_pitches_must_occur_often_enough_but_durations_only_once(min_count: int, kept: int) -> None:
    """Five pitches that occur 4, 3, 2, 1 and 1 times; three durations, of which two occur once."""
    pitches = [60] * 4 + [62] * 3 + [64] * 2 + [65, 67]
    durations = [Fraction(1)] * 9 + [Fraction(2), Fraction(3)]
    music = Piece("p", tuple(Event((p,), d) for p, d in zip(pitches, durations, strict=True)))
    encoding = Encoding(min_count=min_count)
    if kept < 2:
        with pytest.raises(UserError, match=f"hardly any note or chord occurs {min_count} times"):
            learn_vocabulary([music], encoding, True)
        return
    pitch, duration = learn_vocabulary([music], encoding, True).fields
    assert pitch.symbols == ("?", "C4", "D4", "E4", "F4", "G4")[: kept + 1]
    assert pitch.rare == max(1, 5 - kept)
    assert duration.symbols == ("?", "1", "2", "3")
    assert duration.rare == 1


def test_rare_symbols_are_unknown_and_counted(tunes: list[Piece]) -> None:
    odd = piece((1,), (2,))
    vocabulary = learn_vocabulary([*tunes, odd], Encoding(min_count=2), False)
    assert "C#-1" not in vocabulary.fields[0].symbols
    assert vocabulary.fields[0].rare == 2
    assert EventEncoder(vocabulary).encode(odd.events).tolist() == [[0], [0]]


def test_transposition_widens_the_vocabulary(tunes: list[Piece]) -> None:
    narrow, wide = (learn_vocabulary(tunes, Encoding(transpose=t), False) for t in (0, 4))
    assert set(narrow.fields[0].symbols) < set(wide.fields[0].symbols)
    assert list(shifts(Encoding(transpose=2))) == [-2, -1, 0, 1, 2]
    assert list(shifts(Encoding())) == [0]


def test_velocity_is_learned_only_where_it_varies(tunes: list[Piece]) -> None:
    lively = [
        replace(
            p, events=tuple(replace(e, velocity=30 + 7 * (i % 12)) for i, e in enumerate(p.events))
        )
        for p in tunes
    ]
    assert [f.name for f in learn_vocabulary(tunes, EXACT, True).fields] == ["pitch", "duration"]
    fields = learn_vocabulary(lively, EXACT, True).fields
    assert [f.name for f in fields] == ["pitch", "duration", "velocity"]
    assert [f.name for f in learn_vocabulary(lively, EXACT, False).fields] == ["pitch"]


def test_the_velocity_of_every_note_is_the_median() -> None:
    music = [with_velocities(10, 20, 70, 80, 90), Piece("r", (Event((), Fraction(1), 1),) * 9)]
    assert learn_vocabulary(music, EXACT, False).velocity == 70
    assert learn_vocabulary([with_velocities(10, 20, 30, 40)], EXACT, False).velocity == 30


@pytest.mark.parametrize(
    ("median", "octave"), [(54, 3), (55, 3), (59, 3), (61, 4), (66, 4), (71, 4), (73, 5), (35, 1)]
)
def test_folded_chords_sound_where_the_corpus_plays_them(median: int, octave: int) -> None:
    """In the octave whose middle lies nearest to the median of all notes in chords."""
    music = [piece((20, median, 100), (90,), (91,), (92,), (93,))]
    vocabulary = learn_vocabulary(music, replace(EXACT, normal=True), False)
    assert vocabulary.octave == octave


def test_without_chords_the_octave_is_that_of_middle_c() -> None:
    assert learn_vocabulary([piece((30,), (31,), (32,))], EXACT, False).octave == 4


def test_too_little_to_learn_is_said() -> None:
    with pytest.raises(UserError, match="hardly any note or chord occurs 2 times; add more scores"):
        learn_vocabulary([piece((60,))], Encoding(), False)
    assert len(learn_vocabulary([piece((60,), (62,))], EXACT, False).fields[0].symbols) == 3


def test_who_knows_durations(tunes: list[Piece]) -> None:
    assert knows_durations(learn_vocabulary(tunes, EXACT, True))
    assert knows_durations(learn_vocabulary(tunes, replace(EXACT, concatenate=True), False))
    assert not knows_durations(learn_vocabulary(tunes, EXACT, False))


# what is known of chords


def vocabulary_of(*symbols: str) -> Vocabulary:
    return Vocabulary(EXACT, (Field("pitch", ("?", *symbols)),))


def test_pitch_features_by_hand() -> None:
    """From B3 to C#4: columns for B, C and C#, then the twelve pitch classes."""
    table = pitch_features(vocabulary_of("R", "C4", "B3.C#4"))
    silent = [0.0] * 15
    assert table.tolist() == [
        silent,
        silent,
        [0, 1, 0] + [1] + [0] * 11,
        [1, 0, 1] + [0, 1] + [0] * 9 + [1],
    ]


def test_durations_in_symbols_change_no_feature() -> None:
    a = pitch_features(vocabulary_of("C4$0.5", "B3.C#4$2"))
    assert (a == pitch_features(vocabulary_of("C4", "B3.C#4"))).all()


def test_a_vocabulary_of_silence_has_no_features() -> None:
    assert pitch_features(vocabulary_of("R")).tolist() == [[0.0] * 13] * 2


def test_pitch_features_tell_which_chords_share_notes(tunes: list[Piece]) -> None:
    vocabulary = learn_vocabulary(tunes, EXACT, False)
    table, ids = pitch_features(vocabulary), vocabulary.fields[0].ids
    chord, third, stranger = (table[ids[s]] for s in ("D3.F#3.A3", "F#3", "G3"))
    assert chord @ third == 2  # the pitch and its pitch class
    assert chord @ stranger == 0
    assert not table[0].any()


def test_json_round_trip(tunes: list[Piece]) -> None:
    vocabulary = learn_vocabulary(tunes, Encoding(transpose=1), True)
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
