"""An output that knows which notes it has begun, so that every one of them is ended."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from duet.ports import Port

Key = tuple[int, int]  # channel 0..15, note
PEDAL, SOUND_OFF, NOTES_OFF = 64, 120, 123  # control changes
CHANNELS = 16


class Output:
    """A port with a record of what sounds, by whom it was begun. Any thread may use it.

    A note that is struck while it sounds is ended first, and then ends when all who struck it have
    ended it. The end of a note that nobody began is not sent.
    """

    ahead = False  # whether it is told what is planned, and keeps the time by itself
    everything = False  # whether it hears all that people play, even if that does not go out
    tells = False  # whether it takes what is told beside MIDI (session.State)

    def __init__(self, port: Port) -> None:
        self.port, self.name = port, port.name
        self._lock = threading.RLock()
        self._sounding: dict[Key, Counter[str]] = {}
        self._pedals: dict[int, str] = {}  # channels whose pedal is down, and by whom
        self._used: set[int] = set()
        self._open = True

    @property
    def sounding(self) -> set[Key]:
        """The notes that have begun and not ended, as (channel, note)."""
        with self._lock:
            return set(self._sounding)

    def send(self, message: Any, owner: str = "") -> None:
        """Send a message of somebody; nothing is begun once the output is closed."""
        with self._lock:
            if not self._open:
                return
            if message.type == "note_on" and message.velocity > 0:
                self._begin(message, owner)
            elif message.type in ("note_on", "note_off"):
                self._end((message.channel, message.note), owner)
            else:
                self._watch_pedal(message, owner)
                self.port.send(message)

    def hear(self, message: Any, owner: str, when: float) -> None:
        """Somebody played that at a time (time.monotonic), perhaps a moment ago."""
        self.send(message, owner)

    def planned(self, beat: float, message: Any, owner: str) -> None:
        """A message of somebody comes at a beat (swung); told to outputs that are `ahead`."""

    def cancelled(self, owner: str, since: float) -> None:
        """What somebody planned from a beat on does not come; told to outputs that are `ahead`."""

    def _begin(self, message: Any, owner: str) -> None:
        key = (message.channel, message.note)
        if key in self._sounding:
            self._send_end(key)
        self._sounding.setdefault(key, Counter())[owner] += 1
        self._used.add(message.channel)
        self.port.send(message)

    def _end(self, key: Key, owner: str) -> None:
        owners = self._sounding.get(key)
        if not owners or not owners[owner]:
            return
        owners[owner] -= 1
        if not owners.total():
            del self._sounding[key]
            self._send_end(key)

    def _send_end(self, key: Key) -> None:
        from mido import Message

        self.port.send(Message("note_off", channel=key[0], note=key[1], velocity=0))

    def _watch_pedal(self, message: Any, owner: str) -> None:
        if message.type == "control_change" and message.control == PEDAL:
            self._pedals.pop(message.channel, None)
            if message.value >= 64:
                self._pedals[message.channel] = owner

    def _lift(self, channel: int) -> None:
        self._pedals.pop(channel, None)
        self.port.send(_control(channel, PEDAL))

    def end(self, owner: str) -> None:
        """End all notes that somebody began, and lift the pedals that they hold."""
        with self._lock:
            for key, owners in list(self._sounding.items()):
                owners.pop(owner, None)
                if not owners.total():
                    del self._sounding[key]
                    self._send_end(key)
            for channel in [c for c, by in self._pedals.items() if by == owner]:
                self._lift(channel)

    def panic(self) -> None:
        """End all notes, lift the pedals, and ask for silence on the channels that were used."""
        with self._lock:
            for key in list(self._sounding):
                self._send_end(key)
            self._sounding.clear()
            for channel in sorted(self._used | set(self._pedals)):
                for control in (PEDAL, SOUND_OFF, NOTES_OFF):
                    self.port.send(_control(channel, control))
            self._pedals.clear()

    def close(self) -> None:
        """End all notes, then close the port."""
        with self._lock:
            if self._open:
                self.panic()
                self._open = False
        self.port.close()


def _control(channel: int, control: int) -> Any:
    """A control change to 0."""
    from mido import Message

    return Message("control_change", channel=channel, control=control, value=0)
