"""A judge of chorales: how far a piece is from what a corpus is made of. Lower is better.

The grade of 'Bach or Mock? A Grading Function for Chorales in the Style of J.S. Bach' (Fang, Liu,
Seetharaman and Pardo 2020, arXiv 2006.13329): the sum of nine distances between a chorale and the
corpus, in notes (degrees of the key), rhythm, parallel fifths and octaves outside phrase ends,
harmonic quality, directed intervals of each voice, and repeated sequences. A distance is the
Wasserstein distance of two distributions. Where values have no order of their own they stand by how
often the corpus has them, so that rare things cost more than common ones. Major and minor keys are
told apart where the article does.

Unlike there, notes are pitches without spelling, and chords are named by music/chords.py in the place of
music21. Self-similarity is measured as the authors do and shown, but stands in no grade of theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from config_bach import UserError
from evaluation.repeats import repeated_lengths
from families.base import LoadedModel
from music.chords import OTHER, chord_of
from music.events import Event, fermatas_of
from music.keys import Key, key_of

Music = Sequence[Event]
Histogram = Counter[Any]

VOICES = ("soprano", "alto", "tenor", "bass")
SIXTEENTHS = 4  # of a quarter length
SILENT, HELD = -1, -2
PARALLELS = {7: "fifths", 0: "octaves"}
INTERVALS = tuple(f"intervals, {voice}" for voice in VOICES)
BY_MODE = ("notes", "harmony", *INTERVALS)
FEATURES = ("notes", "rhythm", "parallels", "harmony", *INTERVALS, "repeated sequences")
SIMILARITY = "self-similarity"
BIN = 0.05  # of voices that are alike


@dataclass(frozen=True)
class Grade:
    """The distances by feature; `total` is the grade."""

    features: Mapping[str, float]

    @property
    def total(self) -> float:
        """The sum of the distances that the article adds up."""
        return sum(self.features[name] for name in FEATURES)


class Judge:
    """Knows a corpus, and grades pieces by it."""

    def __init__(self, pieces: Iterable[Music]) -> None:
        """pieces: what training learned from, in four voices. Raises ValueError if there are none."""
        described = [Described(piece) for piece in pieces]
        if not described:
            raise ValueError("a judge needs pieces")
        self._corpus = {
            (name, minor): _added(d.histograms[name] for d in described if d.key.minor == minor)
            or _added(d.histograms[name] for d in described)
            for name in (*FEATURES, SIMILARITY)
            for minor in (False, True)
        }
        for name in (*FEATURES, SIMILARITY):
            if name not in BY_MODE:
                both = _added(d.histograms[name] for d in described)
                self._corpus[name, False] = self._corpus[name, True] = both
        notes = sum(d.notes for d in described)
        self._parallels = self._corpus["parallels", False].total() / max(notes, 1)

    def grade(self, piece: Music) -> Grade:
        """The distances of a piece from the corpus."""
        described = Described(piece)
        return Grade({n: self._distance(n, described) for n in (*FEATURES, SIMILARITY)})

    def _distance(self, name: str, piece: Described) -> float:
        found, corpus = piece.histograms[name], self._corpus[name, piece.key.minor]
        if name == SIMILARITY:
            return BIN * wasserstein(found, corpus)
        if name == "repeated sequences":
            return wasserstein(found or Counter({0: 1}), corpus)
        if name == "parallels":
            often = found.total() / max(piece.notes, 1) / max(self._parallels, 1e-9)
            return often * wasserstein(*ranked(found, corpus)) if found.total() else 0.0
        return wasserstein(*ranked(found, corpus))


def judge_of(model: LoadedModel) -> Judge:
    """The judge of what a model was trained on.

    Raises UserError if its pieces cannot be graded, or are not known.
    """
    if not model.family.graded:
        raise UserError(
            f"{model.bundle.name} does not compose chorales, which alone can be graded; choose a model "
            "of four voices."
        )
    if not model.bundle.music:
        raise UserError(
            f"{model.bundle.name} does not carry the pieces it was trained on, so nothing can be "
            "graded; train it anew."
        )
    return Judge(piece.events for piece in model.family.unpack(model.bundle.music))


class Described:
    """A piece as histograms, one for each feature."""

    def __init__(self, piece: Music) -> None:
        self.pitches, self.struck = grid_of(piece)
        self.key = _key(self.pitches)
        self.lines = [_line(self.pitches[:, v], self.struck[:, v]) for v in range(len(VOICES))]
        self.notes = sum(pitch != SILENT for line in self.lines for _, _, pitch in line)
        ends = {round(start * SIXTEENTHS) for start, _ in fermatas_of(piece)}
        self.histograms: dict[str, Histogram] = {
            "notes": Counter(self._degrees()),
            "rhythm": Counter(length for line in self.lines for _, length, _ in line),
            "parallels": Counter(self._parallels(ends)),
            "harmony": Counter(self._qualities()),
            "repeated sequences": Counter(self._repeated()),
            SIMILARITY: similarity(self.pitches),
        }
        for name, line in zip(INTERVALS, self.lines, strict=True):
            self.histograms[name] = Counter(
                b - a for (_, _, a), (_, _, b) in pairwise(line) if SILENT not in (a, b)
            )

    def _degrees(self) -> dict[Hashable, int]:
        """Sixteenths on each degree of the key; a rest has none."""
        counts: Counter[Hashable] = Counter()
        for line in self.lines:
            for _, length, pitch in line:
                counts[None if pitch == SILENT else (pitch - self.key.tonic) % 12] += length
        return counts

    def _parallels(self, ends: set[int]) -> list[str]:
        """Fifths and octaves that two voices reach from a fifth or an octave, both with a new note.

        Contrary motion counts, too, as it does in music21; what follows the end of a phrase does not.
        """
        found = []
        moves = [_moves(line) for line in self.lines]
        for upper, lower in combinations(moves, 2):
            for time in upper.keys() & lower.keys():
                (a, b, since), (c, d, other) = upper[time], lower[time]
                was, now = (a - c) % 12, (b - d) % 12
                if was == now in PARALLELS and a != b and not {since, other} & ends:
                    found.append(PARALLELS[now])
        return found

    def _qualities(self) -> list[str]:
        """The quality of the chord at every beginning of a note, as far as anything sounds."""
        begins = np.flatnonzero(self.struck.any(1))
        chords = (chord_of(p for p in self.pitches[i].tolist() if p != SILENT) for i in begins)
        return [chord.quality for chord in chords if chord] or [OTHER]

    def _repeated(self) -> Counter[int]:
        """How often sequences of each length come that a voice repeats, in sixteenths."""
        found: Counter[int] = Counter()
        for v in range(len(VOICES)):
            symbols = np.where(self.struck[:, v], self.pitches[:, v], HELD)
            found.update(repeated_lengths(symbols.tolist(), HELD))
        return found


def grid_of(piece: Music) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
    """MIDI pitches [sixteenths, 4], SILENT for a rest, and where notes or rests begin."""
    rows = [e.voices or (SILENT,) * len(VOICES) for e in piece]
    lengths = [max(round(e.duration * SIXTEENTHS), 1) for e in piece]
    pitches = np.repeat(np.array(rows, np.int16).reshape(-1, len(VOICES)), lengths, axis=0)
    begins = np.cumsum([0, *lengths[:-1]])
    struck = np.zeros(pitches.shape, bool)
    for start, event in zip(begins, piece, strict=True):
        struck[start] = event.struck or (True,) * len(VOICES)
    changes = np.ones(pitches.shape, bool)
    changes[1:] = pitches[1:] != pitches[:-1]
    return pitches, changes | (struck & (pitches != SILENT))


def _key(pitches: npt.NDArray[np.int16]) -> Key:
    heard = np.bincount(pitches[pitches >= 0] % 12, minlength=12).astype(float)
    return key_of(heard)


def _line(pitches: npt.NDArray[Any], struck: npt.NDArray[Any]) -> list[tuple[int, int, int]]:
    """The notes and rests of a voice: (begin, length, pitch), in sixteenths."""
    begins = np.flatnonzero(struck).tolist()
    ends = [*begins[1:], len(pitches)]
    return [(a, b - a, int(pitches[a])) for a, b in zip(begins, ends, strict=True)]


def _moves(line: Sequence[tuple[int, int, int]]) -> dict[int, tuple[int, int, int]]:
    """By the time of a note that follows another: the pitch before, its own, when the other began."""
    return {
        time: (before, pitch, since)
        for (since, _, before), (time, _, pitch) in pairwise(line)
        if SILENT not in (before, pitch)
    }


def similarity(pitches: npt.NDArray[np.int16]) -> Histogram:
    """How many voices sound what they sounded some time before, on average, by the lag: a histogram of
    bins of BIN voices."""
    steps = len(pitches)
    means = [float((pitches[lag:] == pitches[: steps - lag]).sum(1).mean()) for lag in range(steps)]
    return Counter(int(m / BIN) for m in means)


def _added(histograms: Iterable[Histogram]) -> Histogram:
    total: Histogram = Counter()
    for histogram in histograms:
        total.update(histogram)
    return total


def ranked(found: Histogram, corpus: Histogram) -> tuple[Histogram, Histogram]:
    """Two histograms by rank: the commonest value of the corpus is 0; what it lacks comes last, the
    rarest first."""
    names = [name for name, _ in corpus.most_common()]
    names += [name for name, _ in reversed(found.most_common()) if name not in corpus]
    rank = {name: i for i, name in enumerate(names)}
    return (
        Counter({rank[name]: n for name, n in found.items()}),
        Counter({rank[name]: n for name, n in corpus.items()}),
    )


def wasserstein(found: Histogram, corpus: Histogram) -> float:
    """How far, on average, one distribution over 0, 1, ... must be moved to become the other."""
    size = 1 + max((*found, *corpus), default=0)
    difference = np.zeros(size)
    for histogram, sign in ((found, 1), (corpus, -1)):
        for value, count in histogram.items():
            difference[value] += sign * count / histogram.total()
    return float(np.abs(np.cumsum(difference)).sum())


def medians(grades: Sequence[Grade]) -> dict[str, float]:
    """The median of each feature, and of 'grade'."""
    found = {name: median(g.features[name] for g in grades) for name in (*FEATURES, SIMILARITY)}
    return {**found, "grade": median(g.total for g in grades)}
