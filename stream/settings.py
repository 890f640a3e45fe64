"""The settings of the server: play_bach.json, made on first start, read on every other."""

import json
import os
import re
import secrets
import stat
from dataclasses import dataclass, fields
from pathlib import Path

from config_bach import Paths, Runtime, Settings, UserError, setting
from litert.variants import VARIANTS
from storage.files import replacing

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PASSWORD_BYTES = 12
URL = re.compile(r"https?://[\w.:\[\]-]+(/[\w.~-]+)*", re.ASCII)


@dataclass(frozen=True)
class Server(Settings):
    """What the streaming server is told by play_bach.json."""

    user: str = "bach"
    password: str = ""
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.remi_port == self.flask_port:
            raise UserError(
                f"remi_port and flask_port are both {self.remi_port}; give each its own."
            )
        for name in ("user", "password", "host"):
            if not getattr(self, name).strip():
                raise UserError(f"{name} is empty; write one.")
        if self.variant not in ("", *VARIANTS):
            raise UserError(
                f"variant is '{self.variant}'; it must be {', '.join(VARIANTS)}, or empty."
            )
        if self.sound_url and not URL.fullmatch(self.sound_url):
            raise UserError(
                f"sound_url is '{self.sound_url}'; write an address such as https://example.org/1, "
                "without a slash at its end."
            )
        _ = self.runtime  # refuses what is out of range
        if ":" in self.user:
            raise UserError("user holds a ':', which a login cannot carry; choose another.")

    @property
    def runtime(self) -> Runtime:
        """What LiteRT is to compute on. Raises UserError if it cannot."""
        return Runtime(self.threads, self.delegate)

    @property
    def proxies(self) -> list[str]:
        """The addresses of `trusted_proxies`."""
        return [part.strip() for part in self.trusted_proxies.split(",") if part.strip()]

    @property
    def on_network(self) -> bool:
        """Whether others than this machine can call."""
        return self.host not in LOOPBACK


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
        return _read(path), False
    server = Server(password=secrets.token_urlsafe(PASSWORD_BYTES))
    with replacing(path, stat.S_IRUSR | stat.S_IWUSR) as aside:
        aside.write_text(json.dumps(server.to_json(), indent=2) + "\n", encoding="utf-8")
    return server, True


def readable_by_others(paths: Paths) -> bool:
    """Whether other users of this machine can read the password."""
    if os.name != "posix":
        return False
    return bool(path_of(paths).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _read(path: Path) -> Server:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); mend it, or delete it to get a new one."
        ) from error
    if not isinstance(data, dict):
        raise UserError(f"{path} must hold an object in braces; delete it to get a new one.")
    known = [item.name for item in fields(Server)]
    for key in data:
        if key not in known:
            raise UserError(f"{path}: '{key}' is not a setting; there are {', '.join(known)}.")
    try:
        return Server(**data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
