"""-bf, -bl: how fast, how large and how good a model is here; as a table, as JSON, as a picture."""

import argparse
import json

from cli.common import runtime_of
from config_bach import Paths, require
from evaluation import plots
from litert import benchmark as benchmarks
from litert.variants import benchmark_path
from storage.bundle import Bundle
from storage.catalog import choose
from storage.files import shown, write_text


def benchmark(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> None:
    """Measure the Keras model (-bf), its LiteRT variants (-bl) or both."""
    if args.benchmark_full:
        require("tensorflow", "measuring Keras (-bf)")
    path = choose(bundle.name if bundle else args.app, args.model_type, paths)
    told = benchmarks.benchmark(path, args.benchmark_lite, args.benchmark_full, runtime_of(args))
    print("\n".join(benchmarks.table(told)))
    figures = benchmark_path(path.stem, paths)
    write_text(figures, json.dumps(told, indent=1))
    print(f"  {'figures':<8} {shown(figures)}")
    if plots.available():
        picture = figures.with_suffix(".png")
        plots.benchmark(picture, told)
        print(f"  {'picture':<8} {shown(picture)}")
