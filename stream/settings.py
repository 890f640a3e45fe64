"""The settings of the server: play_bach.json, made on first start, read on every other."""

import json
import os
import re
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from config_bach import LONGEST_TEXT, Network, Paths, Runtime, Settings, UserError, setting
from litert.variants import VARIANTS
from storage.files import replacing

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PASSWORD_BYTES = 12
LONGEST_NAME = 64  # characters of a user's name
CODE_LENGTHS = (8, 64)  # characters of a guest's code
MOST_ACCOUNTS = 1000  # users, and codes
URL = re.compile(r"https?://[\w.:\[\]-]+(/[\w.~-]+)*", re.ASCII)


@dataclass(frozen=True)
class Server(Settings):
    """What the streaming server is told by play_bach.json."""

    user: str = "bach"
    password: str = ""
    users: dict[str, str] = field(default_factory=dict)  # other users: name -> password
    guests: list[str] = field(default_factory=list)  # codes
    certificate: str = ""  # the path of a PEM file; with it both ports speak HTTPS
    key: str = ""  # the path of the PEM file with its private key
    remi_port: int = setting(8800, 1, 65535, "the control page")
    flask_port: int = setting(8801, 1, 65535, "the sound")
    dns: str = (
        ""  # the name or address that phones should call; empty: whatever the page was called
    )
    sound_url: str = ""  # where phones reach the sound behind a proxy: https://example.org/1
    host: str = "127.0.0.1"  # 0.0.0.0 listens on the network
    ahead: float = setting(1.4, 0.3, 10.0, "seconds composed ahead of what is heard")
    backlog: float = setting(8.0, 1.0, 60.0, "seconds a listener may lag before it is dropped")
    keep_minutes: float = setting(5.0, 0.5, 60.0, "minutes of music held for 'Keep that'")
    idle_minutes: float = setting(10.0, 0.02, 1440.0, "minutes a silent station lives")
    link_hours: float = setting(24.0, 0.01, 8760.0, "hours a link to the sound is good for")
    workers: int = setting(
        0, 0, 64, "processes that compose; 0: one for each core; 1: the server's own"
    )
    max_stations: int = setting(500, 1, 5000, "stations that play at once, if the machine can")
    max_listeners: int = setting(300, 1, 2000, "listeners of one station")
    max_connections: int = setting(330, 2, 4000, "listeners of all stations")
    max_pages: int = setting(200, 1, 5000, "open control pages")
    max_per_address: int = setting(100, 1, 100_000, "connections of one address to each server")
    trusted_proxies: str = ""  # addresses, separated by commas, whose X-Forwarded-For is believed
    recordings_mb: int = setting(64, 1, 10_000, "megabytes of what 'Keep that' has kept")
    mp3_kbps: int = setting(320, 32, 320, "kilobits a second of MP3")
    variant: str = ""  # of the exported ones that models play with; empty: the fastest here
    threads: int = Runtime.threads
    delegate: str = ""  # the path of a LiteRT delegate library
    training: bool = True  # whether users may train models from the control page
    training_files: int = setting(1000, 3, 100_000, "scores that a user may send to train with")
    training_mb: int = setting(64, 1, 10_000, "megabytes of these")
    training_models: int = setting(20, 1, 10_000, "models that a user may train")
    training_epochs: int = setting(30, 1, 10_000, "passes over them at the most")
    training_hours: float = setting(12.0, 0.01, 1000.0, "hours after which a training ends")
    training_threads: int = setting(1, 1, 256, "threads that a training computes with")
    training_units: int = setting(0, 0, 2048, "LSTM units in a layer; 0: as many as -f takes")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.remi_port == self.flask_port:
            raise UserError(
                f"remi_port and flask_port are both {self.remi_port}; give each its own."
            )
        for name in ("user", "password", "host"):
            if not getattr(self, name).strip():
                raise UserError(f"{name} is empty; write one.")
            if not _encodes(getattr(self, name)):
                raise UserError(f"{name} holds half a character; write it anew.")
        if self.variant not in ("", *VARIANTS):
            raise UserError(
                f"variant is '{self.variant}'; it must be {', '.join(VARIANTS)}, or empty."
            )
        if self.sound_url and not URL.fullmatch(self.sound_url):
            raise UserError(
                f"sound_url is '{self.sound_url}'; write an address such as https://example.org/1, "
                "without a slash at its end."
            )
        _ = self.runtime, self.training_network  # refuse what is out of range
        _check_users(self.user, self.users)
        _check_guests(self.guests)
        if bool(self.certificate) != bool(self.key):
            given, missing = ("certificate", "key") if self.certificate else ("key", "certificate")
            raise UserError(f"{given} is set and {missing} is not; HTTPS needs both, or neither.")

    @property
    def passwords(self) -> dict[str, str]:
        """All users, the owner first: name -> password."""
        return {self.user: self.password, **self.users}

    @property
    def scheme(self) -> str:
        """What the addresses of both ports begin with: http or https."""
        return "https" if self.certificate else "http"

    @property
    def runtime(self) -> Runtime:
        """What LiteRT is to compute on. Raises UserError if it cannot."""
        return Runtime(self.threads, self.delegate)

    @property
    def training_network(self) -> Network:
        """How large trained networks are. Raises UserError for a size that none can have."""
        return Network(units=self.training_units or Network.units)

    @property
    def proxies(self) -> list[str]:
        """The addresses of `trusted_proxies`."""
        return [part.strip() for part in self.trusted_proxies.split(",") if part.strip()]

    @property
    def on_network(self) -> bool:
        """Whether others than this machine can call."""
        return self.host not in LOOPBACK


def _check_users(owner: str, users: dict[str, Any]) -> None:
    """Raise UserError for a name that a login cannot carry, or a password that is none."""
    if ":" in owner:
        raise UserError("user holds a ':', which a login cannot carry; choose another.")
    _check_count("users", users)
    for name, password in users.items():
        if name == owner:
            raise UserError(f"users holds '{name}', who is the owner already; take it out.")
        if not _is_line(name, 1, LONGEST_NAME) or ":" in name:
            raise UserError(
                f"users holds the name {name[:80]!r}; it must be 1 to {LONGEST_NAME} characters on one "
                "line, without a ':' and without spaces around it."
            )
        if not _is_password(password):
            raise UserError(
                f"the password of '{name}' in users must be text of 1 to {LONGEST_TEXT} characters."
            )


def _check_guests(codes: list[Any]) -> None:
    """Raise UserError for a code that cannot be typed, is easily guessed, or is there twice."""
    _check_count("guests", codes)
    for code in codes:
        if not isinstance(code, str) or not _is_line(code, *CODE_LENGTHS):
            raise UserError(
                f"guests holds {str(code)[:80]!r}; a code is text of {CODE_LENGTHS[0]} to "
                f"{CODE_LENGTHS[1]} characters on one line, without spaces around it."
            )
        if codes.count(code) > 1:
            raise UserError(f"guests holds the code '{code}' twice; take one out.")


def _check_count(name: str, accounts: Sequence[Any] | dict[str, Any]) -> None:
    if len(accounts) > MOST_ACCOUNTS:
        raise UserError(f"{name} has {len(accounts)} entries; {MOST_ACCOUNTS} are allowed.")


def _is_password(text: Any) -> bool:
    return isinstance(text, str) and 0 < len(text.strip()) <= LONGEST_TEXT and _encodes(text)


def _encodes(text: str) -> bool:
    """Whether text can be written; JSON can hold halves of characters, which cannot."""
    return all(not 0xD800 <= ord(x) < 0xE000 for x in text)


def _is_line(text: str, shortest: int, longest: int) -> bool:
    return shortest <= len(text) <= longest and text == text.strip() and text.isprintable()


def path_of(paths: Paths) -> Path:
    """Where the settings of the server lie."""
    return paths.root / "play_bach.json"


def store_of(paths: Paths) -> Path:
    """Where the server keeps what is to survive a restart."""
    return paths.root / "play_bach.db"


def load_or_create(paths: Paths) -> tuple[Server, bool]:
    """The settings, and whether they were made just now, with a random password, readable by you alone.

    Raises UserError, naming the file and the key, when they cannot be read, written or understood.
    """
    path = path_of(paths)
    if path.exists():
        return _checked(path, _object_in(path)), False
    server = Server(password=new_password())
    _write(path, server.to_json())
    return server, True


def change(paths: Paths, **changes: Any) -> Server:
    """Change settings in the file, which must be there; returns all of them.

    What else stands in it stays. Raises UserError, and changes nothing, if they cannot be so.
    """
    path = path_of(paths)
    data = {**_object_in(path), **changes}
    server = _checked(path, data)
    _write(path, data)
    return server


def new_password() -> str:
    """A random password, which nobody guesses."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def _write(path: Path, data: dict[str, Any]) -> None:
    """Write the file, for its owner's eyes alone."""
    with replacing(path, stat.S_IRUSR | stat.S_IWUSR) as aside:
        aside.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def readable_by_others(paths: Paths) -> bool:
    """Whether other users of this machine can read the password."""
    if os.name != "posix":
        return False
    return bool(path_of(paths).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _object_in(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); mend it, or delete it to get a new one."
        ) from error
    if not isinstance(data, dict):
        raise UserError(f"{path} must hold an object in braces; delete it to get a new one.")
    return data


def _checked(path: Path, data: dict[str, Any]) -> Server:
    """The settings that a file holds. Raises UserError, naming the file and the setting."""
    known = [item.name for item in fields(Server)]
    for key in data:
        if key not in known:
            raise UserError(f"{path}: '{key}' is not a setting; there are {', '.join(known)}.")
    try:
        return Server(**data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
