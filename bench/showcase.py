"""Fifty chorales by a model of type 5, and twenty melodies that it harmonises: docs/chorales/.

    python bench/showcase.py --app bach [--source music21:bach]

Writes the report card (text, JSON, picture), three of the chorales as .mid, .musicxml, .mp3 and engraved
score, and a table of the harmonisations: whether what was given stands, whether all voices stay in
their ranges, and how likely the model finds the result beside the real one. Needs verovio and
resvg-py for the engraving: pip install verovio resvg-py.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bundle as bundles
import charts
import report
from bundle import Bundle
from chorale.composer import compose
from chorale.given import around, free_voices, unchanged
from chorale.grid import Chorale, pitches
from chorale.judge import chances
from chorale.limits import SINGABLE
from chorale.score import events_of, write_satb
from synth import Performer, Synth

import midi_io
from config_bach import Composing, Places
from stream.mp3 import Mp3

OUT = Path(__file__).resolve().parent.parent / "docs" / "chorales"
CHORALES, SHOWN, MELODIES = 50, (1, 2, 3), 20
BPM, ORGAN = 80, 20


def show(bundle: Bundle, seed: int) -> None:
    """One composed chorale in all its forms."""
    piece = compose(bundle, Composing(seed=seed))
    path = OUT / f"chorale-{seed}"
    midi_io.write_midi(path.with_suffix(".mid"), events_of(piece), BPM, ORGAN)
    write_satb(path.with_suffix(".musicxml"), piece, BPM, ORGAN)
    encoder, synth = Mp3(64), Synth(ORGAN)
    blocks = [encoder.encode(b) for b in Performer(events_of(piece), synth, BPM)]
    path.with_suffix(".mp3").write_bytes(b"".join(blocks) + encoder.close())
    engrave(path.with_suffix(".musicxml"), path.with_suffix(".png"))


def engrave(score: Path, picture: Path) -> None:
    """The first page of a score as a picture."""
    import resvg_py
    import verovio

    toolkit = verovio.toolkit()
    toolkit.setOptions(
        {
            "pageWidth": 2200,
            "pageHeight": 3000,
            "scale": 40,
            "adjustPageHeight": True,
            "header": "none",
            "footer": "none",
        }
    )
    toolkit.loadFile(str(score))
    svg = re.sub(r'<g [^>]*class="tempo">.*?</g>', "", toolkit.renderToSVG(1), flags=re.DOTALL)
    picture.write_bytes(bytes(resvg_py.svg_to_bytes(svg_string=svg, background="white", zoom=1)))


def nll(bundle: Bundle, piece: Chorale) -> float:
    """Nats per note."""
    return float(-np.log(chances(bundle, piece, (0,))[0]).mean())


def harmonise(bundle: Bundle, piece: Chorale, seed: int) -> str:
    """A line of the table: the soprano of a real chorale with new voices under it."""
    free = free_voices(piece, [0])
    found = around(bundle, piece, free, Composing(seed=seed))
    heard = pitches(found.symbols)
    inside = all(
        low <= p <= high
        for voice, (low, high) in enumerate(SINGABLE[1:], 1)
        for p in set(heard[:, voice].tolist()) - {-1}
    )
    stands, own, real = unchanged(piece, found, free), nll(bundle, found), nll(bundle, piece)
    return (
        f"| {piece.name} | {'yes' if stands else 'NO'} | {'yes' if inside else 'NO'} "
        f"| {own:.3f} | {real:.3f} |"
    )


def main() -> None:
    """Write everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", default="bach")
    parser.add_argument("--source", default="music21:bach")
    args = parser.parse_args()
    places = Places()
    bundle = bundles.load(bundles.choose(args.app, 5, places))
    OUT.mkdir(parents=True, exist_ok=True)
    for seed in SHOWN:
        show(bundle, seed)
    card = report.report(bundle, args.source, places, CHORALES)
    report.save(card, OUT / "report.json")
    charts.report_card(OUT / "report.png", card)
    real = report.real_pieces(bundle, args.source, places).works[:MELODIES]
    rows = [harmonise(bundle, piece, seed) for seed, piece in enumerate(real)]
    head = (
        "| melody | stands | in range | nats of the new | nats of the real |\n|---|---|---|---|---|"
    )
    text = [
        "# Fifty chorales, twenty melodies",
        "",
        f"`python bench/showcase.py --app {args.app}`",
        "",
    ]
    text += ["```", *report.lines(card), "```", "", "![The report card](report.png)", ""]
    for seed in SHOWN:
        files = ", ".join(f"[{k}](chorale-{seed}.{k})" for k in ("mid", "musicxml", "mp3"))
        text += [f"## Seed {seed}", "", files, "", f"![Score](chorale-{seed}.png)", ""]
    text += ["## Twenty melodies harmonised", "", head, *rows, ""]
    (OUT / "README.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
