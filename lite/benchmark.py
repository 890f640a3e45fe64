"""How fast, how large and how good the variants of a model are on this machine, beside Keras.

Each row is measured in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

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

import bundle as bundles
from bundle import Bundle
from chorale import judge
from chorale.ear import rows_of
from chorale.forms import unpacked
from chorale.grid import ORDER, VOICES, Chorale, sounding
from config_bach import CHORALE, Runtime, UserError
from dataset import Lesson, lessons
from evaluate import Figures, rows_figures
from files import write_text
from lite.engine import quiet
from lite.variants import REAL_TIME, is_lossy, machine

KERAS = "model.predict on the window"  # what the others are compared with
EVENTS = 4000  # held-out events, or steps of four voices, that are foretold
WARM, TIMED, SLOW_TIMED = 50, 2000, 40  # events; the last for what takes long

Step = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """What was measured of one way to run a model. A note of four voices is one voice's step."""

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
    jobs = [(lite_row, path, variant, runtime) for variant in variants]
    rows: list[Row] = []
    if keras:
        rows += alone(keras_rows, path)
    for job in tqdm(jobs, "measuring", leave=False, disable=None):
        rows += alone(*job)
    slow = next((row.ms for row in rows if row.variant == KERAS), None)
    rows = [replace(row, ratio=slow / row.ms if slow else None) for row in rows]
    return {
        "model": bundle.name,
        "machine": machine(),
        "threads": runtime.threads,
        "delegate": runtime.delegate,
        "label": bundle.facts["label"],
        "rows": [vars(row) for row in rows],
        "lossy": [v for v in variants if is_lossy(v, bundle.facts)],
    }


def alone(work: Callable[..., list[Row]], *given: Any) -> list[Row]:
    """Do it in a new process that has not even seen what this one has loaded."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
        return pool.submit(work, *given).result()


def lite_row(path: Path, variant: str, runtime: Runtime) -> list[Row]:
    """A variant, timed with what it hears in held-out pieces."""
    bundle = replace(bundles.load(path), weights=[], variant=variant, runtime=runtime)
    content = bundle.step
    if bundle.network.model_type == CHORALE:
        pieces = some(unpacked(bundle.held_out))
        step, notes = chorale_steps(bundle, pieces), len(VOICES)
    else:
        known = some(lessons(bundles.pieces_of(bundle.held_out), bundle.vocabulary, bundle.network))
        step, notes = event_steps(bundle, known), 1
    seconds = timed(step, TIMED // notes) / notes
    peak = peak_megabytes()
    figures = (
        judge.figures(bundle, pieces, keys=1)[0]
        if bundle.network.model_type == CHORALE
        else rows_figures(bundle.engine, known, bundle.vocabulary)
    )
    crc32 = bundle.facts.get("variants", {}).get(variant, {}).get("crc32", 0)
    return [row_of(variant, len(content), seconds, peak=peak, figures=figures, crc32=crc32)]


def event_steps(bundle: Bundle, known: Sequence[Lesson]) -> Step:
    """Each call is an event of the held-out pieces through the engine."""

    def run() -> Iterator[None]:
        for lesson in cycle(known):
            memory = bundle.engine.silence()
            for heard in lesson.inputs.tolist():
                _, memory = bundle.engine.step(heard, memory)
                yield

    steps = run()
    return lambda: next(steps)


def chorale_steps(bundle: Bundle, pieces: Sequence[Chorale]) -> Step:
    """Each call is a sixteenth of the held-out chorales, in four voices, through the engine."""

    def run() -> Iterator[None]:
        for piece in cycle(pieces):
            memory = bundle.choir.silence(1)
            sounds = sounding(piece.symbols).astype(np.int32)
            for now, row in enumerate(rows_of(piece).astype(np.int32)):
                context, memory = bundle.choir.hear(row[None], memory)
                for voice in ORDER:
                    bundle.choir.voice(voice, context, row[None], sounds[now : now + 1])
                yield

    steps = run()
    return lambda: next(steps)


def keras_rows(path: Path) -> list[Row]:
    """Keras as the articles ran it, and as well as it can be run."""
    with quiet():
        from lite import on_keras

        return on_keras.rows(bundles.load(path))


def some(works: Sequence[Any]) -> list[Any]:
    """The first lessons or chorales, EVENTS or a little more."""
    found: list[Any] = []
    for work in works:
        if sum(map(length_of, found)) < EVENTS:
            found.append(work)
    return found


def length_of(work: Lesson | Chorale) -> int:
    """Events or steps."""
    return work.shown if isinstance(work, Lesson) else len(work)


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
    variant: str,
    size: int,
    seconds: Any,
    *,
    peak: float | None,
    figures: Figures,
    crc32: int = 0,
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
