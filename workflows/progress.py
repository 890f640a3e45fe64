"""How far a training is, as files in a folder, for whoever watches it from outside: progress.json, and a
few seconds of music of every epoch. A file named `stop` there ends the training as Ctrl-C does.

Nothing here imports TensorFlow: the server reads these files.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

import msgspec

from config_bach import UserError
from storage.files import write_text

log = logging.getLogger("play_bach")

NAME, STOP = "progress.json", "stop"
ENDED = ("done", "stopped", "failed")
Phase = Literal["reading", "starting", "learning", "finishing", "done", "stopped", "failed"]


class Epoch(msgspec.Struct, frozen=True):
    """Nats in training and validation, and validation accuracy (0..1); None: no number."""

    epoch: int
    train: float | None
    valid: float | None
    accuracy: float | None


class State(msgspec.Struct, frozen=True):
    """How far a training is.

    batch, batches: of the epoch that is being learned. left: seconds until the last epoch ends, at most;
    None: not known yet. baselines: nats of what learns nothing, by name. samples: epochs that can be
    heard. told: how it ended, in a sentence.
    """

    phase: Phase = "reading"
    model: str = ""
    unit: str = "event"
    epochs: int = 0
    batch: int = 0
    batches: int = 0
    left: float | None = None
    history: tuple[Epoch, ...] = ()
    baselines: dict[str, float | None] = {}
    samples: tuple[int, ...] = ()
    told: str = ""


class Sample(msgspec.Struct, frozen=True):
    """What a model composed after an epoch. events: as music.events.to_json gives them; program: General
    MIDI 1..128."""

    events: list[list[Any]]
    bpm: float
    program: int


class Progress:
    """Tells how far a training is, if anybody wants to know."""

    def __init__(self, folder: Path | None = None) -> None:
        """folder: where to write; None: nobody wants to know."""
        self.folder, self.state = folder, State()

    def tell(self, **facts: Any) -> None:
        """Fields of State that have changed. A disk that is full does not stop the training."""
        self.state = msgspec.structs.replace(self.state, **facts)
        self._write(NAME, self.state)

    def sample(self, epoch: int, sample: Sample) -> None:
        """Keep what was composed after an epoch."""
        self._write(_sample_name(epoch), sample)

    def samples(self, epochs: int) -> tuple[int, ...]:
        """Those of the first epochs that can be heard."""
        folder = self.folder
        known = range(1, epochs + 1) if folder else ()
        return tuple(e for e in known if folder and (folder / _sample_name(e)).is_file())

    def check(self) -> None:
        """Raise KeyboardInterrupt if somebody wants the training to end."""
        if self.folder is not None and (self.folder / STOP).exists():
            raise KeyboardInterrupt

    def _write(self, name: str, what: msgspec.Struct) -> None:
        if self.folder is None:
            return
        try:
            write_text(self.folder / name, msgspec.json.encode(what).decode())
        except UserError as error:
            log.warning("cannot tell how far the training is: %s", error)


_current: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextmanager
def reported(folder: Path | None) -> Iterator[Progress]:
    """Tell how far the training within is, and how it ended.

    Raises UserError if nothing can be written to the folder.
    """
    progress = Progress(folder)
    token = _current.set(progress)
    if folder is not None:
        before = state_in(folder) or State()  # of what now goes on, perhaps
        progress.state = msgspec.structs.replace(before, phase="reading", left=None, told="")
        write_text(folder / NAME, msgspec.json.encode(progress.state).decode())
    try:
        yield progress
    except (UserError, KeyboardInterrupt) as error:
        stopped = isinstance(error, KeyboardInterrupt)
        progress.tell(phase="stopped" if stopped else "failed", told=str(error))
        raise
    except Exception as error:
        progress.tell(phase="failed", told=f"the training failed ({type(error).__name__})")
        raise
    finally:
        _current.reset(token)
    progress.tell(phase="done", left=0.0)


def current() -> Progress:
    """What tells how far this run is; within `reported` somebody may be listening."""
    return _current.get() or Progress()


def epochs_of(history: Sequence[Mapping[str, Any]]) -> tuple[Epoch, ...]:
    """The history of a bundle, as it is told."""
    names = ("train_nll", "val_nll", "val_accuracy")
    return tuple(Epoch(e["epoch"], *(float(e[name]) for name in names)) for e in history)


def state_in(folder: Path) -> State | None:
    """What was told last in a folder; None if nothing was."""
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / NAME).read_bytes(), type=State)
    return None


def sample_in(folder: Path, epoch: int) -> Sample | None:
    """What was composed after an epoch; None if nothing was."""
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / _sample_name(epoch)).read_bytes(), type=Sample)
    return None


def changed(folder: Path, epoch: int) -> int:
    """What differs when another sample of that epoch was composed; 0 if there is none."""
    with suppress(OSError):
        return (folder / _sample_name(epoch)).stat().st_mtime_ns
    return 0


def _sample_name(epoch: int) -> str:
    return f"sample-{epoch}.json"
