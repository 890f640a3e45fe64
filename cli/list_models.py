"""--list: what is in models/ and how good each model is."""

import argparse
from collections.abc import Iterator
from typing import Any

from config_bach import Paths
from families.registry import families
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
    head = f"{'model':<26} {'type':>4} {'symbols':>8} {'valid':>12} {'test':>12} {'lookup':>12} nats per"
    note = (
        "figures on music that training never saw: nats, which say how surprised the model is (lower is "
        "better), and how often its first guess is right"
    )
    lines = [line for name, manifest in known.items() for line in _lines(name, manifest, paths)]
    shown = [f"{head}  corpus", *lines, note] if known else []
    return [*shown, *(f"left out: {sentence}" for sentence in wrong.values())]


def _lines(name: str, manifest: dict[str, Any], paths: Paths) -> Iterator[str]:
    """The figures of a model and, if it has several variants, these and the one that plays here."""
    metadata, metrics = manifest["metadata"], manifest["metadata"].get("metrics", {})
    lookup = metrics.get("baselines", {}).get(LOOKUP)
    rows = [metrics.get("valid"), metrics.get("test"), lookup]
    figures = " ".join(f"{f['nll']:6.3f} {f['accuracy']:5.1%}" if f else f"{'?':>12}" for f in rows)
    label, corpus = metadata.get("label", ""), metadata.get("corpus", {}).get("source", "?")
    leak = f"  ({label})" if "LEAKS" in label else ""
    symbols = len(manifest["vocabulary"]["fields"][0]["symbols"])
    kind = manifest["network"]["model_type"]
    unit = next((family.unit for family in families() if family.number == kind), "?")
    yield f"{name:<26} {kind:>4} {symbols:>8} {figures} {unit:<8}  {corpus}{leak}"
    if len(variants := metadata.get("variants", {})) > 1:
        told = ", ".join(f"{v}{loss_note(v, metadata)}" for v in variants)
        plays = "measure them here with -bl"
        if best := fastest_here(name, metadata, paths):
            plays = f"fastest here: {best['variant']}, {best['ms']:.2f} ms a note"
        yield f"  in LiteRT: {told}; {plays}"
