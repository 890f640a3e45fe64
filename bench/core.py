"""How fast Play Bach reads, learns and composes on this machine: ratios measured in one run.

python bench/core.py [--scores FOLDER_OR_music21:NAME] [--json PATH]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from config_bach import Composing, Encoding, Paths, UserError, quiet
from families.base import ModelFamily, Split
from families.registry import families
from litert.loading import loaded
from storage.bundle import Bundle

with quiet():
    from litert.export import with_variants
    from workflows import trainer

    trainer.initialise_tensorflow()

REPEATS = 5


def seconds(work: Callable[[], Any]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def reading(source: str, paths: Paths) -> dict[str, float]:
    """Seconds to read a corpus cold and from the cache."""
    family = families()[0]
    cold = seconds(lambda: family.read(source, paths, Encoding(), show=False))
    warm = statistics.median(
        seconds(lambda: family.read(source, paths, Encoding(), show=False)) for _ in range(3)
    )
    return {"cold_s": cold, "cached_s": warm, "ratio": cold / warm}


def untrained(source: str, paths: Paths, family: ModelFamily) -> tuple[Bundle, Split]:
    """A new bundle for a corpus."""
    encoding = Encoding(transpose=family.transpose)
    found = family.read(source, paths, encoding, show=False)
    return trainer.new_bundle("bench", found, encoding, family.network, family.training)


def training(bundle: Bundle, parts: Split) -> dict[str, float]:
    """Steps a second in training, with a target at every step and at the end of a window only.

    The second is how the articles train: one target for each window, windows one event apart.
    """
    task = trainer.TrainingTask.of(bundle, parts)
    model = task.compiled(bundle)
    inputs, targets = task.family.batches(task.dataset, bundle, 0)[0]
    model.train_on_batch(inputs, targets)  # TensorFlow compiles
    took = statistics.median(
        seconds(lambda: model.train_on_batch(inputs, targets)) for _ in range(20)
    )
    first = targets[0] if isinstance(targets, tuple) else targets[..., 0]
    counted = int((first >= 0).sum())
    return {
        "steps_per_s": counted / took,
        "one_target_a_window_per_s": len(first) / took,
        "ratio": counted / len(first),
    }


def composing(bundle: Bundle, parts: Split) -> dict[str, float]:
    """Milliseconds an event, against `model.predict` on the window for every event."""
    task = trainer.TrainingTask.of(bundle, parts)
    family, model = task.family, task.family.build(bundle)
    bundle = with_variants(replace(bundle, weights=model.get_weights()), ["float32"])
    composer = family.stream(loaded(bundle, "float32"), Composing(seed=1))
    some = max(task.dataset.valid, key=len).part(bundle.network.seqlen)
    window = list(family.inputs(some.rows[None], np.maximum(some.targets[None], 0)))
    step, whole = [], []
    for _ in range(20):
        next(composer)
    model.predict(window, verbose=0)
    for _ in range(REPEATS):  # in turns, so that a busy machine slows both
        step += [seconds(lambda: next(composer)) for _ in range(100)]
        whole += [seconds(lambda: model.predict(window, verbose=0)) for _ in range(10)]
    a, b = statistics.median(step), statistics.median(whole)
    return {"step_ms": 1000 * a, "predict_ms": 1000 * b, "ratio": b / a}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", default="music21:chorales")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = Paths(Path(folder))
        figures["reading"] = reading(args.scores, paths)
        for family in families():
            try:
                new = untrained(args.scores, paths, family)
            except UserError as error:  # not every corpus has what every type learns from
                print(f"type {family.number}: {error}")
                continue
            figures[f"training type {family.number}"] = training(*new)
            figures[f"composing type {family.number}"] = composing(*new)
    for what, row in figures.items():
        print(f"{what:<20}", "  ".join(f"{name} {value:,.2f}" for name, value in row.items()))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
