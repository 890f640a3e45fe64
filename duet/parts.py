"""What somebody plays: a part that is kept, and a performer that also plans it at the outputs."""

from __future__ import annotations

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
    """Writes notes into a part and plans them at outputs, on a MIDI channel (0..15)."""

    def __init__(
        self, part: Part, outputs: Sequence[Output], channel: int, dispatcher: Dispatcher
    ) -> None:
        self.part, self.outputs, self.channel = part, outputs, channel
        self.offset = 0.0  # quarter lengths
        self._dispatcher = dispatcher

    @property
    def name(self) -> str:
        """Whose notes they are."""
        return self.part.name

    def introduce(self) -> None:
        """Choose the instrument."""
        if self.part.program != DRUMS:
            self._now("program_change", program=self.part.program - 1)

    def become(self, beat: float, program: int, channel: int) -> None:
        """End all notes at a beat, also those that were planned; then play on another channel, with
        another program."""
        self.cancel(beat)
        for note in self.part.sounding:
            self.end(beat, note.pitch)
        for output in self.outputs:
            self._dispatcher.finish(beat + self.offset, output, self.name)
        self.channel = channel
        self.part.become(beat, program)
        if program != DRUMS:
            self._plan(beat, "program_change", program=program - 1)

    def begin(self, beat: float, pitch: int, velocity: int) -> None:
        """Strike a note at a beat."""
        self.part.on(beat, pitch, velocity)
        self._plan(beat, "note_on", note=pitch, velocity=velocity)

    def end(self, beat: float, pitch: int) -> None:
        """End a note at a beat."""
        self.part.off(beat, pitch)
        self._plan(beat, "note_off", note=pitch, velocity=0)

    def cancel(self, since: float) -> None:
        """Forget what was planned from a beat on."""
        self.part.forget(since)
        self._dispatcher.cancel(self.name, since + self.offset)

    def silence(self, beat: float) -> None:
        """End everything at once; it is that beat."""
        self.part.cut(beat)
        for output in self.outputs:
            self._dispatcher.silence(self.name, output)

    def repeat(self, notes: Iterable[PlayedNote], later: float, until: float) -> None:
        """Play notes again, so many quarters later; what goes beyond `until` ends there."""
        for note in notes:
            onset, end = note.onset + later, min((note.end or note.onset) + later, until)
            if onset < until - 1e-6:
                self.begin(onset, note.pitch, note.velocity)
                self.end(end, note.pitch)

    def _plan(self, beat: float, kind: str, **values: int) -> None:
        message = self._message(kind, **values)
        for output in self.outputs:
            self._dispatcher.at(beat + self.offset, output, message, self.name)

    def _now(self, kind: str, **values: int) -> None:
        for output in self.outputs:
            self._dispatcher.now(output, self._message(kind, **values), self.name)

    def _message(self, kind: str, **values: int) -> Any:
        from mido import Message

        return Message(kind, channel=self.channel, **values)
