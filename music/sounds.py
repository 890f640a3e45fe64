"""Notes by instruments that are told apart: a program for each, or the percussion of channel 10."""

from __future__ import annotations

from dataclasses import dataclass, replace

from music.instruments import VOICES, instrument_name

DRUMS = 0  # stands where a program (General MIDI 1..128) would
DRUM_KIT = "Drum Kit"
PERCUSSION = (  # General MIDI, from note 35 on
    *("Acoustic Bass Drum", "Bass Drum", "Side Stick", "Acoustic Snare", "Hand Clap"),
    *("Electric Snare", "Low Floor Tom", "Closed Hi-Hat", "High Floor Tom", "Pedal Hi-Hat"),
    *("Low Tom", "Open Hi-Hat", "Low-Mid Tom", "Hi-Mid Tom", "Crash Cymbal 1", "High Tom"),
    *("Ride Cymbal 1", "Chinese Cymbal", "Ride Bell", "Tambourine", "Splash Cymbal", "Cowbell"),
    *("Crash Cymbal 2", "Vibraslap", "Ride Cymbal 2", "High Bongo", "Low Bongo"),
    *("Mute High Conga", "Open High Conga", "Low Conga", "High Timbale", "Low Timbale"),
    *("High Agogo", "Low Agogo", "Cabasa", "Maracas", "Short Whistle", "Long Whistle"),
    *("Short Guiro", "Long Guiro", "Claves", "High Wood Block", "Low Wood Block", "Mute Cuica"),
    *("Open Cuica", "Mute Triangle", "Open Triangle"),
)
FIRST_PERCUSSION = 35


@dataclass(frozen=True, slots=True)
class Sound:
    """A note of an instrument within an event: its program (1..128, or DRUMS), pitch and velocity.

    The pitch of percussion is its General MIDI note. struck: it begins here; else it is held from the
    event before. Percussion is never held.
    """

    program: int
    pitch: int
    velocity: int = 90
    struck: bool = True

    @property
    def drum(self) -> bool:
        """Whether it is percussion."""
        return self.program == DRUMS

    @property
    def key(self) -> tuple[int, int]:
        """What sounds, as (voice, pitch)."""
        return voice_of(self.program), self.pitch

    def transposed(self, semitones: int) -> Sound:
        """The same sound, moved up by so many semitones; percussion stays."""
        return self if self.drum else replace(self, pitch=self.pitch + semitones)


def voice_of(program: int) -> int:
    """The voice in which a program (1..128, or DRUMS) sounds; the first four are those of a choir."""
    return VOICES + program


def program_of(voice: int) -> int | None:
    """The program of a voice: the inverse of `voice_of`; None for the four voices of a choir."""
    return voice - VOICES if voice >= VOICES else None


def program_name(program: int) -> str:
    """The General MIDI name of a program, or DRUM_KIT."""
    return DRUM_KIT if program == DRUMS else instrument_name(program)


def percussion_name(pitch: int) -> str:
    """The General MIDI name of a percussion note: 38 -> 'Acoustic Snare'; its number if it has none."""
    at = pitch - FIRST_PERCUSSION
    return PERCUSSION[at] if 0 <= at < len(PERCUSSION) else f"percussion {pitch}"
