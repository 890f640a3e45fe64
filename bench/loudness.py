"""How loud stations are (BS.1770), and how high their peaks go, for each model and some instruments.

    python bench/loudness.py [--seconds 60] [--programs 1 20 49 74]

Needs pyloudnorm (requirements-dev.txt). Prints Markdown. True peaks are of sound sampled four times as
often; at volume 1 as well, since the limiter comes before the volume.
"""

import argparse
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pyloudnorm
from scipy.signal import resample_poly

from config_bach import Paths
from music.instruments import instrument_name
from music.loudness import VOLUME, Fader, Levels
from music.synth import MIDDLE, RATE, Mix, Performer, Synth
from stream.messages import BLOCK
from stream.model_cache import ModelCache
from stream.source import Source

PROGRAMS = (1, 7, 14, 20, 25, 47, 49, 53, 57, 74)
SEED = 3


def station(model: Any, levels: Levels, program: int, seconds: float) -> dict[str, float]:
    """LUFS, true peaks in dBFS, and the share of a block's time that gain and limiter take."""
    events = (x.event for x in islice(Source(model, 1.0, SEED), 2000))
    begun = time.process_time()
    gain = levels.gain(model.example, program)
    measured = time.process_time() - begun
    synth = Synth(program, mix=Mix() if model.family.voices else Mix(pans=MIDDLE))
    player = Performer(events, synth, model.metadata["bpm"] or 90)
    begun = time.process_time()
    raw = [player.block(BLOCK) for _ in range(round(seconds * RATE / BLOCK))]
    composing, begun = time.process_time() - begun, time.process_time()
    fade = Fader(gain, VOLUME)
    sound = np.concatenate([fade(block, gain, VOLUME) for block in raw]) / 32768
    fading = time.process_time() - begun
    synth.close()
    peak = 20 * np.log10(np.abs(resample_poly(sound, 4, 1, axis=0)).max())
    return {
        "lufs": pyloudnorm.Meter(RATE).integrated_loudness(sound),
        "peak": peak,
        "peak at volume 1": peak - 20 * np.log10(VOLUME),
        "share": fading / composing,
        "measuring": 1000 * measured,
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--programs", type=int, nargs="*", default=PROGRAMS)
    args = parser.parse_args()
    models, levels = ModelCache(Paths()), Levels()
    print("| model | instrument | LUFS | true peak | at volume 1 | gain, limiter | ms to measure |")
    print("|---|---|---|---|---|---|---|")
    for name in models.models():
        for program in args.programs:
            found = station(models.model(name), levels, program, args.seconds)
            print(
                f"| {name} | {instrument_name(program)} | {found['lufs']:.1f} | {found['peak']:.1f} "
                f"| {found['peak at volume 1']:.1f} | {found['share']:.1%} "
                f"| {found['measuring']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
