"""log_play_bach.log: every run, what it was asked, what it told, how it ended and after how long."""

import argparse
import logging
import re
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler

from cli.options import OPTIONS
from config_bach import Paths, UserError

LARGEST, KEPT = 1_000_000, 3  # bytes of the log, and how many earlier ones are kept

runs = logging.getLogger("play_bach.runs")
training = logging.getLogger("play_bach")


class _Formatter(logging.Formatter):
    """Leaves out what stands before an @ in an address: it may be a password."""

    def format(self, record: logging.LogRecord) -> str:
        return re.sub(r"//[^/@\s]*@", "//***@", super().format(record))


class _Handler(RotatingFileHandler):
    """Opens the file with the first line, and never fails a run."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (its name in logging)
        """A disk that is full, a folder that cannot be written: then there is no log."""


@contextmanager
def recorded(args: argparse.Namespace, paths: Paths) -> Iterator[None]:
    """Write the beginning and the end of a run into the log, and what is `told` in between."""
    handler = _Handler(paths.log, maxBytes=LARGEST, backupCount=KEPT, encoding="utf-8", delay=True)
    handler.setFormatter(_Formatter("%(asctime)s [%(process)d] %(message)s"))
    runs.handlers, runs.propagate = [handler], False
    runs.setLevel(logging.INFO)
    start, outcome = time.monotonic(), "failed"
    runs.info("asked: %s", asked(args))
    try:
        yield
        outcome = "done"
    except UserError as error:
        # a sentence about the server's settings may quote a password
        outcome = "refused" if args.stream else f"refused: {error}"
        raise
    except KeyboardInterrupt:
        outcome = "stopped"
        raise
    except Exception as error:
        outcome = f"failed with {type(error).__name__}"
        raise
    finally:
        runs.info("ended after %.1f s: %s", time.monotonic() - start, outcome)
        runs.handlers = []
        handler.close()


@contextmanager
def with_training() -> Iterator[None]:
    """Write what training tells into the log as well."""
    added = [handler for handler in runs.handlers if handler not in training.handlers]
    training.handlers = [*training.handlers, *added]
    try:
        yield
    finally:
        training.handlers = [h for h in training.handlers if h not in added]


def told(line: str) -> None:
    """Print a line, and write it into the log."""
    print(line, flush=True)
    runs.info("%s", line.strip())


def asked(args: argparse.Namespace) -> str:
    """The command line again, as it was understood."""
    words = []
    for option in OPTIONS:
        value = getattr(args, option.dest)
        if option.given(args) and value != option.how.get("default"):
            given = value if isinstance(value, list) else [] if value is True else [value]
            words += [option.flags[0], *map(str, given)]
    return shlex.join(words)
