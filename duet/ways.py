"""The ways of playing together: who plays when, and who hears whom.

`step` is called for each point of the grid, half a step before it comes: all that was played before is
known by then. What a person does in between is told at once by `struck` and `asked`. All times are
quarter lengths since playing began; a way knows no clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from typing import Protocol

import numpy as np

from config_bach import UserError
from duet.parts import PlayedNote
from duet.players import ModelPlayer, Person
from duet.settings import Together
from families.live import Accompanist, LiveComposer, Surprise

Player = Person | ModelPlayer
KEPT_ANSWERS = 16  # that one can go back to
SEEDS = 2**31


class Stage(Protocol):
    """What a way knows of the session."""

    settings: Together
    players: list[Player]
    at: Fraction  # the point of the grid that was prepared last
    until: Fraction  # the one after it
    rng: np.random.Generator

    def mark(self, beat: float, text: str) -> None:
        """Keep a marker."""

    def told(self, who: str, what: str, surprise: Surprise) -> None:
        """Keep how surprising a call or an answer was, by whom it was heard or played."""


class Way(ABC):
    """A way of playing together."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.people = [p for p in stage.players if isinstance(p, Person)]
        self.models = [p for p in stage.players if isinstance(p, ModelPlayer)]
        for model in self.models:
            model.listen(stage.at)

    @abstractmethod
    def step(self, at: Fraction, until: Fraction) -> None:
        """Prepare what happens from one point of the grid to the next."""

    @property
    @abstractmethod
    def doing(self) -> str:
        """What goes on, for people."""

    @property
    def drums(self) -> bool:
        """Whether percussion counts as playing: somebody who listens knows what it is."""
        return any(m.composer.percussion for m in self.models)

    @property
    def hearing(self) -> list[tuple[str, str]]:
        """Who listens to whom now, by name."""
        return [(m.name, p.name) for m in self.models for p in self.people]

    def check(self, player: ModelPlayer, composer: LiveComposer) -> None:  # noqa: B027
        """Raise UserError if a composer cannot take the place of a player's."""

    def changed(self, player: ModelPlayer) -> None:  # noqa: B027
        """Another model plays from `stage.at` on."""

    def struck(self, person: Person, pitch: int, beat: float) -> None:  # noqa: B027
        """A person strikes a note, now."""

    def asked(self, beat: float) -> None:  # noqa: B027
        """A button or a pedal asks for the answer, now."""

    def again(self, action: str) -> None:  # noqa: B027
        """'approve', 'back' or 'change': of the last answer."""

    def stop(self, beat: float) -> None:
        """Be silent: another way begins, or all ends."""
        for model in self.models:
            model.stop(beat)


@dataclass
class Answer:
    """An answer that one can go back to: the composer before it, where it began, how long it was."""

    player: ModelPlayer
    composer: LiveComposer
    began: Fraction
    until: Fraction
    notes: list[PlayedNote]
    number: int


class Turns(Way):
    """Everybody plays in turn and is heard by the others: call and response, or a ring of models."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.order: list[Player] = list(stage.players)
        self.turn = self.order.index(self.people[0]) if self.people else 0
        self.count = 0 if self.people else 1  # of calls and their answers
        self.answers: deque[Answer] = deque(maxlen=KEPT_ANSWERS)
        self._listening_since = stage.at
        self._until = Fraction(0)  # when the answer ends
        self._asked = False
        self._wish = ""  # what is to be done with the last answer at the next beat
        self._length = Fraction(0)  # of what was played last
        self._repeating = False

    @property
    def current(self) -> Player:
        """Whose turn it is."""
        return self.order[self.turn]

    @property
    def doing(self) -> str:
        player = self.current
        return f"{player.name} plays" if isinstance(player, ModelPlayer) else f"hears {player.name}"

    @property
    def hearing(self) -> list[tuple[str, str]]:
        return [(m.name, self.current.name) for m in self.models if m is not self.current]

    def step(self, at: Fraction, until: Fraction) -> None:
        self._hear(at)
        if at.denominator == 1 and self._wish:
            self._again(at)
        player = self.current
        if isinstance(player, ModelPlayer):
            if not self.answers:  # a ring of models begins
                self._begin(player, at)
            elif at >= self._until:
                self._ended(player, at)
        elif at.denominator == 1 and self._over(player, at):
            self._call_ended(player, at)
        self._play(until)

    def _hear(self, at: Fraction) -> None:
        for model in self.models:
            if model is not self.current:
                model.hear(self.current.part, at)

    def _play(self, until: Fraction) -> None:
        player = self.current
        if isinstance(player, ModelPlayer):
            player.play(min(until, self._until), self._until)

    # calls

    def _over(self, person: Person, at: Fraction) -> bool:
        """Whether the call has ended at a beat."""
        s, began = self.stage.settings, self._call_began(person)
        if began is None:
            return False
        length, last = float(at) - began, person.last_end(self.drums)
        if self._asked or length >= s.listen_most:
            return True
        if s.ends == "bar":
            return at % s.bar == 0 and length >= s.listen_least
        rests = s.ends == "rest" and last is not None and float(at) - last >= s.rest - 0.125
        return rests and length >= s.listen_least

    def _call_began(self, person: Person) -> int | None:
        """The beat in which the call began; None if nobody has called."""
        first = person.first_since(float(self._listening_since) - 0.125, self.drums)
        return None if first is None else floor(first + 0.125)

    def asked(self, beat: float) -> None:
        """The call ends; if the next beat is prepared already, the answer begins on it all the same."""
        person, at = self.current, self.stage.at
        if not isinstance(person, Person) or self._call_began(person) is None:
            return
        self._asked = True
        if at.denominator == 1 and beat < at:
            self._call_ended(person, at)
            self._play(self.stage.until)

    def changed(self, player: ModelPlayer) -> None:
        """What it answered before cannot be gone back to; what it answers now goes on."""
        going = [a for a in self.answers if a.player is player and player is self.current][-1:]
        kept = [a for a in self.answers if a.player is not player]
        for answer in going:
            at, composer = self.stage.at, player.composer.copy()
            kept.append(replace(answer, composer=composer, began=at, notes=[]))
        self.answers = deque(kept, maxlen=KEPT_ANSWERS)
        self._repeating = self._repeating and not going
        self._wish = self._wish if kept else ""

    def struck(self, person: Person, pitch: int, beat: float) -> None:
        """Whoever plays ends the repetition of an answer, and begins a call."""
        player = self.current
        if self._repeating and isinstance(player, ModelPlayer):
            player.stop(beat)
            self.turn = self.order.index(person)
            self._repeating, self._listening_since = False, self.stage.at
            for model in self.models:
                model.listen(self.stage.at)

    def _call_ended(self, person: Person, at: Fraction) -> None:
        began, last = self._call_began(person) or 0, person.last_end(self.drums)
        end = at if last is None else Fraction(ceil(last - 0.125))
        self._length = max(min(end, at) - began, Fraction(1))
        self.count += 1
        self.stage.mark(float(began), f"call {self.count} by {person.name}")
        self._pass(at, f"call {self.count}")

    # answers

    def _pass(self, at: Fraction, what: str) -> None:
        """The next one plays, from a beat on."""
        before = self.current
        self._repeating = False
        self.turn = (self.turn + 1) % len(self.order)
        self._asked = False
        player = self.current
        if isinstance(player, ModelPlayer):
            self.stage.told(player.name, what, player.settle())
            self._begin(player, at)
        else:
            self._listening_since = at
        for model in self.models:
            model.heard = Surprise()
        if isinstance(before, ModelPlayer):
            before.listen(at)

    def _begin(self, player: ModelPlayer, at: Fraction) -> None:
        length = Fraction(self.stage.settings.answer).limit_denominator(4)
        length = length or self._length or Fraction(2 * self.stage.settings.bar)
        self._until = at + max(length, Fraction(1))
        answer = Answer(player, player.composer.copy(), at, self._until, [], self.count)
        self.answers.append(answer)
        self.stage.mark(float(at), f"answer {self.count} by {player.name}")
        player.begin(at)

    def _ended(self, player: ModelPlayer, at: Fraction) -> None:
        player.rest(at)
        answer = self.answers[-1]
        self._length = answer.until - answer.began
        if not answer.notes:
            since = float(answer.began) - 1e-6
            answer.notes = [replace(n) for n in player.part.notes[-512:] if n.onset >= since]
            self.stage.told(player.name, f"answer {answer.number}", player.played)
        if self.stage.settings.loop and self.people:
            self._repeat(answer, at)
            return
        if not self.people:
            self.count += 1
        self._pass(at, f"answer {answer.number}")

    # again

    def _repeat(self, answer: Answer, at: Fraction) -> None:
        """Play the last answer once more; by chance another in its place."""
        self._repeating = True
        if self.stage.rng.random() < self.stage.settings.mutate:
            self._other(answer, at)
            return
        later = at - answer.began
        self._until = answer.until + later
        answer.player.performer.repeat(answer.notes, float(later), float(self._until))
        answer.player.next_at = self._until
        answer.began, answer.until = answer.began + later, self._until
        answer.notes = [
            replace(n, onset=n.onset + float(later), end=(n.end or n.onset) + float(later))
            for n in answer.notes
        ]

    def _other(self, answer: Answer, at: Fraction) -> None:
        """Compose another answer to the same call."""
        composer = answer.composer.copy()
        composer.settings = answer.player.composer.settings
        composer.reseed(int(self.stage.rng.integers(SEEDS)))
        length = answer.until - answer.began
        answer.player.composer = composer
        answer.began, answer.until, answer.notes = at, at + length, []
        self._until = answer.until
        self.stage.mark(float(at), f"answer {answer.number} changed")
        answer.player.begin(at)

    def again(self, action: str) -> None:
        if not self.answers:
            return
        if action == "approve":
            answer = self.answers[-1]
            self.stage.mark(float(answer.began), f"answer {answer.number} approved")
        else:
            self._wish = action

    def _again(self, at: Fraction) -> None:
        wish, self._wish = self._wish, ""
        going = self.current
        if isinstance(going, ModelPlayer):
            going.rest(at)
        if wish == "back" and len(self.answers) > 1:
            undone = self.answers.pop()
            undone.player.composer = undone.composer.copy()
        answer = self.answers[-1]
        self.turn = self.order.index(answer.player)
        if wish == "change":
            self._other(answer, at)
        else:
            settings = self.stage.settings
            if answer.notes and not settings.mutate:
                self._repeat(answer, at)


class GoOn(Way):
    """The model takes over where the person stops, and is silent while they play."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        if not self.people or not self.models:
            raise UserError("to go on takes a person (or a file) and a model: name both.")
        self.person, self.model = self.people[0], self.models[0]
        self.playing = False
        self.count = 0
        self._since = stage.at  # when the person's turn began

    @property
    def doing(self) -> str:
        return f"{self.model.name} plays" if self.playing else f"hears {self.person.name}"

    @property
    def hearing(self) -> list[tuple[str, str]]:
        return [] if self.playing else [(self.model.name, self.person.name)]

    def stop(self, beat: float) -> None:
        super().stop(beat)
        if self.playing:
            self.playing = False
            self.stage.told(self.model.name, f"answer {self.count}", self.model.played)

    def step(self, at: Fraction, until: Fraction) -> None:
        if not self.playing:
            self.model.hear(self.person.part, at)
            if at.denominator == 1 and self._stopped(at):
                self._take_over(at)
        if self.playing:
            self.model.play(until)

    def _stopped(self, at: Fraction) -> bool:
        last = self.person.last_end(self.drums)
        rest = self.stage.settings.rest - 0.125
        called = self.person.first_since(float(self._since) - 0.25, self.drums) is not None
        return called and last is not None and float(at) - last >= rest

    def _take_over(self, at: Fraction) -> None:
        self.playing, self.count = True, self.count + 1
        self.stage.told(self.model.name, f"call {self.count}", self.model.settle())
        self.stage.mark(float(at), f"{self.model.name} goes on")
        self.model.begin(at)

    def struck(self, person: Person, pitch: int, beat: float) -> None:
        if self.playing and person is self.person:
            self.stop(beat)
            self.stage.mark(beat, f"{person.name} plays")
            self._since = self.stage.at
            self.model.listen(self.stage.at)


class Accompany(Way):
    """The person plays one voice of four, the model the others, at once with it.

    The next step is planned while this one sounds, for a voice that goes on as it is. Where the person
    strikes a note, what has not sounded yet is composed again around it: of voices that wait, on the
    beat; of voices that hold, at once. A voice that has struck already stays.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        able = [m for m in self.models if isinstance(m.composer, Accompanist)]
        if not self.people or not able:
            raise UserError(
                "to accompany takes a person (or a file) and a model of four voices; choose one with "
                "--players or --model-type 5."
            )
        self.person, self.model = self.people[0], able[0]
        self.active = False
        self.surprise = Surprise()
        self._kept: set[int] = set()
        self._at = Fraction(0)  # the last point of the composer's own grid

    @property
    def doing(self) -> str:
        return f"with {self.person.name}" if self.active else f"waits for {self.person.name}"

    @property
    def drums(self) -> bool:
        return False  # a voice is sung

    def check(self, player: ModelPlayer, composer: LiveComposer) -> None:
        if player is self.model and not isinstance(composer, Accompanist):
            raise UserError(
                f"{player.name} accompanies, which takes a model of four voices: choose one, or "
                "another way first."
            )

    def changed(self, player: ModelPlayer) -> None:
        self._kept = set()

    @property
    def composer(self) -> Accompanist:
        """What composes the other voices."""
        composer = self.model.composer
        assert isinstance(composer, Accompanist)
        return composer

    def step(self, at: Fraction, until: Fraction) -> None:
        if at % 1 not in self.composer.grid:  # a point of somebody else's
            return
        self._at = at
        if not self.active:
            return
        last = self.person.last_end(self.drums)
        if last is not None and float(at) - last > 2 * self.stage.settings.bar:
            self.model.rest(at)
            self._finish()
            return
        self._plan(at)

    def stop(self, beat: float) -> None:
        super().stop(beat)
        self._finish()

    def _finish(self) -> None:
        if self.active:
            self.active = False
            self.stage.told(self.model.name, "melody", self.surprise)

    def _plan(self, at: Fraction) -> None:
        last = self.person.last_end(self.drums)
        sounding = last is None or float(at) - last < 0.375  # a short gap is articulation
        place = self.model.place(at)
        event, nats = self.composer.plan(place, sounding and bool(self.person.part.notes))
        self.surprise += nats
        self._kept = {v for v, struck in enumerate(event.struck) if struck}
        self.model.sound(event, at)

    def struck(self, person: Person, pitch: int, beat: float) -> None:
        if person is not self.person:
            return
        at = self._at
        if not self.active:
            self.active, self.surprise = True, Surprise()
            self._plan(at)
        kept = self._kept if beat >= at else set()
        event = self.composer.correct(pitch, kept)
        self.model.revise(event, at, beat, kept)
        self._kept = {v for v, struck in enumerate(event.struck) if struck}


BUILDERS: dict[str, Callable[[Stage], Way]] = {
    "answer": Turns,
    "ring": Turns,
    "continue": GoOn,
    "accompany": Accompany,
}


def way_of(stage: Stage) -> Way:
    """The way that the settings name. Raises UserError where the players do not suit."""
    if not stage.players:
        raise UserError("nobody plays: name players with --players.")
    return BUILDERS[stage.settings.way](stage)
