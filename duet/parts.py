"""What somebody plays: a part that is kept, and a performer that also plans it at the outputs."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from config_bach import DEFAULT_PROGRAM
from duet.dispatcher import Dispatcher
from duet.notes import Output
from music.events import Event
from music.sounds import DRUMS, Sound

LONGEST = 200_000  # notes of a part; of a longer one the beginning is forgotten
RECENT = 64  # notes among which those that sound are looked for
DRUM_CHANNEL = 9


@dataclass
class PlayedNote:
    """A note: onset and end in quarter lengths since playing began (end None: it sounds).

    program: General MIDI 1..128, or DRUMS, whatever else its player plays.
    """

    onset: float
    end: float | None
    pitch: int
    velocity: int
    program: int = DEFAULT_PROGRAM

    @property
    def drum(self) -> bool:
        """Whether it is percussion."""
        return self.program == DRUMS


class Part:
    """The notes of one player, by onset."""

    def __init__(self, name: str, program: int) -> None:
        """program: General MIDI 1..128, or DRUMS: then all notes are percussion."""
        self.name = name
        self.notes: list[PlayedNote] = []
        self.programs = [(0.0, program)]  # since when it was played with which

    @property
    def program(self) -> int:
        """What it is played with now."""
        return self.programs[-1][1]

    def become(self, beat: float, program: int) -> None:
        """It is played with something else from a beat on."""
        if program != self.program:
            self.programs.append((beat, program))

    def on(self, beat: float, pitch: int, velocity: int, program: int | None = None) -> None:
        """A note begins. program: None: that of the part."""
        own = self.program if program is None else program
        self.notes.append(PlayedNote(beat, None, pitch, velocity, own))
        if len(self.notes) > LONGEST:
            del self.notes[: LONGEST // 10]

    def off(self, beat: float, pitch: int, program: int | None = None) -> None:
        """The oldest note of a pitch that sounds ends; its program may have become another."""
        own = self.program if program is None else program
        found = [n for n in self.sounding if n.pitch == pitch]
        same = [n for n in found if n.program == own]
        for note in (same or (found if len(self.programs) > 1 else []))[:1]:
            note.end = max(beat, note.onset)

    def cut(self, beat: float) -> None:
        """All that sounds ends, and what was to begin later does not."""
        self.forget(beat)
        for note in self._recent:
            if note.end is None:
                note.end = max(beat, note.onset)

    def forget(self, since: float) -> None:
        """What was planned from a beat on does not happen: neither beginnings nor ends."""
        later = since - 1e-6
        while self.notes and self.notes[-1].onset >= later:
            self.notes.pop()
        for note in self._recent:
            if note.end is not None and note.end >= later:
                note.end = None

    @property
    def _recent(self) -> list[PlayedNote]:
        return self.notes[-RECENT:]

    @property
    def sounding(self) -> list[PlayedNote]:
        """The notes that have begun and not ended."""
        return [n for n in self._recent if n.end is None]

    def last_end(self, drums: bool = True) -> float | None:
        """When the last note ended; None while one sounds, or before there is any.

        drums: whether percussion counts.
        """
        ends = [n.end for n in self._recent if drums or not n.drum]
        known = [end for end in ends if end is not None]
        return max(known) if ends and len(known) == len(ends) else None

    def since(self, beat: float) -> Part:
        """Another part with copies of the notes that sound from a beat on."""
        found = Part(self.name, self.program)
        first = max(bisect_left(self.notes, beat, key=_onset) - RECENT, 0)
        kept = (n for n in self.notes[first:] if n.end is None or n.end > beat)
        found.notes = [replace(n) for n in kept]
        found.programs = list(self.programs)
        return found

    def program_at(self, beat: float) -> int:
        """What it was played with at a beat."""
        return next(p for since, p in reversed(self.programs) if since <= max(beat, 0.0))

    def step(self, before: Fraction, start: Fraction, stop: Fraction) -> Event:
        """What sounds in a step of a grid, each onset and end moved to the nearest point of it.

        A gap shorter than a step is articulation: the notes last until then.
        """
        low, high = float(before + start) / 2, float(start + stop) / 2
        after = bisect_left(self.notes, high, key=_onset)
        known = self.notes[max(after - RECENT, 0) : after]
        struck = [n for n in known if n.onset >= low]
        earlier = [n for n in known if n.onset < low and not n.drum]
        held = [n for n in earlier if n.end is None or n.end >= high]
        if not any(not n.drum for n in struck) and not held:
            held = [n for n in earlier if n.end is not None and n.end >= low]
        sounds = [Sound(n.program, n.pitch, n.velocity) for n in struck]
        new = {s.key for s in sounds}
        going_on = (Sound(n.program, n.pitch, n.velocity, False) for n in held)
        sounds += [s for s in going_on if s.key not in new]
        return Event.of(sounds, stop - start)


def _onset(note: PlayedNote) -> float:
    return note.onset


class Performer:
    """Writes notes into a part and plans them at outputs, on a MIDI channel (0..15).

    Percussion is on its own channel; other instruments than that of the part get one of those that are
    spare, while there are any, and are played by that of the part then.
    """

    def __init__(
        self,
        part: Part,
        outputs: Sequence[Output],
        channel: int,
        dispatcher: Dispatcher,
        spare: list[int] | None = None,
    ) -> None:
        """spare: channels that several performers share; one that is in use is not in it."""
        self.part, self.outputs, self.channel = part, outputs, channel
        self.offset = 0.0  # quarter lengths
        self._dispatcher = dispatcher
        self._spare = [] if spare is None else spare
        self._further: dict[int, int | None] = {}  # instruments' channels; None: none was left
        self._became = -math.inf  # the beat at which it became another
        self._ended: list[tuple[int, int, int]] = []  # there: pitch, program, channel

    @property
    def name(self) -> str:
        """Whose notes they are."""
        return self.part.name

    def introduce(self) -> None:
        """Choose the instrument."""
        if self.part.program != DRUMS:
            self._now("program_change", self.channel, program=self.part.program - 1)

    def become(self, beat: float, program: int, channel: int) -> None:
        """End all notes at a beat, also those that were planned; then play on another channel, with
        another program."""
        self.cancel(beat)
        self._ended = [(n.pitch, *self._instrument(n.program)) for n in self.part.sounding]
        self.give_back()
        self._became, self.channel = beat, channel
        self.part.become(beat, program)
        self._plan_change()

    def _plan_change(self) -> None:
        """Plan the end of what it was, and the instrument of what it is."""
        for pitch, program, channel in self._ended:
            self.part.off(self._became, pitch, program)
            self._plan(self._became, "note_off", channel, note=pitch, velocity=0)
        for output in self.outputs:
            self._dispatcher.finish(self._became + self.offset, output, self.name)
        if self.part.program != DRUMS:
            program = self.part.program - 1
            self._plan(self._became, "program_change", self.channel, program=program)

    def begin(self, beat: float, pitch: int, velocity: int, program: int | None = None) -> None:
        """Strike a note at a beat, of an instrument; None: that of the part."""
        own, channel = self._instrument(program)
        self.part.on(beat, pitch, velocity, own)
        self._plan(beat, "note_on", channel, note=pitch, velocity=velocity)

    def end(self, beat: float, pitch: int, program: int | None = None) -> None:
        """End a note at a beat."""
        own, channel = self._instrument(program)
        self.part.off(beat, pitch, own)
        self._plan(beat, "note_off", channel, note=pitch, velocity=0)

    def _instrument(self, program: int | None) -> tuple[int, int]:
        """The instrument that a note is played by, and its channel."""
        own = self.part.program, self.channel
        if program is None or program == self.part.program:
            return own
        if program == DRUMS:
            return DRUMS, DRUM_CHANNEL
        channel = self._further_channel(program)
        return own if channel is None else (program, channel)

    def _further_channel(self, program: int) -> int | None:
        """The channel of another instrument than that of the part; None: it has none."""
        if program not in self._further:
            channel = self._further[program] = self._spare.pop() if self._spare else None
            if channel is not None:
                self._now("program_change", channel, program=program - 1)
        return self._further[program]

    @property
    def several(self) -> bool:
        """Whether other instruments than that of the part were asked for."""
        return bool(self._further)

    def give_back(self) -> None:
        """Give back the channels of further instruments, whose notes have been ended."""
        self._spare += [c for c in self._further.values() if c is not None]
        self._further = {}

    def cancel(self, since: float) -> None:
        """Forget what was planned from a beat on, but not that it becomes another."""
        self.part.forget(since)
        self._dispatcher.cancel(self.name, since + self.offset)
        if since <= self._became:
            self._plan_change()

    def silence(self, beat: float) -> None:
        """End everything at once; it is that beat."""
        self.part.cut(beat)
        for output in self.outputs:
            self._dispatcher.silence(self.name, output)
        if beat <= self._became:
            self.introduce()

    def repeat(self, notes: Iterable[PlayedNote], later: float, until: float) -> None:
        """Play notes again, so many quarters later; what goes beyond `until` ends there."""
        for note in notes:
            onset, end = note.onset + later, min((note.end or note.onset) + later, until)
            if onset < until - 1e-6:
                self.begin(onset, note.pitch, note.velocity, note.program)
                self.end(end, note.pitch, note.program)

    def _plan(self, beat: float, kind: str, channel: int, **values: int) -> None:
        message = _message(kind, channel, **values)
        for output in self.outputs:
            self._dispatcher.at(beat + self.offset, output, message, self.name)

    def _now(self, kind: str, channel: int, **values: int) -> None:
        for output in self.outputs:
            self._dispatcher.now(output, _message(kind, channel, **values), self.name)


def _message(kind: str, channel: int, **values: int) -> Any:
    from mido import Message

    return Message(kind, channel=channel, **values)
