"""Real music that was put out of order, to see what a judge makes of it."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from music.events import Event, bars_of

Music = Sequence[Event]


def shuffled_bars(music: Music, rng: np.random.Generator) -> list[Event]:
    """Bars in any order; an upbeat is one. An event belongs to the bar that it begins in."""
    starts = [bar.start for bar in bars_of(music)]
    bars: list[list[Event]] = [[] for _ in starts]
    time, bar = Fraction(0), 0
    for event in music:
        while bar + 1 < len(starts) and time >= starts[bar + 1]:
            bar += 1
        bars[bar].append(event)
        time += event.duration
    return [event for i in rng.permutation(len(bars)) for event in bars[i]]


def shuffled_pitches(music: Music, rng: np.random.Generator) -> list[Event]:
    """The pitches of each voice in any order, in the rhythm that was."""
    voices = max((len(e.voices) for e in music), default=0)
    number = [-1] * voices  # of the note that a voice sounds
    notes: list[list[int]] = [[] for _ in range(voices)]
    which: list[list[int]] = []  # of each event: the note of each voice, -1 for a rest
    before: tuple[int, ...] = (-1,) * voices
    for event in music:
        for voice, pitch in enumerate(event.voices):
            if pitch >= 0 and (event.struck[voice] or before[voice] != pitch):
                number[voice] += 1
                notes[voice].append(pitch)
        which.append([n if p >= 0 else -1 for n, p in zip(number, event.voices, strict=False)])
        before = event.voices
    mixed = [rng.permutation(pitches) for pitches in notes]
    found = []
    for event, row in zip(music, which, strict=True):
        own = tuple(int(mixed[v][n]) if n >= 0 else -1 for v, n in enumerate(row))
        sounding = tuple(sorted({p for p in own if p >= 0}))
        found.append(replace(event, voices=own, pitches=sounding))
    return found
