"""One of the processes of a training: `python -m workflows.worker FOLDER INDEX`, started by parallel.py.

All processes hold the same network and take the same batches, of which each computes its share; JAX adds
up what they learn. So they end with the same weights as one process alone would. The first one saves.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
from keras import tree

from config_bach import UserError
from families.base import Corpus, Split
from families.large import read_shards
from families.metrics import Metrics
from families.registry import family_of
from families.split import divided
from storage import bundle as bundles
from storage.bundle import Bundle
from storage.files import write_text
from workflows.checkpoint import CheckpointCallback
from workflows.parallel import ADDRESS, Plan, newest
from workflows.signals import Waiting
from workflows.trainer import TrainingTask, fit

PATIENCE = 120  # seconds until all processes are there
HEARTBEAT = 20  # seconds after which a process that says nothing is taken for dead


class Share(keras.utils.PyDataset):
    """The rows of every batch that one of several processes computes.

    A batch that is too short is filled up with what is not counted, since all shares are equal.
    """

    def __init__(self, batches: keras.utils.PyDataset, batch: int, index: int, count: int) -> None:
        super().__init__()
        self._batches, self._batch = batches, batch
        size = batch // count
        self._rows = slice(index * size, (index + 1) * size)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        inputs, targets = self._batches[i]
        return tree.map_structure(partial(self._part, 0), inputs), tree.map_structure(
            partial(self._part, -1), targets
        )

    def _part(self, filling: int, rows: Any) -> Any:
        missing = self._batch - len(rows)
        if missing:
            rows = np.pad(
                rows, [(0, missing)] + [(0, 0)] * (rows.ndim - 1), constant_values=filling
            )
        return rows[self._rows]

    def on_epoch_end(self) -> None:
        """Begin the next epoch."""
        self._batches.on_epoch_end()


class Follower(CheckpointCallback):
    """Measures like the first process, and saves nothing."""

    def _save(self, now: Bundle, mean: bundles.Arrays) -> Path:
        return self.folder


def main(folder: Path, index: int) -> None:
    """Train on from the last checkpoint to the end."""
    plan = Plan.load(folder)
    _meet(folder, index, plan.processes)
    log = logging.getLogger("play_bach")
    log.setLevel(logging.INFO if index == 0 else logging.ERROR)
    log.handlers, log.propagate = [logging.StreamHandler(sys.stdout)], False
    bundle = newest(folder)
    keras.utils.set_random_seed(bundle.training.seed)
    task = TrainingTask.of(bundle, _parts(plan, bundle))
    alone = task.compiled(replace(bundle, optimizer=[]))  # measures, in this process
    if plan.processes > 1:
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(auto_shard_dataset=False)
        )
    keras.utils.set_random_seed(bundle.training.seed)
    model = task.compiled(bundle)
    model.jit_compile = True  # what is not compiled is slow on JAX
    kind = CheckpointCallback if index == 0 else Follower
    validate = partial(_validated, task, alone)
    checkpoint = kind(bundle, validate, task.unknown, folder, Waiting())
    checkpoint.screen = sys.stdout
    size = bundle.training.batch
    fit(model, task, checkpoint, lambda batches: Share(batches, size, index, plan.processes))


def _parts(plan: Plan, bundle: Bundle) -> Split:
    """The pieces, as the training was begun with."""
    family = family_of(bundle.network.model_type)
    found: Corpus = read_shards(
        Path(plan.shards), family, bundle.vocabulary.encoding, bundle.training.seed
    )
    return replace(divided(found.pieces, found.sides, found.kind), shards=found.shards)


def _validated(task: TrainingTask, alone: keras.Model, model: keras.Model) -> Metrics:
    """The figures of the weights of a network that is spread over processes, measured in this one."""
    spread = keras.distribution.distribution()
    weights = [np.asarray(w) for w in model.get_weights()]
    keras.distribution.set_distribution(None)
    try:
        alone.set_weights(weights)
        return task.measure(alone, "valid")
    finally:
        keras.distribution.set_distribution(spread)


def _meet(folder: Path, index: int, count: int) -> None:
    """Wait until all processes are there. The first one writes where it is into the folder."""
    if count == 1:
        return
    file = folder / ADDRESS
    if index == 0:
        with socket.socket() as free:
            free.bind(("", 0))
            write_text(file, f"{_own_address()}:{free.getsockname()[1]}")
    limit = time.monotonic() + PATIENCE
    while not file.is_file():
        if time.monotonic() > limit:
            raise UserError(f"the first process has not written {file}; do all see that folder?")
        time.sleep(0.1)
    jax.distributed.initialize(
        file.read_text("utf-8"),
        count,
        index,
        initialization_timeout=PATIENCE,
        heartbeat_timeout_seconds=HEARTBEAT,
    )


def _own_address() -> str:
    """The address by which other machines reach this one; that of itself where it has no network."""
    if os.environ.get("PLAY_BACH_ONE_MACHINE"):
        return "127.0.0.1"
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


def _end_with_parent() -> None:
    """End when who started this process is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to who started all of them
    main(Path(sys.argv[1]), int(sys.argv[2]))
