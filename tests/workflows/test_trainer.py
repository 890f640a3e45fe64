"""Training: it learns, reports honestly, and survives whatever stops it."""

import logging
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, TINY, home, tune
from PIL import Image

import play_bach
from config_bach import Encoding, Network, Paths, Training, UserError
from families.base import Corpus
from families.events.encoding import learn_vocabulary
from families.split import split
from music.events import Piece
from storage.bundle import Bundle, load
from storage.catalog import path_of
from workflows.checkpoint import CheckpointCallback
from workflows.trainer import TrainingTask, new_bundle, resumed, train

pytestmark = pytest.mark.slow

Trained = tuple[Bundle, Paths]
Once = tuple[Bundle, Paths, list[str]]
SMALL = Network(model_type=3, units=12, embedding=8, seqlen=8)
STEPS = 6  # batches in an epoch at the least


def corpus_of(tunes: list[Piece]) -> Corpus:
    return Corpus("tunes", tuple(tunes), ())


def small_fit(
    tunes: list[Piece], paths: Paths, tensorboard: bool = False, **training: Any
) -> Bundle:
    settings = Training(**{"epochs": 2, "min_steps": STEPS, **training})
    bundle, parts = new_bundle("t", corpus_of(tunes), Encoding(), SMALL, settings)
    return train(bundle, parts, paths, tensorboard)


class Lines(logging.Handler):
    """What was logged, line by line."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture(scope="module")
def once(
    tmp_path_factory: pytest.TempPathFactory, tunes: list[Piece]
) -> tuple[Bundle, Paths, list[str]]:
    """A small model after two epochs, its home, and what was told meanwhile."""
    paths, told = home(tmp_path_factory.mktemp("once")), Lines()
    log = logging.getLogger("play_bach")
    kept = log.level
    log.setLevel("INFO")
    log.addHandler(told)
    try:
        return small_fit(tunes, paths), paths, told.lines
    finally:
        log.removeHandler(told)
        log.setLevel(kept)


def test_it_learns_what_frequencies_cannot_tell(event_bundle: Trained) -> None:
    metrics = event_bundle[0].metadata["metrics"]
    frequent = metrics["baselines"]["most frequent symbol"]
    for side in ("valid", "test"):
        assert metrics[side]["nll"] < 0.6 * frequent["nll"]
        assert metrics[side]["accuracy"] > 2 * frequent["accuracy"]


def test_the_figures_in_the_bundle_are_those_of_its_weights(
    event_bundle: Trained, tunes: list[Piece]
) -> None:
    bundle, paths = event_bundle
    loaded = load(path_of(bundle.name, paths))
    sides = split(tunes, 1, "piece", loaded.metadata["corpus"]["pieces"])
    task = TrainingTask.of(loaded, sides)
    figures = task.measure(task.compiled(loaded), "valid")
    assert figures.nll == pytest.approx(loaded.metadata["metrics"]["valid"]["nll"], abs=1e-4)
    best = min(e["val_nll"] for e in loaded.metadata["history"])
    assert figures.nll == pytest.approx(best, abs=1e-4)


def test_held_out_pieces_are_the_primes(event_bundle: Trained) -> None:
    metadata = event_bundle[0].metadata
    held_out = {p["name"] for p in metadata["corpus"]["pieces"] if p["side"] != "train"}
    assert {p["name"] for p in metadata["primes"]} == held_out


def test_the_vocabulary_knows_training_pieces_only(tunes: list[Piece]) -> None:
    settings = Training()
    bundle, parts = new_bundle("t", corpus_of(tunes), Encoding(), SMALL, settings)
    assert bundle.vocabulary == learn_vocabulary(parts.train, Encoding(), False)


def test_pictures_are_drawn(event_bundle: Trained) -> None:
    bundle, paths = event_bundle
    for kind in ("curves", "network"):
        with Image.open(paths.models / f"{bundle.name}.{kind}.png") as picture:
            assert min(picture.size) > 200
            assert len(set(picture.convert("L").resize((80, 80)).getdata())) > 4


def test_epochs_and_improvements_are_reported(once: Once) -> None:
    text = "\n".join(once[2])
    assert re.search(r"epoch 1/2: train \d\.\d{3} nats .*%, validation \d\.\d{3} nats .*%", text)
    assert re.search(
        r"val_accuracy improved from 0\.00000 to 0\.\d{5}, saving model to .*best\.zip", text
    )
    assert re.search(r"val_nll improved from inf to \d+\.\d{5}, saving model to .*best\.zip", text)
    assert re.search(r"model fitted in \d+ sec for 2 configured epochs, and 2 actual epochs", text)
    assert "baseline, most frequent symbol" in text
    assert "baseline, longest-match lookup" in text
    assert re.search(
        r"t3_nc_mo: \d+ symbols?, \d+ weights, \d+ training and \d+ validation events", text
    )
    assert "learned: pitch" in text
    assert "model saved to" in text
    assert re.search(
        r"held out \(split by whole piece.*\): validation \d.* nats .*%, test \d", text
    )


def test_a_single_piece_trains_and_is_labelled(paths: Paths) -> None:
    """And TensorBoard's events are written where they are asked for."""
    bundle = small_fit([tune(50, 80)], paths, tensorboard=True, epochs=1)
    assert "LEAKS" in bundle.metadata["label"]
    assert bundle.steps["float32"]
    assert list((paths.checkpoint / bundle.name / "tensorboard").rglob("events.out*"))


@pytest.mark.usefixtures("without_export")
def test_pieces_shorter_than_the_window_train(paths: Paths) -> None:
    short = [tune(50 + i, 5 + i % 3) for i in range(8)]
    assert small_fit(short, paths, epochs=1).metadata["metrics"]["valid"]["events"] > 0


def test_a_piece_too_short_to_hold_anything_out_is_said(paths: Paths) -> None:
    with pytest.raises(UserError, match="too short"):
        small_fit([tune(50, 8)], paths)


@pytest.mark.usefixtures("without_export")
def test_it_stops_when_nothing_gets_better(tunes: list[Piece], paths: Paths) -> None:
    bundle = small_fit(tunes, paths, epochs=40, patience=1, learning_rate=1.0)
    history = bundle.metadata["history"]
    assert len(history) < 40
    assert min(e["val_nll"] for e in history) != history[-1]["val_nll"]


@pytest.mark.usefixtures("without_export")
def test_a_finished_model_is_trained_further(once: Once, tunes: list[Piece], paths: Paths) -> None:
    shutil.copytree(once[1].root, paths.root, dirs_exist_ok=True)
    bundle, parts = resumed(once[0], 1, corpus_of(tunes))
    more = train(bundle, parts, paths)
    assert [e["epoch"] for e in more.metadata["history"]] == [1, 2, 3]
    kept = paths.models / f"{bundle.name}.1.zip"
    assert len(load(kept).metadata["history"]) == 2


@pytest.mark.usefixtures("without_export")
def test_a_model_from_elsewhere_is_trained_further(
    event_bundle: Trained, tunes: list[Piece], paths: Paths
) -> None:
    """There is a bundle but no checkpoint; further epochs may not better it, and do no harm."""
    training = replace(event_bundle[0].training, learning_rate=1.0, min_steps=STEPS)
    spoiled = replace(event_bundle[0], training=training)
    bundle, parts = resumed(spoiled, 1, corpus_of(tunes))
    after = train(bundle, parts, paths)
    assert (
        after.metadata["metrics"]["valid"]["nll"]
        <= event_bundle[0].metadata["metrics"]["valid"]["nll"] + 1e-4
    )
    assert len(after.metadata["history"]) == 6


def test_folders_that_cannot_be_written_are_named_before_training(
    tunes: list[Piece], paths: Paths
) -> None:
    paths.models.rmdir()
    paths.models.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="models"):
        small_fit(tunes, paths, epochs=100_000)


def test_the_optimizer_goes_on_where_it_stopped(once: Once, tunes: list[Piece]) -> None:
    last = load(once[1].checkpoint / once[0].name / "last.zip")
    task = TrainingTask.of(last, split(tunes, 1, "piece"))
    model = task.compiled(last)
    batches = len(task.family.batches(task.dataset, last, 0))
    assert STEPS <= batches == int(model.optimizer.iterations) / 2
    momenta = [np.abs(np.array(v)).sum() for v in model.optimizer.variables if "momentum" in v.path]
    assert momenta
    assert all(m > 0 for m in momenta[:3])


@pytest.mark.parametrize(
    ("done", "planned", "asked", "target"),
    [
        (2, 2, None, 2 + 30),  # finished: as many more as a training has
        (2, 2, 1, 3),
        (2, 9, None, 9),  # interrupted: what was planned
        (2, 9, 4, 6),
        (7, 9, None, 7 + 30),  # stopped because nothing got better
        (6, 9, None, 9),
    ],
)
def test_how_far_a_training_goes_on(
    tunes: list[Piece], done: int, planned: int, asked: int | None, target: int
) -> None:
    """The second epoch was the best one, and five without a better one are enough."""
    bundle, _ = new_bundle("t", corpus_of(tunes), Encoding(), SMALL, Training())
    history = [{"epoch": i + 1, "val_nll": 2.0 + abs(i - 1)} for i in range(done)]
    known = replace(bundle.with_metadata(history=history, epochs=planned), steps={"int8": b"x"})
    again, parts = resumed(known, asked, corpus_of(tunes))
    assert again.metadata["epochs"] == target
    assert again.steps == {}
    assert again.metadata["corpus"]["pieces"] == parts.table()


def known_after(tunes: list[Piece], done: int) -> Bundle:
    """A bundle that has learned from tunes for so many epochs, as far as its description goes."""
    bundle, _ = new_bundle("t", corpus_of(tunes), Encoding(), SMALL, Training())
    history = [{"epoch": i + 1, "val_nll": 2.0 - i / 100} for i in range(done)]
    return bundle.with_metadata(history=history)


def test_a_corpus_that_grew_a_little_goes_on(tunes: list[Piece], caplog: Any) -> None:
    """Two more are for training: the shares hold without them, and what is held out is the same."""
    known = known_after(tunes[:10], 3)
    with caplog.at_level("INFO", logger="play_bach"):
        again, parts = resumed(known, None, corpus_of(tunes))
    assert len(again.metadata["history"]) == 3
    assert {p.name for p in tunes[10:]} <= {p.name for p in parts.train}
    assert caplog.messages[0] == (
        "the corpus has changed: 2 new pieces: 2 for training, 0 for validation, 0 for test; 0 gone"
    )


def test_another_corpus_is_divided_anew_and_what_cannot_be_learned_is_said(
    tunes: list[Piece], caplog: Any
) -> None:
    others = [tune(90 + i, 51 + 3 * i) for i in range(10)]
    known = known_after(tunes, 3)
    with caplog.at_level("INFO", logger="play_bach"):
        again, parts = resumed(known, None, corpus_of([tunes[0], *others]))
    sides = {row["name"]: row["side"] for row in known.metadata["corpus"]["pieces"]}
    assert tunes[0].name in {p.name for p in getattr(parts, sides[tunes[0].name])}
    assert [len(side) for side in (parts.train, parts.valid, parts.test)] == [8, 2, 1]
    assert again.metadata["history"] == []  # other pieces are measured now
    assert again.metadata["epochs"] == known.training.epochs
    assert again.metadata["corpus"]["pieces"] == parts.table()
    assert "10 new pieces: 7 for training, 2 for validation, 1 for test; 11 gone" in caplog.text
    assert re.search(
        r"^(\d+) of their \d+ steps are not in the vocabulary of t3_nc_mo and stay '\?'; .*: "
        "-l 1 -f --from t3_nc_mo --app NAME --corpus tunes$",
        caplog.messages[1],
    )


def test_the_same_corpus_says_nothing(tunes: list[Piece], caplog: Any) -> None:
    with caplog.at_level("INFO", logger="play_bach"):
        resumed(known_after(tunes, 3), None, corpus_of(tunes))
    assert caplog.messages == []


def test_a_corpus_of_which_all_was_learned_from_is_refused(
    tunes: list[Piece], paths: Paths
) -> None:
    known = known_after(tunes, 0)
    sides = {row["name"]: row["side"] for row in known.metadata["corpus"]["pieces"]}
    learned = [p for p in tunes if sides[p.name] == "train"]
    again, parts = resumed(known, None, corpus_of(learned))
    with pytest.raises(
        UserError, match=r"nothing can be held out .*: t3_nc_mo has learned from all"
    ):
        train(again, parts, paths)


@pytest.mark.usefixtures("without_export")
def test_a_resumed_run_is_the_run_that_was_not_interrupted(
    tunes: list[Piece], paths: Paths
) -> None:
    """Without dropout the two are the same to the last digits that matter."""
    plain = replace(SMALL, dropout=0.0)
    corpus, settings = corpus_of(tunes), Training(epochs=3, min_steps=STEPS)
    whole = Paths(paths.root / "whole")
    bundle, parts = new_bundle("t", corpus, Encoding(), plain, settings)
    straight = train(bundle, parts, whole)
    bundle, parts = new_bundle("t", corpus, Encoding(), plain, settings)
    stopper = StopAfter(1)
    with stopper:
        train(bundle, parts, paths)
    bundle, parts = resumed(load(paths.checkpoint / bundle.name / "last.zip"), None, corpus)
    assert len(bundle.metadata["history"]) == 1
    again = train(bundle, parts, paths)
    losses = [[e["val_nll"] for e in b.metadata["history"]] for b in (straight, again)]
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)


class StopAfter:
    """Press Ctrl-C after so many epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def __enter__(self) -> None:
        self.real = CheckpointCallback.on_epoch_end

        def then_stop(callback: CheckpointCallback, epoch: int, logs: Any = None) -> None:
            if self.epochs:
                self.real(callback, epoch, logs)
            if epoch + 1 >= self.epochs:
                raise KeyboardInterrupt

        CheckpointCallback.on_epoch_end = then_stop  # type: ignore[method-assign,assignment]

    def __exit__(self, *_: object) -> None:
        CheckpointCallback.on_epoch_end = self.real  # type: ignore[method-assign]


def start_training(home: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "play_bach.py"), "-f", "--app", "t", *words],
        env={"PATH": "/usr/bin:/bin", "PLAY_BACH_HOME": str(home)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_epoch(log: Path, least: int, seconds: float = 120) -> None:
    """Until that epoch of two hundred has ended."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if log.is_file() and max([0, *epochs_in(log.read_text())]) >= least:
            return
        time.sleep(0.02)
    pytest.fail(f"epoch {least} never ended")


def epochs_in(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"epoch (\d+)/200:", text)]


def test_killed_it_goes_on_and_ctrl_c_keeps_what_was_learned(
    write_tunes: Callable[[], Paths],
) -> None:
    """A training of two hundred epochs is killed in the third, taken up again, and stopped."""
    paths = write_tunes()
    process = start_training(paths.root, "-l", "0", "-e", "200", *TINY)
    wait_for_epoch(paths.log, 2)
    time.sleep(0.3)  # into the third epoch
    process.kill()
    process.communicate()
    before = max(epochs_in(paths.log.read_text()))
    assert not (paths.models / "t1_nc_mo.zip").exists()

    process = start_training(paths.root, "-l", "1")
    wait_for_epoch(paths.log, before + 2)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert "stopped by you; what was learned is kept, go on with -l 1 -f --app t" in output
    after = epochs_in(output)
    assert after[0] in (before, before + 1)  # its line may have come before its checkpoint
    assert after == list(range(after[0], after[-1] + 1))
    history = load(paths.models / "t1_nc_mo.zip").metadata["history"]
    assert [e["epoch"] for e in history] == list(range(1, after[-1] + 1))
    play_bach.run(["-pm", "--app", "t", "--notes", "20"], paths)
    assert (paths.models / "t1_nc_mo.mid").is_file()


def test_ctrl_c_in_the_first_epoch_leaves_nothing(tunes: list[Piece], paths: Paths) -> None:
    with (
        StopAfter(0),
        pytest.raises(KeyboardInterrupt, match="stopped before the first epoch ended"),
    ):
        small_fit(tunes, paths)
    assert list(paths.models.glob("*.zip")) == []
