"""The page for playing together: its server, its requests, its WebSocket.

What a page says is checked in duet/browser.py. A socket is written by a thread of its own from a short
queue: who does not read is let go, and holds nobody up.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import logging
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any, cast
from urllib.parse import urlparse

import jinja2

from config_bach import DEFAULT_PROGRAM, Paths, UserError
from duet.browser import BrowserPort, Hands, Rate, checked
from duet.conductor import Conductor
from duet.dispatcher import LOOKING, READING, real_time
from duet.players import ModelPlayer
from duet.settings import ACTIONS, MODELS
from duet.sound import Renderer, SoundOutput
from duet.successor import Candidate
from duet.told import Message
from gui.assets import ICONS, MANIFEST, icon, manifest
from gui.duet_friends import Friends
from gui.duet_news import controls, introduction, players, state
from gui.handler import AuthenticatedHandler
from gui.login import HERE
from gui.server import PageServer
from gui.websocket import IDLE_TIMEOUT, TEXT, WebSocketHandler
from music.instruments import FAMILIES
from music.loudness import Levels
from music.samples import PERCUSSION, PITCHES, Samples
from music.scales import scale_of
from music.sounds import DRUMS
from stream.auth import DEVICE_COOKIE
from stream.context import SoundContext
from stream.links import REMEMBERED
from stream.live import LiveWorker
from stream.settings import Server
from stream.texts import COOKIE as LANGUAGE_COOKIE
from stream.texts import LANGUAGES

log = logging.getLogger("play_bach.duet")

GONE = 10.0  # seconds without a word, after which a page that holds notes is taken for gone
NEWS = 0.25  # seconds between two pieces of news
MOST_WAITING = 1024  # messages that a page may leave unread
MOST_PAGES = 16  # that play at the same time
SAMPLE = re.compile(r"/sample/(\d{1,3})/(\d{1,3})\.wav", re.ASCII)


class DuetContext(SoundContext):
    """What the requests of the page share. The conductor comes when all players are there."""

    def __init__(self, server: Server, paths: Paths, port: BrowserPort) -> None:
        self.sound = SoundOutput(self.program_of)
        renderer = Renderer(self.sound, Levels())
        super().__init__(server, paths, LiveWorker(renderer, server))
        self.friends: Friends | None = None  # None: without sound
        self.port, self.samples = port, Samples()
        self.conductor: Conductor | None = None
        self.ranges: dict[str, tuple[float, float]] = {}
        self.sockets: list[DuetSocket] = []

    def begin(self, conductor: Conductor, ranges: dict[str, tuple[float, float]]) -> None:
        """The session is there. ranges: nats per note that each model expects."""
        self.ranges = dict(ranges)
        conductor.on_refusal = lambda sentence: self.port.tell("refused", sentence)
        conductor.on_change = self._changed
        self.port.beat = lambda: conductor.beat
        self.conductor = conductor

    def program_of(self, owner: str) -> int:
        """The instrument (1..128) of a player, or of who plays at a port."""
        session = self.conductor and self.conductor.session
        person = session.person_at(owner) if session else None
        models = [m for m in session.models if m.name == owner] if session else []
        part = models[0].part if models else person.part if person else None
        return (part and part.program) or DEFAULT_PROGRAM  # of percussion nobody asks

    def _changed(self, player: ModelPlayer, candidate: Candidate) -> None:
        """Another model plays: all pages are told who plays now."""
        self.ranges = {**self.ranges, player.name: candidate.expects}
        if self.conductor:
            self.port.tell("players", players(self.conductor, self.ranges))


class DuetHandler(AuthenticatedHandler):
    """Answers requests: the page, samples of instruments, the upgrade to a WebSocket."""

    @property
    def context(self) -> DuetContext:  # type: ignore[override]
        """What the requests of the page share."""
        return self.server.context

    def do_GET(self) -> None:  # noqa: N802
        """The page, an icon, a sample or the WebSocket."""
        path = urlparse(self.path).path
        if self._is_upgrade():
            self.close_connection = True
            self._open_socket()
        elif path == "/":
            self._page()
        elif path == "/login":
            self.redirect()
        elif self.path in ICONS:
            self._answer_bytes(200, icon(self.path), ICONS[self.path])
        elif path == MANIFEST:
            self._answer_bytes(200, manifest(self.texts), "application/manifest+json")
        elif found := SAMPLE.fullmatch(path):
            self._sample(int(found[1]), int(found[2]))
        else:
            self._answer(404, "there is only one page: /\n", "text/plain")

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:  # noqa: N802
        """Only logging out is posted."""
        if urlparse(self.path).path == "/logout":
            self.log_out()
            return
        self._answer(405, "there is nothing to post.\n", "text/plain")

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are no news."""

    def end_pages(self, login: str) -> None:
        """The pages of a login that has ended are closed."""
        for page in list(self.context.sockets):
            if page.login == login:
                page.close()

    def _open_socket(self) -> None:
        context = self.context
        if context.conductor is None or len(context.sockets) >= MOST_PAGES:
            self._answer(503, "too many pages are open; try again later.\n", "text/plain")
            return
        DuetSocket(self.login, self.headers, self.request, self.client_address, self.server)

    def _sample(self, program: int, pitch: int) -> None:
        known = pitch in PERCUSSION if program == DRUMS else pitch in PITCHES and program <= 128
        if not known:
            self._answer(404, "there is no such sample.\n", "text/plain")
            return
        try:
            wav = self.context.samples.wav(program, pitch)
        except UserError as error:
            self._answer(503, f"{error}\n", "text/plain")
            return
        self._answer_bytes(200, wav, "audio/wav")

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        told = {
            "language": self.texts.language,
            "cookie": LANGUAGE_COOKIE,
            "texts": self.texts.all(),
            "controls": controls(),
            "actions": ACTIONS,
            "models": MODELS,
            "pitches": PITCHES,
            "port": self.context.server.flask_port,
            "dns": self.context.server.dns,
            "sound": self.context.server.sound_url,
        }
        html = _template().render(
            page=told, t=self.texts, nonce=nonce, languages=LANGUAGES, families=_instruments()
        )
        headers = [("Content-Security-Policy", _policy(nonce))]
        if self._device:
            headers.append(self.set_cookie(DEVICE_COOKIE, self._device, REMEMBERED))
        self._answer(200, html, "text/html", headers)


def _instruments() -> dict[str, list[tuple[int, str]]]:
    """The instruments of each family with their General MIDI programs, from 1 on."""
    programs = count(1)
    return {
        family: [(next(programs), name) for name in names] for family, names in FAMILIES.items()
    }


def _policy(nonce: str) -> str:
    """What the page may load: nothing but what comes from here. Older Safaris need ws: named."""
    return (
        "default-src 'none'; connect-src 'self' ws: wss:; img-src 'self' data:; manifest-src 'self'; "
        f"style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


@functools.cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(HERE)
    return jinja2.Environment(loader=loader, autoescape=True).get_template("duet.html")


class DuetSocket(WebSocketHandler):
    """The WebSocket of one page."""

    def __init__(self, login: str, *args: Any) -> None:
        """login: whose page it is. Returns when the page has gone."""
        self.login = login
        super().__init__(*args)

    def handle(self) -> None:
        """Play what the page plays until it has gone; then all that it began ends."""
        self._sending = threading.RLock()
        self._context: DuetContext = cast(Any, self.server).context
        self._conductor = cast(Conductor, self._context.conductor)
        self._waiting: deque[Message] = deque()
        self._some = threading.Condition()
        self._rate = Rate()
        self._hands = Hands(self._context.port, self.tell)
        self._context.sockets.append(self)
        try:
            if self.handshake():
                self._converse()
        finally:
            self._context.port.leave(self.tell)
            self._hands.let_go()
            self.handshake_done = False
            with self._some:
                self._some.notify()
            with suppress(ValueError):
                self._context.sockets.remove(self)

    def _converse(self) -> None:
        real_time(READING)
        self.tell(["hello", introduction(self._conductor, self._context.ranges)])
        self._context.port.join(self.tell)
        threading.Thread(target=self._write, daemon=True, name="page").start()
        while self._reads():
            pass

    def _reads(self) -> bool:
        """Read a message. A page in front says something every second, one behind holds no notes."""
        self.request.settimeout(GONE if self._hands.holding else IDLE_TIMEOUT)
        return self.read_next_message()

    def handshake(self) -> bool:
        """Answer the upgrade; REMI's looks for a session of its own."""
        key = self.headers.get("Sec-WebSocket-Key", "")
        if not key:
            return False
        accept = base64.b64encode(hashlib.sha1(key.encode() + self.magic).digest()).decode()
        lines = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
        answer = "\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept}", "", ""])
        self.request.sendall(answer.encode())
        self.handshake_done = True
        return True

    # ---- to the page

    def tell(self, message: Message) -> None:
        """Send a message soon; a page that leaves too many unread is let go."""
        with self._some:
            self._waiting.append(message)
            full = len(self._waiting) > MOST_WAITING
            self._some.notify()
        if full:
            self.close()

    def _write(self) -> None:
        """Send what waits, in one frame; news when there is nothing else."""
        real_time(LOOKING)
        news = 0.0
        while self.handshake_done:
            with self._some:
                if not self._waiting:
                    self._some.wait(max(news - time.monotonic(), 0.0))
                messages = list(self._waiting)
                self._waiting.clear()
            if time.monotonic() >= news:
                messages.append(["state", state(self._conductor)])
                if friends := self._context.friends:
                    messages.append(["friends", *friends.news()])
                news = time.monotonic() + NEWS
            if messages and not self._frame(TEXT, json.dumps(messages).encode()):
                self.close()
                return

    # ---- from the page

    def _handle_frame(self, opcode: int, data: bytes) -> bool:
        if opcode != TEXT:
            return super()._handle_frame(opcode, data)
        if not self._rate.take():
            return False  # no person plays as much
        try:
            kind, rest = checked(data.decode())
        except ValueError:
            log.debug("a page sent nonsense", exc_info=True)
            return True
        try:
            self._do(kind, rest)
        except UserError as error:
            self.tell(["refused", str(error)])
        return True

    def _do(self, kind: str, rest: Message) -> None:
        """Do what a page says, which was checked. Raises UserError for what cannot be."""
        if kind == "ping":
            self.tell(["pong", rest[0], time.monotonic()])
        elif kind == "set":
            self._set(*rest)
        elif kind == "do":
            if rest[0] in ACTIONS:
                self._conductor.control(rest[0])
        elif kind == "learn":
            self._conductor.learn(rest[0])
        elif kind == "forget":
            self._conductor.forget(rest[0])
        elif kind == "model":
            self._conductor.choose(*rest)
        else:
            getattr(self._hands, kind)(*rest)

    def _set(self, name: str, value: Any) -> None:
        changed = self._conductor.session.settings.changed(name, value)
        if name == "scale" and changed.scale:
            scale_of(changed.scale, "--key")
        self._conductor.control(name, value)


class DuetServer(PageServer):
    """The server of the page. Raises OSError if its port cannot be had."""

    handler = DuetHandler
    context: DuetContext
    _started = False

    def end(self) -> None:
        """Stop, and close all pages."""
        for page in list(self.context.sockets):
            page.close()
        self.connections.close()
        if self._started:  # else it would wait for ever
            self.shutdown()
        self.server_close()
        self.context.close()
        if self.context.friends:
            self.context.friends.close()

    def start(self) -> None:
        """Serve, in a thread."""
        self._started = True
        if self.context.friends and self.context.conductor:
            self.context.friends.start(self.context.conductor)
        threading.Thread(target=self.serve_forever, daemon=True, name="page server").start()


def serve(
    server: Server, paths: Paths, port: BrowserPort, refused: Callable[[str], None] = log.warning
) -> DuetServer:
    """The server of the page, listening already. Raises UserError if it cannot.

    refused: is told, in a sentence, why there is no sound for friends, if so.
    """
    context = DuetContext(server, paths, port)
    try:
        page = DuetServer(context)
        try:
            context.friends = Friends(context)
        except UserError as error:
            refused(str(error))
        return page
    except OSError as error:
        context.close()
        raise UserError(
            f"port {server.remi_port} cannot be had ({error.strerror or error}); end the program that "
            "has it, or change remi_port in play_bach.json."
        ) from error
