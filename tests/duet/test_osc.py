"""What is told as OSC, to a real UDP receiver."""

import builtins
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from duets import Desk, Parrot, notes
from mido import Message

from config_bach import UserError
from duet.osc import OscOutput, OscPort, osc_output
from duet.session import METRONOME, State

pytest.importorskip("pythonosc")
from pythonosc.osc_packet import OscPacket


class Light:
    """Somebody who listens to OSC."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(5)
        self.number = int(self._socket.getsockname()[1])
        self.raw: list[bytes] = []

    def hear(self, count: int) -> list[tuple[Any, ...]]:
        """So many messages: address and arguments."""
        heard = []
        for _ in range(count):
            self.raw.append(self._socket.recv(2048))
            (timed,) = OscPacket(self.raw[-1]).messages
            heard.append((timed.message.address, *timed.message.params))
        return heard

    def silent(self) -> bool:
        self._socket.settimeout(0.05)
        try:
            self._socket.recv(2048)
        except TimeoutError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def light() -> Iterator[Light]:
    found = Light()
    yield found
    found.close()


@pytest.fixture
def output(light: Light) -> Iterator[OscOutput]:
    found = osc_output(f"127.0.0.1:{light.number}")
    yield found
    found.close()


def test_beats_bars_notes_and_surprise_are_told_at_their_beats(
    light: Light, output: OscOutput
) -> None:
    desk = Desk(Parrot(), bar=3, rest=1.0)
    desk.session.outputs.append(output)
    desk.session.models[0].performer.outputs = [output]
    desk.run(3.2, notes((0, 60, 1)))
    heard = light.hear(10)
    assert heard[:3] == [
        ("/play_bach/beat", 1, 1, 60.0),
        ("/play_bach/bar", 1),
        ("/play_bach/beat", 2, 1, 60.0),
    ]
    surprise = next(row for row in heard if row[0] == "/play_bach/surprise")
    assert surprise[1:3] == ("m1", "call 1")
    assert surprise[3] == pytest.approx(1.5)  # two nats for the note, one when it ended
    assert surprise[4] == 2
    told = [row[1:] for row in heard if row[0] == "/play_bach/note"]
    assert told == [("m1", 1, 81, 90), ("m1", 1, 81, 0)]
    assert ("/play_bach/beat", 1, 2, 60.0) in heard
    assert any(b"/play_bach/note\0,siii\0" in data.replace(b"\0\0", b"\0") for data in light.raw)
    assert any(b",iif" in data for data in light.raw)


def test_notes_of_people_are_told_with_the_port_and_every_one_ends(
    light: Light, output: OscOutput
) -> None:
    output.hear(Message("note_on", channel=9, note=38, velocity=77), "page", 0.0)
    output.hear(Message("note_on", channel=9, note=38, velocity=78), "pad", 0.0)
    output.hear(Message("control_change", control=64, value=127), "pad", 0.0)
    output.send(Message("note_on", note=76, velocity=90), METRONOME)
    output.send(Message("note_off", note=99), "page")
    output.send(Message("clock"))
    assert light.hear(3) == [
        ("/play_bach/note", "page", 10, 38, 77),
        ("/play_bach/note", "page", 10, 38, 0),
        ("/play_bach/note", "pad", 10, 38, 78),
    ]
    output.close()
    assert light.hear(1) == [("/play_bach/note", "pad", 10, 38, 0)]
    output.send(Message("note_on", note=60, velocity=90), "page")
    assert light.silent()


def test_whoever_tells_waits_for_no_network(
    output: OscOutput, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    monkeypatch.setattr(OscPort, "_deliver", lambda *_: held.wait(5))
    begun = time.monotonic()
    for i in range(5000):
        output.send(State("bar", (i,)))
    assert time.monotonic() - begun < 2
    assert len(output.port._waiting) <= 1024
    held.set()


def test_what_cannot_be_sent_is_lost_and_the_rest_goes_on(light: Light, output: OscOutput) -> None:
    real = output.port._socket

    class Full:
        """A socket whose buffer is full at first."""

        def __init__(self) -> None:
            self.left = 2

        def sendto(self, *args: Any) -> int:
            self.left -= 1
            if self.left >= 0:
                raise BlockingIOError
            return real.sendto(*args)

        def close(self) -> None:
            real.close()

    output.port._socket = Full()  # type: ignore[assignment]
    for i in range(3):
        output.send(State("bar", (i,)))
    assert light.hear(1) == [("/play_bach/bar", 2)]


@pytest.mark.parametrize("text", [
    "", ":", "x", "host:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:9e3",
    "no.such.host.invalid:9000", "\0:9000", "x" * 300 + ":9000",
])  # fmt: skip
def test_what_is_no_address_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(UserError) as refusal:
        osc_output(text)
    assert str(refusal.value).count("\n") == 0


def test_without_the_package_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("pythonosc"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install -r requirements-midi\.txt"):
        osc_output("127.0.0.1:9000")
