"""Who plays, from the words of a command line or a kept session to players with ports and models."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from config_bach import DEFAULT_PROGRAM, Composing, Paths, UserError
from duet.dispatcher import Dispatcher
from duet.notes import Output
from duet.parts import Part, Performer
from duet.players import ModelPlayer, Person
from duet.session import Session
from duet.settings import Together
from duet.successor import Candidate
from families.base import LoadedModel
from families.live import Place, Surprise
from families.registry import families
from music.events import Event, from_json, held_over
from music.sounds import DRUMS, Sound
from storage.catalog import available, candidates, path_of

log = logging.getLogger("play_bach.duet")

PERSON, FILE = "person", "file"
MOST = 8  # players
Loader = Callable[[Path], LoadedModel]


@dataclass(frozen=True)
class Role:
    """A player in words. kind: PERSON, FILE or 'model'; source: a file or the name of a bundle.

    port: where the notes of a person come from. background: plays all the time.
    """

    kind: str
    name: str
    source: str = ""
    program: int | None = None
    port: str = ""
    background: bool = False


def roles_of(texts: Sequence[str], background: Sequence[str] = ()) -> list[Role]:
    """'person', 'file:tune.mid' or the name of a model, each. Raises UserError for too many."""
    if len(texts) + len(background) > MOST:
        raise UserError(f"{MOST} players are the most that play together.")
    found: list[Role] = []
    names: Counter[str] = Counter()
    for text, behind in [(t, False) for t in texts] + [(t, True) for t in background]:
        kind, _, rest = text.strip().partition(":")
        if kind == FILE:
            role = Role(FILE, Path(rest).stem or "file", rest, port=f"{FILE}:{rest}")
        elif text.strip() == PERSON:
            role = Role(PERSON, PERSON)
        else:
            role = Role("model", text.strip(), text.strip(), background=behind)
        names[role.name] += 1
        if names[role.name] > 1:
            role = Role(**{**asdict(role), "name": f"{role.name} {names[role.name]}"})
        found.append(role)
    return found


def bundle_path(text: str, paths: Paths) -> Path:
    """The bundle of 'bach2', 'bach' or a whole name. Raises UserError, naming what there is."""
    if path_of(text, paths).is_file():
        return path_of(text, paths)
    match = re.fullmatch(r"(.+?)([1-9][0-9]?)", text)
    if match:
        return candidates(match[1], int(match[2]), paths)[0]
    return candidates(text, None, paths)[0]


def playable(paths: Paths) -> list[str]:
    """The names of the models whose family can play together, in order."""
    known = {f.number for f in families() if f.plays_together}
    found = available(paths).items()
    return sorted(n for n, m in found if m["network"].get("model_type") in known)


def program_of(model: LoadedModel, wanted: int | None) -> int:
    """The instrument of a model: that wanted, else its own, of several the usual one; DRUMS if all its
    music is percussion."""
    sounds = [s for e in model.example for s in e.sounds]
    if sounds and all(s.drum for s in sounds):
        return DRUMS
    usual = Counter(s.program for s in sounds if not s.drum).most_common(1)
    own = usual[0][0] if usual else model.metadata.get("instrument")
    return wanted or own or DEFAULT_PROGRAM


class Cast:
    """Roles, with the models they need, and others that may take their place."""

    def __init__(self, roles: Sequence[Role], load: Loader, paths: Paths) -> None:
        """Raises UserError for a model that is not there, or cannot play with others."""
        self.roles = list(roles)
        self._load, self._paths = load, paths
        self._instrument = next((r.program for r in roles if r.kind == "model"), None)
        self._models = {
            r.source: load(bundle_path(r.source, paths)) for r in roles if r.kind == "model"
        }

    def session(
        self,
        settings: Together,
        seed: int,
        dispatcher: Dispatcher,
        outputs: Mapping[str, Sequence[Output]],
    ) -> Session:
        """A session with everybody. outputs: by the name of the player; '' for all others."""
        players: list[Person | ModelPlayer] = []
        background: list[ModelPlayer] = []
        spare: list[int] = []  # the session fills it
        for index, role in enumerate(self.roles):
            if role.kind != "model":
                part = Part(role.name, role.program or self._program_of_people)
                players.append(Person(role.name, part, role.port))
                continue
            model = self._models[role.source]
            part = Part(role.name, program_of(model, role.program))
            composing = Composing(seed=(seed + index) % 2**62)
            composer = model.family.live(model, composing, settings.voice - 1)
            own = outputs.get(role.name, outputs.get("", ()))
            others = [] if role.program else spare
            # the session gives it a channel
            performer = Performer(part, own, 0, dispatcher, others)
            source = bundle_path(role.source, self._paths).stem
            (background if role.background else players).append(
                ModelPlayer(composer, performer, Fraction(settings.bar), source)
            )
        everywhere = list(dict.fromkeys(o for group in outputs.values() for o in group))
        return Session(
            settings,
            players,
            dispatcher,
            seed,
            background=background,
            outputs=everywhere,
            spare=spare,
        )

    @property
    def _program_of_people(self) -> int:
        """Who plays with drums alone is a drummer, too."""
        alone = self._models and all(program_of(m, None) == DRUMS for m in self._models.values())
        return DRUMS if alone else DEFAULT_PROGRAM

    def ranges(self) -> dict[str, tuple[float, float]]:
        """For each model how surprised it is by music like that it learned: nats per note, from the
        tenth to the ninetieth percentile of what it never saw. It is warm afterwards, too."""
        return {
            r.name: surprise_range(self._models[r.source]) for r in self.roles if r.kind == "model"
        }

    def choosable(self) -> list[str]:
        """The models that can play together, by name."""
        return playable(self._paths)

    def candidate(self, source: str) -> Candidate:
        """Another model, loaded and warm.

        Raises UserError for one that is not there, is damaged, or cannot play together.
        """
        if source not in self.choosable():
            known = ", ".join(self.choosable()) or "none"
            raise UserError(f"no model {source[:60]!r} can play together here; there are: {known}.")
        try:
            model = self._load(path_of(source, self._paths))
            model.family.live(model, Composing(seed=0)).next(Place(Fraction(0)))  # it can
            return Candidate(
                source,
                program_of(model, self._instrument),
                surprise_range(model),
                lambda composing, voice: model.family.live(model, composing, voice),
            )
        except UserError:
            raise
        except Exception as error:  # a bundle may hold anything
            log.exception("%s cannot play", source)
            raise UserError(
                f"{source} cannot play ({type(error).__name__}: {str(error)[:80]}); train it anew, or "
                "choose another model."
            ) from error

    def to_json(self) -> list[dict[str, Any]]:
        """The roles as JSON types."""
        return [asdict(role) for role in self.roles]


def roles_from_json(rows: Sequence[Mapping[str, Any]]) -> list[Role]:
    """The inverse of Cast.to_json. Raises UserError for anything else."""
    try:
        roles = [Role(**row) for row in rows][: MOST + 1]
        if len(roles) > MOST or not all(isinstance(r.source, str) for r in roles):
            raise TypeError("too many players")
    except TypeError as error:
        raise UserError(f"the players of the session are not understood: {error}.") from error
    return roles


def surprise_range(model: LoadedModel) -> tuple[float, float]:
    """The tenth and the ninetieth percentile of nats per note, over bars of the held-out beginnings."""
    figures: list[float] = []
    for row in model.metadata["primes"][:4]:
        figures += list(_by_bar(model, from_json(row["events"][:40])))
    ordered = sorted(figures) or [0.0]
    return ordered[len(ordered) // 10], ordered[len(ordered) * 9 // 10]


def _by_bar(model: LoadedModel, events: Sequence[Event]) -> list[float]:
    """Nats per note of each bar of some music, heard as in a session."""
    composer = model.family.live(model, Composing(seed=0))
    time, heard, figures = Fraction(0), Surprise(), []
    before: Event | None = None
    for event in events:
        for step in _steps(before, event, time, composer.grid):
            heard += composer.hear(step, Place(time))
            time += step.duration
            if time % 4 == 0 and heard.per_note is not None:
                figures.append(heard.per_note)
                heard = Surprise()
        before = event
    return figures[1:]


def _steps(
    before: Event | None, event: Event, start: Fraction, grid: Sequence[Fraction]
) -> list[Event]:
    """An event that begins at a time, in steps of a grid, as `Part.step` gives them."""
    held = {pitch for _, pitch in held_over(before, event)}
    stop = start + event.duration
    inside = [
        p for n in range(int(start), int(stop) + 1) for g in grid if start < (p := n + g) < stop
    ]
    plain = (Sound(1, p, event.velocity, p not in held) for p in event.pitches)
    first = event.sounds or tuple(plain)
    later = tuple(Sound(s.program, s.pitch, s.velocity, False) for s in first if not s.drum)
    return [
        Event.of(later if a > start else first, b - a) for a, b in pairwise([start, *inside, stop])
    ]
