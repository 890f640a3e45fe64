"""What somebody plays: a part that is kept, and a performer that also plans it at the outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

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

    program: General MIDI 1..128, or DRUMS; None: that of its part.
    """

    onset: float
    end: float | None
    pitch: int
    velocity: int
    program: int | None = None


class Part:
    """The notes of one player, by onset."""

    def __init__(self, name: str, program: int) -> None:
        """program: General MIDI 1..128, or DRUMS."""
        self.name, self.program = name, program
        self.notes: list[PlayedNote] = []

    def on(self, beat: float, pitch: int, velocity: int, program: int | None = None) -> None:
        """A note begins."""
        self.notes.append(PlayedNote(beat, None, pitch, velocity, program))
        if len(self.notes) > LONGEST:
            del self.notes[: LONGEST // 10]

    def off(self, beat: float, pitch: int, program: int | None = None) -> None:
        """The oldest note of a pitch that sounds ends."""
        for note in self._recent:
            if note.end is None and (note.pitch, note.program) == (pitch, program):
                note.end = max(beat, note.onset)
                return

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
    def silent(self) -> bool:
        """Whether nothing sounds."""
        return all(n.end is not None for n in self._recent)

    def last_end(self) -> float | None:
        """When the last note ended; None while one sounds, or before there is any."""
        if not self.notes or not self.silent:
            return None
        return max(n.end or 0.0 for n in self._recent)

    def step(self, before: Fraction, start: Fraction, stop: Fraction) -> Event:
        """What sounds in a step of a grid, each onset and end moved to the nearest point of it.

        A gap shorter than a step is articulation: the notes last until then.
        """
        low, high = float(before + start) / 2, float(start + stop) / 2
        struck = [n for n in self._recent if low <= n.onset < high]
        earlier = [n for n in self._recent if n.onset < low]
        held = [n for n in earlier if n.end is None or n.end >= high]
        if not struck and not held:
            held = [n for n in earlier if n.end is not None and n.end >= low]
        sounds = [self._sound(n) for n in struck]
        new = {s.key for s in sounds}
        going_on = (self._sound(n, struck=False) for n in held)
        sounds += [s for s in going_on if not s.drum and s.key not in new]
        return Event.of(sounds, stop - start)

    def _sound(self, note: PlayedNote, struck: bool = True) -> Sound:
        program = self.program if note.program is None else note.program
        return Sound(program, note.pitch, note.velocity, struck)


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
        """spare: channels that several performers share; one that is taken is taken out."""
        self.part, self.outputs, self.channel = part, outputs, channel
        self.offset = 0.0  # quarter lengths
        self._dispatcher = dispatcher
        self._spare = [] if spare is None else spare
        self._channels: dict[int, int] = {DRUMS: DRUM_CHANNEL, part.program: channel}

    @property
    def name(self) -> str:
        """Whose notes they are."""
        return self.part.name

    def introduce(self) -> None:
        """Choose the instrument."""
        if self.part.program != DRUMS:
            self._now("program_change", self.channel, program=self.part.program - 1)

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

    def _instrument(self, program: int | None) -> tuple[int | None, int]:
        """An instrument, None if it is that of the part, and its channel."""
        if program is not None and program not in self._channels and self._spare:
            self._channels[program] = channel = self._spare.pop()
            self._now("program_change", channel, program=program - 1)
        if program is None or program == self.part.program or program not in self._channels:
            return None, self.channel
        return program, self._channels[program]

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
