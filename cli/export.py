"""-sl: export LiteRT variants, and say how far from Keras they are."""

import argparse
from collections.abc import Sequence

from cli.common import bundle_of
from cli.run_log import told
from config_bach import Paths, quiet, require
from litert import c_header
from litert.variants import VARIANTS
from storage.bundle import Bundle
from storage.catalog import path_of
from storage.files import shown


def export(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> Bundle:
    """Export into the bundle and beside it; returns the bundle with its variants."""
    require("tensorflow", "exporting (-sl)")
    bundle = bundle_of(args, paths, bundle)
    header = c_header.MICRO in args.save_lite
    wanted = [v for v in VARIANTS if v in (args.save_lite or VARIANTS)]
    if header and "int8" not in (*wanted, *bundle.steps):
        wanted.append("int8")
    if wanted:
        bundle = _exported(bundle, wanted, paths)
    if header:
        told(f"  {'header':<8} {shown(c_header.write_header(bundle, paths.models))}")
    return bundle


def _exported(bundle: Bundle, variants: Sequence[str], paths: Paths) -> Bundle:
    """The bundle with these variants, saved; prints how far each is from Keras."""
    with quiet():  # TensorFlow writes about devices when it starts
        from litert import export as exporting
        from litert import parity

        bundle = exporting.with_variants(bundle, variants)
        bundle, rows = parity.with_parity(bundle, variants)
    bundle.save(path_of(bundle.name, paths))
    print("\n".join(parity.table(rows)))
    for path in exporting.write_files(bundle, variants, paths.models):
        told(f"  {'lite':<8} {shown(path)}")
    return bundle
