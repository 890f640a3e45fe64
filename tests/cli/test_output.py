"""--output: a file of any kind that is written, or a folder."""

from pathlib import Path

import pytest

from cli.options import parser
from cli.output import output_of
from config_bach import UserError


def output(*words: str) -> tuple[str, bool, bool]:
    found = output_of(parser().parse_args(["-pm", *words]), "NAME", Path("models"))
    return found.midi.as_posix(), found.wav, found.musicxml


@pytest.mark.parametrize(
    ("given", "midi", "wav", "musicxml"),
    [
        ("a/x.mid", "a/x.mid", False, False),
        ("x.MIDI", "x.MIDI", False, False),
        ("x", "x.mid", False, False),
        ("bwv.1", "bwv.1.mid", False, False),
        ("x.wav", "x.mid", True, False),
        ("x.musicxml", "x.mid", False, True),
        ("x.png", "x.mid", False, False),
        ("new/", "new/NAME.mid", False, False),
        (".", "NAME.mid", False, False),
    ],
)
def test_its_name_says_what_is_written(given: str, midi: str, wav: bool, musicxml: bool) -> None:
    assert output("--output", given) == (midi, wav, musicxml)


def test_a_folder_gets_the_name_of_the_model(tmp_path: Path) -> None:
    folder = tmp_path / "x.wav"
    folder.mkdir()
    assert output("--output", str(folder)) == ((folder / "NAME.mid").as_posix(), False, False)


def test_without_it_the_piece_lies_in_models() -> None:
    assert output("--wav") == ("models/NAME.mid", True, False)
    assert output("--output", "x.mid", "--musicxml") == ("x.mid", False, True)


@pytest.mark.parametrize("name", ["x.mp3", "a/x.OGG", "x.xml"])
def test_kinds_that_are_not_written_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"is not written; name a \.mid, \.wav"):
        output("--output", name)
