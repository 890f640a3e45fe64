"""The bars and the key signature that a MIDI file tells of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

MOST_BARS = 20_000


@dataclass(frozen=True)
class Metre:
    """Where the bars begin, in quarter lengths, that of an upbeat before 0, and the key as MIDI files have it
    ('F#m'); nothing where the file does not say."""

    bars: tuple[Fraction, ...] = ()
    key: str = ""


@dataclass(frozen=True)
class _Signature:
    """From a time on, in quarter lengths, bars have a length."""

    start: Fraction
    length: Fraction


def metre_of(path: Path) -> Metre:
    """What a MIDI file tells of its metre and key. A first bar that is shorter than those after it is an
    upbeat. Nothing for a file that mido cannot read."""
    from mido import MidiFile

    try:
        midi = MidiFile(path, clip=True)
    except (OSError, EOFError, ValueError, IndexError, KeyError):
        return Metre()
    if not midi.ticks_per_beat:
        return Metre()
    changes: dict[Fraction, Fraction] = {}
    key, end = "", Fraction(0)
    for time, message in _timed(midi):
        end = max(end, time)
        if message.type == "time_signature":
            changes[time] = Fraction(4 * message.numerator, message.denominator)
        elif message.type == "key_signature" and not key:
            key = str(message.key)
    signatures = [_Signature(time, changes[time]) for time in sorted(changes)]
    return Metre(tuple(_bars(signatures, end)), key)


def _timed(midi: Any) -> Iterator[tuple[Fraction, Any]]:
    """All messages with their times in quarter lengths."""
    for track in midi.tracks:
        ticks = 0
        for message in track:
            ticks += message.time
            yield Fraction(ticks, midi.ticks_per_beat), message


def _bars(signatures: Sequence[_Signature], end: Fraction) -> list[Fraction]:
    """Where bars begin, from signatures in order; none before the first signature."""
    found: list[Fraction] = []
    last = _Signature(end, Fraction(1))
    for now, following in pairwise([*signatures, last]):
        upbeat = following.start == now.start + now.length and following.length > now.length
        if upbeat and not found and following is not last:
            found.append(following.start - following.length)
            continue
        count = max(-int(-(following.start - now.start) // now.length), 0)
        found += [now.start + i * now.length for i in range(min(count, MOST_BARS))]
    return found
