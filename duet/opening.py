"""Opens a port by its name, a text:

virtual:NAME                    a port that other programs see (not on Windows)
listen:PORT, listen:HOST:PORT   waits for somebody on the network
connect:HOST:PORT               the other end of such a port
anything else                   a part of the name of a port of this machine
"""

from __future__ import annotations

from config_bach import UserError
from duet import hardware
from duet.network import Connecting, Listening
from duet.ports import Inbox, Port


def address_of(text: str, host: str = "127.0.0.1") -> tuple[str, int]:
    """'9000' or '192.168.1.2:9000' -> host and port number. Raises UserError for anything else."""
    given, _, number = text.rpartition(":")
    if not number.isascii() or not number.isdigit() or not 0 < int(number) < 2**16:
        raise UserError(f"{text!r} is no address; write a port number, or HOST:PORT.")
    return given or host, int(number)


def open_port(text: str, inbox: Inbox, out: bool) -> Port:
    """The port of a name (see above), for input or output. Raises UserError if it cannot be opened."""
    kind, _, rest = text.partition(":")
    if kind in ("listen", "connect"):
        if kind == "connect" and ":" not in rest:
            raise UserError(f"{text!r} names no host; write connect:HOST:PORT.")
        return (Listening if kind == "listen" else Connecting)(*address_of(rest), inbox)
    if kind == "virtual":
        return hardware.virtual_port(rest or "Play Bach", inbox)
    return hardware.port_named(text, inbox, out)
