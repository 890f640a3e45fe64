"""The shipped drums hear what is struck while it is struck, and go on with it."""

from fractions import Fraction

import pytest
from conftest import ROOT

from config_bach import DEFAULT_PROGRAM, Composing, Paths
from duet.casting import Cast, Role
from duet.clock import InternalClock
from duet.dispatcher import Dispatcher
from duet.settings import Together
from families.base import LoadedModel
from families.drums.encoding import KINDS, QUARTER, SILENT, onset
from families.drums.kit import NAMES
from families.drums.live import DrumLive, slot_of, symbols_of
from families.live import Place, Surprise
from litert.loading import playing
from music.events import Event
from music.sounds import DRUMS, Sound
from storage.bundle import load

KICK, SNARE, HAT = 36, 38, 42
ROCK = {slot: [HAT] for slot in range(0, 24, 3)}  # eighths
ROCK |= {0: [KICK, HAT], 6: [SNARE, HAT], 12: [KICK, HAT], 18: [SNARE, HAT]}
ODD = {1: [64], 5: [54, 49], 7: [50], 11: [KICK], 16: [SNARE, 39], 20: [KICK], 23: [56]}


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return playing(load(ROOT / "models" / "drums4_nc_mo.zip"), Paths(ROOT))


def live(model: LoadedModel, seed: int = 3) -> DrumLive:
    composer = model.family.live(model, Composing(seed=seed))
    assert isinstance(composer, DrumLive)
    return composer


def hear(
    composer: DrumLive, bars: int, pattern: dict[int, list[int]], program: int = DRUMS
) -> Surprise:
    heard = Surprise()
    for bar in range(bars):
        for slot in range(24):
            sounds = [Sound(program, note, 100) for note in pattern.get(slot, ())]
            lasts = onset(slot + 1) - onset(slot)
            heard += composer.hear(Event.of(sounds, lasts), Place(4 * bar + onset(slot)))
    return heard


def played(composer: DrumLive, start: int, bars: int = 2) -> list[Event]:
    return [
        composer.next(Place(start + 4 * bar + onset(slot)))[0]
        for bar in range(bars)
        for slot in range(24)
    ]


def test_it_answers_with_drums_step_after_step_as_the_call_and_the_seed_are(
    model: LoadedModel,
) -> None:
    answers = []
    for call, seed in ((ROCK, 3), (ROCK, 3), (ODD, 3), (ROCK, 4)):
        composer = live(model, seed)
        hear(composer, 2, call)
        answers.append(played(composer, 8))
    assert answers[0] == answers[1]
    assert answers[0] != answers[2], "the call is heard"
    assert answers[0] != answers[3]
    assert any(e.sounds for e in answers[0])
    assert all(s.drum for e in answers[0] for s in e.sounds)
    lasts = [onset(i + 1) - onset(i) for i in range(6)]
    assert [e.duration for e in answers[0]] == lasts * 8
    assert composer.grid == QUARTER


def test_notes_of_a_pad_that_sends_them_as_a_piano_are_percussion(model: LoadedModel) -> None:
    surprises = [hear(live(model), 2, ROCK, program) for program in (DRUMS, 1)]
    assert surprises[0] == surprises[1]
    assert surprises[0].notes == 2 * 12


def test_a_pattern_that_comes_again_surprises_less_than_an_odd_one(model: LoadedModel) -> None:
    rock, odd = (hear(live(model), 4, pattern).per_note or 0.0 for pattern in (ROCK, ODD))
    assert 0 < rock < odd / 3


def test_what_it_plays_has_a_surprise_of_its_own(model: LoadedModel) -> None:
    composer = live(model)
    hear(composer, 2, ROCK)
    for slot in range(24):
        event, surprise = composer.next(Place(8 + onset(slot)))
        assert surprise.notes == len(event.sounds)
        assert surprise.nats > 0
    assert composer.settle() == Surprise()


def test_a_copy_goes_on_by_itself(model: LoadedModel) -> None:
    composer = live(model)
    hear(composer, 1, ODD)
    twin, other = composer.copy(), composer.copy()
    first = played(composer, 4)
    assert played(twin, 4) == first
    other.reseed(99)
    assert played(other, 4) != first
    other.settings = Composing(temperature=0.0)
    assert composer.settings.temperature == 1.0


def test_only_strokes_that_are_known_are_heard_the_loudest_of_each_kind() -> None:
    sounds = [Sound(DRUMS, 35, 30), Sound(DRUMS, 36, 120), Sound(1, 3, 90), Sound(1, 38, 64, False)]
    symbols = symbols_of(Event.of(sounds, Fraction(1, 4)))
    assert symbols[NAMES.index("kick")] == 5
    assert [s for s in symbols if s != SILENT] == [5]
    assert len(symbols) == KINDS


def test_places_are_counted_in_bars_of_any_length() -> None:
    assert slot_of(Place(Fraction(13, 3))) == (1, 2, 24)
    assert slot_of(Place(Fraction(7), Fraction(3))) == (2, 6, 18)


def test_who_plays_with_drums_alone_is_a_drummer_too() -> None:
    paths = Paths(ROOT)
    person = Role("person", "person")
    drums, voices = (Role("model", n, n) for n in ("drums4_nc_mo", "bach5_nc_mo"))
    found = []
    for roles in ([person, drums], [person, drums, voices]):
        cast = Cast(roles, lambda path: playing(load(path), paths), paths)
        dispatcher = Dispatcher(InternalClock(120))
        session = cast.session(Together(), 1, dispatcher, {"": []})
        found.append([p.part.program for p in session.players])
    assert found[0] == [DRUMS, DRUMS]
    assert found[1][:2] == [DEFAULT_PROGRAM, DRUMS]
    low, high = Cast([drums], lambda path: playing(load(path), paths), paths).ranges()[
        "drums4_nc_mo"
    ]
    assert 0 < low < high < 10
