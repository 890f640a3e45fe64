"""MIDI files -> pieces of percussion, and what of a file they do not keep."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

from config_bach import BPM_RANGE
from families.drums.encoding import LONGEST, DrumPiece, Hit, gridded, nearest_slot, onset
from families.drums.kit import KIND_OF, KIT
from midi_io import MIDI_SUFFIXES, Refused
from music.events import COMMON_TIME
from music.midi_repair import repaired

CHANNEL = 9  # counted from 0
DEFAULT_BPM = 120.0  # of a MIDI file that does not say
LARGEST = 64 * 2**20  # bytes
Metre = tuple[Fraction, Fraction]  # when it begins, and the length of its bars, in quarter lengths


@dataclass(frozen=True)
class Reading:
    """A piece, and how many strokes of its file are kept otherwise, or not at all.

    mapped: are written as another note of their kind; merged: fall on a step with another of their kind;
    moved: lay beside the grid; unknown: are no General MIDI percussion. pitched: other notes.
    """

    piece: DrumPiece
    mapped: Counter[int]
    merged: int
    moved: int
    unknown: int
    pitched: int

    @property
    def lost(self) -> dict[str, int]:
        """What is not kept as it was, counted, in words for the table of the corpus."""
        told = {
            "pitched note": self.pitched,
            "unknown drum note": self.unknown,
            "doubled stroke": self.merged,
            "off-grid stroke": self.moved,
            "substituted drum sound": self.mapped.total(),
        }
        return {what: count for what, count in told.items() if count}


def read_drums(path: Path) -> Reading:
    """The percussion of a MIDI file: what channel 10 plays.

    Raises Refused, with the reason, for a file that has none or cannot be read.
    """
    if path.suffix.lower() not in MIDI_SUFFIXES:
        raise Refused("percussion is read from MIDI files alone (.mid, .midi)")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused(f"cannot be opened: {error.strerror}") from error
    if data[:4] != b"MThd" or len(data) < 14:
        raise Refused("not a MIDI file, whatever its name says" if data else "empty file")
    if len(data) > LARGEST:
        raise Refused("larger than any music")
    try:
        return _reading(path.name, data)
    except Refused:
        raise
    except EOFError as error:
        raise Refused("cut short: the file ends in the middle") from error
    except Exception as error:  # mido raises all sorts of errors on damaged files
        reason = " ".join(str(error).split())[:60] or type(error).__name__
        raise Refused(f"damaged ({reason})") from error


def _reading(name: str, data: bytes) -> Reading:
    told = _Told()
    for time, message in _messages(data):
        told.take(time, message)
    known = [hit for hit in told.hits if hit[1] in KIND_OF]
    if not known:
        raise Refused("no drums: nothing on channel 10" if told.pitched else "no notes")
    bars = list(_bars(told.metres, max(time for time, _, _ in known)))
    first = next(i for i, (start, length) in enumerate(bars) if known[0][0] < start + length)
    start = bars[first][0]  # what lies before the bar of the first stroke is left out
    moved = [(time - start, note, velocity) for time, note, velocity in known]
    bars = [(begin - start, length) for begin, length in bars[first:]]
    try:
        piece = gridded(name, moved, bars, told.bpm)
    except ValueError as error:
        raise Refused(f"{error}, which the grid has not") from error
    starts = [begin for begin, _ in bars]
    return Reading(
        piece,
        Counter(note for _, note, _ in known if note != KIT[KIND_OF[note]].note),
        len(known) - piece.hits,
        sum(_beside_grid(time, starts) for time, _, _ in moved),
        len(told.hits) - len(known),
        told.pitched,
    )


class _Told:
    """What the messages of a file say."""

    def __init__(self) -> None:
        self.hits: list[Hit] = []
        self.metres: list[Metre] = [(Fraction(0), COMMON_TIME)]
        self.pitched = 0
        self.bpm: float | None = None

    def take(self, time: Fraction, message: Any) -> None:
        """Take a message at a time in quarter lengths."""
        if message.type == "note_on" and message.velocity:
            if message.channel == CHANNEL:
                self.hits.append((time, message.note, message.velocity))
            else:
                self.pitched += 1
        elif message.type == "time_signature":
            length = Fraction(4 * message.numerator, message.denominator)
            self.metres = [m for m in self.metres if m[0] < time] + [(time, length)]
        elif message.type == "set_tempo" and self.bpm is None and message.tempo:
            bpm = round(60_000_000 / message.tempo, 2)
            self.bpm = bpm if BPM_RANGE[0] <= bpm <= BPM_RANGE[1] else None


def _messages(data: bytes) -> Iterator[tuple[Fraction, Any]]:
    """The messages of all tracks with their times in quarter lengths, in order."""
    from mido import MidiFile, merge_tracks

    try:
        midi = MidiFile(file=BytesIO(data), clip=True)
    except (OSError, EOFError, ValueError, IndexError, KeyError):
        midi = MidiFile(file=BytesIO(repaired(data)), clip=True)
    if midi.ticks_per_beat <= 0:
        raise Refused("a division of seconds, not of quarters")
    ticks = 0
    for message in merge_tracks(midi.tracks, skip_checks=True):
        ticks += message.time
        yield Fraction(ticks, midi.ticks_per_beat), message


def _bars(metres: Sequence[Metre], end: Fraction) -> Iterator[tuple[Fraction, Fraction]]:
    """The start and length of each bar up to the one that holds `end`; a new metre begins a bar.

    Raises Refused for more bars than music has.
    """
    count, last = 0, end + onset(1) / 2  # what is struck that late belongs to the next bar
    stops = [*(start for start, _ in metres[1:]), last]
    for (begin, length), stop in zip(metres, stops, strict=True):
        start = begin
        while start < min(stop, last):
            is_cut = start + length > stop and stop < last
            yield start, _shortened(stop - start) if is_cut else length
            start += length
            count += 1
            if count > LONGEST:
                raise Refused(f"more than {LONGEST} bars")


def _shortened(rest: Fraction) -> Fraction:
    """The length of a bar that a new metre ends early, on the grid; an instant is a whole sixteenth."""
    return max(onset(nearest_slot(rest)), onset(1))


def _beside_grid(time: Fraction, starts: Sequence[Fraction]) -> bool:
    rest = time - starts[bisect_right(starts, time) - 1]
    return onset(nearest_slot(rest)) != rest
