"""Four voices as symbols: at every sixteenth each of them holds, falls silent or strikes a note.

Held notes and notes struck again are told apart. Voices are soprano, alto, tenor and bass, in that
order everywhere but in `ORDER`, the order in which they are composed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from config_bach import Encoding
from music.events import Event, Note, bar_starts, fermatas_of, pitch_name
from storage.vocabulary import UNKNOWN, Field, Vocabulary

VOICES = ("soprano", "alto", "tenor", "bass")
ORDER = (0, 3, 2, 1)  # the outer voices first
STEP = Fraction(1, 4)  # quarter lengths
NOTHING, HOLD, SILENCE = 0, 1, 2  # symbols; NOTHING is never composed
LOWEST, HIGHEST = 28, 88  # MIDI pitches that have a symbol
FIRST = 3  # the symbol of LOWEST
SYMBOLS = FIRST + HIGHEST - LOWEST + 1
VELOCITY = 90

# The plan: metre and phrases, known in advance at every step. 0 means: not known.
PLAN = ("position", "bar", "phrase")
POSITIONS = 32  # 1 + the sixteenth in its bar; the last one stands for all that are later
BARS = 9  # the length of the bar in quarters
SHORTEST_PHRASE, LONGEST_PHRASE = 16, 64  # steps of a beginning that is continued
PHRASES = 20  # 1: under a fermata; 2...: 1 + the quarters to the next one, begun or whole

Grid = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Chorale:
    """Symbols [steps, 4] and the plan [steps, 3] of a piece in four voices."""

    name: str
    symbols: Grid
    plan: Grid
    bpm: float | None = None
    tells_struck: bool = True  # whether it is known which notes were struck again

    def __len__(self) -> int:
        return len(self.symbols)

    def part(self, start: int, stop: int, name: str) -> Chorale:
        """Some of the steps, under a name of their own; what is held at the start is struck there."""
        symbols = self.symbols[start:stop].copy()
        if len(symbols):
            symbols[0] = sounding(self.symbols)[start]
        return replace(self, name=name, symbols=symbols, plan=self.plan[start:stop])

    def transposed(self, semitones: int) -> Chorale:
        """The same music in another key. Raises ValueError where the symbols end."""
        return replace(self, symbols=transposed(self.symbols, semitones))

    @cached_property
    def events(self) -> list[Event]:
        """What sounds when, with bars and fermatas."""
        return events_of(self)

    @property
    def fingerprint(self) -> str:
        """The same for the same notes in any key."""
        heard = pitches(self.symbols)
        heard = np.where(heard < 0, -99, heard - heard[heard >= 0].min(initial=127))
        return hashlib.sha256(heard.astype("<i2").tobytes()).hexdigest()[:16]


def fits(symbols: Grid, semitones: int) -> bool:
    """Whether a piece stays among the symbols in another key."""
    moved = symbols[symbols >= FIRST] + semitones
    return bool((moved >= FIRST).all() and (moved < SYMBOLS).all())


def transposed(symbols: Grid, semitones: int) -> Grid:
    """Symbols in another key. Raises ValueError where the symbols end."""
    moved = np.where(symbols >= FIRST, symbols + semitones, symbols)
    if (moved >= SYMBOLS).any() or (moved[symbols >= FIRST] < FIRST).any():
        raise ValueError("the pitches leave the range of the symbols")
    return np.asarray(moved, np.int16)


def symbol(pitch: int) -> int:
    """The symbol of a note struck at a MIDI pitch. Raises ValueError beyond LOWEST and HIGHEST."""
    if not LOWEST <= pitch <= HIGHEST:
        raise ValueError(f"MIDI pitch {pitch} is outside {LOWEST}..{HIGHEST}")
    return FIRST + pitch - LOWEST


def pitch(symbol: int) -> int:
    """The MIDI pitch of a symbol; -1 for those that are no note."""
    return symbol - FIRST + LOWEST if symbol >= FIRST else -1


def sounding(symbols: Grid) -> Grid:
    """What sounds at every step, as the symbol it was struck with: HOLD is resolved [steps, 4]."""
    steps = np.arange(len(symbols))[:, None]
    since = np.maximum.accumulate(np.where(symbols == HOLD, 0, steps), axis=0)
    struck = np.take_along_axis(symbols, since, axis=0) if len(symbols) else symbols
    return np.where(struck == HOLD, SILENCE, struck).astype(np.int16)


def pitches(symbols: Grid) -> Grid:
    """MIDI pitches that sound [steps, 4], -1 where a voice is silent."""
    heard = sounding(symbols)
    return np.where(heard >= FIRST, heard - FIRST + LOWEST, -1).astype(np.int16)


def symbols_of(pitches: npt.ArrayLike) -> Grid:
    """Symbols [steps, 4] of MIDI pitches [steps, 4], -1 for silence; equal pitches are held.

    Raises ValueError for pitches that have no symbol.
    """
    given = np.asarray(pitches, np.int16)
    inside = (given >= LOWEST) & (given <= HIGHEST)
    if given.ndim != 2 or given.shape[1] != len(VOICES) or not (inside | (given == -1)).all():
        raise ValueError(f"a step is four MIDI pitches of {LOWEST} to {HIGHEST}, or -1")
    struck = np.where(given < 0, SILENCE, given - LOWEST + FIRST)
    held = np.zeros_like(inside)
    held[1:] = given[1:] == given[:-1]
    return np.where(held, HOLD, struck).astype(np.int16)


def symbols_of_notes(voices: Sequence[Sequence[Note]], steps: int) -> Grid:
    """Symbols [steps, 4] of the notes of four voices, which must be in time order.

    Onsets and ends are moved to the nearest sixteenth; a note that would vanish lasts one. Raises
    ValueError for pitches that have no symbol.
    """
    grid = np.full((steps, len(VOICES)), HOLD, np.int16)
    for voice, notes in enumerate(voices):
        grid[0, voice] = SILENCE
        for note in notes:
            start, stop = (round(t / STEP) for t in (note.onset, note.end))
            if start < steps:
                stop = max(stop, start + 1)
                grid[start, voice] = symbol(note.pitch)
                grid[start + 1 : stop, voice] = HOLD
                if stop < steps:
                    grid[stop, voice] = SILENCE
        _tidy_silence(grid[:, voice])
    return grid


def _tidy_silence(column: Grid) -> None:
    """A silence after a silence is held like a note, in place."""
    silent = False
    for i, value in enumerate(column):
        if value == SILENCE and silent:
            column[i] = HOLD
        elif value != HOLD:
            silent = value == SILENCE


def notes_of(symbols: Grid) -> list[Note]:
    """The notes of all voices, by onset and voice (0..3); times in quarter lengths."""
    notes: list[Note] = []
    for voice in range(len(VOICES)):
        starts = np.flatnonzero(symbols[:, voice] != HOLD)
        stops = [*starts[1:], len(symbols)]
        for start, stop in zip(starts, stops, strict=True):
            if symbols[start, voice] >= FIRST:
                struck = pitch(int(symbols[start, voice]))
                onset, length = int(start) * STEP, int(stop - start) * STEP
                notes.append(Note(onset, length, struck, VELOCITY, voice))
    return sorted(notes, key=lambda n: (n.onset, n.voice))


def plan_of(
    steps: int, bars: Sequence[Fraction] = (), fermatas: Sequence[tuple[Fraction, Fraction]] = ()
) -> Grid:
    """The plan [steps, 3] from the onsets of the bars and of the fermatas (onset, end; quarters).

    Without bars the position is counted in 4/4 from the beginning, and the bar is not known; without
    fermatas the phrase is not known.
    """
    plan = np.zeros((steps, len(PLAN)), np.int16)
    plan[:, 0] = 1 + np.arange(steps) % 16
    starts = [start for t in bars if (start := round(t / STEP)) <= steps]
    for start, stop in zip(starts, [*starts[1:], steps + 1], strict=False):
        length = stop - start if stop <= steps else (plan[start - 1, 1] * 4 if start > 0 else 16)
        inside = np.arange(max(start, 0), min(stop, steps))
        plan[inside, 0] = np.minimum(1 + inside - start, POSITIONS - 1)
        plan[inside, 1] = min(max(round(length / 4), 1), BARS - 1)
    plan[:, 2] = _phrases(steps, fermatas)
    return plan


def _phrases(steps: int, fermatas: Sequence[tuple[Fraction, Fraction]]) -> Grid:
    """How far it is to the end of the phrase, at every step."""
    phrase = np.zeros(steps, np.int16)
    before = 0
    for onset, end in sorted(fermatas):
        start, stop = round(onset / STEP), min(round(end / STEP), steps)
        inside = np.arange(before, min(start, steps))
        phrase[inside] = np.minimum(1 - (inside - start) // 4, PHRASES - 1)
        phrase[start:stop] = 1
        before = max(stop, before)
    return phrase


def event_of(
    symbols: Sequence[int], sounds: Sequence[int], plan: Sequence[int], steps: int
) -> Event:
    """An event of so many steps, from what the voices do and sound at its start [4] and the plan [3]."""
    voices = tuple(int(s) - FIRST + LOWEST if s >= FIRST else -1 for s in sounds)
    return Event(
        tuple(sorted({p for p in voices if p >= 0})),
        steps * STEP,
        VELOCITY,
        voices,
        tuple(s >= FIRST for s in symbols),
        (int(plan[0]) - 1) * STEP if plan[1] and plan[0] < POSITIONS - 1 else None,
        bool(plan[2] == 1),
    )


def cuts_of(symbols: Grid, plan: Grid) -> npt.NDArray[np.bool_]:
    """Where an event begins [steps]: a voice does something, a bar begins, a fermata begins or ends."""
    bars, under = (plan[:, 0] == 1) & (plan[:, 1] > 0), plan[:, 2] == 1
    changes = (symbols != HOLD).any(1) | bars
    changes[1:] |= under[1:] != under[:-1]
    return np.asarray(changes)


def events_of(chorale: Chorale, cut: int = 0) -> list[Event]:
    """The events of a chorale, with bars and fermatas; see `cuts_of`. One begins at the step `cut`."""
    begins = cuts_of(chorale.symbols, chorale.plan)
    begins[cut] |= cut > 0
    changes = np.flatnonzero(begins).tolist()
    symbols, plan = chorale.symbols.tolist(), chorale.plan.tolist()
    sounds = sounding(chorale.symbols).tolist()
    return [
        event_of(symbols[a], sounds[a], plan[a], b - a)
        for a, b in pairwise([*changes, len(chorale)])
    ]


def following(first: Chorale, then: Chorale) -> tuple[list[Event], list[Event]]:
    """The events of two chorales, the second of which goes on with what the first one holds."""
    symbols, plan = (
        np.concatenate([getattr(first, x), getattr(then, x)]) for x in ("symbols", "plan")
    )
    events = events_of(Chorale(then.name, symbols, plan), len(first))
    lasting = accumulate(round(e.duration / STEP) for e in events)
    before = sum(stop <= len(first) for stop in lasting)
    return events[:before], events[before:]


def first_phrase(plan: Grid) -> int:
    """The steps of the first phrase that is not too short; LONGEST_PHRASE where no phrase is known."""
    under = plan[:, 2] == 1
    ends = np.flatnonzero(under[:-1] & ~under[1:]) + 1
    return int(
        next((end for end in ends if end >= SHORTEST_PHRASE), min(len(plan), LONGEST_PHRASE))
    )


def chorale_of(events: Sequence[Event], name: str = "") -> Chorale:
    """Events of four voices, or of fewer, as a chorale; a voice that is missing is silent.

    Where the events do not know the metre, it is 4/4 from the beginning.
    """
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
    symbols = np.array(rows, np.int16).reshape(-1, len(VOICES))
    plan = plan_of(len(rows), bar_starts(events), fermatas_of(events))
    return Chorale(name, symbols, plan)


def _spread(event: Event) -> list[int]:
    """Four voices of an event that has none: the outer pitches outside."""
    pitches = sorted(event.pitches, reverse=True)[: len(VOICES)]
    return [*pitches[:-1], *[-1] * (len(VOICES) - len(pitches)), *pitches[-1:]]


def satb_vocabulary(encoding: Encoding) -> Vocabulary:
    """The symbols that each voice chooses from, by name; the same in every model of type 5."""
    names = [UNKNOWN, "hold", "silence"]
    names += [pitch_name(LOWEST + i) for i in range(SYMBOLS - FIRST)]
    return Vocabulary(encoding, (Field("voice", tuple(names)),))
