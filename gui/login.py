"""The login form of the control page, and what is done with it: log in, come in with a code, log out."""

import functools
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import jinja2

from stream.accounts import LOGIN_COOKIE, number_of
from stream.auth import DEVICE_COOKIE, Verdict
from stream.connections import client_of, is_secure
from stream.context import ServerContext
from stream.links import REMEMBERED
from stream.texts import Texts

HERE = Path(__file__).parent
LARGEST_FORM = 4096  # bytes
MOST_FIELDS = 8
FORM = "application/x-www-form-urlencoded"
ENDED = (
    "X-Login-Ended"  # tells an open page to show the form; another process behind a proxy must not
)
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class LoginForm(BaseHTTPRequestHandler):
    """What the control page answers to those who are not logged in yet, or want to be no longer."""

    server: Any
    request: Any
    login = ""  # as Accounts writes it
    texts: Texts
    _answer: Callable[..., None]
    _cookie: Callable[[str], str]
    _refuse: Callable[..., bool]
    _same_origin: Callable[[], bool]
    end_pages: Callable[[str], None]

    def client(self) -> str:
        """The IP address of who asks."""
        forwarded = ",".join(self.headers.get_all("X-Forwarded-For") or ())
        return client_of(self.client_address[0], forwarded, self.context.server.proxies)

    def set_cookie(self, name: str, value: str, seconds: int | None = None) -> tuple[str, str]:
        """A header. Lax: a link from elsewhere finds who follows it logged in, a form does not."""
        settings = self.context.server
        peer, scheme = self.client_address[0], self.headers.get("X-Forwarded-Proto", "")
        secure = is_secure(bool(settings.certificate), peer, scheme, settings.proxies)
        age = [] if seconds is None else [f"Max-Age={seconds}"]
        rules = ["Path=/", "HttpOnly", "SameSite=Lax", *age, *(["Secure"] if secure else [])]
        return "Set-Cookie", "; ".join([f"{name}={value}", *rules])

    def redirect(self, *headers: tuple[str, str]) -> None:
        """To the page; a relative address, since a proxy may have put a path before ours."""
        self._answer(303, "the page is at /\n", "text/plain", [("Location", "./"), *headers])

    @property
    def context(self) -> ServerContext:
        """What both servers share."""
        return self.server.context

    # ---- coming in

    def wants_form(self) -> bool:
        """Whether a person asks, with a browser; programs are told to send HTTP Basic."""
        return "text/html" in self.headers.get("Accept", "")

    def send_form(self, verdict: Verdict, wrong: str = "") -> bool:
        """The form; returns False, as who gets it is not in. wrong: the text that says why."""
        self.close_connection = True
        seconds = int(verdict.wait) + 1
        t, guests = self.texts, self.context.accounts.has_codes
        problem = t("login_wait", seconds=seconds) if verdict.wait else t(wrong) if wrong else ""
        html = _form().render(t=t, problem=problem, guests=guests)
        headers = [("Content-Security-Policy", POLICY), ("Vary", "Accept, Accept-Language, Cookie")]
        headers += [("Retry-After", str(seconds))] if verdict.wait else []
        if self.context.accounts.is_void(self._cookie(LOGIN_COOKIE)):
            headers += [(ENDED, "1"), self.set_cookie(LOGIN_COOKIE, "", 0)]
        self._answer(verdict.status, html, "text/html", headers)
        return False

    def asks_for_login(self) -> bool:
        """Answer a form that was sent, or a link with a guest's code; False if it is neither."""
        path = urlparse(self.path).path
        if self.command == "POST" and path == "/login":
            self._log_in()
        elif self.command == "GET" and path == "/" and (code := self._code_of_link()):
            self.server.connections.read(self.request)
            if self.context.accounts.login_of(self._cookie(LOGIN_COOKIE)):
                self.redirect()  # somebody's link must not log out who is logged in
            else:
                self._let_in(self._check_code(code), "wrong_code")
        else:
            return False
        self.close_connection = True
        return True

    def _log_in(self) -> None:
        if not self._same_origin():
            self._refuse(403, "this form is not ours.")
            return
        fields = self._fields()
        self.server.connections.read(self.request)  # all of it has come
        if fields is None:
            self._refuse(400, f"send {FORM} of at most {LARGEST_FORM} bytes.")
        elif "code" in fields:
            self._let_in(self._check_code(fields["code"]), "wrong_code")
        else:
            credentials = f"{fields.get('user', '').strip()}:{fields.get('password', '')}".encode()
            check = self.context.authenticator.check_password
            verdict = check(credentials, self.client(), self._cookie(DEVICE_COOKIE))
            self._let_in(verdict, "wrong_password")

    def _let_in(self, verdict: Verdict, wrong: str) -> None:
        if not verdict.accepted:
            self.send_form(verdict, wrong)
            return
        cookie = self.context.accounts.cookie(verdict.login)
        headers = [self.set_cookie(LOGIN_COOKIE, cookie, REMEMBERED)]
        if verdict.device:
            headers.append(self.set_cookie(DEVICE_COOKIE, verdict.device, REMEMBERED))
        self.redirect(*headers)

    def _check_code(self, code: str) -> Verdict:
        return self.context.authenticator.check_code(code.strip().encode(), self.client())

    def _code_of_link(self) -> str:
        return _parsed(urlparse(self.path).query).get("code", "")

    def _fields(self) -> dict[str, str] | None:
        """The fields of a form; None if it is none, or too long."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != FORM or not length.isdecimal():
            return None
        if len(length) > 9 or int(length) > LARGEST_FORM:
            return None
        return _parsed(self.rfile.read(int(length)).decode(errors="replace"))

    # ---- leaving

    def log_out(self) -> None:
        """End this login in all tabs and, should somebody have a copy of the cookie, there too."""
        if not self._same_origin():
            self._refuse(403, "this page is not ours.")
            return
        if number := number_of(self.login):
            self.context.store.end_login(number)
            self.end_pages(self.login)
        self.redirect(self.set_cookie(LOGIN_COOKIE, "", 0))


def _parsed(query: str) -> dict[str, str]:
    """'a=1&b=2' -> {'a': '1', 'b': '2'}; what is not of that form is left out."""
    try:
        found = parse_qs(query, errors="replace", max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


@functools.cache
def _form() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(HERE)
    template = jinja2.Environment(loader=loader, autoescape=True).get_template("login.html")
    template.globals["style"] = (HERE / "page.css").read_text("utf-8")
    template.globals["icon"] = (HERE / "head.html").read_text("utf-8")
    return template
