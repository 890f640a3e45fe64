"""What takes long is done beside the music, one after the other."""

import threading
from collections.abc import Iterator

import pytest

from config_bach import UserError
from duet.worker import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    found = Worker()
    found.refused = []  # type: ignore[attr-defined]
    found.on_refusal = found.refused.append  # type: ignore[attr-defined]
    yield found
    found.stop()


def test_of_two_under_one_key_the_later_is_done_and_it_comes_last(worker: Worker) -> None:
    done: list[str] = []
    ready = threading.Event()
    for key, what in (("a", "first"), ("b", "second"), ("a", "third")):
        worker.do(key, lambda what=what: done.append(what))  # type: ignore[misc]
    worker.do("end", ready.set)
    worker.start()
    assert ready.wait(5)
    assert done == ["second", "third"]


def test_what_goes_wrong_is_told_and_the_next_is_done(worker: Worker) -> None:
    ready = threading.Event()

    def refuse() -> None:
        raise UserError("there is no room.")

    def fail() -> None:
        raise KeyError("x")

    worker.do(1, refuse)
    worker.do(2, fail)
    worker.do(3, ready.set)
    worker.start()
    assert ready.wait(5)
    said = worker.refused  # type: ignore[attr-defined]
    assert said == ["there is no room.", "something went wrong; the log says what."]


def test_stopping_waits_for_what_is_being_done_and_leaves_out_what_waits(worker: Worker) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), list[int]()

    def work() -> None:
        begun.set()
        go_on.wait(5)
        done.append(1)

    worker.do(1, work)
    worker.start()
    assert begun.wait(5)
    worker.do(2, lambda: done.append(2))
    threading.Timer(0.1, go_on.set).start()
    worker.stop()
    assert done == [1]
    worker.stop()
    worker.do(3, lambda: done.append(3))
    assert done == [1], "nothing is done after that"
