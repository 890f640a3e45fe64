"""How far music is from other music: what it is made of, and for four voices its voice leading.

Distances compare distributions of features between composed and real pieces. Voice-leading faults
follow the rules that 'Bach or Mock? A grading function for chorales in the style of J.S. Bach' (Fang
et al. 2020) counts: parallel fifths and octaves, crossings, ranges, leaps.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any

from families.base import PITCHED
from music.chords import Chord, chord_of
from music.events import Event, notes_from_events
from music.instruments import VOICE_RANGES
from music.keys import Key, heard_in, key_of

Music = Sequence[Event]
Counts = Mapping[Any, float]  # how much there is of each

LARGEST_LEAP = 12  # semitones; larger ones, and the tritone and the seventh, are faults
BAD_LEAPS = frozenset({6, 10, 11})
PARALLELS = {7: "parallel fifths", 0: "parallel octaves"}
STUCK = 8  # times
FAULTS = ("parallel fifths", "parallel octaves", "crossings", "out of range", "leaps")


def pitch_classes(music: Music) -> Counts:
    """Pitch classes from the commonest one, weighted by duration: keys do not matter."""
    sounding = _sum({p % 12: float(e.duration)} for e in music for p in e.pitches)
    home = max(range(12), key=lambda k: sum(sounding[(k + s) % 12] for s in (0, 4, 7, 2, 5, 9, 11)))
    return {(k - home) % 12: n for k, n in sounding.items()}


def intervals(music: Music) -> Counts:
    """Melodic steps in semitones: of each voice or, where they are not told apart, of the top."""
    notes, voices = notes_from_events(music), max((len(e.voices) for e in music), default=0)
    sung = [[n.pitch for n in notes if n.voice == voice] for voice in range(voices)]
    lines = sung or [[e.pitches[-1] for e in music if e.pitches]]
    return Counter(max(-13, min(b - a, 13)) for line in lines for a, b in pairwise(line))


def rhythm(music: Music) -> Counts:
    """Durations of the notes, in quarter lengths."""
    return Counter(min(n.duration, Fraction(4)) for n in notes_from_events(music))


def harmony(music: Music) -> Counts:
    """What sounds together, as pitch classes above the lowest; weighted by duration."""
    return _sum(
        {frozenset((p - e.pitches[0]) % 12 for p in e.pitches): float(e.duration)}
        for e in music
        if e.pitches
    )


def strokes(music: Music) -> Counts:
    """Which percussion is struck."""
    return Counter(p for _, _, p in _percussion(music))


def places(music: Music) -> Counts:
    """Which percussion is struck where in the bar."""
    return Counter((beat, p) for beat, _, p in _percussion(music))


def together(music: Music) -> Counts:
    """Which percussion is struck at once."""
    return Counter(tuple(s.pitch for s in e.sounds if s.drum) for e in music if e.sounds)


def pauses(music: Music) -> Counts:
    """The times between strokes of the same percussion, in quarter lengths."""
    before: dict[int, Fraction] = {}
    found: Counter[Any] = Counter()
    for _, time, pitch in _percussion(music):
        if pitch in before:
            found[pitch, min(time - before[pitch], Fraction(4))] += 1
        before[pitch] = time
    return found


def _percussion(music: Music) -> Iterator[tuple[Fraction | None, Fraction, int]]:
    """Every stroke: when in its bar, when in the piece, and on what."""
    time = Fraction(0)
    for event in music:
        yield from ((event.beat, time, s.pitch) for s in event.sounds if s.drum)
        time += event.duration


FEATURES: dict[str, Callable[[Music], Counts]] = {
    "pitch classes": pitch_classes,
    "intervals": intervals,
    "rhythm": rhythm,
    "harmony": harmony,
    "strokes": strokes,
    "places in the bar": places,
    "strokes at once": together,
    "times between strokes": pauses,
}


def distances(
    some: Sequence[Music], others: Sequence[Music], names: Sequence[str] = PITCHED
) -> dict[str, float]:
    """Total variation distance of features between two sets of pieces: 0 alike, 1 nothing shared.

    names: those of FEATURES that are compared.
    """
    return {
        name: _distance(
            _sum(FEATURES[name](m) for m in some), _sum(FEATURES[name](m) for m in others)
        )
        for name in names
    }


def _sum(counts: Iterable[Counts]) -> defaultdict[Any, float]:
    total: defaultdict[Any, float] = defaultdict(float)
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
        sung = [(v, p) for v, p in enumerate(event.voices) if p >= 0]
        for voice, pitch in sung:
            low, high = VOICE_RANGES[voice]
            found["out of range"] += event.struck[voice] and not low <= pitch <= high
        for (v, high), (w, low) in pairwise(sung):
            found["crossings"] += low > high and (event.struck[v] or event.struck[w])
    return found


def _parallels(before: Event, event: Event) -> Iterator[str]:
    """Fifths and octaves that two voices reach from a fifth or an octave by moving the same way."""
    voices = zip(before.voices, event.voices, strict=True)
    for (a, b), (c, d) in combinations(voices, 2):  # one goes from a to b, the other from c to d
        moved_the_same_way = a != b and c != d and (b > a) == (d > c)
        was, now = abs(a - c) % 12, abs(b - d) % 12
        if min(a, b, c, d) >= 0 and moved_the_same_way and was == now and now in PARALLELS:
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
        run = run + 1 if before.drawn == event.drawn else 0
        stuck += float(event.duration) if run >= STUCK else 0.0
    silent = sum(float(e.duration) for e in music if not e.drawn)
    return {"stuck": stuck / length, "loops": _loops(music) / length, "silence": silent / length}


def _loops(music: Music) -> float:
    """Quarters that only repeat a pattern of two to sixteen events which was heard four times."""
    keys = [(e.drawn, e.duration) for e in music]
    looping = [False] * len(keys)
    for period in range(2, 17):
        run = 0
        for i in range(period, len(keys)):
            run = run + 1 if keys[i] == keys[i - period] else 0
            if run > 3 * period:
                looping[i] = True
    return sum(float(e.duration) for e, loop in zip(music, looping, strict=True) if loop)


def cadences(pieces: Sequence[Music]) -> dict[str, float]:
    """Shares of pieces in four voices that end on their tonic triad, and of phrase ends (where a
    fermata begins) that are triads of the key in root position.
    """
    tonics, ends = 0, []
    for music in pieces:
        key = key_of(heard_in(notes_from_events(music)))
        last = next((chord_of(e.pitches) for e in reversed(music) if e.pitches), None)
        tonics += last is not None and last.is_tonic(key)
        for before, event in pairwise([None, *music]):
            if event and event.fermata and event.pitches and not (before and before.fermata):
                ends.append(_closes(chord_of(event.pitches), key))
    return {
        "ends on the tonic": tonics / max(len(pieces), 1),
        "diatonic phrase ends": sum(ends) / max(len(ends), 1),
    }


def _closes(chord: Chord | None, key: Key) -> bool:
    """Whether a chord is a triad of the key in root position."""
    good = chord is not None and chord.is_triad and chord.in_root_position
    return bool(chord and good and chord.is_diatonic(key))
