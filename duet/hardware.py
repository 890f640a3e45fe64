"""The MIDI ports of this machine and virtual ones, through mido and python-rtmidi (optional).

RtMidi does not tell when a device is unplugged, so the names are looked at once a second: a device that
is gone is closed, and opened again when it is back.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from functools import lru_cache
from typing import Any

from config_bach import UserError, quiet
from duet.dispatcher import LOOKING, real_time
from duet.ports import Inbox, Port

WATCH = 1.0  # seconds between looks
OWN = "Play Bach"  # our own virtual ports, which are not played through
SYSTEMS = ("LINUX_ALSA", "UNIX_JACK", "MACOSX_CORE", "WINDOWS_MM")


@lru_cache(1)
def backend() -> Any:
    """mido's backend of the first system that works here. Raises UserError if none does."""
    import mido

    try:
        import rtmidi
    except ImportError as error:
        raise UserError(
            "MIDI ports need python-rtmidi, which is not installed: pip install -r "
            "requirements-midi.txt, or play through listen:PORT, connect:HOST:PORT or file:TUNE.mid."
        ) from error
    for system in SYSTEMS:
        if getattr(rtmidi, f"API_{system}") in rtmidi.get_compiled_api():
            found = mido.Backend(f"mido.backends.rtmidi/{system}")
            with contextlib.suppress(Exception), quiet():
                found.get_output_names()
                return found
    raise UserError(
        "this machine has no MIDI system that can be reached (on Linux: the kernel module snd-seq, or "
        "a JACK server); play through listen:PORT, connect:HOST:PORT or file:TUNE.mid."
    )


def names(out: bool) -> list[str]:
    """The ports of this machine. Raises UserError where there is no MIDI."""
    with quiet():
        found = backend().get_output_names() if out else backend().get_input_names()
    return [name for name in dict.fromkeys(found) if OWN not in name]


def port_named(text: str, inbox: Inbox, out: bool) -> Port:
    """The port whose name has this in it. Raises UserError if none or several have."""
    known = names(out)
    hits = [n for n in known if n == text] or [n for n in known if text.lower() in n.lower()]
    if len(hits) == 1:
        return HardwarePort(hits[0], inbox, out)
    kind = "output" if out else "input"
    there = ", ".join(known) or "none"
    problem = "could be several" if hits else "is not there"
    raise UserError(f"the MIDI {kind} {text!r} {problem}; there are: {there} (--list-ports).")


def virtual_port(name: str, inbox: Inbox) -> Port:
    """A port that other programs see, in both directions. Raises UserError where there are none."""
    if sys.platform == "win32":
        raise UserError(
            "Windows has no virtual MIDI ports; install loopMIDI and name the port that it makes."
        )
    return VirtualPort(name, inbox)


class VirtualPort(Port):
    """A pair of virtual ports of one name."""

    def __init__(self, name: str, inbox: Inbox) -> None:
        super().__init__(f"virtual:{name}", inbox)
        shown = name if OWN in name else f"{OWN} {name}"
        try:
            with quiet():
                self._out = backend().open_output(shown, virtual=True)
                self._in = backend().open_input(shown, virtual=True, callback=self.arrived)
        except (OSError, RuntimeError) as error:
            raise UserError(f"the virtual port {name!r} cannot be made: {error}.") from error

    def _send(self, message: Any) -> None:
        self._out.send(message)

    def _close(self) -> None:
        self._in.close()
        self._out.close()


class HardwarePort(Port):
    """A port of this machine, which may be unplugged and plugged in again."""

    def __init__(self, name: str, inbox: Inbox, out: bool) -> None:
        """Raises UserError if it cannot be opened."""
        super().__init__(name, inbox)
        self.takes, self.gives = out, not out
        self._lock = threading.Lock()
        self._port = self._opened()
        self._closing = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True, name=f"watch {name}")
        self._watcher.start()

    def _opened(self) -> Any:
        try:
            with quiet():
                if self.takes:
                    return backend().open_output(self.name)
                return backend().open_input(self.name, callback=self.arrived)
        except Exception as error:  # RtMidi has errors of its own, by system
            raise UserError(f"the MIDI port {self.name!r} cannot be opened: {error}.") from error

    def _watch(self) -> None:
        real_time(LOOKING)
        while not self._closing.wait(WATCH):
            with contextlib.suppress(Exception):  # the system itself may be gone
                self.look(self.name in names(self.takes))

    def look(self, there: bool) -> None:
        """Close or open the device, as it is there or not."""
        with self._lock:
            if not there and self._port is not None:
                port, self._port = self._port, None
                with contextlib.suppress(Exception):
                    port.close()
                self.disconnected()
            elif there and self._port is None:
                with contextlib.suppress(UserError):
                    self._port = self._opened()

    def _send(self, message: Any) -> None:
        with self._lock, contextlib.suppress(Exception):  # unplugged this moment
            if self._port is not None:
                self._port.send(message)

    def _close(self) -> None:
        self._closing.set()
        self._watcher.join(2 * WATCH)  # RtMidi does not bear a look while all is closed
        with self._lock:
            if self._port is not None:
                self._port.close()
