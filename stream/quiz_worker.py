"""The process that composes and renders the excerpts of 'Bach or not?', at low priority.

Real and composed music take the same way through here: the same cut, instrument, tempo and loudness.
"""

import os
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import msgspec
import numpy as np

from config_bach import DEFAULT_BPM, DEFAULT_PROGRAM, Composing, Paths, UserError
from evaluation.excerpts import excerpt, unseen
from families.base import CompositionRequest, LoadedModel
from litert.loading import playing
from music.events import from_json, to_json
from music.wav import rendered
from storage import catalog
from storage.answers import fingerprint_of
from storage.bundle import load
from stream.mp3 import Mp3
from stream.settings import Server

KBPS = 128


class Piece(msgspec.Struct, frozen=True):
    """An excerpt. name: of a real one; seed: of a composed one. events: as music.events.to_json."""

    events: list[list[Any]]
    name: str = ""
    seed: int = 0


class Job(msgspec.Struct, frozen=True):
    """What is wanted, all of it at once.

    fingerprint: of the model as it was before; empty: any. real: so many held-out pieces, as the seed
    `draw` draws them. compose: the seed of a new piece. render: the events of an excerpt.
    """

    model: str
    fingerprint: str = ""
    real: int = 0
    draw: int = 0
    compose: int | None = None
    render: list[list[Any]] = []


class Done(msgspec.Struct, frozen=True):
    """What came of it. sound: MP3. refused: why nothing did, in a sentence."""

    fingerprint: str = ""
    real: list[Piece] = []
    composed: Piece | None = None
    sound: bytes = b""
    refused: str = ""


def run(connection: Connection, paths: Paths, server: Server) -> None:
    """Do one job after the other, until the server hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then hangs up
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(os, "nice"):
        os.nice(10)  # those who listen come first
    models = Models(paths, server)
    with suppress(EOFError, OSError):
        while True:
            job = msgspec.msgpack.decode(connection.recv_bytes(), type=Job)
            connection.send_bytes(msgspec.msgpack.encode(done(job, models, paths)))
    os._exit(0)


class Models:
    """The model of the last job, with the pieces that were held out, read once."""

    def __init__(self, paths: Paths, server: Server) -> None:
        self._paths, self._server = paths, server
        self._known: tuple[Any, LoadedModel] | None = None

    def model(self, name: str) -> LoadedModel:
        """A model by its name. Raises UserError if it is gone or damaged."""
        path = catalog.path_of(name, self._paths)
        stamp = (name, catalog.stamp(path))
        if self._known is None or self._known[0] != stamp:
            bundle = load(path, weights=False)
            wanted = self._server.variant if self._server.variant in bundle.steps else None
            self._known = stamp, playing(bundle, self._paths, wanted, self._server.runtime)
        return self._known[1]


def done(job: Job, models: Models, paths: Paths) -> Done:
    """Do a job; whatever goes wrong is said in a sentence."""
    try:
        model = models.model(job.model)
        fingerprint = fingerprint_of(model.bundle)
        if job.fingerprint not in ("", fingerprint):
            return Done(refused="the model was replaced; begin again.")
        real = _real(model, job) if job.real else []
        composed = None if job.compose is None else _composed(model, job.compose, paths)
        sound = _sound(model, job.render) if job.render else b""
    except UserError as error:
        return Done(refused=str(error))
    return Done(fingerprint, real, composed, sound)


def _real(model: LoadedModel, job: Job) -> list[Piece]:
    """Held-out pieces, drawn without a choice. Raises UserError if there are too few."""
    pieces = unseen(model.bundle, model.family)
    if len(pieces) < job.real:
        raise UserError(f"{model.bundle.name} carries too few pieces that were held out.")
    drawn = np.random.default_rng(job.draw).permutation(len(pieces))[: job.real].tolist()
    return [Piece(to_json(excerpt(pieces[i].events)), name=pieces[i].name) for i in drawn]


def _composed(model: LoadedModel, seed: int, paths: Paths) -> Piece:
    """The piece of a seed, with the default settings."""
    made = model.family.compose(model, CompositionRequest(Composing(seed=seed)), paths)
    return Piece(to_json(excerpt(made.events)), seed=seed)


def _sound(model: LoadedModel, events: list[list[Any]]) -> bytes:
    """An excerpt as MP3, with the tempo and the instrument of the model, whatever it is."""
    bpm = model.metadata.get("bpm") or DEFAULT_BPM
    program = model.metadata.get("instrument") or DEFAULT_PROGRAM
    encoder = Mp3(KBPS)
    blocks = rendered(from_json(events), bpm, program)
    return b"".join(encoder.encode(block) for block in blocks) + encoder.close()
