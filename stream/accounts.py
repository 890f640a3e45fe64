"""Who may come in: the owner, other users, guests with a code; and the cookie of who has logged in.

A login is written as 'user/fingerprint/number': the fingerprint is of the password or code that was
right, so that a login ends when these change; the number ends with "Log out". A login by HTTP Basic has
no number. Each guest is a user of its own, 'guest:' and a random number, who has only a code in common
with others.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence

from stream.links import SignedLinks

LOGIN_COOKIE = "play_bach_login"
GUEST = "guest:"  # no other user has a colon in the name


def is_guest(user: str) -> bool:
    """Whether a user has only a code."""
    return user.startswith(GUEST)


class Accounts:
    """The users with their passwords, and the codes of guests. Holds only digests, with a key."""

    def __init__(
        self,
        users: Mapping[str, str],
        codes: Sequence[str],
        links: SignedLinks,
        ended: Callable[[str], bool] = lambda number: False,
    ) -> None:
        """users: name -> password. links: signs cookies. ended: whether that login was logged out."""
        self._links, self._ended = links, ended
        self._users = {name: links.digest(_credentials(name, users[name])) for name in users}
        self._codes = [links.digest(code.encode()) for code in codes]

    @property
    def has_codes(self) -> bool:
        """Whether there are guests at all."""
        return bool(self._codes)

    def with_password(self, credentials: bytes) -> str:
        """The login of b'user:password'; empty if that is wrong."""
        right = self._links.digest(credentials)
        found = [name for name, x in self._users.items() if hmac.compare_digest(x, right)]
        return _written(found[0], right) if found else ""

    def with_code(self, code: bytes) -> str:
        """The login of a new guest; empty if the code is wrong."""
        right = self._links.digest(code)
        found = [x for x in self._codes if hmac.compare_digest(x, right)]
        return _written(GUEST + secrets.token_hex(8), right) if found else ""

    def user_of(self, login: str) -> str:
        """Whose login it is; empty if the user is gone, has another password, or has logged out."""
        user, fingerprint, number = (*login.rsplit("/", 2), "", "", "")[:3]
        secret = self._codes if is_guest(user) else [self._users.get(user, b"")]
        holds = any(hmac.compare_digest(_fingerprint(x), fingerprint) for x in secret if x)
        return user if holds and not (number and self._ended(number)) else ""

    def cookie(self, login: str) -> str:
        """A cookie for a login; it has a number, by which it can be ended."""
        return self._links.sign("login", f"{login}{secrets.token_hex(16)}")

    def login_of(self, cookie: str) -> str:
        """The login of a cookie; empty if it is forged, too old, or holds no longer."""
        login = self._signed(cookie)
        return login if self.user_of(login) else ""

    def is_void(self, cookie: str) -> bool:
        """Whether a cookie is of this server, but holds no longer: its user left, or has logged out."""
        login = self._signed(cookie)
        return bool(login) and not self.user_of(login)

    def _signed(self, cookie: str) -> str:
        login = self._links.read("login", cookie) if cookie else None
        return login if isinstance(login, str) else ""

    def device(self, login: str) -> str:
        """A cookie by which a client of this user is known from now on."""
        user, fingerprint, _ = login.rsplit("/", 2)
        claims = {"number": secrets.token_hex(8), "for": fingerprint}
        return "" if is_guest(user) else self._links.sign("device", claims)

    def device_number(self, device: str, user: str) -> str:
        """The number of a client that has logged in as this user before; else empty."""
        claims, secret = (
            self._links.read("device", device) if device else None,
            self._users.get(user),
        )
        if not isinstance(claims, dict) or secret is None:
            return ""
        return str(claims["number"]) if claims.get("for") == _fingerprint(secret) else ""


def number_of(login: str) -> str:
    """What is remembered of a login that has ended; empty for HTTP Basic."""
    return login.rpartition("/")[2]


def _credentials(user: str, password: str) -> bytes:
    return f"{user}:{password}".encode()


def _fingerprint(secret: bytes) -> str:
    return secret.hex()[:16]


def _written(user: str, secret: bytes) -> str:
    return f"{user}/{_fingerprint(secret)}/"
