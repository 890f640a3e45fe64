"""How fast, how large and how good the variants of a model are on this machine, beside Keras.

Each row is measured in a process of its own, so that its peak memory is its own.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import accumulate, cycle
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from config_bach import Runtime, UserError, quiet
from families import metrics
from families.base import ModelFamily
from families.metrics import Metrics
from families.registry import family_of, register
from families.steps import Predictor, StepSequence
from litert.loading import loaded
from litert.variants import REAL_TIME, is_lossy, machine
from storage import bundle as bundles

KERAS = "model.predict on the window"  # what the others are compared with
COMPILED = "the window, compiled"
STEP = "a step in Keras, compiled"
EVENTS = 4000  # held-out events, or steps of four voices, that are predicted
WARM, TIMED, SLOW_TIMED = 50, 2000, 40  # events; the last for what takes long

Step = Callable[[], Any]


def benchmark(path: Path, lite: bool, keras: bool, runtime: Runtime) -> dict[str, Any]:
    """Measure a bundle: the variants that it has, or Keras, or both. Returns the figures, as JSON types.

    Raises UserError if it carries nothing to be tried on, or cannot be run.
    """
    bundle = bundles.load(path)
    if not bundle.held_out:
        raise UserError(f"{bundle.name} carries no held-out pieces to be tried on; train it anew.")
    variants = list(bundle.steps) if lite else []
    family = family_of(bundle.network.model_type)
    rows = alone(keras_rows, family, path) if keras else []
    for variant in tqdm(variants, "measuring", leave=False, disable=None):
        rows.append(alone(lite_row, family, path, variant, runtime))
    slow = next((row["ms"] for row in rows if row["variant"] == KERAS), None)
    known = bundle.metadata.get("variants", {})
    for row in rows:
        row["crc32"] = known.get(row["variant"], {}).get("crc32", 0)
        row["ratio"] = slow / row["ms"] if slow else None  # how many times faster than KERAS
    return {
        "model": bundle.name,
        "machine": machine(),
        "threads": runtime.threads,
        "delegate": runtime.delegate,
        "label": bundle.metadata["label"],
        "rows": rows,
        "lossy": [v for v in variants if is_lossy(v, bundle.metadata)],
    }


def alone(work: Callable[..., Any], *given: Any) -> Any:
    """Do it in a new process that shares nothing that this one has loaded."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
        return pool.submit(work, *given).result()


def lite_row(family: ModelFamily, path: Path, variant: str, runtime: Runtime) -> dict[str, Any]:
    """A variant, timed with what it is told in held-out pieces."""
    register(family)  # in a process of its own only the built-in ones are known
    bundle = replace(bundles.load(path), weights=[])
    predictor = loaded(bundle, variant, runtime).predictor
    sequences, fields = held_out_sequences(bundle), bundle.vocabulary.fields
    notes = len(family.voices) or 1
    seconds = timed(steps_of(predictor, sequences), TIMED // notes) / notes
    peak = peak_megabytes()
    figures = metrics.measure(family, metrics.stepwise(predictor, sequences), fields)
    return row_of(variant, len(bundle.steps[variant]), seconds, peak, figures)


def steps_of(predictor: Predictor, sequences: Sequence[StepSequence]) -> Step:
    """Each call is a step of held-out pieces, with all heads."""

    def run() -> Iterator[None]:
        for sequence in cycle(sequences):
            state = predictor.initial_state()
            tokens = np.maximum(sequence.targets, 0)
            for now in range(len(sequence)):
                row, chosen = sequence.rows[now : now + 1], tokens[now : now + 1]
                context, state = predictor.advance(row, state)
                for head in predictor.order:
                    predictor.head(head, context, row, chosen)
                yield

    return run().__next__


def keras_rows(family: ModelFamily, path: Path) -> list[dict[str, Any]]:
    """`model.predict` on the window for every note, as in the articles; the same compiled; a step.

    Where heads are told what others chose, a window gives one note at a time, too; a step gives one for
    each voice.
    """
    register(family)
    with quiet():
        import tensorflow as tf

        from litert.keras_runner import network_of, on_keras

        bundle = bundles.load(path)
        model = network_of(bundle)
    sequences, fields = held_out_sequences(bundle), bundle.vocabulary.fields
    symbols = max(len(f.symbols) for f in fields)
    figures = metrics.measure(family, metrics.forward(family, model, sequences, symbols), fields)
    window = max(sequences, key=len).part(bundle.network.seqlen)
    inputs = list(family.inputs(window.rows[None], np.maximum(window.targets[None], 0)))
    compiled = tf.function(model)
    ways: dict[str, tuple[Step, int]] = {
        KERAS: (lambda: model.predict(inputs, verbose=0), 1),
        COMPILED: (lambda: compiled([tf.constant(x) for x in inputs]), 1),
        STEP: (steps_of(on_keras(bundle, model).predictor, sequences), len(family.voices) or 1),
    }
    size = sum(w.nbytes for w in bundle.weights)
    return [
        row_of(name, size, timed(step, SLOW_TIMED, 3) / notes, peak_megabytes(), figures)
        for name, (step, notes) in ways.items()
    ]


def held_out_sequences(bundle: bundles.Bundle) -> list[StepSequence]:
    """The held-out pieces that a bundle carries, EVENTS steps or a little more."""
    family = family_of(bundle.network.model_type)
    found = family.sequences(family.unpack(bundle.held_out), bundle)
    before = accumulate(map(len, found), initial=0)
    return [s for s, steps in zip(found, before, strict=False) if steps < EVENTS]


def timed(step: Step, count: int, warm: int = WARM) -> Any:
    """Seconds that each of `count` calls takes, after some that are not counted."""
    seconds = np.zeros(warm + count)
    for i in range(warm + count):
        begun = time.perf_counter()
        step()
        seconds[i] = time.perf_counter() - begun
    return seconds[warm:]


def row_of(
    variant: str, size: int, seconds: Any, peak: float | None, figures: Metrics
) -> dict[str, Any]:
    """What was measured of one way to run a model: its size in bytes, the seconds that each note took,
    the peak memory of a process that does nothing else. A note in four voices is one voice's step."""
    middle = float(np.median(seconds))
    return {
        "variant": variant,  # of VARIANTS, or how Keras was run
        "kilobytes": round(size / 1024, 1),
        "ms": round(1000 * middle, 4),  # a note, median
        "ms_95": round(1000 * float(np.percentile(seconds, 95)), 4),
        "notes_per_second": round(1 / middle, 1),
        "megabytes": peak,
        "accuracy": round(figures.accuracy, 5),
        "nll": round(figures.nll, 5),  # nats per event, or per note of four voices
    }


def peak_megabytes() -> float | None:
    """The most memory that this process has held so far; None where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        (line,) = [x for x in status.splitlines() if x.startswith("VmHWM")]
        return round(int(line.split()[1]) / 1024, 1)
    except (OSError, ValueError):
        return None


def table(told: dict[str, Any]) -> list[str]:
    """The rows for people to read."""
    lines = [
        f"{'':<28} {'KB':>7} {'ms a note':>10} {'95 %':>8} {'notes/s':>9} {'ratio':>7} {'peak MB':>8} "
        f"{'accuracy':>9} {'nats':>7}"
    ]
    for row in told["rows"]:
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:,.0f}"
        peak = "-" if row["megabytes"] is None else f"{row['megabytes']:.0f}"
        lines.append(
            f"{row['variant']:<28} {row['kilobytes']:>7,.0f} {row['ms']:>10.3f} {row['ms_95']:>8.3f} "
            f"{row['notes_per_second']:>9,.0f} {ratio:>7} {peak:>8} {row['accuracy']:>9.1%} "
            f"{row['nll']:>7.3f}{'  lossy' if row['variant'] in told['lossy'] else ''}"
        )
    lines.append(
        f"{told['model']} on {told['machine']}, {told['threads']} thread(s); {told['label']}"
    )
    if slow := [r["variant"] for r in told["rows"] if r["notes_per_second"] < REAL_TIME]:
        lines.append(f"too slow for music in real time here: {', '.join(slow)}")
    return lines
