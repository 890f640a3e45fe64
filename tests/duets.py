"""Sessions of playing together in a time that is not real, with models whose music is known."""

import copy
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, Self

from mido import Message

from config_bach import Composing, UserError
from duet.clock import InternalClock
from duet.dispatcher import Dispatcher
from duet.notes import Output
from duet.parts import Part, Performer
from duet.players import ModelPlayer, Person
from duet.ports import MemoryPort
from duet.session import Session
from duet.settings import Together
from duet.successor import Candidate
from families.live import SIXTEENTHS, LiveComposer, Place, Surprise
from music.events import Event

Played = tuple[float, Message]


class Parrot:
    """Plays quarter notes from 80 up, and keeps what it heard."""

    grid = SIXTEENTHS
    percussion = False

    def __init__(self, length: Fraction = Fraction(1)) -> None:
        self.settings = Composing(seed=1)
        self.heard: list[tuple[Fraction, tuple[int, ...], bool]] = []
        self.places: list[Place] = []
        self.pitch, self.length, self.seed = 80, length, 0

    def hear(self, event: Event, place: Place) -> Surprise:
        struck = any(s.struck for s in event.sounds)
        self.heard.append((place.time, tuple(s.pitch for s in event.sounds), struck))
        return Surprise(2.0 * struck, int(struck))

    def settle(self) -> Surprise:
        return Surprise(1.0, 1)

    def next(self, place: Place) -> tuple[Event, Surprise]:
        self.places.append(place)
        self.pitch += 1
        return Event((self.pitch,), self.length), Surprise(0.5, 1)

    def copy(self) -> Self:
        twin = copy.copy(self)
        twin.heard, twin.places = list(self.heard), list(self.places)
        return twin

    def reseed(self, seed: int) -> None:
        self.seed, self.pitch = seed, 100


class Aviary:
    """Three models: one that plays from 100 up, one that is broken, one that breaks while it hears."""

    def choosable(self) -> list[str]:
        return ["broken", "deaf", "high", "parrot"]

    def candidate(self, source: str) -> Candidate:
        if source == "broken":
            raise UserError("broken is damaged; train it anew.")
        composer = Parrot()
        composer.pitch = 99
        if source == "deaf":
            composer.hear = None  # type: ignore[method-assign,assignment]
        return Candidate(source, 20, (0.1, 0.9), lambda composing, voice: composer)


class Band:
    """Four voices that follow the person in thirds; they move only where the person strikes."""

    grid = SIXTEENTHS
    percussion = False

    def __init__(self) -> None:
        self.settings = Composing(seed=1)
        self.planned: list[tuple[Fraction, bool]] = []
        self.corrected: list[tuple[int, set[int]]] = []
        self.voices: tuple[int, ...] = (-1, -1, -1, -1)

    def plan(self, place: Place, sounding: bool) -> tuple[Event, Surprise]:
        self.planned.append((place.time, sounding))
        moves = place.time % 4 == 2  # the bass moves by itself once in a bar
        if moves:
            self.voices = (*self.voices[:3], 40)
        pitches = tuple(sorted(p for p in self.voices if p >= 0))
        struck = (False, False, False, moves)
        return Event(pitches, Fraction(1, 4), 90, self.voices, struck), Surprise(1.0, 1)

    def correct(self, pitch: int, kept: Any) -> Event:
        self.corrected.append((pitch, set(kept)))
        wished = (-1, pitch - 3, pitch - 7, pitch - 12)
        self.voices = tuple(self.voices[v] if v in kept else wished[v] for v in range(4))
        struck = (False, True, True, True)
        pitches = tuple(sorted(p for p in self.voices if p >= 0))
        return Event(pitches, Fraction(1, 4), 90, self.voices, struck)

    def hear(self, event: Event, place: Place) -> Surprise:
        return Surprise()

    def settle(self) -> Surprise:
        return Surprise()

    def next(self, place: Place) -> tuple[Event, Surprise]:
        raise NotImplementedError

    def copy(self) -> Self:
        return copy.copy(self)

    def reseed(self, seed: int) -> None:
        pass


class TimedPort(MemoryPort):
    """Keeps the desk's time of what is sent."""

    def __init__(self, desk: "Desk") -> None:
        super().__init__()
        self._desk = desk

    def _send(self, message: Any) -> None:
        self.sent.append((self._desk.now, message))


class Desk:
    """A session at 60 BPM, so that a beat is a second, and all that reaches its output."""

    def __init__(
        self,
        *composers: LiveComposer,
        people: Sequence[str] = ("me",),
        background: Sequence[LiveComposer] = (),
        order: str = "",
        **settings: Any,
    ) -> None:
        """order: 'm' for a model and 'p' for a person, else people first."""
        self.now = 0.0
        self.port = TimedPort(self)
        self.output = Output(self.port)
        self.spare: list[int] = []  # channels that nobody has
        self.dispatcher = Dispatcher(InternalClock(60, 0.0), lambda: self.now)
        together = Together(**settings)
        persons = [Person(n, Part(n, 1), n if len(people) > 1 else "") for n in people]
        models = [self._model(f"m{i + 1}", c, i) for i, c in enumerate(composers)]
        players: list[Any] = [*persons, *models]
        if order:
            waiting = {"p": iter(persons), "m": iter(models)}
            players = [next(waiting[kind]) for kind in order]
        self.session = Session(
            together,
            players,
            self.dispatcher,
            7,
            background=[self._model("beat", c, 9) for c in background],
            outputs=[self.output],
            spare=self.spare,
        )

    def _model(self, name: str, composer: LiveComposer, channel: int) -> ModelPlayer:
        performer = Performer(Part(name, 1), [self.output], channel, self.dispatcher, self.spare)
        return ModelPlayer(composer, performer, Fraction(4))

    def run(self, until: float, played: Iterable[Played] = (), port: str = "") -> None:
        """Go on to a beat, while somebody plays."""
        coming = sorted((p for p in played if p[0] <= until), key=lambda x: x[0])
        while self.session.due <= until:
            while coming and coming[0][0] <= self.session.due:
                beat, message = coming.pop(0)
                self._to(beat)
                self.session.take(message, beat, port)
            self._to(max(self.session.due, self.now))
            self.session.tick()
        for beat, message in coming:
            self._to(beat)
            self.session.take(message, beat, port)
        self._to(until)

    def _to(self, beat: float) -> None:
        """Let time pass: all that is due is sent in its time."""
        while (due := self.dispatcher.due()) <= beat:
            self.now = due
        self.now = max(beat, self.now)
        self.dispatcher.due()

    @property
    def sent(self) -> list[tuple[float, str, int]]:
        """Notes that were begun and ended: beat, kind and pitch."""
        kinds = ("note_on", "note_off")
        return [(round(t, 4), m.type, m.note) for t, m in self.port.sent if m.type in kinds]

    def begun(self) -> list[tuple[float, int]]:
        """The notes that were begun, in order: beat and pitch."""
        return sorted((beat, note) for beat, kind, note in self.sent if kind == "note_on")


def notes(*played: tuple[float, int, float]) -> list[Played]:
    """Messages of notes: onset, pitch, end."""
    return [
        *((on, Message("note_on", note=pitch, velocity=80)) for on, pitch, _ in played),
        *((end, Message("note_off", note=pitch)) for _, pitch, end in played),
    ]
