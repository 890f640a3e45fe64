"""A station: what its listeners can rely on, whatever happens to the model or to each other."""

import itertools
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from live import MODEL, OTHER, hear, opened, until
from sounds import loudness, onsets

from config_bach import UserError
from families.events.sampler import EventComposer
from music.events import Event
from music.synth import RATE, Performer
from storage.catalog import path_of
from stream import pool, source
from stream import station as stations
from stream.listener import Full
from stream.messages import BLOCK
from stream.player_settings import PlayerSettings
from stream.source import StreamEvent

ORGAN, PIANO, FLUTE = 20, 1, 74
pytestmark = pytest.mark.slow

NewContext = Callable[..., Any]


def instead(monkeypatch: pytest.MonkeyPatch, events: list[Event]) -> None:
    """Let stations play these events again and again instead of a model's."""

    def play(self: Any) -> StreamEvent:
        self.notes += 1
        return StreamEvent(events[(self.notes - 1) % len(events)])

    monkeypatch.setattr(source.Source, "__next__", play)


CLICKS = [Event((84,), Fraction(1, 4), 110), Event((), Fraction(3, 4))]


@pytest.mark.parametrize("bpm", [75.0, 133.0])
def test_the_tempo_that_is_set_is_the_tempo_in_the_samples(
    new_context: NewContext, monkeypatch: pytest.MonkeyPatch, bpm: float
) -> None:
    instead(monkeypatch, CLICKS)
    station = opened(new_context(), bpm=bpm, program=PIANO, room=0.0)
    times = onsets(hear(station.join("wav"), 5))
    assert len(times) > 4
    assert np.allclose(np.diff(times), 60 / bpm, atol=0.021)
    assert (times[-1] - times[0]) / (len(times) - 1) == pytest.approx(60 / bpm, abs=0.005)


def test_who_asks_for_another_format_hears_at_once_what_others_are_about_to_hear(
    new_context: NewContext,
) -> None:
    station = opened(new_context())
    hear(station.join("wav"), 2)
    station.join("wav")
    other = station.join("mp3")
    until(lambda: other not in station._waiting)
    assert station._frames - other.start > RATE // 2, "what is ahead of the clock"


def test_nothing_clicks_or_gaps_where_pieces_of_sound_meet(
    new_context: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, [Event((60,), Fraction(60))])
    pcm = (
        hear(opened(new_context(), program=ORGAN, volume=1.0).join("wav"), 3).astype(float).mean(1)
    )
    steps = np.abs(np.diff(pcm))[RATE // 2 :]
    seams = np.arange(BLOCK * 6 - 1, len(pcm) - 1, BLOCK) - RATE // 2
    assert loudness(pcm[RATE // 2 :, None]).min() > 50
    assert steps[seams].max() <= np.quantile(steps, 0.999)


def test_listeners_of_one_station_hear_the_same(new_context: NewContext) -> None:
    station = opened(new_context())
    first = station.join("wav")
    a = hear(first, 2)
    second = station.join("wav")
    assert second.start > first.start
    b = hear(second, 2)
    a = np.concatenate([a, hear(first, 3)])
    offset = second.start - first.start
    assert np.array_equal(a[offset : offset + RATE], b[:RATE])
    assert b[:RATE].any()


def test_who_joins_is_sent_a_burst_to_begin_with(new_context: NewContext) -> None:
    station = opened(new_context())
    early = station.join("wav")
    hear(early, 2.5)
    begun = time.monotonic()
    hear(station.join("wav"), 1)
    assert time.monotonic() - begun < 0.2
    assert station.lead <= 1.4 + BLOCK / RATE


def test_stations_are_kept_apart(new_context: NewContext) -> None:
    context = new_context()
    one, two = opened(context), opened(context)
    hear(one.join("wav"), 3)
    hear(two.join("wav"), 3)
    one.update(bpm=200.0, temperature=0.3)
    assert two.settings.bpm != 200
    assert two.settings.temperature == 1
    assert [x.event for x in one.news(0)] != [x.event for x in two.news(0)]


def test_equal_seeds_compose_equal_music(new_context: NewContext) -> None:
    context = new_context()
    music = []
    for _ in range(2):
        station = stations.Station(
            "x",
            context.models,
            context.default_settings(),
            context.server,
            workers=context.stations.workers,
            seed=7,
        )
        hear(station.join("wav"), 2)
        music.append([x.event for x in station.news(0)][:3])
        station.end()
    assert music[0] == music[1]


def spectrum(pcm: np.ndarray) -> np.ndarray:
    s = np.abs(np.fft.rfft(pcm[: RATE // 2].astype(float).mean(1)))[:4000]
    return s / np.linalg.norm(s)


def test_a_new_instrument_sounds_at_once_even_in_a_long_note(
    new_context: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, [Event((60, 67), Fraction(60))])
    station = opened(new_context(), program=ORGAN)
    listener = station.join("wav")
    before = hear(listener, 2)
    seconds = station.update(program=FLUTE)
    assert 0 < seconds < 2
    hear(listener, seconds + 0.3)
    after = hear(listener, 1)
    assert spectrum(before[-RATE:]) @ spectrum(after) < 0.8
    assert spectrum(before[-RATE:]) @ spectrum(before[-RATE // 2 :]) > 0.95


def test_a_new_tempo_holds_from_where_it_was_set(
    new_context: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, CLICKS)
    station = opened(new_context(), bpm=60.0, program=PIANO, room=0.0)
    listener = station.join("wav")
    heard = [hear(listener, 2.5)]
    seconds = station.update(bpm=200.0)
    heard.append(hear(listener, 4))
    times = np.array(onsets(np.concatenate(heard)))
    changed = 2.5 + seconds + 2 * BLOCK / RATE + 1
    gaps = np.diff(times[times > changed])
    assert len(gaps) > 2
    assert np.allclose(gaps, 0.3, atol=0.021)


def test_volume_fades_to_silence_without_a_click(
    new_context: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, [Event((60,), Fraction(60))])
    station = opened(new_context(), program=ORGAN, volume=1.0)
    listener = station.join("wav")
    before = hear(listener, 2)
    seconds = station.update(volume=0.0)
    after = hear(listener, seconds + 1)
    pcm = np.concatenate([before, after]).astype(float).mean(1)
    assert not after[-BLOCK:].any()
    assert np.abs(np.diff(pcm))[RATE:].max() <= 1.05 * np.abs(np.diff(pcm))[RATE : 2 * RATE].max()


@pytest.mark.parametrize(
    "change",
    [{"bpm": 1e9}, {"bpm": float("nan")}, {"program": 0}, {"volume": -1}, {"temperature": 3}],
)
def test_a_setting_out_of_range_is_refused(
    new_context: NewContext, change: dict[str, float]
) -> None:
    station = opened(new_context())
    with pytest.raises(UserError, match=next(iter(change))):
        station.update(**change)


def test_a_listener_that_stops_reading_is_dropped_and_delays_nobody(
    new_context: NewContext,
) -> None:
    station = opened(new_context(backlog=1.5, ahead=0.5))
    hung, good = station.join("wav"), station.join("wav")
    begun = time.monotonic()
    while time.monotonic() - begun < 3:
        waiting = time.monotonic()
        hear(good, 0.05)
        assert time.monotonic() - waiting < 0.3
    assert station.dropped == 1
    assert station.listeners == 1
    assert station.underruns == 0
    assert list(hung) == []  # its response ends


def test_nobody_listening_stops_the_work_and_coming_back_starts_it(new_context: NewContext) -> None:
    station = opened(new_context())
    listener = station.join("wav")
    hear(listener, 2)
    station.leave(listener)
    time.sleep(0.2)
    composed = station.seconds
    time.sleep(0.5)
    assert station.seconds == composed
    begun = time.monotonic()
    hear(station.join("wav"), 1)
    assert time.monotonic() - begun < 0.4


def test_a_station_nobody_listens_to_ends_and_frees_its_synth(new_context: NewContext) -> None:
    context = new_context(idle_minutes=0.02)
    station = opened(context)
    listener = station.join("wav")
    hear(listener, 1)
    station.leave(listener)
    assert len(context.models.synths._free) == 0
    until(lambda: station.name not in context.stations._stations)
    until(lambda: len(context.models.synths._free) == 1)
    with pytest.raises(Full, match="ended"):
        station.join("wav")


def test_any_number_of_stations_share_a_few_threads(new_context: NewContext) -> None:
    context = new_context()
    before = threading.active_count()
    listeners = [opened(context).join("mp3") for _ in range(8)]
    until(lambda: all(next(iter(x)) for x in listeners))
    assert threading.active_count() - before <= pool.THREADS


def test_beyond_the_limits_there_is_no_room(new_context: NewContext) -> None:
    context = new_context(max_stations=1, max_listeners=2, max_connections=2)
    station, second = opened(context), opened(context)
    context.stations.join(station, "wav")
    with pytest.raises(Full, match="max_stations"):
        context.stations.join(second, "wav")
    context.stations.join(station, "mp3")
    with pytest.raises(Full, match="max_"):
        context.stations.join(station, "wav")


def test_a_model_that_fails_gives_way_to_the_corpus_and_comes_back(
    new_context: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "RETRY_AFTER", (0.5, 0.5))
    station = opened(new_context(), bpm=200.0)
    listener = station.join("wav")
    hear(listener, 2)
    compose, broken = EventComposer.__next__, threading.Event()
    broken.set()

    def fail(self: EventComposer) -> Any:
        if broken.is_set():
            raise RuntimeError("LiteRT fails")
        return compose(self)

    monkeypatch.setattr(EventComposer, "__next__", fail)
    pcm = hear(listener, 3)
    assert "failed" in station.trouble
    assert station.from_corpus
    assert any(x.predicted.from_corpus for x in station.news(0))
    assert loudness(pcm, RATE // 2).min() > 5  # music, not silence
    assert station.underruns == 0
    broken.clear()
    hear(listener, 3)
    assert station.trouble == ""
    assert not station.news(0)[-1].predicted.from_corpus


def test_a_predict_thread_that_dies_is_replaced(
    new_context: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = opened(new_context(), bpm=200.0)
    listener = station.join("wav")
    hear(listener, 2.5)
    block, killed = Performer.block, threading.Event()

    def die(self: Performer, frames: int) -> Any:
        if not killed.is_set():
            killed.set()
            raise SystemExit
        return block(self, frames)

    monkeypatch.setattr(Performer, "block", die)
    until(lambda: station.restarts == 1)
    assert "died" in station.trouble
    pcm = hear(listener, 4)
    assert loudness(pcm, RATE // 2).min() > 5
    assert station.underruns == 0
    until(lambda: hear(listener, 0.1).any() and station.trouble == "")


def test_a_model_that_hangs_is_given_up(
    new_context: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = opened(new_context(), bpm=200.0)
    listener = station.join("wav")
    hear(listener, 2.5)
    compose, once = EventComposer.__next__, threading.Event()

    def hang(self: EventComposer) -> Any:
        if not once.is_set():
            once.set()
            time.sleep(4)
        return compose(self)

    monkeypatch.setattr(EventComposer, "__next__", hang)
    until(once.is_set)
    until(lambda: "stuck" in station.trouble, 2)
    assert loudness(hear(listener, 3), RATE // 2).min() > 5
    assert station.underruns == 0


def test_a_model_too_slow_for_the_machine_gives_way_to_the_corpus(
    new_context: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = opened(new_context(ahead=1.0), bpm=240.0)
    listener = station.join("wav")
    hear(listener, 1.5)
    compose = EventComposer.__next__

    def crawl(self: EventComposer) -> Any:
        time.sleep(0.35)
        return compose(self)

    monkeypatch.setattr(EventComposer, "__next__", crawl)
    monkeypatch.setattr(source, "composer_of", lambda *_: (_ for _ in ()).throw(UserError("no")))
    until(lambda: hear(listener, 0.05).any() and station.from_corpus, 30)
    assert station.trouble


def test_a_model_that_is_gone_or_corrupt_leaves_the_present_one_playing(
    new_context: NewContext, equipped: Any
) -> None:
    station = opened(new_context())
    listener = station.join("wav")
    hear(listener, 1)
    path_of(OTHER, equipped).write_bytes(b"PK but no zip")
    with pytest.raises(UserError, match="damaged"):
        station.update(model=OTHER)
    path_of(OTHER, equipped).unlink()
    for name in (OTHER, "never_was", "../../etc/passwd", "", "a/b"):
        with pytest.raises(UserError, match="no "):
            station.update(model=name)
    path_of(MODEL, equipped).unlink()
    assert hear(listener, 2).any()
    assert station.settings.model == MODEL
    assert station.trouble == ""
    assert station.underruns == 0


def test_another_model_is_heard_within_two_seconds(new_context: NewContext) -> None:
    station = opened(new_context())
    listener = station.join("wav")
    hear(listener, 2)
    last = station.news(0)[-1].number
    assert station.update(model=OTHER) < 2
    until(lambda: any(x.settings.model == OTHER for x in station.news(last)))
    assert not any(x.predicted.from_corpus for x in station.news(last))
    assert station.listeners == 1


def test_what_is_held_is_what_was_heard_in_the_last_minutes(new_context: NewContext) -> None:
    station = opened(new_context(keep_minutes=0.5), bpm=240.0)
    hear(station.join("wav"), 3)
    heard, composed = station.heard(), station.news(0)
    assert 0 < len(heard) <= len(composed)
    assert heard[-1].onset <= (station.seconds - station.lead + 0.1) * RATE
    for a, b in itertools.pairwise(composed):
        assert b.onset - a.onset == pytest.approx(a.seconds * RATE, abs=2)


def test_what_could_come_next_is_a_distribution(new_context: NewContext) -> None:
    station = opened(new_context())
    hear(station.join("wav"), 2)
    predicted = station.news(0)[-1].predicted
    chances = [p for _, p in predicted.likely]
    assert chances == sorted(chances, reverse=True)
    assert 0 < sum(chances) <= 1.0001
    assert 0 < predicted.probability <= 1
    assert isinstance(station.settings, PlayerSettings)
