"""A station's sound without a server, as fast as the machine makes it."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from music.synth import RATE
from stream.messages import BLOCK, Begin, Block
from stream.model_cache import ModelCache
from stream.player_settings import PlayerSettings
from stream.producer import Producer
from stream.settings import Server


class Idle:
    """A pool that does nothing by itself, and says how busy it is."""

    def __init__(self, load: float = 0.0) -> None:
        self.load = load

    def add(self, work: Any) -> None:
        pass

    remove = add

    def notify(self) -> None:
        pass


class Offline:
    """A producer whose blocks are made when they are asked for."""

    def __init__(self, models: ModelCache, settings: PlayerSettings, seed: int = 1, **begin: Any):
        self.blocks: list[Block] = []
        self.pool = Idle()
        pool: Any = self.pool
        self.producer = Producer(
            Begin(1, "x", settings, seed, 0, ("wav",), **begin),
            models,
            Server(password="x"),
            pool,
            self._take,
        )

    def _take(self, report: Any) -> None:
        if isinstance(report, Block):
            self.blocks.append(report)

    def sound(self, seconds: float) -> np.ndarray:
        """So much sound [frames, 2] from here on."""
        first = len(self.blocks)
        for _ in range(max(1, round(seconds * RATE / BLOCK))):
            self.producer._player.play()
        return pcm(self.blocks[first:])

    def events(self, count: int) -> list[Any]:
        """So many events from the beginning on."""
        while sum(len(block.events) for block in self.blocks) < count:
            self.producer._player.play()
        return [x for block in self.blocks for x in block.events][:count]


def pcm(blocks: Iterable[Block]) -> np.ndarray:
    data = b"".join(block.sound["wav"] for block in blocks)
    return np.frombuffer(data, "<i2").reshape(-1, 2)
