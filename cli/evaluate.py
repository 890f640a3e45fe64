"""--evaluate: print the report card of a model, and draw it."""

import argparse

from cli.common import bundle_of, engine_of
from cli.run_log import told
from config_bach import Paths, require
from evaluation import plots, report
from storage.bundle import Bundle
from storage.files import shown


def evaluate(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> Bundle:
    """Measure a model on a source of scores; returns its bundle."""
    require("matplotlib", "drawing the report card")
    model = engine_of(args, bundle_of(args, paths, bundle), paths)
    card = report.report(model, args.evaluate, paths, part=args.part)
    print("\n".join(report.lines(card)))
    picture = paths.models / f"{model.bundle.name}.report.png"
    plots.report_card(picture, card)
    told(f"  {'picture':<8} {shown(picture)}")
    if args.json:
        report.save(card, args.json)
        told(f"  {'figures':<8} {shown(args.json)}")
    return model.bundle
