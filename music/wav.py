"""Events -> sound as loud as a station plays it, and as a WAV file."""

import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

from music.events import Event
from music.instruments import Programs
from music.loudness import VOLUME, Fader, Levels
from music.synth import MIDDLE, RATE, Mix, Pcm, Performer, Synth
from storage.files import replacing


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
    """Render events to a WAV file: PCM 16 bit, stereo, 44.1 kHz. Raises UserError as Synth does."""
    with replacing(path) as aside, wave.open(str(aside), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for block in rendered(events, bpm, programs):
            file.writeframes(block.astype("<i2").tobytes())
