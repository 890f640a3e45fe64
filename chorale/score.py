"""Chorales and events of four voices into each other, and a real SATB score as MusicXML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chorale.grid import (
    FIRST,
    HOLD,
    LOWEST,
    SILENCE,
    STEP,
    VELOCITY,
    VOICES,
    Chorale,
    Grid,
    notes_of,
    plan_of,
    sounding,
    symbol,
)
from instruments import Programs, by_voice
from midi_io import head, key_of, spelled, write_score
from piece import Event, Note

CLEFS = ("TrebleClef", "TrebleClef", "Treble8vbClef", "BassClef")


def event_of(symbols: Sequence[int], sounds: Sequence[int], steps: int) -> Event:
    """An event of so many steps: what each voice does at its start, and what it sounds [4]."""
    voices = tuple(int(s) - FIRST + LOWEST if s >= FIRST else -1 for s in sounds)
    struck = tuple(s >= FIRST for s in symbols)
    return Event(
        tuple(sorted({p for p in voices if p >= 0})), steps * STEP, VELOCITY, voices, struck
    )


def events_of(chorale: Chorale) -> list[Event]:
    """The events of a chorale: one from each step at which a voice does something to the next."""
    changes = np.flatnonzero((chorale.symbols != HOLD).any(1)).tolist()
    sounds = sounding(chorale.symbols).tolist()
    return [
        event_of(chorale.symbols[a].tolist(), sounds[a], b - a)
        for a, b in pairwise([*changes, len(chorale)])
    ]


def chorale_of(events: Sequence[Event], name: str = "") -> Chorale:
    """Events of four voices, or of fewer, as a chorale in 4/4; a voice that is missing is silent."""
    rows: list[list[int]] = []
    before = [-1] * len(VOICES)
    for event in events:
        voices = list(event.voices or _spread(event))
        struck = event.struck or (True,) * len(VOICES)
        row = []
        for was, is_now, new in zip(before, voices, struck, strict=True):
            if is_now < 0:
                row.append(SILENCE if was >= 0 or not rows else HOLD)
            else:
                row.append(symbol(is_now) if new or was != is_now else HOLD)
        rows += [row, *([[HOLD] * len(VOICES)] * (round(event.duration / STEP) - 1))]
        before = voices
    return Chorale(name, np.array(rows, np.int16).reshape(-1, len(VOICES)), plan_of(len(rows)))


def _spread(event: Event) -> list[int]:
    """Four voices of an event that has none: the outer pitches outside."""
    pitches = sorted(event.pitches, reverse=True)[: len(VOICES)]
    return [*pitches[:-1], *[-1] * (len(VOICES) - len(pitches)), *pitches[-1:]]


@dataclass(frozen=True)
class Bar:
    """A bar: its number (0 for an upbeat), its first step, the one after its last, its full length."""

    number: int
    first: int
    last: int
    length: int

    @property
    def missing(self) -> Fraction:
        """What an upbeat lacks at its beginning, in quarter lengths."""
        return (
            max(self.length - (self.last - self.first), 0) * STEP
            if not self.number
            else Fraction(0)
        )


def write_satb(path: Path, chorale: Chorale, bpm: float, programs: Programs) -> None:
    """Write a score of four staves: clefs, key, the plan's bars with upbeat, ties, fermatas.

    programs: General MIDI 1..128, one for all voices or one for each.
    """
    from music21 import clef, layout, metadata, stream

    notes, bars = notes_of(chorale.symbols), bars_of(chorale.plan)
    key = key_of(notes)
    score = stream.Score()
    score.metadata = metadata.Metadata(title=path.stem, composer="Play Bach")
    under = {int(step) * STEP for step in np.flatnonzero(fermatas_of(chorale.plan))}
    parts = []
    for voice, program in enumerate(by_voice(programs)):
        part = stream.Part(id=VOICES[voice].capitalize())
        sung = [n for n in notes if n.voice == voice]
        for bar in bars:
            part.append(_measure(bar, sung, key, under))
        opening = part.getElementsByClass(stream.Measure).first()
        opening.insert(0, getattr(clef, CLEFS[voice])())
        opening.insert(0, key)
        head(opening, None if voice else bpm, program, VOICES[voice].capitalize())
        _meters(part, bars)
        parts.append(part)
        score.insert(0, part)
    score.insert(0, layout.StaffGroup(parts, symbol="bracket"))
    write_score(score, "musicxml", path)


def bars_of(plan: Grid) -> list[Bar]:
    """The bars of a plan [steps, 3]."""
    place, quarters = plan[:, 0], plan[:, 1]
    starts = [0, *(i for i in range(1, len(place)) if place[i] <= place[i - 1]), len(place)]
    lengths = [int(quarters[a]) * 4 or max(16, b - a) for a, b in pairwise(starts)]
    first = 0 if starts[1] < lengths[0] and len(lengths) > 1 else 1
    return [
        Bar(number, a, b, length)
        for number, (a, b), length in zip(count(first), pairwise(starts), lengths, strict=False)
    ]


def fermatas_of(plan: Grid) -> npt.NDArray[np.bool_]:
    """Where fermatas begin [steps]."""
    under = plan[:, 2] == 1
    return under & ~np.concatenate([[False], under[:-1]])


def _measure(bar: Bar, notes: Sequence[Note], key: Any, fermatas: set[Fraction]) -> Any:
    """One bar of one voice, with what goes over its ends tied."""
    from music21 import expressions, note, stream, tie

    start, stop = bar.first * STEP, bar.last * STEP
    measure = stream.Measure(number=bar.number)
    measure.paddingLeft = bar.missing
    for begin, end, sung in _within(notes, start, stop):
        if sung is None:
            measure.insert(begin - start, note.Rest(quarterLength=end - begin))
            continue
        sound = note.Note(spelled(sung.pitch, key.sharps))
        sound.duration.quarterLength = end - begin
        before, after = sung.onset < begin, sung.end > end
        if before or after:
            sound.tie = tie.Tie("continue" if before and after else "start" if after else "stop")
        if sung.onset in fermatas and not before:
            sound.expressions.append(expressions.Fermata())
        measure.insert(begin - start, sound)
    return measure


def _within(
    notes: Sequence[Note], start: Fraction, stop: Fraction
) -> Iterator[tuple[Fraction, Fraction, Note | None]]:
    """What sounds between two times (quarter lengths): beginning, end, and the note or None."""
    now = start
    for n in notes:
        if n.end <= start or n.onset >= stop:
            continue
        if n.onset > now:
            yield now, n.onset, None
        now = max(n.onset, start)
        yield now, min(n.end, stop), n
        now = min(n.end, stop)
    if now < stop:
        yield now, stop, None


def _meters(part: Any, bars: Sequence[Bar]) -> None:
    """Write the time signature where it changes."""
    from music21 import meter, stream

    known = 0
    for measure, bar in zip(part.getElementsByClass(stream.Measure), bars, strict=True):
        if bar.length != known:
            measure.timeSignature = meter.TimeSignature(f"{max(bar.length // 4, 1)}/4")
            known = bar.length
