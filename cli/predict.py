"""-pm: compose with a model, and name the files that were written."""

import argparse

from cli.common import able_bundle, bundle_of, composing_of, engine_of, with_part
from cli.options import OPTIONS
from cli.output import output_of
from cli.run_log import told
from config_bach import Paths, Reading, require
from families import corpus as corpora
from families.base import CompositionRequest, counts
from families.registry import family_of
from music import notation
from storage.bundle import Bundle
from storage.files import check_writable, shown
from workflows.composer import compose, described, write


def predict(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> Bundle:
    """Compose a piece and write its files; returns the bundle that composed it."""
    named, args = args.app is not None or bundle is not None, with_part(args, paths)
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
    if lost := _not_kept(args, bundle, paths):
        told(f"  not kept {lost}")
    with_prime = args.with_prime or (args.prime is not None and not args.without_prime)
    for kind, path in write(piece, output.midi, output.wav, output.musicxml, with_prime):
        told(f"  {kind:<8} {shown(path)}")
    if piece.copy:
        told(f"  {'copied':<8} at most {piece.copy}")
    return bundle


def _not_kept(args: argparse.Namespace, bundle: Bundle, paths: Paths) -> str:
    """What stands in the score that was given and the model does not hear, counted; '' if nothing."""
    given, family = args.harmonise or args.prime, family_of(bundle.network.model_type)
    if given is None:
        return ""
    unfold = bundle.vocabulary.encoding.unfold and not args.harmonise
    entry = corpora.read_entry(given, paths, Reading(unfold))
    lost = corpora.not_kept(entry.scores[:1], family.keeps)
    return f"of {entry.path.name}: {counts(lost)}" if lost else ""


def request_of(args: argparse.Namespace) -> CompositionRequest:
    """What the command line asks for."""
    options = {o.dest: getattr(args, o.dest) for o in OPTIONS if o.family and o.given(args)}
    return CompositionRequest(composing_of(args), args.prime, args.instrument, options)
