"""The port of browsers: notes from pages, checked and bounded, and notes to them before they are due.

A page is told what is planned with its beat, and keeps the time by itself: its sound does not wait for
the network. Nothing here knows HTTP; whoever connects a page gives a function that takes messages.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from duet.notes import PEDAL, Output
from duet.parts import DRUM_CHANNEL
from duet.ports import Inbox, Port
from duet.told import Message, Record

NAME = "page"
MOST_HELD = 32  # notes that one page holds
PER_SECOND, BURST = 200, 400  # messages of one page
LONGEST = 200  # characters of a text
LATEST = 0.15  # seconds that a note may have been on its way; what is older began that long ago

Tell = Callable[[Message], None]


class BrowserPort(Port):
    """A port with any number of pages behind it."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__(NAME, inbox)
        self._lock = threading.RLock()
        self._pages: list[Tell] = []
        self._record = Record()
        self.beat: Callable[[], float] = lambda: 0.0  # of the clock

    def join(self, page: Tell) -> None:
        """A page is told what sounds and is planned, and all from now on; `page` must not wait."""
        with self._lock:
            for message in self._record.now(self.beat()):
                page(message)
            self._pages.append(page)

    @property
    def sounding(self) -> set[tuple[str, int]]:
        """The notes that sound on the pages now: whose, and pitch."""
        with self._lock:
            self._record.now(self.beat())
            return {(owner, pitch) for owner, _, pitch in self._record.sounding}

    def leave(self, page: Tell) -> None:
        """The page is gone."""
        with self._lock:
            if page in self._pages:
                self._pages.remove(page)

    def tell(self, *message: Any, but: Tell | None = None) -> None:
        """Tell all pages, but one."""
        with self._lock:  # so that all of them, and who joins, hear it in one order
            self._record.take(list(message), self.beat())
            for page in self._pages:
                if page != but:
                    page(list(message))

    def _send(self, message: Any) -> None:
        if row := note_row(message):
            self.tell("now", NAME, *row)


def note_row(message: Any) -> Message | None:
    """A note as pages know it: 1 begins or 0 ends, drum, pitch, velocity; None for no note."""
    if message.type not in ("note_on", "note_off"):
        return None
    begins = message.type == "note_on" and message.velocity > 0
    return [int(begins), message.channel == DRUM_CHANNEL, message.note, message.velocity]


class BrowserOutput(Output):
    """Tells pages what is planned; they know who began what, and end it when they are told."""

    ahead = True
    port: BrowserPort

    @property
    def sounding(self) -> set[tuple[int, int]]:
        """The notes that sound on the pages now, as (0, note): percussion rings out there."""
        return {(0, pitch) for _, pitch in self.port.sounding}

    def planned(self, beat: float, message: Any, owner: str) -> None:
        """Tell the pages what comes."""
        if not self._open:
            return
        if row := note_row(message):
            self.port.tell("plan", owner, round(beat, 6), *row)

    def cancelled(self, owner: str, since: float) -> None:
        """Tell the pages what does not come."""
        self.port.tell("cancel", owner, None if math.isinf(since) else round(since, 6))

    def send(self, message: Any, owner: str = "") -> None:
        """Tell the pages what happens now."""
        if not self._open:
            return
        if row := note_row(message):
            self.port.tell("now", owner, *row)

    def end(self, owner: str) -> None:
        """All notes of somebody end."""
        self.port.tell("end", owner)

    def panic(self) -> None:
        """All notes end."""
        self.port.tell("panic")

    def close(self) -> None:
        """End all notes, then close the port; nothing is begun after that."""
        self._open = False
        self.panic()
        self.port.close()


# ---- what a page may say


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda x: type(x) is int and low <= x <= high


def _number(x: Any) -> bool:
    return type(x) in (int, float) and -1e12 < x < 1e12


def _flag(x: Any) -> bool:
    return type(x) is bool


def _text(x: Any) -> bool:
    return type(x) is str and len(x) <= LONGEST


def _value(x: Any) -> bool:
    return _flag(x) or _number(x) or _text(x)


SHAPES: dict[str, tuple[Callable[[Any], bool], ...]] = {
    "ping": (_number,),
    "on": (_flag, _whole(0, 127), _whole(1, 127), _number),  # drum, pitch, velocity, time
    "off": (_flag, _whole(0, 127), _number),
    "pedal": (_flag, _number),
    "knob": (_whole(0, 119), _whole(0, 127), _number),  # a control change
    "instrument": (_whole(1, 128),),  # for friends; the page itself sounds by it already
    "set": (_text, _value),
    "do": (_text,),
    "learn": (_text,),
    "forget": (_whole(0, 127),),  # a control change
    "model": (_text, _text),  # a player, a model
}


def checked(text: str) -> tuple[str, Message]:
    """What a page says: its kind, and the rest. Raises ValueError for anything that is not in SHAPES."""
    try:
        message = json.loads(text)
    except RecursionError as error:
        raise ValueError("too deep") from error
    if not isinstance(message, list) or not message or not isinstance(message[0], str):
        raise ValueError("no message")
    kind, *rest = message
    shape = SHAPES.get(kind)
    if shape is None or len(rest) != len(shape):
        raise ValueError("unknown message")
    if not all(fits(value) for fits, value in zip(shape, rest, strict=True)):
        raise ValueError("a value out of range")
    return kind, rest


class Rate:
    """Counts messages: so many a second on the average, and a burst."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._left, self._then = now, float(BURST), now()

    def take(self) -> bool:
        """Whether one more is allowed."""
        now = self._now()
        self._left = min(self._left + (now - self._then) * PER_SECOND, BURST)
        self._then = now
        self._left -= 1
        return self._left >= 0


class Hands:
    """Who plays on one page: gives its notes to the port and knows which are held, to end them."""

    def __init__(
        self, port: BrowserPort, tell: Tell, now: Callable[[], float] = time.monotonic
    ) -> None:
        """tell: the page itself, which has sounded its notes already."""
        self._port, self._tell, self._now = port, tell, now
        self._held: deque[tuple[bool, int]] = deque()
        self._pedal = False
        self._last = 0.0

    def on(self, drum: bool, pitch: int, velocity: int, when: float) -> None:
        """A note begins; with too many held the oldest ends."""
        if (drum, pitch) in self._held:
            self.off(drum, pitch, when)
        if len(self._held) >= MOST_HELD:
            self.off(*self._held[0], when)
        self._held.append((drum, pitch))
        self._give("note_on", drum, when, note=pitch, velocity=velocity)
        self._port.tell("now", NAME, 1, drum, pitch, velocity, but=self._tell)

    def off(self, drum: bool, pitch: int, when: float) -> None:
        """A note ends, if this page began it."""
        if (drum, pitch) in self._held:
            self._held.remove((drum, pitch))
            self._give("note_off", drum, when, note=pitch, velocity=0)
            self._port.tell("now", NAME, 0, drum, pitch, 0, but=self._tell)

    def pedal(self, down: bool, when: float) -> None:
        """The pedal goes down or up."""
        self._pedal = down
        self.knob(PEDAL, 127 * down, when)

    def knob(self, number: int, value: int, when: float) -> None:
        """A control change."""
        self._give("control_change", False, when, control=number, value=value)

    def instrument(self, program: int) -> None:
        """Others hear these notes by another instrument (1..128) from now on."""
        self._give("program_change", False, self._now(), program=program - 1)

    @property
    def holding(self) -> bool:
        """Whether a note or the pedal is held."""
        return bool(self._held) or self._pedal

    def let_go(self) -> None:
        """The page is gone: all that it began ends."""
        now = self._now()
        for drum, pitch in list(self._held):
            self.off(drum, pitch, now)
        if self._pedal:
            self.pedal(False, now)

    def _give(self, kind: str, drum: bool, when: float, **values: int) -> None:
        """Into the inbox, with the time at which it was played: near now, and in order."""
        from mido import Message as Midi

        now = self._now()
        self._last = max(min(max(when, now - LATEST), now), self._last)
        channel = DRUM_CHANNEL if drum else 0
        self._port.arrived(Midi(kind, channel=channel, **values), self._last)
