"""Where the beat is: a clock of our own, or one that follows MIDI clock. Times: time.monotonic()."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

PULSES = 24  # of MIDI clock in a quarter
SIXTEENTH_PULSES = 6  # pulses of the unit in which MIDI counts song positions
NEVER = math.inf


@dataclass(frozen=True)
class Line:
    """Beats as a straight line over time: `beat` at `time`, and a beat every `period` seconds."""

    time: float
    beat: float
    period: float

    def beat_at(self, time: float) -> float:
        """The beat at a time."""
        return self.beat + (time - self.time) / self.period

    def time_of(self, beat: float) -> float:
        """The time of a beat."""
        return self.time + (beat - self.beat) * self.period


class Clock(Protocol):
    """Beats (quarter lengths) since playing began, which never go backwards; any thread may ask."""

    running: bool

    @property
    def bpm(self) -> float:
        """Quarter notes a minute."""

    def beat_at(self, time: float) -> float:
        """The beat at a time."""

    def time_of(self, beat: float) -> float:
        """When a beat comes, if all goes on as it does; NEVER while the clock stands."""


class InternalClock:
    """A clock of our own, which changes its tempo and stands when it is told to."""

    def __init__(self, bpm: float, start: float | None = None) -> None:
        """Beat 0 is at the time `start`; None: it stands until `begin`."""
        self.running = start is not None
        self._line = Line(start or 0.0, 0.0, 60 / bpm)

    def begin(self, start: float) -> None:
        """Beat 0 is at that time."""
        self._line = Line(start, 0.0, self._line.period)
        self.running = True

    @property
    def bpm(self) -> float:
        """Quarter notes a minute."""
        return 60 / self._line.period

    def set_bpm(self, bpm: float, now: float) -> None:
        """Another tempo from now on."""
        self._line = Line(now, self.beat_at(now), 60 / bpm)

    def stop(self, now: float) -> None:
        """Stand still."""
        self._line = Line(now, self.beat_at(now), self._line.period)
        self.running = False

    def go_on(self, now: float) -> None:
        """Run again from where it stands."""
        if not self.running:
            self._line = Line(now, self._line.beat, self._line.period)
            self.running = True

    def beat_at(self, time: float) -> float:
        """The beat at a time."""
        return self._line.beat_at(time) if self.running else self._line.beat

    def time_of(self, beat: float) -> float:
        """When a beat comes; NEVER while the clock stands."""
        return self._line.time_of(beat) if self.running else NEVER


class PhaseLockedLoop:
    """Finds the true times of pulses that come with jitter, and how far they are apart.

    A loop of second order: each pulse corrects phase and period by a part of its error. The parts are
    those of a straight line of least squares through all pulses since the loop began (the
    growing-memory alpha-beta filter: Brookner, Tracking and Kalman Filtering Made Easy, 1998, chapter
    1.2.10); from LONGEST pulses on they stay. Errors that only another tempo explains begin it anew.
    """

    FEWEST = 20  # pulses after which it is locked
    LONGEST = 192  # pulses that are remembered: eight quarters
    SETTLED = 8  # pulses after which errors tell something
    OUTLIERS = 3  # errors on one side, one after the other, which mean another tempo
    AGAIN = 16  # pulses that are remembered after a drift
    LOST = 1.0  # seconds without a pulse, after which it begins anew
    LEAST_JITTER = 0.0006  # seconds
    DRIFT = 0.7  # of the jitter: a mean error beyond it is a drift
    JITTER = 0.002  # seconds, assumed at first

    def __init__(self) -> None:
        self.phase = -NEVER  # the time of the last pulse, without its jitter
        self.period = 60 / 120 / PULSES  # seconds
        self.pulses = 0  # that are remembered
        self._begin(None)

    @property
    def locked(self) -> bool:
        """Whether it has heard enough to be believed."""
        return self.pulses >= self.FEWEST

    def _begin(self, first: float | None) -> None:
        self.pulses = 0 if first is None else 1
        self.phase = self.phase if first is None else first
        self._jitter, self._drift = self.JITTER, 0.0
        self._outliers: list[float] = []

    def pulse(self, time: float, first: bool = False) -> None:
        """Take a pulse that came at a time. first: the one before may be long ago."""
        gap = time - self.phase > self.LOST or (
            first and self._is_outlier(time - self.phase - self.period)
        )
        if self.pulses == 0 or gap:
            self._begin(time)
            return
        expected = self.phase + self.period
        error = time - expected
        if self.pulses >= self.SETTLED and self._is_outlier(error):
            self._doubt(time, expected, error)
            return
        self._outliers = []
        n = self.pulses = min(self.pulses + 1, self.LONGEST)
        self.phase = expected + error * 2 * (2 * n - 1) / (n * (n + 1))
        self.period = max(self.period + error * 6 / (n * (n + 1)), 1e-4)
        if n >= self.SETTLED:
            self._watch(error)

    def _is_outlier(self, error: float) -> bool:
        return abs(error) > max(5 * self._jitter, self.period / 8)

    def _doubt(self, time: float, expected: float, error: float) -> None:
        """An error too large to be jitter: one is left out, several in a row are another tempo."""
        if self._outliers and (self._outliers[-1] - self.phase > 0) != (error > 0):
            self._outliers = []
        self._outliers.append(time)
        self.phase = expected
        if len(self._outliers) == self.OUTLIERS:
            first, *others = self._outliers
            self.period = (others[-1] - first) / len(others)
            self._begin(first)
            for other in others:
                self.pulse(other)

    def _watch(self, error: float) -> None:
        """Forget the past when errors lie on one side: the tempo drifts."""
        self._jitter += (abs(error) - self._jitter) / 16
        self._drift += (error - self._drift) / 16
        if abs(self._drift) > max(self.LEAST_JITTER, self.DRIFT * self._jitter):
            self.pulses = min(self.pulses, self.AGAIN)
            self._drift = 0.0


class FollowedClock:
    """Follows MIDI clock: pulses, start, stop, continue and song position.

    Its beats never go backwards: when the sender begins anew, the next bar here is the one that it
    begins in.
    """

    def __init__(self, bar: float = 4.0) -> None:
        """bar: quarter lengths."""
        self.loop, self.running = PhaseLockedLoop(), False
        self._bar = bar
        self._line = Line(0.0, 0.0, 0.5)
        self._base = 0.0  # what is added to the beats of the sender
        self._started = False  # the next pulse is at the song position
        self._position = 0  # pulses of the sender at the next pulse

    @property
    def bpm(self) -> float:
        """Quarter notes a minute."""
        return 60 / (self.loop.period * PULSES)

    @property
    def locked(self) -> bool:
        """Whether it has heard enough pulses."""
        return self.loop.locked

    def take(self, message: Any, time: float) -> bool:
        """Follow a message; false if it is not about the clock."""
        if message.type == "clock":
            self._pulse(time)
        elif message.type in ("start", "continue"):
            self._position = 0 if message.type == "start" else self._position
            self._start(time)
        elif message.type == "stop":
            self._stop(time)
        elif message.type == "songpos":
            self._position = message.pos * SIXTEENTH_PULSES
            if self.running:
                self._start(time)
        else:
            return False
        return True

    def _start(self, now: float) -> None:
        """Go on at the song position with the next pulse."""
        beat = self.beat_at(now)
        self.running = False
        self._line = Line(now, beat, self._line.period)
        begins = self._position / PULSES
        bars = math.ceil((beat - begins % self._bar) / self._bar - 1e-9)
        self._base = bars * self._bar + begins % self._bar - begins
        self._started = True

    def _stop(self, now: float) -> None:
        self._line = Line(now, self.beat_at(now), self._line.period)
        self.running = self._started = False

    def _pulse(self, time: float) -> None:
        self.loop.pulse(time, self._started)
        if self._started:
            self.running, self._started = True, False
        if not self.running:
            return
        beat = self._base + self._position / PULSES
        self._line = Line(self.loop.phase, beat, self.loop.period * PULSES)
        self._position += 1

    def check(self, now: float) -> None:
        """Stand still if no pulse has come for long: the sender is gone."""
        if self.running and now - self.loop.phase > self.loop.LOST:
            self._stop(now)

    def beat_at(self, time: float) -> float:
        """The beat at a time."""
        return self._line.beat_at(time) if self.running else self._line.beat

    def time_of(self, beat: float) -> float:
        """When a beat comes; NEVER while the clock stands."""
        return self._line.time_of(beat) if self.running else NEVER


def swung(beat: float, swing: float) -> float:
    """A beat with its second half begun later: at `swing` of it (0.5: straight, 2/3: triplets)."""
    whole, part = divmod(beat, 1.0)
    if part < 0.5:
        return whole + part * 2 * swing
    return whole + swing + (part - 0.5) * 2 * (1 - swing)


def straight(beat: float, swing: float) -> float:
    """The inverse of `swung`: where a beat stands that somebody swung."""
    whole, part = divmod(beat, 1.0)
    if part < swing:
        return whole + part / (2 * swing)
    return whole + 0.5 + (part - swing) / (2 * (1 - swing))
