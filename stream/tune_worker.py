"""The process that reads uploaded files and composes around tunes, at low priority.

Whatever a file does to it, the server lives on: memory is limited here, time by the server, which ends
a process that takes too long and starts another. Jobs and answers are JSON.
"""

import os
import signal
import threading
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from tqdm import tqdm

from config_bach import Composing, Paths, UserError
from families.base import CompositionRequest
from midi_io import Refused, Score, read_scores
from music.events import Note, to_json
from stream.model_cache import ModelCache
from stream.settings import Server
from workflows import tunes

MEMORY = 512 * 2**20  # bytes beyond what the process has when it begins
LARGEST_UNPACKED = 16 * 2**20  # bytes of a compressed score
MOST_NOTES = 20_000  # of a file
SUFFIXES = {b"MThd": ".mid", b"PK\x03\x04": ".mxl"}  # by the first bytes; all else is MusicXML
BPM = (30.0, 240.0)  # of the music that a player plays
VELOCITY = 90


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done with a tune. notes: (pitch or None for a rest, quarter lengths), in time order.

    file: where an upload lies; empty if there are notes. beats: quarters of a bar. way: '' only makes
    the model ready.
    """

    model: str
    way: str = ""
    notes: tuple[tuple[int | None, float], ...] = ()
    file: str = ""
    bpm: float = 90.0
    beats: int = 4
    program: int = 0
    seed: int = 0


class Done(msgspec.Struct, frozen=True):
    """What came of it. refused: why nothing did, in a sentence; events: as music.events.to_json."""

    events: list[list[object]] = []
    bpm: float = 90.0
    programs: tuple[Annotated[int, Meta(ge=1, le=128)], ...] = ()
    refused: str = ""


def run(connection: Connection, paths: Paths, server: Server) -> None:
    """Do one job after the other, until the server hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then hangs up
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(os, "nice"):
        os.nice(10)  # those who listen come first
    import symusic  # noqa: F401  (reading the first file must not wait for it)

    tqdm.set_lock(threading.RLock())  # its own is for several processes, and outlives one killed
    models = ModelCache(paths, server.variant, server.runtime)
    limit_memory()
    with suppress(EOFError, OSError):
        while True:
            job = msgspec.json.decode(connection.recv_bytes(), type=Job)
            connection.send_bytes(msgspec.json.encode(done(job, models, paths)))
    os._exit(0)


def limit_memory() -> None:
    """Let nothing that is read here take the memory of the machine; where the system can do that."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def done(job: Job, models: ModelCache, paths: Paths) -> Done:
    """Do a job; whatever goes wrong is said in a sentence."""
    try:
        model = models.model(job.model)
        if not job.way:
            return Done()
        score = read(Path(job.file)) if job.file else written(job)
        instrument = str(job.program) if job.program else None
        request = CompositionRequest(Composing(seed=job.seed), instrument=instrument)
        made = tunes.compose(model, score, job.way, request, paths)
    except UserError as error:
        return Done(refused=str(error))
    except (Exception, RecursionError) as error:  # what a hostile file brings about
        return Done(refused=f"this tune cannot be used ({type(error).__name__}); try another.")
    programs = made.programs if isinstance(made.programs, tuple) else (made.programs,)
    return Done(to_json(made.events), min(max(made.bpm, BPM[0]), BPM[1]), programs)


def written(job: Job) -> Score:
    """The score of notes that were tapped or posted, with bars from the first note on."""
    notes, now = [], Fraction(0)
    for pitch, quarters in job.notes:
        length = Fraction(quarters)
        if pitch is not None:
            notes.append(Note(now, length, pitch, VELOCITY))
        now += length
    bars = tuple(Fraction(t) for t in range(0, int(now) + 1, job.beats))
    return Score("this tune", tuple(notes), job.bpm, bars=bars)


def read(path: Path) -> Score:
    """The score in an uploaded file. Raises UserError, with the reason, for anything else."""
    try:
        suffix = _suffix_of(path)
        renamed = path.with_suffix(suffix)
        path.rename(renamed)
        score = _first(read_scores(renamed))
    except Refused as reason:
        raise UserError(f"this file cannot be read: {reason}; try another.") from reason
    return replace(score, name="this tune")


def _suffix_of(path: Path) -> str:
    """What kind of file it is, by its first bytes. Raises Refused if it would unpack to too much."""
    head = path.read_bytes()[:4]
    suffix = SUFFIXES.get(head, ".musicxml")
    if suffix == ".mxl":
        try:
            with zipfile.ZipFile(path) as archive:
                size = sum(item.file_size for item in archive.infolist())
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise Refused("a damaged .mxl file") from error
        if size > LARGEST_UNPACKED:
            raise Refused("it unpacks to too much")
    elif suffix == ".musicxml" and b"<" not in path.read_bytes()[:200]:
        raise Refused("neither a MIDI file nor MusicXML")
    return suffix


def _first(scores: Sequence[Score]) -> Score:
    if len(scores[0].notes) > MOST_NOTES:
        raise Refused(f"more than {MOST_NOTES} notes")
    return scores[0]
