"""Pictures of a model: learning curves, report card, network, benchmark. See also piano_roll.py."""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from storage.bundle import Bundle
from storage.files import replacing

if TYPE_CHECKING:
    import keras

INK, ACCENT, SECOND, PALE = "#22313f", "#c0392b", "#2874a6", "#d5dbdb"

Diagram = tuple[dict[str, str], list[tuple[str, str]]]


def available() -> bool:
    """Whether pictures can be drawn; where only what composes is installed, there are none."""
    return importlib.util.find_spec("matplotlib") is not None


def figure_of(
    title: str,
    size: tuple[float, float],
    *shape: int,
    layout: Literal["constrained"] | None = "constrained",
    **how: Any,
) -> tuple[Any, Any]:
    """A matplotlib figure that needs no screen, with an array of axes. how: of the title."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(title, color=INK, **{"fontsize": 12, **how})
    axes = figure.subplots(*shape, squeeze=False)
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(colors=INK, labelsize=8)
    return figure, axes


def save(figure: Any, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all."""
    with replacing(path) as aside:
        figure.savefig(aside, format="png", dpi=120)


def learning_curves(path: Path, bundle: Bundle) -> None:
    """Draw training and validation figures by epoch, with the baselines as lines to beat."""
    history = bundle.metadata["history"]
    epochs = [e["epoch"] for e in history]
    title = f"{bundle.name} ({bundle.metadata['label']})"
    figure, axes = figure_of(title, (11, 4.2), 1, 2, fontsize=11)
    wanted = (("nll", "nats"), ("accuracy", "accuracy"))
    for ax, (what, label) in zip(axes[0], wanted, strict=True):
        for side, name, color in (("train", "training", SECOND), ("val", "validation", ACCENT)):
            values = [e[f"{side}_{what}"] for e in history]
            ax.plot(epochs, values, color=color, label=name, marker=".")
        baselines = bundle.metadata["metrics"]["baselines"].items()
        for style, (name, figures) in zip(cycle(("--", ":", "-.")), baselines, strict=False):
            ax.axhline(figures[what], color=INK, linestyle=style, linewidth=1, label=name)
        ax.set(xlabel="epoch", ylabel=label)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(frameon=False, fontsize=8)
    save(figure, path)


def report_card(path: Path, card: dict[str, Any]) -> None:
    """Draw a report card: prediction, copying, style and voice leading or degeneration."""
    title = f"{card['model']} on {card['source']}\n{card['label']}"
    figure, axes = figure_of(title, (12, 7.4), 2, 2, fontsize=11)
    nats = {name: f["nll"] for name, f in card["prediction"].items()}
    _bars(axes[0, 0], "nats, lower is better", {"": nats})
    ax = axes[0, 1]
    ax.set_title("notes copied in a row from the training pieces", fontsize=10, color=INK)
    if copied := card["originality"]:
        sides = ("composed", "real")
        ax.boxplot([copied[s] for s in sides], tick_labels=sides, vert=False)
    _bars(axes[1, 0], "distance from real pieces", card["style"])
    if "faults" in card:
        _bars(axes[1, 1], "voice-leading faults per 100 notes", card["faults"])
    else:
        _bars(axes[1, 1], "share of the time", card["degeneration"])
    save(figure, path)


def _bars(ax: Any, title: str, sides: dict[str, dict[str, float]]) -> None:
    """Horizontal bars by name, one for each side that has figures."""
    ax.set_title(title, fontsize=10, color=INK)
    names = list(dict.fromkeys(name for figures in sides.values() for name in figures))[::-1]
    height = 0.8 / len(sides)
    for i, (side, figures) in enumerate(sides.items()):
        offsets = [y + height * (len(sides) / 2 - i - 0.5) for y in range(len(names))]
        values = [figures.get(name, 0.0) for name in names]
        ax.barh(offsets, values, height * 0.9, color=(ACCENT, SECOND)[i % 2], label=side or None)
    ax.set_yticks(range(len(names)), names)
    if len(sides) > 1:
        ax.legend(frameon=False, fontsize=8)


def model_diagram(path: Path, model: keras.Model, name: str, diagram: Diagram | None) -> None:
    """Draw a Keras network from input (left) to output.

    diagram: boxes (name -> text) and arrows; None: its layers, each with its output shape.
    """
    labels, arrows = diagram or _graph(model)
    column: dict[str, int] = {}
    columns: dict[int, list[str]] = defaultdict(list)
    for box in labels:
        column[box] = 1 + max((column[a] for a, b in arrows if b == box), default=-1)
        columns[column[box]].append(box)
    tallest = max(map(len, columns.values()))
    size = (1 + 1.75 * len(columns), 1.2 + 0.75 * tallest)
    figure, axes = figure_of(f"{name}: {model.count_params():,} weights", size)
    ax = axes[0, 0]
    ax.axis("off")
    ax.set(xlim=(-0.6, len(columns) - 0.4), ylim=(-tallest / 2 - 0.1, tallest / 2 + 0.1))
    place = {
        box: (x, (len(boxes) - 1) / 2 - y)
        for x, boxes in columns.items()
        for y, box in enumerate(boxes)
    }
    for start, stop in arrows:
        bend = f"arc3,rad={0.3 if column[stop] - column[start] > 1 else 0}"
        how = {"arrowstyle": "-|>", "color": PALE, "shrinkA": 30, "shrinkB": 34}
        ax.annotate("", place[stop], place[start], arrowprops={**how, "connectionstyle": bend})
    for box, text in labels.items():
        frame = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": SECOND}
        ax.text(*place[box], text, ha="center", va="center", fontsize=7, color=INK, bbox=frame)
    save(figure, path)


def _graph(model: keras.Model) -> Diagram:
    """The layers of a functional network in order, with what to write on them, and their arrows."""
    producer = {id(layer.output): layer.name for layer in model.layers}
    labels, arrows = {}, []
    for layer in model.layers:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        before = [producer[id(t)] for t in inputs if producer[id(t)] != layer.name]
        arrows += [(b, layer.name) for b in before]
        shape = " x ".join(str(n) for n in layer.output.shape[2:]) or "token"
        labels[layer.name] = f"{layer.name}\n{type(layer).__name__}\n{shape}"
    return labels, arrows


def benchmark(path: Path, told: dict[str, Any]) -> None:
    """Draw the benchmark of a model: milliseconds a note, size, memory and nats, a bar for each row."""
    rows = told["rows"][::-1]
    names = [r["variant"] + (" (lossy)" if r["variant"] in told["lossy"] else "") for r in rows]
    measures = {
        "ms": ("ms a note", ".3g"),
        "kilobytes": ("KB", ",.0f"),
        "megabytes": ("peak MB", ".0f"),
        "nll": ("nats", ".3f"),
    }
    title, size = f"{told['model']} on {told['machine']}", (14, 1.2 + 0.4 * len(rows))
    figure, axes = figure_of(title, size, 1, len(measures), x=0.01, ha="left")
    for ax, (key, (label, how)) in zip(axes[0], measures.items(), strict=True):
        values = [r[key] or 0 for r in rows]
        bars = ax.barh(names, values, color=[SECOND if r["crc32"] else PALE for r in rows])
        ax.bar_label(bars, [format(v, how) for v in values], fontsize=7, color=INK, padding=2)
        ax.set_xlabel(label, color=INK, fontsize=9)
        ax.margins(x=0.25)
        if key == "ms":
            ax.set_xscale("log")
        if ax is not axes[0, 0]:
            ax.set_yticks([])
    save(figure, path)
