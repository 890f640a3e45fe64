"""A duet as sound: an output that keeps what is played with its time, and what renders it.

Nothing waits for the sound: the output puts messages into a queue, and only while somebody listens.
It is rendered so much later that notes which were long on their way stand where they were played.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from config_bach import DEFAULT_PROGRAM
from duet.browser import LATEST
from duet.dispatcher import LOOKING, real_time
from duet.notes import CHANNELS, Key, Output
from duet.parts import DRUM_CHANNEL
from duet.ports import Port
from duet.session import METRONOME
from music.events import Event
from music.loudness import Fader, Levels
from music.midi_synth import GAIN, MidiSynth
from music.synth import RATE, Pcm

HEARD = ("note_on", "note_off", "control_change", "pitchwheel", "program_change")
MOST_WAITING = 8192  # messages that are not rendered yet
LOUDNESS = 0.6  # of what music.loudness calls full, for there are several players
LONGEST = RATE // 2  # frames of an event that is told; what sounds for longer is told in parts
MOST_DRAWN = 24  # pitches of an event

Waiting = tuple[float, int, Any]  # time, number, message


class SoundPort(Port):
    """Keeps messages with their times until they are rendered; without listeners instruments alone."""

    gives = False

    def __init__(self) -> None:
        super().__init__("sound")
        self.programs: dict[int, int] = {}  # channel -> General MIDI 1..128
        self.when: float | None = None  # when what is sent now was played; None: now
        self.begins = False  # nothing is known of what sounds: somebody has just come
        self._waiting: list[Waiting] | None = None  # None: nobody listens
        self._latest = [0.0] * CHANNELS
        self._number = 0

    def listen(self, listening: bool) -> None:
        """Keep what is sent from now on, after the instruments that were chosen; or nothing."""
        from mido import Message

        self.begins = listening
        chosen = [
            (0.0, 0, Message("program_change", channel=channel, program=program - 1))
            for channel, program in self.programs.items()
        ]
        self._waiting = chosen if listening else None

    def _send(self, message: Any) -> None:
        """Called under the lock of the output, as `taken` is."""
        if message.type == "program_change":
            self.programs[message.channel] = message.program + 1
        if self._waiting is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.listen(True)  # begin anew: nobody renders it
        now, channel = time.monotonic() if self.when is None else self.when, message.channel
        self._latest[channel] = max(self._latest[channel], now)  # what follows is not before
        self._number += 1
        self._waiting.append((self._latest[channel], self._number, message))

    def taken(self, until: float) -> list[Waiting]:
        """What was played before a time, in order; it does not wait any longer."""
        waiting = self._waiting or []
        due = sorted((w for w in waiting if w[0] < until), key=lambda w: w[:2])
        if due:
            self._waiting = [w for w in waiting if w[0] >= until]
        return due


class SoundOutput(Output):
    """Plays everybody on a MIDI channel of their own, people too; the metronome is for players alone."""

    everything = True
    port: SoundPort

    def __init__(self, program_of: Callable[[str], int] = lambda owner: DEFAULT_PROGRAM) -> None:
        """program_of: the instrument (1..128) of whoever has not chosen one."""
        super().__init__(SoundPort())
        self.program_of = program_of
        # by owner and channel there; who has played last stands last
        self._channels: dict[tuple[str, int], int] = {}

    def listen(self, listening: bool) -> None:
        """Whether somebody listens from now on."""
        with self._lock:
            self.port.listen(listening)

    def taken(self, until: float) -> list[Waiting]:
        """What was played before a time, in order."""
        with self._lock:
            return self.port.taken(until)

    def hear(self, message: Any, owner: str, when: float) -> None:
        """Somebody has played that at a time which may be a while ago."""
        with self._lock:
            self.port.when = when
            self.send(message, owner)
            self.port.when = None

    def send(self, message: Any, owner: str = "") -> None:
        """Somebody plays that now."""
        if owner == METRONOME or message.type not in HEARD:
            return
        with self._lock:
            drums = message.channel == DRUM_CHANNEL
            channel = DRUM_CHANNEL if drums else self._channel(owner, message.channel)
            super().send(message.copy(channel=channel), owner)

    def _channel(self, owner: str, theirs: int) -> int:
        """The channel of somebody: that of whoever was silent for longest, if all are taken."""
        from mido import Message

        channel = self._channels.pop((owner, theirs), None)
        if channel is None:
            channel = self._new_channel()
            program = self.program_of(owner)
            self.port.send(Message("program_change", channel=channel, program=program - 1))
        self._channels[owner, theirs] = channel
        return channel

    def _new_channel(self) -> int:
        free = set(range(CHANNELS)) - {DRUM_CHANNEL} - set(self._channels.values())
        if free:
            return min(free)
        silent = next(iter(self._channels))
        self.end(silent[0])
        return self._channels.pop(silent)


class Renderer:
    """What a SoundOutput was given, as blocks of sound. One thread asks for them."""

    delay = LATEST  # seconds that a block is to be asked for after its end

    def __init__(self, output: SoundOutput, levels: Levels) -> None:
        self._output, self._levels = output, levels
        self._synth: MidiSynth | None = None
        self._fader = Fader(GAIN, LOUDNESS)
        self._frames = 0  # rendered so far
        self._sounding: set[Key] = set()
        self._since = 0  # the frame from which on these sound and were not told
        self._events: list[tuple[int, Event]] = []

    def begin(self) -> None:
        """Somebody listens from now on."""
        self._output.listen(True)

    def end(self) -> None:
        """Nobody listens any longer."""
        self._output.listen(False)

    def block(self, start: float, frames: int) -> tuple[Pcm, list[tuple[int, Event]]]:
        """So many frames from a time on, and what was heard: the frame of the block in which it began,
        which may be before 0, and what sounded; a quarter of these events is a second.

        Raises UserError as Synth does.
        """
        real_time(LOOKING)
        synth = self._ready()
        first, at = self._frames, 0
        parts: list[Pcm] = []
        for when, _, message in self._output.taken(start + frames / RATE):
            until = min(max(round((when - start) * RATE), at), frames)
            if until > at:
                parts.append(synth.render(until - at))
                at = until
            self._watch(message, first + at)
            synth.take(message)
        if frames > at:
            parts.append(synth.render(frames - at))
        self._frames = first + frames
        if self._frames - self._since >= LONGEST:
            self._tell(self._frames)
        events, self._events = self._events, []
        sound = self._fader(np.concatenate(parts), GAIN, LOUDNESS)
        return sound, [(begun - first, event) for begun, event in events]

    def _ready(self) -> MidiSynth:
        """The synth, silent if somebody has just come."""
        port = self._output.port
        if self._synth is None:
            self._synth = MidiSynth(self._levels)
        if port.begins:
            port.begins = False
            self._synth.reset()
            self._tell(self._frames)
            self._sounding.clear()
        return self._synth

    def _watch(self, message: Any, frame: int) -> None:
        """Tell what sounded until a message changes it."""
        if message.type not in ("note_on", "note_off"):
            return
        key = (message.channel, message.note)
        begins = message.type == "note_on" and message.velocity > 0
        if begins or key in self._sounding:
            self._tell(frame)
            (self._sounding.add if begins else self._sounding.discard)(key)

    def _tell(self, frame: int) -> None:
        """What has sounded until a frame is told."""
        since, self._since = self._since, frame
        pitches = sorted({pitch for _, pitch in self._sounding})[:MOST_DRAWN]
        if pitches and frame > since:
            self._events.append((since, Event(tuple(pitches), Fraction(frame - since, RATE))))
