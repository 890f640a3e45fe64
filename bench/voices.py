"""How much faster than real time is music in four voices, composed and sounded as a station does it?

    python bench/voices.py --app NAME [--seconds 120]

One thread, 120 BPM: events from stream.source, sound from music.synth, in the blocks of a station.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from config_bach import Paths
from litert.loading import playing
from music.events import Event
from music.synth import RATE, Performer, Synth
from storage.bundle import load
from storage.catalog import choose
from stream.messages import BLOCK
from stream.source import Source

BPM, ORGAN = 120, 20


def main() -> None:
    """Print the ratio, and what a sixteenth costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", default="bach")
    parser.add_argument("--seconds", type=float, default=120.0)
    args = parser.parse_args()
    model = playing(load(choose(args.app, 5, Paths())), Paths())
    source = Source(model, 1.0, seed=1)
    costs: list[float] = []

    def events() -> Iterator[Event]:
        while True:
            begun = time.thread_time()
            event = next(source).event
            costs.append((time.thread_time() - begun) / float(event.duration * 4))
            yield event

    player = Performer(events(), Synth(ORGAN), BPM)
    player.block(BLOCK)
    cpu, wall, frames = time.thread_time(), time.monotonic(), player.frames
    while player.frames - frames < args.seconds * RATE:
        player.block(BLOCK)
    sound = (player.frames - frames) / RATE
    print(f"{sound / (time.thread_time() - cpu):.0f} times faster than real time on one core (CPU)")
    print(f"{sound / (time.monotonic() - wall):.0f} times by the clock of this machine")
    print(f"a sixteenth in four voices: median {1000 * median(costs):.2f} ms")


if __name__ == "__main__":
    main()
