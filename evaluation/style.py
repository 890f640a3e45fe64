"""How far music is from other music: what it is made of, and for four voices its voice leading.

Distances compare distributions of features between composed and real pieces. Voice-leading faults
follow the rules that 'Bach or Mock? A grading function for chorales in the style of J.S. Bach' (Fang
et al. 2020) counts: parallel fifths and octaves, crossings, ranges, leaps.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from music.events import Event, notes_from_events
from music.instruments import VOICE_RANGES

Music = Sequence[Event]
Counts = Mapping[Any, float]  # how much there is of each

LARGEST_LEAP = 12  # semitones; larger ones, and the tritone and the seventh, are faults
BAD_LEAPS = frozenset({6, 10, 11})
PARALLELS = {7: "parallel fifths", 0: "parallel octaves"}
STUCK = 8  # times
FAULTS = ("parallel fifths", "parallel octaves", "crossings", "out of range", "leaps")


def pitch_classes(music: Music) -> Counts:
    """Pitch classes from the commonest one, weighted by duration: keys do not matter."""
    sounding: dict[int, float] = defaultdict(float)
    for event in music:
        for pitch in event.pitches:
            sounding[pitch % 12] += float(event.duration)
    home = max(range(12), key=lambda k: sum(sounding[(k + s) % 12] for s in (0, 4, 7, 2, 5, 9, 11)))
    return {(k - home) % 12: n for k, n in sounding.items()}


def intervals(music: Music) -> Counts:
    """Melodic steps in semitones: of each voice or, where they are not told apart, of the top."""
    found: Counter[int] = Counter()
    voices = max((len(e.voices) for e in music), default=0)
    for voice in range(voices):
        sung = [n.pitch for n in notes_from_events(music) if n.voice == voice]
        found.update(max(-13, min(b - a, 13)) for a, b in pairwise(sung))
    if not voices:
        top = [e.pitches[-1] for e in music if e.pitches]
        found.update(max(-13, min(b - a, 13)) for a, b in pairwise(top))
    return found


def rhythm(music: Music) -> Counts:
    """Durations of the notes, in quarter lengths."""
    return Counter(min(n.duration, Fraction(4)) for n in notes_from_events(music))


def harmony(music: Music) -> Counts:
    """What sounds together, as pitch classes above the lowest; weighted by duration."""
    found: dict[Any, float] = defaultdict(float)
    for event in music:
        if event.pitches:
            base = event.pitches[0]
            found[frozenset((p - base) % 12 for p in event.pitches)] += float(event.duration)
    return found


FEATURES: dict[str, Callable[[Music], Counts]] = {
    "pitch classes": pitch_classes,
    "intervals": intervals,
    "rhythm": rhythm,
    "harmony": harmony,
}


def distances(some: Sequence[Music], others: Sequence[Music]) -> dict[str, float]:
    """Total variation distance of each feature between two sets of pieces: 0 alike, 1 nothing shared."""
    return {
        name: _distance(_sum(feature(m) for m in some), _sum(feature(m) for m in others))
        for name, feature in FEATURES.items()
    }


def _sum(counts: Iterable[Counts]) -> Counts:
    total: dict[Any, float] = defaultdict(float)
    for one in counts:
        for key, amount in one.items():
            total[key] += amount
    return total


def _distance(a: Counts, b: Counts) -> float:
    n, m = sum(a.values()) or 1, sum(b.values()) or 1
    return sum(abs(a.get(k, 0) / n - b.get(k, 0) / m) for k in a.keys() | b.keys()) / 2


def faults(music: Music) -> Counter[str]:
    """Voice-leading faults by kind, of music in four voices."""
    found: Counter[str] = Counter(dict.fromkeys(FAULTS, 0))
    for before, event in pairwise(music):
        found.update(_parallels(before, event))
        for voice, (was, now) in enumerate(zip(before.voices, event.voices, strict=True)):
            if was >= 0 and now >= 0 and event.struck[voice]:
                leap = abs(now - was)
                found["leaps"] += leap > LARGEST_LEAP or leap in BAD_LEAPS
    for event in music:
        for voice, pitch in enumerate(event.voices):
            low, high = VOICE_RANGES[voice]
            outside = pitch >= 0 and not low <= pitch <= high
            found["out of range"] += outside and event.struck[voice]
        sung = [(v, p) for v, p in enumerate(event.voices) if p >= 0]
        found["crossings"] += sum(
            low > high and (event.struck[v] or event.struck[w])
            for (v, high), (w, low) in pairwise(sung)
        )
    return found


def _parallels(before: Event, event: Event) -> Iterator[str]:
    """Fifths and octaves that two voices reach from a fifth or an octave by moving the same way."""
    for v in range(len(event.voices)):
        for w in range(v + 1, len(event.voices)):
            pitches = (before.voices[v], before.voices[w], event.voices[v], event.voices[w])
            moved = pitches[0] != pitches[2] and pitches[1] != pitches[3]
            if min(pitches) < 0 or not moved:
                continue
            was, now = (abs(pitches[i] - pitches[i + 1]) % 12 for i in (0, 2))
            same_way = (pitches[2] > pitches[0]) == (pitches[3] > pitches[1])
            if was == now and now in PARALLELS and same_way:
                yield PARALLELS[now]


def faults_per_100(pieces: Sequence[Music]) -> dict[str, float]:
    """Faults per 100 notes, by kind and 'all'."""
    total = _sum(faults(m) for m in pieces)
    notes = sum(len(notes_from_events(m)) for m in pieces) or 1
    by_kind = {kind: 100 * total[kind] / notes for kind in FAULTS}
    return {**by_kind, "all": sum(by_kind.values())}


def degeneration(music: Music) -> dict[str, float]:
    """Shares of a piece (0..1 of its time) that are stuck, in a loop, or silent.

    Stuck: the same sound again beyond the eighth time. A loop: a pattern of two to sixteen events
    from the fifth time on that it comes in a row.
    """
    length = float(sum(e.duration for e in music)) or 1.0
    stuck, run = 0.0, 0
    for before, event in pairwise(music):
        run = run + 1 if before.pitches == event.pitches else 0
        stuck += float(event.duration) if run >= STUCK else 0.0
    silent = sum(float(e.duration) for e in music if not e.pitches)
    return {"stuck": stuck / length, "loops": _loops(music) / length, "silence": silent / length}


def _loops(music: Music) -> float:
    """Quarters that only repeat a pattern of two to sixteen events which was heard four times."""
    keys = [(e.pitches, e.duration) for e in music]
    looping = [False] * len(keys)
    for period in range(2, 17):
        run = 0
        for i in range(period, len(keys)):
            run = run + 1 if keys[i] == keys[i - period] else 0
            if run > 3 * period:
                looping[i] = True
    return sum(float(e.duration) for e, loop in zip(music, looping, strict=True) if loop)
