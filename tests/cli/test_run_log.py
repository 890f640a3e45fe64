"""log_play_bach.log: it has every run, keeps no secret, stays small, and stops nothing."""

import re

import pytest

from cli import run_log
from cli.options import parser
from cli.run_log import asked, recorded, told, training, with_training
from config_bach import Paths, UserError

from .conftest import Run


def log_of(paths: Paths) -> list[str]:
    """The lines of the log without their times."""
    lines = paths.log.read_text("utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \[\d+\] ", line) for line in lines)
    return [line.split("] ", 1)[1] for line in lines]


@pytest.mark.slow
@pytest.mark.usefixtures("with_shipped")
def test_a_piece_is_in_it_with_its_model_seed_and_files(run: Run, paths: Paths) -> None:
    run("-pm", "--notes", "5", "--seed", "4", "--output", paths.root / "a b.mid")
    first, piece, _, music, picture, copied, last = log_of(paths)
    assert first == f"asked: -pm --seed 4 --notes 5 --output '{paths.root}/a b.mid'"
    assert re.match(r"bach2_nc_mo after .*, seed 4: 5 notes and chords", piece)
    assert music == f"music    {paths.root}/a b.mid"
    assert picture.startswith("picture  ")
    assert copied.startswith("copied  ")
    assert re.fullmatch(r"ended after \d+\.\d s: done", last)


def test_refusals_and_what_lists_are_in_it(run: Run, paths: Paths) -> None:
    run("--list")
    with pytest.raises(UserError):
        run("-pm", "--app", "unknown")
    lines = log_of(paths)
    assert lines[0] == "asked: --list"
    assert re.fullmatch(r"ended after \d\.\d s: done", lines[1])
    assert lines[2] == "asked: -pm --app unknown"
    assert re.match(r"ended after \d\.\d s: refused: no model 'unknown' in", lines[3])


@pytest.mark.parametrize(
    ("error", "said"), [(KeyboardInterrupt, "stopped"), (ValueError, "failed with ValueError")]
)
def test_it_says_how_a_run_ended(paths: Paths, error: type[BaseException], said: str) -> None:
    with pytest.raises(error), recorded(parser().parse_args(["--list"]), paths):
        raise error("x")
    assert log_of(paths)[1].endswith(said)


def test_it_keeps_no_secrets(run: Run, paths: Paths) -> None:
    (paths.root / "play_bach.json").write_text('{"password": ["geheim"], "x": 1}')
    with pytest.raises(UserError):
        run("-st")
    with pytest.raises(UserError):
        run("-pm", "--password", "geheim")
    with pytest.raises(UserError):
        run("-l", "0", "-f", "--corpus", "http://me:geheim@there/x")
    text = paths.log.read_text()
    assert "asked: -st" in text
    assert "http://***@there/x" in text
    assert "geheim" not in text


def test_a_log_that_cannot_be_written_stops_nothing(
    run: Run, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.log.mkdir()
    run("--list")
    out, err = capsys.readouterr()
    assert "no models" in out
    assert err == ""


def test_it_stays_small(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "LARGEST", 1000)
    for _ in range(60):
        with recorded(parser().parse_args(["--list"]), paths):
            told("x" * 100)
    kept = list(paths.root.glob("log_play_bach.log*"))
    assert len(kept) == 1 + run_log.KEPT
    assert sum(path.stat().st_size for path in kept) < 5000


def test_training_is_in_it_while_it_goes_on(paths: Paths) -> None:
    with recorded(parser().parse_args(["--list"]), paths):
        with with_training():
            training.warning("epoch 1")
        training.warning("later")
    assert "epoch 1" in log_of(paths)
    assert "later" not in log_of(paths)


def test_the_command_line_is_what_was_understood() -> None:
    words = ["-pm", "--range", "alto=C3-C5", "--range", "bass=C2-C4", "--wav", "--scale", "A minor"]
    args = parser().parse_args(words)
    assert asked(args) == "-pm --wav --scale 'A minor' --range alto=C3-C5 bass=C2-C4"
