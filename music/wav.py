"""Events -> sound as loud as a station plays it, and as a WAV file."""

import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from config_bach import BAR_AFTER, UserError
from music.events import Event, duration_of
from music.instruments import Programs
from music.loudness import VOLUME, Fader, Levels
from music.synth import MIDDLE, RATE, Mix, Pcm, Performer, Synth
from storage.files import replacing

LARGEST_WAV = 2**32 - 2**20  # bytes of sound; its header counts in 32 bits


def rendered(events: Sequence[Event], bpm: float, programs: Programs) -> Iterator[Pcm]:
    """All of a piece and its tail, block by block. Raises UserError as Synth does."""
    mix = Mix() if any(e.voices for e in events) else Mix(pans=MIDDLE)
    levels = Levels()
    gain = levels.gain(events, programs)
    levels.close()
    synth, fade = Synth(programs, mix=mix), Fader(gain, VOLUME)
    try:
        for block in Performer(events, synth, bpm):
            yield fade(block, gain, VOLUME)
    finally:
        synth.close()


def write_wav(path: Path, events: Sequence[Event], bpm: float, programs: Programs) -> None:
    """Render events to a WAV file: PCM 16 bit, stereo, 44.1 kHz.

    Raises UserError as Synth does, and for music that is longer than such a file can be.
    """
    _check_length(events, bpm)
    with replacing(path) as aside, wave.open(str(aside), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        seconds = round(sum(e.seconds(bpm) for e in events))
        how = {"unit": "s", "delay": BAR_AFTER, "leave": False, "disable": None}
        with tqdm(total=seconds, desc="writing sound", **how) as bar:
            for block in rendered(events, bpm, programs):
                file.writeframes(block.astype("<i2").tobytes())
                bar.update(round(file.tell() / RATE) - bar.n)


def _check_length(events: Sequence[Event], bpm: float) -> None:
    """Raise UserError if the sound of events is longer than a WAV file can be."""
    hours, most = float(duration_of(events)) / max(bpm, 1) / 60, LARGEST_WAV / RATE / 4 / 3600
    if hours > most:
        raise UserError(
            f"the sound would last {hours:.1f} hours, and a WAV file holds {most:.1f}: compose fewer "
            "--notes, or leave --wav out and play the .mid."
        )
