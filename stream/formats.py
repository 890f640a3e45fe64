"""The last blocks of a sound in the formats that are listened to."""

from collections import deque
from collections.abc import Callable, Iterable

import numpy as np

from music.synth import Pcm
from stream.mp3 import Mp3

Encoder = Callable[[Pcm], bytes]


class Formats:
    """An encoder for each format, and what is not yet heard. Its methods are not thread-safe."""

    def __init__(self, mp3_kbps: int) -> None:
        self._kbps = mp3_kbps
        self._encoders: dict[str, Encoder] = {}  # of the formats that are listened to
        self._ring: deque[tuple[int, Pcm]] = deque()  # frames, and the block that begins there

    def __bool__(self) -> bool:
        """Whether anybody listens."""
        return bool(self._encoders)

    def want(self, kinds: Iterable[str]) -> dict[str, dict[int, bytes]]:
        """Encode these formats from now on; what is not yet heard, by frame, in those that are new."""
        wanted, before = tuple(kinds), self._encoders
        if not wanted:
            self._ring.clear()
        self._encoders = {kind: before.get(kind) or self._encoder(kind) for kind in wanted}
        return {
            kind: {frame: encode(pcm) for frame, pcm in self._ring}
            for kind, encode in self._encoders.items()
            if kind not in before
        }

    def add(self, frame: int, pcm: Pcm) -> dict[str, bytes]:
        """A block [frames, 2] that begins at a frame, in all formats."""
        pcm = pcm.astype("<i2", copy=False)
        self._ring.append((frame, pcm))
        return {kind: encode(pcm) for kind, encode in self._encoders.items()}

    def forget(self, heard: float) -> None:
        """What begins before a frame is heard."""
        while self._ring and self._ring[0][0] < heard:
            self._ring.popleft()

    def _encoder(self, kind: str) -> Encoder:
        return Mp3(self._kbps).encode if kind == "mp3" else np.ndarray.tobytes
