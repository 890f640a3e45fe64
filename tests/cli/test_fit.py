"""-f: the articles' command, options that reach the model, and going on with it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from conftest import ROOT, TINY, home, play_bach, tune

from config_bach import Paths, UserError
from families.events.family import EventFamily
from midi_io import write_midi
from storage.bundle import load
from storage.lock import only_one

from .conftest import Run

pytestmark = pytest.mark.slow

NAME = "cello1_nc_mo"


@pytest.fixture(scope="module")
def first(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Paths, subprocess.CompletedProcess[str]]:
    """A home in which the articles' command was typed, and what it said."""
    paths = home(tmp_path_factory.mktemp("articles"))
    for i in range(6):
        piece = tune(50 + i, 30 + 3 * i)
        write_midi(paths.training / f"{i}.mid", piece.events, 100, 43)
    (paths.training / "broken.mid").write_bytes(b"nothing")
    words = ["-l", "0", "-f", "-pm", "--app", "cello", "-e", "2", "--seed", "4", *TINY]
    return paths, play_bach(*words, home=paths.root)


@pytest.fixture
def trained(first: tuple[Paths, object], paths: Paths) -> Paths:
    """A copy of that home."""
    shutil.copytree(first[0].root, paths.root, dirs_exist_ok=True)
    return paths


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs of four batches."""
    monkeypatch.setattr(EventFamily, "training", replace(EventFamily.training, min_steps=4))


def test_the_articles_command_trains_and_composes(
    first: tuple[Paths, subprocess.CompletedProcess[str]],
) -> None:
    from music21 import converter

    paths, result = first
    assert result.returncode == 0, result.stderr
    score = converter.parse(paths.models / f"{NAME}.mid", forceSource=True)
    assert len(score.flatten().notes)
    assert "2 actual epochs" in result.stdout
    assert "6 of 7 files accepted" in result.stdout
    assert re.search(r"broken\.mid +refused: ", result.stdout)
    assert f"corpus {paths.training}" in result.stdout
    assert f"{NAME} after " in result.stdout
    noise = [line for line in result.stderr.splitlines() if line and "reading scores" not in line]
    assert noise == []
    log = (paths.root / "log_play_bach.log").read_text()
    assert re.search(r"^\d{4}-\d\d-\d\d .* 2 actual epochs$", log, re.M)


def test_what_was_asked_for_is_in_the_bundle(first: tuple[Paths, object]) -> None:
    bundle = load(first[0].models / f"{NAME}.zip")
    assert (bundle.network.units, bundle.network.seqlen) == (12, 8)
    assert (bundle.training.epochs, bundle.training.seed) == (2, 4)
    assert (bundle.metadata["bpm"], bundle.metadata["instrument"]) == (100, 43)
    assert list(bundle.steps) == ["float32"]
    assert bundle.metadata["app"] == "cello"
    assert (bundle.vocabulary.encoding.unfold, bundle.vocabulary.encoding.part) == (True, "")


@pytest.mark.slow
def test_the_part_of_a_saved_model_stays(run: Run, trained: Paths) -> None:
    with pytest.raises(UserError, match="--part cannot change a saved model: train a new one"):
        run("-l", "1", "-f", "--app", "cello", "--part", "1")


@pytest.mark.usefixtures("few_steps")
def test_it_goes_on_with_what_it_knows(
    run: Run, trained: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """The corpus, the network and the encoding are those of the bundle."""
    run("-l", "1", "-f", "--app", "cello", "-e", "1")
    said = capsys.readouterr().out
    assert f"going on with {NAME} after epoch 2" in said
    bundle = load(trained.models / f"{NAME}.zip")
    assert [e["epoch"] for e in bundle.metadata["history"]] == [1, 2, 3]
    assert bundle.network.units == 12
    assert (trained.models / f"{NAME}.1.zip").is_file()


@pytest.mark.usefixtures("few_steps")
def test_encodings_have_their_names_and_an_old_training_is_set_aside(
    run: Run, trained: Paths
) -> None:
    before = trained.checkpoint / "cello3_c_so"
    shutil.copytree(trained.checkpoint / NAME, before)
    words = ["-l", "0", "-f", "-e", "1", "--app", "cello", *TINY, "--model-type", "3", "-pm"]
    run(*words, "--normal", "--concatenate", "--transpose", "1")
    bundle = load(trained.models / "cello3_c_so.zip")
    encoding = bundle.vocabulary.encoding
    assert (encoding.normal, encoding.concatenate, encoding.transpose) == (True, True, 1)
    assert (trained.models / "cello3_c_so.mid").is_file()
    assert load(before / "last.zip").network.model_type == 3
    kept = load(before.with_name("cello3_c_so.1") / "last.zip")
    assert kept.network.model_type == 1


@pytest.mark.usefixtures("few_steps")
def test_the_articles_split_leaks_and_says_so(
    run: Run, write_tunes: Callable[[], Paths], capsys: pytest.CaptureFixture[str]
) -> None:
    paths = write_tunes()
    words = ["-l", "0", "-f", "-e", "1", "--app", "w", "--model-type", "2", *TINY]
    run(*words, "--split", "window", "--forget", "0.5", "--dropout", "0", "--list")
    bundle = load(paths.models / "w2_nc_mo.zip")
    assert bundle.metadata["split"] == "window"
    assert bundle.vocabulary.encoding.transpose == 0
    assert (bundle.network.lookback_dropout, bundle.network.dropout) == (0.5, 0.0)
    said = capsys.readouterr().out
    assert re.search(r"^held out \(split by window .*LEAKS\): validation \d", said, re.M)
    listed = said.splitlines()
    assert any(line.startswith("w2_nc_mo ") and "LEAKS" in line for line in listed)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-l", "0", "--corpus", "nowhere"], "the corpus nowhere has no scores: put"),
        (["-l", "0", "--corpus", "music21:nobody"], "music21 has no corpus 'nobody'"),
        (["-l", "1", "--app", "unknown"], "no model 'unknown' in .*: there are none yet; train it"),
        (
            ["-l", "0", "--model-type", "5", "--corpus", "nowhere.json"],
            r"nowhere\.json cannot be re",
        ),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_what_cannot_be_learned_from_is_refused(
    run: Run, paths: Paths, words: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said) as refusal:
        run("-f", *words)
    assert len(str(refusal.value).splitlines()) == 1
    assert list(paths.models.iterdir()) == []


def test_two_trainings_of_one_app_at_once_are_refused(run: Run, paths: Paths) -> None:
    with (
        only_one(paths.checkpoint / ".mine.lock", "taken"),
        pytest.raises(UserError, match="mine is being trained already: wait until that has ended"),
    ):
        run("-l", "0", "-f", "--app", "mine", "--corpus", "nowhere")
    with pytest.raises(UserError, match="the corpus nowhere has no scores"):
        run("-l", "0", "-f", "--app", "mine", "--corpus", "nowhere")


@pytest.mark.usefixtures("few_steps")
def test_a_model_that_was_not_written_is_finished_without_learning_more(
    run: Run, trained: Paths
) -> None:
    (trained.models / f"{NAME}.zip").unlink()
    run("-l", "1", "-f")  # of the app that was trained last
    assert len(load(trained.models / f"{NAME}.zip").metadata["history"]) == 2


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_it_can_be_stopped_while_tensorflow_starts(
    write_tunes: Callable[[], Paths], number: signal.Signals, code: int
) -> None:
    paths = write_tunes()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "play_bach.py"), "-l", "0", "-f", *TINY],
        env={**os.environ, "PLAY_BACH_HOME": str(paths.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "files accepted" in line:  # what comes next is TensorFlow
            break
    time.sleep(0.5)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, (out, err)
    assert err.splitlines()[-1].startswith("play_bach: stopped")
    assert "Traceback" not in err + out
