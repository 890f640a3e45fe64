"""The program as a person starts it: what ends up on the screen, and the exit code."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, play_bach, refused

import play_bach as program
from config_bach import Encoding, Network, Paths, UserError, model_name


def test_help_starts_at_once_and_names_what_there_is(paths: Paths) -> None:
    result = play_bach("-h", home=paths.root, timeout=20)
    assert result.returncode == 0
    assert result.stderr == ""
    assert "--temperature" in result.stdout
    assert "examples:" in result.stdout
    assert "model types:" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-pm", "--model-type", "9"], "there is no model type 9; choose one of 1, 2, 3, "),
        (["-pm", "--app", "unknown"], "train it with -l 0 -f --app unknown"),
        (["--tempo", "3"], "unrecognized arguments: --tempo 3; see play_bach.py -h"),
        ([], "nothing to do"),
    ],
)
def test_a_refusal_is_one_sentence_and_exit_code_2(
    paths: Paths, words: list[str], said: str
) -> None:
    assert said in refused(play_bach(*words, home=paths.root))


def test_it_runs_as_a_module_too(paths: Paths) -> None:
    result = play_bach("--list", home=paths.root, module=True)
    assert result.returncode == 0
    assert f"no models in {paths.models} yet: train one with -l 0 -f" in result.stdout


def test_refusals_go_to_standard_error(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["play_bach.py"])
    monkeypatch.setattr("play_bach.signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "play_bach: nothing to do: add -pm to compose, -f to train, or -h for help.\n"


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (BrokenPipeError, 0)])
def test_ctrl_c_and_a_closed_pipe_end_it_quietly(
    error: type[BaseException],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop() -> None:
        raise error

    monkeypatch.setattr(program, "run", stop)
    monkeypatch.setattr("play_bach.signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == code
    assert capsys.readouterr().err == ("play_bach: stopped\n" if code else "")


def test_verbs_are_done_in_their_order_each_with_the_bundle_before(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was trained is exported, measured and composed with; what gives no bundle changes none."""
    from types import SimpleNamespace

    done: list[tuple[str, object]] = []

    def module(name: str) -> SimpleNamespace:
        verb = name.removeprefix("cli.")

        def do(args: object, where: Paths, bundle: object) -> object:
            assert where is paths
            done.append((verb, bundle and bundle.name))  # type: ignore[attr-defined]
            return None if verb == "benchmark" else FakeBundle(verb)

        return SimpleNamespace(**{verb: do})

    class FakeBundle:
        def __init__(self, name: str) -> None:
            self.name = name

    monkeypatch.setattr(program, "import_module", module)
    monkeypatch.setattr(program, "Bundle", FakeBundle)
    program.run(["-pm", "-bl", "-sl", "-l", "0", "-f", "--list"], paths)
    assert done == [
        ("fit", None),
        ("export", "fit"),
        ("benchmark", "export"),
        ("predict", "export"),
        ("list_models", "predict"),
    ]


def test_a_great_seed_is_for_composing_only(paths: Paths) -> None:
    with pytest.raises(UserError, match="no model 'bach'"):
        program.run(["-pm", "--seed", "5000000000"], paths)


def test_names_follow_the_articles() -> None:
    assert model_name("cello", Network(model_type=1), Encoding()) == "cello1_nc_mo"
    encoding = Encoding(normal=True, concatenate=True)
    assert model_name("a", Network(model_type=3), encoding) == "a3_c_so"


@pytest.mark.parametrize(
    "module",
    [
        "play_bach",
        "cli.predict",
        "cli.export",
        "cli.benchmark",
        "cli.doctor",
        "cli.duet",
        "cli.replay",
    ],
)
def test_only_training_loads_tensorflow(module: str) -> None:
    script = f"import sys, {module}; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.split() == ["False", "False"]


def test_its_home_is_beside_the_program_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLAY_BACH_HOME", raising=False)
    assert Paths().root == ROOT
    monkeypatch.setenv("PLAY_BACH_HOME", str(tmp_path))
    assert Paths().models == tmp_path.resolve() / "models"
