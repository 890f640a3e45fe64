"""Music as loud as people are used to, whatever plays it: a gain for each instrument, and a limiter.

SoundFonts do not say how loud their instruments are; they differ by 10 dB and more. So a passage of
the music is played once, fast and unheard, by each voice alone, and its loudness measured as
broadcasting does (K-weighting, ITU-R BS.1770). What comes of it is one gain for as long as the
instruments stay the same: nothing pumps, loud and soft remain, and a voice that is turned down makes
no other one louder.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from music.events import Event
from music.instruments import Programs, by_voice
from music.synth import MIDDLE, Mix, Pcm, Performer, Synth

FULL_VOLUME = -14.0  # LUFS at volume 1
VOLUME = 0.8  # what a station begins with, and files have: -16 LUFS
BS_1770 = -0.691  # dB; a constant of the standard
MOST_GAIN = 30.0  # what is nearly silent is not made loud
RATE = 16_000  # frames a second; what is above half of it counts for little and takes long
PASSAGE = 8  # quarter notes that are measured
BPM = 90.0
BLOCK = 4096
KEPT = 1024  # measured voices
KNEE, CEILING = 19_000.0, 24_500.0  # of 32768: what is limited, and what is never exceeded

Sound = npt.NDArray[np.float32]  # [frames, 2], full scale 32768


class Levels:
    """How loud instruments are; each is measured once. May be used from any thread."""

    def __init__(self) -> None:
        self._synth: Synth | None = None
        self._lock = threading.Lock()
        self._power = lru_cache(KEPT)(self._measured)

    def gain(self, music: Sequence[Event], programs: Programs) -> float:
        """What sound of such music by these instruments (1..128) is multiplied with at volume 1.

        Raises UserError as Synth does.
        """
        passage = beginning(music)
        with self._lock:
            power = sum(self._power(*part) for part in _parts(passage, programs))
        seconds = sum(e.seconds(BPM) for e in passage if e.sounding)
        if power <= 0 or seconds <= 0:
            return 1.0
        loudness = BS_1770 + 10 * np.log10(power / seconds)
        return min(float(10 ** ((FULL_VOLUME - loudness) / 20)), MOST_GAIN)

    def close(self) -> None:
        """Free FluidSynth's memory."""
        if self._synth is not None:
            self._synth.close()

    def _measured(self, passage: tuple[Event, ...], program: int) -> float:
        """The K-weighted power of a passage, times its seconds."""
        if self._synth is None:
            self._synth = Synth(program, rate=RATE)
        self._synth.program(program)
        self._synth.mix(Mix(pans=MIDDLE))
        seconds = sum(e.seconds(BPM) for e in passage)
        performer = Performer(passage, self._synth, BPM, RATE)
        blocks = [performer.block(BLOCK) for _ in range(max(1, round(seconds * RATE / BLOCK)))]
        self._synth.reset()
        return weighted_power(np.stack(blocks)) * len(blocks) * BLOCK / RATE


def _parts(
    passage: tuple[Event, ...], programs: Programs
) -> Iterator[tuple[tuple[Event, ...], int]]:
    """What is measured alone, and its program: each voice, whose instrument may change; music that has
    instruments of its own as a whole."""
    if any(e.sounds for e in passage):
        yield passage, 1
        return
    for voice in {voice for event in passage for voice, _ in event.sounding}:
        yield solo(passage, voice), by_voice(programs)[voice]


def beginning(music: Sequence[Event]) -> tuple[Event, ...]:
    """The first events, PASSAGE long at the least if there are so many."""
    ends = accumulate(e.duration for e in music)
    return tuple(e for e, end in zip(music, ends, strict=True) if end - e.duration < PASSAGE)


def solo(music: Sequence[Event], voice: int) -> tuple[Event, ...]:
    """What one voice does; of music without voices all of it."""
    return tuple(
        replace(e, voices=tuple(p if v == voice else -1 for v, p in enumerate(e.voices)))
        if e.voices
        else e
        for e in music
    )


@lru_cache(1)
def k_weighting() -> npt.NDArray[np.float64]:
    """The power by which BS.1770 weighs the frequencies of an FFT of a block [BLOCK / 2 + 1].

    A shelf for what a head does to high frequencies, and a high pass. As analogue filters, which
    need no table for each sampling rate.
    """
    s = 2j * np.pi * np.fft.rfftfreq(BLOCK, 1 / RATE)
    w, q, high = 2 * np.pi * 1681.97, 0.7072, 10 ** (3.9998 / 20)
    shelf = (high * s**2 + high**0.4997 * w / q * s + w**2) / (s**2 + w / q * s + w**2)
    w, q = 2 * np.pi * 38.135, 0.5003
    passed = s**2 / (s**2 + w / q * s + w**2)
    return np.asarray(np.abs(shelf * passed) ** 2)


def weighted_power(blocks: npt.NDArray[np.int16]) -> float:
    """The mean K-weighted power of sound [blocks, BLOCK, 2], both channels added; full scale 1."""
    power = np.abs(np.fft.rfft(blocks / 32768, axis=1)) ** 2
    power[:, 1:-1] *= 2
    return float((power * k_weighting()[None, :, None]).sum((1, 2)).mean() / BLOCK**2)


def limit(sound: Sound) -> None:
    """Bend peaks below CEILING, in place; up to KNEE sound stays as it is."""
    flat, room = sound.reshape(-1), np.float32(CEILING - KNEE)
    at = np.flatnonzero(np.abs(flat) > KNEE)
    peaks = flat[at]
    flat[at] = np.sign(peaks) * (KNEE + room * np.tanh((np.abs(peaks) - KNEE) / room))


class Fader:
    """Gain, limiter and volume over blocks of sound. A change is spread over a block: nothing clicks."""

    def __init__(self, gain: float, volume: float) -> None:
        self._now = (np.float32(gain), np.float32(volume))

    def __call__(self, pcm: Pcm, gain: float, volume: float) -> Pcm:
        """Sound [frames, 2] that ends at this gain and volume (0..1)."""
        before, self._now = self._now, (np.float32(gain), np.float32(volume))
        peak = max(-int(pcm.min()), int(pcm.max())) * max(before[0], self._now[0])
        if peak <= KNEE and before == self._now:
            return np.asarray(pcm * (self._now[0] * self._now[1]), np.int16)
        ramps = np.linspace(before, self._now, len(pcm), dtype=np.float32)
        sound: Sound = pcm * ramps[:, :1]
        if peak > KNEE:
            limit(sound)
        sound *= ramps[:, 1:]
        return sound.astype(np.int16)
