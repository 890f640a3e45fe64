"""Whole chorales and the stream of them, with a network whose probabilities are known."""

from dataclasses import replace
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from chorales import chorale, untrained_bundle
from predictors import Fixed

from config_bach import Composing
from families.base import LoadedModel
from families.registry import family_of
from families.satb.composer import LONGEST_EVENT, REST, SatbComposer, compose, seed_after
from families.satb.encoding import FIRST, HOLD, ORDER, SYMBOLS, Chorale, chorale_of, plan_of, symbol
from families.satb.features import FEATURES, KEY
from families.satb.templates import packed, templates_of
from music.keys import Key
from music.scales import scale_of

BARS = [Fraction(t) for t in range(0, 24, 4)]
CHORD = [symbol(p) for p in (72, 67, 60, 48)]


def even(*symbols: int) -> list[float]:
    """The same chance for each of these symbols."""
    return [1 / len(symbols) if s in symbols else 0.0 for s in range(SYMBOLS)]


def fixed(*voices: list[float]) -> Fixed:
    return Fixed(*voices, order=ORDER)


def model_of(predictor: Fixed, templates: list[Chorale], music: bytes = b"") -> LoadedModel:
    bundle = untrained_bundle(2, 2).with_metadata(templates=templates_of(templates))
    return LoadedModel(replace(bundle, music=music), family_of(5), predictor, "none")


def test_a_chorale_has_the_plan_of_its_template() -> None:
    templates = [chorale(i, bars=6 + i) for i in range(4)]
    model = model_of(fixed(*(even(s, HOLD) for s in CHORD)), templates)
    for seed in range(8):
        piece, plan = compose(model, Composing(seed=seed))
        template = next(t for t in templates if piece.name == f"on the template of {t.name}")
        assert plan.name == template.name
        assert (piece.plan == template.plan).all()
        assert (compose(model, Composing(seed=seed))[0].symbols == piece.symbols).all()
    assert (compose(model, Composing(seed=99))[0].symbols[:96] != piece.symbols[:96]).any()


def test_a_prime_is_heard_before_and_does_not_stand_in_the_piece() -> None:
    template, prime = chorale(1), chorale(2)
    predictor = fixed(*(even(s) for s in CHORD))
    piece, _ = compose(model_of(predictor, [template]), Composing(seed=1), None, prime)
    assert piece.name == "after chorale 2"
    assert len(piece) == len(template)
    assert (piece.symbols == CHORD).all()
    assert len(predictor.rows) == len(prime) + len(template)
    heard = np.stack([rows[0] for rows in predictor.rows])
    assert (heard[: len(prime), FEATURES:] == prime.plan).all()
    assert (heard[len(prime), :4] != CHORD).any()
    assert (heard[len(prime) + 1, :4] == CHORD).all()


def test_a_chorale_copies_no_more_than_the_family_allows_unless_told() -> None:
    known = Chorale("known", np.array([CHORD] * 96, np.int16), plan_of(96))
    likely = [[0.0] * SYMBOLS for _ in range(4)]
    for p, s in zip(likely, CHORD, strict=True):
        p[s], p[s + 1] = 0.99, 0.01
    model = model_of(fixed(*likely), [chorale(0)], packed([known]))
    assert model.copy_index
    settings = Composing(seed=1, top_p=1.0)
    most = {
        limit: model.copy_index.longest(compose(model, replace(settings, max_copy=limit))[0].events)
        for limit in (None, 8, 200)
    }
    assert most[8].notes <= 8
    assert 8 < most[None].notes <= 20
    assert most[200].notes > 20


def test_a_chorale_is_composed_in_the_key_of_its_plan() -> None:
    """What the network is told of the key is that of the plan from the first step on."""
    template = chorale(1)
    predictor = fixed(*(even(s, HOLD) for s in CHORD))
    _, plan = compose(model_of(predictor, [template]), Composing(seed=4), key=Key(6, minor=True))
    assert plan.key == Key(6, minor=True)
    told = predictor.rows[0][0, KEY]
    assert int(told.argmax()) in (6, 1)  # the tonic or the fifth, as often as in the corpus
    assert told[6] > told[7]


def test_without_a_seed_one_is_drawn() -> None:
    model = model_of(fixed(*(even(s, HOLD) for s in CHORD)), [chorale(1)])
    one, two = (compose(model, Composing())[0] for _ in range(2))
    assert (one.symbols != two.symbols).any()
    assert len({compose(model, Composing())[1].key for _ in range(12)}) > 1
    assert seed_after(5) == seed_after(5) != seed_after(6)


def test_the_temperatures_are_those_of_the_bundle() -> None:
    """At 0 the likeliest comes always."""
    uneven = [0.0] * SYMBOLS
    uneven[CHORD[0]], uneven[CHORD[0] + 2] = 0.6, 0.4
    model = model_of(fixed(uneven, *(even(s) for s in CHORD[1:])), [chorale(1)])
    sopranos = []
    for temperature in (0.0, 1.0):
        known = {"onset": temperature, "pitch": temperature}
        own = replace(model, bundle=model.bundle.with_metadata(temperatures=known))
        sopranos.append(set(compose(own, Composing(seed=1, top_p=1.0))[0].symbols[:60, 0].tolist()))
    assert sopranos == [{CHORD[0]}, {CHORD[0], CHORD[0] + 2}]


# ---- the stream


def test_the_stream_is_chorale_after_chorale_with_a_rest_between() -> None:
    bars = [Fraction(t) for t in (-1, 3, 7, 11, 15, 19, 23)]
    piece = chorale(3)
    plan = plan_of(len(piece), bars, [(Fraction(6), Fraction(7))])
    template = replace(piece, plan=plan)
    predictor = fixed(*(even(s, HOLD) for s in CHORD))
    composer = SatbComposer(model_of(predictor, [template]), Composing(seed=2))
    assert iter(composer) is composer
    predictions = list(islice(composer, 300))
    events = [p.event for p in predictions]
    assert all(len(e.voices) == 4 == len(e.struck) for e in events)
    rests = [i for i, e in enumerate(events) if not e.pitches]
    assert len(rests) > 1
    assert all(events[i].duration == REST / 4 and events[i].beat is None for i in rests)
    one = chorale_of(events[: rests[0]])
    two = chorale_of(events[rests[0] + 1 : rests[1]])
    assert (one.plan == plan).all()
    assert (two.plan == plan).all()
    assert (one.symbols != two.symbols).any()
    assert [p.chosen for p in predictions[: rests[0]]] == [
        CHORD[0] if p.event.struck[0] else HOLD for p in predictions[: rests[0]]
    ]
    assert predictions[0].probabilities == pytest.approx(np.array(even(CHORD[0], HOLD)))


def test_a_piece_of_the_stream_is_the_one_of_its_seed() -> None:
    """And the seed of the next one follows from it."""
    templates = [replace(chorale(i), plan=plan_of(96, BARS)) for i in range(3)]
    model = model_of(fixed(*(even(s, s + 2, HOLD) for s in CHORD)), templates)
    predictions = list(islice(SatbComposer(model, Composing(seed=11)), 400))
    begins = [i for i, p in enumerate(predictions) if p.begins is not None]
    assert [predictions[i].begins for i in begins[:3]] == [
        11,
        seed_after(11),
        seed_after(seed_after(11)),
    ]
    for i, start in enumerate(begins[:2]):
        stop = begins[i + 1] - 1  # the rest
        heard = chorale_of([p.event for p in predictions[start:stop]])
        alone, _ = compose(model, Composing(seed=predictions[start].begins))
        assert (heard.symbols == alone.symbols).all()


def test_the_stream_composes_in_a_key_that_has_the_notes_of_its_scale() -> None:
    """And when the scale changes, from the next event on in the new one."""
    wide = even(HOLD, *range(FIRST, SYMBOLS))
    composer = SatbComposer(
        model_of(fixed(*[wide] * 4), [chorale(1)]), Composing(seed=1, scale="C D E G A")
    )
    for scale in ("C D E G A", "F# G# A# C# D#"):
        composer.settings = Composing(seed=1, scale=scale)
        next(composer)
        events = [next(composer).event for _ in range(20)]
        struck = {p % 12 for e in events for p, s in zip(e.voices, e.struck, strict=True) if s}
        assert struck <= scale_of(scale)


def test_equal_seeds_stream_equal_music() -> None:
    model = model_of(fixed(*(even(s, HOLD) for s in CHORD)), [chorale(1), chorale(2)])
    music = [
        [p.event for p in islice(SatbComposer(model, Composing(seed=seed)), 100)]
        for seed in (1, 1, 2)
    ]
    assert music[0] == music[1] != music[2]


def test_a_chord_that_does_not_end_comes_in_parts() -> None:
    predictor = fixed(*(even(HOLD) for _ in CHORD))
    silent = Chorale("x", chorale(0).symbols, np.zeros((96, 3), np.int16))
    composer = SatbComposer(model_of(predictor, [silent]), Composing(seed=1))
    events = [p.event for p in islice(composer, 3)]
    assert [e.duration for e in events] == [LONGEST_EVENT / 4] * 3
    assert [e.struck[0] for e in events[1:]] == [False, False]


def test_new_settings_hold_from_the_next_event() -> None:
    s, a, t, b = CHORD
    uneven = [0.0] * SYMBOLS
    uneven[s], uneven[s + 1] = 0.6, 0.4
    model = model_of(fixed(uneven, even(a), even(t), even(b)), [chorale(1)])
    composer = SatbComposer(model, Composing(seed=1, top_p=1.0))
    assert {next(composer).chosen for _ in range(30)} == {s, s + 1}
    composer.settings = Composing(seed=1, temperature=0.0)
    next(composer)
    assert {next(composer).chosen for _ in range(30)} == {s}
