"""The judge of chorales, on music whose distances are known, and on Bach."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from chorales import chorale, untrained_bundle
from predictors import Fixed

from config_bach import UserError
from evaluation.judge import (
    FEATURES,
    SILENT,
    SIMILARITY,
    Described,
    Grade,
    Judge,
    grid_of,
    judge_of,
    medians,
    ranked,
    similarity,
    wasserstein,
)
from evaluation.shuffled import shuffled_bars, shuffled_pitches
from families.base import LoadedModel
from families.registry import family_of
from families.satb.encoding import Chorale
from families.satb.templates import packed
from music.events import Event
from music.keys import Key


def led(*chords: Sequence[int], length: str = "1", ends: Sequence[int] = ()) -> list[Event]:
    """Chords of four voices, every note struck; those numbered in ends stand under a fermata."""
    return [
        Event(
            tuple(sorted({p for p in chord if p >= 0})),
            Fraction(length),
            90,
            tuple(chord),
            tuple(p >= 0 for p in chord),
            None,
            i in ends,
        )
        for i, chord in enumerate(chords)
    ]


TONIC, FOURTH, DOMINANT = (72, 67, 64, 48), (72, 69, 65, 53), (71, 67, 62, 43)
PIECE = led(TONIC, FOURTH, DOMINANT, TONIC, FOURTH, DOMINANT, TONIC)


def told(piece: Sequence[Event], feature: str) -> Counter[object]:
    return Described(piece).histograms[feature]


# ---- distances


@pytest.mark.parametrize(
    ("found", "corpus", "distance"),
    [
        ({0: 1}, {0: 5}, 0),
        ({0: 1}, {3: 1}, 3),
        ({3: 2}, {0: 7}, 3),
        ({0: 1, 1: 1}, {0: 1}, 0.5),
        ({0: 1, 4: 1}, {2: 1}, 2),
        ({}, {}, 0),
    ],
)
def test_a_distribution_is_as_far_as_it_must_be_moved(
    found: dict[int, int], corpus: dict[int, int], distance: float
) -> None:
    assert wasserstein(Counter(found), Counter(corpus)) == pytest.approx(distance)


def test_values_without_order_stand_by_how_often_the_corpus_has_them() -> None:
    corpus = Counter({"b": 5, "a": 3, "c": 1})
    found = Counter({"a": 2, "x": 4, "y": 1})
    assert ranked(found, corpus) == (
        Counter({1: 2, 4: 4, 3: 1}),  # what the corpus lacks comes last, the rarest first
        Counter({0: 5, 1: 3, 2: 1}),
    )


def test_something_rare_costs_more_than_something_common() -> None:
    corpus = Counter({"usual": 6, "second": 3, "rare": 1})

    def distance(found: str) -> float:
        return wasserstein(*ranked(Counter({found: 1}), corpus))

    assert distance("usual") < distance("rare") < distance("unknown")


# ---- what a piece is made of


def test_a_piece_becomes_pitches_by_sixteenths_and_where_notes_begin() -> None:
    rest = Event((60,), Fraction(1, 2), 90, (-1, 60, -1, -1), (False, True, False, False))
    held = replace(rest, struck=(False,) * 4)
    pitches, struck = grid_of([rest, held, rest])
    assert pitches[:, 1].tolist() == [60] * 6
    assert (pitches[:, [0, 2, 3]] == SILENT).all()
    assert np.flatnonzero(struck[:, 1]).tolist() == [0, 4]
    assert np.flatnonzero(struck[:, 0]).tolist() == [0]  # a rest is one, and begins once


def test_notes_are_weighed_by_their_length_above_the_tonic() -> None:
    piece = PIECE + led((79, 74, -1, 55), length="2")
    described = Described(piece)
    assert described.key == Key(0)
    degrees = described.histograms["notes"]
    assert degrees[None] == 8
    assert degrees[7] == 4 * (3 + 2 * 2) + 16
    assert degrees.total() == 4 * (7 * 4 + 2 * 4)
    moved = [replace(e, voices=tuple(v + 2 for v in e.voices)) for e in PIECE]
    assert told(moved, "notes") == told(PIECE, "notes")


def test_rhythm_is_the_lengths_of_notes_and_rests() -> None:
    piece = led(TONIC) + led(FOURTH, length="2") + led((-1, 67, 64, 48), length="1/2")
    assert told(piece, "rhythm") == {4: 4, 8: 4, 2: 4}


def test_harmony_is_the_quality_of_each_chord() -> None:
    piece = led(TONIC, FOURTH, (71, 65, 62, 43), (68, 63, 60, 48), (-1,) * 4)
    assert told(piece, "harmony") == {"major": 3, "dominant seventh": 1}
    assert told(led((-1,) * 4), "harmony") == {"other": 1}


def test_intervals_are_directed_and_rests_between_break_them() -> None:
    piece = led((72, 67, 64, 48), (74, 65, 64, 43), (-1, 67, 64, 48), (71, 67, 64, 48))
    assert told(piece, "intervals, soprano") == {2: 1}
    assert told(piece, "intervals, alto") == {-2: 1, 2: 1, 0: 1}
    assert told(piece, "intervals, bass") == {-5: 1, 5: 1, 0: 1}


@pytest.mark.parametrize(
    ("chords", "found"),
    [
        (((72, 67, 64, 48), (74, 67, 64, 50)), {"octaves": 1}),
        (((67, 64, 60, 48), (69, 64, 60, 50)), {"fifths": 1}),
        (((67, 64, 60, 48), (74, 64, 60, 43)), {"fifths": 1}),  # contrary motion
        (((67, 64, 60, 48), (67, 65, 60, 48)), {}),  # nobody moves
        (((67, 64, 60, 48), (69, 64, 60, 48)), {}),  # one moves
        (((67, 64, 60, 48), (67, 64, 60, 48)), {}),  # struck again
        (((67, 64, 60, 48), (69, 65, 60, 49)), {}),
        (((-1, 64, 60, 48), (74, 64, 60, 50)), {}),
    ],
)
def test_parallels_are_fifths_and_octaves_that_move(
    chords: tuple[Sequence[int], Sequence[int]], found: dict[str, int]
) -> None:
    assert told(led(*chords), "parallels") == found


def test_parallels_after_the_end_of_a_phrase_do_not_count() -> None:
    chords = ((72, 67, 64, 48), (74, 67, 64, 50), (72, 67, 64, 48))
    assert told(led(*chords), "parallels") == {"octaves": 2}
    assert told(led(*chords, ends=[0]), "parallels") == {"octaves": 1}


def test_voices_that_move_one_after_the_other_make_no_parallels() -> None:
    late = led((72, 67, 64, 48), (74, 67, 64, 48), (74, 67, 64, 50))
    struck = [(True,) * 4, (True, False, False, False), (False, False, False, True)]
    piece = [replace(e, struck=s) for e, s in zip(late, struck, strict=True)]
    assert told(piece, "parallels") == {}


def test_sequences_that_a_voice_repeats_count_by_their_length() -> None:
    tune = (0, 2, 4, 9, 0, 2, 4)
    again = led(*[(72 + s, 60 + i, 48 + i, 36 + i) for i, s in enumerate(tune)])
    assert told(again, "repeated sequences") == {12: 2}
    assert told(led(TONIC), "repeated sequences") == {}


def test_self_similarity_is_how_many_voices_are_the_same_some_time_later() -> None:
    pitches = np.array([[72, 67, 64, 48], [72, 67, 64, 50], [72, 67, 65, 48]], np.int16)
    # lag 0: 4 voices; lag 1: 3 and 2; lag 2: 3
    assert similarity(pitches) == {80: 1, 50: 1, 60: 1}


# ---- grades


def test_the_corpus_itself_is_near_and_nothing_is_nearer_than_an_only_piece_to_itself() -> None:
    grade = Judge([PIECE]).grade(PIECE)
    assert grade.total == pytest.approx(0)
    assert set(grade.features) == {*FEATURES, SIMILARITY}


def test_the_grade_is_the_sum_without_self_similarity() -> None:
    grade = Grade({**dict.fromkeys(FEATURES, 1.0), SIMILARITY: 100.0})
    assert grade.total == len(FEATURES) == 9


def test_keys_do_not_matter() -> None:
    judge = Judge(chorale(i).events for i in range(4))
    for semitones in (-3, 2):
        moved = chorale(5).transposed(semitones)
        assert judge.grade(moved.events).total == pytest.approx(
            judge.grade(chorale(5).events).total
        )


def test_major_and_minor_are_compared_with_their_own() -> None:
    minor = led(*[tuple(p - (p % 12 in (4, 9, 11)) for p in e.voices) for e in PIECE])
    judge = Judge([PIECE, minor])
    assert Described(minor).key.minor
    assert judge.grade(minor).features["notes"] == pytest.approx(0)
    assert judge.grade(PIECE).features["notes"] == pytest.approx(0)
    assert judge.grade(minor).features["rhythm"] == pytest.approx(0)
    only = Judge([PIECE])  # of a mode that the corpus lacks the whole corpus tells
    assert only.grade(minor).features["notes"] > 0.5


def test_a_piece_without_parallels_costs_nothing_and_one_with_many_the_more() -> None:
    corpus = led(*[TONIC, FOURTH] * 10, (74, 67, 64, 50), TONIC)
    judge = Judge([corpus])
    few, many = (
        led(*[TONIC, FOURTH] * 4, *[(74, 67, 64, 50), TONIC] * n, (74, 69, 64, 52)) for n in (1, 4)
    )
    grades = [judge.grade(p).features["parallels"] for p in (led(TONIC), few, many)]
    assert grades[0] == 0
    assert grades == sorted(grades)


def test_parallels_weigh_by_how_much_more_often_than_in_the_corpus_they_come() -> None:
    """Three octaves and a fifth in 28 notes; a single fifth in 8."""
    octaves = ((72, 67, 64, 48), (74, 67, 64, 50)) * 2
    fifth = ((67, 64, 60, 48), (69, 64, 60, 50))
    corpus = led(*octaves) + led((67, 64, 60, 48), *fifth)
    assert told(corpus, "parallels") == {"octaves": 3, "fifths": 1}
    grade = Judge([corpus]).grade(led(*fifth))
    often = (1 / 8) / (4 / 28)
    assert grade.features["parallels"] == pytest.approx(often * 0.75)


def test_medians_are_of_each_feature_and_of_the_grades() -> None:
    grades = [Grade({**dict.fromkeys(FEATURES, x), SIMILARITY: 2 * x}) for x in (1.0, 2.0, 9.0)]
    found = medians(grades)
    assert found["notes"] == 2
    assert found[SIMILARITY] == 4
    assert found["grade"] == 18


def test_a_judge_needs_pieces() -> None:
    with pytest.raises(ValueError, match="needs pieces"):
        Judge([])


def test_what_was_shuffled_is_told_from_bach(bach: list[Chorale]) -> None:
    """Each piece by a judge who does not know it."""
    rng = np.random.default_rng(0)
    real, bars, mixed = [], [], []
    for i, piece in enumerate(bach):
        judge = Judge(p.events for k, p in enumerate(bach) if k != i)
        real.append(judge.grade(piece.events).total)
        bars.append(judge.grade(shuffled_bars(piece.events, rng)).total)
        mixed.append(judge.grade(shuffled_pitches(piece.events, rng)).total)
    assert np.median(real) < np.median(bars) < np.median(mixed)


# ---- whose judge


def model(number: int, music: bytes) -> LoadedModel:
    bundle = replace(untrained_bundle(2, 2), music=music)
    return LoadedModel(bundle, family_of(number), Fixed(), "none")


def test_a_model_is_judged_by_what_it_learned_from() -> None:
    pieces = [chorale(i) for i in range(3)]
    judge = judge_of(model(5, packed(pieces)))
    again = Judge(p.events for p in pieces)
    assert judge.grade(chorale(7).events) == again.grade(chorale(7).events)


def test_what_cannot_be_graded_is_said_in_a_sentence() -> None:
    with pytest.raises(UserError, match=r"^x\w* does not compose chorales, .* of four voices\.$"):
        judge_of(model(2, b""))
    with pytest.raises(UserError, match=r"does not carry the pieces .* train it anew\.$"):
        judge_of(model(5, b""))
