"""Several processes train together, and what becomes of the others when one of them ends."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from config_bach import Encoding, Network, Training, UserError
from storage.bundle import Bundle
from storage.vocabulary import Field, Vocabulary
from workflows import parallel
from workflows.parallel import LocalProcess, Plan, newest, train

BUNDLE = Bundle(
    "x",
    Vocabulary(Encoding(), (Field("pitch", ("?", "C4", "D4")),)),
    Network(),
    Training(),
    {"history": [], "epochs": 3, "corpus": {"source": "x"}},
)
PLAN = Plan("shards", 2)


def after(epochs: int, bundle: Bundle = BUNDLE) -> Bundle:
    return bundle.with_metadata(history=[{"epoch": i + 1} for i in range(epochs)])


class Scripted:
    """A process that ends with a code after so many looks at it."""

    def __init__(self, looks: int, code: int, does: Callable[[], None] = lambda: None) -> None:
        self.looks, self.code, self.does, self.ended = looks, code, does, False

    def poll(self) -> int | None:
        self.looks -= 1
        if self.looks == 0:
            self.does()
        return None if self.looks > 0 else self.code

    def end(self) -> None:
        self.ended = True


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "POLL", 0)


def scripted(rounds: list[list[Scripted]]) -> Callable[[Path, int], Scripted]:
    """Starts the processes of each round in turn."""
    started = iter([process for processes in rounds for process in processes])
    return lambda folder, index: next(started)


def test_it_is_done_when_the_first_process_is(tmp_path: Path) -> None:
    done = [Scripted(3, 0, lambda: after(3).save(tmp_path / "last.zip")), Scripted(99, 0)]
    found = train(BUNDLE, PLAN, tmp_path, scripted([done]), lambda: None)
    assert len(found.metadata["history"]) == 3
    assert all(process.ended for process in done)
    assert Plan.load(tmp_path) == PLAN


@pytest.mark.parametrize("dying", [0, 1])
def test_all_start_again_when_one_dies(tmp_path: Path, dying: int) -> None:
    first = [Scripted(99, 0), Scripted(99, 0)]
    first[dying] = Scripted(2, -9, lambda: after(1).save(tmp_path / "last.zip"))
    second = [Scripted(2, 0, lambda: after(3).save(tmp_path / "last.zip")), Scripted(9, 0)]
    found = train(BUNDLE, PLAN, tmp_path, scripted([first, second]), lambda: None)
    assert len(found.metadata["history"]) == 3
    assert all(process.ended for process in (*first, *second))


def test_it_gives_up_when_nothing_is_learned(tmp_path: Path) -> None:
    rounds = [[Scripted(1, 1), Scripted(9, 0)] for _ in range(3)]
    with pytest.raises(UserError, match="3 times before an epoch"):
        train(BUNDLE, PLAN, tmp_path, scripted(rounds), lambda: None)


def test_it_does_not_give_up_while_it_gets_on(tmp_path: Path) -> None:
    def learn(epochs: int) -> Callable[[], None]:
        return lambda: after(epochs).save(tmp_path / "last.zip")

    rounds = [[Scripted(1, 1, learn(n)), Scripted(9, 0)] for n in range(1, 6)]
    rounds.append([Scripted(1, 0, learn(6)), Scripted(9, 0)])
    found = train(BUNDLE, PLAN, tmp_path, scripted(rounds), lambda: None)
    assert len(found.metadata["history"]) == 6


def test_a_stop_ends_all_processes(tmp_path: Path) -> None:
    running = [Scripted(99, 0), Scripted(99, 0)]

    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(BUNDLE, PLAN, tmp_path, scripted([running]), check)
    assert all(process.ended for process in running)


def test_the_newest_is_what_got_furthest(tmp_path: Path) -> None:
    after(2, BUNDLE.with_metadata(epochs=9)).save(tmp_path / "start.zip")
    assert len(newest(tmp_path).metadata["history"]) == 2
    for epochs, wanted in ((1, 2), (2, 2), (4, 4)):
        after(epochs).save(tmp_path / "last.zip")
        found = newest(tmp_path).metadata
        assert (len(found["history"]), found["epochs"]) == (wanted, 9)


def test_where_the_first_process_was_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / parallel.ADDRESS).write_text("gone:1")
    done = [Scripted(1, 0), Scripted(9, 0)]
    train(BUNDLE, PLAN, tmp_path, scripted([done]), lambda: None)
    assert not (tmp_path / parallel.ADDRESS).exists()


def test_a_process_that_ends_itself_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    process = LocalProcess(tmp_path, 1)
    limit = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    assert process.poll() == 1
    process.end()
    assert (tmp_path / "worker-1.log").exists()


RUN = """
import json, os, signal, sys, threading
from pathlib import Path
from workflows.parallel import LocalProcess, Plan, train
from storage import bundle
folder, plan, kill = Path(sys.argv[1]), Plan(sys.argv[2], int(sys.argv[3])), sys.argv[4] == "kill"
started, killed = [], []
def start(where, index):
    started.append(LocalProcess(where, index))
    return started[-1]
def check():
    if kill and not killed and (folder / "last.zip").is_file():
        killed.append(started[-1].pid)
        os.kill(started[-1].pid, signal.SIGKILL)
found = train(bundle.load(folder / "new.zip"), plan, folder, start, check)
print(json.dumps([len(started), [e["train_nll"] for e in found.metadata["history"]]]))
"""


def trained(folder: Path, new: Bundle, shards: Path, processes: int, kill: str = "") -> Any:
    """The processes that were started, and the loss of each epoch."""
    folder.mkdir()
    new.save(folder / "new.zip")
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder), str(shards), str(processes), kill],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_two_processes_learn_what_one_does_and_survive_a_kill(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    pytest.importorskip("pyarrow")
    from conftest import tune

    from families.large import read_shards
    from families.registry import family_of
    from midi_io import write_midi
    from workflows.encoding import LocalWorkers, Target, encode
    from workflows.trainer import new_bundle

    files, shards = tmp_path / "files", tmp_path / "shards"
    files.mkdir()
    for i in range(12):
        write_midi(files / f"{i}.mid", tune(50 + i, 30 + 3 * i).events, 100, 43)
    family, encoding = family_of(2), Encoding(transpose=1)
    encode(str(files), Target(2, encoding, shards), LocalWorkers(1), show=False)
    corpus = read_shards(shards, family, encoding, 1)
    network = replace(family.network, units=8, layers=1, embedding=4, seqlen=8)
    training = Training(epochs=2, batch=8, min_steps=6)
    new, _ = new_bundle("x", corpus, encoding, network, training)
    one, two = (trained(tmp_path / str(n), new, shards, n) for n in (1, 2))
    assert two[1] == pytest.approx(one[1], abs=1e-4)
    started, losses = trained(tmp_path / "killed", new, shards, 2, "kill")
    assert started == 4
    assert losses == pytest.approx(one[1], abs=0.2)
