"""How many stations and listeners this machine can bear, and how soon they hear something.

    python bench/load.py [--stations 50] [--listeners 300] [--seconds 60] [--skip-original]

Starts a server of its own, on loopback. Prints Markdown. What counts as an underrun: a listener
that began to play with 0.25 s of sound and plays in real time has nothing to play.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from listeners import ROOT, Listener, Server, listen

KINDS = ("mp3", "wav")
REPEATS = 11
AFTER = 70  # seconds until what nobody listens to is forgotten
ARRIVAL = 0.06  # seconds between two who come
LIMITS: dict[str, Any] = {
    "max_stations": 1000,
    "max_listeners": 1200,
    "max_connections": 1300,
    "max_per_address": 10_000,
    "idle_minutes": 5,
}


def crowd(home: Path, model: str, size: tuple[str, int], kind: str, seconds: float) -> str:
    """So many stations, or listeners of one station, at once; a row of the table."""
    what, count = size
    with Server(home, model, **LIMITS) as server:
        listeners: list[Listener] = []
        path = f"/play.{kind}"
        if what != "stations":
            first, path = server.share_link(kind)
            listeners.append(first)
        while len(listeners) < count:
            listeners.append(Listener(server, path))
            listen(listeners, ARRIVAL)
        listen(listeners, 5)
        refused = [x for x in listeners if x.status == 503]
        listeners = [x for x in listeners if x.status != 503]
        for x in listeners:  # they came while others were still coming
            x.underruns, x.gap = 0, 0.0
        cpu, begun = server.cpu, time.monotonic()
        good = listen(listeners, seconds)
        wall, cpu = time.monotonic() - begun, server.cpu - cpu
        gaps = sum(x.underruns for x in listeners)
        figures = server.ask("/status")
        composed = len(listeners) if what == "stations" else 1
        row = (
            f"| {count} {what}, {kind} | {len(refused)} | {good} | {gaps} | {figures['underruns']} "
            f"| {cpu / wall:.2f} | {composed * wall / cpu:.0f} "
            f"| {server.memory:.0f} | {server.threads} |"
        )
        for x in (*listeners, *refused):
            x.close()
        time.sleep(AFTER)
        return f"{row} {server.memory:.0f} |"


def first_sound(home: Path) -> list[float]:
    """Seconds from Play, on a station that does not play yet, to the first sample that is not zero."""
    times = []
    with Server(home, **LIMITS) as server:
        for _ in range(REPEATS):
            listener = Listener(server, "/play.wav", keep=True)
            while not any(listener.sound[44:]):
                listen([listener], 0.005)
            times.append(time.monotonic() - listener.asked)
            listener.close()
    return times


def setting_to_sound(home: Path) -> list[float]:
    """Seconds from changing a setting to hearing it, for a player that began to play at once."""
    times = []
    with Server(home, **LIMITS) as server:
        listener = Listener(server, "/play.wav", keep=True)
        listen([listener], 3)
        for i in range(REPEATS):
            volume = i % 2
            changed = time.monotonic()
            place = len(listener.sound)
            server.ask(f"/stations/{listener.station}", {"volume": volume})
            while (frame := change(listener.sound, place, bool(volume))) is None:
                listen([listener], 0.05)
            times.append(listener.began + frame / 44_100 - changed)
            listen([listener], 0.7)
    return times


def change(sound: bytearray, place: int, louder: bool) -> int | None:
    """The frame after `place` at which silence begins or, if `louder`, ends; None if not yet."""
    start = (place - 44) // 4
    pcm = np.frombuffer(
        bytes(sound[44 + 4 * start :])[: (len(sound) - 44 - 4 * start) // 4 * 4], "<i2"
    )
    loud = np.abs(pcm.reshape(-1, 2).astype(int)).max(1) > 0
    if not loud.any() or loud.all():
        return None
    if louder:
        return start + int(loud.argmax())
    last = int(np.flatnonzero(loud)[-1])
    return start + last + 1 if len(loud) - last > 4096 else None


def original(model: Path, seconds: float) -> dict[str, Any]:
    """The same for the way the original worked."""
    import json

    command = [sys.executable, str(ROOT / "bench" / "original.py"), str(model), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def in_home(work: Callable[..., Any], *args: Any) -> Any:
    """Run work with an empty home."""
    with tempfile.TemporaryDirectory() as home:
        return work(Path(home), *args)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stations", type=int, nargs="*", default=[50])
    parser.add_argument("--model", default="bach5_nc_mo")
    parser.add_argument("--listeners", type=int, nargs="*", default=[300])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--kinds", nargs="*", default=KINDS)
    parser.add_argument("--skip-original", action="store_true")
    args = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, load before the start {os.getloadavg()[0]:.1f}, {args.seconds:g} s"
    )
    columns = ["at once", "refused (503)", "without a gap", "gaps", "server's underruns", "cores"]
    columns += ["s of sound a CPU s", "MB", "threads", f"MB {AFTER} s after all have gone"]
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    for what, counts in (("stations", args.stations), ("listeners", args.listeners)):
        for count in counts:
            for kind in args.kinds:
                print(in_home(crowd, args.model, (what, count), kind, args.seconds), flush=True)
    for name, work in (
        ("Play to first sound", first_sound),
        ("setting to sound", setting_to_sound),
    ):
        times = in_home(work)
        print(
            f"\n{name}: median {statistics.median(times):.2f} s, worst {max(times):.2f} s",
            flush=True,
        )
    if not args.skip_original:
        model = ROOT / "models" / "bach2_nc_mo.zip"
        print(f"\nthe original's way: {original(model, 20)}")


if __name__ == "__main__":
    main()
