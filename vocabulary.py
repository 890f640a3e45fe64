"""Events <-> symbols ('A2.G#3', 'R', 'C4$0.5') <-> token ids.

A vocabulary has one field for models that see one symbol at a time (types 1 and 3), or a field
each for pitch, duration and velocity (type 2). Token 0 of every field is '?': a symbol too rare to
learn. It may be heard and is counted in every figure, but it is never composed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from config_bach import Encoding, UserError
from piece import NOTE_NAMES, Event, Piece, pitch_name, pitch_number

UNKNOWN = "?"
REST = "R"
VELOCITY_STEP = 16  # MIDI velocities are learned in eight levels
EVEN_VELOCITY = 0.9  # with more than this share in one level there is nothing to learn

Ids = npt.NDArray[np.int32]


def chord_symbol(pitches: Sequence[int], normal: bool) -> str:
    """'R' for silence, 'B2' for a note, 'A2.G#3' for a chord, 'A.G#' for a folded one."""
    if not pitches:
        return REST
    if normal and len(pitches) > 1:
        return ".".join(NOTE_NAMES[p] for p in sorted({p % 12 for p in pitches}))
    return ".".join(pitch_name(p) for p in pitches)


def chord_pitches(symbol: str, octave: int) -> tuple[int, ...]:
    """The MIDI pitches of a symbol; folded chords sound in the given octave (4 holds middle C)."""
    if symbol == REST:
        return ()
    names = [n if n[-1].isdigit() else f"{n}{octave}" for n in symbol.split(".")]
    return tuple(pitch_number(n) for n in names)


def duration_symbol(duration: Fraction) -> str:
    """'0.5', '2', or '1/3' where no decimal is exact."""
    exact = duration.denominator & (duration.denominator - 1) == 0
    return f"{float(duration):g}" if exact else str(duration)


def velocity_symbol(velocity: int) -> str:
    """The middle of the level that a MIDI velocity lies in."""
    return str(velocity // VELOCITY_STEP * VELOCITY_STEP + VELOCITY_STEP // 2)


@dataclass(frozen=True)
class Field:
    """One thing that a model predicts: its name, its symbols, and how many rarer ones '?' stands for."""

    name: str
    symbols: tuple[str, ...]
    rare: int = 1

    @cached_property
    def ids(self) -> dict[str, int]:
        """Symbol -> token id."""
        return {symbol: i for i, symbol in enumerate(self.symbols)}

    @classmethod
    def of(cls, name: str, symbols: Iterable[str], min_count: int) -> Field:
        """The symbols of the training pieces that occur often enough, the commonest first."""
        counts = Counter(symbols)
        common = [s for s, n in counts.most_common() if n >= min_count]
        return cls(name, (UNKNOWN, *common), max(1, len(counts) - len(common)))


@dataclass(frozen=True)
class Vocabulary:
    """All fields of a model, and how events are put into symbols."""

    encoding: Encoding
    fields: tuple[Field, ...]
    octave: int = 4  # where folded chords sound
    velocity: int = 90  # of every note, where no velocity was learned
    _ids: dict[Any, list[int]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def learn(cls, pieces: Sequence[Piece], encoding: Encoding, with_duration: bool) -> Vocabulary:
        """The vocabulary of training pieces, in all the keys that `encoding.transpose` allows.

        Raises UserError when there is nothing to choose between.
        """
        keys = [p.transposed(s) for p in pieces for s in shifts(encoding)]
        events = [e for p in keys for e in p.events]
        names = field_names([e for p in pieces for e in p.events], with_duration)
        fields = tuple(
            Field.of(n, (symbol(e, n, encoding) for e in events), _least(n, encoding))
            for n in names
        )
        if len(fields[0].symbols) < 3:
            raise UserError(
                "the training pieces are too few or too short: hardly any note or chord occurs "
                f"{encoding.min_count} times; add more scores to the corpus."
            )
        velocities = sorted(e.velocity for e in events if e.pitches)
        chords = sorted(p for e in events if len(e.pitches) > 1 for p in e.pitches)
        octave = round((chords[len(chords) // 2] - 6) / 12) - 1 if chords else 4
        return cls(encoding, fields, octave, velocities[len(velocities) // 2])

    def encode(self, events: Sequence[Event]) -> Ids:
        """Token ids [events, fields]."""
        return np.array([self._row(e) for e in events], np.int32).reshape(-1, len(self.fields))

    def _row(self, event: Event) -> list[int]:
        key = (event.pitches, event.duration, event.velocity)
        if key not in self._ids:
            self._ids[key] = [
                f.ids.get(symbol(event, f.name, self.encoding), 0) for f in self.fields
            ]
        return self._ids[key]

    def symbols_of(self, row: Sequence[int]) -> dict[str, str]:
        """The symbols of one row of ids, by field."""
        return {f.name: f.symbols[i] for f, i in zip(self.fields, row, strict=True)}

    def event(self, row: Sequence[int], duration: Fraction) -> Event:
        """The event of one row of ids; `duration` (quarter lengths) is used if none was learned."""
        symbols = self.symbols_of(row)
        chord, _, joined = symbols["pitch"].partition("$")
        length = Fraction(joined or symbols.get("duration") or duration)
        velocity = int(symbols.get("velocity", self.velocity))
        return Event(chord_pitches(chord, self.octave), length, velocity)

    @property
    def knows_durations(self) -> bool:
        """Whether the network itself predicts durations."""
        return self.encoding.concatenate or any(f.name == "duration" for f in self.fields)

    def pitch_features(self) -> npt.NDArray[np.float32]:
        """What is known of every pitch symbol before any learning [symbols, features].

        A column for each MIDI pitch in use and one for each of the twelve pitch classes, 1 where it
        sounds: chords that share notes are alike from the start.
        """
        chords = [
            () if s == UNKNOWN else chord_pitches(s.partition("$")[0], self.octave)
            for s in self.fields[0].symbols
        ]
        low = min((min(c) for c in chords if c), default=0)
        high = max((max(c) for c in chords if c), default=0)
        table = np.zeros((len(chords), high - low + 1 + 12), np.float32)
        for row, chord in enumerate(chords):
            for pitch in chord:
                table[row, pitch - low] = table[row, high - low + 1 + pitch % 12] = 1
        return table

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as JSON types."""
        return {
            "encoding": self.encoding.to_json(),
            "octave": self.octave,
            "velocity": self.velocity,
            "fields": [
                {"name": f.name, "symbols": list(f.symbols), "rare": f.rare} for f in self.fields
            ],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Vocabulary:
        """The inverse of `to_json`. Raises KeyError, TypeError or UserError for anything else."""
        fields = tuple(Field(f["name"], tuple(f["symbols"]), f["rare"]) for f in data["fields"])
        encoding = Encoding.from_json(data["encoding"])
        return cls(encoding, fields, data["octave"], data["velocity"])


def shifts(encoding: Encoding) -> range:
    """The transpositions in semitones in which training pieces are heard."""
    return range(-encoding.transpose, encoding.transpose + 1)


def symbol(event: Event, name: str, encoding: Encoding) -> str:
    """The symbol of an event in the field of that name."""
    if name == "duration":
        return duration_symbol(event.duration)
    if name == "velocity":
        return velocity_symbol(event.velocity)
    chord = chord_symbol(event.pitches, encoding.normal)
    return f"{chord}${duration_symbol(event.duration)}" if encoding.concatenate else chord


def field_names(events: Sequence[Event], with_duration: bool) -> list[str]:
    """'pitch', with 'duration' if asked for, and 'velocity' where the corpus has any to learn."""
    if not with_duration:
        return ["pitch"]
    return ["pitch", "duration", "velocity"] if velocities_vary(events) else ["pitch", "duration"]


def velocities_vary(events: Iterable[Event]) -> bool:
    """Whether no single level of velocity covers nearly all the sounding events."""
    levels = Counter(velocity_symbol(e.velocity) for e in events if e.pitches)
    return bool(levels) and max(levels.values()) < EVEN_VELOCITY * levels.total()


def unknown_cost(field: Field) -> float:
    """What an event outside the vocabulary costs beyond '?', in nats.

    '?' says only that a rare symbol comes; which one is a choice among all the rare ones.
    """
    return math.log(field.rare)


def _least(name: str, encoding: Encoding) -> int:
    return encoding.min_count if name == "pitch" else 1
