"""The variants in which a network can be exported, and which of them plays on this machine."""

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config_bach import Paths

VARIANTS = {
    "float32": "all in 32 bits: the same notes as Keras",
    "float16": "weights in 16 bits, computed in 32",
    "dynamic": "weights in 8 bits, activations quantised as they come",
    "int8": "weights and activations in 8 bits, ranges learned from the training pieces",
}
LOSSY = 0.02  # nats; a variant that loses more is marked, and never chosen for you
REAL_TIME = 32.0  # notes a second: sixteenths in four voices at 120 BPM


def loss_note(variant: str, metadata: Mapping[str, Any]) -> str:
    """What people are told of a variant: ' (loses 0.05 nats)', or nothing if it loses none."""
    loss = metadata.get("variants", {}).get(variant, {}).get("nll_change")
    return f" (loses {loss:.2f} nats)" if is_lossy(variant, metadata) else ""


def is_lossy(variant: str, metadata: Mapping[str, Any]) -> bool:
    """Whether a variant was seen to lose more than LOSSY nats on held-out music."""
    return bool(metadata.get("variants", {}).get(variant, {}).get("nll_change", 0.0) > LOSSY)


def machine() -> str:
    """What tells this machine from others; figures of speed hold for one machine."""
    return f"{platform.node()} {platform.machine()}"


def benchmark_path(name: str, paths: Paths) -> Path:
    """Where the figures of a model's last benchmark lie."""
    return paths.models / f"{name}.benchmark.json"


def fastest_here(name: str, metadata: Mapping[str, Any], paths: Paths) -> dict[str, Any] | None:
    """The fastest row of the last benchmark on this machine that keeps real time and loses nothing.

    None if nothing was measured here, or if the model has changed since.
    """
    try:
        told = json.loads(benchmark_path(name, paths).read_text(encoding="utf-8"))
        rows = [row for row in told["rows"] if _still_true(row, metadata)]
        fit = [row for row in rows if row["notes_per_second"] >= REAL_TIME]
        here = told["machine"] == machine()
        return dict(min(fit, key=lambda row: row["ms"])) if fit and here else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _still_true(row: Mapping[str, Any], metadata: Mapping[str, Any]) -> bool:
    """Whether a row is of a variant as it is in the bundle now, and not a lossy one."""
    known = metadata.get("variants", {}).get(row["variant"])
    same = known is not None and known["crc32"] == row["crc32"]
    return same and not is_lossy(row["variant"], metadata)
