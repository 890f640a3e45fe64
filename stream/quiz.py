"""'Bach or not?': rounds of ten excerpts, half of them by Bach, half composed. What is which, and how
people answered, is known here alone.

All that could tell the two apart beside the music is the same for both. So is the time that an
excerpt takes: with each of the first ones one piece is composed, whatever comes next.
"""

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from config_bach import Paths, UserError
from families.registry import family_of
from storage.answers import answers_of
from stream.job_process import JobProcess
from stream.listener import Full
from stream.model_cache import ModelCache
from stream.quiz_worker import Done, Job, Piece, run
from stream.settings import Server

log = logging.getLogger("play_bach")

EXCERPTS = 10  # of a round; half of them by Bach
BY_BACH = ("music21:bach", "music21:chorales")  # corpora
MOST = 32  # rounds
MOST_OF_ONE = 4  # rounds of one person; the oldest makes room
FORGET = 1200.0  # seconds after which a round that nobody goes on with is forgotten
AHEAD = 1  # excerpts that are made beside the one that is to be answered


@dataclass(frozen=True)
class Answer:
    """What an excerpt was: the name of the piece, or the seed of a composed one; and the score."""

    number: int
    bach: bool
    right: bool
    piece: str
    seed: int | None
    score: int
    answers: int


@dataclass
class Round:
    """Ten excerpts for one person, in an order that is drawn. order: whether each is by Bach."""

    owner: str
    model: str
    fingerprint: str
    order: tuple[bool, ...]
    real: list[Piece]
    composed: list[Piece]
    sounds: dict[int, bytes] = field(default_factory=dict)
    made: int = 0  # excerpts that were made so far, one after the other
    answers: list[Answer] = field(default_factory=list)
    used: float = field(default_factory=time.monotonic)
    answering: Any = field(default_factory=threading.Lock)
    making: Any = field(default_factory=threading.Lock)

    def piece(self, number: int) -> Piece:
        """An excerpt by its number, counted from 1."""
        bach = self.order[number - 1]
        return (self.real if bach else self.composed)[self.order[: number - 1].count(bach)]

    def check(self, number: int) -> None:
        """Raise UserError unless an excerpt is to be answered now, or is the one after it."""
        if not 1 <= number <= len(self.order):
            raise UserError(f"there are the excerpts 1 to {len(self.order)}.")
        if number <= len(self.answers):
            raise UserError("this excerpt is answered; hear the next one.")
        if number > min(len(self.answers) + AHEAD, self.made) + 1:
            raise UserError("hear the excerpts before this one first.")


class Quiz(JobProcess):
    """All rounds that are going on. All methods may be called from any thread."""

    name = "play_bach quiz"
    crowded = "too many excerpts are being made; try again later."
    waited = "other excerpts take their time; try again later."
    slow = "this excerpt takes too long here; try again later."
    failed = "this excerpt could not be made; try again later."

    def __init__(self, models: ModelCache, paths: Paths, server: Server) -> None:
        super().__init__(run, paths, server)
        self._models = models
        self._answers = answers_of(paths)
        self._rounds: dict[str, Round] = {}
        self._lock = threading.Lock()

    def model(self) -> str | None:
        """The latest model that has learned chorales of Bach; None if there is none."""
        for name, manifest in reversed(self._models.models().items()):
            source = manifest["metadata"].get("corpus", {}).get("source", "")
            graded = family_of(manifest["network"]["model_type"]).graded
            if graded and source in BY_BACH:
                return name
        return None

    def begin(self, owner: str) -> str:
        """A new round; returns its name.

        Raises UserError if there is no model for it, Full if there are too many rounds.
        """
        self._make_room(owner)
        if (model := self.model()) is None:
            raise UserError("there is no model of Bach's chorales here.")
        half = EXCERPTS // 2
        job = Job(model, real=half, draw=secrets.randbelow(2**31), compose=secrets.randbelow(2**31))
        made = self._do(job)
        order = [True] * half + [False] * (EXCERPTS - half)
        random.SystemRandom().shuffle(order)
        composed = [made.composed] if made.composed else []
        begun = Round(owner, model, made.fingerprint, tuple(order), made.real, composed)
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._rounds[name] = begun
        return name

    def sound(self, name: str, number: int) -> bytes | None:
        """An excerpt as MP3, counted from 1: the one that is to be answered, or the next.

        None: there is no such round any more. Raises UserError and Full.
        """
        if (known := self._round(name)) is None:
            return None
        known.check(number)
        if (sound := known.sounds.get(number)) is not None:
            return sound
        if not known.making.acquire(blocking=False):
            raise Full("this excerpt is being made; try again later.")
        try:
            return self._make(known, number)
        finally:
            known.making.release()

    def answer(self, name: str, number: int, bach: bool) -> Answer | None:
        """Take an answer, and tell what is right. The first one counts.

        None: there is no such round any more. Raises UserError for an excerpt that was not heard yet.
        """
        if (known := self._round(name)) is None:
            return None
        with known.answering:
            if number in range(1, len(known.answers) + 1):
                return known.answers[number - 1]
            known.check(number)
            if number > len(known.answers) + 1 or number not in known.sounds:
                raise UserError("hear this excerpt first.")
            known.answers.append(_answered(known, number, bach))
            known.sounds.pop(number)
        self._count(known, known.answers[number - 1])
        return known.answers[number - 1]

    # ---- rounds

    def _round(self, name: str) -> Round | None:
        with self._lock:
            if (known := self._rounds.get(name)) is not None:
                known.used = time.monotonic()
            return known

    def _make_room(self, owner: str) -> None:
        """Forget rounds that nobody goes on with. Raises Full if there are too many others."""
        with self._lock:
            self._drop(lambda x: time.monotonic() - x.used > FORGET)
            own = sorted((x for x in self._rounds.values() if x.owner == owner), key=_used)
            old = own[: max(0, len(own) - MOST_OF_ONE + 1)]
            self._drop(lambda x: any(x is one for one in old))
            if len(self._rounds) >= MOST:
                raise Full("too many people are playing this just now; try again later.")

    def _drop(self, unwanted: Callable[[Round], bool]) -> None:
        self._rounds = {name: x for name, x in self._rounds.items() if not unwanted(x)}

    def _make(self, known: Round, number: int) -> bytes:
        """Render an excerpt, and compose a piece for later while the round lacks one."""
        lacks = len(known.composed) < known.order.count(False)
        seed = secrets.randbelow(2**31) if lacks else None
        render = known.piece(number).events
        done = self._do(Job(known.model, known.fingerprint, compose=seed, render=render))
        if done.composed is not None:
            known.composed.append(done.composed)
        known.sounds[number], known.made = done.sound, number
        return done.sound

    def _count(self, known: Round, answer: Answer) -> None:
        try:
            self._answers.add(known.model, known.fingerprint, answer.bach, answer.right)
        except UserError as error:  # the game goes on
            log.warning("%s", error)

    def _do(self, job: Job) -> Done:
        """Raises UserError and Full."""
        with self._taking_turns():
            done = msgspec.msgpack.decode(self._ask(msgspec.msgpack.encode(job)), type=Done)
        if done.refused:
            raise UserError(done.refused)
        return done


def _used(known: Round) -> float:
    return known.used


def _answered(known: Round, number: int, said: bool) -> Answer:
    bach, piece = known.order[number - 1], known.piece(number)
    right = said == bach
    score = sum(answer.right for answer in known.answers) + right
    return Answer(
        number, bach, right, piece.name if bach else "", None if bach else piece.seed, score, number
    )
