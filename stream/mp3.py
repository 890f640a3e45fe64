"""PCM -> MP3 in whole frames, so that a listener can join between any two pieces of it."""

import lameenc

from music.synth import RATE, Pcm

QUALITY = 7  # of LAME: 2 is its best and costs five times as much, for music no one hears better
BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # MPEG-1 layer 3
HEADER = 4  # bytes


class Mp3:
    """An MP3 encoder: one per station, however many listen."""

    def __init__(self, kbps: int) -> None:
        """kbps: the bit rate; the nearest that MP3 has is taken."""
        self._encoder = lameenc.Encoder()
        self._encoder.set_bit_rate(bit_rate(kbps))
        self._encoder.set_in_sample_rate(RATE)
        self._encoder.set_channels(2)
        self._encoder.set_quality(QUALITY)
        self._encoder.silence()
        self._rest = b""

    def encode(self, pcm: Pcm) -> bytes:
        """The frames that are complete after this sound [frames, 2]; what is not comes next time."""
        self._rest += bytes(self._encoder.encode(pcm.astype("<i2", copy=False).tobytes()))
        end = 0
        while (length := frame_length(self._rest[end : end + HEADER])) and (
            end + length <= len(self._rest)
        ):
            end += length
        whole, self._rest = self._rest[:end], self._rest[end:]
        return whole

    def close(self) -> bytes:
        """All that is left, at the end of a finite sound."""
        return self._rest + bytes(self._encoder.flush())


def bit_rate(kbps: int) -> int:
    """The nearest bit rate that MP3 has, in kilobits a second."""
    return min(BITRATES[1:], key=lambda rate: abs(rate - kbps))


def frame_length(header: bytes) -> int:
    """The bytes in an MP3 frame at 44.1 kHz that begins so; 0 if no frame does."""
    if len(header) < HEADER or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    index = header[2] >> 4
    if not 0 < index < len(BITRATES):
        return 0
    return 144_000 * BITRATES[index] // RATE + (header[2] >> 1 & 1)
