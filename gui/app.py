"""REMI's HTTP and WebSocket for the control page, with a login before both.

REMI checks a password for GET alone, tells sessions apart by the millisecond they began in, lets a
client call any method of any widget of anybody, never forgets a session, and counts characters where
WebSocket counts bytes. All of that is put right here, in subclasses.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
import warnings
from typing import Any
from urllib.parse import urlparse

from config_bach import UserError
from gui.assets import ICONS, MANIFEST, icon, manifest
from gui.handler import AuthenticatedHandler
from gui.websocket import WebSocketHandler
from stream.auth import DEVICE_COOKIE, Verdict
from stream.links import REMEMBERED
from stream.texts import Texts

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # REMI imports pkg_resources, which complains about itself
    from remi import server as remi

log = logging.getLogger("play_bach")

COOKIE = "remi_session"
SESSION = "number-of-the-session"  # in REMI's script, which is written before there is one
TABS = 8  # of one browser that are remembered
LEAVING = 10  # looks, 0.05 s apart, whether one of them has gone
TAB_SCRIPT = "<script>const TAB = crypto.getRandomValues(new Uint32Array(2)).join('');</script>"
OWN_SCRIPT = f"<script>sessionStorage.bach = '{SESSION}';</script>"  # not that of the tab before
WAITING = 64  # pages whose WebSocket has not opened yet


def _shown(number: int) -> bool:
    """Whether a tab shows the page of a session."""
    return number in remi.clients and bool(remi.clients[number].websockets)


def _free_for(number: int, tab: str) -> bool:
    """Whether a tab may have a session: it has it already, or no other shows it, now or soon."""
    for _ in range(LEAVING):
        if not _shown(number) or remi.clients[number].tab == tab:
            return True
        time.sleep(0.05)  # what was loaded anew may be about to close its WebSocket
    return False


class AuthenticatedApp(AuthenticatedHandler, remi.App):
    """A REMI app for those who log in; everybody gets a session of their own."""

    session: int
    tab = ""  # which loaded page of a browser shows it
    connected = False  # whether its WebSocket was ever opened
    asked: Any = None  # what its address asked for, see `wanted`
    _session_lock = threading.Lock()

    def _may_upgrade(self, verdict: Verdict) -> bool:
        """Whether a WebSocket may be opened; without a login by who has the cookie of its page.

        Safari sends no HTTP Basic with an upgrade.
        """
        if not self._same_origin():
            return self._refuse(403, "this page is not ours.")
        if not verdict.accepted and not verdict.wait and (number := self._session_of_path()):
            self.login = self._login_of(number)
        return bool(self.login) or self._refuse_login(verdict)

    def _sessions(self) -> list[int]:
        """The sessions of this browser, one for each tab, that are open or were before a restart."""
        numbers = self._cookie(COOKIE).split(".")[-TABS:]
        known = [int(x) for x in numbers if x.isdecimal() and len(x) < 50]
        return [x for x in known if self._is_ours(x)]

    def _login_of(self, number: int) -> str:
        """The login that a page was opened with, now or before a restart; empty if there is none."""
        page = remi.clients.get(number)
        return page.login if page is not None else self.context.store.session_login(number)

    def _is_ours(self, number: int) -> bool:
        """Whether a page belongs to the user, or to anybody where nobody has logged in."""
        owner = self.context.accounts.user_of(self._login_of(number))
        return bool(owner) and self.user in ("", owner)

    def _session_of_path(self) -> int | None:
        """The session that a WebSocket is for; its page names it in the path."""
        number = urlparse(self.path).path.split("/")[1]
        return next((x for x in self._sessions() if str(x) == number), None)

    def _free_session(self) -> int | None:
        """A session of this browser that no tab shows."""
        return next((x for x in self._sessions() if not _shown(x)), None)

    def do_GET(self) -> None:  # noqa: N802
        """The page, its manifest and icons, or the upgrade to a WebSocket; there is no more."""
        if self._is_upgrade():
            self.close_connection = True
            if (number := self._session_of_path()) is None:
                self._answer(404, "there is no such page any more; load it anew.\n", "text/plain")
                return
            tab = urlparse(self.path).path.partition("/")[2].partition("/")[2]
            if not _free_for(number, tab):
                self._answer(409, "another tab shows this page.\n", "text/plain")
                return
            self._open_page(number)
            remi.clients[number].tab = tab
            remi.clients[number].speak(self.texts)  # a tab keeps its session, not its HTML
            WebSocketHandler(self.headers, self.request, self.client_address, self.server)
        elif urlparse(self.path).path == "/":
            self._page()
        elif urlparse(self.path).path == "/login":
            self.redirect()
        elif self.path in ICONS:
            self._answer_bytes(200, icon(self.path), ICONS[self.path])
        elif self.path == MANIFEST:
            self._answer_bytes(200, manifest(self.texts), "application/manifest+json")
        else:
            self._answer(404, "there is only one page: /\n", "text/plain")

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:  # noqa: N802
        """REMI takes uploads; this page has none."""
        if urlparse(self.path).path == "/logout":
            self.log_out()
            return
        self._answer(405, "there is nothing to post.\n", "text/plain")

    def wanted(self, query: str) -> Any:
        """What the address of a page asks for: then it is a new one. Raises UserError."""
        return None

    def _page(self) -> None:
        try:
            self.asked = self.wanted(urlparse(self.path).query)
        except UserError as error:
            self._answer(400, f"{error}\n", "text/plain")
            return
        number = None if self.asked else self._free_session()
        if number is None and not self._make_room():
            refusal = self.texts.sentence("too many pages are open; try again later.")
            self._answer(503, refusal + "\n", "text/plain")
            return
        tabs = self._sessions()
        self._open_page(number)
        with self.update_lock:
            remi.clients[self.session].speak(self.texts)
            tagged = f'<html lang="{self.texts.language}">'
            html = "<!DOCTYPE html>\n" + self.page.repr().replace("<html>", tagged, 1)
            script = TAB_SCRIPT + (OWN_SCRIPT if self.asked else "")
            html = html.replace("<head>", "<head>" + script, 1)
            html = html.replace(SESSION, str(self.session))
        value = ".".join(map(str, [*(x for x in tabs if x != self.session), self.session][-TABS:]))
        cookies = [self.set_cookie(COOKIE, value)]
        if self._device:
            cookies.append(self.set_cookie(DEVICE_COOKIE, self._device, REMEMBERED))
        self._answer(200, html, "text/html", cookies)

    def _make_room(self) -> bool:
        """Room for one more page: of those that never opened their WebSocket the oldest must go."""
        waiting = [page for page in list(remi.clients.values()) if not page.connected]
        for page in waiting[: max(0, len(waiting) + 1 - WAITING)]:
            page.end_session()
        connected = sum(page.connected for page in list(remi.clients.values()))
        return connected < self.server.most_sessions

    def _open_page(self, number: int | None) -> None:
        """Find the page of that session, make it anew after a restart, or make a new one (None)."""
        self._instance(number)
        with self.update_lock:
            if "root" not in self.page.children["body"].children:
                self.set_root_widget(self.main())

    def _instance(self, number: int | None = None) -> None:
        """Find the session, or begin one whose number nobody can guess."""
        with AuthenticatedApp._session_lock:
            is_open = number in remi.clients
            del self.headers["Cookie"]
            if number is not None:
                self.headers["Cookie"] = f"{COOKIE}={number}"  # all that REMI is to know of it
            super()._instance()
            if not is_open:
                remi.clients.pop(self.session, None)
                self.session = secrets.randbits(128) if number is None else number
                remi.clients[self.session] = self
            del self.headers["Cookie"]
            self.headers["Cookie"] = f"{COOKIE}={self.session}"  # REMI forgets one that it lacked

    def _net_interface_ip(self) -> str:
        """REMI writes this between quotes into its script; the page knows better than our headers."""
        return f"' + location.host + '/' + (sessionStorage.bach ||= '{SESSION}') + '/' + TAB + '"

    def websocket_handshake_done(self, handler: WebSocketHandler) -> None:
        """REMI would replace the whole page, and cut off the sound that it plays."""
        self.on_connect(handler)

    def on_connect(self, handler: WebSocketHandler) -> None:
        """A page has connected."""

    def speak(self, t: Texts) -> None:
        """The page is loaded, to be read in this language."""

    def on_request(self, **request: str) -> None:
        """The page asks for something."""

    def end_pages(self, login: str) -> None:
        """The pages of a login that has ended show the form, and end."""
        for page in list(remi.clients.values()):
            if page.login == login:
                page.execute_javascript("location.reload()")
                page.end_session()

    def end_session(self) -> None:
        """End this session. It may be restored, unless it is also forgotten by the store."""
        self.on_close()
        remi.clients.pop(self.session, None)

    def log_message(self, format: str, *args: Any) -> None:
        """No line for every request: they would tell who listened when."""
