"""A process of its own for work beside the music, at low priority: one job at a time, a few may wait.

It is started with the first job, ended with one that takes too long, and when it was idle for a while.
"""

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from config_bach import UserError
from stream.listener import Full

WAITING = 3  # jobs beside the one that is done
PATIENCE = 25.0  # seconds that one of them may wait
LONGEST = 40.0  # seconds that a job may take
IDLE = 600.0  # seconds that the process outlives its last job


class JobProcess:
    """Asks such a process. What subclasses offer may be called from any thread."""

    name: ClassVar[str]
    crowded: ClassVar[str]  # what is said when too many wait, or
    waited: ClassVar[str]  # when one has waited too long
    slow: ClassVar[str]  # when the job takes too long, or
    failed: ClassVar[str]  # when the process ends over it

    def __init__(self, run: Callable[..., None], *args: Any) -> None:
        """run: what the process does, given a Connection and `args`: answers one question after the
        other."""
        self._run, self._args = run, args
        self._places = threading.BoundedSemaphore(1 + WAITING)
        self._turn = threading.Lock()
        self._process: Any = None
        self._connection: Any = None
        self._idle: threading.Timer | None = None
        self._closed = False

    def close(self) -> None:
        """End the process."""
        self._closed = True
        self._end()

    @contextmanager
    def _taking_turns(self) -> Iterator[None]:
        """Wait until the process is free. Raises Full if too many do."""
        if not self._places.acquire(blocking=False):
            raise Full(self.crowded)
        try:
            if not self._turn.acquire(timeout=PATIENCE):
                raise Full(self.waited)
            try:
                if self._closed:
                    raise Full("the server ends.")
                yield
            finally:
                self._turn.release()
        finally:
            self._places.release()

    def _ask(self, question: bytes) -> bytes:
        """Raises UserError, and ends the process, if there is no answer in time, or none at all."""
        if self._idle is not None:
            self._idle.cancel()
        if self._process is None or not self._process.is_alive():
            self._start()
        answer = None
        try:
            self._connection.send_bytes(question)
            if self._connection.poll(LONGEST):
                answer = self._connection.recv_bytes()
                return bytes(answer)
            raise UserError(self.slow)
        except (EOFError, OSError) as error:
            raise UserError(self.failed) from error
        finally:
            if answer is None:
                self._end()
            else:
                self._rest_later()

    def _start(self) -> None:
        self._end()
        context = multiprocessing.get_context("spawn")  # a fork would copy threads in mid-work
        self._connection, theirs = context.Pipe()
        args = (theirs, *self._args)
        self._process = context.Process(target=self._run, args=args, daemon=True, name=self.name)
        self._process.start()
        theirs.close()

    def _rest_later(self) -> None:
        """Free the memory of the process when there was no job for a while."""
        self._idle = threading.Timer(IDLE, self._rest)
        self._idle.daemon = True
        self._idle.start()

    def _rest(self) -> None:
        if self._turn.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._turn.release()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # it has nothing to save
            process.join(1)
            self._connection.close()
