"""The pool: the most urgent is played first, nobody's failure is another's, and what is full says so."""

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from live import until

from stream import pool as pools
from stream.pool import Pool


class Work:
    """Work that is due when it is told, and takes as long as it is told."""

    def __init__(self, due: float | None = 0.0, seconds: float = 0.0, model: str = "m") -> None:
        self.when, self.seconds, self.model = due, seconds, model
        self.played = self.closed = 0
        self.gate: threading.Event | None = None
        self.fails = False

    def due(self) -> float | None:
        return self.when

    def play(self) -> float:
        self.played += 1
        if self.gate:
            self.gate.wait(10)
        if self.fails:
            raise SystemExit
        time.sleep(self.seconds)
        return 0.2

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def new_pool() -> Iterator[Callable[[int], Pool]]:
    made: list[Pool] = []

    def make(threads: int = 1) -> Pool:
        made.append(Pool(threads))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def test_the_most_overdue_is_played_first(new_pool: Callable[..., Pool]) -> None:
    pool, order = new_pool(), list[str]()
    now = time.monotonic()
    blocker = Work()
    blocker.gate = threading.Event()
    pool.add(blocker)
    until(lambda: blocker.played)

    class Noted(Work):
        def play(self) -> float:
            order.append(self.model)
            self.when = None
            return 0.2

    for name, late in (("b", 2.0), ("c", 1.0), ("a", 3.0)):
        pool.add(Noted(now - late, model=name))
    blocker.when = None
    blocker.gate.set()
    until(lambda: len(order) == 3)
    assert order == ["a", "b", "c"]


def test_nothing_is_played_before_it_is_due(new_pool: Callable[..., Pool]) -> None:
    pool, work = new_pool(), Work(time.monotonic() + 0.3)
    pool.add(work)
    time.sleep(0.15)
    assert not work.played
    until(lambda: work.played, 1)


def test_what_is_not_wanted_waits_until_it_is(new_pool: Callable[..., Pool]) -> None:
    pool, work = new_pool(), Work(None)
    pool.add(work)
    time.sleep(0.1)
    assert not work.played
    work.when = 0.0
    pool.notify()
    until(lambda: work.played, 1)


def test_work_that_fails_leaves_the_others_alone(new_pool: Callable[..., Pool]) -> None:
    pool, bad, good = new_pool(), Work(), Work(seconds=0.01)
    bad.fails = True
    pool.add(bad)
    pool.add(good)
    until(lambda: good.played > 3)
    assert (bad.played, bad.closed) == (1, 1)
    pool.remove(bad)
    assert bad.closed == 1


def test_what_is_removed_is_closed_once_when_nobody_is_at_it(new_pool: Callable[..., Pool]) -> None:
    pool, idle, busy = new_pool(), Work(None), Work()
    busy.gate = threading.Event()
    pool.add(idle)
    pool.add(busy)
    until(lambda: busy.played)
    pool.remove(idle)
    pool.remove(busy)
    assert (idle.closed, busy.closed) == (1, 0)
    busy.gate.set()
    until(lambda: busy.closed == 1)
    pool.remove(busy)
    assert busy.played == 1


def test_a_thread_that_is_held_up_is_replaced_and_ends_when_it_is_free(
    new_pool: Callable[..., Pool],
) -> None:
    pool, stuck, other = new_pool(), Work(), Work(seconds=0.01)
    stuck.gate = threading.Event()
    pool.add(stuck)
    until(lambda: stuck.played)
    pool.add(other)
    time.sleep(0.1)
    assert not other.played
    (thread,) = pool._threads
    pool.remove(stuck)
    pool.replace_thread(thread)
    until(lambda: other.played > 3)
    stuck.gate.set()
    until(lambda: not thread.is_alive())
    assert not pool._lost
    assert stuck.closed == 1


def test_not_any_number_of_threads_is_replaced(new_pool: Callable[..., Pool]) -> None:
    pool, gates = new_pool(), []
    for _ in range(pools.SPARE + 5):
        work = Work()
        work.gate = threading.Event()
        gates.append(work.gate)
        pool.add(work)
        for thread in list(pool._threads):
            until(lambda work=work: work.played or len(pool._lost) == pools.SPARE)  # type: ignore[misc]
            pool.replace_thread(thread)
    assert len(pool._threads) + len(pool._lost) <= pools.SPARE + 1
    for gate in gates:
        gate.set()


@pytest.mark.slow
def test_the_load_is_the_share_of_time_that_threads_work(
    new_pool: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "WINDOW", 1.5)
    pool = new_pool(2)
    assert pool.load == 0
    work = Work(seconds=0.02)  # always due: one of two threads is always at it
    pool.add(work)
    time.sleep(pools.WINDOW + 0.5)
    assert pool.load == pytest.approx(0.5, abs=0.1)
    work.when = None
    time.sleep(pools.WINDOW + 0.5)
    assert pool.load == 0


def test_the_cost_of_a_model_is_learned(new_pool: Callable[..., Pool]) -> None:
    pool = new_pool()
    work = Work(seconds=0.02)  # for 0.2 s of sound
    pool.add(work)
    until(lambda: work.played > 90)
    assert pool.costs() == {"m": pytest.approx(0.1, rel=0.3)}


def test_there_are_no_more_threads_than_cores() -> None:
    assert 1 <= pools.THREADS <= min(2, os.cpu_count() or 1)
