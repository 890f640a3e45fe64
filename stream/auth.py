"""Logins with a limit on guessing, and signed links that need no login."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadSignature, TimestampSigner, URLSafeTimedSerializer

REALM = 'Basic realm="Play Bach", charset="UTF-8"'
DEVICE_COOKIE = "play_bach_device"
DEVICE_SECONDS = 90 * 86400
FREE_TRIES = {"address": 3, "account": 50}  # a typing error costs nothing
LONGEST_WAIT = 60.0  # seconds
SLOWED = 3.0  # seconds at the most that a login takes while somebody is guessing
FORGIVEN = 60.0  # seconds after which one wrong guess is forgotten
AT_ONCE = 4  # logins of one address that may be slowed at the same time
COUNTED = 4096  # addresses and accounts that are remembered, the longest unseen are forgotten first


@dataclass(frozen=True)
class Verdict:
    """Whether the login was right and, if there was too much guessing, the seconds to wait.

    device: a token for a cookie, by which this client is known from now on; empty if it is known.
    """

    accepted: bool
    wait: float = 0.0
    device: str = ""

    @property
    def status(self) -> int:
        """The HTTP status that says it: 200, 401 or 429."""
        return 200 if self.accepted else 429 if self.wait else 401


class Authenticator:
    """Checks HTTP Basic logins. One serves both ports, so that they share the count of guesses.

    Wrong guesses are counted by address and by account, and forgotten with time, not by a right one:
    a neighbour's login does not help who guesses. While there is too much guessing every check takes
    longer, for right and wrong passwords alike, but the right one always gets in; and a client that has
    logged in once has a cookie, and is not slowed by what others do (the device cookies of OWASP's
    "Slow down online guessing attacks").
    """

    def __init__(
        self,
        user: str,
        password: str,
        devices: "SignedLinks",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """devices: signs the cookies."""
        self._secret = _digest(f"{user}:{password}".encode())
        self._devices, self._clock, self._sleep = devices, clock, sleep
        self._guesses: OrderedDict[tuple[str, str], tuple[float, float, float]] = OrderedDict()
        self._slowed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def check(self, authorization: str | None, address: str, device: str = "") -> Verdict:
        """Check an Authorization header from an IP address. No header is not counted as a guess.

        device: the cookie of a client that has logged in before. May take SLOWED seconds.
        """
        if not authorization:
            return Verdict(False)
        credentials = _credentials(authorization)
        right = hmac.compare_digest(_digest(credentials), self._secret)
        known = self._known(device)
        client = f"device {known}" if known else network_of(address)
        account = credentials.partition(b":")[0][:64].hex()
        keys = [("address", client)] if known else [("address", client), ("account", account)]
        with self._lock:
            wait = max(self._wait(key) for key in keys)
            if wait and self._slowed[client] >= AT_ONCE:
                return Verdict(False, wait)
            self._slowed[client] += 1
        try:
            if wait:
                self._sleep(min(wait, SLOWED))
        finally:
            with self._lock:
                self._slowed[client] -= 1
                self._slowed += Counter()  # drops what is zero
        if right:
            return Verdict(True, device="" if known else self._new_device())
        with self._lock:
            for key in keys:
                self._count(key)
            return Verdict(False, wait)

    def _known(self, device: str) -> str:
        """The number of a client whose cookie is ours and speaks for this password; else empty."""
        claims = self._devices.read("device", device) if device else None
        if not isinstance(claims, dict) or claims.get("for") != self._secret.hex()[:16]:
            return ""
        return str(claims["number"])

    def _new_device(self) -> str:
        number = secrets.token_hex(8)
        return self._devices.sign("device", {"number": number, "for": self._secret.hex()[:16]})

    def _wait(self, key: tuple[str, str]) -> float:
        """Seconds until the next guess is free."""
        _, _, free = self._guesses.get(key, (0.0, 0.0, 0.0))
        return max(0.0, free - self._clock())

    def _count(self, key: tuple[str, str]) -> None:
        """Remember a wrong guess: beyond the free ones each doubles the wait."""
        now = self._clock()
        count, since, free = self._guesses.get(key, (0.0, now, 0.0))
        count = max(0.0, count - (now - since) / FORGIVEN) + 1
        beyond = min(count - FREE_TRIES[key[0]], 10.0)
        wait = min(2.0**beyond, LONGEST_WAIT) if beyond > 0 else 0.0
        self._guesses[key] = (count, now, max(free, now + wait))
        self._guesses.move_to_end(key)
        while len(self._guesses) > COUNTED:
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


def network_of(address: str) -> str:
    """The address, or the /64 that one IPv6 client has all to itself."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if ip.version == 4:
        return str(ip)
    return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), 64), strict=False))


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
        seconds = DEVICE_SECONDS if purpose == "device" else self._seconds
        try:
            return self._serializer(purpose).loads(token, max_age=seconds)
        except BadSignature:
            return None

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self._key,
            salt=purpose,
            signer=self._signer,
            signer_kwargs={"digest_method": hashlib.sha256},
        )
