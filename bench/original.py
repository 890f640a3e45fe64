"""The way the original worked, for comparison: `model.predict` on the window for every note, one queue.

python bench/original.py MODEL.zip SECONDS   prints JSON
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bundle as bundles
import numpy as np
from course import compiled
from lookback import looked_back, places
from piece import Event
from predict import prime_of, reshaped
from synth import RATE, Performer, Synth


def compose(bundle: bundles.Bundle) -> Any:
    """Events without end: the whole window goes through model.predict for every one of them."""
    model, vocabulary, length = compiled(bundle), bundle.vocabulary, bundle.network.seqlen
    rng = np.random.default_rng(1)
    window = list(prime_of(bundle, 1)[1])[-length:]
    while True:
        ids = vocabulary.encode(window)
        if bundle.network.model_type == 2:
            ids = np.concatenate([ids, looked_back(ids, places(ids))], 1)
        heads = model.predict([ids[None, :, i] for i in range(ids.shape[1])], verbose=0)
        heads = heads if isinstance(heads, list) else [heads]
        chances = [reshaped(p[0, -1], 1.0, 0.95) for p in heads]
        event: Event = vocabulary.event([int(rng.choice(len(p), p=p)) for p in chances], 1)  # type: ignore[arg-type]
        window = [*window[1:], event]
        yield event


def main() -> None:
    """Compose for some seconds of wall time; two listeners take turns at the one queue."""
    bundle, seconds = bundles.load(Path(sys.argv[1])), float(sys.argv[2])
    events, synth = compose(bundle), Synth(1)
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
                "knob_to_sound_s": round(made - wall, 1),
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
