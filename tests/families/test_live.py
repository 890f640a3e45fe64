"""Shipped models that hear music while it is played, go on with it, and accompany a voice."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from conftest import ROOT

from config_bach import Composing, Paths, UserError
from families.base import LoadedModel, ModelFamily
from families.events.encoding import EventEncoder
from families.live import Accompanist, LiveComposer, Place, Surprise
from families.registry import families
from families.satb.encoding import pitches
from litert.loading import playing
from music.events import Event
from music.scales import scale_of
from music.sounds import Sound
from storage.bundle import load

STEP = Fraction(1, 4)
MODELS = ("bach2_nc_mo", "bach5_nc_mo", "madrigals6_nc_mo")


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> LoadedModel:
    return playing(load(ROOT / "models" / f"{request.param}.zip"), Paths(ROOT))


@pytest.fixture(scope="module")
def voices() -> LoadedModel:
    return playing(load(ROOT / "models" / "bach5_nc_mo.zip"), Paths(ROOT))


def hear(composer: LiveComposer, melody: list[int], start: Fraction = Fraction(0)) -> Surprise:
    """A melody in quarters, sixteenth after sixteenth; -1 is a rest."""
    heard = Surprise()
    for i, pitch in enumerate(melody):
        for step in range(4):
            sounds = [Sound(1, pitch, 80, step == 0)] if pitch >= 0 else []
            place = Place(start + i + step * STEP)
            heard += composer.hear(Event.of(sounds, STEP), place)
    return heard + composer.settle()


def played(composer: LiveComposer, start: int, until: int) -> list[Event]:
    time, events = Fraction(start), []
    while time < until:
        event, _ = composer.next(Place(time))
        events.append(event)
        time += event.duration
    return events


def live(model: LoadedModel, **settings: object) -> LiveComposer:
    return model.family.live(model, Composing(**{"seed": 3, **settings}))  # type: ignore[arg-type]


MELODY = [67, 69, 71, 72, 71, 69, 67, -1]


def test_it_hears_sixteenths(model: LoadedModel) -> None:
    assert {0, STEP, 2 * STEP, 3 * STEP} <= set(live(model).grid)


def test_the_same_seed_and_the_same_call_give_the_same_answer(model: LoadedModel) -> None:
    answers = []
    for call in (MELODY, MELODY, [60, 60, 62, 64, 65, 64, 62, 60]):
        composer = live(model)
        hear(composer, call)
        answers.append(played(composer, 8, 16))
    assert answers[0] == answers[1]
    assert answers[0] != answers[2], "the call is heard"


def test_a_copy_goes_on_by_itself(model: LoadedModel) -> None:
    composer = live(model)
    hear(composer, MELODY)
    twin = composer.copy()
    first = played(composer, 8, 16)
    assert played(twin.copy(), 8, 16) == first
    twin.reseed(99)
    assert played(twin, 8, 16) != first
    assert played(composer, 16, 24) != first


def test_what_it_plays_lasts_and_stands_where_it_should(model: LoadedModel) -> None:
    composer = live(model)
    hear(composer, MELODY)
    time = Fraction(8)
    for event in played(composer, 8, 24):
        assert event.duration > 0
        assert event.beat == time % 4
        time += event.duration


def test_a_wrong_note_surprises_more_than_one_that_fits(model: LoadedModel) -> None:
    known = model.metadata["primes"][0]
    from music.events import from_json

    events = from_json(known["events"])[:40]
    figures = []
    for wrong in (False, True):
        composer, time, heard = live(model), Fraction(0), Surprise()
        for i, event in enumerate(events):
            shift = 1 if wrong and i % 3 == 2 else 0
            plain = event.sounds or [Sound(1, p, 90) for p in event.pitches]
            sounds = [replace(s, pitch=s.pitch + shift) for s in plain]
            for step in range(max(round(event.duration / STEP), 1)):
                now = sounds if step == 0 else [replace(s, struck=False) for s in sounds]
                heard += composer.hear(Event.of(now, STEP), Place(time))
                time += STEP
        figures.append((heard + composer.settle()).per_note or 0.0)
    assert figures[0] + 0.5 < figures[1]


def test_only_notes_of_the_key_are_played(model: LoadedModel) -> None:
    composer = live(model, scale="D major")
    hear(composer, MELODY)
    events = played(composer, 8, 24)
    assert {p % 12 for e in events for p in e.pitches} <= scale_of("D major")


def test_a_model_begins_also_where_nobody_has_played(model: LoadedModel) -> None:
    assert any(e.pitches for e in played(live(model), 0, 8))


def test_notes_beyond_all_that_was_learned_do_no_harm(model: LoadedModel) -> None:
    composer = live(model)
    heard = hear(composer, [0, 127, 13, 120])
    cluster = Event.of([Sound(1, p, 90) for p in range(40, 90)], STEP)
    heard += composer.hear(cluster, Place(Fraction(4)))
    heard += composer.hear(Event.of([Sound(0, 38, 90)], STEP), Place(Fraction(17, 4), Fraction(3)))
    assert heard.nats > 0
    assert played(composer, 5, 7)


def test_a_family_says_in_a_sentence_that_it_cannot() -> None:
    for family in families():
        if type(family).live is ModelFamily.live:
            with pytest.raises(UserError, match="cannot play together"):
                family.live(None, Composing())  # type: ignore[arg-type]


# ---- events


def test_steps_become_the_events_that_were_played() -> None:
    model = playing(load(ROOT / "models" / "bach2_nc_mo.zip"), Paths(ROOT))
    composer = live(model)
    given: list[Event] = []
    sampler = composer._sampler  # type: ignore[attr-defined]

    def give(event: Event) -> float:
        given.append(event)
        return 0.0

    sampler.give = give
    hear(composer, [60, 62, 62, -1, -1, 64])
    sizes = [(e.pitches, float(e.duration)) for e in given]
    assert sizes == [((62,), 1), ((62,), 1), ((), 2), ((64,), 1)], "the first one begins"
    assert EventEncoder(model.vocabulary).encode(given).shape[0] == 4


# ---- four voices


def accompanist(model: LoadedModel, voice: int = 0) -> Accompanist:
    composer = model.family.live(model, Composing(seed=3), voice)
    assert isinstance(composer, Accompanist)
    return composer


@pytest.mark.parametrize("voice", range(4))
def test_the_other_three_voices_are_played_and_never_the_given_one(
    voices: LoadedModel, voice: int
) -> None:
    composer = accompanist(voices, voice)
    melody = [p - 7 * voice for p in MELODY[:-1]]
    sounding: set[int] = set()
    for i, pitch in enumerate(melody):
        for step in range(4):
            event, _ = composer.plan(Place(i + step * STEP), sounding=i > 0)
            if step == 0:
                event = composer.correct(pitch, ())
            assert event.voices[voice] == -1
            assert not event.struck[voice]
            sounding |= {v for v, p in enumerate(event.voices) if p >= 0}
    assert sounding == set(range(4)) - {voice}


def test_voices_that_have_struck_stay_when_the_melody_moves(voices: LoadedModel) -> None:
    composer = accompanist(voices)
    composer.plan(Place(Fraction(0)), sounding=False)
    first = composer.correct(67, ())
    for pitch in (68, 69, 70):
        again = composer.correct(pitch, {3})
        assert again.voices[3] == first.voices[3]


def test_the_melody_is_part_of_what_it_remembers(voices: LoadedModel) -> None:
    composer = accompanist(voices)
    for i, pitch in enumerate(MELODY[:4]):
        for step in range(4):
            composer.plan(Place(i + step * STEP), sounding=True)
            if step == 0:
                composer.correct(pitch, ())
    composer.plan(Place(Fraction(4)), sounding=True)
    heard = composer._sampler.sounding  # type: ignore[attr-defined]
    assert pitches_of(heard)[0] == MELODY[3]


def pitches_of(symbols: list[int]) -> list[int]:
    import numpy as np

    found: list[int] = pitches(np.array([symbols], np.int16))[0].tolist()
    return found


def test_a_phrase_that_ends_is_planned_as_under_a_fermata() -> None:
    from families.satb.live import plan_at

    ends = [plan_at(Place(Fraction(8), left=Fraction(n)))[2] for n in (4, 3, 2, 1)]
    assert ends == [4, 3, 2, 1]
    assert plan_at(Place(Fraction(9)))[2] == 0
    positions = [plan_at(Place(Fraction(n, 4), Fraction(3)))[0] for n in range(13)]
    assert positions == [*range(1, 13), 1]
    assert all(b > a for a, b in pairwise(positions[:12]))
