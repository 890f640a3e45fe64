"""A training that is stopped, at whatever moment, loses nothing that it said it had kept."""

import logging
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import home

from config_bach import Encoding, Network, Paths, Training
from families.base import Corpus
from litert import export
from music.events import Piece
from storage.bundle import Bundle, load
from storage.catalog import path_of
from workflows.signals import Terminated, terminate
from workflows.trainer import new_bundle, resumed, train

pytestmark = pytest.mark.slow

SMALL = Network(model_type=3, units=8, embedding=4, seqlen=8, layers=1)
MOMENTS = 4
Said = list[str]


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: Said = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def said() -> Iterator[Said]:
    """What was told."""
    log, told = logging.getLogger("play_bach"), _Lines()
    level = log.level
    log.setLevel("INFO")
    log.addHandler(told)
    yield told.lines
    log.removeHandler(told)
    log.setLevel(level)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Those of the program."""
    kept = [(s, signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, terminate)
    yield
    for number, handler in kept:
        signal.signal(number, handler)


def fit(tunes: list[Piece], paths: Paths) -> Bundle:
    corpus = Corpus("tunes", tuple(tunes), ())
    bundle, parts = new_bundle("t", corpus, Encoding(), SMALL, Training(epochs=3, min_steps=4))
    return train(bundle, parts, paths)


def epochs(path: Path) -> int:
    return len(load(path).metadata["history"]) if path.is_file() else 0


def on_save(monkeypatch: pytest.MonkeyPatch, name: str, number: signal.Signals) -> None:
    """A signal that comes three times, just before the first file of that name is written."""
    save, left = Bundle.save, [3]

    def interrupted(bundle: Bundle, path: Path) -> None:
        while path.name == name and left[0]:
            left[0] -= 1
            signal.raise_signal(number)
        save(bundle, path)

    monkeypatch.setattr(Bundle, "save", interrupted)


@pytest.mark.usefixtures("without_export")
@pytest.mark.parametrize("name", ["best.zip", "last.zip"])
def test_ctrl_c_while_the_first_epoch_is_saved_ends_with_that_epoch(
    tunes: list[Piece], paths: Paths, said: Said, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    on_save(monkeypatch, name, signal.SIGINT)
    bundle = fit(tunes, paths)
    assert epochs(path_of(bundle.name, paths)) == 1
    assert epochs(paths.checkpoint / bundle.name / "last.zip") == 1
    assert "stopped by you; what was learned is kept, go on with -l 1 -f --app t" in said
    assert any(re.fullmatch(r"model fitted in \d+ sec for 3 .* 1 actual epoch", s) for s in said)


def test_sigterm_keeps_the_epoch_and_ends_at_once(
    tunes: list[Piece], paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_save(monkeypatch, "best.zip", signal.SIGTERM)
    with pytest.raises(Terminated, match="stopped; what was learned is kept, go on with -l 1 -f"):
        fit(tunes, paths)
    assert epochs(paths.checkpoint / "t3_nc_mo" / "last.zip") == 1
    assert not list(paths.models.iterdir())


def test_what_comes_after_the_last_epoch_is_made_up_for_without_learning_more(
    tunes: list[Piece], paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return real(*_)

    real = export.with_variants
    monkeypatch.setattr(export, "with_variants", interrupted)
    with pytest.raises(KeyboardInterrupt, match="is kept, finish it with -l 1 -f --app t"):
        fit(tunes, paths)
    assert not list(paths.models.iterdir())
    monkeypatch.setattr(export, "with_variants", real)
    corpus, last = Corpus("tunes", tuple(tunes), ()), paths.checkpoint / "t3_nc_mo" / "last.zip"
    bundle, parts = resumed(load(last), None, corpus, written=False)
    done = train(bundle, parts, paths)
    assert [e["epoch"] for e in done.metadata["history"]] == [1, 2, 3]
    assert epochs(path_of(done.name, paths)) == 3
    assert resumed(done, None, corpus)[0].metadata["epochs"] == 6


def test_nothing_that_was_told_is_lost_at_any_moment(
    tunes: list[Piece], tmp_path: Path, said: Said
) -> None:
    """Signals by the clock, over the length of a training; see also bench/stops.py."""
    start = time.monotonic()
    fit(tunes, home(tmp_path / "whole"))
    whole = time.monotonic() - start
    for moment in range(MOMENTS):
        said.clear()
        paths = home(tmp_path / str(moment))
        number = (signal.SIGINT, signal.SIGTERM)[moment % 2]
        sentence = _stopped(lambda p=paths: fit(tunes, p), number, whole * (moment + 0.5) / MOMENTS)  # type: ignore[misc]
        told = max([0, *(int(m[1]) for s in said if (m := re.match(r"epoch (\d+)/", s)))])
        folder = paths.checkpoint / "t3_nc_mo"
        assert epochs(folder / "last.zip") >= told
        if told or "is kept" in sentence:
            assert epochs(folder / "best.zip")
        if any(s.startswith("model saved to") for s in said):
            assert epochs(path_of("t3_nc_mo", paths)) == told


def _stopped(work: Callable[[], object], number: signal.Signals, after: float) -> str:
    """Send a signal to this process after so many seconds of work; returns what stopped it."""
    timer = threading.Timer(after, os.kill, (os.getpid(), number))
    timer.start()
    try:
        work()
        timer.join()
        time.sleep(0.01)  # a signal after all was done ends the wait
    except KeyboardInterrupt as stop:
        return str(stop)
    return ""
