"""--output: which files a piece becomes, and where they lie."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from config_bach import UserError
from midi_io import MIDI_SUFFIXES

PICTURES = (".png", ".pdf")
OTHERS = (".mp3", ".ogg", ".flac", ".m4a", ".mxl", ".xml", ".krn", ".abc")  # that are not written


@dataclass(frozen=True)
class Output:
    """The .mid file, and whether the sound and the score are written beside it."""

    midi: Path
    wav: bool
    musicxml: bool


def output_of(args: argparse.Namespace, model: str, models: Path) -> Output:
    """What a command line asks for; without --output it is MODEL.mid in models/.

    A folder gets MODEL.mid; piece.wav and piece.musicxml ask for the sound and the score of piece.mid.
    Raises UserError for a file of a kind that is not written.
    """
    if args.output is None:
        return Output(models / f"{model}.mid", args.wav, args.musicxml)
    path = Path(args.output).expanduser()
    kind = path.suffix.lower()
    if path.is_dir() or args.output.endswith(("/", os.sep)):
        path, kind = path / f"{model}.mid", ".mid"
    if kind in OTHERS:
        raise UserError(
            f"--output {args.output}: {kind} is not written; name a .mid, .wav, .musicxml or .png file."
        )
    if kind in (".wav", ".musicxml", *PICTURES):
        path = path.with_suffix(".mid")
    elif kind not in MIDI_SUFFIXES:
        path = path.with_name(path.name + ".mid")
    return Output(path, args.wav or kind == ".wav", args.musicxml or kind == ".musicxml")
