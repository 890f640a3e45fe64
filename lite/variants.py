"""The variants in which a network can be exported, and which of them plays on this machine."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config_bach import CHORALE, Places

VARIANTS = {
    "float32": "all in 32 bits: note for note what Keras composes",
    "float16": "weights in 16 bits, computed in 32",
    "dynamic": "weights in 8 bits, what flows between them quantised as it comes",
    "int8": "weights and what flows between them in 8 bits, ranges learned from the training pieces",
}
LOSSY = 0.02  # nats; a variant that loses more is marked, and never chosen for you
REAL_TIME = 32.0  # notes a second: sixteenths in four voices at 120 BPM


def exported_first(model_type: int) -> str:
    """The variant that training ends with: what generation uses until another is chosen.

    The large network of type 5 is half the size in 16 bits, for less than 0.0001 nats.
    """
    return "float16" if model_type == CHORALE else "float32"


def mark(variant: str, facts: Mapping[str, Any]) -> str:
    """What people are told of a variant: ' (loses 0.05 nats)', or nothing if it loses none."""
    loss = facts.get("variants", {}).get(variant, {}).get("nll_change")
    return f" (loses {loss:.2f} nats)" if is_lossy(variant, facts) else ""


def is_lossy(variant: str, facts: Mapping[str, Any]) -> bool:
    """Whether a variant was seen to lose more than LOSSY nats on held-out music."""
    return bool(facts.get("variants", {}).get(variant, {}).get("nll_change", 0.0) > LOSSY)


def machine() -> str:
    """What tells this machine from others; figures of speed hold for one machine."""
    return f"{platform.node()} {platform.machine()}"


def benchmark_path(name: str, places: Places) -> Path:
    """Where the figures of a model's last benchmark lie."""
    return places.models / f"{name}.benchmark.json"


def fastest_here(name: str, facts: Mapping[str, Any], places: Places) -> dict[str, Any] | None:
    """The fastest row of the last benchmark on this machine that keeps real time and loses nothing.

    None if nothing was measured here, or if the model has changed since.
    """
    try:
        told = json.loads(benchmark_path(name, places).read_text(encoding="utf-8"))
        rows = [row for row in told["rows"] if _still_true(row, facts)]
        fit = [row for row in rows if row["notes_per_second"] >= REAL_TIME]
        if told["machine"] != machine() or not fit:
            return None
        return dict(min(fit, key=lambda row: row["ms"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _still_true(row: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether a row is of a variant as it is in the bundle now, and not a lossy one."""
    known = facts.get("variants", {}).get(row["variant"])
    return (
        known is not None and known["crc32"] == row["crc32"] and not is_lossy(row["variant"], facts)
    )
