"""The workers: stations are shared, a process that dies is replaced, and what is full says so."""

import itertools
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from live import free_ports, hear, opened, start, until
from sounds import loudness

from config_bach import Paths
from music.synth import RATE
from stream import workers as all_workers
from stream.listener import Full
from stream.messages import Begin, Load
from stream.player_settings import PlayerSettings
from stream.pool import NEW_COST
from stream.settings import path_of
from stream.workers import CROWD, FULL, REST, SOON, Link, RemoteProducer, Workers

NewContext = Callable[..., Any]


class Silent(Link):
    """A worker that only remembers what it was told."""

    def __init__(self, threads: int, load: float = 0.0, **costs: float) -> None:
        super().__init__(threads)
        self.report(Load(load, costs))
        self.orders: list[Any] = []

    def order(self, order: Any) -> None:
        self.orders.append(order)

    def give(self, number: int, model: str, listening: bool = True) -> None:
        host: Any = None
        begin = Begin(number, "x", PlayerSettings(model), seed=1, first=0)
        self.producers[number] = RemoteProducer(begin, host, self)
        self.producers[number].listening = listening


def test_one_more_has_room_by_what_it_costs() -> None:
    worker = Silent(2, dear=0.49, cheap=0.01)
    playing = 0
    while worker.busy("dear") <= FULL:
        playing += 1
        worker.give(playing, "dear")
    assert playing == 3  # nearly 1.5 of the time of two threads
    assert worker.busy("cheap") <= FULL
    worker.give(9, "dear", listening=False)
    assert worker.busy("cheap") <= FULL  # what rests costs nothing


def test_nobody_is_let_in_while_somebody_is_about_to_have_a_gap() -> None:
    worker = Silent(1, cheap=0.02)
    assert worker.has_room("cheap")
    worker.report(Load(0.9, {"cheap": 0.02}, slack=0.3))
    assert not worker.has_room("cheap")


def test_a_model_that_was_never_played_has_a_cautious_cost() -> None:
    worker = Silent(1, load=0.9, cheap=0.02)
    assert worker.busy("cheap") == pytest.approx(0.02)  # the load is also that of beginning
    assert worker.busy("new") == pytest.approx(NEW_COST)


def workers_of(*links: Link) -> Workers:
    """Workers that were started already."""
    workers = Workers.__new__(Workers)
    workers._numbers, workers._lock = itertools.count(1), threading.Lock()
    workers.links = list(links)
    return workers


def test_a_station_goes_to_the_least_busy_worker_that_lives() -> None:
    host: Any = None
    begin = Begin(0, "x", PlayerSettings("cheap"), seed=1, first=0)
    busy, free, dead = (Silent(1, cheap=0.3) for _ in range(3))
    dead.alive = False
    busy.give(7, "cheap")
    workers = workers_of(busy, dead, free)
    numbers = [workers.producer(host, begin).number for _ in range(2)]
    assert numbers == [1, 2]
    assert list(free.producers) == [1]  # then both are as busy as each other
    assert list(busy.producers) == [7, 2]
    assert not dead.producers


def test_there_is_room_if_one_worker_that_lives_has_room() -> None:
    full, free = Silent(1, load=0.8, dear=0.9, cheap=0.1), Silent(1, load=0.2, dear=0.5, cheap=0.1)
    workers = workers_of(full, free)
    assert workers.load == pytest.approx(0.5)
    assert workers.has_room("dear")
    assert workers.can_bear("dear")
    free.alive = False
    assert not workers.has_room("dear")
    assert workers.has_room("cheap")
    full.alive = False
    assert not workers.can_bear("cheap")


def test_what_will_have_room_is_said_by_the_costs_alone() -> None:
    worker = Silent(1)
    worker.report(Load(0.9, {"cheap": 0.02, "much": SOON, "dear": 0.95}, slack=0.3))
    assert worker.can_bear("cheap")
    assert worker.can_bear("much")  # it may cost less once all have begun
    assert not worker.has_room("much")
    assert not worker.can_bear("dear")


def test_a_worker_is_replaced_when_a_crowd_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its synths would stay in memory; one that never had many is left alone."""
    now = 100.0
    monkeypatch.setattr("stream.workers.time.monotonic", lambda: now)
    crowded, quiet = Silent(1), Silent(1)
    for number in range(CROWD):
        crowded.give(number, "x")
    for number in range(CROWD - 1):
        quiet.give(number, "x")
    assert not crowded.is_bloated()
    assert not quiet.is_bloated()
    now += REST + 1
    assert not crowded.is_bloated()  # they still play
    for worker in (crowded, quiet):
        for producer in worker.producers.values():
            producer.listening = False
    now += REST - 1
    assert not crowded.is_bloated()
    now += 2
    assert crowded.is_bloated()
    assert not quiet.is_bloated()


@pytest.mark.slow
def test_a_replaced_worker_lets_its_stations_play_again(
    two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stations = [opened(two) for _ in range(2)]
    listeners = [station.join("wav") for station in stations]
    assert all(hear(x, 0.5).any() for x in listeners)
    before = list(two.stations.workers.links)
    for station, listener in zip(stations, listeners, strict=True):
        station.leave(listener)
    monkeypatch.setattr("stream.workers.CROWD", 1)
    monkeypatch.setattr("stream.workers.REST", 0.1)
    until(lambda: not any(x in before for x in two.stations.workers.links))
    monkeypatch.undo()
    assert hear(two.stations.join(stations[0], "wav"), 0.5).any()


@pytest.mark.slow
def test_who_comes_while_others_begin_waits_for_room_and_is_not_refused(
    new_context: NewContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = new_context()
    station, begun = opened(context), time.monotonic()
    room = iter([False, False, False])
    monkeypatch.setattr(context.stations.workers, "has_room", lambda model: next(room, True))
    assert hear(context.stations.join(station, "wav"), 0.2).any()
    assert time.monotonic() - begun > 0.2
    full = opened(context)
    monkeypatch.setattr(context.stations.workers, "has_room", lambda model: False)
    monkeypatch.setattr(context.stations.workers, "can_bear", lambda model: False)
    begun = time.monotonic()
    with pytest.raises(Full, match="no room"):
        context.stations.join(full, "wav")
    assert time.monotonic() - begun < 1  # what the costs forbid is refused at once


@pytest.fixture
def two(new_context: NewContext) -> Any:
    """A context with two processes that compose."""
    return new_context(workers=2)


@pytest.mark.slow
def test_stations_are_shared_among_processes_and_sound_as_in_one(
    two: Any, new_context: NewContext
) -> None:
    stations = [opened(two, bpm=240.0) for _ in range(4)]
    listeners = [s.join("mp3") for s in stations]
    until(lambda: all(next(iter(x)) for x in listeners))
    workers = two.stations.workers
    assert [len(link.producers) for link in workers.links] == [2, 2]
    assert len({link.process.pid for link in workers.links} | {os.getpid()}) == 3
    alone = opened(new_context(), bpm=240.0)
    alone.seed = stations[0].seed
    hear(alone.join("wav"), 2)
    until(lambda: len(stations[0].news(0)) > 3)
    events = [[x.event for x in s.news(0)][:3] for s in (stations[0], alone)]
    assert events[0] == events[1]


@pytest.mark.slow
def test_settings_reach_the_other_process(two: Any) -> None:
    station = opened(two, bpm=240.0)
    listener = station.join("wav")
    hear(listener, 2)
    station.update(volume=0.0, bpm=200.0)
    hear(listener, 2)
    assert not hear(listener, 0.5).any()
    assert station.news(0)[-1].settings.bpm == 200
    station.leave(listener)
    time.sleep(0.3)
    composed = station.seconds
    time.sleep(0.5)
    assert station.seconds == composed  # it rests there, too


@pytest.mark.slow
def test_after_kill_9_of_a_worker_its_stations_go_on_in_another(two: Any) -> None:
    stations = [opened(two, bpm=200.0) for _ in range(2)]
    listeners = [s.join("wav") for s in stations]
    for listener in listeners:
        hear(listener, 3)
    time.sleep(all_workers.LEAST_LIFE)
    first = two.stations.workers.links[0].process
    os.kill(first.pid, signal.SIGKILL)
    for listener in listeners:
        assert loudness(hear(listener, 4), RATE // 2).min() > 5
    assert sum(s.restarts for s in stations) == 1
    assert all(s.underruns <= 1 for s in stations)
    until(lambda: all(link.alive for link in two.stations.workers.links))
    assert two.stations.workers.links[0].process.pid != first.pid


@pytest.mark.slow
def test_a_worker_that_cannot_live_is_not_started_again_and_again(
    two: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[float] = []
    workers = two.stations.workers
    new = workers._new

    def noted() -> Any:
        starts.append(time.monotonic())
        link = new()
        link.process.kill()
        return link

    monkeypatch.setattr(workers, "_new", noted)
    workers.links[0].process.kill()
    time.sleep(5)
    assert 1 <= len(starts) <= 3  # after 1, 2 and 4 seconds
    assert not workers.has_room("x") or workers.links[1].alive


@pytest.mark.slow
def test_the_workers_end_with_the_server_however_it_ends(equipped: Paths) -> None:
    for end in (signal.SIGKILL, signal.SIGTERM):
        data = {
            "password": "x",
            "workers": 2,
            **dict(zip(("remi_port", "flask_port"), free_ports(), strict=True)),
        }
        path_of(equipped).write_text(json.dumps(data))
        process = start(equipped.root)
        until(lambda process=process: len(children(process.pid)) >= 2, 20)  # type: ignore[misc]
        workers = children(process.pid)
        time.sleep(1)
        process.send_signal(end)
        process.wait(10)
        until(lambda workers=workers: not any(map(runs, workers)), 5)  # type: ignore[misc]


def children(pid: int) -> list[int]:
    done = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(x) for x in done.stdout.split()]


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
