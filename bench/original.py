"""The way the original worked, for comparison: `model.predict` on the window for every note, one queue.

python bench/original.py MODEL.zip SECONDS   prints JSON
"""

import json
import queue
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from config_bach import Composing, Paths
from families.base import LoadedModel
from families.sampling import nucleus, with_temperature
from litert.keras_runner import network_of
from litert.loading import playing
from music.events import Event
from music.synth import RATE, Performer, Synth
from storage.bundle import load


def compose(model: LoadedModel) -> Any:
    """Events without end: the whole window goes through model.predict for every one of them."""
    from families.events.dataset import sequence
    from families.events.encoding import EventEncoder

    network, length = network_of(model.bundle), model.bundle.network.seqlen
    encoder, rng = EventEncoder(model.vocabulary), np.random.default_rng(1)
    lookback = len(network.inputs) > len(network.outputs)
    window = list(model.prime(1)[1])[-length:]
    while True:
        rows = sequence("", encoder.encode([*window, window[-1]]), lookback).rows
        heads = network.predict(list(model.family.inputs(rows[None], rows[None])), verbose=0)
        heads = heads if isinstance(heads, list) else [heads]
        chances = [nucleus(with_temperature(p[0, -1], Composing.temperature), 0.95) for p in heads]
        row = [int(rng.choice(len(p), p=p)) for p in chances]
        event: Event = encoder.event(row, Fraction(1))
        window = [*window[1:], event]
        yield event


def main() -> None:
    """Compose for some seconds of wall time; two listeners take turns at the one queue."""
    model, seconds = playing(load(Path(sys.argv[1])), Paths()), float(sys.argv[2])
    events, synth = compose(model), Synth(1)
    next(events)  # TensorFlow traces the model at the first call
    times: list[float] = []

    def timed() -> Any:
        while True:
            begun = time.perf_counter()
            event = next(events)
            times.append(time.perf_counter() - begun)
            yield event

    performer, sound = Performer(timed(), synth, 90), queue.Queue[Any]()
    begun, cpu, first = time.perf_counter(), time.process_time(), 0.0
    while time.perf_counter() - begun < seconds:
        sound.put(performer.block(4096))
        first = first or time.perf_counter() - begun
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    made = performer.frames / RATE
    print(
        json.dumps(
            {
                "ms_per_note": round(1000 * float(np.median(times)), 1),
                "first_sound_s": round(first, 3),
                "audio_per_cpu_second": round(made / cpu, 2),
                "stations_at_real_time": int(made / wall),
                "setting_to_sound_s": round(made - wall, 1),
                "heard_by_each_of_two": shares(sound),
            }
        )
    )


def shares(sound: queue.Queue[Any]) -> list[float]:
    """Two listeners read one queue: the share of the music that each of them gets."""
    got = [0, 0]

    def take(i: int) -> None:
        while not sound.empty():
            sound.get()
            got[i] += 1
            time.sleep(0.0005)

    threads = [threading.Thread(target=take, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [round(x / max(sum(got), 1), 2) for x in got]


if __name__ == "__main__":
    main()
