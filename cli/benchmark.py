"""-bf, -bl: how fast, how large and how good a model is here; as a table, as JSON, as a picture."""

import argparse
import json

from cli.common import path_of_model, runtime_of
from cli.run_log import told
from config_bach import Paths, require
from evaluation import plots
from litert import benchmark as benchmarks
from litert.variants import benchmark_path
from storage.bundle import Bundle
from storage.catalog import path_of
from storage.files import shown, write_text


def benchmark(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> None:
    """Measure the Keras model (-bf), its LiteRT variants (-bl) or both."""
    if args.benchmark_full:
        require("tensorflow", "measuring Keras (-bf)")
    path = path_of(bundle.name, paths) if bundle else path_of_model(args, paths)
    measured = benchmarks.benchmark(
        path, args.benchmark_lite, args.benchmark_full, runtime_of(args)
    )
    print("\n".join(benchmarks.table(measured)))
    figures = benchmark_path(path.stem, paths)
    write_text(figures, json.dumps(measured, indent=1))
    told(f"  {'figures':<8} {shown(figures)}")
    if plots.available():
        picture = figures.with_suffix(".png")
        plots.benchmark(picture, measured)
        told(f"  {'picture':<8} {shown(picture)}")
