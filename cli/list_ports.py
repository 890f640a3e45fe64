"""--list-ports: the MIDI ports of this machine, and what else can be named."""

import argparse

from config_bach import Paths, UserError
from storage.bundle import Bundle


def list_ports(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> None:
    """Print the names for --midi-in and --midi-out."""
    from duet import hardware

    try:
        for title, out in (("inputs", False), ("outputs", True)):
            print(f"{title}: {', '.join(hardware.names(out)) or 'none'}")
    except UserError as error:
        print(f"ports of this machine: {error}")
    print("always: virtual:NAME (not on Windows), listen:PORT, connect:HOST:PORT, file:TUNE.mid")
