"""Events <-> symbols ('A2.G#3', 'R', 'C4$0.5') <-> token ids.

A vocabulary has one field for networks that see one symbol at a time (types 1 and 3), or a field each
for pitch, duration and velocity (type 2).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from config_bach import Encoding, UserError
from music.events import NOTE_NAMES, Event, Piece, pitch_name, pitch_number
from storage.vocabulary import UNKNOWN, Field, Vocabulary

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


def learn_vocabulary(
    pieces: Sequence[Piece], encoding: Encoding, with_duration: bool
) -> Vocabulary:
    """The vocabulary of training pieces, in all the keys that `encoding.transpose` allows.

    with_duration: durations (and velocities that vary) are fields of their own. Raises UserError when
    there is nothing to choose between.
    """
    keys = [p.transposed(s) for p in pieces for s in shifts(encoding)]
    events = [e for p in keys for e in p.events]
    names = field_names([e for p in pieces for e in p.events], with_duration)
    fields = tuple(
        Field.of(n, (symbol(e, n, encoding) for e in events), min_count_of(n, encoding))
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
    return Vocabulary(encoding, fields, octave, velocities[len(velocities) // 2])


class EventEncoder:
    """Events to rows of token ids and back, by a vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._ids: dict[Any, list[int]] = {}

    def encode(self, events: Sequence[Event]) -> Ids:
        """Token ids [events, fields]; 0 for a symbol that is not in the vocabulary."""
        fields = self.vocabulary.fields
        return np.array([self._row(e) for e in events], np.int32).reshape(-1, len(fields))

    def _row(self, event: Event) -> list[int]:
        key = (event.pitches, event.duration, event.velocity)
        if key not in self._ids:
            encoding = self.vocabulary.encoding
            self._ids[key] = [
                f.ids.get(symbol(event, f.name, encoding), 0) for f in self.vocabulary.fields
            ]
        return self._ids[key]

    def event(self, row: Sequence[int], duration: Fraction) -> Event:
        """The event of one row of ids; `duration` (quarter lengths) is used if none was learned."""
        fields = self.vocabulary.fields
        symbols = {f.name: f.symbols[i] for f, i in zip(fields, row, strict=True)}
        chord, _, joined = symbols["pitch"].partition("$")
        length = Fraction(joined or symbols.get("duration") or duration)
        velocity = int(symbols.get("velocity", self.vocabulary.velocity))
        return Event(chord_pitches(chord, self.vocabulary.octave), length, velocity)


def knows_durations(vocabulary: Vocabulary) -> bool:
    """Whether the network itself predicts durations."""
    return vocabulary.encoding.concatenate or any(f.name == "duration" for f in vocabulary.fields)


def pitch_features(vocabulary: Vocabulary) -> npt.NDArray[np.float32]:
    """What is known of every pitch symbol before any learning [symbols, features].

    A column for each MIDI pitch in use and one for each of the twelve pitch classes, 1 where it
    sounds: chords that share notes are alike from the start.
    """
    chords = _chords(vocabulary)
    pitches = pitches_used(vocabulary)
    table = np.zeros((len(chords), len(pitches) + 12), np.float32)
    for row, chord in enumerate(chords):
        for pitch in chord:
            table[row, pitch - pitches[0]] = table[row, len(pitches) + pitch % 12] = 1
    return table


def pitches_used(vocabulary: Vocabulary) -> range:
    """The MIDI pitches from the lowest to the highest in use."""
    used = [p for chord in _chords(vocabulary) for p in chord]
    return range(min(used, default=0), max(used, default=0) + 1)


def _chords(vocabulary: Vocabulary) -> list[tuple[int, ...]]:
    """The pitches of every pitch symbol."""
    return [
        () if s == UNKNOWN else chord_pitches(s.partition("$")[0], vocabulary.octave)
        for s in vocabulary.fields[0].symbols
    ]


def shifts(encoding: Encoding) -> range:
    """The transpositions in semitones in which training pieces are learned."""
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


def min_count_of(name: str, encoding: Encoding) -> int:
    """How often a symbol of that field must occur to be learned."""
    return encoding.min_count if name == "pitch" else 1
