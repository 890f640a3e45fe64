"""The report card of a model: how well it foretells, what it copies, how near it is to the real thing.

Everything is measured with the engine that composes, on pieces that training never saw where there
are any, and beside the same figures for these real pieces.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import mean, median
from typing import Any

from tqdm import tqdm

import corpus
from bundle import Bundle
from chorale import judge
from chorale.composer import compose as compose_chorale
from chorale.score import events_of
from chorale.sources import read as read_chorales
from config_bach import CHORALE, Composing, Places
from dataset import LABELS, lessons
from evaluate import baselines, rows_figures
from files import write_text
from originality import Copy
from piece import Event, Piece
from predict import Composer, prime_of
from style import FAULTS, degeneration, distances, faults_per_100

PIECES = 20  # that are composed
NOTES = 200  # events in each of them, where pieces have no form of their own
LEAKS = "some of these pieces, or all, were learned from: LEAKS"

Music = list[Event]


@dataclass(frozen=True)
class Real:
    """The real pieces of a source: by name, as events, and as the model knows them."""

    label: str
    works: tuple[Any, ...]  # Piece or Chorale
    music: tuple[Music, ...]


def report(bundle: Bundle, source: str, places: Places, pieces: int = PIECES) -> dict[str, Any]:
    """Measure a model on a source: a folder of scores, 'music21:bach', or a JSON file in the JSB form.

    Raises UserError if nothing in the source can be used.
    """
    real = real_pieces(bundle, source, places)
    composed = [compose(bundle, seed) for seed in tqdm(range(pieces), "composing", disable=None)]
    card: dict[str, Any] = {
        "model": bundle.name,
        "source": source,
        "label": real.label,
        "pieces": len(real.works),
        "composed": len(composed),
        "foretelling": foretelling(bundle, real),
        "originality": originality(bundle, composed, real),
        "style": {
            "composed": distances(composed, real.music),
            "real": distances(real.music[::2], real.music[1::2]) if len(real.music) > 1 else {},
        },
        "degeneration": {"composed": _degeneration(composed), "real": _degeneration(real.music)},
    }
    if bundle.network.model_type == CHORALE:
        card["faults"] = {
            "composed": faults_per_100(composed),
            "real": faults_per_100(real.music),
        }
    return card


def real_pieces(bundle: Bundle, source: str, places: Places) -> Real:
    """The pieces of a source that were not learned from; all of them, so labelled, if there are none."""
    learned = {p["fingerprint"] for p in bundle.facts["corpus"]["pieces"] if p["side"] == "train"}
    works: Sequence[Any]
    if bundle.network.model_type == CHORALE:
        works = read_chorales(source, places).pieces
    else:
        works = corpus.read(source, places, bundle.vocabulary.encoding.max_duration).pieces
    unseen = [w for w in works if w.fingerprint not in learned]
    chosen = unseen or list(works)
    leaks = not unseen or bundle.facts["split"] in ("within", "window")
    label = LEAKS if leaks else LABELS["piece"].split(": ")[1]
    music = [list(w.events if isinstance(w, Piece) else events_of(w)) for w in chosen]
    return Real(label, tuple(chosen), tuple(music))


def compose(bundle: Bundle, seed: int) -> Music:
    """A new piece by the model."""
    settings = Composing(seed=seed)
    if bundle.network.model_type == CHORALE:
        return events_of(compose_chorale(bundle, settings))
    _, prime = prime_of(bundle, seed)
    return list(islice(Composer(bundle, settings, prime), NOTES))


def foretelling(bundle: Bundle, real: Real) -> dict[str, Any]:
    """Nats and accuracy of the model and of its baselines."""
    if bundle.network.model_type == CHORALE:
        return judge.foretelling(bundle, real.works)
    model = rows_figures(
        bundle.engine, lessons(real.works, bundle.vocabulary, bundle.network), bundle.vocabulary
    )
    found: dict[str, Any] = {"model": model.to_json()}
    if bundle.music:
        train = lessons(bundle.training_pieces, bundle.vocabulary, bundle.network)
        held = lessons(real.works, bundle.vocabulary, bundle.network)
        found |= baselines(train, held, bundle.vocabulary)
    return found


def originality(bundle: Bundle, composed: Sequence[Music], real: Real) -> dict[str, Any]:
    """The longest passages that stand in the training pieces, of composed and of real music."""
    memory = bundle.memory
    if memory is None:
        return {}
    copies = [memory.longest(music) for music in composed]
    others = [
        memory.longest(music, but=work.name if real.label == LEAKS else "")
        for work, music in zip(real.works, real.music, strict=True)
    ]
    worst = max(copies, key=lambda c: c.notes, default=Copy())
    return {
        "composed": sorted(c.notes for c in copies),
        "real": sorted(c.notes for c in others),
        "longest": str(worst),
    }


def _degeneration(pieces: Sequence[Music]) -> dict[str, float]:
    figures = [degeneration(music) for music in pieces]
    return {name: mean(f[name] for f in figures) for name in figures[0]} if figures else {}


def lines(card: dict[str, Any]) -> list[str]:
    """The report card as text."""
    unit = "note" if "faults" in card else "event"
    out = [f"{card['model']} on {card['pieces']} pieces of {card['source']}: {card['label']}", ""]
    for name, figures in card["foretelling"].items():
        out.append(
            f"  {name:<32} {figures['nll']:7.3f} nats per {unit}  {figures['accuracy']:6.1%}"
        )
        if len(figures["fields"]) > 1:
            parts = ", ".join(f"{k} {v:.3f}" for k, v in figures["fields"].items())
            out.append(f"  {'':<32} {parts}")
    out += ["", f"  {card['composed']} composed pieces {'':<22} composed    real"]
    if copied := card["originality"]:
        for name, how in (("median", median), ("longest", max)):
            row = [how(copied[side]) for side in ("composed", "real")]
            out.append(f"  {'notes copied in a row, ' + name:<40} {row[0]:7g} {row[1]:7g}")
        out.append(f"    the longest is {copied['longest']}")
    rows = [("style", f"distance, {name}", name) for name in card["style"]["composed"]]
    rows += [("faults", f"faults per 100 notes, {name}", name) for name in (*FAULTS, "all")]
    rows += [("degeneration", f"share of time, {n}", n) for n in card["degeneration"]["composed"]]
    for part, label, name in rows:
        if part in card:
            both = [card[part][side].get(name) for side in ("composed", "real")]
            told = " ".join("      ?" if x is None else f"{x:7.3f}" for x in both)
            out.append(f"  {label:<40} {told}")
    return out


def save(card: dict[str, Any], path: Path) -> None:
    """Write the card as JSON."""
    write_text(path, json.dumps(card, indent=1))
