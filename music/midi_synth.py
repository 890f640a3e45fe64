"""A synth that is played by MIDI messages: sixteen channels, and instruments that are equally loud."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

from config_bach import DEFAULT_PROGRAM
from music.events import Event
from music.loudness import Levels
from music.sounds import DRUMS, Sound
from music.synth import (
    CHANNELS,
    DRUM_BANK,
    DRUM_CHANNEL,
    MIDDLE,
    PAN,
    REVERB_SEND,
    VOLUME,
    Mix,
    Synth,
)

GAIN = 12.0  # of the sound, see music.loudness; instruments that need less are turned down
USUAL = 100  # of the controller VOLUME: that with which loudness was measured
SOUND_OFF, NOTES_OFF = 120, 123  # control changes
CONTROLS = (
    1,
    11,
    64,
    66,
    67,
    SOUND_OFF,
    NOTES_OFF,
)  # modulation, expression, pedals; what is heard
PLACES = (0.0, 0.35, -0.35, 0.2, -0.2, 0.5, -0.5, 0.1)  # of the channels, -1 left .. 1 right
MEASURED = (60, 67, 64, 72)  # pitches, and strokes of percussion, by which loudness is measured
STROKES = (36, 42, 38, 42)


class MidiSynth(Synth):
    """Takes messages as mido has them; what they do is heard in the next frames of `render`."""

    def __init__(self, levels: Levels) -> None:
        """levels: how loud instruments are. Raises UserError as Synth does."""
        super().__init__(1, mix=Mix(pans=MIDDLE))
        self._levels = levels
        self._prepare()

    def _prepare(self) -> None:
        for channel in range(CHANNELS):
            self._synth.cc(channel, PAN, round(63.5 + 63.5 * PLACES[channel % len(PLACES)]))
            self._synth.cc(channel, REVERB_SEND, 127)
            self.choose(channel, DRUMS if channel == DRUM_CHANNEL else DEFAULT_PROGRAM)

    def choose(self, channel: int, program: int) -> None:
        """Another instrument (1..128, or DRUMS) for a channel (0..15)."""
        bank, preset = (DRUM_BANK, 0) if program == DRUMS else (0, program - 1)
        self._synth.program_select(channel, self._font, bank, preset)
        share = min(self._levels.gain(passage(program), 1) / GAIN, 1.0)
        self._synth.cc(channel, VOLUME, round(USUAL * share**0.5))

    def take(self, message: Any) -> None:
        """Do what a message says; what is not about sound does nothing."""
        kind = message.type
        if kind == "note_on":  # of velocity 0 it ends the note
            self._synth.noteon(message.channel, message.note, message.velocity)
        elif kind == "note_off":
            self._synth.noteoff(message.channel, message.note)
        elif kind == "control_change" and message.control in CONTROLS:
            self._synth.cc(message.channel, message.control, message.value)
        elif kind == "pitchwheel":
            self._synth.pitch_bend(message.channel, message.pitch)
        elif kind == "program_change" and message.channel != DRUM_CHANNEL:
            self.choose(message.channel, message.program + 1)

    def reset(self) -> None:
        """Silence: as if it had just been made."""
        super().reset()
        self._prepare()


@cache
def passage(program: int) -> tuple[Event, ...]:
    """Some notes of an instrument (1..128), or strokes of percussion (DRUMS)."""
    pitches = STROKES if program == DRUMS else MEASURED
    return tuple(Event.of([Sound(program, pitch)], Fraction(1)) for pitch in pitches)
