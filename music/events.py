"""What music is made of here: notes, events and pieces. Times are exact fractions of a quarter."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

from music.sounds import Sound

NOTE_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
SHORTEST_REST = Fraction(1, 4)  # shorter gaps are the way a note is played, not a silence
LONGEST_LENGTH = 24  # characters
HELD = (False,)
SLOWEST, FASTEST = 1 / 64, 64.0  # ratios to the tempo of a piece
TICKS = 10080  # of a quarter length: 32nds, triplets, fifths and sevenths of it are whole


@dataclass(frozen=True)
class Note:
    """One pitch that sounds: onset and duration in quarter lengths, MIDI pitch and velocity.

    voice: the part or track that it stands in, counted from 0; of instruments that are told apart
    sounds.voice_of(program).
    """

    onset: Fraction
    duration: Fraction
    pitch: int
    velocity: int
    voice: int = 0

    @property
    def end(self) -> Fraction:
        """When it stops, in quarter lengths."""
        return self.onset + self.duration


@dataclass(frozen=True)
class Event:
    """What sounds until something changes: sorted MIDI pitches (none = a rest) and for how long.

    Where voices are told apart, `voices` holds the pitch of each (-1: silent) and `struck` which of
    them begin a note here; where they are not, `struck` is HELD for what only goes on with a long
    event. Where the metre is known, `beat` is the time since the bar began, in quarter lengths, and an
    event never goes over a bar line. fermata: a phrase ends on it.

    Where instruments are told apart, `sounds` holds what each plays, and `pitches` what of it is no
    percussion. tempo: how fast it is, as a ratio to the tempo of the piece.
    """

    pitches: tuple[int, ...]
    duration: Fraction
    velocity: int = 90
    voices: tuple[int, ...] = ()
    struck: tuple[bool, ...] = ()
    beat: Fraction | None = None
    fermata: bool = False
    sounds: tuple[Sound, ...] = ()
    tempo: float = 1.0

    @staticmethod
    def of(sounds: Iterable[Sound], duration: Fraction, **others: Any) -> Event:
        """An event of instruments that are told apart."""
        played = tuple(sorted(set(sounds), key=lambda s: (s.pitch, s.program)))
        pitches = tuple(sorted({s.pitch for s in played if not s.drum}))
        velocity = max((s.velocity for s in played), default=90)
        return Event(pitches, duration, velocity, sounds=played, **others)

    @property
    def sounding(self) -> list[tuple[int, int]]:
        """What sounds as (voice, pitch); all in voice 0 where voices are not told apart."""
        if self.sounds:
            return [s.key for s in self.sounds]
        if not self.voices:
            return [(0, p) for p in self.pitches]
        return [(voice, p) for voice, p in enumerate(self.voices) if p >= 0]

    @property
    def drawn(self) -> list[int]:
        """The pitches of all that sounds, percussion too."""
        return sorted({p for _, p in self.sounding})

    def seconds(self, bpm: float) -> float:
        """How long it lasts in music of so many quarter notes a minute."""
        return float(self.duration) * 60 / (bpm * self.tempo)

    def velocity_of(self, voice: int, pitch: int) -> int:
        """How loud something that sounds is struck: MIDI velocity."""
        own = (s.velocity for s in self.sounds if s.key == (voice, pitch))
        return next(own, self.velocity)

    def transposed(self, semitones: int) -> Event:
        """The same event, moved up by so many semitones."""
        pitches = tuple(p + semitones for p in self.pitches)
        voices = tuple(p + semitones if p >= 0 else p for p in self.voices)
        sounds = tuple(s.transposed(semitones) for s in self.sounds)
        return replace(self, pitches=pitches, voices=voices, sounds=sounds)


@dataclass(frozen=True)
class Piece:
    """A score as a sequence of events. bpm and program (1..128) are None where the score is silent."""

    name: str
    events: tuple[Event, ...]
    bpm: float | None = None
    program: int | None = None

    def __len__(self) -> int:
        return len(self.events)

    def part(self, start: int, stop: int, name: str) -> Piece:
        """Some of the events, under a name of their own."""
        return replace(self, name=name, events=self.events[start:stop])

    def transposed(self, semitones: int) -> Piece:
        """The same piece in another key."""
        return replace(self, events=tuple(e.transposed(semitones) for e in self.events))

    @property
    def fingerprint(self) -> str:
        """The same for the same music in any key or file format, so that copies are recognised."""
        first = next((e.pitches[0] for e in self.events if e.pitches), 0)
        struck = (
            e for e in self.events if e.struck != HELD
        )  # how long long notes are, does not count
        music = [(_shape(e, first), str(e.duration)) for e in struck]
        return hashlib.sha256(repr(music).encode()).hexdigest()[:16]


def _shape(event: Event, first: int) -> list[Any]:
    """What sounds in an event, in whatever key: pitches above the first one of the piece."""
    if event.sounds:
        return [(s.program, s.pitch - (0 if s.drum else first), s.struck) for s in event.sounds]
    return [p - first for p in event.pitches]


def pitch_name(pitch: int) -> str:
    """The Anglo-Saxon name of a MIDI pitch: 60 -> 'C4'."""
    return f"{NOTE_NAMES[pitch % 12]}{pitch // 12 - 1}"


def pitch_number(name: str) -> int:
    """The MIDI pitch of an Anglo-Saxon name: 'C4' -> 60. Raises ValueError for anything else."""
    split = 2 if name[1:2] == "#" else 1
    return NOTE_NAMES.index(name[:split]) + 12 * (int(name[split:]) + 1)


def events_from_notes(notes: Iterable[Note], max_duration: Fraction) -> tuple[Event, ...]:
    """Cut notes wherever what sounds changes.

    All voices are heard together: a rest is where nothing sounds at all. Endings within less than
    a sixteenth of a beginning are articulation and are moved onto it. What lasts longer than
    `max_duration` (quarter lengths) comes as several equal events, so that all that follows stays where
    it is.
    """
    notes = sorted(notes, key=lambda n: (n.onset, n.pitch))
    onsets = sorted({n.onset for n in notes})
    notes = [replace(n, duration=_snapped(n, onsets) - n.onset) for n in notes]
    cuts = sorted(set(onsets) | _endings(notes, onsets))
    events: list[Event] = []
    sounding: list[Note] = []
    coming = 0
    for start, stop in pairwise(cuts):
        sounding = [n for n in sounding if n.end > start]
        while coming < len(notes) and notes[coming].onset == start:
            sounding.append(notes[coming])
            coming += 1
        pitches = tuple(sorted({n.pitch for n in sounding}))
        velocity = max((n.velocity for n in sounding), default=90)
        events += _in_parts(Event(pitches, stop - start, velocity), max_duration)
    return tuple(events)


def _in_parts(event: Event, longest: Fraction) -> list[Event]:
    """An event as one that is struck and, if it is too long, others that hold it."""
    whole, rest = divmod(event.duration, longest)
    first, *others = [longest] * int(whole) + ([rest] if rest else [])
    return [replace(event, duration=first)] + [
        replace(event, duration=d, struck=HELD) for d in others
    ]


def _snapped(note: Note, onsets: Sequence[Fraction]) -> Fraction:
    """The end of a note, moved to the nearest onset if that is less than a sixteenth away."""
    i = bisect_left(onsets, note.end)
    near = [t for t in onsets[max(0, i - 1) : i + 1] if t > note.onset]
    closest = min(near, key=lambda t: abs(t - note.end), default=note.end)
    return closest if abs(closest - note.end) < SHORTEST_REST else note.end


def _endings(notes: Iterable[Note], onsets: Sequence[Fraction]) -> set[Fraction]:
    """The ends of notes; of several within a sixteenth of each other only the last remains."""
    ends = sorted({n.end for n in notes} - set(onsets))
    later = [*ends, None][1:]
    return {a for a, b in zip(ends, later, strict=True) if b is None or b - a >= SHORTEST_REST}


def duration_of(events: Iterable[Event]) -> Fraction:
    """How long events last, in quarter lengths."""
    return sum((e.duration for e in events), Fraction(0))


def held_over(before: Event | None, event: Event) -> set[tuple[int, int]]:
    """What an event shares with the one before, as (voice, pitch): it is held, not struck again.

    Where voices are not told apart, the same chord or note twice is struck twice, but for the parts of a
    long one.
    """
    if event.sounds:
        going_on = {s.key for s in event.sounds if not s.struck and not s.drum}
        return going_on & set(before.sounding) if before else set()
    again = not event.voices and event.struck != HELD
    if before is None or (again and before.pitches == event.pitches):
        return set()
    struck = {voice for voice, new in enumerate(event.struck) if new}
    return {x for x in event.sounding if x[0] not in struck} & set(before.sounding)


def notes_from_events(events: Iterable[Event]) -> list[Note]:
    """The notes to play, by onset, pitch and voice; at the tempo of the piece throughout."""
    notes: list[Note] = []
    sounding: dict[tuple[int, int], Note] = {}
    before: Event | None = None
    time = Fraction(0)
    for event in events:
        held = held_over(before, event)
        notes += [note for what, note in sounding.items() if what not in held]
        sounding = {
            what: replace(sounding[what], duration=sounding[what].duration + event.duration)
            if what in held
            else Note(time, event.duration, what[1], event.velocity_of(*what), what[0])
            for what in event.sounding
        }
        time += event.duration
        before = event
    return sorted([*notes, *sounding.values()], key=lambda n: (n.onset, n.pitch, n.voice))


@dataclass(frozen=True)
class Bar:
    """A bar: its number (0: upbeat), start, stop and full length, in quarter lengths."""

    number: int
    start: Fraction
    stop: Fraction
    length: Fraction

    @property
    def missing(self) -> Fraction:
        """What an upbeat lacks at its beginning, in quarter lengths."""
        return (
            Fraction(0) if self.number else max(self.length - (self.stop - self.start), Fraction(0))
        )


COMMON_TIME = Fraction(4)  # quarter lengths


def bars_of(events: Sequence[Event]) -> list[Bar]:
    """The bars of events, which fill all their time; 4/4 where the metre is not known."""
    end = duration_of(events)
    starts = bar_starts(events) or [
        i * COMMON_TIME for i in range(max(1, -int(-end // COMMON_TIME)))
    ]
    if starts[0] > 0:  # the metre is known from there on only
        starts = [*_before(starts[0]), *starts]
    first_start = max((t for t in starts if t <= 0), default=Fraction(0))
    starts = [first_start, *sorted(t for t in starts if t > 0)]
    lengths = [b - a for a, b in pairwise(starts)]
    lengths.append(max(lengths[-1] if lengths else COMMON_TIME, end - starts[-1]))
    stops = [*starts[1:], end]
    first = 0 if starts[0] < 0 and len(starts) > 1 else 1
    return [
        Bar(number, max(start, Fraction(0)), stop, length)
        for number, (start, stop, length) in enumerate(
            zip(starts, stops, lengths, strict=True), first
        )
    ]


def _before(start: Fraction) -> list[Fraction]:
    """Where bars of 4/4 begin before a bar, from the beginning on; the first one may be shorter."""
    count = int(start // COMMON_TIME)
    return [start - i * COMMON_TIME for i in range(count, 0, -1)]


def bar_starts(events: Iterable[Event]) -> list[Fraction]:
    """Where bars begin; that of an upbeat lies before 0. Empty where the metre is not known."""
    found: dict[Fraction, None] = {}
    time = Fraction(0)
    for event in events:
        if event.beat is not None:
            found[time - event.beat] = None
        time += event.duration
    return list(found)


def fermatas_of(events: Iterable[Event]) -> list[tuple[Fraction, Fraction]]:
    """Onset and end of what stands under each fermata, in quarter lengths."""
    found: list[tuple[Fraction, Fraction]] = []
    time, under = Fraction(0), False
    for event in events:
        end = time + event.duration
        if event.fermata and under:
            found[-1] = (found[-1][0], end)
        elif event.fermata:
            found.append((time, end))
        time, under = end, event.fermata
    return found


def _length(text: str) -> Fraction:
    """Quarter lengths as `to_json` writes them; nothing that would take long to compute."""
    if len(text) > LONGEST_LENGTH or not re.fullmatch(r"\d+(/\d+)?", text):
        raise ValueError(f"{text[:LONGEST_LENGTH]} is no length")
    return Fraction(text)


def to_json(events: Iterable[Event]) -> list[list[Any]]:
    """Events as JSON types: [pitches, duration, velocity] and, with voices, [..., voices, struck].

    Where the metre is known or a phrase ends, beat and fermata follow; where instruments are told
    apart, [program, pitch, velocity, struck] of each sound, and the tempo.
    """
    rows = []
    for e in events:
        row: list[Any] = [list(e.pitches), str(e.duration), e.velocity]
        played = bool(e.sounds) or e.tempo != 1
        metre = e.beat is not None or e.fermata or played
        if e.voices or e.struck or metre:
            row += [list(e.voices), list(e.struck)]
        if metre:
            row += [None if e.beat is None else str(e.beat), e.fermata]
        if played:
            row += [[[s.program, s.pitch, s.velocity, s.struck] for s in e.sounds], e.tempo]
        rows.append(row)
    return rows


def from_json(rows: Iterable[Sequence[Any]]) -> list[Event]:
    """The inverse of `to_json`. Raises ValueError or TypeError for anything else."""
    length = lru_cache(_length)  # they are few, and take long to read
    events = []
    for pitches, duration, velocity, *rest in rows:
        event = Event(tuple(pitches), length(duration), int(velocity))
        if not (all(0 <= p <= 127 for p in pitches) and event.duration and 0 <= velocity <= 127):
            raise ValueError(f"no event: {pitches}, {duration}, {velocity}")
        if rest:
            event = replace(event, voices=tuple(rest[0]), struck=tuple(rest[1]))
        if len(rest) > 2:
            beat = None if rest[2] is None else length(rest[2])
            event = replace(event, beat=beat, fermata=bool(rest[3]))
        if len(rest) > 4:
            event = replace(event, sounds=_sounds(rest[4]), tempo=_tempo(rest[5]))
        events.append(event)
    return events


def _sounds(rows: Iterable[Sequence[Any]]) -> tuple[Sound, ...]:
    """What `to_json` made of sounds. Raises ValueError or TypeError for anything else."""
    sounds = tuple(Sound(int(p), int(n), int(v), bool(struck)) for p, n, v, struck in rows)
    for s in sounds:
        if not (0 <= s.program <= 128 and 0 <= s.pitch <= 127 and 0 <= s.velocity <= 127):
            raise ValueError(f"no sound: {s}")
    return sounds


def _tempo(ratio: Any) -> float:
    """A ratio of tempi that can be played. Raises ValueError or TypeError for anything else."""
    if not SLOWEST <= float(ratio) <= FASTEST:
        raise ValueError(f"{ratio} is no ratio of tempi")
    return float(ratio)
