"""What a listener can change while a station plays, and the events that were played with it."""

from dataclasses import dataclass, fields

from config_bach import DEFAULT_BPM, DEFAULT_PROGRAM, Settings, setting
from music.events import Event
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
    volume: float = setting(0.8, 0.0, 1.0, "share of full loudness")

    @property
    def programs(self) -> tuple[int, ...]:
        """The instruments of the four voices; music without voices is played by the first."""
        others = (self.alto, self.tenor, self.bass)
        return (self.program, *(p or self.program for p in others))


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
        return float(self.event.duration) * 60 / self.settings.bpm


def range_of(name: str) -> tuple[float, float]:
    """The lowest and the highest value of a setting."""
    (metadata,) = [f.metadata for f in fields(PlayerSettings) if f.name == name]
    return metadata["low"], metadata["high"]
