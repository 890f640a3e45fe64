"""Logins with a limit on guessing."""

import base64
import binascii
import ipaddress
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from stream.accounts import Accounts

REALM = 'Basic realm="Play Bach", charset="UTF-8"'
DEVICE_COOKIE = "play_bach_device"
FREE_TRIES = {"address": 3, "account": 50}  # a typing error costs nothing
LONGEST_WAIT = 60.0  # seconds
SLOWED = 3.0  # seconds at the most that a login takes while somebody is guessing
FORGIVEN = 60.0  # seconds after which one wrong guess is forgotten
CODES = "codes"  # the account that stands for all codes; those of users are in hexadecimal
AT_ONCE = 4  # logins of one address that may be slowed at the same time
COUNTED = 4096  # addresses and accounts that are remembered, the longest unseen are forgotten first


@dataclass(frozen=True)
class Verdict:
    """Whether the login was right and, if there was too much guessing, the seconds to wait.

    login: who that is, as Accounts writes it. device: a token for a cookie, by which this client is
    known from now on; empty if it is known.
    """

    login: str = ""
    wait: float = 0.0
    device: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the client may come in."""
        return bool(self.login)

    @property
    def user(self) -> str:
        """The name of the user; of a guest a name of its own, which begins with 'guest:'."""
        return self.login.rsplit("/", 2)[0]

    @property
    def status(self) -> int:
        """The HTTP status that says it: 200, 401 or 429."""
        return 200 if self.accepted else 429 if self.wait else 401


class Authenticator:
    """Checks logins. One serves both ports, the form and HTTP Basic, so that they share the guesses.

    Wrong guesses are counted by address and by account, and forgotten with time, not by a right one:
    a neighbour's login does not help who guesses. While there is too much guessing every check takes
    longer, for right and wrong passwords alike, but the right one always gets in; and a client that has
    logged in once has a cookie, and is not slowed by what others do (the device cookies of OWASP's
    "Slow down online guessing attacks"). All guest codes are one account.
    """

    def __init__(
        self,
        accounts: Accounts,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.accounts, self._clock, self._sleep = accounts, clock, sleep
        self._guesses: OrderedDict[tuple[str, str], tuple[float, float, float]] = OrderedDict()
        self._slowed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def check(
        self, authorization: str | None, address: str, device: str = "", cookie: str = ""
    ) -> Verdict:
        """Check a request from an IP address: its login cookie or else its Authorization header.

        device: the cookie of a client that has logged in before. May take SLOWED seconds. No header, and
        a cookie that does not hold, are not counted as guesses.
        """
        if login := self.accounts.login_of(cookie):
            return Verdict(login)
        if not authorization:
            return Verdict()
        return self.check_password(_credentials(authorization), address, device)

    def check_password(self, credentials: bytes, address: str, device: str = "") -> Verdict:
        """Check b'user:password'."""
        account = credentials.partition(b":")[0][:64]
        known = self.accounts.device_number(device, account.decode(errors="replace"))
        login = self.accounts.with_password(credentials)
        if known:
            return self._check(login, f"device {known}", [("address", f"device {known}")])
        client = network_of(address)
        verdict = self._check(login, client, [("address", client), ("account", account.hex())])
        return replace(verdict, device=self.accounts.device(login)) if verdict.accepted else verdict

    def check_code(self, code: bytes, address: str) -> Verdict:
        """Check the code of a guest."""
        client = network_of(address)
        login = self.accounts.with_code(code)
        return self._check(login, client, [("address", client), ("account", CODES)])

    def _check(self, login: str, client: str, keys: list[tuple[str, str]]) -> Verdict:
        """Slow the client down if there was too much guessing; count what was wrong (an empty login)."""
        with self._lock:
            wait = max(self._wait(key) for key in keys)
            if wait and self._slowed[client] >= AT_ONCE:
                return Verdict(wait=wait)
            self._slowed[client] += 1
        try:
            if wait:
                self._sleep(min(wait, SLOWED))
        finally:
            with self._lock:
                self._slowed[client] -= 1
                self._slowed += Counter()  # drops what is zero
        if login:
            return Verdict(login)
        with self._lock:
            for key in keys:
                self._count(key)
            return Verdict(wait=wait)

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
