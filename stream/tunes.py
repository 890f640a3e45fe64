"""Tunes of listeners: what they may be, and the process that composes around them, one at a time."""

import contextlib
import secrets
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from config_bach import Paths, UserError
from families.registry import family_of
from music.events import from_json
from music.instruments import by_voice
from music.synth import RATE
from stream.job_process import JobProcess
from stream.model_cache import ModelCache
from stream.player_settings import PlayedEvent, PlayerSettings, range_of
from stream.settings import Server
from stream.source import StreamEvent
from stream.tune_worker import Done, Job, run

LARGEST_TUNE = 2**20  # bytes of a request
MOST_NOTES = 256
MOST_QUARTERS = 64.0  # sixteen bars of 4/4
STEP = 0.25  # quarters
BPM_LOW, BPM_HIGH = range_of("bpm")
TITLE = 80  # characters

Pitch = Annotated[int, Meta(ge=21, le=108)]
Quarters = Annotated[float, Meta(ge=STEP, le=16, multiple_of=STEP)]
Way = Literal["harmonise", "continue"]


class TuneRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a listener wants of a tune; model '': one that can do it. program 0: that of the model."""

    way: Way = "harmonise"
    model: Annotated[str, Meta(max_length=200)] = ""
    program: Annotated[int, Meta(ge=0, le=128)] = 0
    title: Annotated[str, Meta(max_length=TITLE)] = ""


class Tapped(TuneRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same with the notes themselves: pitch (None is a rest) and quarter lengths."""

    notes: Annotated[list[tuple[Pitch | None, Quarters]], Meta(min_length=1, max_length=MOST_NOTES)]
    bpm: Annotated[float, Meta(ge=BPM_LOW, le=BPM_HIGH)] = 90.0
    beats: Annotated[int, Meta(ge=2, le=6)] = 4


def tapped(body: bytes) -> Tapped:
    """A tune in JSON. Raises UserError, with the place and the reason, for any other."""
    try:
        tune = msgspec.json.decode(body, type=Tapped)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UserError(f"this tune is not understood ({error}); see /openapi.json.") from error
    if sum(quarters for _, quarters in tune.notes) > MOST_QUARTERS:
        raise UserError(f"a tune has {MOST_QUARTERS:g} quarters at the most; write a shorter one.")
    if all(pitch is None for pitch, _ in tune.notes):
        raise UserError("this tune has no notes; write some.")
    return tune


def tune_request(fields: dict[str, str]) -> TuneRequest:
    """What is wanted of an uploaded file, from the query. Raises UserError."""
    try:
        return msgspec.convert(fields, TuneRequest, strict=False)
    except msgspec.ValidationError as error:
        raise UserError(f"this request is not understood ({error}); see /openapi.json.") from error


class Tunes(JobProcess):
    """Composes around tunes in a process of its own. All methods may be called from any thread."""

    name = "play_bach tunes"
    crowded = "too many tunes are being composed; try again later."
    waited = "other tunes take their time; try again later."
    slow = "this tune takes too long here; send a shorter one."
    failed = "this tune could not be read; try another."

    def __init__(self, models: ModelCache, paths: Paths, server: Server) -> None:
        super().__init__(run, paths, server)
        self._models = models
        self._folder = tempfile.TemporaryDirectory(prefix="play_bach")

    def compose(self, wanted: TuneRequest, file: bytes = b"") -> tuple[PlayedEvent, ...]:
        """The tune with what a model made of it. file: an upload, where there are no notes.

        Raises UserError for a tune or a model that does not suit, Full if too many are at it.
        """
        model = wanted.model or self._model_for(wanted.way)
        job = Job(model, wanted.way, program=wanted.program, seed=secrets.randbelow(2**31))
        if isinstance(wanted, Tapped):
            notes = tuple((pitch, quarters) for pitch, quarters in wanted.notes)
            job = msgspec.structs.replace(job, notes=notes, bpm=wanted.bpm, beats=wanted.beats)
        return _played(self._do(job, file), model)

    def warm(self, way: str = "harmonise") -> None:
        """Start the process and let it read the model, so that the first tune need not wait."""
        with contextlib.suppress(UserError):
            self._do(Job(self._model_for(way)), b"")

    def close(self) -> None:
        """End the process."""
        super().close()
        self._folder.cleanup()

    def _model_for(self, way: str) -> str:
        """The latest model that can do it. Raises UserError if there is none."""
        for name, manifest in reversed(self._models.models().items()):
            family = family_of(manifest["network"]["model_type"])
            if way in family.flags or (way == "continue" and family.pitched):
                return name
        raise UserError("there is no model here that harmonises; train one of model type 5.")

    def _do(self, job: Job, file: bytes) -> Done:
        with self._taking_turns():
            return self._exchange(job, file)

    def _exchange(self, job: Job, file: bytes) -> Done:
        path = Path(self._folder.name) / "tune"
        if file:
            path.write_bytes(file)
            job = msgspec.structs.replace(job, file=str(path))
        try:
            answer = self._ask(msgspec.json.encode(job))
        finally:
            for left in Path(self._folder.name).glob("tune*"):
                left.unlink(missing_ok=True)
        done = msgspec.json.decode(answer, type=Done)
        if done.refused:
            raise UserError(done.refused)
        return done


def _played(done: Done, model: str) -> tuple[PlayedEvent, ...]:
    """What is to be kept, as if a station had played it."""
    program, alto, tenor, bass = by_voice(done.programs)
    settings = PlayerSettings(model, program, alto, tenor, bass, bpm=done.bpm)
    played, now = [], 0.0
    for number, event in enumerate(from_json(done.events)):
        played.append(PlayedEvent(number, round(now * RATE), StreamEvent(event), settings))
        now += played[-1].seconds
    return tuple(played)
