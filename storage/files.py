"""Writing files so that nothing is ever half-written and nothing the user made is lost."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

from config_bach import UserError


@contextmanager
def replacing(path: Path, mode: int | None = None) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` only if all went well.

    mode: permissions of the file; by default those of any other.
    Raises UserError when the folder cannot be written or the disk is full; what stood at `path`
    before is then untouched.
    """
    aside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        aside = Path(name)
        yield aside
        _to_disk(aside)
        os.chmod(aside, 0o666 & ~_umask() if mode is None else mode)
        os.replace(aside, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot write {path}: {reason}; free some space or mend the permissions of "
            f"{path.parent} and try again."
        ) from error
    finally:
        if aside is not None:
            with suppress(OSError):
                aside.unlink()


def _to_disk(path: Path) -> None:
    """Wait until the file's bytes are on the disk, so that the rename cannot overtake them."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_writable(folder: Path) -> None:
    """Raise UserError, as `replacing` does, if nothing can be written to a folder."""
    with replacing(folder / ".writable") as aside:
        aside.write_text("")
    (folder / ".writable").unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file whole or not at all. Raises UserError as `replacing` does."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")


def keep_previous(*paths: Path) -> None:
    """Give files that are about to be made anew a second name: piece.mid is also piece.1.mid.

    All paths get the same number, the first that none of them has taken. They stay where they are
    until something replaces them, so at no moment is there none.
    """
    number = 1
    while any(numbered(path, number).exists() for path in paths):
        number += 1
    for path in paths:
        if path.exists():
            _second_name(path, numbered(path, number))


def shown(path: Path) -> str:
    """A path as people like to read it: from where they stand, if it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _second_name(path: Path, other: Path) -> None:
    try:
        os.link(path, other)
    except OSError:  # a file system without hard links
        with replacing(other) as aside:
            shutil.copyfile(path, aside)


def numbered(path: Path, number: int) -> Path:
    """'piece.mid' with number 2 is 'piece.2.mid'."""
    return path.with_name(f"{path.stem}.{number}{path.suffix}")


def set_aside(folder: Path) -> None:
    """Move an old folder out of the way of a new one: 'cello' becomes 'cello.1'."""
    if not folder.exists():
        return
    number = 1
    while (other := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    try:
        folder.rename(other)
    except OSError as error:
        raise UserError(
            f"cannot move {folder} aside: {error.strerror}; mend the permissions of {folder.parent}."
        ) from error
