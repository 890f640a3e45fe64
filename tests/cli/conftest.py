"""What the tests of the command line share."""

import logging
from collections.abc import Callable, Iterator

import pytest
from conftest import SHIPPED

from config_bach import Paths
from play_bach import run as run_play_bach

Run = Callable[..., None]


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """What a command line does to the log ends with its test."""
    log = logging.getLogger("play_bach")
    kept = log.handlers, log.level, log.propagate
    yield
    log.handlers, log.level, log.propagate = kept


@pytest.fixture
def with_shipped(paths: Paths) -> Paths:
    """An installation with the shipped model of type 2."""
    (paths.models / SHIPPED.name).write_bytes(SHIPPED.read_bytes())
    return paths


@pytest.fixture
def run(paths: Paths) -> Run:
    """The command line in this process, in the installation of the test."""
    return lambda *words: run_play_bach([str(word) for word in words], paths)
