"""What a listener can change while a station plays, and the events that were played with it."""

from dataclasses import dataclass, field, fields

from config_bach import DEFAULT_BPM, DEFAULT_PROGRAM, Settings, setting
from music.events import Event
from music.instruments import VOICE_NAMES
from music.loudness import VOLUME
from music.scales import scale_of
from music.synth import MIDDLE, Mix
from stream.source import StreamEvent


@dataclass(frozen=True)
class PlayerSettings(Settings):
    """What a listener can change while a station plays."""

    model: str
    program: int = setting(DEFAULT_PROGRAM, 1, 128, "General MIDI instrument")
    alto: int = setting(0, 0, 128, "instrument of the second voice; 0 as the first")
    tenor: int = setting(0, 0, 128, "instrument of the third voice; 0 as the first")
    bass: int = setting(0, 0, 128, "instrument of the fourth voice; 0 as the first")
    bpm: float = setting(DEFAULT_BPM, 30.0, 240.0, "quarter notes a minute")
    temperature: float = setting(1.0, 0.0, 2.0, "0 always takes the likeliest")
    scale: str = field(
        default="",
        metadata={"help": "only notes of it: 'G major', 'D dorian', 'C D E G A'; empty: any"},
    )
    volume: float = setting(VOLUME, 0.0, 1.0, "share of full loudness")
    room: float = setting(Mix.room, 0.0, 1.0, "reverb; 0: none")
    soprano_volume: float = setting(1.0, 0.0, 1.0, "of the first voice, or of all; 0: off")
    alto_volume: float = setting(1.0, 0.0, 1.0, "of the second voice")
    tenor_volume: float = setting(1.0, 0.0, 1.0, "of the third voice")
    bass_volume: float = setting(1.0, 0.0, 1.0, "of the fourth voice")
    soprano_pan: float = setting(Mix.pans[0], -1.0, 1.0, "-1 left, 1 right; with voices only")
    alto_pan: float = setting(Mix.pans[1], -1.0, 1.0, "-1 left, 1 right")
    tenor_pan: float = setting(Mix.pans[2], -1.0, 1.0, "-1 left, 1 right")
    bass_pan: float = setting(Mix.pans[3], -1.0, 1.0, "-1 left, 1 right")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale:
            scale_of(self.scale, "scale")

    @property
    def programs(self) -> tuple[int, ...]:
        """The instruments of the four voices; music without voices is played by the first."""
        others = (self.alto, self.tenor, self.bass)
        return (self.program, *(p or self.program for p in others))

    def mix(self, voices: bool) -> Mix:
        """How it is heard. voices: whether the music has any; without, it sounds in the middle."""
        volumes = tuple(getattr(self, f"{name}_volume") for name in VOICE_NAMES)
        pans = tuple(getattr(self, f"{name}_pan") for name in VOICE_NAMES)
        return Mix(volumes, pans if voices else MIDDLE, self.room)


@dataclass(frozen=True)
class PlayedEvent:
    """An event of a station: its number, its onset in frames, and the settings it was played with."""

    number: int
    onset: int
    predicted: StreamEvent
    settings: PlayerSettings

    @property
    def event(self) -> Event:
        """What sounds."""
        return self.predicted.event

    @property
    def seconds(self) -> float:
        """How long it lasts, in seconds."""
        return self.event.seconds(self.settings.bpm)


def range_of(name: str) -> tuple[float, float]:
    """The lowest and the highest value of a setting."""
    (metadata,) = [f.metadata for f in fields(PlayerSettings) if f.name == name]
    return metadata["low"], metadata["high"]
