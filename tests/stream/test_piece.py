"""Pieces: begun anew, played again note for note, by a button or by a link, here or elsewhere."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import ROOT
from live import MODEL, OTHER, hear, opened, until
from players import Offline

from config_bach import Paths, UserError
from families.satb.composer import seed_after
from music.scales import scale_of
from music.synth import RATE
from storage.bundle import load
from stream.messages import Compose
from stream.model_cache import ModelCache
from stream.permalink import LONGEST, link_of, read_link
from stream.piece import MOST_CHANGES, MOST_PIECES, History, Origin, Sampling, StationPiece
from stream.player_settings import PlayerSettings
from stream.station import Station

FOUR = "bach5_nc_mo"
NewContext = Callable[..., Any]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ModelCache:
    return ModelCache(installed(tmp_path_factory))


def installed(factory: pytest.TempPathFactory) -> Paths:
    folder = factory.mktemp("pieces") / "models"
    folder.mkdir()
    for name in (MODEL, FOUR):
        shutil.copy(ROOT / "models" / f"{name}.zip", folder)
    return Paths(folder.parent)


# ---- what is remembered


def piece(seed: int, *samplings: Sampling) -> StationPiece:
    return StationPiece("m:v", seed, samplings or (Sampling(),))


def history(*begun: tuple[int, int]) -> History:
    """Of pieces (onset in seconds, seed)."""
    made = History(piece(begun[0][1] if begun else 0))
    for onset, seed in begun:
        made.take(onset * RATE, Origin("m:v", seed, Sampling()))
    return made


def test_the_present_piece_is_the_one_that_is_heard() -> None:
    made = history((0, 1), (10, 2), (20, 3))
    assert [made.present(s * RATE).seed for s in (0, 9, 10, 19, 99)] == [1, 1, 2, 2, 3]
    assert history().present(0).seed == 0
    assert history((5, 1)).present(0).seed == 1


def test_back_leads_to_the_beginning_and_from_there_to_the_pieces_before() -> None:
    made = history((0, 1), (10, 2), (20, 3))
    young = 3 * RATE
    assert made.back(25 * RATE, young).seed == 3
    made.take(26 * RATE, Origin("m:v", 3, Sampling()))
    assert made.back(27 * RATE, young).seed == 2
    assert made.back(27 * RATE, young).seed == 1  # touched twice, before anything was heard
    assert made.back(27 * RATE, young).seed == 1  # there is none before
    made.take(28 * RATE, Origin("m:v", 1, Sampling()))
    assert made.present(27.5 * RATE).seed == 3
    made.take(38 * RATE, Origin("m:v", 2, Sampling()))
    assert made.back(39 * RATE, young).seed == 1


def test_back_after_a_new_piece_leads_to_what_was_heard_before_it() -> None:
    made = history((0, 1), (10, 2))
    made.new(piece(7), 9 * RATE)  # the second was composed, but not heard
    made.take(11 * RATE, Origin("m:v", 7, Sampling()))
    assert made.present(12 * RATE).seed == 7
    assert made.back(12 * RATE, 3 * RATE).seed == 1


def test_an_event_of_the_piece_before_that_comes_late_changes_nothing() -> None:
    made = history((0, 1))
    made.new(piece(2), RATE)
    made.take(RATE, Origin("m:v", 2, Sampling()))
    made.take(RATE, Origin("m:v", 1, Sampling(9, 0.1)))
    assert made.present(2 * RATE) == piece(2)


def test_changes_are_remembered_with_the_number_of_the_event_and_not_without_end() -> None:
    made = history((0, 1))
    for number, temperature in enumerate((1.0, 1.0, 0.5, 0.5, 0.7), 1):
        made.take(number * RATE, Origin("m:v", 1, Sampling(number, temperature)))
    known = made.present(99 * RATE)
    assert known == piece(1, Sampling(), Sampling(3, 0.5), Sampling(5, 0.7))
    for number in range(100):
        made.take(6 * RATE, Origin("m:v", 1, Sampling(6 + number, number / 100)))
    known = made.present(99 * RATE)
    assert len(known.samplings) == MOST_CHANGES
    assert not known.complete
    for seed in range(100):
        made.take(7 * RATE, Origin("m:v", seed, Sampling()))
    assert len(made._begun) == MOST_PIECES
    assert len(made._begun[-1].before) == MOST_PIECES


# ---- links


def test_a_link_comes_back_as_it_was(models: ModelCache) -> None:
    samplings = (Sampling(0, 0.3, "G major"), Sampling(7, 1.25, ""), Sampling(9, 2, "C Eb G"))
    given = StationPiece(models.label(FOUR), 2**53 - 1, samplings)
    settings = PlayerSettings(
        FOUR, program=20, bass=44, bpm=77.5, temperature=2.0, scale="C Eb G", volume=0.1, room=0.0
    )
    link = link_of(given, settings)
    assert link.startswith("/?piece=9007199254740991&model=bach5_nc_mo%3A")
    assert "volume=" not in link
    assert "alto" not in link
    found = read_link(urlsplit(link).query, models)
    assert found == (replace(settings, volume=PlayerSettings(FOUR).volume), given)


def test_a_short_link_is_enough(models: ModelCache) -> None:
    assert read_link("", models) is None
    assert read_link("model=x&bpm=7", models) is None
    settings, given = read_link(f"piece=7&model={MODEL}", models) or (None, None)
    assert settings == PlayerSettings(MODEL)
    assert given == StationPiece(models.label(MODEL), 7, (Sampling(),))


@pytest.mark.parametrize(
    "query",
    [
        "piece=",
        "piece=x&model=MODEL",
        "piece=-1&model=MODEL",
        "piece=9007199254740992&model=MODEL",
        "piece=1.5&model=MODEL",
        "piece=1&piece=2&model=MODEL",
        "piece=1&model=../../x",
        "piece=1&model=none",
        "piece=1&model=MODEL:int3",
        "piece=1&model=MODEL&bpm=1e9",
        "piece=1&model=MODEL&bpm=nan",
        "piece=1&model=MODEL&bpm=x",
        "piece=1&model=MODEL&program=0",
        "piece=1&model=MODEL&password=x",
        "piece=1&model=MODEL&volume=1",
        "piece=1&model=MODEL&temperature=9",
        "piece=1&model=MODEL&scale=H",
        "piece=1&model=MODEL&changes=1",
        "piece=1&model=MODEL&changes=1:2",
        "piece=1&model=MODEL&changes=x:1:",
        "piece=1&model=MODEL&changes=5:9:",
        "piece=1&model=MODEL&changes=5:1:H",
        "piece=1&model=MODEL&changes=5:1:;5:0.5:",
        "piece=1&model=MODEL&changes=0:1:",
        "piece=1&model=MODEL&changes=%FF",
        "piece=1" + "&x=1" * 50,
        "piece=1&scale=" + "C" * LONGEST,
    ],
)
def test_a_link_that_makes_no_sense_is_refused_in_a_sentence(
    models: ModelCache, query: str
) -> None:
    with pytest.raises(UserError):
        read_link(query.replace("MODEL", MODEL), models)


# ---- the same notes


def told(events: list[Any]) -> list[Any]:
    return [x.predicted.event for x in events]


def played(models: ModelCache, given: StationPiece, count: int, **settings: Any) -> list[Any]:
    last = given.samplings[-1]
    known = PlayerSettings(
        models.choice(given.model), temperature=last.temperature, scale=last.scale, **settings
    )
    player = Offline(models, known, given.seed, samplings=given.samplings)
    return player.events(count)


def remembered(events: list[Any], seed: int) -> StationPiece:
    """The last piece of that seed, as a station remembers it."""
    made = History(piece(seed))
    for x in events:
        made.take(x.onset, x.predicted.origin)
    return made.present(10**12)


@pytest.mark.slow
@pytest.mark.parametrize("model", [MODEL, FOUR])
def test_the_same_notes_come_again_though_settings_changed_in_between(
    models: ModelCache, model: str
) -> None:
    """Temperature and scale, at any time; in another process than where they were changed; and though
    the machine was busy."""
    player = Offline(models, PlayerSettings(model, bpm=200.0), seed=11)
    for i in range(6):
        player.sound(0.7)
        changes: list[dict[str, Any]] = [
            {"temperature": 0.4},
            {"scale": "G major"},
            {"bpm": 120.0},
            {"temperature": 1.5},
        ]
        player.producer.change(replace(player.producer.settings, **changes[i % 4]))
        player.pool.load = 1.0 if i % 2 else 0.0
    events = [x for block in player.blocks for x in block.events]
    known = remembered(events, 11)
    assert len(known.samplings) >= 4
    again = played(models, known, len(events))
    assert told(again) == told(events)
    assert [x.predicted.origin for x in again] == [x.predicted.origin for x in events]
    plain = played(models, replace(known, samplings=known.samplings[:1]), len(events))
    assert told(plain) != told(events)


@pytest.mark.slow
def test_a_chorale_comes_of_its_own_seed(models: ModelCache) -> None:
    """Also the second one, whose seed comes of that of the first."""
    player = Offline(models, PlayerSettings(FOUR, bpm=240.0), seed=5)
    events: list[Any] = player.events(150)
    begins = [i for i, x in enumerate(events) if x.predicted.origin.sampling.first == 0]
    seeds = [events[i].predicted.origin.seed for i in begins]
    assert seeds[:2] == [5, seed_after(5)]
    second = events[begins[1] : begins[2] if len(begins) > 2 else None]
    known = remembered(second, seeds[1])
    assert told(played(models, known, len(second))) == told(second)
    assert [e.event.pitches for e in (x.predicted for x in events[: begins[1]])][-1] == ()


@pytest.mark.slow
def test_what_was_fixed_ends_when_somebody_changes_it(models: ModelCache) -> None:
    samplings = (Sampling(0, 0.5), Sampling(6, 1.0), Sampling(900, 1.5))
    player = Offline(models, PlayerSettings(MODEL, temperature=1.5), 3, samplings=samplings)
    player.events(10)
    player.producer.change(replace(player.producer.settings, temperature=0.2))
    events = player.events(40)
    temperatures = [x.predicted.origin.sampling.temperature for x in events]
    assert temperatures[:10] == [0.5] * 6 + [1.0] * 4
    assert temperatures[-1] == 0.2
    assert set(temperatures) == {0.5, 1.0, 0.2}


@pytest.mark.slow
def test_a_new_piece_cuts_the_present_event_short(models: ModelCache) -> None:
    player = Offline(models, PlayerSettings(MODEL, bpm=30.0), seed=1)
    player.sound(1)
    first = len(player.blocks)
    player.producer.compose(Compose(1, player.producer.settings, 77))
    player.sound(0.2)
    events: list[Any] = list(player.blocks[first].events)
    (event,) = [x for x in events if x.predicted.origin.sampling.first == 0]
    assert event.predicted.origin.seed == 77
    assert event.onset == player.blocks[first].frame


@pytest.mark.slow
def test_only_notes_of_the_scale_are_composed(models: ModelCache) -> None:
    for model in (MODEL, FOUR):
        player = Offline(models, PlayerSettings(model, bpm=240.0, scale="E major"), seed=2)
        events = told(player.events(60))
        assert {p % 12 for e in events for p in e.pitches} <= scale_of("E major"), model
        assert sum(len(e.pitches) for e in events) > 60
        player.producer.change(replace(player.producer.settings, scale="F major"))
        seen = len(told([x for b in player.blocks for x in b.events]))
        later = told(player.events(seen + 40))[seen + 1 :]
        assert {p % 12 for e in later for p in e.pitches} <= scale_of("F major"), model
        player.producer.change(replace(player.producer.settings, scale=""))
        free = told(player.events(seen + 200))[seen + 50 :]
        assert not {p % 12 for e in free for p in e.pitches} <= scale_of("F major"), model


# ---- stations


def numbers(station: Station) -> list[tuple[int, int]]:
    """The seed and the number in its piece of each event."""
    return [
        (x.predicted.origin.seed, x.predicted.origin.sampling.first)
        for x in station.news(0, 999)
        if x.predicted.origin
    ]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_station_begins_new_pieces_and_goes_back(new_context: NewContext, workers: int) -> None:
    station = opened(new_context(workers=workers), bpm=240.0)
    first = station.seed
    assert station.piece.seed == first
    listener = station.join("wav")
    until(lambda: len(numbers(station)) > 3)
    hear(listener, 2)
    before = [x.event for x in station.news(0)]
    assert 0 < station.new(7) < 2
    until(lambda: (7, 2) in numbers(station))
    until(lambda: station.piece.seed == 7)
    station.back()  # it is younger than 3 s
    until(lambda: numbers(station).count((first, 2)) == 2)
    events = [x.event for x in station.news(0, 999)]
    again = len(numbers(station)) - 1 - numbers(station)[::-1].index((first, 0))
    assert events[again : again + 3] == before[:3]
    until(lambda: station.piece.seed == first)
    assert station.underruns == 0
    station.new()
    assert station.seed not in (7, first)


@pytest.mark.slow
def test_back_brings_the_model_the_temperature_and_the_scale_of_the_piece(
    new_context: NewContext,
) -> None:
    station = opened(new_context(), bpm=240.0, temperature=0.7, scale="C major")
    hear(station.join("wav"), 2)
    station.update(model=OTHER, temperature=1.5, scale="")
    until(lambda: station.piece.model.startswith(OTHER))
    station.back()
    now = station.settings
    assert (now.model, now.temperature, now.scale) == (MODEL, 0.7, "C major")
    until(lambda: station.piece.model.startswith(MODEL))
    assert station.piece.samplings == (Sampling(0, 0.7, "C major"),)


@pytest.mark.slow
def test_before_play_a_station_knows_its_piece(new_context: NewContext) -> None:
    context = new_context()
    given = StationPiece(f"{MODEL}:x", 9, (Sampling(0, 0.5), Sampling(4, 1.0)))
    station = context.stations.open(context.default_settings(MODEL), piece=given)
    assert station.piece.samplings == given.samplings
    station.update(temperature=0.3)
    assert station.piece.samplings == (Sampling(0, 0.3),)
    station.new(5)
    assert station.back() == 0
    assert station.piece.seed == 5
    hear(station.join("wav"), 2)
    assert numbers(station)[0] == (5, 0)


@pytest.mark.slow
def test_a_link_plays_the_same_piece_on_another_server(
    new_context: NewContext, tmp_path_factory: pytest.TempPathFactory
) -> None:
    station = opened(new_context(), bpm=240.0)
    listener = station.join("wav")
    for temperature in (0.4, 1.6, 0.9):
        hear(listener, 1)
        station.update(temperature=temperature)
    hear(listener, 2)
    until(lambda: station.piece.samplings[-1].temperature == 0.9)
    events, known = [x.event for x in station.news(0, 999)], station.piece
    assert len(known.samplings) == 4
    link = link_of(known, station.settings)
    other = new_context()
    settings, same = read_link(urlsplit(link).query, other.models) or (None, None)
    assert settings is not None
    second = other.stations.open(settings, piece=same)
    hear(second.join("wav"), 3)
    until(lambda: len(second.news(0, 999)) >= len(events))
    assert [x.event for x in second.news(0, 999)][: len(events)] == events


@pytest.mark.slow
def test_a_model_that_was_renamed_is_known_by_the_name_of_its_file(models: ModelCache) -> None:
    paths = models._paths
    bundle = load(paths.models / f"{MODEL}.zip")
    bundle.save(paths.models / "mine2_nc_mo.zip")
    assert models.label("mine2_nc_mo") == f"mine2_nc_mo:{models.model('mine2_nc_mo').variant}"
    other = next(v for v in bundle.steps if f"mine2_nc_mo:{v}" != models.label("mine2_nc_mo"))
    assert models.choice(f"mine2_nc_mo:{other}") == f"mine2_nc_mo:{other}"
    assert models.choice(models.label("mine2_nc_mo")) == "mine2_nc_mo"
    (paths.models / "mine2_nc_mo.zip").unlink()
