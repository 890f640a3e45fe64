"""How fast, how large and how good the variants of a model are on this machine, beside Keras.

Each row is measured in a process of its own, so that its peak memory is its own.
"""

import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import cycle
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
from storage.files import write_text

KERAS = "model.predict on the window"  # what the others are compared with
COMPILED = "the window, compiled"
STEP = "a step in Keras, compiled"
EVENTS = 4000  # held-out events, or steps of four voices, that are predicted
WARM, TIMED, SLOW_TIMED = 50, 2000, 40  # events; the last for what takes long

Step = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """What was measured of one way to run a model. A note in four voices is one voice's step."""

    variant: str  # of VARIANTS, or how Keras was run
    kilobytes: float
    ms: float  # a note, median
    ms_95: float  # a note, 95th percentile
    notes_per_second: float
    megabytes: float | None  # peak memory of a process that does nothing else
    accuracy: float
    nll: float  # nats per event, or per note of four voices
    crc32: int = 0
    ratio: float | None = None  # how many times faster than KERAS in this run


def benchmark(path: Path, lite: bool, keras: bool, runtime: Runtime) -> dict[str, Any]:
    """Measure a bundle: the variants that it has, or Keras, or both. Returns what `save` writes.

    Raises UserError if it carries nothing to be tried on, or cannot be run.
    """
    bundle = bundles.load(path)
    if not bundle.held_out:
        raise UserError(f"{bundle.name} carries no held-out pieces to be tried on; train it anew.")
    variants = list(bundle.steps) if lite else []
    family = family_of(bundle.network.model_type)
    jobs = [(lite_row, family, path, variant, runtime) for variant in variants]
    rows: list[Row] = []
    if keras:
        rows += alone(keras_rows, family, path)
    for job in tqdm(jobs, "measuring", leave=False, disable=None):
        rows += alone(*job)
    slow = next((row.ms for row in rows if row.variant == KERAS), None)
    rows = [replace(row, ratio=slow / row.ms if slow else None) for row in rows]
    return {
        "model": bundle.name,
        "machine": machine(),
        "threads": runtime.threads,
        "delegate": runtime.delegate,
        "label": bundle.metadata["label"],
        "rows": [vars(row) for row in rows],
        "lossy": [v for v in variants if is_lossy(v, bundle.metadata)],
    }


def alone(work: Callable[..., list[Row]], *given: Any) -> list[Row]:
    """Do it in a new process that shares nothing that this one has loaded."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
        return pool.submit(work, *given).result()


def lite_row(family: ModelFamily, path: Path, variant: str, runtime: Runtime) -> list[Row]:
    """A variant, timed with what it is told in held-out pieces."""
    register(family)  # in a process of its own only the built-in ones are known
    bundle = replace(bundles.load(path), weights=[])
    model = loaded(bundle, variant, runtime)
    sequences = held_out_sequences(bundle)
    notes = len(family.voices) or 1
    seconds = timed(steps_of(model.predictor, sequences), TIMED // notes) / notes
    peak = peak_megabytes()
    scored = metrics.stepwise(model.predictor, sequences)
    figures = metrics.measure(family, scored, bundle.vocabulary.fields)
    crc32 = bundle.metadata.get("variants", {}).get(variant, {}).get("crc32", 0)
    size = len(bundle.steps[variant])
    return [row_of(variant, size, seconds, peak=peak, figures=figures, crc32=crc32)]


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

    steps = run()
    return lambda: next(steps)


def keras_rows(family: ModelFamily, path: Path) -> list[Row]:
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
    voices = len(family.voices) or 1
    ways: dict[str, tuple[Step, int]] = {
        KERAS: (lambda: model.predict(inputs, verbose=0), 1),
        COMPILED: (lambda: compiled([tf.constant(x) for x in inputs]), 1),
        STEP: (steps_of(on_keras(bundle, model).predictor, sequences), voices),
    }
    size = sum(w.nbytes for w in bundle.weights)
    return [
        row_of(
            name, size, timed(step, SLOW_TIMED, 3) / notes, peak=peak_megabytes(), figures=figures
        )
        for name, (step, notes) in ways.items()
    ]


def held_out_sequences(bundle: bundles.Bundle) -> list[StepSequence]:
    """The held-out pieces that a bundle carries, EVENTS steps or a little more."""
    family = family_of(bundle.network.model_type)
    found: list[StepSequence] = []
    for sequence in family.sequences(family.unpack(bundle.held_out), bundle):
        if sum(map(len, found)) < EVENTS:
            found.append(sequence)
    return found


def timed(step: Step, count: int, warm: int = WARM) -> Any:
    """Seconds that each of `count` calls takes, after some that are not counted."""
    for _ in range(warm):
        step()
    seconds = np.zeros(count)
    for i in range(count):
        begun = time.perf_counter()
        step()
        seconds[i] = time.perf_counter() - begun
    return seconds


def row_of(
    variant: str, size: int, seconds: Any, *, peak: float | None, figures: Metrics, crc32: int = 0
) -> Row:
    """A row, from the size in bytes and the seconds that each note took."""
    middle = float(np.median(seconds))
    return Row(
        variant,
        round(size / 1024, 1),
        round(1000 * middle, 4),
        round(1000 * float(np.percentile(seconds, 95)), 4),
        round(1 / middle, 1),
        peak,
        round(figures.accuracy, 5),
        round(figures.nll, 5),
        crc32,
    )


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
    head = (
        f"{'':<28} {'KB':>7} {'ms a note':>10} {'95 %':>8} {'notes/s':>9} {'ratio':>7} {'peak MB':>8} "
        f"{'accuracy':>9} {'nats':>7}"
    )
    lines = [
        _line(row) + ("  lossy" if row["variant"] in told["lossy"] else "") for row in told["rows"]
    ]
    slow = [row["variant"] for row in told["rows"] if row["notes_per_second"] < REAL_TIME]
    note = f"{told['model']} on {told['machine']}, {told['threads']} thread(s); {told['label']}"
    late = [f"too slow for music in real time here: {', '.join(slow)}"] if slow else []
    return [head, *lines, note, *late]


def _line(row: dict[str, Any]) -> str:
    ratio, peak = _number(row["ratio"], ",.0f"), _number(row["megabytes"], ".0f")
    return (
        f"{row['variant']:<28} {row['kilobytes']:>7,.0f} {row['ms']:>10.3f} {row['ms_95']:>8.3f} "
        f"{row['notes_per_second']:>9,.0f} {ratio:>7} {peak:>8} {row['accuracy']:>9.1%} "
        f"{row['nll']:>7.3f}"
    )


def _number(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)


def save(told: dict[str, Any], path: Path) -> None:
    """Write the figures as JSON."""
    write_text(path, json.dumps(told, indent=1))
