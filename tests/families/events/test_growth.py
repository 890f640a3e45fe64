"""A network whose vocabulary grows: what it knew stays, what is new begins as what it is made of."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from conftest import tune

from config_bach import Encoding, Network
from families import metrics
from families.base import ModelFamily
from families.events.encoding import learn_vocabulary, pitch_features
from families.events.growth import (
    features_made_of,
    grown_vocabulary,
    joined,
    mean_along,
    nearest_chords,
    nearest_number,
)
from families.registry import family_of
from litert.keras_runner import network_of
from music.events import Event, Piece
from storage.bundle import Bundle
from storage.vocabulary import Vocabulary

OLD = [tune(55, 40), tune(57, 45)]
ENCODING = Encoding(transpose=1)


def leap(start: int) -> Piece:
    """Other notes, far away as well, and other durations: a fifth, a ninth, a bass far below."""
    pitches = [(start,), (start + 7,), (start - 30,), (start, start + 14), ()] * 6
    return Piece(f"leap{start}", tuple(Event(p, Fraction(1, 3), 40) for p in pitches))


NEW = [leap(66), leap(68)]


def bundle_of(number: int, encoding: Encoding = ENCODING) -> Bundle:
    """An untrained network that knows the old pieces, with weights that are not zero anywhere."""
    network = Network(model_type=number, units=6, embedding=4, seqlen=6)
    vocabulary = learn_vocabulary(OLD, encoding, with_duration=number == 2)
    family = family_of(number)
    bundle = Bundle("old", vocabulary, network, family.training, {})
    model, rng = family.build(bundle), np.random.default_rng(1)
    known = pitch_features(vocabulary)
    weights = [
        w if w.shape == known.shape and (w == known).all() else w + rng.normal(0, 0.3, w.shape)
        for w in model.get_weights()
    ]
    return replace(bundle, weights=[w.astype(np.float32) for w in weights])


def probabilities(family: ModelFamily, bundle: Bundle, pieces: Sequence[Piece]) -> list[Any]:
    """Of each head, through all pieces."""
    sequences, network = family.sequences(pieces, bundle), network_of(bundle)
    return [heads for _, heads in metrics.forward(family, network, sequences, 999)]


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 3])
def test_among_the_symbols_that_it_knew_nothing_changes(number: int) -> None:
    """Whatever is added, also lower and higher pitches than it ever saw."""
    family, bundle = family_of(number), bundle_of(number)
    grown = family.adapted(bundle, NEW)
    assert len(grown.vocabulary.fields[0].symbols) > len(bundle.vocabulary.fields[0].symbols)
    before, after = (probabilities(family, b, OLD) for b in (bundle, grown))
    for one, other in zip(before, after, strict=True):
        for p, q in zip(one, other, strict=True):
            known = q[:, : p.shape[1]]
            np.testing.assert_allclose(p, known / known.sum(1, keepdims=True), atol=2e-5)
            assert (q[:, p.shape[1] :] > 0).all()


@pytest.mark.slow
def test_a_new_symbol_begins_as_the_mean_of_those_that_are_most_like_it() -> None:
    bundle = bundle_of(3)
    grown = family_of(3).adapted(bundle, NEW)
    count = len(bundle.vocabulary.fields[0].symbols)
    for i, parts in enumerate(nearest_chords(grown.vocabulary, count)):
        mean = bundle.weights[0][list(parts)].mean(0)
        np.testing.assert_allclose(grown.weights[0][count + i], mean, rtol=1e-5)


@pytest.mark.slow
def test_what_is_known_already_changes_nothing() -> None:
    bundle = bundle_of(2)
    same = family_of(2).adapted(bundle, [replace(OLD[0], name="again")])
    assert same.vocabulary.fields == bundle.vocabulary.fields
    for a, b in zip(same.weights, bundle.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_tokens_stay_and_new_ones_follow() -> None:
    old = learn_vocabulary(OLD, ENCODING, with_duration=True)
    new = grown_vocabulary(old, NEW)
    for a, b in zip(old.fields, new.fields, strict=True):
        assert b.symbols[: len(a.symbols)] == a.symbols
        assert len(set(b.symbols)) == len(b.symbols)
    assert {"F#4", "R", "F#4.G#5"} <= set(new.fields[0].symbols)
    assert new.fields[1].symbols[-1] == "1/3"
    assert new.velocity == 40
    assert (new.encoding, new.octave) == (old.encoding, old.octave)


def test_what_is_too_rare_is_counted_behind_the_question_mark() -> None:
    old = learn_vocabulary(OLD, replace(ENCODING, transpose=0), with_duration=True)
    once = Piece("once", tuple(Event((p,), Fraction(1)) for p in (90, 91, 92, 92)))
    pitch = grown_vocabulary(old, [once]).fields[0]
    assert pitch.symbols == (*old.fields[0].symbols, "G#6")
    assert pitch.rare == old.fields[0].rare + 2


def test_a_chord_is_like_those_that_share_its_notes() -> None:
    words = ("?", "C4", "C4.E4", "E4.G4", "B2", "C4.E4.G4")
    vocabulary = learn_vocabulary(OLD, ENCODING, with_duration=False)
    fields = (replace(vocabulary.fields[0], symbols=words),)
    (nearest,) = nearest_chords(replace(vocabulary, fields=fields), 5)
    assert set(nearest[:2]) == {2, 3}
    assert nearest[2] == 1


@pytest.mark.parametrize(
    ("wanted", "nearest"), [("1/3", "0.25"), ("3", "4"), ("16", "4"), ("0.45", "0.5")]
)
def test_a_number_is_like_the_one_that_is_nearest_by_ratio(wanted: str, nearest: str) -> None:
    known = ["1", "0.25", "0.5", "4"]
    assert known[nearest_number(known, wanted)] == nearest


def test_a_pitch_out_of_reach_begins_as_one_of_its_class() -> None:
    def knows(*words: str) -> Vocabulary:
        made = learn_vocabulary(OLD, ENCODING, with_duration=False)
        return replace(made, fields=(replace(made.fields[0], symbols=("?", *words)),))

    old = knows("C4", "B4")  # MIDI 60 to 71
    new = knows("C4", "B4", "D2", "G6")  # 38 to 91
    parts = features_made_of(old, new)
    assert parts[38 - 38] == (2,)  # D2 as D4
    assert parts[91 - 38] == (7,)  # G6 as G4
    assert parts[60 - 38] == (0,)
    assert parts[-12:] == [(12 + i,) for i in range(12)]
    narrow = features_made_of(knows("C4", "D4"), knows("C4", "D4", "G6"))
    assert narrow[91 - 60] == (0,)  # no G there: an end


def test_axes_are_joined_end_to_end() -> None:
    assert joined([[(0,), (1,), (0, 1)], [(0,)], [(1,), (0,)]]) == [
        (0,),
        (1,),
        (0, 1),
        (2,),
        (4,),
        (3,),
    ]


def test_means_are_taken_along_an_axis() -> None:
    value = np.array([[1.0, 2.0], [3.0, 6.0]], np.float32)
    np.testing.assert_array_equal(
        mean_along(value, 1, [(0,), (1,), (0, 1)]), [[1, 2, 1.5], [3, 6, 4.5]]
    )
    np.testing.assert_array_equal(mean_along(value, 0, [(1,), (0, 1)]), [[3, 6], [2, 4]])
