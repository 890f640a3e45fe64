"""Single notes of an instrument as small WAV files, for pages that sound by themselves."""

from __future__ import annotations

import functools
import io
import threading
import wave

import numpy as np

from music.sounds import DRUMS, voice_of
from music.synth import MIDDLE, Mix, Synth

SAMPLE_RATE = 22_050  # frames a second
PITCHES = (
    36,
    48,
    60,
    72,
    84,
    96,
)  # that are rendered; what lies between is played faster or slower
PERCUSSION = range(35, 82)
SECONDS, DRUM_SECONDS = 3.5, 1.2
VELOCITY = 112
FADE = 0.1  # seconds at the end
SILENT = 40  # amplitude of 32767 below which a beginning is cut off: it would be heard as delay
LOUDEST = 0.6  # of full scale; samples are brought to it
KEPT = 96  # samples: 15 MB


class Samples:
    """Renders notes; may be asked from any thread, and keeps what was asked for last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._synth: Synth | None = None
        self.wav = functools.lru_cache(KEPT)(self._wav)

    def _wav(self, program: int, pitch: int) -> bytes:
        """A note of a program (1..128, or DRUMS): mono, 16 bit. Raises UserError as Synth does."""
        seconds = DRUM_SECONDS if program == DRUMS else SECONDS
        with self._lock:
            if self._synth is None:
                self._synth = Synth(1, rate=SAMPLE_RATE, mix=Mix(pans=MIDDLE, room=0.0))
            voice = voice_of(program)
            self._synth.strike(pitch, VELOCITY, voice)
            sound = self._synth.render(round(seconds * SAMPLE_RATE)).mean(axis=1)
            self._synth.reset()
            self._synth.mix(Mix(pans=MIDDLE, room=0.0))
        return _written(sound)


def _written(sound: np.ndarray) -> bytes:
    heard = np.flatnonzero(np.abs(sound) > SILENT)
    sound = sound[heard[0] :] if len(heard) else sound
    fade = np.ones(len(sound))
    length = min(round(FADE * SAMPLE_RATE), len(sound))
    fade[len(sound) - length :] = np.linspace(1, 0, length)
    loudest = max(float(np.abs(sound).max(initial=0)), 1.0)
    pcm = (sound * fade * (LOUDEST * 32767 / loudest)).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(pcm.tobytes())
    return file.getvalue()
