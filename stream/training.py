"""Trainings from the control page: one at a time, each a play_bach.py of its own at low priority.

What a training is and how far it is lies in files, so a restart of the server loses nothing: one that
was killed together with the server goes on from its last epoch (-l 1 -f), one that outlived it is
watched again. progress.json is what the trained process writes (workflows/progress.py).
"""

import contextlib
import importlib.util
import logging
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from config_bach import Paths, UserError
from families.registry import families, family_of
from storage.catalog import unfinished
from storage.files import write_text
from storage.lock import only_one
from stream.model_cache import ModelCache
from stream.settings import Server
from stream.training_process import Job, command, started
from stream.training_table import Tables
from stream.uploads import Uploads
from workflows import progress
from workflows.progress import ENDED, STOP, State

log = logging.getLogger("play_bach")

NEEDED = ("tensorflow", "keras", "filelock")
# whether a training can begin from a model that is there: -l 1 -f --from
BASES = importlib.util.find_spec("workflows.finetune") is not None
APP = r"[A-Za-z]([A-Za-z0-9-]{0,28}[A-Za-z])?"  # no digit at its end, where the model type comes
APP_HELP = (
    "a name is 1 to 30 letters (a to z), digits and hyphens, and begins and ends with a letter; "
    "choose another."
)
BUSY = "another training goes on; wait until it has ended."
OTHERS = "a model of that name is there already; choose another name."
KILLED = "the training was ended from outside"
EARLY = ("reading", "starting")  # phases in which nothing new is learned
TRIES = 3  # restarts of the server that a training is taken up again after, unless somebody asks
VERSIONS = 10  # of a model that are kept, each with its number
GRACE = 600.0  # seconds that measuring and writing the model may take once the time is over
LOOK = 1.0  # seconds between two looks at a training that is not our child

App = Annotated[str, Meta(max_length=30)]


class TrainingRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants to train. base ('from' in JSON): a model to start from; '': from scratch.

    epochs: None: as many as the settings allow.
    """

    app: App
    model_type: Annotated[int, Meta(ge=1, le=99)] = 2
    base: Annotated[str, Meta(max_length=200)] = msgspec.field(default="", name="from")
    epochs: Annotated[int, Meta(ge=1, le=10_000)] | None = None


def training_request(fields: bytes) -> TrainingRequest:
    """What is wanted, from JSON. Raises UserError, with the place and the reason, for anything else."""
    try:
        return msgspec.json.decode(fields, type=TrainingRequest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UserError(f"this request is not understood ({error}); see /openapi.json.") from error


class Trainings:
    """All trainings from the page. All methods may be called from any thread."""

    def __init__(self, models: ModelCache, paths: Paths, server: Server) -> None:
        """Takes up what was going on when the server ended."""
        self.uploads = Uploads(paths, server)
        self.tables = Tables(self.uploads, paths)
        self.finished = 0  # changes when there may be a new model
        self._models, self._paths, self._server = models, paths, server
        self._complete = all(map(importlib.util.find_spec, NEEDED))
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}  # the last one of each user
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._running: Job | None = None
        self._closed = threading.Event()
        self._stopped = False  # whether somebody ended the one that runs
        self._begin_again()

    # ---- what is asked

    @property
    def refusal(self) -> str:
        """Why nothing can be trained here, in a sentence; empty if it can."""
        if not self._server.training:
            return "training from this page is turned off (training in play_bach.json)."
        if not self._complete:
            return "training needs all of requirements.txt, which is not installed here."
        return ""

    def want(self, user: str, model_type: int, base: str = "") -> None:
        """Let the files of a user be read, as a model type or that of a model (`base`) reads them."""
        self.tables.want(user, self._type_of(TrainingRequest("", model_type, base)))

    def remove(self, user: str) -> None:
        """Forget what a user has sent; what trainings learn from stays."""
        self.uploads.remove(user)
        self.tables.forget(user)

    def start(self, user: str, wanted: TrainingRequest) -> None:
        """Begin a training with what a user has sent. Raises UserError if that is not possible."""
        self._check_possible()
        app = wanted.app
        if not re.fullmatch(APP, app):
            raise UserError(APP_HELP)
        number = self._type_of(wanted)
        table = self.tables.of(user, number)
        if table is None:
            self.tables.want(user, number)
            raise UserError("your files are still being read; try again in a moment.")
        if not table.pieces:
            raise UserError(table.refused or "there is no music to learn from; send some.")
        epochs = min(wanted.epochs or self._server.training_epochs, self._server.training_epochs)
        with self._lock:
            self._check_idle()
            if self._is_taken(app, user):
                raise UserError(OTHERS)
            own = {p.name for p in self.uploads.folder(user).glob("app-*")} - {f"app-{app}"}
            if len(own) >= self._server.training_models:
                raise UserError(f"you have trained {len(own)} models, and may train no more here.")
            self.uploads.copied(user, self.corpus(user, app))
            self._launch(Job(user, app, number, wanted.base, epochs))

    def resume(self, user: str) -> None:
        """Go on with the last training of a user. Raises UserError if there is none."""
        self._check_possible()
        with self._lock:
            self._check_idle()
            job = self._jobs.get(user)
            if job is None:
                raise UserError("there is no training to go on with; begin one.")
            versions = list(self._paths.models.glob(f"{job.app}{job.model_type}_*.zip"))
            if len(versions) > VERSIONS:
                raise UserError("this model has many versions already; train another one.")
            self._launch(msgspec.structs.replace(job, state="running", told="", tries=0))

    def stop(self, user: str) -> None:
        """End the training of a user, and keep what was learned. Raises UserError if there is none."""
        with self._lock:
            job = self._running
            if job is None or job.user != user:
                raise UserError("no training of yours goes on.")
            self._stopped, state = True, self.state_of(job)
            self._ask_to_stop(job)
            if self._process is not None and (state.phase in EARLY or not state.history):
                self._process.kill()  # there is nothing to lose, and it may be busy starting

    def state(self, user: str) -> dict[str, Any]:
        """All that a user is told: what can be done, what was sent, how far the training is."""
        job, running = self._jobs.get(user), self._running
        files, shown = self.uploads.files(user), self.tables.shown(user)
        return {
            "refusal": self.refusal,
            "files": len(files),
            "mb": round(self.uploads.size(user) / 2**20, 3),
            "reading": self.tables.is_reading(user),
            "table": msgspec.to_builtins(shown[1]) | {"model_type": shown[0]}
            if shown and files
            else None,
            "busy": running is not None and running.user != user,
            "training": self._told(job) if job else None,
        }

    def job(self, user: str) -> Job | None:
        """The last training of a user."""
        return self._jobs.get(user)

    def bases(self) -> list[str]:
        """The models that a training can start from, the latest first."""
        return list(reversed(self._models.models())) if BASES else []

    def types(self) -> list[int]:
        """The model types that can be trained."""
        return [family.number for family in families()]

    def close(self) -> None:
        """End what runs; it goes on when the server starts again."""
        self._closed.set()
        self.tables.close()
        process = self._process
        if process is not None:
            process.terminate()  # it saves what it is saving, and ends
        if self._thread is not None:
            self._thread.join(1)

    # ---- where things lie

    def corpus(self, user: str, app: str) -> Path:
        """What a training learns from."""
        return self.uploads.folder(user) / f"app-{app}" / "corpus"

    def progress(self, user: str, app: str) -> Path:
        """Where it tells how far it is."""
        return self.uploads.folder(user) / f"app-{app}" / "progress"

    def state_of(self, job: Job) -> State:
        """How far a training is."""
        return progress.state_in(self.progress(job.user, job.app)) or State()

    def _told(self, job: Job) -> dict[str, Any]:
        """A training, for people."""
        known = msgspec.to_builtins(self.state_of(job))
        del known["told"]
        nats = [x for x in known.pop("baselines").values() if x is not None]
        return known | {
            "app": job.app,
            "model_type": job.model_type,
            "from": job.base,
            "running": job.state == "running",
            "stopping": job.state == "running" and self._stopped,
            "baseline": min(nats, default=None),
            "told": job.told,
        }

    # ---- what is checked

    def _check_possible(self) -> None:
        if self.refusal:
            raise UserError(self.refusal)

    def _check_idle(self) -> None:
        if self._running is not None:
            raise UserError(BUSY)

    def _type_of(self, wanted: TrainingRequest) -> int:
        """The model type that is trained: that of the model it starts from, if it does.

        Raises UserError if there is no such model or type.
        """
        if wanted.base:
            if wanted.base not in self.bases():
                raise UserError("there is no such model; choose one of the list.")
            return int(self._models.models()[wanted.base]["network"]["model_type"])
        return family_of(wanted.model_type).number

    def _is_taken(self, app: str, user: str) -> bool:
        """Whether there is a model of an app, finished or not, or another user has begun one; in
        whatever case."""
        others = self._paths.uploads.glob("*/app-*")
        there = [p.name[4:] for p in others if p.parent != self.uploads.folder(user)]
        there += [p.name for p in self._paths.models.glob("*.zip")]
        there += [p.name for p in self._paths.checkpoint.glob("*")]
        pattern = re.compile(rf"{re.escape(app)}(\d+_.*)?", re.IGNORECASE)
        return any(pattern.fullmatch(name) for name in there)

    # ---- the process

    def _launch(self, job: Job, orphan: bool = False) -> None:
        """Start the process of a training, and watch it. orphan: it runs already. The lock is held.

        Raises UserError if a training goes on in this folder, or nothing can be written.
        """
        begun: Future[None] = Future()
        work = self._watch_orphan if orphan else self._run
        self._thread = threading.Thread(
            target=work, args=(job, begun), daemon=True, name="training"
        )
        self._thread.start()
        begun.result()
        self._running, self._stopped = job, False

    def _run(self, job: Job, begun: Future[None]) -> None:
        """All of a training, which must end in time."""
        with _telling(begun), only_one(self._paths.checkpoint / ".page.lock", BUSY):
            self._process = process = self._begin(job)
            begun.set_result(None)
            try:
                process.wait(self._server.training_hours * 3600)
            except subprocess.TimeoutExpired:
                self._ask_to_stop(job)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE)
                process.kill()
                process.wait()
        self._ended(job)

    def _begin(self, job: Job) -> "subprocess.Popen[bytes]":
        corpus, told = self.corpus(job.user, job.app), self.progress(job.user, job.app)
        again = unfinished(job.app, job.model_type, self._paths) is not None
        if not again:
            shutil.rmtree(told, ignore_errors=True)  # of a training that learned nothing
        told.mkdir(parents=True, exist_ok=True)
        (told / STOP).unlink(missing_ok=True)
        self._remember(job)
        words = command(job, corpus, told, again, self._server.training_units)
        return started(words, told, self._paths, self._server.training_threads)

    def _watch_orphan(self, job: Job, begun: Future[None]) -> None:
        """A training that an earlier server began; its lock says whether it runs."""
        end = time.monotonic() + self._server.training_hours * 3600
        with _telling(begun), only_one(self._paths.checkpoint / ".page.lock", BUSY):
            begun.set_result(None)
            while self._is_held(job) and not self._closed.wait(LOOK):
                if time.monotonic() > end:
                    self._ask_to_stop(job)
        self._ended(job)

    def _ask_to_stop(self, job: Job) -> None:
        with contextlib.suppress(OSError):
            (self.progress(job.user, job.app) / STOP).touch()

    def _ended(self, job: Job) -> None:
        """Note how a training ended, unless it is to go on with the next server."""
        with self._lock:
            if self._running is not job:
                return  # it never began
            state, orphan, self._process = self.state_of(job), self._process is None, None
            done = state.phase == "done" or self._stopped
            if self._closed.is_set() and not done:
                return
            self._running = None
            if orphan and not done:  # the last server has ended it, a moment after this one began
                with contextlib.suppress(UserError):
                    self._take_up(job)
                    return
            lost = "" if self._stopped else KILLED
            told = state.told if state.phase in ENDED else lost
            self.finished += 1
            self._remember(msgspec.structs.replace(job, state="ended", told=told))

    # ---- what is remembered

    def _remember(self, job: Job) -> None:
        self._jobs[job.user] = job
        path = self.uploads.folder(job.user) / "training.json"
        write_text(path, msgspec.json.encode(job).decode())

    def _begin_again(self) -> None:
        """Know the trainings of before; take up the one that was going on."""
        for path in sorted(self._paths.uploads.glob("*/training.json")):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                job = msgspec.json.decode(path.read_bytes(), type=Job)
                if path.parent == self.uploads.folder(job.user):
                    self._jobs[job.user] = job
        with self._lock:
            for job in [job for job in self._jobs.values() if job.state == "running"]:
                try:
                    self._take_up(job)
                except UserError as error:
                    log.warning("a training cannot go on: %s", error)
                    ended = msgspec.structs.replace(job, state="ended", told=str(error))
                    self._jobs[job.user] = ended

    def _take_up(self, job: Job) -> None:
        """Go on with a training, or watch it if it outlived the last server. Raises UserError."""
        self._check_possible()
        self._check_idle()
        if self._is_held(job):
            self._launch(job, orphan=True)
            return
        learned = len(self.state_of(job).history)
        tries = job.tries + 1 if learned <= job.learned else 1
        if job.user not in self._server.passwords or tries > TRIES:
            raise UserError(KILLED)
        self._launch(msgspec.structs.replace(job, tries=tries, learned=learned))

    def _is_held(self, job: Job) -> bool:
        """Whether a process trains this app; see cli/fit.py."""
        try:
            with only_one(self._paths.checkpoint / f".{job.app}.lock", BUSY):
                return False
        except UserError:
            return True


@contextlib.contextmanager
def _telling(begun: "Future[None]") -> Iterator[None]:
    """Hand to who waits for the beginning what went wrong before it."""
    try:
        yield
    except Exception as error:
        if begun.done():
            raise
        begun.set_exception(error)
