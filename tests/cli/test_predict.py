"""-pm: what it writes, what it tells, what it refuses."""

import argparse
import re
import wave
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest
from conftest import ROOT, SHIPPED, play_bach, refused
from PIL import Image

from cli.common import with_part
from cli.options import parser
from cli.predict import _not_kept, request_of
from config_bach import Paths, UserError
from storage.bundle import load

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


TUNE = "X:1\nT:mine\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|cBAG|FEDC|\n"


@pytest.fixture
def tune(paths: Paths) -> Path:
    """A melody of sixteen quarters."""
    path = paths.root / "mine.abc"
    path.write_text(TUNE)
    return path


def markers(path: Path) -> list[tuple[float, str]]:
    """The markers of a MIDI file, by quarter."""
    midi = mido.MidiFile(path)
    found, now = [], 0
    for message in midi.tracks[0]:
        now += message.time
        if message.type == "marker":
            found.append((now / midi.ticks_per_beat, message.text))
    return found


def notes_in(path: Path) -> list[tuple[int, int]]:
    """Tick and pitch of every note that is struck."""
    found = []
    for track in mido.MidiFile(path).tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "note_on":
                found.append((now, message.note))
    return sorted(found)


@pytest.mark.slow
def test_a_piece_begins_with_the_tune_that_it_continues(run: Run, paths: Paths, tune: Path) -> None:
    """In the .mid, the sound and the score; and without it the new notes are the same."""
    words = ["-pm", "--prime", tune, "--notes", "10", "--seed", "1", "--bpm", "120"]
    run(*words, "--output", paths.root / "with.mid", "--wav", "--musicxml")
    run(*words, "--output", paths.root / "alone.mid", "--without-prime")
    whole, alone = (notes_in(paths.root / f"{name}.mid") for name in ("with", "alone"))
    assert markers(paths.root / "with.mid") == [(16, "Play Bach begins here")]
    assert markers(paths.root / "alone.mid") == []
    begins = 16 * mido.MidiFile(paths.root / "with.mid").ticks_per_beat
    assert [p for t, p in whole if t < begins][:8] == [60, 62, 64, 65, 67, 69, 71, 72]
    held = {p for t, p in alone if t == 0}  # may go on from the tune
    assert [(t - begins, p) for t, p in whole if t > begins] == [(t, p) for t, p in alone if t]
    assert {p for t, p in whole if t == begins} <= held
    with wave.open(str(paths.root / "with.wav")) as file:
        assert file.getnframes() / 44100 > 8 + 1
    score = (paths.root / "with.musicxml").read_text()
    assert score.index("Play Bach begins here") > score.index('<measure implicit="no" number="4"')


@pytest.mark.slow
def test_a_piece_may_begin_with_the_held_out_music(run: Run, paths: Paths) -> None:
    run("-pm", "--with-prime", "--notes", "10", "--seed", "1", "--output", paths.root / "x.mid")
    ((quarter, text),) = markers(paths.root / "x.mid")
    assert text == "Play Bach begins here"
    assert 4 < quarter < 64
    run("-pm", "--notes", "10", "--seed", "1", "--output", paths.root / "y.mid")
    assert markers(paths.root / "y.mid") == []


@pytest.mark.slow
def test_a_model_that_can_continue_the_tune_is_taken_and_named(
    run: Run, paths: Paths, tune: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The latest model of the app composes in four voices, which a melody is not."""
    four = ROOT / "models" / "bach5_nc_mo.zip"
    (paths.models / four.name).write_bytes(four.read_bytes())
    run("-pm", "--prime", tune, "--notes", "5")
    first, second, third = capsys.readouterr().out.splitlines()[:3]
    assert first.startswith("bach2_nc_mo composes, since bach5_nc_mo cannot: --notes is not for")
    assert second.startswith("bach2_nc_mo after mine.abc")
    assert third == "  model    bach2_nc_mo; --app chooses another, --list shows all"
    run("-pm", "--prime", tune)
    said = f"bach2_nc_mo composes, since bach5_nc_mo cannot: {tune} is not in four voices: one part"
    assert capsys.readouterr().out.startswith(said)
    with pytest.raises(UserError, match=r"--harmonise .*mine\.abc composes three voices under"):
        run("-pm", "--prime", tune, "--model-type", "5")
    with pytest.raises(UserError, match="is a folder; name one of the scores in it"):
        run("-pm", "--prime", paths.training)


@pytest.fixture
def duet(paths: Paths) -> Path:
    """A tune that is repeated, over a note that is held."""
    path = paths.root / "duet.mid"
    midi = mido.MidiFile(type=1, ticks_per_beat=4)
    for name, pitches, length in (("Upper", range(60, 68), 4), ("Lower", [40], 32)):
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
        for pitch in pitches:
            track.append(mido.Message("note_on", note=pitch))
            track.append(mido.Message("note_off", note=pitch, time=length))
        midi.tracks.append(track)
    midi.save(path)
    return path


def given(*words: str | Path) -> argparse.Namespace:
    return parser().parse_args([str(word) for word in words])


@pytest.mark.parametrize("flag", ["--prime", "--harmonise"])
def test_a_part_of_the_score_that_is_given_is_taken(paths: Paths, duet: Path, flag: str) -> None:
    args = with_part(given("-pm", flag, duet, "--part", "lower"), paths)
    score = getattr(args, flag.strip("-"))
    assert [n.pitch for n in score.notes] == [40]
    assert with_part(given("-pm", flag, duet), paths).prime in (duet, None)
    with pytest.raises(
        UserError, match=r"duet\.mid cannot be read: there is no part 3, only 1 Upper"
    ):
        with_part(given("-pm", flag, duet, "--part", "3"), paths)


def test_what_is_not_heard_of_a_score_is_told(paths: Paths, duet: Path) -> None:
    bundle = load(SHIPPED)
    assert _not_kept(given("-pm"), bundle, paths) == ""
    told = _not_kept(given("-pm", "--prime", duet), bundle, paths)
    assert told == "of duet.mid: 2 separate parts"
    args = with_part(given("-pm", "--prime", duet, "--part", "1"), paths)
    assert _not_kept(args, bundle, paths) == ""
    path = paths.root / "twice.abc"
    path.write_text(f"{TUNE[:-2]}:|CDEF|\n")
    told = "of twice.abc: 1 time signature, 1 repeat"
    assert _not_kept(given("-pm", "--harmonise", path), bundle, paths) == told
    assert _not_kept(given("-pm", "--prime", path), bundle, paths) == told  # as it learned


@pytest.mark.slow
def test_a_part_is_continued(
    run: Run, paths: Paths, duet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("-pm", "--prime", duet, "--part", "upper", "--notes", "5", "--output", paths.root / "x.mid")
    assert [p for _, p in notes_in(paths.root / "x.mid")][:8] == list(range(60, 68))
    assert "not kept" not in capsys.readouterr().out
    run("-pm", "--prime", duet, "--notes", "5", "--output", paths.root / "x.mid")
    assert "\n  not kept of duet.mid: 2 separate parts\n" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["txt", "mid"])
def test_what_is_no_score_is_told_without_a_word_of_training(
    run: Run, paths: Paths, suffix: str
) -> None:
    path = paths.root / f"tune.{suffix}"
    path.write_text("hello")
    with pytest.raises(UserError, match=r"cannot be continued: (no score|not a MIDI)") as refusal:
        run("-pm", "--prime", path)
    assert not re.search("train|learn|corpus", str(refusal.value).replace(str(path), ""))


@pytest.mark.slow
def test_the_model_that_was_trained_last_composes(
    run: Run, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    own = paths.models / "mine2_nc_mo.zip"
    replace(load(SHIPPED), name="mine2_nc_mo").save(own)
    run("-pm", "--notes", "5")
    assert "  model    bach2_nc_mo" in capsys.readouterr().out
    checkpoint = paths.checkpoint / "mine2_nc_mo" / "last.zip"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"")
    run("-pm", "--notes", "5")
    assert "  model    mine2_nc_mo" in capsys.readouterr().out
    run("-pm", "--notes", "5", "--app", "bach")
    assert "  model    " not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--app", "unknown"], "no model 'unknown' in .*: there are bach2_nc_mo; train it with"),
        (["--model-type", "5"], "no model 'bach' with model type 5"),
        (["--instrument", "kazoo"], "kazoo"),
        (["--instrument", "129"], "129"),
        (["--prime", "nowhere.mid"], "there is no file nowhere.mid; check its name"),
        (["--musicxml", "--notes", "20001"], "too long for MusicXML.* 20,000 at most"),
        (["--threads", "0"], "threads is 0, but it must lie between 1 and 64"),
        (["--output", "x.mp3"], r"\.mp3 is not written; name a \.mid, \.wav"),
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
