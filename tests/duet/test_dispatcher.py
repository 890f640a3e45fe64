"""What is planned is sent at its beat, by a clock that is not real."""

import pytest
from mido import Message

from duet.clock import NEVER, InternalClock
from duet.dispatcher import Dispatcher, percentiles
from duet.notes import Output
from duet.ports import MemoryPort


class Time:
    """A time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A dispatcher with a clock at 120, an output, and a time of its own."""

    def __init__(self) -> None:
        self.time, self.port = Time(), MemoryPort()
        self.output = Output(self.port)
        self.clock = InternalClock(120, start=100.0)
        self.dispatcher = Dispatcher(self.clock, self.time)

    def finish(self, beat: float) -> None:
        self.dispatcher.finish(beat, self.output, "a")

    def note(self, beat: float, note: int, kind: str = "note_on", owner: str = "a") -> None:
        message = Message(kind, note=note)
        self.dispatcher.at(beat, self.output, message, owner)

    def until(self, seconds: float, step: float = 0.001) -> None:
        while self.time.now < seconds:
            self.time.now = round(self.time.now + step, 6)
            self.dispatcher.due()

    @property
    def sent(self) -> list[tuple[str, int]]:
        return [(m.type, getattr(m, "note", -1)) for _, m in self.port.sent]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_messages_come_at_their_beats_and_ends_before_beginnings(desk: Desk) -> None:
    desk.note(1, 60)
    desk.note(2, 62)
    desk.note(2, 60, "note_off")
    assert desk.dispatcher.due() == pytest.approx(100.5)
    desk.until(100.499)
    assert desk.sent == []
    desk.until(101.0)
    assert desk.sent == [("note_on", 60), ("note_off", 60), ("note_on", 62)]
    assert desk.dispatcher.missed == 0


def test_a_change_of_tempo_moves_what_is_planned(desk: Desk) -> None:
    desk.note(2, 60)
    desk.clock.set_bpm(60, 100.5)
    desk.until(101.4)
    assert desk.sent == []
    desk.until(101.5)
    assert desk.sent == [("note_on", 60)]


def test_nothing_is_sent_while_the_clock_stands(desk: Desk) -> None:
    desk.note(1, 60)
    desk.clock.stop(100.2)
    assert desk.dispatcher.due() == NEVER
    desk.until(105.0)
    assert desk.sent == []
    desk.clock.go_on(105.0)
    desk.until(105.3)
    assert desk.sent == [("note_on", 60)]


def test_what_is_late_is_dropped_and_what_ends_always_comes(desk: Desk) -> None:
    desk.note(1, 60)
    desk.note(1.5, 60, "note_off")
    desk.note(1.2, 62)
    desk.until(100.5)
    desk.time.now = 103.0  # the machine slept
    desk.dispatcher.due()
    assert desk.sent == [("note_on", 60), ("note_off", 60)]
    assert desk.dispatcher.dropped == 1
    assert desk.dispatcher.missed == 2


def test_silence_forgets_what_somebody_planned_and_ends_what_sounds(desk: Desk) -> None:
    desk.note(1, 60)
    desk.note(3, 60, "note_off")
    desk.note(1, 70, owner="b")
    desk.until(100.6)
    desk.dispatcher.silence("a", desk.output)
    assert desk.output.sounding == {(0, 70)}
    assert desk.dispatcher.waiting == 0


def test_cancelling_from_a_beat_on_keeps_what_comes_before(desk: Desk) -> None:
    for beat in (1, 2, 3):
        desk.note(beat, 60 + beat)
    desk.dispatcher.cancel("a", since=2)
    desk.until(102)
    assert desk.sent == [("note_on", 61)]


def test_swing_delays_the_second_half_of_a_beat(desk: Desk) -> None:
    desk.dispatcher.swing = 2 / 3
    desk.note(0.5, 60)
    assert desk.dispatcher.due() == pytest.approx(100 + 1 / 3)


def test_clock_is_24_pulses_a_quarter_between_start_and_stop(desk: Desk) -> None:
    desk.dispatcher.send_clock([desk.output])
    desk.dispatcher.due()
    desk.until(101.01)
    kinds = [kind for kind, _ in desk.sent]
    assert kinds[0] == "start"
    assert kinds.count("clock") == 49
    desk.clock.stop(desk.time.now)
    desk.until(101.1)
    assert desk.sent[-1][0] == "stop"
    desk.clock.go_on(desk.time.now)
    desk.until(101.4)
    sent = [m for _, m in desk.port.sent]
    position = next(m for m in sent if m.type == "songpos")
    assert position.pos == 9, "beat 2.02: the ninth sixteenth comes next"
    assert sent[sent.index(position) + 1].type == "continue"


def test_pulses_are_not_piled_up_after_a_gap(desk: Desk) -> None:
    desk.dispatcher.send_clock([desk.output])
    desk.until(100.5)
    before = len(desk.sent)
    desk.time.now = 110.0
    desk.dispatcher.due()
    kinds = [kind for kind, _ in desk.sent[before:]]
    assert kinds[:3] == ["stop", "songpos", "continue"]
    assert len(kinds) < 6


def test_percentiles_are_values_that_occurred() -> None:
    assert list(percentiles([3, 1, 2, 4], (0.5, 0.99))) == [3, 4]
    assert list(percentiles([], (0.5,))) == [0.0]


@pytest.mark.slow
def test_the_thread_sends_in_time_and_ends() -> None:
    import time

    port = MemoryPort()
    output = Output(port)
    start = time.monotonic() + 0.05
    dispatcher = Dispatcher(InternalClock(240, start))
    thread = dispatcher.start()
    for i in range(8):
        dispatcher.at(i / 8, output, Message("note_on", note=60 + i))
    time.sleep(0.4)
    dispatcher.stop()
    thread.join(1)
    assert not thread.is_alive()
    assert [m.note for _, m in port.sent] == list(range(60, 68))
    assert all(when >= start + i / 32 - 1e-4 for i, (when, _) in enumerate(port.sent))


def test_all_that_somebody_began_by_a_beat_is_ended_there_and_what_begins_then_is_not() -> None:
    desk = Desk()
    desk.note(0.0, 60)
    desk.note(0.0, 61, owner="b")
    desk.note(1.0, 62)
    desk.finish(1.0)
    desk.until(100.6)
    assert desk.output.sounding == {(0, 61), (0, 62)}
    ended = [(round(t, 3), m.note) for t, m in desk.port.sent if m.type == "note_off"]
    assert [note for _, note in ended] == [60]
