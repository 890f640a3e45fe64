"""How fast Play Bach reads, learns and composes on this machine: ratios measured in one run.

python bench/core.py [--scores FOLDER_OR_music21:NAME] [--json PATH]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import corpus
import numpy as np
from bundle import Bundle
from course import compiled, lessons_of
from dataset import Split
from lite import quiet
from predict import Composer, prime_of

from config_bach import LONGEST, NETWORKS, TRANSPOSE, Composing, Encoding, Places, Training

with quiet():
    import fit as fitting
    from batches import Windows

    fitting.wake_tensorflow()

REPEATS = 5


def seconds(work: Callable[[], Any]) -> float:
    """How long `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def reading(source: str, places: Places) -> dict[str, float]:
    """Seconds to read a corpus cold and from the cache."""
    cold = seconds(lambda: corpus.read(source, places, LONGEST, show=False))
    warm = statistics.median(
        seconds(lambda: corpus.read(source, places, LONGEST, show=False)) for _ in range(3)
    )
    return {"cold_s": cold, "cached_s": warm, "ratio": cold / warm}


def untrained(source: str, places: Places, model_type: int) -> tuple[Bundle, Split[Any]]:
    """A new bundle for a corpus."""
    found = corpus.read(source, places, LONGEST, show=False)
    encoding = Encoding(transpose=TRANSPOSE[model_type])
    return fitting.new_bundle("bench", found, encoding, NETWORKS[model_type], Training(epochs=1))


def training(source: str, places: Places, model_type: int) -> dict[str, float]:
    """Events a second in training, with a lesson at every event and at the end of a window only.

    The second is how the articles train: one target for each window, windows one event apart.
    """
    bundle, parts = untrained(source, places, model_type)
    data = lessons_of(parts, bundle)
    model = compiled(bundle)
    batches = Windows(data.train, bundle.network, bundle.training, 0)
    inputs, targets = batches[0]
    model.train_on_batch(inputs, targets)  # TensorFlow prepares itself
    took = statistics.median(
        seconds(lambda: model.train_on_batch(inputs, targets)) for _ in range(20)
    )
    lessons = int((targets[0] >= 0).sum())
    return {
        "events_per_s": lessons / took,
        "one_target_a_window_per_s": len(targets[0]) / took,
        "ratio": lessons / len(targets[0]),
    }


def composing(source: str, places: Places, model_type: int) -> dict[str, float]:
    """Milliseconds a note: the step model, against `model.predict` on the window for every note."""
    from dataclasses import replace

    from lite.export import with_variants

    bundle, _ = untrained(source, places, model_type)
    model = compiled(bundle)
    bundle = with_variants(replace(bundle, weights=model.get_weights()), ["float32"])
    composer = Composer(bundle, Composing(seed=1), prime_of(bundle, 1)[1])
    window = [np.ones((1, bundle.network.seqlen), np.int32) for _ in model.inputs]
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
        places = Places(Path(folder))
        figures["reading"] = reading(args.scores, places)
        for number in NETWORKS:
            figures[f"training type {number}"] = training(args.scores, places, number)
            figures[f"composing type {number}"] = composing(args.scores, places, number)
    for what, row in figures.items():
        print(f"{what:<20}", "  ".join(f"{name} {value:,.2f}" for name, value in row.items()))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
