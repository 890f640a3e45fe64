"""Every note that was begun is ended."""

import random

import pytest
from mido import Message

from duet.notes import Output
from duet.ports import MemoryPort


def left_sounding(port: MemoryPort) -> set[tuple[int, int]]:
    """What a synthesizer at the end of a port would still sound."""
    sounding: set[tuple[int, int]] = set()
    for _, m in port.sent:
        if m.type == "note_on" and m.velocity:
            assert (m.channel, m.note) not in sounding, "struck twice without an end between"
            sounding.add((m.channel, m.note))
        elif m.type in ("note_on", "note_off"):
            sounding.discard((m.channel, m.note))
    return sounding


def on(note: int, channel: int = 0) -> Message:
    return Message("note_on", note=note, channel=channel, velocity=70)


def off(note: int, channel: int = 0) -> Message:
    return Message("note_off", note=note, channel=channel)


@pytest.fixture
def output() -> Output:
    return Output(MemoryPort())


def sent(output: Output) -> list[Message]:
    port = output.port
    assert isinstance(port, MemoryPort)
    return [m for _, m in port.sent]


def test_a_note_struck_by_two_ends_when_both_have_ended_it(output: Output) -> None:
    output.send(on(60), "a")
    output.send(on(60), "b")
    output.send(off(60), "a")
    assert output.sounding == {(0, 60)}
    output.send(off(60), "b")
    assert output.sounding == set()
    assert [m.type for m in sent(output)] == ["note_on", "note_off", "note_on", "note_off"]


def test_the_end_of_a_note_that_nobody_began_is_not_sent(output: Output) -> None:
    output.send(off(60), "a")
    output.send(on(61), "a")
    output.send(off(61), "b")
    assert output.sounding == {(0, 61)}
    assert len(sent(output)) == 1


def test_a_velocity_of_nothing_is_an_end(output: Output) -> None:
    output.send(on(60))
    output.send(Message("note_on", note=60, velocity=0))
    assert output.sounding == set()


def test_only_the_notes_of_the_one_who_leaves_are_ended(output: Output) -> None:
    for note, owner in ((60, "a"), (61, "b"), (62, "a")):
        output.send(on(note), owner)
    output.end("a")
    assert output.sounding == {(0, 61)}


def test_panic_ends_everything_and_lifts_the_pedal(output: Output) -> None:
    output.send(on(60, 3), "a")
    output.send(Message("control_change", control=64, value=127, channel=5))
    output.panic()
    said = [(m.channel, m.control) for m in sent(output) if m.type == "control_change"]
    assert {(3, 123), (5, 64), (3, 120)} <= set(said)
    assert output.sounding == set()
    output.send(on(64))
    assert output.sounding == {(0, 64)}, "it plays on"


def test_who_leaves_lifts_the_pedal_that_they_hold_and_no_other(output: Output) -> None:
    for channel, value, owner in ((1, 127, "a"), (2, 127, "b"), (3, 127, "a"), (3, 0, "a")):
        output.send(Message("control_change", control=64, value=value, channel=channel), owner)
    output.end("a")
    lifted = [m.channel for m in sent(output)[4:] if m.is_cc(64) and m.value == 0]
    assert lifted == [1]
    output.panic()
    assert [m.channel for m in sent(output)[5:] if m.is_cc(64)] == [2]


def test_nothing_is_begun_after_closing(output: Output) -> None:
    output.send(on(60))
    output.close()
    output.send(on(62))
    assert output.sounding == set()
    assert output.port.closed


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_sent_nothing_sounds_after_closing(seed: int) -> None:
    port, rng = MemoryPort(), random.Random(seed)
    output = Output(port)
    for _ in range(300):
        message = rng.choice([on, off])(rng.randrange(60, 64), rng.randrange(2))
        rng.choice([lambda m=message: output.send(m, rng.choice("ab"))] * 8 + [output.panic])()
        assert left_sounding(port) == output.sounding
    output.close()
    assert left_sounding(port) == set()
