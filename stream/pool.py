"""The predict threads: a few threads compose for all stations, the most urgent one first.

A thread for each station would be simpler, but thirty of them get less done than two: they take turns
holding the interpreter, and push each other out of the caches (docs/decisions.md). The pool also knows
how busy they are, and what each model costs.
"""

import logging
import os
import threading
import time
from collections import defaultdict
from typing import Protocol

log = logging.getLogger("play_bach")

THREADS = min(2, os.cpu_count() or 1)
SPARE = 6  # threads at the most that take the place of those a model holds up
LOOK = 0.2  # seconds between two measurements of the load
WINDOW = 4.0  # seconds over which the load is measured
NEW_COST = 0.03  # seconds that a second of sound takes, of a model that was never heard here


class Work(Protocol):
    """What the pool has to do for a station: a player, see stream.player."""

    @property
    def model(self) -> str:
        """Which one composes."""

    def due(self) -> float | None:
        """When the next block of sound is to be made (time.monotonic); None: not now."""

    def play(self) -> float:
        """Make it; returns its seconds of sound."""

    def close(self) -> None:
        """Nothing more is wanted of it."""


class Pool:
    """Threads that play what is due. All methods may be called from any thread."""

    def __init__(self, threads: int = THREADS) -> None:
        self._size = threads
        self._changed = threading.Condition()
        self._work: dict[Work, float | None] = {}  # since when a thread is at it; None: none is
        self._begun: set[Work] = set()  # of which something was played
        self._threads: set[threading.Thread] = set()
        self._lost: set[threading.Thread] = set()  # held up by work that was given up
        self._cost: defaultdict[str, float] = defaultdict(lambda: NEW_COST)
        self._busy: list[tuple[float, float]] = []  # when, and for how long a thread worked
        self._over = False
        self._load, self._looked = 0.0, 0.0

    def add(self, work: Work) -> None:
        """Begin to play for a station."""
        with self._changed:
            self._work[work] = None
            while len(self._threads) < self._size and not self._over:
                self._start()
            self._changed.notify_all()

    def remove(self, work: Work) -> None:
        """Play for it no longer; a thread that is at it is replaced if it does not come back."""
        with self._changed:
            idle = work in self._work and self._work.pop(work) is None
            self._begun.discard(work)
        if idle:
            work.close()

    def notify(self) -> None:
        """Something may have become due."""
        with self._changed:
            self._changed.notify_all()

    def replace_thread(self, thread: threading.Thread | None) -> None:
        """A thread that is held up: another one takes its place."""
        with self._changed:
            if thread in self._threads and len(self._lost) < SPARE:
                self._threads.discard(thread)
                self._lost.add(thread)
                self._start()

    def close(self) -> None:
        """End all threads."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    # ---- how busy it is

    @property
    def load(self) -> float:
        """The share of their time (0..1) that the threads worked in the last seconds."""
        now = time.monotonic()
        if now - self._looked > LOOK:
            self._looked = now
            self._busy = [x for x in self._busy if x[0] > now - WINDOW]
            worked = sum(seconds for _, seconds in self._busy)
            self._load = min(1.0, worked / (WINDOW * self._size))
        return self._load

    def costs(self) -> dict[str, float]:
        """Seconds that a second of sound takes here, as measured, by model."""
        with self._changed:
            return dict(self._cost)

    # ---- the threads

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, daemon=True, name="predict")
        self._threads.add(thread)
        thread.start()

    def _run(self) -> None:
        me = threading.current_thread()
        while (work := self._next(me)) is not None:
            begun = time.monotonic()
            seconds = None
            try:
                seconds = work.play()
            except BaseException:  # whatever it is, the other stations play on
                log.exception("composing for a station ended")
            self._done(work, begun, seconds)

    def _next(self, me: threading.Thread) -> Work | None:
        """Wait for the work that is most overdue; None if this thread is to end."""
        with self._changed:
            while not self._over and me in self._threads:
                now = time.monotonic()
                idle = [work for work, since in self._work.items() if since is None]
                due = [(when, i) for i, work in enumerate(idle) if (when := work.due()) is not None]
                first = min(due, default=None)
                if first is not None and first[0] <= now:
                    self._work[idle[first[1]]] = now
                    return idle[first[1]]
                self._changed.wait(first[0] - now if first else None)
            self._threads.discard(me)
            self._lost.discard(me)
            return None

    def _done(self, work: Work, begun: float, seconds: float | None) -> None:
        """Make work wait for its next block; what has failed (None) is not played again."""
        now = time.monotonic()
        with self._changed:
            self._busy.append((now, now - begun))
            if seconds and work in self._begun:  # the first block has a synth made, once
                old = self._cost[work.model]
                self._cost[work.model] = old + 0.05 * ((now - begun) / seconds - old)
            self._begun.add(work)
            if work in self._work and seconds is not None:
                self._work[work] = None
                return
            self._work.pop(work, None)
            self._begun.discard(work)
        work.close()
