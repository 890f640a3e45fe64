"""Logins with a limit on guessing, and signed links that need no login."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer

REALM = 'Basic realm="Play Bach", charset="UTF-8"'
FREE_TRIES = 3  # a typing error costs nothing
LONGEST_WAIT = 60.0  # seconds
CLIENTS = 4096  # addresses that are remembered, the longest unseen are forgotten first


@dataclass(frozen=True)
class Verdict:
    """Whether the login was right and, if the client has guessed too often, the seconds to wait."""

    accepted: bool
    wait: float = 0.0

    @property
    def status(self) -> int:
        """The HTTP status that says it: 200, 401 or 429."""
        return 200 if self.accepted else 429 if self.wait else 401


class Authenticator:
    """Checks HTTP Basic logins. One serves both ports, so that they share the count of guesses."""

    def __init__(
        self, user: str, password: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._secret = _digest(f"{user}:{password}".encode())
        self._clock = clock
        self._guesses: OrderedDict[str, tuple[int, float]] = OrderedDict()  # count, free again at
        self._lock = threading.Lock()

    def check(self, authorization: str | None, address: str) -> Verdict:
        """Check an Authorization header from an IP address. No header is not counted as a guess."""
        if not authorization:
            return Verdict(False)
        client = _network(address)
        with self._lock:
            count, free = self._guesses.get(client, (0, 0.0))
            if (wait := free - self._clock()) > 0:
                return Verdict(False, wait)
            if hmac.compare_digest(_digest(_credentials(authorization)), self._secret):
                self._guesses.pop(client, None)
                return Verdict(True)
            self._count(client, count + 1)
        return Verdict(False)

    def _count(self, client: str, count: int) -> None:
        """Remember a wrong guess: from the fourth on each doubles the wait."""
        wait = 0.0 if count <= FREE_TRIES else min(2.0 ** (count - FREE_TRIES), LONGEST_WAIT)
        self._guesses[client] = (count, self._clock() + wait)
        self._guesses.move_to_end(client)
        while len(self._guesses) > CLIENTS:
            self._guesses.popitem(last=False)


def _digest(text: bytes) -> bytes:
    """Secrets are compared by digest: not even their lengths show."""
    return hashlib.sha256(text).digest()


def _credentials(authorization: str) -> bytes:
    """'Basic dTpw' -> b'u:p'; anything else -> b''."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        return base64.b64decode(encoded, validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        return b""


def _network(address: str) -> str:
    """The address, or the /64 that one IPv6 client has all to itself."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if ip.version == 4:
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), 64), strict=False))


class SignedLinks:
    """Signed, expiring links, so that an audio element needs no login. They die with the server."""

    def __init__(self, hours: float) -> None:
        self._seconds = int(hours * 3600)
        self._key = secrets.token_bytes(32)

    def sign(self, purpose: str, what: Any) -> str:
        """A token for one purpose, such as 'listen'; `what` is any JSON."""
        token = self._serializer(purpose).dumps(what)
        return token if isinstance(token, str) else token.decode()

    def read(self, purpose: str, token: str) -> Any:
        """What was signed; None if the token was forged, made for something else or is too old."""
        try:
            return self._serializer(purpose).loads(token, max_age=self._seconds)
        except BadSignature:
            return None

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self._key, salt=purpose, signer_kwargs={"digest_method": hashlib.sha256}
        )
