"""The command line, used as a person would."""

import re
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import mido
import numpy as np
import pytest
from conftest import ROOT, SHIPPED, TINY, play_bach, refused
from music21 import converter
from PIL import Image

import play_bach as cli
from config_bach import Encoding, Network, Places, UserError, model_name

FLAGS = (
    "-l --load -f --fit -pm --predict-midi -e --epochs --app --model-type --corpus --prime --notes "
    "--temperature --top-p --seed --instrument --bpm --output --wav --musicxml --list --doctor --split"
)


def run(*words: str, places: Places) -> int:
    """The command line in this process."""
    return cli.run(list(words), places)


@pytest.fixture
def with_shipped(places: Places) -> Places:
    (places.models / SHIPPED.name).write_bytes(SHIPPED.read_bytes())
    return places


def test_help_names_every_flag_and_starts_at_once(places: Places) -> None:
    result = play_bach("-h", home=places.root)
    assert result.returncode == 0
    for flag in FLAGS.split():
        assert flag in result.stdout
    assert "examples:" in result.stdout


def test_names_follow_the_articles() -> None:
    assert model_name("cello", Network(model_type=1), Encoding()) == "cello1_nc_mo"
    assert (
        model_name("a", Network(model_type=3), Encoding(normal=True, concatenate=True)) == "a3_c_so"
    )


@pytest.mark.parametrize("module", [False, True])
def test_the_articles_command_trains_and_composes(
    write_tunes: Callable[[], Places], module: bool
) -> None:
    places = write_tunes()
    words = ["-l", "0", "-f", "-pm", "--app", "cello", "-e", "2", *TINY]
    result = play_bach(*words, home=places.root, module=module)
    assert result.returncode == 0, result.stderr
    assert len(
        converter.parse(places.models / "cello1_nc_mo.mid", forceSource=True).flatten().notes
    )
    assert "2 actual epochs" in result.stdout
    assert "12 of 12 files accepted" in result.stdout
    noise = [line for line in result.stderr.splitlines() if line and "reading scores" not in line]
    assert noise == []
    assert "2 actual epochs" in (places.root / "log_play_bach.log").read_text()


def test_types_and_encodings_all_work(write_tunes: Callable[[], Places]) -> None:
    places = write_tunes()
    for words, name in (
        (["--model-type", "2"], "x2_nc_mo"),
        (["--model-type", "3", "--normal"], "x3_nc_so"),
        (["--model-type", "3", "--concatenate"], "x3_c_mo"),
    ):
        assert (
            run("-l", "0", "-f", "-pm", "--app", "x", "-e", "1", *TINY, *words, places=places) == 0
        )
        assert (places.models / f"{name}.mid").is_file()


def test_composing_writes_what_was_asked_for(with_shipped: Places) -> None:
    result = play_bach(
        *("-pm", "--wav", "--musicxml", "--notes", "40", "--instrument", "cello", "--bpm", "70"),
        *("--seed", "3"),
        home=with_shipped.root,
    )
    assert result.returncode == 0, result.stderr
    stem = with_shipped.models / "bach2_nc_mo"
    midi = mido.MidiFile(stem.with_suffix(".mid"))
    programs = {m.program for t in midi.tracks for m in t if m.type == "program_change"}
    assert programs == {42}
    with wave.open(str(stem.with_suffix(".wav"))) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.abs(pcm).max() > 1000
    assert file.getnframes() / 44100 == pytest.approx(midi.length + 2, abs=1)
    assert (
        len(converter.parse(stem.with_suffix(".musicxml"), forceSource=True).flatten().notes) > 10
    )
    with Image.open(stem.with_suffix(".png")) as picture:
        assert picture.width > 1000
    named = re.findall(r"^  (music|sound|score|picture) +(\S+)$", result.stdout, re.M)
    assert [kind for kind, _ in named] == ["music", "score", "sound", "picture"]
    assert all(Path(path).is_file() for _, path in named)


def test_same_seed_same_file(with_shipped: Places) -> None:
    for name in ("a", "b"):
        run(
            "-pm",
            "--seed",
            "9",
            "--notes",
            "30",
            "--output",
            str(with_shipped.root / name),
            places=with_shipped,
        )
    a, b = ((with_shipped.root / f"{n}.mid").read_bytes() for n in "ab")
    assert a == b


def test_an_earlier_piece_is_kept(with_shipped: Places) -> None:
    midi = with_shipped.models / "bach2_nc_mo.mid"
    run("-pm", "--seed", "1", "--notes", "20", "--wav", places=with_shipped)
    first = midi.read_bytes()
    run("-pm", "--seed", "2", "--notes", "20", places=with_shipped)
    assert midi.read_bytes() != first
    assert midi.with_name("bach2_nc_mo.1.mid").read_bytes() == first
    assert midi.with_name("bach2_nc_mo.1.wav").is_file()
    assert not midi.with_suffix(".wav").exists()  # the old sound does not pass for the new piece


def test_a_prime_of_your_own_is_continued(
    with_shipped: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = with_shipped.root / "mine.abc"
    tune.write_text("X:1\nT:mine\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|cBAG|FEDC|\n")
    run("-pm", "--prime", str(tune), "--notes", "10", places=with_shipped)
    assert "after mine.abc" in capsys.readouterr().out


def test_list_shows_models_and_how_good_they_are(
    with_shipped: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--list", places=with_shipped)
    out = capsys.readouterr().out
    assert re.search(r"bach2_nc_mo +2 +\d+ +\d\.\d{3} +\d+\.\d%", out)
    assert "music21:chorales" in out


def test_list_of_nothing_says_what_to_do(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--list", places=places)
    assert "train one" in capsys.readouterr().out


NONSENSE = [
    [],
    ["-l", "0"],
    ["-l", "0", "-pm"],
    ["-l", "2", "-pm"],
    ["--corpus", "x"],
    ["-pm", "-e", "3"],
    ["-f", "--notes", "3"],
    ["-f", "--wav"],
    ["-l", "1", "-f", "--normal"],
    ["-l", "1", "-f", "--seqlen", "9"],
    ["-l", "0", "-f", "--model-type", "2", "--concatenate"],
    ["-l", "0", "-f", "--model-type", "9"],
    ["-l", "0", "-f", "--app", "../evil"],
    ["-l", "0", "-f", "--app", ""],
    ["-l", "0", "-f", "-e", "0"],
    ["-l", "0", "-f", "-e", "many"],
    ["-l", "0", "-f", "--seqlen", "1"],
    ["-l", "0", "-f", "--units", "-5"],
    ["-l", "0", "-f", "--dropout", "1"],
    ["-l", "0", "-f", "--transpose", "12"],
    ["-l", "0", "-f", "--corpus", "nowhere"],
    ["-l", "0", "-f", "--corpus", "music21:nobody"],
    ["-l", "1", "-f", "--app", "unknown"],
    ["-l", "1", "-f", "-e", "0"],
    ["-pm", "--app", "unknown"],
    ["-pm", "--temperature", "-1"],
    ["-pm", "--temperature", "nan"],
    ["-pm", "--top-p", "1.5"],
    ["-pm", "--notes", "0"],
    ["-pm", "--bpm", "0"],
    ["-pm", "--bpm", "inf"],
    ["-pm", "--seed", "-1"],
    ["-pm", "--instrument", "kazoo"],
    ["-pm", "--instrument", "129"],
    ["-pm", "--prime", "nowhere.mid"],
]


@pytest.mark.parametrize("words", NONSENSE, ids=" ".join)
def test_nonsense_is_refused(with_shipped: Places, words: list[str]) -> None:
    with pytest.raises((UserError, SystemExit)) as refusal:
        run(*words, places=with_shipped)
    if isinstance(refusal.value, SystemExit):
        assert refusal.value.code == 2
    else:
        assert len(str(refusal.value).splitlines()) == 1
    assert sorted(p.name for p in with_shipped.models.iterdir()) == [SHIPPED.name]


def test_a_refusal_is_one_sentence_and_exit_code_2(places: Places) -> None:
    assert "--app unknown" in refused(play_bach("-pm", "--app", "unknown", home=places.root))


def test_models_that_cannot_be_written_are_named(with_shipped: Places, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(UserError, match="blocked"):
        run("-pm", "--output", str(blocked / "x.mid"), "--notes", "5", places=with_shipped)


def test_a_damaged_model_is_named(with_shipped: Places) -> None:
    path = with_shipped.models / SHIPPED.name
    path.write_bytes(path.read_bytes()[:5000])
    assert "bach2_nc_mo.zip" in refused(play_bach("-pm", home=with_shipped.root))


def test_doctor_is_well_here(capsys: pytest.CaptureFixture[str], places: Places) -> None:
    assert run("--doctor", places=places) == 0
    assert "all is well" in capsys.readouterr().out


def test_doctor_names_the_mend(
    places: Places, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(package: str) -> str:
        return "1.0"

    monkeypatch.setattr("doctor.version", version)  # as if the namesake 'fluidsynth' were installed
    monkeypatch.setenv("PLAY_BACH_SOUNDFONT", "/nowhere.sf2")
    assert run("--doctor", places=places) == 2
    out = capsys.readouterr().out
    assert "pip uninstall -y fluidsynth" in out
    assert "pip install pretty_midi" in out


def test_only_training_loads_tensorflow() -> None:
    script = "import sys, play_bach; play_bach.parser(); print('tensorflow' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.strip() == "False"
