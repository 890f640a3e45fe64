"""What takes long to make and all worker processes of the tests may share: it is made once."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from filelock import FileLock

Made = TypeVar("Made")


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]) -> Made:
    """What `make` returns for a new folder; in the first worker that asks, the others wait for it."""
    base = factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "once" / name
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "made.pickle"
    with FileLock(folder / "lock"):
        if not kept.is_file():
            made = make(folder / "home")
            kept.write_bytes(pickle.dumps(made))
    found: Made = pickle.loads(kept.read_bytes())
    return found


def own_copy(factory: pytest.TempPathFactory, folder: Path) -> Path:
    """A copy of a folder, which a test may change."""
    own: Any = factory.mktemp(folder.parent.name) / folder.name
    return Path(shutil.copytree(folder, own))
