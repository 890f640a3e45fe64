"""What the server and the workers that compose tell each other."""

import math
from dataclasses import dataclass, field

from music.copies import Copy
from music.synth import RATE
from stream.piece import Sampling
from stream.player_settings import PlayerSettings
from stream.source import StreamEvent

BLOCK = 8192  # frames that are sent at a time: 0.19 s; half as long costs 15 % more
BLOCK_SECONDS = BLOCK / RATE


@dataclass(frozen=True)
class Begin:
    """To a worker: produce sound for a station.

    number: of the producer, new for each. first: the frame of the station that it begins with.
    kinds: the formats that are listened to. trouble: why the model is not to be tried at once.
    samplings: how the first piece is sampled, where that is fixed beforehand.
    """

    number: int
    station: str
    settings: PlayerSettings
    seed: int
    first: int
    kinds: tuple[str, ...] = ("mp3",)
    trouble: str = ""
    samplings: tuple[Sampling, ...] = ()


@dataclass(frozen=True)
class Compose:
    """To a worker: begin a piece with the next block, by these settings.

    samplings: how it is sampled, where that is fixed beforehand.
    """

    number: int
    settings: PlayerSettings
    seed: int
    samplings: tuple[Sampling, ...] = ()


@dataclass(frozen=True)
class Change:
    """To a worker: other settings, from the next block on."""

    number: int
    settings: PlayerSettings


@dataclass(frozen=True)
class Pace:
    """To a worker: the formats that are listened to, and when frame 0 was heard (time.monotonic).

    No formats: nobody listens. A format that is new is answered with `Earlier`.
    """

    number: int
    kinds: tuple[str, ...]
    begun: float | None = None


@dataclass(frozen=True)
class End:
    """To a worker: nothing more is wanted of a producer."""

    number: int


@dataclass(frozen=True)
class State:
    """From a worker: how a producer does. seconds: spent on composing."""

    trouble: str = ""
    from_corpus: bool = False
    notes: int = 0
    seconds: float = 0.0
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
    """From a worker: the next sound of a station, from `frame` on, and what begins in it.

    sound: by format.
    """

    number: int
    frame: int
    sound: dict[str, bytes]
    events: tuple[Composed, ...]
    state: State


@dataclass(frozen=True)
class Earlier:
    """From a worker: what is composed and not yet heard, in a format that is newly wanted.

    blocks: by the frame that they begin with.
    """

    number: int
    kind: str
    blocks: dict[int, bytes]


@dataclass(frozen=True)
class Restarted:
    """From a worker: a producer had to begin anew."""

    number: int
    state: State


@dataclass(frozen=True)
class Load:
    """From a worker: how busy it is, and what a second of sound costs.

    load: the share of its time (0..1) that it works. costs: seconds, by model. slack: the fewest
    seconds that a station is ahead. cpu: processor seconds of the process so far.
    """

    load: float
    costs: dict[str, float] = field(default_factory=dict)
    slack: float = math.inf
    cpu: float = 0.0


Order = Begin | Compose | Change | Pace | End
Report = Block | Earlier | Restarted | Load
