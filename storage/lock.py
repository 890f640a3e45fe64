"""A lock that one process holds at a time, and that ends with it however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config_bach import UserError
from storage.files import check_writable


@contextmanager
def only_one(path: Path, refusal: str) -> Iterator[None]:
    """Hold the lock of a file. Raises UserError, with this sentence, while another process does.

    The operating system frees it when a process ends, also one that was killed. Where a file system
    knows no locks, there is none.
    """
    from filelock import FileLock, Timeout  # only training needs it

    check_writable(path.parent)
    lock = FileLock(path, blocking=False)
    try:
        with suppress(NotImplementedError):
            lock.acquire()
    except Timeout:
        raise UserError(refusal) from None
    try:
        yield
    finally:
        lock.release()
