"""Stands in for play_bach.py where a test is about the process of a training, and not about learning.

It takes the lock of its app and tells how far it is, as the real one does. What it does is in the name
of the app: 'quick' ends by itself, 'early' never learns anything, 'crash' ends without a word, 'bad' is
refused, others learn until they are to stop.
"""

import sys
import time
from contextlib import suppress
from pathlib import Path

from config_bach import Paths, UserError
from storage.lock import only_one
from workflows.progress import Epoch, Progress, Sample, reported

PAUSE = 0.02
LONGEST = 60.0


def value(name: str) -> str:
    """What stands behind an option."""
    return sys.argv[sys.argv.index(name) + 1]


def learn(app: str, progress: Progress) -> None:
    """An epoch after the other; a model at the end."""
    paths = Paths()
    folder = paths.checkpoint / f"{app}3_nc_mo"
    folder.mkdir(parents=True, exist_ok=True)
    history: tuple[Epoch, ...] = ()
    end = time.monotonic() + LONGEST
    with suppress(KeyboardInterrupt):
        while time.monotonic() < end and not (app.startswith("quick") and len(history) == 2):
            epoch = len(history) + 1
            history = (*history, Epoch(epoch, 3 / epoch, 3.5 / epoch, 0.5))[:5]
            progress.sample(epoch, Sample([[[60, 64], "1", 90], [[62], "2", 90]], 100.0, 20))
            (folder / "last.zip").touch()
            progress.tell(
                phase="learning",
                model=f"{app}3_nc_mo",
                epochs=5,
                baselines={"table": 2.5},
                history=history,
                samples=progress.samples(len(history)),
            )
            time.sleep(PAUSE)
            progress.check()
    progress.tell(phase="finishing")


def main() -> None:
    """Be a training."""
    app, told = value("--app"), Path(value("--progress"))
    (told / "asked.txt").write_text("\n".join(sys.argv[1:]))
    with reported(told) as progress, only_one(Paths().checkpoint / f".{app}.lock", "taken"):
        if app == "crash":
            sys.exit(1)
        if app == "early":
            progress.tell(phase="starting")
            time.sleep(LONGEST)
        if app == "bad":
            raise UserError(
                "the pieces are too short to hold any out for validation; add longer ones."
            )
        learn(app, progress)


if __name__ == "__main__":
    main()
