"""-pm: what it writes, what it tells, what it refuses."""

import re
import wave
from pathlib import Path

import mido
import numpy as np
import pytest
from conftest import SHIPPED, play_bach, refused
from PIL import Image

from cli.options import parser
from cli.predict import request_of
from config_bach import Paths, UserError

from .conftest import Run

pytestmark = pytest.mark.usefixtures("with_shipped")


@pytest.mark.slow
def test_composing_writes_what_was_asked_for(paths: Paths) -> None:
    from music21 import converter

    result = play_bach(
        *("-pm", "--wav", "--musicxml", "--notes", "40", "--instrument", "cello", "--bpm", "70"),
        *("--seed", "3"),
        home=paths.root,
    )
    assert result.returncode == 0, result.stderr
    stem = paths.models / "bach2_nc_mo"
    midi = mido.MidiFile(stem.with_suffix(".mid"))
    programs = {m.program for t in midi.tracks for m in t if m.type == "program_change"}
    assert programs == {42}
    with wave.open(str(stem.with_suffix(".wav"))) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.abs(pcm).max() > 1000
    assert file.getnframes() / 44100 == pytest.approx(midi.length + 2, abs=1)
    score = converter.parse(stem.with_suffix(".musicxml"), forceSource=True)
    assert len(score.flatten().notes) > 10
    with Image.open(stem.with_suffix(".png")) as picture:
        assert picture.width > 1000
    named = re.findall(r"^  (music|sound|score|picture) +(\S+)$", result.stdout, re.M)
    assert [kind for kind, _ in named] == ["music", "score", "sound", "picture"]
    assert all(Path(path).is_file() for _, path in named)
    first = result.stdout.splitlines()[0]
    assert re.fullmatch(r"bach2_nc_mo after .*, seed 3: 40 notes and chords, Cello, 70 BPM", first)
    assert "  copied   at most" in result.stdout


@pytest.mark.slow
def test_same_seed_same_file(run: Run, paths: Paths) -> None:
    for name in ("a", "b"):
        run("-pm", "--seed", "9", "--notes", "30", "--output", paths.root / name)
    a, b = ((paths.root / f"{name}.mid").read_bytes() for name in "ab")
    assert a == b


@pytest.mark.slow
def test_an_earlier_piece_is_kept(run: Run, paths: Paths) -> None:
    midi = paths.models / "bach2_nc_mo.mid"
    run("-pm", "--seed", "1", "--notes", "20", "--wav")
    first = midi.read_bytes()
    run("-pm", "--seed", "2", "--notes", "20")
    assert midi.read_bytes() != first
    assert midi.with_name("bach2_nc_mo.1.mid").read_bytes() == first
    assert midi.with_name("bach2_nc_mo.1.wav").is_file()
    assert not midi.with_suffix(".wav").exists()  # the old sound does not pass for the new piece


@pytest.mark.slow
def test_a_prime_of_your_own_is_continued(
    run: Run, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    tune = paths.root / "mine.abc"
    tune.write_text("X:1\nT:mine\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|cBAG|FEDC|\n")
    run("-pm", "--prime", tune, "--notes", "10")
    assert "after mine.abc" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--app", "unknown"], "no model 'unknown' in .*: there are bach2_nc_mo; train it with"),
        (["--model-type", "5"], "no model 'bach' with model type 5"),
        (["--instrument", "kazoo"], "kazoo"),
        (["--instrument", "129"], "129"),
        (["--prime", "nowhere.mid"], "there is no file nowhere.mid; check its name"),
        (["--delegate", "/no/such.so"], "the delegate /no/such.so cannot be used"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_what_cannot_be_met_is_refused(run: Run, paths: Paths, words: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as refusal:
        run("-pm", *words)
    assert len(str(refusal.value).splitlines()) == 1
    assert [p.name for p in paths.models.iterdir()] == [SHIPPED.name]


def test_folders_that_cannot_be_written_are_named(run: Run, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(UserError, match=r"cannot write .*blocked"):
        run("-pm", "--output", blocked / "x.mid", "--notes", "5")


def test_a_damaged_model_is_named(paths: Paths) -> None:
    path = paths.models / SHIPPED.name
    path.write_bytes(path.read_bytes()[:5000])
    assert "bach2_nc_mo.zip is damaged" in refused(play_bach("-pm", home=paths.root))


def test_families_are_told_the_options_that_are_theirs() -> None:
    words = "--scale C --no-crossing --seed 4 --bpm 70 --instrument cello --prime x.mid"
    request = request_of(parser().parse_args(words.split()))
    assert request.options == {"scale": "C", "no_crossing": True, "prime": Path("x.mid")}
    assert (request.settings.seed, request.settings.bpm) == (4, 70)
    assert (request.prime, request.instrument) == (Path("x.mid"), "cello")
