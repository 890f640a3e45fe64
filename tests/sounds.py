"""Measuring sound: how loud it is when, and when notes begin."""

from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[Any]


def loudness(pcm: Samples, frames: int = 441) -> Samples:
    """RMS in steps of 10 ms."""
    usable = pcm[: len(pcm) // frames * frames].astype(float).mean(1).reshape(-1, frames)
    return np.asarray(np.sqrt((usable**2).mean(1)))


def onsets(pcm: Samples) -> list[float]:
    """When the sound suddenly grows, in seconds."""
    level = np.append(0.0, loudness(pcm))
    rising = (level[1:] > 2.5 * level[:-1] + 60).nonzero()[0]
    return [i / 100 for i, before in zip(rising, [-9, *rising[:-1]], strict=True) if i - before > 5]
