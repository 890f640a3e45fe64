"""-st: serve the control page and the sound until Ctrl-C."""

import argparse

from config_bach import Paths
from storage.bundle import Bundle


def stream(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> None:
    """Serve; what the command line says goes before play_bach.json."""
    from gui.server import PageServer
    from stream import server

    names = ("variant", "threads", "delegate", "host")
    given = {name: getattr(args, name) for name in names}
    overrides = {name: value for name, value in given.items() if value is not None}
    server.stream(paths, PageServer, **overrides)
