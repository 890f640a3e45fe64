"""A worker: composes and plays for some stations, in a process of its own or in the server's."""

import contextlib
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from config_bach import Paths, UserError
from stream.messages import Begin, Change, Compose, End, Load, Order, Pace, Report
from stream.model_cache import ModelCache
from stream.pool import Pool
from stream.producer import Producer
from stream.settings import Server

log = logging.getLogger("play_bach")

WATCH = 0.2  # seconds between two looks at all producers


class Worker:
    """Producers by their number, the threads that work for them, and a watch over both."""

    def __init__(
        self, models: ModelCache, server: Server, threads: int, report: Callable[[Report], None]
    ) -> None:
        """report: takes what is to be told; it may be called from any thread."""
        self.pool = Pool(threads)
        self._models, self._server, self._report = models, server, report
        self._producers: dict[int, Producer] = {}
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True, name="watch producers").start()

    def handle(self, order: Order) -> None:
        """Do what the server asks; one order after the other. What cannot be done is logged."""
        try:
            self._do(order)
        except UserError as error:  # the server has tried the same before
            log.warning("a worker cannot do what it is asked: %s", error)

    def _do(self, order: Order) -> None:
        number = order.number
        if isinstance(order, Begin):
            self._producers[number] = Producer(
                order, self._models, self._server, self.pool, self._report
            )
        elif (producer := self._producers.get(number)) is None:
            return  # it could not begin
        elif isinstance(order, Compose):
            producer.compose(order)
        elif isinstance(order, Change):
            producer.change(order.settings)
        elif isinstance(order, Pace):
            producer.pace(order.kinds, order.begun)
        elif isinstance(order, End):
            self._producers.pop(number).end()

    def close(self) -> None:
        """End all producers and threads."""
        self._over.set()
        for producer in list(self._producers.values()):
            producer.end()
        self.pool.close()

    def _watch(self) -> None:
        while not self._over.wait(WATCH):
            producers = list(self._producers.values())
            for producer in producers:
                producer.check()
            slack = min((x.lead for x in producers if x.listening), default=math.inf)
            self._report(Load(self.pool.load, self.pool.costs(), slack, time.process_time()))


def run(connection: Connection, paths: Paths, server: Server) -> None:
    """The process of a worker: orders come and reports go over a connection, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then hangs up
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sending = threading.Lock()

    def report(what: Report) -> None:
        try:
            with sending:
                connection.send(what)
        except OSError:
            os._exit(0)  # the server has gone

    models = ModelCache(paths, server.variant, server.runtime)
    with contextlib.suppress(UserError):  # the server says what is wrong
        models.model(models.usual() or "")
    worker = Worker(models, server, 1, report)
    with contextlib.suppress(EOFError, OSError):
        while True:
            worker.handle(connection.recv())
    os._exit(0)  # threads in the middle of a block must not hold it up
