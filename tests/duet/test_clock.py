"""The clock of our own, and the one that follows MIDI clock, in a time that is not real."""

import random
from collections.abc import Iterator
from itertools import accumulate, pairwise

import pytest
from mido import Message

from duet.clock import NEVER, PULSES, FollowedClock, InternalClock, straight, swung


def pulses(bpm: float, count: int, start: float = 0.0) -> list[float]:
    """The true times of pulses."""
    return [start + i * 60 / bpm / PULSES for i in range(count)]


class Sender:
    """Sends clock with jitter, and remembers when pulses were meant."""

    def __init__(self, clock: FollowedClock, jitter: float = 0.002, seed: int = 1) -> None:
        self.clock, self.jitter, self.random = clock, jitter, random.Random(seed)
        self.now = 10.0

    def start(self, kind: str = "start") -> None:
        self.clock.take(Message(kind), self.now - 0.001)

    def send(self, bpm: float, count: int) -> Iterator[float]:
        """Send pulses; yields after each how far the clock is off, in seconds."""
        for _ in range(count):
            self.clock.take(Message("clock"), self.now + self.random.uniform(-1, 1) * self.jitter)
            yield self.clock.loop.phase - self.now
            self.now += 60 / bpm / PULSES


@pytest.mark.parametrize("seed", range(20))
def test_a_followed_clock_locks_within_a_beat_and_is_less_than_a_millisecond_off(seed: int) -> None:
    clock = FollowedClock()
    sender = Sender(clock, seed=seed)
    sender.start()
    list(sender.send(120, PULSES))
    assert clock.locked
    errors = [abs(e) for e in sender.send(120, 40 * PULSES)]
    assert sorted(errors)[len(errors) * 99 // 100] < 0.001
    assert clock.bpm == pytest.approx(120, rel=0.003)


@pytest.mark.parametrize("bpm", [90, 60, 121, 126, 180])
def test_two_beats_after_a_jump_of_tempo_it_is_locked_again(bpm: float) -> None:
    worst = []
    for seed in range(20):
        sender = Sender(FollowedClock(), seed=seed)
        sender.start()
        list(sender.send(120, 8 * PULSES))
        list(sender.send(bpm, 2 * PULSES))
        errors = [abs(e) for e in sender.send(bpm, 8 * PULSES)]
        worst.append(sorted(errors)[len(errors) * 95 // 100])
        assert sender.clock.locked
        assert sender.clock.bpm == pytest.approx(bpm, rel=0.01)
    assert sorted(worst)[len(worst) // 2] < 0.001


def test_a_tempo_that_drifts_is_followed() -> None:
    sender = Sender(FollowedClock(), jitter=0.0005)
    sender.start()
    errors = [e for bpm in range(120, 100, -1) for e in sender.send(bpm, PULSES)]
    assert max(abs(e) for e in errors[2 * PULSES :]) < 0.004


def test_one_pulse_that_comes_late_changes_nothing() -> None:
    clock = FollowedClock()
    times = pulses(120, 100)
    clock.take(Message("start"), 0.0)
    for i, time in enumerate(times):
        clock.take(Message("clock"), time + (0.012 if i == 60 else 0.0))
        if i > 60:
            assert clock.time_of(8) == pytest.approx(4.0, abs=0.0005)


def test_beats_are_counted_from_start_and_song_position() -> None:
    clock = FollowedClock()
    clock.take(Message("clock"), 0.0)
    assert not clock.running, "pulses before start only tell the tempo"
    assert clock.time_of(1) == NEVER
    clock.take(Message("start"), 0.01)
    for time in pulses(120, 49, 1.0):
        clock.take(Message("clock"), time)
    assert clock.beat_at(2.0) == pytest.approx(2.0)
    clock.take(Message("stop"), 2.01)
    assert clock.beat_at(5.0) == pytest.approx(2.02)
    clock.take(Message("songpos", pos=5 * 4), 5.0)  # the second beat of the second bar
    clock.take(Message("continue"), 5.1)
    for time in pulses(120, 25, 6.0):
        clock.take(Message("clock"), time)
    assert clock.beat_at(6.0) == pytest.approx(5.0), "the bar is the sender's, and time goes on"
    assert clock.beat_at(6.5) == pytest.approx(6.0)


def test_beats_never_go_backwards_when_the_sender_starts_anew() -> None:
    clock = FollowedClock(bar=4)
    beats, now = [], 0.0
    for count in (100, 30, 250):
        clock.take(Message("start"), now)
        for time in pulses(140, count, now + 0.01):
            clock.take(Message("clock"), time)
            beats.append(clock.beat_at(time))
        now = time + 0.05
    assert all(b >= a for a, b in pairwise(beats))
    assert beats[100] % 4 == pytest.approx(0, abs=1e-6), "it begins with a bar"


def test_a_sender_that_is_gone_stops_the_clock() -> None:
    clock = FollowedClock()
    clock.take(Message("start"), 0.0)
    for time in pulses(120, 48):
        clock.take(Message("clock"), time)
    clock.check(1.5)
    assert clock.running
    clock.check(2.5)
    assert not clock.running


def test_other_messages_are_not_about_the_clock() -> None:
    assert not FollowedClock().take(Message("note_on", note=60), 0.0)


def test_a_clock_of_our_own_changes_its_tempo_without_a_leap() -> None:
    clock = InternalClock(120, start=5.0)
    assert clock.beat_at(6.0) == pytest.approx(2)
    clock.set_bpm(60, 6.0)
    assert clock.beat_at(6.0) == pytest.approx(2)
    assert clock.time_of(3) == pytest.approx(7.0)
    assert clock.bpm == pytest.approx(60)
    clock.stop(7.5)
    assert clock.time_of(4) == NEVER
    clock.go_on(9.0)
    assert clock.beat_at(9.5) == pytest.approx(4.0)


@pytest.mark.parametrize("swing", [0.5, 0.6, 2 / 3, 0.75])
def test_swing_moves_the_second_half_of_a_beat_and_back(swing: float) -> None:
    assert swung(3.5, swing) == pytest.approx(3 + swing)
    assert swung(3.0, swing) == 3.0
    beats = list(accumulate([0.13] * 20))
    assert [straight(swung(b, swing), swing) for b in beats] == pytest.approx(beats)
    assert sorted(moved := [swung(b, swing) for b in beats]) == moved
