"""What the server and the workers that compose tell each other."""

from dataclasses import dataclass, field

from music.copies import Copy
from music.synth import RATE
from stream.player_settings import PlayerSettings
from stream.source import StreamEvent

BLOCK = 8192  # frames that are sent at a time: 0.19 s; half as long costs 15 % more
BLOCK_SECONDS = BLOCK / RATE


@dataclass(frozen=True)
class Begin:
    """To a worker: produce sound for a station.

    number: of the producer, new for each. first: the frame of the station that it begins with.
    trouble: why the model is not to be tried at once; empty if it is.
    """

    number: int
    station: str
    settings: PlayerSettings
    seed: int
    first: int
    trouble: str = ""


@dataclass(frozen=True)
class Change:
    """To a worker: other settings, from the next block on."""

    number: int
    settings: PlayerSettings


@dataclass(frozen=True)
class Pace:
    """To a worker: whether somebody listens, and when frame 0 was heard (time.monotonic)."""

    number: int
    listening: bool
    begun: float | None = None


@dataclass(frozen=True)
class End:
    """To a worker: nothing more is wanted of a producer."""

    number: int


@dataclass(frozen=True)
class State:
    """From a worker: how a producer does. seconds, cpu: spent on composing, and on everything."""

    trouble: str = ""
    from_corpus: bool = False
    notes: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    restarts: int = 0
    copied: Copy = field(default_factory=Copy)


@dataclass(frozen=True)
class Composed:
    """An event: its onset in frames of the station, and the settings that it is played with."""

    onset: int
    predicted: StreamEvent
    settings: PlayerSettings


@dataclass(frozen=True)
class Block:
    """From a worker: the next sound of a station, from `frame` on, and what begins in it."""

    number: int
    frame: int
    wav: bytes
    mp3: bytes
    events: tuple[Composed, ...]
    state: State


@dataclass(frozen=True)
class Restarted:
    """From a worker: a producer had to begin anew."""

    number: int
    state: State


@dataclass(frozen=True)
class Load:
    """From a worker: the share of its time (0..1) that it works, and what a second of sound costs.

    costs: seconds, by model.
    """

    load: float
    costs: dict[str, float] = field(default_factory=dict)


Order = Begin | Change | Pace | End
Report = Block | Restarted | Load
