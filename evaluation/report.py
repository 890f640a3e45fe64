"""The report card of a model: how well it predicts, what it copies, how near it is to real music.

Everything is measured with the engine that composes, on pieces that training never saw where there
are any, and beside the same figures for these real pieces.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from tqdm import tqdm

from config_bach import NATS, Composing, Paths, counted
from evaluation.judge import Judge, judge_of, medians
from evaluation.shuffled import shuffled_bars, shuffled_pitches
from evaluation.style import FAULTS, degeneration, distances, faults_per_100
from families.base import CompositionRequest, LoadedModel, Work
from families.split import LABELS
from music.copies import Copy
from music.events import Event
from storage.answers import Counts, answers_of, fingerprint_of
from storage.files import write_text

PIECES = 20  # that are composed
LEAKS = "some of these pieces, or all, were learned from: LEAKS"

Music = Sequence[Event]


@dataclass(frozen=True)
class Real:
    """The real pieces of a source that figures are compared with, and whether they were seen."""

    label: str
    works: tuple[Work, ...]

    @property
    def music(self) -> list[Music]:
        """Their events."""
        return [work.events for work in self.works]


def report(
    model: LoadedModel, source: str, paths: Paths, pieces: int = PIECES, *, part: str | None = None
) -> dict[str, Any]:
    """Measure a model on a source: a folder of scores, 'music21:bach', or what its family reads else.

    part: the part of each score that is read; None: as when it was trained.

    Raises UserError if nothing in the source can be used.
    """
    counts = answers_of(paths).of(model.bundle.name, fingerprint_of(model.bundle))
    real = real_pieces(model, source, paths, part)
    composed: list[Music] = []
    for seed in tqdm(range(pieces), "composing", disable=None):
        request = CompositionRequest(Composing(seed=seed))
        composed.append(model.family.compose(model, request, paths).events)
    card: dict[str, Any] = {
        "model": model.bundle.name,
        "source": source,
        "label": real.label,
        "unit": model.family.unit,
        "pieces": len(real.works),
        "composed": len(composed),
        "prediction": model.family.measure(model, real.works),
        "originality": originality(model, composed, real),
        "style": {
            "composed": distances(composed, real.music, model.family.style),
            "real": distances(real.music[::2], real.music[1::2], model.family.style)
            if len(real.works) > 1
            else {},
        },
        "degeneration": {"composed": _degeneration(composed), "real": _degeneration(real.music)},
    }
    if model.family.graded and model.bundle.music:
        card["judge"] = grades(judge_of(model), composed, real.music)
    if counts.answers:
        card["listeners"] = asdict(counts)
    if model.family.voices:
        card["faults"] = {"composed": faults_per_100(composed), "real": faults_per_100(real.music)}
    return card


def real_pieces(model: LoadedModel, source: str, paths: Paths, part: str | None = None) -> Real:
    """The pieces of a source that were not learned from; all of them, so labelled, if there are none."""
    table = model.metadata["corpus"]["pieces"]
    learned = {p["fingerprint"] for p in table if p["side"] == "train"}
    # a fine-tuned model has learned from other pieces than its table names
    learned |= {p.fingerprint for p in model.family.unpack(model.bundle.music)}
    encoding = model.vocabulary.encoding
    encoding = encoding if part is None else replace(encoding, part=part)
    works = model.family.read(source, paths, encoding).pieces
    unseen = [w for w in works if w.fingerprint not in learned]
    leaks = not unseen or model.metadata["split"] in ("within", "window")
    label = LEAKS if leaks else LABELS["piece"].split(": ")[1]
    return Real(label, tuple(unseen or works))


def originality(model: LoadedModel, composed: Sequence[Music], real: Real) -> dict[str, Any]:
    """The longest passages that stand in the training pieces, of composed and of real music."""
    index = model.copy_index
    if index is None:
        return {}
    copies = [index.longest(music) for music in composed]
    leaks = real.label == LEAKS  # no piece is compared with itself
    others = [index.longest(work.events, but=work.name if leaks else "") for work in real.works]
    return {
        "composed": sorted(c.notes for c in copies),
        "real": sorted(c.notes for c in others),
        "longest": str(max(copies, key=lambda c: c.notes, default=Copy())),
    }


def grades(judge: Judge, composed: Sequence[Music], real: Sequence[Music]) -> dict[str, Any]:
    """What the judge says of real pieces, of composed ones, and of real ones that were shuffled:
    medians by feature, all grades, and the share of composed pieces that are better than the median
    real one."""
    rng = np.random.default_rng(0)
    sides = {
        "real": real,
        "composed": composed,
        "bars": [shuffled_bars(music, rng) for music in real],
        "pitches": [shuffled_pitches(music, rng) for music in real],
    }
    found = {name: [judge.grade(music) for music in pieces] for name, pieces in sides.items()}
    bar = median(grade.total for grade in found["real"])
    return {
        "medians": {name: medians(grades) for name, grades in found.items()},
        "grades": {name: sorted(g.total for g in grades) for name, grades in found.items()},
        "better": mean(grade.total < bar for grade in found["composed"]),
    }


def _degeneration(pieces: Sequence[Music]) -> dict[str, float]:
    figures = [degeneration(music) for music in pieces]
    return {name: mean(f[name] for f in figures) for name in figures[0]} if figures else {}


def lines(card: dict[str, Any]) -> list[str]:
    """The report card as text."""
    out = [
        f"{card['model']} on {counted(card['pieces'], 'piece')} of {card['source']}: {card['label']}"
    ]
    out += [f"  {NATS}", ""]
    for name, figures in card["prediction"].items():
        out.append(
            f"  {name:<32} {figures['nll']:7.3f} nats per {card['unit']}  {figures['accuracy']:6.1%}"
        )
        if len(figures["fields"]) > 1:
            parts = ", ".join(f"{k} {v:.3f}" for k, v in figures["fields"].items())
            out.append(f"  {'':<32} {parts}")
    out += ["", f"  {counted(card['composed'], 'composed piece'):<40} composed    real"]
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
    return [*out, *_judged(card), *_heard(card)]


def _heard(card: dict[str, Any]) -> list[str]:
    """What people said in the listening test of the server, as text."""
    if "listeners" not in card:
        return []
    counts = Counts(**card["listeners"])
    out = [
        "",
        f"  people told real from composed rightly in {counts.right / counts.answers:.0%} of "
        f"{counted(counts.answers, 'answer')} (guessing: 50%)",
    ]
    if counts.composed:
        taken = (counts.composed - counts.composed_right) / counts.composed
        out.append(f"    took for real: {taken:.0%} of {counts.composed} that were composed")
    if counts.real:
        out.append(
            f"    took for real: {counts.real_right / counts.real:.0%} of {counts.real} real ones"
        )
    return out


def _judged(card: dict[str, Any]) -> list[str]:
    """The grades as text: shuffled are the bars, or the pitches, of the real pieces."""
    if "judge" not in card:
        return []
    told = card["judge"]["medians"]
    out = ["", f"  {'grade, median (lower is better)':<32} real  composed  bars shuffled  pitches"]
    for name in told["real"]:
        row = [told[side][name] for side in ("real", "composed", "bars", "pitches")]
        out.append("  {:<29} {:7.3f}   {:7.3f}        {:7.3f}  {:7.3f}".format(name, *row))
    out.append(
        f"  {card['judge']['better']:.0%} of the composed pieces are better than the median real one"
    )
    return out


def save(card: dict[str, Any], path: Path) -> None:
    """Write the card as JSON."""
    write_text(path, json.dumps(card, indent=1))
