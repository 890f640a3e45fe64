"""Signed, expiring links and cookies, and the clock by which they expire."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Any

from itsdangerous import BadSignature, TimestampSigner, URLSafeTimedSerializer

REMEMBERED = 90 * 86400  # seconds that the cookies of clients are good for
COOKIES = ("device", "login")


class Clock:
    """Seconds since 1970 that never jump: the clock of the machine is asked once, when it starts.

    A machine whose clock is wrong at first, or set back, would else void all links.
    """

    def __init__(self, at_least: float = 0.0) -> None:
        """at_least: the last time that was known before."""
        self._begun = max(time.time(), at_least) - time.monotonic()

    def __call__(self) -> float:
        """The time now."""
        return self._begun + time.monotonic()


class SignedLinks:
    """Signed, expiring links, so that an audio element needs no login."""

    def __init__(self, hours: float, key: bytes | None = None, clock: Clock | None = None) -> None:
        """key: keep it, and the links outlive the server."""
        self._seconds = int(hours * 3600)
        self._key = key or secrets.token_bytes(32)
        self.clock: Callable[[], float] = clock or Clock()
        links = self

        class Signer(TimestampSigner):
            def get_timestamp(self) -> int:
                return int(links.clock())

        self._signer = Signer

    def sign(self, purpose: str, what: Any) -> str:
        """A token for one purpose, such as 'listen'; `what` is any JSON."""
        token = self._serializer(purpose).dumps(what)
        return token if isinstance(token, str) else token.decode()

    def read(self, purpose: str, token: str) -> Any:
        """What was signed; None if the token was forged, made for something else or is too old."""
        seconds = REMEMBERED if purpose in COOKIES else self._seconds
        try:
            return self._serializer(purpose).loads(token, max_age=seconds)
        except BadSignature:
            return None

    def digest(self, secret: bytes) -> bytes:
        """What a secret is compared by; without the key it says nothing, not even a length."""
        return hmac.digest(self._key, b"secret\0" + secret, hashlib.sha256)

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self._key,
            salt=purpose,
            signer=self._signer,
            signer_kwargs={"digest_method": hashlib.sha256},
        )
