"""-pm: compose with a model, and name the files that were written."""

import argparse

from cli.common import able_bundle, bundle_of, composing_of, engine_of
from cli.options import OPTIONS
from cli.output import output_of
from cli.run_log import told
from config_bach import Paths, require
from families.base import CompositionRequest
from music import notation
from storage.bundle import Bundle
from storage.files import check_writable, shown
from workflows.composer import compose, described, write


def predict(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> Bundle:
    """Compose a piece and write its files; returns the bundle that composed it."""
    named = args.app is not None or bundle is not None
    bundle = bundle_of(args, paths, bundle) if bundle else able_bundle(args, paths)
    output, request = output_of(args, bundle.name, paths.models), request_of(args)
    if output.musicxml:
        require("music21", "writing MusicXML")
        notation.check_length(request.settings.notes)
    model = engine_of(args, bundle, paths)
    check_writable(output.midi.parent)  # now, not after minutes
    piece = compose(model, request, paths)
    told(described(piece))
    for remark in piece.remarks:
        told(f"  {'assumed':<8} {remark}")
    if not named:
        told(f"  {'model':<8} {bundle.name}; --app chooses another, --list shows all")
    with_prime = args.with_prime or (args.prime is not None and not args.without_prime)
    for kind, path in write(piece, output.midi, output.wav, output.musicxml, with_prime):
        told(f"  {kind:<8} {shown(path)}")
    if piece.copy:
        told(f"  {'copied':<8} at most {piece.copy}")
    return bundle


def request_of(args: argparse.Namespace) -> CompositionRequest:
    """What the command line asks for."""
    options = {o.dest: getattr(args, o.dest) for o in OPTIONS if o.family and o.given(args)}
    return CompositionRequest(composing_of(args), args.prime, args.instrument, options)
