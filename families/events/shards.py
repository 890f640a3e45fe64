"""Types 1 to 3 from and to shards: chords as bits, durations as ticks, an object for no event.

The ids that a network sees are looked up when a piece is read, so that shards do not depend on the
vocabulary; the same ids as EventEncoder gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from config_bach import BPM_RANGE, Encoding, UserError
from families.codec import PieceCodec
from families.events.dataset import sequence
from families.events.encoding import (
    EVEN_VELOCITY,
    Ids,
    chord_symbol,
    duration_symbol,
    shifts,
    velocity_symbol,
)
from families.steps import StepSequence
from midi_io import MIDI_SUFFIXES, Refused, read_scores
from music import midi_arrays
from music.events import Piece, events_of
from music.lookback import matches
from music.note_arrays import (
    CHORD,
    NOTE,
    EventArrays,
    event_arrays,
    fingerprint,
    in_ticks,
    pitches_of,
)
from storage.shards import ShardRow, Shards
from storage.vocabulary import UNKNOWN, Field, Vocabulary

if TYPE_CHECKING:
    from storage.bundle import Bundle

SHORTEST = 2  # events
LARGEST_VOCABULARY = 20_000  # symbols of a field; rarer ones become '?'
COUNTED = 5 * LARGEST_VOCABULARY  # chords counted at once, before they are moved to other keys
REMEMBERED = 2**17  # symbols that an encoder keeps

Count = Counter[tuple[Any, ...]]


class EventCodec(PieceCodec):
    """A row holds the chords that occur (16 bytes each), and of each event the number of its chord, its
    duration in ticks, its velocity and whether it is held; and the ticks of a quarter."""

    _made: _Encoder | None = None  # for the vocabulary that was asked for last

    def rows(self, path: Path, encoding: Encoding) -> list[ShardRow]:
        """The pieces of a file. MIDI files that are well-formed are read without objects."""
        midi = None
        if path.suffix.lower() in MIDI_SUFFIXES:
            midi = midi_arrays.read(_content(path))
        if midi is not None and len(notes := midi.pitched):
            longest = round(encoding.max_duration * midi_arrays.QUARTER)
            events = event_arrays(notes, midi_arrays.QUARTER, longest)
            bpm = midi.bpm if BPM_RANGE[0] <= midi.bpm <= BPM_RANGE[1] else None
            piece = (path.name, events, midi_arrays.QUARTER, bpm, midi.program)
            return _kept([piece], path)
        return _kept([_encoded(score, encoding) for score in read_scores(path)], path)

    def piece(self, row: ShardRow) -> Piece:
        """A row as a piece of events."""
        arrays, quarter = _arrays(row)
        return Piece(row.name, events_of(arrays, quarter), row.bpm, row.program)

    def keys(self, bundle: Bundle) -> int:
        return len(shifts(bundle.vocabulary.encoding))

    def sequence(self, row: ShardRow, key: int, bundle: Bundle) -> StepSequence:
        """As dataset.transposed_sequences has it, in one key."""
        arrays, quarter = _arrays(row)
        encoder = self._encoder(bundle.vocabulary)
        shift = shifts(bundle.vocabulary.encoding)[key]
        ids = encoder.encode(arrays, quarter, shift)
        lookback = getattr(self.family, "lookback", False)
        if not lookback:
            return sequence(row.name, ids, False)
        found = matches(encoder.encode(arrays, quarter, 0) if shift else ids)
        return sequence(row.name, ids, True, found)

    def _encoder(self, vocabulary: Vocabulary) -> _Encoder:
        if self._made is None or self._made.vocabulary is not vocabulary:
            self._made = _Encoder(vocabulary)
        return self._made

    def vocabulary(self, shards: Shards, encoding: Encoding) -> Vocabulary:
        """That of all training pieces in all keys; its commonest symbols, if there are too many."""
        counts = _Counts(encoding)
        for row in shards.rows("train"):
            counts.add(*_arrays(row))
        return counts.vocabulary(getattr(self.family, "predicts_durations", False))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"cannot be opened: {error.strerror}") from error


def _encoded(score: Any, encoding: Encoding) -> tuple[str, EventArrays, int, Any, Any]:
    """A score of any format."""
    times, quarter = in_ticks(
        [t for n in score.notes for t in (n.onset, n.duration)] + [encoding.max_duration]
    )
    notes = np.zeros(len(score.notes), NOTE)
    notes["onset"], notes["duration"] = times[:-1:2], times[1::2]
    notes["pitch"] = [n.pitch for n in score.notes]
    notes["velocity"] = [n.velocity for n in score.notes]
    events = event_arrays(notes, quarter, times[-1])
    return score.name, events, quarter, score.bpm, score.program


def _kept(pieces: Sequence[tuple[str, EventArrays, int, Any, Any]], path: Path) -> list[ShardRow]:
    """Pieces as rows. Raises Refused if all are too short."""
    rows = [
        ShardRow(
            path.name,
            name,
            fingerprint(events, quarter),
            len(events) - 1,
            bpm,
            program,
            {
                "chords": np.frombuffer(events.chords.tobytes(), np.uint8),
                "chord": events.chord.astype(
                    np.uint16 if len(events.chords) < 2**16 else np.uint32
                ),
                "duration": events.duration,
                "velocity": events.velocity.astype(np.uint8),
                "held": events.held.view(np.uint8),
                "quarter": np.array([quarter], np.int64),
            },
        )
        for name, events, quarter, bpm, program in pieces
        if len(events) >= SHORTEST
    ]
    if not rows:
        raise Refused("a single event, nothing follows it")
    return rows


def _arrays(row: ShardRow) -> tuple[EventArrays, int]:
    """The events of a row, and the ticks of a quarter."""
    data = row.data
    chords = np.frombuffer(data["chords"].tobytes(), CHORD)
    chord, duration = data["chord"].astype(np.int32), data["duration"]
    velocity, held = data["velocity"].astype(np.int16), data["held"].astype(np.bool_)
    return EventArrays(chords, chord, duration, velocity, held), int(data["quarter"][0])


class _Encoder:
    """Events as rows of token ids, by a vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.encoding, self.fields = vocabulary.encoding, vocabulary.fields
        self._known = {field.name: field.ids for field in vocabulary.fields}
        self._chord = lru_cache(REMEMBERED)(self._chord_symbol)
        self._duration = lru_cache(REMEMBERED)(_duration)

    def encode(self, events: EventArrays, quarter: int, shift: int) -> Ids:
        """Token ids [events, fields] in another key; 0 for a symbol that is not in the vocabulary."""
        columns = {"pitch": self._pitch, "duration": self._durations, "velocity": self._velocities}
        ids = [columns[field.name](events, quarter, shift) for field in self.fields]
        return np.stack(ids, axis=1).astype(np.int32)

    def _pitch(self, events: EventArrays, quarter: int, shift: int) -> Ids:
        ids = self._known["pitch"]
        chords = [self._chord(chord.tobytes(), shift) for chord in events.chords]
        if not self.encoding.concatenate:
            return np.array([ids.get(chord, 0) for chord in chords], np.int32)[events.chord]
        return _looked_up(
            np.stack([events.chord, events.duration], 1),
            lambda row: ids.get(f"{chords[row[0]]}${self._duration(row[1], quarter)}", 0),
        )

    def _durations(self, events: EventArrays, quarter: int, shift: int) -> Ids:
        ids = self._known["duration"]
        return _looked_up(
            events.duration[:, None], lambda row: ids.get(self._duration(row[0], quarter), 0)
        )

    def _velocities(self, events: EventArrays, quarter: int, shift: int) -> Ids:
        ids = self._known["velocity"]
        table = np.array([ids.get(velocity_symbol(v), 0) for v in range(256)], np.int32)
        return table[events.velocity]

    def _chord_symbol(self, chord: bytes, shift: int) -> str:
        return chord_symbol(_moved(chord, shift), self.encoding.normal)


def _duration(ticks: int, quarter: int) -> str:
    return duration_symbol(Fraction(ticks, quarter))


def _moved(chord: bytes, shift: int) -> tuple[int, ...]:
    return tuple(p + shift for p in pitches_of(np.frombuffer(chord, CHORD))[0])


def _looked_up(rows: Any, symbol: Callable[[Sequence[int]], int]) -> Ids:
    """What a function says of each of many rows, asked once for each that differs."""
    different, which = np.unique(rows, axis=0, return_inverse=True)
    return np.array([symbol(row) for row in different.tolist()], np.int32)[which.reshape(-1)]


class _Counts:
    """How often what occurs, added up piece by piece."""

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self._pitch: Count = Counter()  # (chord,) or (chord, ticks, quarter)
        self._duration: Count = Counter()  # (ticks, quarter)
        self._velocity = np.zeros(256, np.int64)  # of events that sound
        self._levels = np.zeros(256, np.int64)  # of all
        self._chords = np.zeros(128, np.int64)  # pitches of chords

    def add(self, events: EventArrays, quarter: int) -> None:
        """Count a piece."""
        chords, velocity = events.chords, events.velocity.astype(np.int64)
        times = np.bincount(events.chord, minlength=len(chords))
        lengths, many = np.unique(events.duration, return_counts=True)
        self._count(self._duration, [(t, quarter) for t in lengths.tolist()], many)
        if self.encoding.concatenate:
            pairs = np.stack([events.chord, events.duration], 1)
            different, many = np.unique(pairs, axis=0, return_counts=True)
            keys = [(chords[c].tobytes(), t, quarter) for c, t in different.tolist()]
            self._count(self._pitch, keys, many)
        else:
            self._count(self._pitch, [(chord.tobytes(),) for chord in chords], times)
        bits = np.unpackbits(chords.view(np.uint8).reshape(-1, 16), axis=1).astype(np.int64)
        sounds = (bits.sum(1) > 0)[events.chord]
        self._levels += np.bincount(velocity, minlength=256)
        self._velocity += np.bincount(velocity[sounds], minlength=256)
        self._chords += (times * (bits.sum(1) > 1)) @ bits

    @staticmethod
    def _count(counter: Count, keys: Sequence[tuple[Any, ...]], many: Any) -> None:
        for key, n in zip(keys, many.tolist(), strict=True):
            counter[key] += n
        if len(counter) > COUNTED:  # the rarest are forgotten (lossy counting)
            kept = counter.most_common(COUNTED // 2)
            counter.clear()
            counter.update(dict(kept))

    def vocabulary(self, predicts_durations: bool) -> Vocabulary:
        """The symbols that occur often enough. Raises UserError when there is nothing to choose from."""
        encoding = self.encoding
        keys = len(shifts(encoding))
        fields = [_field("pitch", self._symbols(), encoding.min_count)]
        if predicts_durations:
            durations: Counter[str] = Counter()
            for key, n in self._duration.items():
                durations[_duration(*key)] += n * keys
            fields.append(_field("duration", durations, 1))
        levels = Counter[str]()
        for velocity, n in enumerate(self._velocity.tolist()):
            levels[velocity_symbol(velocity)] += n
        if predicts_durations and max(levels.values()) < EVEN_VELOCITY * levels.total():
            told = Counter[str]()
            for velocity, n in enumerate(self._levels.tolist()):
                if n:
                    told[velocity_symbol(velocity)] += n * keys
            fields.append(_field("velocity", told, 1))
        if len(fields[0].symbols) < 3:
            raise UserError(
                "the training pieces are too few or too short: hardly any note or chord occurs "
                f"{encoding.min_count} times; add more scores to the corpus."
            )
        moved = np.convolve(self._chords, np.ones(keys, np.int64))  # in all keys
        octave = round((_median(moved) - encoding.transpose - 6) / 12) - 1 if moved.any() else 4
        return Vocabulary(encoding, tuple(fields), octave, _median(self._velocity))

    def _symbols(self) -> Counter[str]:
        """How often each symbol of pitch occurs in all keys."""
        found: Counter[str] = Counter()
        for (chord, *duration), n in self._pitch.items():
            end = f"${_duration(*duration)}" if duration else ""
            for shift in shifts(self.encoding):
                found[chord_symbol(_moved(chord, shift), self.encoding.normal) + end] += n
        return found


def _field(name: str, counts: Counter[str], min_count: int) -> Field:
    """The symbols that occur often enough, the commonest first."""
    order = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))
    common = [s for s in order if counts[s] >= min_count][:LARGEST_VOCABULARY]
    return Field(name, (UNKNOWN, *common), max(1, len(counts) - len(common)))


def _median(counts: Any) -> int:
    """The upper median of numbers that occur so often."""
    return int(np.searchsorted(np.cumsum(counts), counts.sum() // 2, side="right"))
