"""Events -> sound, through FluidSynth: blocks of 16 bit stereo PCM in exact time."""

import importlib.util
import os
import wave
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from config_bach import UserError, quiet
from music.events import Event, duration_of, held_over
from music.instruments import Programs, by_voice
from storage.files import replacing

RATE = 44_100  # frames a second
BLOCK = 1024  # frames
LARGEST_WAV = 2**32 - 2**20  # bytes of sound; its header counts in 32 bits
TAIL = 2 * RATE  # frames in which the last notes die away
GAIN = 0.6
SOUNDFONT_VARIABLE = "PLAY_BACH_SOUNDFONT"
SOUNDFONTS = (  # the better ones first
    "MuseScore_General.sf3",
    "MuseScore_General_Lite.sf3",
    "FluidR3_GM.sf2",
    "default-GM.sf2",
    "TimGM6mb.sf2",
)
SOUNDFONT_FOLDERS = (
    "/usr/share/sounds/sf3",
    "/usr/share/sounds/sf2",
    "/usr/share/soundfonts",
    "/usr/local/share/soundfonts",
    "/opt/homebrew/share/soundfonts",
)

Pcm = npt.NDArray[np.int16]


def fluidsynth_module() -> ModuleType:
    """pyfluidsynth, loaded. Raises UserError with the command that mends what is missing."""
    try:
        import fluidsynth
    except ImportError as error:
        raise UserError(
            f"FluidSynth is missing, so there is no sound; {library_advice()}."
        ) from error
    if not hasattr(fluidsynth, "Synth"):
        raise UserError(
            "the package 'fluidsynth' from PyPI is another program; mend it with: "
            "pip uninstall -y fluidsynth && pip install --force-reinstall pyfluidsynth."
        )
    return fluidsynth


def library_advice() -> str:
    """How to get libfluidsynth on this system, as a command to type."""
    commands = {
        "apt-get": "sudo apt-get install -y libfluidsynth3",
        "dnf": "sudo dnf install -y fluidsynth-libs",
        "pacman": "sudo pacman -S --noconfirm fluidsynth",
        "zypper": "sudo zypper install -y libfluidsynth3",
        "brew": "brew install fluid-synth",
        "choco": "choco install fluidsynth",
    }
    for tool, command in commands.items():
        if any((Path(p) / tool).exists() for p in os.get_exec_path()):
            return f"install it with: {command}"
    return "install libfluidsynth 2 or later, see fluidsynth.org/download"


def find_soundfont() -> Path:
    """The SoundFont of the environment, of the system, or the one in the pretty_midi package.

    Raises UserError when there is none.
    """
    if chosen := os.environ.get(SOUNDFONT_VARIABLE):
        if Path(chosen).is_file():
            return Path(chosen)
        raise UserError(f"{SOUNDFONT_VARIABLE} names {chosen}, but there is no such file; mend it.")
    for name in SOUNDFONTS:
        for folder in SOUNDFONT_FOLDERS:
            if (path := Path(folder) / name).is_file():
                return path
    package = importlib.util.find_spec("pretty_midi")
    if package and package.origin:
        bundled = Path(package.origin).parent / "TimGM6mb.sf2"
        if bundled.is_file():
            return bundled
    raise UserError("there is no SoundFont; get one with: pip install pretty_midi.")


class Synth:
    """One FluidSynth with a channel for each voice, rendering on demand, without a sound card."""

    def __init__(
        self, programs: Programs, soundfont: Path | None = None, gain: float = GAIN
    ) -> None:
        """programs: General MIDI 1..128, one for all voices or one for each.

        Raises UserError if FluidSynth or the SoundFont is missing.
        """
        module = fluidsynth_module()
        font = soundfont or find_soundfont()
        with quiet():
            self._synth: Any = module.Synth(
                gain=gain, samplerate=float(RATE), channels=16, **{"synth.chorus.active": 0}
            )
            self._font = self._synth.sfload(str(font))
        if self._font < 0:
            raise UserError(f"{font} is not a SoundFont that FluidSynth can read; choose another.")
        self.program(programs)

    def program(self, programs: Programs) -> None:
        """Change the instruments (1..128) of the notes to come, of all voices or of each."""
        for voice, program in enumerate(by_voice(programs)):
            self._synth.program_select(voice, self._font, 0, program - 1)

    def strike(self, pitch: int, velocity: int, voice: int = 0) -> None:
        """Begin a note: MIDI pitch, velocity 1..127."""
        self._synth.noteon(voice, pitch, velocity)

    def release(self, pitch: int, voice: int = 0) -> None:
        """End a note; it dies away as the instrument does."""
        self._synth.noteoff(voice, pitch)

    def render(self, frames: int) -> Pcm:
        """The next frames of sound [frames, 2]."""
        return np.asarray(self._synth.get_samples(frames), np.int16).reshape(-1, 2)

    def reset(self) -> None:
        """Silence: as if it had just been made. What still echoes dies away unheard."""
        self._synth.system_reset()
        for _ in range(TAIL // BLOCK):
            if np.abs(self.render(BLOCK)).max() <= 1:
                break

    def close(self) -> None:
        """Free FluidSynth's memory."""
        self._synth.delete()


class Synths:
    """Synths that are used again.

    Each takes 10 MB in thousands of pieces; made and freed by many threads for hours, they would
    shred the memory of the process.
    """

    def __init__(self) -> None:
        self._free: list[Synth] = []  # append and pop are atomic

    def take(self, programs: Programs) -> Synth:
        """A silent synth with these instruments (1..128). Raises UserError as Synth does."""
        try:
            synth = self._free.pop()
        except IndexError:
            return Synth(programs)
        synth.program(programs)
        return synth

    def give_back(self, synth: Synth) -> None:
        """Let others have it; the giver must not touch it again."""
        synth.reset()
        self._free.append(synth)


class Performer:
    """Plays events on a synth, block by block.

    Time is kept in exact fractions of a frame, so that tempo never drifts; notes ring on over the
    ends of blocks and events. `bpm` may be changed at any time and holds from the next frame.
    """

    def __init__(self, events: Iterable[Event], synth: Synth, bpm: float) -> None:
        self.frames = 0  # rendered so far; while the next event is asked for, this is its onset
        self._bpm = bpm
        self._events = iter(events)
        self._synth = synth
        self._last: Event | None = None
        self._until_change = Fraction(0)  # frames
        self._left: int | None = None  # frames of the tail, once the events have ended

    @property
    def bpm(self) -> float:
        """Quarter notes a minute."""
        return self._bpm

    @bpm.setter
    def bpm(self, bpm: float) -> None:
        if bpm != self._bpm:  # what is left of the event that sounds is stretched too
            self._until_change *= Fraction(str(self._bpm)) / Fraction(str(bpm))
            self._bpm = bpm

    def strike_again(self) -> None:
        """Let what sounds begin anew, on an instrument that has just been changed."""
        sounding = self._last or Event((), Fraction(0))
        for voice, pitch in sounding.sounding:
            self._synth.release(pitch, voice)
            self._synth.strike(pitch, sounding.velocity, voice)

    def cut_short(self) -> None:
        """End the event that sounds now; the next one begins with the next frame."""
        self._until_change = Fraction(0)

    def __iter__(self) -> Iterator[Pcm]:
        """All blocks to the end of the tail."""
        while self._left is None or self._left > 0:
            yield self.block()

    def block(self, frames: int = BLOCK) -> Pcm:
        """The next frames of sound [frames, 2]; silence once all has died away."""
        parts: list[Pcm] = []
        while frames > 0:
            if self._until_change < 1 and self._left is None:
                self._change()
                continue
            ahead = int(self._until_change) if self._left is None else frames
            parts.append(self._synth.render(min(frames, ahead)))
            frames -= len(parts[-1])
            self.frames += len(parts[-1])
            self._until_change -= len(parts[-1])
            if self._left is not None:
                self._left -= len(parts[-1])
        return np.concatenate(parts)

    def _change(self) -> None:
        """Strike the next event, holding what it shares with the one that ends now."""
        event = next(self._events, None)
        if event is None:
            self._left = TAIL
        coming = event or Event((), Fraction(0))
        held = held_over(self._last, coming)
        for voice, pitch in self._last.sounding if self._last else ():
            if (voice, pitch) not in held:
                self._synth.release(pitch, voice)
        for voice, pitch in coming.sounding:
            if (voice, pitch) not in held:
                self._synth.strike(pitch, coming.velocity, voice)
        self._last = coming
        self._until_change += coming.duration * 60 * RATE / Fraction(str(self._bpm))


def _check_length(events: Iterable[Event], bpm: float) -> None:
    """Raise UserError if the sound of events is longer than a WAV file can be."""
    hours, most = (float(duration_of(events)) / max(bpm, 1) / 60, LARGEST_WAV / RATE / 4 / 3600)
    if hours > most:
        raise UserError(
            f"the sound would last {hours:.1f} hours, and a WAV file holds {most:.1f}: compose fewer "
            "--notes, or leave --wav out and play the .mid."
        )


def write_wav(path: Path, events: Iterable[Event], bpm: float, programs: Programs) -> None:
    """Render events to a WAV file: PCM 16 bit, stereo, 44.1 kHz.

    Raises UserError as Synth does, and for music that is longer than such a file can be.
    """
    events = list(events)
    _check_length(events, bpm)
    synth = Synth(programs)
    try:
        with replacing(path) as aside, wave.open(str(aside), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE)
            for block in Performer(events, synth, bpm):
                file.writeframes(block.astype("<i2").tobytes())
    finally:
        synth.close()
