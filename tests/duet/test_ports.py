"""Ports: memory, loopback and network behind one face; names that are refused in one sentence."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mido import Message

from config_bach import UserError
from duet.network import Connecting, Listening
from duet.opening import address_of, open_port
from duet.ports import LARGEST_INBOX, Inbox, Loopback, MemoryPort

ROOT = Path(__file__).resolve().parents[2]


def wait_for(what: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_what_comes_in_has_the_time_at_which_it_came() -> None:
    port = MemoryPort("pad")
    port.arrived(Message("note_on", note=60), 5.0)
    before = time.monotonic()
    port.arrived(Message("note_off", note=60))
    first, second = port.receive(), port.receive()
    assert first is not None
    assert second is not None
    assert (first.message.note, first.time, first.port) == (60, 5.0, "pad")
    assert before <= second.time <= time.monotonic()
    assert port.receive(0.01) is None


def test_an_inbox_that_nobody_empties_stays_small() -> None:
    inbox = Inbox()
    ports = [MemoryPort(n, inbox) for n in "ab"]
    for i in range(LARGEST_INBOX):
        for port in ports:
            port.arrived(Message("note_on", note=i % 128))
    found = []
    while received := inbox.get(0):
        found.append(received)
    assert [(r.port, r.message) for r in found[:2]] == [("a", None), ("b", None)], (
        "something is lost"
    )
    assert len(found) == LARGEST_INBOX + 2
    assert all(r.message for r in found[2:])


def test_a_port_is_an_iterator_until_it_is_closed() -> None:
    port = Loopback("file")
    for note in (60, 62):
        port.send(Message("note_on", note=note))
    notes = []
    for received in port:
        notes.append(received.message.note)
        if len(notes) == 2:
            port.close()
    assert notes == [60, 62]
    port.send(Message("note_on", note=64))
    assert port.receive(0.01) is None


@pytest.mark.parametrize("text", ["", "x", "0", "70000", "-1", "1.5", "a:b", "host:", "٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no address"):
        address_of(text)


def test_an_address_is_this_machine_unless_it_says_otherwise() -> None:
    assert address_of("9000") == ("127.0.0.1", 9000)
    assert address_of("10.0.0.2:9000") == ("10.0.0.2", 9000)


@pytest.mark.parametrize(
    "text", ["listen:x", "connect:9000", "connect:127.0.0.1:1", "listen:99.0.0.1:9"]
)
def test_a_network_port_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        open_port(text, Inbox(), out=False)


def free_listener(inbox: Inbox | None = None) -> Listening:
    return Listening("127.0.0.1", 0, inbox or Inbox())


def test_messages_go_both_ways_and_a_lost_connection_is_told() -> None:
    server = free_listener()
    client = Connecting("127.0.0.1", server.number, Inbox())
    client.send(Message("note_on", note=60))
    got = server.receive(5)
    assert got is not None
    assert got.message == Message("note_on", note=60)
    server.send(Message("clock"))
    back = client.receive(5)
    assert back is not None
    assert back.message.type == "clock"
    client.close()
    gone = [server.receive(5), server.receive(5)]
    assert [r.message for r in gone if r] == [Message("note_off", note=60, velocity=0), None]
    server.close()


def test_who_vanishes_ends_what_they_began_and_nobody_else() -> None:
    server = free_listener()
    one, other = (Connecting("127.0.0.1", server.number, Inbox()) for _ in range(2))
    for peer, note in ((one, 60), (one, 61), (other, 60)):
        peer.send(Message("note_on", note=note, channel=3))
    one.send(Message("note_off", note=61, channel=3))
    one.send(Message("control_change", control=64, value=127, channel=5))
    for _ in range(5):
        assert server.receive(5)
    one.close()
    ended = [server.receive(5), server.receive(5)]
    assert [r.message for r in ended if r] == [
        Message("note_off", note=60, channel=3, velocity=0),
        Message("control_change", control=64, value=0, channel=5),
    ]
    assert server.receive(0.05) is None, "the other one plays on"
    other.close()
    last = [server.receive(5), server.receive(5)]
    assert [r.message for r in last if r] == [
        Message("note_off", note=60, channel=3, velocity=0),
        None,
    ]
    server.close()


def test_a_peer_that_says_nothing_any_more_is_noticed_in_seconds() -> None:
    import socket

    server = free_listener()
    with socket.create_connection(("127.0.0.1", server.number)):
        wait_for(lambda: bool(server._connections))
        made = server._connections[0]._socket
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            idle, interval, tries = (made.getsockopt(socket.IPPROTO_TCP, o) for o in options)
            assert idle + interval * tries <= 5
    server.close()


def test_a_connection_comes_back_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duet.network.AGAIN", 0.02)
    server = free_listener()
    number = server.number
    client = Connecting("127.0.0.1", number, Inbox())
    client.send(Message("start"))
    assert server.receive(5)
    server.close()
    gone = client.receive(5)
    assert gone is not None
    assert gone.message is None
    again = Listening("127.0.0.1", number, Inbox())
    wait_for(lambda: bool(client._connections))
    client.send(Message("stop"))
    got = again.receive(5)
    assert got is not None
    assert got.message.type == "stop"
    client.close()
    again.close()


def test_who_sends_no_midi_does_no_harm() -> None:
    import socket

    server = free_listener()
    with socket.create_connection(("127.0.0.1", server.number)) as raw:
        raw.sendall(bytes(range(256)) * 50)
        raw.sendall(bytes(Message("note_on", note=61).bytes()))
        wait_for(lambda: any(m.type == "note_on" and m.note == 61 for m in drained(server)))
    server.close()


def drained(port: Listening) -> list[Message]:
    found = []
    while received := port.receive(0.02):
        if received.message is not None:
            found.append(received.message)
    return found


def test_a_peer_that_does_not_read_stops_nobody() -> None:
    import socket

    server = free_listener()
    with socket.create_connection(("127.0.0.1", server.number)):
        wait_for(lambda: bool(server._connections))
        start = time.monotonic()
        big = Message("sysex", data=[0] * 60_000)
        for _ in range(200):
            server.send(big)
        assert time.monotonic() - start < 5
        assert not server._connections, "it was let go"
    server.close()


OTHER = """
import sys, time
from mido.sockets import connect
from mido import Message
port = connect('127.0.0.1', int(sys.argv[1]))
for note in range(60, 70):
    port.send(Message('note_on', note=note))
    answer = port.receive()
    assert answer.note == note + 12, answer
port.close()
"""


@pytest.mark.slow
def test_another_process_with_mido_s_own_sockets_plays_with_us() -> None:
    server = free_listener()
    other = subprocess.Popen([sys.executable, "-c", OTHER, str(server.number)])
    for _ in range(10):
        got = server.receive(20)
        assert got is not None
        server.send(got.message.copy(note=got.message.note + 12))
    assert other.wait(20) == 0
    server.close()


def test_a_device_that_is_unplugged_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from duet import hardware

    opened: list[MemoryPort] = []

    class Backend:
        def get_input_names(self) -> list[str]:
            return ["Push", "Play Bach x"]

        def open_input(self, name: str, callback: object) -> MemoryPort:
            opened.append(MemoryPort(name))
            return opened[-1]

    monkeypatch.setattr(hardware, "backend", Backend)
    inbox = Inbox()
    port = hardware.port_named("push", inbox, out=False)
    assert isinstance(port, hardware.HardwarePort)
    port.look(False)
    assert opened[0].closed
    gone = inbox.get(0)
    assert gone is not None
    assert gone.message is None
    port.look(True)
    assert len(opened) == 2
    assert not opened[1].closed
    port.close()
    with pytest.raises(UserError, match="'Live' is not there; there are: Push"):
        hardware.port_named("Live", inbox, out=False)
