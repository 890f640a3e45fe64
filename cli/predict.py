"""-pm: compose with a model, and name the files that were written."""

import argparse

from cli.common import composing_of, model_of
from cli.options import OPTIONS
from config_bach import Paths, require
from families.base import CompositionRequest
from storage.bundle import Bundle
from storage.files import shown
from workflows.composer import compose, described, write


def predict(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> Bundle:
    """Compose a piece and write its files; returns the bundle that composed it."""
    if args.musicxml:
        require("music21", "writing MusicXML")
    model = model_of(args, paths, bundle)
    piece = compose(model, request_of(args), paths)
    print(described(piece))
    midi = args.output or paths.models / f"{model.bundle.name}.mid"
    for kind, path in write(piece, midi, args.wav, args.musicxml):
        print(f"  {kind:<8} {shown(path)}")
    if piece.copy:
        print(f"  {'copied':<8} at most {piece.copy}")
    return model.bundle


def request_of(args: argparse.Namespace) -> CompositionRequest:
    """What the command line asks for."""
    options = {o.dest: getattr(args, o.dest) for o in OPTIONS if o.family and o.given(args)}
    return CompositionRequest(composing_of(args), args.prime, args.instrument, options)
