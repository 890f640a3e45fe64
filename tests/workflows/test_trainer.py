"""Training: it learns, reports honestly, and survives whatever stops it."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import bundle as bundles
import numpy as np
import pytest
from bundle import Bundle
from conftest import ROOT, TINY, play_bach, tune
from corpus import Corpus
from course import compiled
from dataset import lessons, split
from evaluate import measure
from fit import Keeper, fit, new_bundle, resumed
from piece import Piece
from PIL import Image
from vocabulary import Vocabulary

from config_bach import Encoding, Network, Places, Training, UserError

Trained = tuple[Bundle, Places]
SMALL = Network(model_type=3, units=12, embedding=8, seqlen=8)


def corpus_of(tunes: list[Piece]) -> Corpus:
    return Corpus("tunes", tuple(tunes), ())


def small_fit(tunes: list[Piece], places: Places, **training: Any) -> Bundle:
    settings = Training(**{"epochs": 2, **training})
    bundle, parts = new_bundle("t", corpus_of(tunes), Encoding(), SMALL, settings)
    return fit(bundle, parts, places)


def test_it_learns_what_frequencies_cannot_tell(trained: Trained) -> None:
    metrics = trained[0].facts["metrics"]
    frequent = metrics["baselines"]["most frequent symbol"]
    for side in ("valid", "test"):
        assert metrics[side]["nll"] < 0.6 * frequent["nll"]
        assert metrics[side]["accuracy"] > 2 * frequent["accuracy"]


def test_the_figures_in_the_bundle_are_those_of_its_weights(
    trained: Trained, tunes: list[Piece]
) -> None:
    bundle, places = trained
    loaded = bundles.load(bundles.path_of(bundle.name, places))
    sides = split(tunes, 1, "piece", loaded.facts["corpus"]["pieces"])
    figures = measure(
        compiled(loaded), lessons(sides.valid, loaded.vocabulary, loaded.network), loaded.vocabulary
    )
    assert figures.nll == pytest.approx(loaded.facts["metrics"]["valid"]["nll"], abs=1e-4)
    best = min(e["val_nll"] for e in loaded.facts["history"])
    assert figures.nll == pytest.approx(best, abs=1e-4)


def test_held_out_pieces_are_the_primes(trained: Trained) -> None:
    facts = trained[0].facts
    held_out = {p["name"] for p in facts["corpus"]["pieces"] if p["side"] != "train"}
    assert {p["name"] for p in facts["primes"]} == held_out


def test_the_vocabulary_knows_training_pieces_only(tunes: list[Piece]) -> None:
    settings = Training()
    bundle, parts = new_bundle("t", corpus_of(tunes), Encoding(), SMALL, settings)
    assert bundle.vocabulary == Vocabulary.learn(parts.train, Encoding(), False)


def test_pictures_are_drawn(trained: Trained) -> None:
    bundle, places = trained
    for kind in ("curves", "network"):
        with Image.open(places.models / f"{bundle.name}.{kind}.png") as picture:
            assert min(picture.size) > 200
            assert len(set(picture.convert("L").resize((80, 80)).getdata())) > 4


def test_epochs_and_improvements_are_reported(
    tunes: list[Piece], places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "play_bach")
    small_fit(tunes, places)
    text = "\n".join(caplog.messages)
    assert re.search(r"epoch 1/2: train \d\.\d{3} nats .*%, validation \d\.\d{3} nats .*%", text)
    assert re.search(
        r"val_accuracy improved from 0\.00000 to 0\.\d{5}, saving model to .*best\.zip", text
    )
    assert re.search(r"val_nll improved from inf to \d+\.\d{5}, saving model to .*best\.zip", text)
    assert re.search(r"model fitted in \d+ sec for 2 configured epochs, and 2 actual epochs", text)
    assert "baseline, most frequent symbol" in text
    assert "baseline, longest-match lookup" in text


def test_the_window_split_is_labelled_as_leaking(
    tunes: list[Piece], places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "play_bach")
    bundle = small_fit(tunes, places, split="window", epochs=1)
    assert "LEAKS" in bundle.facts["label"]
    assert any("LEAKS" in m and "held out" in m for m in caplog.messages)


def test_a_single_piece_trains_and_is_labelled(places: Places) -> None:
    bundle = small_fit([tune(50, 80)], places, epochs=1)
    assert "LEAKS" in bundle.facts["label"]
    assert bundle.step


def test_pieces_shorter_than_the_window_train(places: Places) -> None:
    short = [tune(50 + i, 5 + i % 3) for i in range(8)]
    assert small_fit(short, places, epochs=1).facts["metrics"]["valid"]["events"] > 0


def test_a_piece_too_short_to_hold_anything_out_is_said(places: Places) -> None:
    with pytest.raises(UserError, match="too short"):
        small_fit([tune(50, 8)], places)


def test_it_stops_when_nothing_gets_better(tunes: list[Piece], places: Places) -> None:
    bundle = small_fit(tunes, places, epochs=40, patience=1, learning_rate=1.0)
    history = bundle.facts["history"]
    assert len(history) < 40
    assert min(e["val_nll"] for e in history) != history[-1]["val_nll"]


def test_a_finished_model_is_trained_further(tunes: list[Piece], places: Places) -> None:
    first = small_fit(tunes, places)
    bundle, parts = resumed(first, 1, corpus_of(tunes))
    more = fit(bundle, parts, places)
    assert [e["epoch"] for e in more.facts["history"]] == [1, 2, 3]
    kept = places.models / f"{first.name}.1.zip"
    assert len(bundles.load(kept).facts["history"]) == 2


def test_a_model_from_elsewhere_is_trained_further(
    trained: Trained, tunes: list[Piece], places: Places
) -> None:
    """There is a bundle but no checkpoint; further epochs may not better it, and do no harm."""
    spoiled = replace(trained[0], training=replace(trained[0].training, learning_rate=1.0))
    bundle, parts = resumed(spoiled, 1, corpus_of(tunes))
    after = fit(bundle, parts, places)
    assert (
        after.facts["metrics"]["valid"]["nll"] <= trained[0].facts["metrics"]["valid"]["nll"] + 1e-4
    )
    assert len(after.facts["history"]) == 7


def test_folders_that_cannot_be_written_are_named_before_training(
    tunes: list[Piece], places: Places
) -> None:
    places.models.rmdir()
    places.models.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="models"):
        small_fit(tunes, places, epochs=100_000)


def test_tensorboard_events_are_written(tunes: list[Piece], places: Places) -> None:
    bundle, parts = new_bundle("t", corpus_of(tunes), Encoding(), SMALL, Training(epochs=1))
    fit(bundle, parts, places, tensorboard=True)
    assert list((places.checkpoint / bundle.name / "tensorboard").rglob("events.out*"))


def test_the_optimizer_goes_on_where_it_stopped(tunes: list[Piece], places: Places) -> None:
    name = small_fit(tunes, places).name
    last = bundles.load(places.checkpoint / name / "last.zip")
    model = compiled(last)
    assert 100 <= int(model.optimizer.iterations) <= 110  # two epochs of at least 50 batches
    momenta = [np.abs(np.array(v)).sum() for v in model.optimizer.variables if "momentum" in v.path]
    assert momenta
    assert all(m > 0 for m in momenta[:3])


def test_a_resumed_run_is_the_run_that_was_not_interrupted(
    tunes: list[Piece], places: Places
) -> None:
    """Without dropout the two are the same to the last digits that matter."""
    plain = replace(SMALL, dropout=0.0)
    corpus, settings = corpus_of(tunes), Training(epochs=3)
    whole = Places(places.root / "whole")
    bundle, parts = new_bundle("t", corpus, Encoding(), plain, settings)
    straight = fit(bundle, parts, whole)
    halted = replace(settings, epochs=3)
    bundle, parts = new_bundle("t", corpus, Encoding(), plain, halted)
    stopper = StopAfter(1)
    with stopper:
        fit(bundle, parts, places)
    bundle, parts = resumed(
        bundles.load(places.checkpoint / bundle.name / "last.zip"), None, corpus
    )
    assert len(bundle.facts["history"]) == 1
    again = fit(bundle, parts, places)
    losses = [[e["val_nll"] for e in b.facts["history"]] for b in (straight, again)]
    assert losses[0] == pytest.approx(losses[1], abs=2e-3)


class StopAfter:
    """Press Ctrl-C after so many epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def __enter__(self) -> None:
        self.real = Keeper.on_epoch_end

        def then_stop(keeper: Keeper, epoch: int, logs: Any = None) -> None:
            self.real(keeper, epoch, logs)
            if epoch + 1 >= self.epochs:
                raise KeyboardInterrupt

        Keeper.on_epoch_end = then_stop  # type: ignore[method-assign,assignment]

    def __exit__(self, *_: object) -> None:
        Keeper.on_epoch_end = self.real  # type: ignore[method-assign]


def start_training(home: Path, *words: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        str(ROOT / "play_bach.py"),
        "-l",
        "0",
        "-f",
        "--app",
        "t",
        *TINY,
        *words,
    ]
    return subprocess.Popen(
        command,
        env={"PATH": "/usr/bin:/bin", "PLAY_BACH_HOME": str(home)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(log: Path, text: str, seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if log.is_file() and text in log.read_text():
            return
        time.sleep(0.02)
    pytest.fail(f"{text!r} never came")


def test_killed_in_the_third_epoch_it_goes_on_from_there(write_tunes: Callable[[], Places]) -> None:
    places = write_tunes()
    process = start_training(places.root, "-e", "30")
    wait_for(places.log, "epoch 2/30")
    time.sleep(0.3)  # into the third epoch
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = re.findall(r"epoch (\d+)/30", places.log.read_text())
    result = play_bach("-l", "1", "-f", "--app", "t", "-e", "2", home=places.root)
    assert result.returncode == 0, result.stderr
    after = re.findall(r"epoch (\d+)/", result.stdout)
    assert int(after[0]) in (int(before[-1]), int(before[-1]) + 1)
    assert int(after[0]) > 2
    assert (places.models / "t1_nc_mo.zip").is_file()


def test_ctrl_c_keeps_what_was_learned(write_tunes: Callable[[], Places]) -> None:
    places = write_tunes()
    process = start_training(places.root, "-e", "200")
    wait_for(places.log, "epoch 2/200")
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert "Traceback" not in output
    assert "stopped by you" in output
    composed = play_bach("-pm", "--app", "t", "--notes", "20", home=places.root)
    assert composed.returncode == 0, composed.stderr
