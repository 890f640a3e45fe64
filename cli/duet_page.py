"""The page of --duet: served if it can be; without it people and models play all the same."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cli.run_log import told
from config_bach import Paths, UserError
from duet.browser import BrowserOutput, BrowserPort
from duet.conductor import Conductor
from duet.notes import Output
from duet.ports import Inbox


class WebPage:
    """A page that is served, and the port of those who play on it."""

    def __init__(self, server: Any, port: BrowserPort, address: str) -> None:
        self.port, self._server, self._address = port, server, address
        self.outputs: list[Output] = [BrowserOutput(port)]
        if server.context.friends:
            self.outputs.append(server.context.sound)

    def begin(self, conductor: Conductor, ranges: dict[str, tuple[float, float]]) -> None:
        """The session is there: let pages in, and say where."""
        self._server.context.begin(conductor, ranges)
        self._server.start()
        told(f"  page: {self._address}")

    def end(self) -> None:
        """Close all pages."""
        self._server.end()


@contextmanager
def page(args: argparse.Namespace, paths: Paths, inbox: Inbox) -> Iterator[WebPage | None]:
    """The page, or None: it is not wanted, or it cannot be served, which is told in one sentence."""
    web = None if args.no_page else _served(paths, inbox)
    try:
        yield web
    finally:
        if web:
            web.end()


def _served(paths: Paths, inbox: Inbox) -> WebPage | None:
    try:
        from gui.duet import serve
        from stream import settings
        from stream.server import address_of
    except ImportError as error:
        told(f"  no page: the package {error.name} is missing; pip install -r requirements.txt")
        return None
    try:
        server, new = settings.load_or_create(paths)
        port = BrowserPort(inbox)
        page = serve(server, paths, port, lambda why: told(f"  no sound for friends: {why}"))
        web = WebPage(page, port, address_of(server))
    except UserError as error:
        told(f"  no page: {error}")
        return None
    if new:
        # printed, not told: what is told stands in the log
        print(f"  user {server.user}, password {server.password}   (shown this once)", flush=True)
    if not server.on_network:
        told(f'  for phones too: "host": "0.0.0.0" in {settings.path_of(paths)}, and start again')
    return web
