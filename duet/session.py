"""A session of playing together, without clock and threads: of what comes in comes what is played.

`tick` prepares the next point of the grid; `take` is told what somebody plays, `control` what somebody
changes. All of it is written down, so the same seed and the same input give the same notes again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from config_bach import DEFAULT_PROGRAM, Composing, UserError
from duet.dispatcher import Dispatcher
from duet.notes import PEDAL, Output
from duet.parts import DRUM_CHANNEL, Part, Performer
from duet.players import ModelPlayer, Person, after
from duet.routing import FREE, channel_of, channels_of, kept_channels
from duet.settings import ACTIONS, Together
from duet.successor import HISTORY, LONGEST_HISTORY, Candidate, Successor
from duet.ways import Player, Way, way_of
from families.live import SIXTEENTHS, LiveComposer, Surprise
from music.sounds import DRUMS

LONGEST_LOG = 1_000_000  # inputs that are kept for a replay
TEMPO_CHANGES = 0.005  # of a tempo
CLICKS = (76, 77)  # General MIDI percussion of the first beat of a bar, and of the others
CLICK_LENGTH, CLICK_VELOCITY = 0.1, 90
METRONOME = "metronome"  # whose the clicks are, and what is told
STATES = (20, 21, 22)  # control changes that tell beat, bar and surprise
# settings that say who has which
CHANNELS = ("channel", "person_channel", "metronome_channel", "state_channel")
SUCCESSORS = 1_000_000  # from here on seeds are those of models that come later
MOST_SURPRISED = 10.0  # nats per note that the highest value stands for


@dataclass(frozen=True)
class State:
    """What is told beside MIDI, to outputs that take it (`Output.tells`): see osc.py."""

    name: str
    values: tuple[str | int | float, ...]
    type: str = "state"


@dataclass(frozen=True)
class Told:
    """How surprising a call or an answer was: when, whose network, what, nats and notes."""

    beat: float
    who: str
    what: str
    nats: float
    notes: int

    def __str__(self) -> str:
        return f"{self.what}: {self.nats / self.notes:.2f} nats per note by {self.who}"


class Session:
    """Players, the way they play, and what they have played."""

    def __init__(
        self,
        settings: Together,
        players: Sequence[Player],
        dispatcher: Dispatcher,
        seed: int,
        *,
        background: Sequence[ModelPlayer] = (),
        outputs: Sequence[Output] = (),
        spare: list[int] | None = None,
    ) -> None:
        """background: models that play all the time. outputs: for metronome and state. spare: gets the
        channels that nobody has, for further instruments of models (see Performer).

        Raises UserError for players that do not suit the way.
        """
        self.settings, self.players, self.background = settings, list(players), list(background)
        self.started_with = settings
        self.dispatcher, self.outputs, self.seed = dispatcher, list(outputs), seed
        self.rng = np.random.default_rng(seed)
        self.marks: list[tuple[float, str]] = []
        self.tempi: list[tuple[float, float]] = [(0.0, dispatcher.clock.bpm)]  # beat, BPM
        self.tolds: list[Told] = []
        self.log: list[list[Any]] = []  # [ticks done, kind, ...]
        self.ticks = 0
        self.changes = 0  # of models
        self.coming: dict[str, Successor] = {}  # who is heard along, by player
        self.on_change: Callable[[ModelPlayer, Candidate], None] = lambda player, candidate: None
        self.on_refusal: Callable[[str], None] = lambda sentence: None
        self.grid = self._common_grid()
        self.at, self.until = self.grid[-1] - 1, Fraction(0)
        self._apply()
        for player, channel in self._channels():
            player.channel = channel
        self._spare = [] if spare is None else spare
        self._spare[:] = self._spare_channels()
        self.way: Way = way_of(self)

    @property
    def models(self) -> list[ModelPlayer]:
        """All models, those that play all the time too."""
        return [*(p for p in self.players if isinstance(p, ModelPlayer)), *self.background]

    @property
    def people(self) -> list[Person]:
        """All people, and files in their place."""
        return [p for p in self.players if isinstance(p, Person)]

    @property
    def bar(self) -> Fraction:
        """Quarter lengths of a bar."""
        return Fraction(self.settings.bar)

    # time

    def _common_grid(self) -> list[Fraction]:
        """Where in a quarter the points lie that all models need."""
        return sorted({g for m in self.models for g in m.composer.grid} or SIXTEENTHS)

    @property
    def due(self) -> float:
        """The beat at which the next point of the grid is prepared: half way to it."""
        return float(self.at + self.until) / 2

    def tick(self) -> None:
        """Prepare the next point of the grid."""
        self.skip()
        for successor in list(self.coming.values()):
            self._follow(successor)
        for player in self.background:
            if not player.part.notes and player.next_at < self.at:
                player.begin(self.at)
            player.play(self.until)
        self.way.step(self.at, self.until)
        if self.at.denominator == 1:
            self._note_tempo()
            self._beat(int(self.at))

    def _note_tempo(self) -> None:
        """Keep the tempo where it has changed by more than a followed clock wavers."""
        bpm, before = self.dispatcher.clock.bpm, self.tempi[-1][1]
        if abs(bpm / before - 1) > TEMPO_CHANGES and len(self.tempi) < LONGEST_LOG:
            self.tempi.append((float(self.at), bpm))

    def skip(self) -> None:
        """Go to the next point of the grid."""
        self.at, self.until = self.until, after(self.until, self.grid)
        self.ticks += 1

    def skip_to(self, beat: float) -> None:
        """Leave out the points that are over: the machine slept."""
        while self.due < beat and float(self.until) < beat:
            self._write("skip")
            self.skip()

    def _beat(self, beat: int) -> None:
        """A beat comes: the metronome, and the state for whoever shows it."""
        from mido import Message

        bar, place = divmod(beat, self.settings.bar)
        self._tell(beat, "beat", place + 1, bar + 1, self.dispatcher.clock.bpm)
        if place == 0:
            self._tell(beat, "bar", bar + 1)
        if self.settings.metronome:
            note, channel = CLICKS[place > 0], self.settings.metronome_channel - 1
            on = Message("note_on", note=note, velocity=CLICK_VELOCITY, channel=channel)
            off = Message("note_off", note=note, velocity=0, channel=channel)
            self._send(beat, on)
            self._send(beat + CLICK_LENGTH, off)
        if self.settings.state_channel:
            self._state(0, place, beat)
            self._state(1, bar, beat)

    def _state(self, which: int, value: int, beat: float) -> None:
        from mido import Message

        self._send(
            beat,
            Message(
                "control_change",
                channel=self.settings.state_channel - 1,
                control=STATES[which],
                value=min(max(value, 0), 127) if which == 2 else value % 128,
            ),
        )

    def _tell(self, beat: float, name: str, *values: str | int | float) -> None:
        for output in self.outputs:
            if output.tells:
                self.dispatcher.at(beat, output, State(name, values), METRONOME)

    def _send(self, beat: float, message: Any) -> None:
        for output in self.outputs:
            self.dispatcher.at(beat, output, message, METRONOME)

    # what comes in

    def take(self, message: Any, beat: float, port: str = "") -> None:
        """Somebody plays: a note or a pedal, at a beat; message None: the port is gone."""
        beat = max(beat, 0.0)
        data = None if message is None else message.hex()
        self._write("midi", beat, port, data)
        person = self.person_at(port)
        if person is None:
            return
        if message is None:
            person.part.cut(beat)
        elif message.type == "note_on" and message.velocity > 0:
            at = self._ordered(person, beat)
            person.part.on(at, message.note, message.velocity, _program(message))
            if self.way.drums or not person.part.notes[-1].drum:
                self.way.struck(person, message.note, beat)
        elif message.type in ("note_on", "note_off"):
            person.part.off(beat, message.note, _program(message))
        elif self.settings.ends == "pedal" and _is_pedal(message):
            self.way.asked(beat)

    def _ordered(self, person: Person, beat: float) -> float:
        """Notes of a part are in order, whatever the clock does."""
        return max(beat, person.part.notes[-1].onset) if person.part.notes else beat

    def person_at(self, port: str) -> Person | None:
        """Whose notes come in by a port."""
        own = [p for p in self.people if p.port == port]
        others = [p for p in self.people if not p.port]
        return next(iter([*own, *others]), None)

    def control(self, name: str, value: Any, beat: float) -> None:
        """Change a setting, or do one of ACTIONS. Raises UserError for what is not understood."""
        if name in ACTIONS:
            self._write("control", beat, name, None)
            self._act(name, beat)
            return
        before, self.settings = self.settings, self.settings.changed(name, value)
        try:
            self._apply()
            if name in CHANNELS:
                self._move(beat)
            if name == "way" and value != before.way:
                self.way.stop(beat)
                self.way = way_of(self)
        except UserError:
            self.settings = before
            self._apply()
            self.way = way_of(self)
            raise
        self._write("control", beat, name, value)

    def _act(self, name: str, beat: float) -> None:
        if name == "button":
            self.way.asked(beat)
        elif name == "panic":
            self.stop(beat)
            for output in self.outputs:
                output.panic()
            self.way = way_of(self)
        else:
            self.way.again(name)

    def _apply(self) -> None:
        """Let models and outputs follow the settings."""
        from music.scales import scale_of

        s = self.settings
        if s.scale:
            scale_of(s.scale, "--key")
        self.dispatcher.swing = s.swing
        for composer in (x.composer for x in (*self.models, *self.coming.values())):
            self._set(composer)
        for model in self.models:
            model.performer.offset = s.offset / 60_000 * s.bpm

    def _set(self, composer: LiveComposer) -> None:
        s = self.settings
        composer.settings = replace(
            composer.settings, temperature=s.temperature, top_p=s.top_p, scale=s.scale
        )

    def _channels(self) -> list[tuple[Performer | Person, int]]:
        """Which channel everybody is to have: models first."""
        s, models = self.settings, self.models
        found = channels_of(models, self.people, s.channel, s.person_channel)
        return list(zip((*(m.performer for m in models), *self.people), found, strict=True))

    def _spare_channels(self) -> list[int]:
        """The channels that nobody has, nor gets when another model plays."""
        s = self.settings
        kept = kept_channels(len(self.models), len(self.people), s.channel, s.person_channel)
        taken = {*kept, s.metronome_channel - 1, s.state_channel - 1}
        return [channel for channel in FREE if channel not in taken]

    def _move(self, beat: float) -> None:
        """Give everybody their channel; a model that gets another one, or has further ones, ends its
        notes before."""
        channels = self._channels()
        for model in self.models:
            performer = model.performer
            if performer.several or (performer, performer.channel) not in channels:
                model.stop(beat)
                performer.give_back()
        self._spare[:] = self._spare_channels()
        for player, channel in channels:
            if player.channel != channel:
                player.channel = channel
                if isinstance(player, Performer):
                    player.introduce()

    # another model

    def prepare(self, player: str, candidate: Candidate, beat: float) -> Successor:
        """Who is to take the place of a player: it has everything to hear that was played until now.

        Raises UserError where there is no such player, or the way needs another model.
        """
        found = self._model_named(player)
        seed = (self.seed + SUCCESSORS + self.changes) % 2**62
        composer = candidate.compose(Composing(seed=seed), self.settings.voice - 1)
        self.way.check(found, composer)
        self._set(composer)
        self._write("model", beat, player, candidate.source)
        self.changes += 1
        successor = Successor(player, candidate, composer, self.bar)
        quarters = min(max(HISTORY, 2 * self.settings.listen_most), LONGEST_HISTORY)
        successor.remember(self._parts, self.at, quarters)
        return successor

    def join(self, successor: Successor, beat: float) -> None:
        """Who has heard all that was to be remembered hears along, and soon plays."""
        self._write("joins", beat, successor.player)
        self._set(successor.composer)
        self.coming[successor.player] = successor

    def _model_named(self, name: str) -> ModelPlayer:
        found = next((m for m in self.models if m.name == name), None)
        if found is None:
            raise UserError(f"no model plays as {name[:40]!r}.")
        return found

    @property
    def _parts(self) -> list[Part]:
        return [*(p.part for p in self.people), *(m.part for m in self.models)]

    def _follow(self, successor: Successor) -> None:
        """Let a successor hear along; it plays from the beat on at which it has heard all."""
        if successor.follow(self._parts, self.at) and self.at.denominator == 1:
            del self.coming[successor.player]
            try:
                self._change(self._model_named(successor.player), successor)
            except UserError as error:  # the way has become another
                self.on_refusal(str(error))

    def _change(self, player: ModelPlayer, successor: Successor) -> None:
        candidate = successor.candidate
        self.way.check(player, successor.composer)
        number, drums = self.models.index(player), candidate.program == DRUMS
        channel = channel_of(number, self.settings.channel, drums)
        player.performer.become(float(self.at), candidate.program, channel)
        player.become(successor.composer, candidate.source, self.at)
        alone = all(m.part.program == DRUMS for m in self.models)
        for person in self.people:  # who plays with drums alone is a drummer, too
            person.part.become(float(self.at), DRUMS if alone else self._usual(person))
        for who, channel in self._channels():
            who.channel = channel
        self.grid = self._common_grid()
        self.until = after(self.at, self.grid)
        self.way.changed(player)
        self.mark(float(self.at), f"{player.name}: {candidate.source}")
        self.on_change(player, candidate)

    @staticmethod
    def _usual(person: Person) -> int:
        """What somebody plays who does not play drums."""
        return next((p for _, p in person.part.programs if p != DRUMS), DEFAULT_PROGRAM)

    def _write(self, *entry: Any) -> None:
        if len(self.log) < LONGEST_LOG:
            self.log.append([self.ticks, *entry])

    # what is kept

    def mark(self, beat: float, text: str) -> None:
        """Keep a marker."""
        self.marks.append((beat, text))

    def told(self, who: str, what: str, surprise: Surprise) -> None:
        """Keep how surprising a call or an answer was, and send it as state."""
        if not surprise.notes:
            return
        self.tolds.append(Told(float(self.at), who, what, surprise.nats, surprise.notes))
        nats = surprise.nats / surprise.notes
        self._tell(float(self.at), "surprise", who, what, nats, surprise.notes)
        if self.settings.state_channel and surprise.per_note is not None:
            share = surprise.per_note / MOST_SURPRISED
            self._state(2, round(127 * share), float(self.at))

    def end(self, beat: float) -> None:
        """The session is over."""
        self._write("end", beat)
        self.stop(beat)

    def stop(self, beat: float) -> None:
        """End everything that sounds or is planned."""
        self.way.stop(beat)
        for player in self.background:
            player.stop(beat)
            player.begin(self.until)
        for person in self.people:
            person.part.cut(beat)


def _program(message: Any) -> int | None:
    """With what a person plays a note: pads are percussion, all else is what they play."""
    return DRUMS if message.channel == DRUM_CHANNEL else None


def _is_pedal(message: Any) -> bool:
    """Whether the pedal goes down."""
    return message.type == "control_change" and message.control == PEDAL and message.value >= 64
