"""All workers of a server: who composes for which station, and whether there is room for one more."""

import itertools
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from config_bach import Paths
from stream.messages import (
    Begin,
    Block,
    Change,
    Compose,
    Earlier,
    End,
    Load,
    Order,
    Pace,
    Report,
    Restarted,
)
from stream.model_cache import ModelCache
from stream.piece import Sampling
from stream.player_settings import PlayerSettings
from stream.pool import NEW_COST, THREADS
from stream.settings import Server
from stream.worker import Worker, run

log = logging.getLogger("play_bach")

FULL = 0.75  # of the time of all threads; with more, a moment of other work would be heard
SOON = 0.9  # the same, while stations begin: that costs more than playing, and is over in seconds
LEAST_SLACK = 0.7  # seconds that all stations must be ahead, or there is no room for another
LEAST_LIFE = 1.0  # seconds between two starts of a worker, twice as many after each
LONGEST_LIFE = 60.0
CROWD = 8  # stations at once, after which a worker holds much memory
REST = 30.0  # seconds without a listener, after which such a worker is replaced


class Host(Protocol):
    """What a station does with what it is sent."""

    def take(self, producer: "RemoteProducer", report: Block | Earlier | Restarted) -> None:
        """Take sound, or the news that a producer had to begin anew."""


class RemoteProducer:
    """The producer of a station, which may live in another process."""

    def __init__(self, begin: Begin, host: Host, link: "Link") -> None:
        self.number, self.host, self.settings = begin.number, host, begin.settings
        self.listening = True
        self._begin, self._link = begin, link

    def start(self) -> None:
        """Let it begin."""
        self._link.order(self._begin)

    @property
    def alive(self) -> bool:
        """Whether its worker still runs."""
        return self._link.alive

    def change(self, settings: PlayerSettings) -> None:
        """Other settings, from the next block on."""
        self.settings = settings
        self._link.order(Change(self.number, settings))

    def compose(self, settings: PlayerSettings, seed: int, samplings: tuple[Sampling, ...]) -> None:
        """Begin a piece with the next block."""
        self.settings = settings
        self._link.order(Compose(self.number, settings, seed, samplings))

    def pace(self, kinds: Iterable[str], begun: float | None = None) -> None:
        """The formats that are listened to, and when frame 0 was heard (time.monotonic)."""
        wanted = tuple(sorted(set(kinds)))
        self.listening = bool(wanted)
        self._link.order(Pace(self.number, wanted, begun))

    def end(self) -> None:
        """Nothing more is wanted of it."""
        self._link.producers.pop(self.number, None)
        self._link.order(End(self.number))


class Link:
    """A worker, as the server sees it: its producers, and how busy it says it is."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.producers: dict[int, RemoteProducer] = {}
        self.load = Load(0.0)
        self.alive = True
        self.most, self.busy_at = 0, time.monotonic()  # stations at once; when the last one played

    def order(self, order: Order) -> None:
        """Send an order; nothing happens when the worker is gone."""
        raise NotImplementedError

    def close(self) -> None:
        """End the worker."""
        raise NotImplementedError

    def report(self, report: Report) -> None:
        """Take what the worker tells."""
        if isinstance(report, Load):
            self.load = report
        elif (producer := self.producers.get(report.number)) is not None:
            producer.host.take(producer, report)

    def cost(self, model: str) -> float:
        """Seconds of a thread that a second of sound of a model takes."""
        return self.load.costs.get(model, NEW_COST)

    def busy(self, model: str) -> float:
        """The share of its time (0..1) that it would work with one more station of a model.

        By what their sound costs, and not by how busy it is: that it also is while stations begin.
        """
        playing = [x.settings.model for x in list(self.producers.values()) if x.listening]
        return sum(map(self.cost, (*playing, model))) / self.threads

    def can_bear(self, model: str) -> bool:
        """Whether it has time for one more station of a model, once those that begin have begun."""
        return self.busy(model) <= SOON

    def has_room(self, model: str) -> bool:
        """Whether one more station of a model can play without a gap for anybody."""
        return self.busy(model) <= FULL and self.load.slack > LEAST_SLACK

    def is_bloated(self) -> bool:
        """Whether many stations played, and nobody listens any more: their synths stay in memory.

        To be asked every now and then, since it notes who plays.
        """
        now = time.monotonic()
        playing = sum(x.listening for x in list(self.producers.values()))
        self.most = max(self.most, playing)
        self.busy_at = now if playing else self.busy_at
        return self.most >= CROWD and now - self.busy_at > REST


class LocalWorker(Link):
    """A worker in the process of the server: for one core, and where memory is dear."""

    def __init__(self, models: ModelCache, server: Server) -> None:
        super().__init__(THREADS)
        self.worker = Worker(models, server, THREADS, self.report)

    def order(self, order: Order) -> None:
        """Do it at once."""
        self.worker.handle(order)

    def close(self) -> None:
        """End its threads."""
        self.alive = False
        self.worker.close()


class ProcessWorker(Link):
    """A worker in a process of its own."""

    def __init__(self, paths: Paths, server: Server) -> None:
        super().__init__(1)
        self.born = time.monotonic()
        context = multiprocessing.get_context("spawn")  # a fork would copy threads in mid-work
        self._connection, theirs = context.Pipe()
        self.process: Any = context.Process(
            target=run, args=(theirs, paths, server), daemon=True, name="play_bach worker"
        )
        self.process.start()
        theirs.close()
        self._sending = threading.Lock()
        threading.Thread(target=self._listen, daemon=True, name="reports").start()

    def order(self, order: Order) -> None:
        """Send it to the process."""
        try:
            with self._sending:
                self._connection.send(order)
        except OSError:
            self.alive = False

    def close(self) -> None:
        """End the process."""
        self.alive = False
        self.process.terminate()  # it has nothing to save
        self.process.join(1)
        self.process.kill()
        self._connection.close()

    def _listen(self) -> None:
        try:
            while True:
                self.report(self._connection.recv())
        except (EOFError, OSError, TypeError):  # TypeError: closed while it waits
            self.alive = False


class Workers:
    """The workers, and what each is given. All methods may be called from any thread."""

    def __init__(
        self, models: ModelCache, paths: Paths, server: Server, only: Link | None = None
    ) -> None:
        """As many processes as server.workers says; 1: none beside the server's own. only: the one
        worker there is, in their place."""
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._failures = 0  # starts that followed each other
        count = server.workers or os.cpu_count() or 1
        self._new: Callable[[], Link] = lambda: ProcessWorker(paths, server)
        self.links: list[Link] = [only] if only else []
        if not only and count == 1:
            self.links = [LocalWorker(models, server)]
        elif not only:
            self.links = [self._new() for _ in range(count)]

    def producer(self, host: Host, begin: Begin) -> RemoteProducer:
        """A producer for a station in the least busy worker, to be started; it gets a number."""
        with self._lock:
            begin = replace(begin, number=next(self._numbers))
            model = begin.settings.model
            link = min(self.links, key=lambda link: (not link.alive, link.busy(model)))
            producer = link.producers[begin.number] = RemoteProducer(begin, host, link)
        return producer

    def has_room(self, model: str) -> bool:
        """Whether one more station of a model can play without a gap for anybody."""
        with self._lock:
            return any(link.alive and link.has_room(model) for link in self.links)

    def can_bear(self, model: str) -> bool:
        """Whether there will be room, once the stations that begin now have begun."""
        with self._lock:
            return any(link.alive and link.can_bear(model) for link in self.links)

    @property
    def load(self) -> float:
        """The share of their time (0..1) that the workers worked in the last seconds."""
        return sum(link.load.load for link in self.links) / len(self.links)

    @property
    def cpu(self) -> float:
        """Processor seconds that the workers have taken so far."""
        return sum(link.load.cpu for link in self.links)

    def check(self) -> None:
        """Start a worker anew that has ended, not more often than is good for the machine."""
        with self._lock:
            for i, link in enumerate(self.links):
                if not isinstance(link, ProcessWorker):
                    continue
                if link.alive:
                    if link.is_bloated():
                        self._replace(i)
                    continue
                age = time.monotonic() - link.born
                if age > LONGEST_LIFE:
                    self._failures = 0
                if age > min(LEAST_LIFE * 2.0**self._failures, LONGEST_LIFE):
                    log.warning("a worker ended; another one takes its place")
                    self._failures += 1
                    self._replace(i)

    def _replace(self, i: int) -> None:
        self.links[i].close()
        self.links[i] = self._new()

    def close(self) -> None:
        """End all workers."""
        for link in self.links:
            link.close()
