"""Events -> sound, through FluidSynth: blocks of 16 bit stereo PCM in exact time."""

import importlib.util
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from config_bach import UserError, quiet
from music.events import Event, held_over
from music.instruments import VOICES, Programs, by_voice
from music.sounds import DRUMS, voice_of

RATE = 44_100  # frames a second
BLOCK = 1024  # frames
TAIL = 2 * RATE  # frames in which the last notes die away
GAIN = 0.3  # so that loud instruments do not clip; see music.loudness for the rest
ROOM_SIZE, ROOM_DAMPING, ROOM_WIDTH = 0.75, 0.2, 0.9  # of FluidSynth's reverb
VOLUME, PAN, REVERB_SEND = 7, 10, 91  # MIDI controllers
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


@dataclass(frozen=True)
class Mix:
    """How voices are heard: volume (0..1) and place (-1 left .. 1 right) of each; the room (0..1).

    As in a choir the sopranos stand on the left of who listens, the basses on the right.
    """

    volumes: tuple[float, ...] = (1.0,) * VOICES
    pans: tuple[float, ...] = (-0.5, -0.2, 0.2, 0.5)
    room: float = 0.4


MIDDLE = (0.0,) * VOICES  # where music without voices sounds
CHANNELS = 16
DRUM_CHANNEL, DRUM_BANK = 9, 128
PROGRAM_CHANNELS = tuple(c for c in range(VOICES, CHANNELS) if c != DRUM_CHANNEL)
PLACES = (0.0, -0.4, 0.4, -0.2, 0.2)  # of instruments that are told apart, by channel


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
        self,
        programs: Programs,
        soundfont: Path | None = None,
        *,
        mix: Mix | None = None,
        rate: int = RATE,
    ) -> None:
        """programs: General MIDI 1..128, one for all voices or one for each. rate: frames a second.

        Raises UserError if FluidSynth or the SoundFont is missing.
        """
        module = fluidsynth_module()
        font = soundfont or find_soundfont()
        with quiet():
            self._synth: Any = module.Synth(
                gain=GAIN, samplerate=float(rate), channels=CHANNELS, **{"synth.chorus.active": 0}
            )
            self._font = self._synth.sfload(str(font))
        if self._font < 0:
            raise UserError(f"{font} is not a SoundFont that FluidSynth can read; choose another.")
        self._of_program: dict[
            int, int
        ] = {}  # voice -> channel, the one that was struck last at the end
        self.program(programs)
        self.mix(mix or Mix())

    def program(self, programs: Programs) -> None:
        """Change the instruments (1..128) of the notes to come, of all voices or of each."""
        for voice, program in enumerate(by_voice(programs)):
            self._synth.program_select(voice, self._font, 0, program - 1)

    def mix(self, mix: Mix) -> None:
        """Change volumes, places and room at once, also of what sounds."""
        for voice, (volume, pan) in enumerate(zip(mix.volumes, mix.pans, strict=True)):
            # FluidSynth's loudness goes with the square of the controller
            self._synth.cc(voice, VOLUME, round(127 * volume**0.5))
            self._synth.cc(voice, PAN, round(63.5 + 63.5 * pan))
            self._synth.cc(voice, REVERB_SEND, 127)
        self._synth.set_reverb(ROOM_SIZE, ROOM_DAMPING, ROOM_WIDTH, mix.room)

    def strike(self, pitch: int, velocity: int, voice: int = 0) -> None:
        """Begin a note: MIDI pitch, velocity 1..127."""
        self._synth.noteon(self._channel(voice), pitch, velocity)

    def release(self, pitch: int, voice: int = 0) -> None:
        """End a note; it dies away as the instrument does."""
        self._synth.noteoff(self._channel(voice), pitch)

    def _channel(self, voice: int) -> int:
        """The channel of a voice. Each of a choir has its own; other instruments get one when they
        begin, that of the one that has been silent for longest if there is no other."""
        if voice < VOICES:
            return voice
        known = self._of_program.pop(voice, None)
        channel = self._new_channel(voice) if known is None else known
        self._of_program[voice] = channel
        return channel

    def _new_channel(self, voice: int) -> int:
        program = voice - VOICES
        drums, taken = program == DRUMS, self._of_program
        free = [DRUM_CHANNEL] if drums else [c for c in PROGRAM_CHANNELS if c not in taken.values()]
        if not free:
            free = [taken.pop(next(v for v in taken if v != voice_of(DRUMS)))]
        bank, preset = (DRUM_BANK, 0) if drums else (0, program - 1)
        self._synth.program_select(free[0], self._font, bank, preset)
        self._synth.cc(free[0], PAN, round(63.5 + 63.5 * PLACES[free[0] % len(PLACES)]))
        self._synth.cc(free[0], REVERB_SEND, 127)
        return free[0]

    def render(self, frames: int) -> Pcm:
        """The next frames of sound [frames, 2]."""
        return np.asarray(self._synth.get_samples(frames), np.int16).reshape(-1, 2)

    def reset(self) -> None:
        """Silence: as if it had just been made. What still echoes dies away unheard."""
        self._of_program.clear()
        self._synth.system_reset()
        self.render(BLOCK)
        self._synth.system_reset()  # now the room is empty, too
        for _ in range(TAIL // BLOCK):
            if np.abs(self.render(BLOCK)).max() <= 2:
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

    def take(self, programs: Programs, mix: Mix | None = None) -> Synth:
        """A silent synth with these instruments (1..128). Raises UserError as Synth does."""
        try:
            synth = self._free.pop()
        except IndexError:
            return Synth(programs, mix=mix)
        synth.program(programs)
        synth.mix(mix or Mix())
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

    def __init__(self, events: Iterable[Event], synth: Synth, bpm: float, rate: int = RATE) -> None:
        """rate: frames a second of the synth."""
        self.frames = 0  # rendered so far; while the next event is asked for, this is its onset
        self._bpm, self._rate = bpm, rate
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
            self._synth.strike(pitch, sounding.velocity_of(voice, pitch), voice)

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
                self._synth.strike(pitch, coming.velocity_of(voice, pitch), voice)
        self._last = coming
        frames = coming.duration * 60 * self._rate / Fraction(str(self._bpm))
        self._until_change += frames if coming.tempo == 1 else frames / Fraction(str(coming.tempo))
