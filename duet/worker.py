"""What takes long while music plays, in a thread of its own: loading models, keeping files."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable

from config_bach import UserError
from duet.dispatcher import LOOKING, real_time

Work = Callable[[], None]
PATIENCE = 2.0  # seconds that `stop` waits

log = logging.getLogger("play_bach.duet")


class Worker:
    """Does one thing after the other. Of two that wait under one key the later is done."""

    def __init__(self) -> None:
        self.on_refusal: Callable[[str], None] = log.warning
        self._waiting: dict[Hashable, Work] = {}
        self._some = threading.Condition()
        self._stop = False
        self._thread: threading.Thread | None = None

    def do(self, key: Hashable, work: Work) -> None:
        """Do something soon. What it raises as UserError is told to `on_refusal`."""
        with self._some:
            self._waiting.pop(key, None)  # it comes last
            self._waiting[key] = work
            self._some.notify()

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="worker")
        self._thread.start()

    def stop(self) -> None:
        """End; what waits is not done."""
        with self._some:
            self._stop = True
            self._some.notify()
        if self._thread:
            self._thread.join(PATIENCE)

    def _run(self) -> None:
        real_time(LOOKING)  # see dispatcher.real_time: without it all would wait for this thread
        while work := self._next():
            try:
                work()
            except UserError as error:
                self.on_refusal(str(error))
            except Exception:  # the music goes on
                log.exception("work that failed")
                self.on_refusal("something went wrong; the log says what.")

    def _next(self) -> Work | None:
        with self._some:
            while not self._waiting and not self._stop:
                self._some.wait()
            if self._stop:
                return None
            return self._waiting.pop(next(iter(self._waiting)))
