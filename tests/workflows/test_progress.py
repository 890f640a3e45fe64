"""How far a training is, told to whoever watches: figures, music of every epoch, how it ended."""

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import home, play_bach

from config_bach import Encoding, Network, Paths, Training, UserError
from families.base import Corpus
from music.events import Piece, from_json
from storage.bundle import Bundle, load
from storage.catalog import path_of
from workflows import progress
from workflows.progress import STOP, Epoch, Progress, Sample, State, reported, sample_in, state_in

SMALL = Network(model_type=3, units=8, embedding=4, seqlen=8, layers=1)


def test_it_is_told_how_a_training_ended(tmp_path: Path) -> None:
    def end_with(error: BaseException | None) -> State | None:
        with suppress(BaseException), reported(tmp_path) as told:
            assert state_in(tmp_path) == told.state
            told.tell(phase="learning", left=3.0)
            if error:
                raise error
        return state_in(tmp_path)

    assert end_with(None) == State(phase="done", left=0.0)
    assert end_with(UserError("too few.")) == State(phase="failed", left=3.0, told="too few.")
    assert end_with(KeyboardInterrupt("stopped")) == State(
        phase="stopped", left=3.0, told="stopped"
    )
    failed = end_with(ValueError("x"))
    assert failed
    assert (failed.phase, failed.told) == ("failed", "the training failed (ValueError)")


def test_what_went_before_is_still_told_when_a_training_goes_on(tmp_path: Path) -> None:
    epoch = Epoch(1, 2.0, 3.0, 0.5)
    with reported(tmp_path) as told:
        told.tell(history=(epoch,), told="x")
    with reported(tmp_path):
        assert state_in(tmp_path) == State(phase="reading", history=(epoch,))


def test_nobody_is_told_where_nobody_asks(tmp_path: Path) -> None:
    told = progress.current()
    told.tell(phase="learning")
    told.sample(1, Sample([], 90.0, 1))
    told.check()
    assert told.samples(3) == ()
    with pytest.raises(UserError, match="cannot write"), reported(Path("/proc/nowhere")):
        pass


def test_a_full_disk_does_not_end_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, text: str) -> None:
        raise UserError("no space")

    told = Progress(tmp_path)
    monkeypatch.setattr(progress, "write_text", full)
    with caplog.at_level(logging.WARNING, "play_bach"):
        told.tell(phase="learning")
    assert told.state.phase == "learning"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"phase": "?"}', b"\xff", b'{"history": 1}']
)
def test_what_is_half_written_or_odd_counts_as_nothing(tmp_path: Path, content: bytes) -> None:
    for name in ("progress.json", "sample-1.json"):
        (tmp_path / name).write_bytes(content)
    assert state_in(tmp_path) is None
    assert sample_in(tmp_path, 1) is None
    assert sample_in(tmp_path, 2) is None
    assert progress.changed(tmp_path, 1)
    assert not progress.changed(tmp_path, 2)


def test_numbers_that_are_none_can_be_told(tmp_path: Path) -> None:
    told = Progress(tmp_path)
    told.tell(history=(Epoch(1, float("nan"), float("inf"), 0.0),), baselines={"x": float("nan")})
    state = state_in(tmp_path)
    assert state
    assert state.history == (Epoch(1, None, None, 0.0),)


def fit(tunes: list[Piece], paths: Paths) -> Bundle:
    from workflows.trainer import new_bundle, train

    corpus = Corpus("tunes", tuple(tunes), ())
    training = Training(epochs=3, min_steps=4)
    bundle, parts = new_bundle("t", corpus, Encoding(), SMALL, training)
    return train(bundle, parts, paths)


@pytest.mark.slow
def test_a_training_tells_its_figures_and_composes_after_every_epoch(
    tunes: list[Piece], paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workflows import progress_callback

    monkeypatch.setattr(progress_callback, "EVERY", 0.0)
    folder, states, tell = tmp_path / "told", [], Progress.tell

    def noted(told: Progress, **facts: Any) -> None:
        tell(told, **facts)
        states.append(told.state)

    monkeypatch.setattr(Progress, "tell", noted)
    with reported(folder):
        bundle = fit(tunes, paths)
    history = bundle.metadata["history"]
    state = state_in(folder)
    assert state
    assert [(e.epoch, e.valid) for e in state.history] == [
        (e["epoch"], e["val_nll"]) for e in history
    ]
    assert (state.model, state.unit, state.epochs, state.phase) == ("t3_nc_mo", "event", 3, "done")
    known = {name: x["nll"] for name, x in bundle.metadata["metrics"]["baselines"].items()}
    assert state.baselines == pytest.approx(known)
    assert state.samples == (1, 2, 3)
    for epoch in state.samples:
        sample = sample_in(folder, epoch)
        assert sample
        seconds = sum(e.seconds(sample.bpm) for e in from_json(sample.events))
        assert 8 <= seconds < 8 + 60 * 4 / sample.bpm
    learning = [s for s in states if s.phase == "learning"]
    (batches,) = {s.batches for s in learning}
    told_of = {(len(s.history), s.batch) for s in learning}
    assert told_of >= {(done, batch) for done in range(3) for batch in range(batches + 1)}
    left = [s.left for s in learning if s.left is not None]
    assert left[-1] == 0.0
    assert max(left) > 0
    assert next(s for s in learning if s.left is not None).batch == 2  # the first is no measure


@pytest.mark.slow
@pytest.mark.usefixtures("without_export")
def test_a_file_named_stop_ends_it_with_what_was_learned_and_it_can_go_on(
    tunes: list[Piece], paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workflows.trainer import resumed, train

    folder, sample = tmp_path / "told", Progress.sample

    def stop_then(told: Progress, epoch: int, what: Sample) -> None:
        sample(told, epoch, what)
        (folder / STOP).touch()

    with monkeypatch.context() as patch, reported(folder):
        patch.setattr(Progress, "sample", stop_then)
        bundle = fit(tunes, paths)
    assert len(bundle.metadata["history"]) == 1
    assert len(load(path_of(bundle.name, paths)).metadata["history"]) == 1
    (folder / STOP).unlink()
    last = load(paths.checkpoint / bundle.name / "last.zip")
    again, parts = resumed(last, None, Corpus("tunes", tuple(tunes), ()))
    with reported(folder):
        assert len(train(again, parts, paths).metadata["history"]) == 3
    state = state_in(folder)
    assert state
    assert (len(state.history), state.samples) == (3, (1, 2, 3))


@pytest.mark.slow
def test_a_network_that_cannot_compose_ends_no_training(tmp_path: Path) -> None:
    from workflows.progress_callback import ProgressCallback

    nothing: Any = None
    ProgressCallback(Progress(tmp_path), nothing, {})._compose(1)
    assert sample_in(tmp_path, 1) is None


def test_a_refusal_is_told_by_the_command_line(tmp_path: Path) -> None:
    paths, folder = home(tmp_path / "home"), tmp_path / "told"
    (paths.training / "x.mid").write_bytes(b"no music")
    words = ("-l", "0", "-f", "--app", "x", "--progress", folder)
    said = play_bach(*words, "--corpus", paths.training, home=paths.root).stderr
    told = json.loads((folder / "progress.json").read_text())
    assert told["phase"] == "failed"
    assert told["told"] in said
    assert "nothing in" in said
