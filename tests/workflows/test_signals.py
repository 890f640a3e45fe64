"""Ctrl-C and SIGTERM wait where something would be lost, and end everything else."""

import signal
from contextlib import suppress

import pytest

from workflows.signals import Terminated, obeyed, terminate, waiting


def test_a_signal_waits_until_it_is_asked_for() -> None:
    before = signal.getsignal(signal.SIGINT)
    with waiting() as signals:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signals.check()
        signals.check()  # once
    assert signal.getsignal(signal.SIGINT) is before


def test_what_was_not_asked_for_comes_at_the_end() -> None:
    done = []

    def work() -> None:
        with waiting():
            signal.raise_signal(signal.SIGTERM)
            done.append("all")

    with pytest.raises(Terminated):
        work()
    assert done == ["all"]


def test_a_second_signal_is_obeyed_at_once_but_not_while_something_is_saved() -> None:
    with waiting() as signals:
        with signals.uninterrupted():
            for _ in range(5):
                signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@obeyed()
def swallowing() -> None:
    with suppress(BaseException):
        signal.raise_signal(signal.SIGINT)


@obeyed()
def disguising() -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException as error:
        raise ImportError("no library") from error


def test_code_that_swallows_or_disguises_it_is_ended_all_the_same() -> None:
    with pytest.raises(KeyboardInterrupt):
        swallowing()
    with pytest.raises(Terminated):
        disguising()
    with pytest.raises(ImportError), obeyed():
        raise ImportError("no library")


def test_a_signal_that_is_ignored_stays_so() -> None:
    kept = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with waiting() as signals:
            signal.raise_signal(signal.SIGINT)
            signals.check()
    finally:
        signal.signal(signal.SIGINT, kept)


def test_sigterm_raises_what_ctrl_c_raises() -> None:
    with pytest.raises(KeyboardInterrupt) as stopped:
        terminate(signal.SIGTERM, None)
    assert isinstance(stopped.value, Terminated)
