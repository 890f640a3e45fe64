"""Messages sent at their beats, by a thread of its own with absolute deadlines.

What is planned is kept by beat, so a change of tempo moves it. Beginnings of notes that are late by
more than DROPPED are left out, not piled up; ends of notes always come.
"""

from __future__ import annotations

import contextlib
import heapq
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from duet.clock import NEVER, PULSES, SIXTEENTH_PULSES, Clock, swung
from duet.notes import Output

MISSED = 0.005  # seconds; later than that a deadline is missed
DROPPED = 0.05  # seconds; later than that a note is not begun
LOOK = 0.02  # seconds between looks at a clock that may change
CLOSE = 0.002  # seconds before a deadline in which the thread only sleeps
# of SCHED_FIFO, 1..99: who sends, who reads, who composes, who only looks
PRIORITY, READING, COMPOSING, LOOKING = 50, 45, 40, 30
KEPT = 100_000  # latenesses that are kept
OFF, CHANGE, ON = range(3)  # the order within a moment: ends come before beginnings


@dataclass(order=True)
class Item:
    """A message that is planned."""

    beat: float
    rank: int
    number: int
    output: Output = field(compare=False)
    message: Any = field(compare=False)
    owner: str = field(compare=False)
    gone: bool = field(default=False, compare=False)


def rank_of(message: Any) -> int:
    """Its place among messages of one moment; None is the end of all notes of somebody."""
    if (
        message is None
        or message.type == "note_off"
        or (message.type == "note_on" and message.velocity == 0)
    ):
        return OFF
    return ON if message.type == "note_on" else CHANGE


class Dispatcher:
    """Sends what is planned when it is due. `due` does the work; `run` calls it in time."""

    def __init__(self, clock: Clock, now: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.swing = clock, 0.5
        self.lateness: list[float] = []  # seconds, of all that had a deadline
        self.missed = self.dropped = 0
        self.real_time = False
        self.lock = threading.RLock()
        self._now = now
        self._items: list[Item] = []
        self._numbers = count()
        self._wake = threading.Event()
        self._stop = False
        self._pulses: ClockSender | None = None

    def send_clock(self, outputs: list[Output]) -> None:
        """Send MIDI clock to these outputs, too."""
        self._pulses = ClockSender(outputs)

    def at(self, beat: float, output: Output, message: Any, owner: str = "") -> None:
        """Plan a message. Beats are straight; they are swung when they are sent."""
        item = Item(
            swung(beat, self.swing), rank_of(message), next(self._numbers), output, message, owner
        )
        with self.lock:
            heapq.heappush(self._items, item)
            if output.ahead:
                output.planned(item.beat, message, owner)
        self._wake.set()

    def finish(self, beat: float, output: Output, owner: str) -> None:
        """Plan the end of all notes that somebody has begun by a beat."""
        if not output.ahead:  # it knows the end of each
            self.at(beat, output, None, owner)

    def now(self, output: Output, message: Any, owner: str = "") -> None:
        """Send a message at once."""
        with self.lock:
            output.send(message, owner)

    def end(self, output: Output, owner: str) -> None:
        """End at once what somebody has begun."""
        with self.lock:
            output.end(owner)

    def cancel(self, owner: str, since: float = -math.inf) -> None:
        """Forget what somebody planned from a beat on."""
        swinging = swung(since, self.swing) if math.isfinite(since) else since
        with self.lock:
            kept = [i for i in self._items if i.owner != owner or i.beat < swinging - 1e-6]
            for output in {i.output for i in self._items if i.owner == owner and i.output.ahead}:
                output.cancelled(owner, swinging - 1e-6)
            heapq.heapify(kept)
            self._items = kept

    def silence(self, owner: str, output: Output) -> None:
        """Forget what somebody planned, and end the notes that they began."""
        with self.lock:
            self.cancel(owner)
            output.end(owner)

    @property
    def waiting(self) -> int:
        """How many messages are planned."""
        return len(self._items)

    def due(self) -> float:
        """Send all that is due; the time of what comes next (NEVER: nothing, or the clock stands)."""
        with self.lock:
            while self._items:
                time_due = self.clock.time_of(self._items[0].beat)
                now = self._now()
                if time_due > now:
                    break
                self._send(heapq.heappop(self._items), now - time_due)
            following = self.clock.time_of(self._items[0].beat) if self._items else NEVER
            if self._pulses:
                following = min(following, self._pulses.due(self.clock, self._now, self._note))
            return following

    def _send(self, item: Item, late: float) -> None:
        if item.output.ahead:  # it was told when this was planned
            return
        self._note(late)
        if late > DROPPED and item.rank == ON:
            self.dropped += 1
            return
        if item.message is None:
            item.output.end(item.owner)
        else:
            item.output.send(item.message, item.owner)

    def _note(self, late: float) -> None:
        if len(self.lateness) < KEPT:
            self.lateness.append(late)
        self.missed += late > MISSED

    def start(self) -> threading.Thread:
        """Begin to send, in a thread."""
        thread = threading.Thread(target=self.run, daemon=True, name="dispatcher")
        thread.start()
        return thread

    def run(self) -> None:
        """Send what is due until `stop`."""
        self.real_time = real_time()
        while not self._stop:
            left = self.due() - self._now()
            if left > CLOSE:
                self._wake.wait(min(left - CLOSE / 2, LOOK))
                self._wake.clear()
            elif left > 0:
                time.sleep(left)

    def stop(self) -> None:
        """Send nothing more that is planned."""
        self._stop = True
        self._wake.set()
        if self._pulses:
            self._pulses.stop()


class ClockSender:
    """MIDI clock for some outputs: start, 24 pulses a quarter, stop; the song position after a gap."""

    def __init__(self, outputs: list[Output]) -> None:
        self._outputs = outputs
        self._next: int | None = None  # the number of the next pulse; None: not started

    def due(self, clock: Clock, now: Callable[[], float], note: Callable[[float], None]) -> float:
        """Send the pulses that are due; the time of the next one."""
        if not clock.running:
            self.stop()
            return NEVER
        if self._next is None:
            self._begin(clock.beat_at(now()))
        while (time_due := clock.time_of(self.number / PULSES)) <= now():
            late = now() - time_due
            if late > clock.time_of(0.5) - clock.time_of(0):  # the machine slept
                self.stop()
                self._begin(clock.beat_at(now()))
                continue
            self._send("clock")
            note(late)
            self._next = self.number + 1
        return time_due

    @property
    def number(self) -> int:
        """The number of the next pulse."""
        return self._next or 0

    def _begin(self, beat: float) -> None:
        """Start, or continue at the next sixteenth."""
        sixteenth = max(math.ceil(beat * 4 - 1e-6), 0)
        self._next = sixteenth * SIXTEENTH_PULSES
        if sixteenth:
            self._send("songpos", pos=sixteenth % 2**14)
        self._send("continue" if sixteenth else "start")

    def stop(self) -> None:
        """Say that the music stands."""
        if self._next is not None:
            self._next = None
            self._send("stop")

    def _send(self, kind: str, **values: int) -> None:
        from mido import Message

        for output in self._outputs:
            output.send(Message(kind, **values))


def real_time(priority: int = PRIORITY, thread: int = 0) -> bool:
    """Ask for real-time priority for this thread, or the one that has this number for the system;
    whether that permits it (only Linux has it).

    Every thread that runs Python while music plays should have it: one without, put aside by a busy
    machine while it holds the interpreter, holds up all others. What it starts has it not.
    """
    try:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(thread, policy, os.sched_param(priority))
    except (AttributeError, OSError):
        return False
    return True


def others_too() -> None:
    """Ask for it for all threads there are and that have none; the main thread asks for itself."""
    for thread in set(threading.enumerate()) - {threading.main_thread()}:
        with contextlib.suppress(AttributeError, OSError):
            if thread.native_id and os.sched_getscheduler(thread.native_id) == os.SCHED_OTHER:
                real_time(LOOKING, thread.native_id)


def ordinary() -> None:
    """Give real-time priority back."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def percentiles(values: list[float], shares: tuple[float, ...]) -> Iterator[float]:
    """Percentiles of values by nearest rank; 0 where there are none."""
    ordered = sorted(values) or [0.0]
    for share in shares:
        yield ordered[min(int(share * len(ordered)), len(ordered) - 1)]
