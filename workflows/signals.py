"""Ctrl-C and SIGTERM: what they raise, and how they wait while something is learned or saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a program as Ctrl-C does, but with another exit code."""


def terminate(number: int, frame: Any) -> None:
    """A handler of SIGTERM. Raises Terminated."""
    raise Terminated


def _stop_of(number: int) -> KeyboardInterrupt:
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()


class Waiting:
    """A signal that waits for a good moment: `check` raises it.

    A second one is obeyed at once, but not while something is saved (`saving` is true).
    """

    def __init__(self) -> None:
        self.saving = False
        self._stop: KeyboardInterrupt | None = None

    def note(self, number: int, frame: Any) -> None:
        """The handler of the signals."""
        first, self._stop = self._stop is None, _stop_of(number)
        if not first and not self.saving:
            self.check()

    def check(self) -> None:
        """Raise what has come, if anything has: KeyboardInterrupt or Terminated."""
        stop, self._stop = self._stop, None
        if stop is not None:
            raise stop

    @contextmanager
    def uninterrupted(self) -> Iterator[None]:
        """Save something: however often a signal comes, it waits."""
        self.saving = True
        try:
            yield
        finally:
            self.saving = False


@contextmanager
def waiting() -> Iterator[Waiting]:
    """Let Ctrl-C and SIGTERM wait until `check` is called or the block ends."""
    waits = Waiting()
    with _handled(waits.note):
        yield waits
    waits.check()


@contextmanager
def obeyed() -> Iterator[None]:
    """Let a signal end a block even where it runs code that swallows or disguises the exception, as
    libraries may while they are imported."""
    come: list[KeyboardInterrupt] = []

    def note(number: int, frame: Any) -> None:
        come.append(_stop_of(number))
        raise come[0]

    with _handled(note):
        try:
            yield
        except Exception:
            if not come:
                raise
    if come:
        raise come[0]


@contextmanager
def _handled(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Another handler for both signals, where they are not ignored; only the main thread has any."""
    kept = {}
    if threading.current_thread() is threading.main_thread():
        kept = {s: now for s in SIGNALS if (now := signal.getsignal(s)) != signal.SIG_IGN}
    for number in kept:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in kept.items():
            signal.signal(number, before)
