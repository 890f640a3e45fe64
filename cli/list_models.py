"""--list: what is in models/ and how good each model is."""

import argparse
from typing import Any

from config_bach import Paths
from litert.variants import fastest_here, loss_note
from storage.bundle import Bundle
from storage.catalog import examined

LOOKUP = "longest-match lookup"


def list_models(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> None:
    """Print a line for each model, the latest last."""
    print("\n".join(table(paths)))


def table(paths: Paths) -> list[str]:
    """What is in models/ and how good each is, the latest last."""
    known, wrong = examined(paths)
    if not known and not wrong:
        return [f"no models in {paths.models} yet: train one with -l 0 -f"]
    head = f"{'model':<26} {'type':>4} {'symbols':>8} {'valid':>12} {'test':>12} {'lookup':>12}"
    note = "figures: nats per event (lower is better) and accuracy on held-out music"
    lines = [
        line
        for name in known
        for line in (_line(name, known[name]), *_variants_line(name, known[name], paths))
    ]
    shown = [f"{head}  corpus", *lines, note] if known else []
    return [*shown, *(f"left out: {sentence}" for sentence in wrong.values())]


def _line(name: str, manifest: dict[str, Any]) -> str:
    metadata, metrics = manifest["metadata"], manifest["metadata"].get("metrics", {})
    rows = [metrics.get("valid"), metrics.get("test")]
    rows.append(metrics.get("baselines", {}).get(LOOKUP))
    figures = " ".join(f"{f['nll']:6.3f} {f['accuracy']:5.1%}" if f else f"{'?':>12}" for f in rows)
    label, corpus = metadata.get("label", ""), metadata.get("corpus", {}).get("source", "?")
    leak = f"  ({label})" if "LEAKS" in label else ""
    symbols = len(manifest["vocabulary"]["fields"][0]["symbols"])
    kind = manifest["network"]["model_type"]
    return f"{name:<26} {kind:>4} {symbols:>8} {figures}  {corpus}{leak}"


def _variants_line(name: str, manifest: dict[str, Any], paths: Paths) -> list[str]:
    """The variants of a model, and the one that plays here; nothing if there is but one."""
    metadata = manifest["metadata"]
    there = metadata.get("variants", {})
    if len(there) < 2:
        return []
    told = ", ".join(f"{v}{loss_note(v, metadata)}" for v in there)
    best = fastest_here(name, metadata, paths)
    plays = (
        f"fastest here: {best['variant']}, {best['ms']:.2f} ms a note"
        if best
        else "measure them here with -bl"
    )
    return [f"  in LiteRT: {told}; {plays}"]
