"""Every setting of playing together, with its unit and range."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

from config_bach import BPM_RANGE, Settings, UserError, setting

WAYS = ("answer", "accompany", "continue", "ring")
ENDS = ("rest", "bar", "beats", "pedal", "button")
CLOCKS = ("internal", "out", "in")
CHOICES = {"way": WAYS, "ends": ENDS, "clock": CLOCKS}
ACTIONS = ("button", "panic", "approve", "back", "change")  # what a control can do beside settings
MODELS = ("model", *(f"model{n}" for n in range(2, 9)))  # a control steps through those of a player
FIXED = ("clock", "bar")  # cannot be changed while it plays


@dataclass(frozen=True)
class Together(Settings):
    """How people and models play together. Lengths are in quarters."""

    way: str = "answer"
    ends: str = "rest"  # what ends a call
    clock: str = "internal"
    bpm: float = setting(120.0, *BPM_RANGE, "quarter notes a minute")
    bar: int = setting(4, 1, 12, "quarters of a bar")
    rest: float = setting(1.0, 0.25, 16.0, "quarters of silence that end a call")
    listen_least: float = setting(1.0, 0.25, 64.0, "quarters that a call lasts at least")
    listen_most: float = setting(16.0, 1.0, 256.0, "quarters that a call lasts at most")
    answer: float = setting(0.0, 0.0, 256.0, "quarters of an answer; 0: as long as the call")
    voice: int = setting(1, 1, 4, "the voice that the person plays: 1 soprano to 4 bass")
    temperature: float = setting(1.0, 0.0, 100.0, "0 always takes the likeliest")
    top_p: float = setting(0.95, 0.0, 1.0, "sample from the likeliest symbols of this total mass")
    scale: str = ""  # only notes of it, such as 'G major'
    swing: float = setting(0.5, 0.5, 0.75, "where in a beat its second half begins")
    quantise: bool = True  # the person's notes are kept on the grid; false: as played
    loop: bool = False  # an answer is repeated until somebody plays
    mutate: float = setting(0.0, 0.0, 1.0, "chance that a repetition is composed anew")
    through: bool = True  # what comes in goes out as well
    metronome: bool = False
    metronome_channel: int = setting(10, 1, 16, "MIDI channel of the metronome")
    channel: int = setting(1, 1, 16, "MIDI channel of the first model; others follow")
    person_channel: int = setting(0, 0, 16, "MIDI channel of the first person; 0: after the models")
    offset: float = setting(0.0, -50.0, 500.0, "milliseconds by which models sound later")
    state_channel: int = setting(0, 0, 16, "MIDI channel for beat, bar and surprise; 0: none")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, choices in CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                raise UserError(f"{name} is {value!r}, but it must be one of {', '.join(choices)}.")

    def changed(self, name: str, value: Any) -> Self:
        """The same with another value. Raises UserError for what is no setting, or cannot change now."""
        if name not in {f.name for f in fields(self)} or name in FIXED:
            raise UserError(f"{name[:40]!r} cannot be changed while it plays.")
        return replace(self, **{name: value})

    def scaled(self, name: str, share: float) -> Self:
        """The same with a setting at a share (0..1) of its range: how a knob sets it."""
        item = next(f for f in fields(self) if f.name == name)
        if name in CHOICES:
            choices = CHOICES[name]
            value: Any = choices[min(int(share * len(choices)), len(choices) - 1)]
        elif "low" not in item.metadata:
            value = share >= 0.5
        else:
            low, high = KNOBS.get(name, (item.metadata["low"], item.metadata["high"]))
            value = low + share * (high - low)
            value = round(value) if item.type is int else value
        return self.changed(name, value)


KNOBS = {
    "temperature": (0.0, 2.0),
    "bpm": (40.0, 240.0),
    "answer": (0.0, 32.0),
    "listen_most": (1.0, 64.0),
}
TEXTS = ("scale",)  # settings that no knob can set
