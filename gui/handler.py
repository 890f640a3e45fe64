"""What answers requests to a page: the icons to all, everything else to those who have logged in."""

from __future__ import annotations

import http.cookies
from collections.abc import Sequence
from urllib.parse import urlparse

from gui.assets import ICONS
from gui.login import LoginForm
from stream.accounts import LOGIN_COOKIE
from stream.auth import DEVICE_COOKIE, REALM, Verdict
from stream.texts import COOKIE as LANGUAGE_COOKIE
from stream.texts import ENGLISH, texts_for

REQUEST_TIMEOUT = 15.0  # seconds that a client may take to say what it wants


class AuthenticatedHandler(LoginForm):
    """A handler of HTTP requests with a login before them; knows a WebSocket when it sees one."""

    texts = ENGLISH  # in the language of who asks
    timeout = REQUEST_TIMEOUT
    server_version = "PlayBach"
    sys_version = ""

    def parse_request(self) -> bool:
        """Read the request; answer it at once if the client has not logged in."""
        return bool(super().parse_request()) and (self._is_open() or self._authenticated())

    def _is_open(self) -> bool:
        """Whether this asks for no more than an icon, which systems fetch without a login."""
        if self.path not in ICONS or self.command not in ("GET", "HEAD") or self._is_upgrade():
            return False
        self.server.connections.read(self.request)
        return True

    @property
    def user(self) -> str:
        """The name of the user, 'guest:...' for a guest; empty for who has not logged in."""
        return Verdict(self.login).user

    def _authenticated(self) -> bool:
        self.texts = texts_for(self._cookie(LANGUAGE_COOKIE), self.headers.get("Accept-Language"))
        if self.asks_for_login():
            return False  # it is answered
        self.server.connections.read(self.request)  # all of the request has come
        verdict = self.context.authenticator.check(
            self.headers.get("Authorization"),
            self.client(),
            self._cookie(DEVICE_COOKIE),
            self._cookie(LOGIN_COOKIE),
        )
        self._device, self.login = verdict.device, verdict.login
        if self._is_upgrade():
            return self._may_upgrade(verdict)
        return verdict.accepted or self._refuse_login(verdict)

    def _may_upgrade(self, verdict: Verdict) -> bool:
        """Whether a WebSocket may be opened."""
        if not self._same_origin():
            return self._refuse(403, "this page is not ours.")
        return verdict.accepted or self._refuse_login(verdict)

    def _refuse_login(self, verdict: Verdict) -> bool:
        if self.wants_form():
            return self.send_form(verdict)
        if verdict.wait:
            wait = str(int(verdict.wait) + 1)
            text = f"too many wrong passwords; wait {wait} s."
            return self._refuse(429, text, "Retry-After", wait)
        return self._refuse(401, "log in, please.", "WWW-Authenticate", REALM)

    def _refuse(self, status: int, text: str, header: str = "", value: str = "") -> bool:
        self.close_connection = True
        self._answer(status, text + "\n", "text/plain", [(header, value)] if header else [])
        return False

    def _answer(
        self, status: int, text: str, kind: str, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._answer_bytes(status, text.encode(), f"{kind}; charset=utf-8", headers)

    def _answer_bytes(
        self, status: int, body: bytes, kind: str, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Referrer-Policy", "same-origin")  # or forms would come from nowhere
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _same_origin(self) -> bool:
        """Whether a page of ours asks for the upgrade; programs that are no browser send no origin."""
        origin = self.headers.get("Origin")
        return origin is None or urlparse(origin).netloc == self.headers.get("Host", "")

    def _is_upgrade(self) -> bool:
        return bool(self.headers.get("Upgrade", "").lower() == "websocket")

    def _cookie(self, name: str) -> str:
        try:
            return http.cookies.SimpleCookie(self.headers.get("Cookie", ""))[name].value
        except (KeyError, http.cookies.CookieError):
            return ""
