"""Is playing together in time? Ways of playing, MIDI clock sent and followed, accompaniment, a ring.

python bench/duet_times.py ways --minutes 5 --busy 2
python bench/duet_times.py clock --minutes 2 --busy 2
python bench/duet_times.py follow
python bench/duet_times.py accompany
python bench/duet_times.py ring --minutes 30
python bench/duet_times.py models --minutes 2
"""

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from mido import Message, MidiFile, MidiTrack

from config_bach import Composing, Paths
from duet import conductor as conducting
from duet import dispatcher as dispatching
from duet.casting import Cast, Role, bundle_path
from duet.clock import PULSES, FollowedClock, InternalClock
from duet.conductor import Conductor
from duet.dispatcher import Dispatcher, percentiles
from duet.notes import Output
from duet.ports import Inbox, MemoryPort
from duet.recording import parts_of
from duet.settings import Together
from evaluation.style import faults_per_100
from families.base import LoadedModel
from families.satb.encoding import FIRST, STEP, Chorale, pitches, symbols_of
from families.satb.inpainting import free_voices, inpaint
from litert.loading import playing
from storage.bundle import load

PATHS = Paths()
BPM = 120.0
CALL = ((0, 67), (0.5, 69), (1, 71), (1.5, 72), (2, 71), (3, 67))  # beat and pitch
EVERY = 16  # beats from call to call


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute beside."""
    others = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(count)]
    for other in others:
        other.start()
    try:
        yield
    finally:
        for other in others:
            other.kill()


def _spin() -> None:
    while True:
        np.linalg.svd(np.random.default_rng(1).random((120, 120)))


def model(name: str) -> LoadedModel:
    """A model that is shipped."""
    return playing(load(bundle_path(name, PATHS)), PATHS)


def tune(path: Path, beats: int, gap: bool) -> None:
    """A MIDI file with a call every EVERY beats, or that never stops."""
    track, now = MidiTrack(), 0.0
    for start in range(0, beats, EVERY if gap else 4):
        for (onset, pitch), (end, _) in pairwise([*CALL, (4, 0)]):
            track.append(Message("note_on", note=pitch, time=round((start + onset - now) * 480)))
            track.append(Message("note_off", note=pitch, time=round((end - onset) * 480)))
            now = start + end
    MidiFile(tracks=[track]).save(path)


def session(
    way: str, names: list[str], beats: int, others: Sequence[Output] = (), **settings: Any
) -> tuple[Conductor, MemoryPort]:
    """A file and models, with an output in memory and others."""
    roles = [Role("model", f"{n} {i}", n) for i, n in enumerate(names)]
    if way != "ring":
        roles.insert(0, Role("file", "file", "", port="file"))
    cast = Cast(roles, lambda path: playing(load(path), PATHS), PATHS)
    cast.ranges()  # warm
    inbox, port = Inbox(), MemoryPort("out")
    output = Output(port)
    dispatcher = Dispatcher(InternalClock(BPM))
    if settings.get("clock") == "out":
        dispatcher.send_clock([output])
    outputs = [output, *others]
    made = cast.session(Together(way=way, bpm=BPM, **settings), 1, dispatcher, {"": outputs})
    conductor = Conductor(made, inbox, [], outputs)
    if way != "ring":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tune.mid"
            tune(path, beats, gap=way != "accompany")
            conductor.add_file(path, "file")
    return conductor, port


def play(conductor: Conductor, beats: float) -> dict[str, Any]:
    """Play so long; the figures."""
    conductor.start()
    try:
        conductor.wait(beats)
    finally:
        conductor.close()
    return conductor.figures()


def ways(only: str, minutes: float, others: int) -> None:
    """Each way of playing with a busy machine beside it."""
    beats = round(minutes * BPM)
    print("| way | model | messages | late ms median / p99 / max | later than 5 ms | dropped | "
          "computing ms p99 / max | answers on the next beat |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for way, names in (
        ("answer", ["bach2"]),
        ("answer", ["bach5"]),
        ("answer", ["madrigals6"]),
        ("continue", ["bach5"]),
        ("accompany", ["bach5"]),
        ("ring", ["bach2", "bach5"]),
    ):
        if only not in ("", way):
            continue
        conductor, _ = session(way, names, beats)
        with busy(others):
            f = play(conductor, beats)
        late, comp, missed = f["late_ms"], f["computing_ms"], f["missed"]
        share = 100 * missed / max(f["messages"], 1)
        cells = (
            way,
            " and ".join(names),
            f["messages"],
            f"{late['median']:.2f} / {late['p99']:.2f} / {late['max']:.2f}",
            f"{missed} ({share:.2f} %)",
            f["dropped"],
            f"{comp['p99']:.1f} / {comp['max']:.1f}",
            on_the_beat(conductor),
        )
        row(*cells)


def row(*cells: Any) -> None:
    """A row of a table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def on_the_beat(conductor: Conductor) -> str:
    """How many answers began on the first beat after the rest that ended the call."""
    s = conductor.session
    person = list(parts_of(s)[0].notes) if s.people else []
    begun = [b for b, text in s.marks if text.startswith("answer") or text.endswith("goes on")]
    if not begun or not person:
        return "-"
    ends = np.array([n.end or 0.0 for n in person])
    right = 0
    for beat in begun:
        last = float(ends[ends <= beat].max(initial=0))
        right += beat == np.ceil(last + s.settings.rest - 0.125)
    return f"{right} of {len(begun)}"


def clock(minutes: float, others: int) -> None:
    """MIDI clock sent: how late each pulse is, with and without real-time priority."""
    row(
        "priority",
        "busy",
        "pulses",
        "late ms median / p99 / max",
        "interval off ms p99",
        "begun anew",
    )
    row(*["---"] * 6)
    for real in (True, False):
        for beside in (0, others):
            allow(real)
            conductor, port = session("answer", ["bach5"], round(minutes * BPM), clock="out")
            with busy(beside):
                play(conductor, minutes * BPM)
            sent = [t for t, m in port.sent if m.type == "clock"]
            again = sum(m.type == "songpos" for _, m in port.sent)
            gaps = [1000 * abs(b - a - 60 / BPM / PULSES) for a, b in pairwise(sent)]
            late = [1000 * x for x in conductor.dispatcher.lateness]
            found = list(percentiles(late, (0.5, 0.99, 1.0)))
            name = "SCHED_FIFO" if conductor.dispatcher.real_time else "none"
            late_ms = " / ".join(f"{x:.3f}" for x in found)
            row(name, beside, len(sent), late_ms, f"{next(percentiles(gaps, (0.99,))):.3f}", again)


ASK = dispatching.real_time


def allow(real: bool) -> None:
    """Let threads ask for real-time priority, or not."""
    for module in (dispatching, conducting):
        vars(module)["real_time"] = ASK if real else lambda priority=0: False


def follow() -> None:
    """MIDI clock followed: 2 ms of jitter and a jump from 120 to 90, in a time that is not real."""
    print("| jitter | locked after, beats (median / worst) | phase error ms median / p99 / max | "
          "again below 1 ms after the jump, beats (median / worst) |")  # fmt: skip
    print("| --- | --- | --- | --- |")
    for name in ("even, up to 2 ms", "normal, 2 ms"):
        locks: list[float] = []
        errors: list[float] = []
        again: list[float] = []
        for seed in range(200):
            rng, followed, now = random.Random(seed), FollowedClock(), 10.0
            followed.take(Message("start"), now - 0.001)
            rows = []
            for i in range(48 * PULSES):
                shake = rng.uniform(-0.002, 0.002) if name[0] == "e" else rng.gauss(0, 0.002)
                followed.take(Message("clock"), now + shake)
                rows.append(1000 * abs(followed.loop.phase - now))
                if followed.locked and len(locks) <= seed:
                    locks.append((i + 1) / PULSES)
                now += 60 / (120 if i < 24 * PULSES else 90) / PULSES
            errors += rows[PULSES : 24 * PULSES]
            after = rows[24 * PULSES : 28 * PULSES]
            calm = (
                i for i in range(len(after)) if np.mean(after[i : i + PULSES]) < 1 and after[i] < 1
            )
            again.append(next(calm, len(after)) / PULSES)
        e = list(percentiles(errors, (0.5, 0.99, 1.0)))
        print(f"| {name} | {np.median(locks):.2f} / {max(locks):.2f} | {e[0]:.2f} / {e[1]:.2f} / "
              f"{e[2]:.2f} | {np.median(again):.2f} / {max(again):.2f} |")  # fmt: skip


def accompany() -> None:
    """Held-out melodies played in a session in time, exactly or as people do, beside harmonising that
    knows the melody to its end."""
    bach = model("bach5")
    pieces = bach.family.unpack(bach.bundle.held_out)[:10]
    rows = {"Bach": pieces, "harmonised": [harmonised(bach, piece) for piece in pieces]}
    for name, off in OFF.items():
        rows[f"accompanied, {name}"] = [accompanied(bach, piece, off) for piece in pieces]
    row("what", "faults", *FAULTS)
    row(*["---"] * (2 + len(FAULTS)))
    for name, found in rows.items():
        figures = faults_per_100([p.events for p in found])
        row(name, *(f"{figures[what]:.2f}" for what in ("all", *FAULTS)))


OFF = {  # seconds by which notes are late
    "notes 20 to 10 ms early": (-0.02, -0.01),
    "exact": (0.0, 0.0),
    "up to 20 ms early or late": (-0.02, 0.02),
}
FAULTS = ("parallel fifths", "parallel octaves", "crossings", "leaps")


def harmonised(bach: LoadedModel, piece: Chorale) -> Chorale:
    """The other three voices, composed by the particle filter of -pm --harmonise."""
    free = free_voices(piece, [0])
    return inpaint(bach.predictor, piece, free, Composing(seed=1), particles=16)


def accompanied(bach: LoadedModel, piece: Chorale, off: tuple[float, float]) -> Chorale:
    """The other three voices of a session in a time that is not real. off: between how many seconds, at
    BPM, notes are late at random."""
    cast = Cast(
        [Role("person", "person"), Role("model", "bach5", "bach5")], lambda path: bach, PATHS
    )
    dispatcher = Dispatcher(InternalClock(BPM, 0.0), lambda: 0.0)
    made = cast.session(Together(way="accompany", bpm=BPM), 1, dispatcher, {})
    player = made.models[0]
    sounds, rows = pitches(piece.symbols)[:, 0].tolist(), []
    coming = played(piece, off)
    made.tick()  # the first step, while nobody plays yet
    for pitch in sounds:
        while coming and coming[0][0] < made.due:
            beat, message = coming.pop(0)
            made.take(message, beat)
        voices = dict(player._sounding)
        rows.append([pitch, *(voices.get(v, -1) for v in (1, 2, 3))])
        made.tick()
    return Chorale(piece.name, symbols_of(rows), piece.plan)


def played(piece: Chorale, off: tuple[float, float]) -> list[tuple[float, Message]]:
    """The soprano as somebody plays it: beats and messages in order."""
    rng, step = random.Random(piece.name), float(STEP)
    sounds, found, last = pitches(piece.symbols)[:, 0].tolist(), [], -1
    for i, symbol in enumerate([*piece.symbols[:, 0].tolist(), 0]):
        pitch = sounds[i] if i < len(sounds) else -1
        if pitch == last and symbol < FIRST:
            continue
        beat = max(i * step + rng.uniform(*off) * BPM / 60, 0.0)
        if last >= 0:
            found.append((beat, Message("note_off", note=last)))
        if pitch >= 0:
            found.append((beat, Message("note_on", note=pitch, velocity=80)))
        last = pitch
    return found


def ring(minutes: float) -> None:
    """Two models that listen to each other: stuck notes, loops, memory."""
    import psutil

    process, beats = psutil.Process(), minutes * BPM
    conductor, port = session("ring", ["bach2", "bach5"], 0, answer=8.0)
    conductor.start()
    memory = []
    for share in (0.1, 0.5, 1.0):
        conductor.wait(beats * share)
        memory.append(process.memory_info().rss / 2**20)
    conductor.close()
    sounding: set[tuple[int, int]] = set()
    for _, m in port.sent:
        if m.type == "note_on":
            sounding.add((m.channel, m.note))
        elif m.type == "note_off":
            sounding.discard((m.channel, m.note))
    longest = {
        p.name: longest_loop([n.pitch for n in p.notes]) for p in parts_of(conductor.session)
    }
    print(f"notes left sounding {len(sounding)}; MB after a tenth, a half, all: "
          f"{', '.join(f'{m:.0f}' for m in memory)}; longest loop, notes: {longest}; "
          f"{conductor.figures()}")  # fmt: skip


def models(minutes: float) -> None:
    """Another model every eight beats, in a ring: how soon it plays, and whether all stays in time."""
    roles = [Role("model", "one", "bach2"), Role("model", "other", "bach5")]
    cast = Cast(roles, lambda path: playing(load(path, weights=False), PATHS), PATHS)
    cast.ranges()
    output, asked = Output(MemoryPort("out")), [0.0]
    together = Together(way="ring", bpm=BPM, answer=4.0)
    made = cast.session(together, 1, Dispatcher(InternalClock(BPM)), {"": [output]})
    conductor, soon = Conductor(made, Inbox(), [], [output], others=cast), list[float]()
    conductor.on_change = lambda player, candidate: soon.append(time.monotonic() - asked[0])
    conductor.start()
    for beat in range(8, round(minutes * BPM), 8):
        conductor.wait(beat)
        asked[0] = time.monotonic()
        conductor.choose("one", cast.choosable()[(beat // 8) % len(cast.choosable())])
    conductor.wait(minutes * BPM)
    conductor.close()
    print(f"{len(soon)} changes; seconds until it played, median {np.median(soon):.2f}, worst "
          f"{max(soon):.2f}; {conductor.figures()}")  # fmt: skip


def longest_loop(row: list[int], period: int = 16) -> int:
    """The longest passage that only repeats a pattern of up to so many notes."""
    longest = 0
    for p in range(1, period + 1):
        run = 0
        for a, b in zip(row, row[p:], strict=False):
            run = run + 1 if a == b else 0
            longest = max(longest, run + p if run >= p else 0)
    return longest


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("ways", "clock", "follow", "accompany", "ring", "models"))
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--busy", type=int, default=2)
    parser.add_argument("--way", default="", help="only this one")
    args = parser.parse_args()
    if args.what == "ways":
        ways(args.way, args.minutes, args.busy)
    elif args.what == "clock":
        clock(args.minutes, args.busy)
    elif args.what == "ring":
        ring(args.minutes)
    elif args.what == "models":
        models(args.minutes)
    elif args.what == "follow":
        follow()
    else:
        accompany()


if __name__ == "__main__":
    main()
