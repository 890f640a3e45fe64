"""Fifty chorales by a model of type 5, and twenty melodies that it harmonises: docs/chorales/.

    python bench/showcase.py --app bach [--source music21:bach]

Writes the report card (text, JSON, picture), three of the chorales as .mid, .musicxml, .mp3 and engraved
score, and a table of the harmonisations: whether what was given stands, whether all voices stay in
their ranges, and how likely the model finds the result beside the real one. Needs verovio and
resvg-py for the engraving: pip install verovio resvg-py.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import midi_io
from config_bach import Composing, Paths
from evaluation import plots, report
from families import metrics
from families.base import LoadedModel
from families.satb.composer import compose
from families.satb.encoding import Chorale, pitches
from families.satb.inpainting import free_voices, inpaint, unchanged
from litert.loading import playing
from music.instruments import VOICE_RANGES
from music.synth import Performer, Synth
from storage.bundle import load
from storage.catalog import choose
from stream.mp3 import Mp3

OUT = Path(__file__).resolve().parent.parent / "docs" / "chorales"
CHORALES, SHOWN, MELODIES = 50, (1, 2, 3), 20
BPM, ORGAN = 80, 20


def show(model: LoadedModel, seed: int) -> None:
    """One composed chorale in all its forms."""
    piece, plan = compose(model, Composing(seed=seed))
    path = OUT / f"chorale-{seed}"
    how, key = (piece.events, BPM, ORGAN), plan.key.midi_name
    midi_io.write_midi(path.with_suffix(".mid"), *how, key=key)
    midi_io.write_musicxml(path.with_suffix(".musicxml"), *how, key=key)
    encoder, synth = Mp3(64), Synth(ORGAN)
    blocks = [encoder.encode(b) for b in Performer(piece.events, synth, BPM)]
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


def nll(model: LoadedModel, piece: Chorale) -> float:
    """Nats per note."""
    sequences = model.family.sequences([piece], model.bundle)
    scored = metrics.stepwise(model.predictor, sequences)
    return metrics.measure(model.family, scored, model.vocabulary.fields).nll


def harmonise(model: LoadedModel, piece: Any, seed: int) -> str:
    """A line of the table: the soprano of a real chorale with new voices under it."""
    free = free_voices(piece, [0])
    found = inpaint(model.predictor, piece, free, Composing(seed=seed))
    heard = pitches(found.symbols)
    inside = all(
        low <= p <= high
        for voice, (low, high) in enumerate(VOICE_RANGES[1:], 1)
        for p in set(heard[:, voice].tolist()) - {-1}
    )
    stands, own, real = unchanged(piece, found, free), nll(model, found), nll(model, piece)
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
    paths = Paths()
    model = playing(load(choose(args.app, 5, paths)), paths)
    OUT.mkdir(parents=True, exist_ok=True)
    for seed in SHOWN:
        show(model, seed)
    card = report.report(model, args.source, paths, CHORALES)
    report.save(card, OUT / "report.json")
    plots.report_card(OUT / "report.png", card)
    real = report.real_pieces(model, args.source, paths).works[:MELODIES]
    rows = [harmonise(model, piece, seed) for seed, piece in enumerate(real)]
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
