"""Notes, beats, bars and surprise as OSC (Open Sound Control) over UDP, for video and lights.

/play_bach/note      who (s), MIDI channel 1..16 (i), pitch 0..127 (i), velocity 1..127, 0: it ends (i)
/play_bach/beat      beat of the bar from 1 (i), bar from 1 (i), quarters a minute (f)
/play_bach/bar       bar from 1 (i)
/play_bach/surprise  whose network (s), of what (s), nats per note (f), notes (i)
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from typing import Any

from config_bach import UserError
from duet.dispatcher import LOOKING, real_time
from duet.notes import Key, Output
from duet.opening import address_of
from duet.ports import Port
from duet.session import METRONOME, State

ROOT = "/play_bach/"
MOST_WAITING = 1024  # messages; the oldest give way
Argument = str | int | float


class OscPort(Port):
    """Sends what is told by a thread of its own: whoever tells waits for no network."""

    gives = False

    def __init__(self, host: str, number: int) -> None:
        """Raises UserError without python-osc, and for a host that is not known."""
        super().__init__(f"osc:{host}:{number}")
        try:
            from pythonosc.osc_message_builder import OscMessageBuilder
        except ImportError as error:
            raise UserError(
                "OSC needs python-osc, which is not installed: pip install -r requirements-midi.txt."
            ) from error
        self._builder = OscMessageBuilder
        try:
            found = socket.getaddrinfo(host, number, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise UserError(f"OSC cannot be sent to {host!r}: there is no such host.") from error
        self._address: Any = found[0][4]
        self._socket = socket.socket(found[0][0], socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)  # to all lights at once
        self._socket.setblocking(False)
        self._waiting: deque[tuple[str, tuple[Argument, ...]]] = deque(maxlen=MOST_WAITING)
        self._some = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=self.name)
        self._thread.start()

    def tell(self, name: str, *values: Argument) -> None:
        """Send a message soon: strings, whole numbers (i) and others (f)."""
        self._waiting.append((name, values))
        self._some.set()

    def _send(self, message: Any) -> None:
        """MIDI is for the output to translate."""

    def _close(self) -> None:
        self._some.set()
        self._thread.join(1)
        self._socket.close()

    def _run(self) -> None:
        real_time(LOOKING)
        while not self.closed or self._waiting:
            self._some.wait()
            self._some.clear()
            with contextlib.suppress(IndexError):
                while True:
                    self._deliver(*self._waiting.popleft())

    def _deliver(self, name: str, values: tuple[Argument, ...]) -> None:
        builder = self._builder(ROOT + name)
        for value in values:
            builder.add_arg(value)
        with contextlib.suppress(OSError):  # nobody listens, or the network is busy: it is lost
            self._socket.sendto(builder.build().dgram, self._address)


class OscOutput(Output):
    """Tells notes of everybody, and what is told beside MIDI."""

    everything = True
    tells = True
    port: OscPort

    def __init__(self, port: OscPort) -> None:
        super().__init__(port)
        self._who: dict[Key, str] = {}  # who struck what sounds

    def send(self, message: Any, owner: str = "") -> None:
        """Tell a note; clicks, pedals and the like are not told."""
        if isinstance(message, State):
            self.port.tell(message.name, *message.values)
        elif message.type in ("note_on", "note_off") and owner != METRONOME:
            super().send(message, owner)

    def _begin(self, message: Any, owner: str) -> None:
        super()._begin(message, owner)
        key = (message.channel, message.note)
        self._who[key] = owner
        self.port.tell("note", owner, key[0] + 1, key[1], message.velocity)

    def _send_end(self, key: Key) -> None:
        self.port.tell("note", self._who.pop(key, ""), key[0] + 1, key[1], 0)


def osc_output(text: str) -> OscOutput:
    """An output to 'HOST:PORT', or 'PORT' of this machine. Raises UserError for anything else."""
    return OscOutput(OscPort(*address_of(text)))
