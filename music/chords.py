"""Chords by name: the root and the quality of some pitches, and the degree in a key ('V', 'ii')."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from music.keys import Key

# pitch classes above the root; of two with the same notes the first one that stands on the bass counts
QUALITIES = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "diminished": (0, 3, 6),
    "augmented": (0, 4, 8),
    "dominant seventh": (0, 4, 7, 10),
    "major seventh": (0, 4, 7, 11),
    "minor seventh": (0, 3, 7, 10),
    "half-diminished seventh": (0, 3, 6, 10),
    "diminished seventh": (0, 3, 6, 9),
    "minor-major seventh": (0, 3, 7, 11),
    "augmented-major seventh": (0, 4, 8, 11),
    "suspended fourth": (0, 5, 7),
    "added second": (0, 2, 4, 7),
    "minor added second": (0, 2, 3, 7),
    "seventh with fourth": (0, 5, 7, 10),
    "dominant seventh without fifth": (0, 4, 10),
    "minor seventh without fifth": (0, 3, 10),
    "major seventh without fifth": (0, 4, 11),
    "fifth": (0, 7),
    "major third": (0, 4),
    "minor third": (0, 3),
    "unison": (0,),
}
TRIADS = {
    "major": "",
    "minor": "",
    "diminished": "°",
    "augmented": "+",
}  # and what their degree adds
OTHER = "other"
NUMERALS = ("I", "♭II", "II", "♭III", "III", "IV", "♯IV", "V", "♭VI", "VI", "♭VII", "VII")
MINOR_NUMERALS = ("I", "♭II", "II", "III", "♯III", "IV", "♯IV", "V", "VI", "♯VI", "VII", "♯VII")
LEADING_NOTE = 11  # semitones above the tonic; a diminished chord on it is vii in either mode
TRIAD_FIGURES, SEVENTH_FIGURES = ("", "6", "64"), ("7", "65", "43", "42")  # by the note in the bass


@dataclass(frozen=True)
class Chord:
    """Its root (pitch class), one of QUALITIES or OTHER, and the pitch class of its bass."""

    root: int
    quality: str
    bass: int

    @property
    def in_root_position(self) -> bool:
        """Whether the root is the lowest note."""
        return self.root == self.bass

    @property
    def is_triad(self) -> bool:
        """Whether it has a third and a fifth, and nothing else."""
        return self.quality in TRIADS

    def is_diatonic(self, key: Key) -> bool:
        """Whether all of its notes are in a key."""
        return self.quality != OTHER and all(
            (self.root + step) % 12 in key.scale for step in QUALITIES[self.quality]
        )

    def is_tonic(self, key: Key) -> bool:
        """Whether it is the tonic triad of a key, in any position; a minor key may end in major."""
        return self.root == key.tonic and (
            self.quality == "major" or (key.minor and self.quality == "minor")
        )

    def degree(self, key: Key) -> str:
        """The Roman numeral of a triad or a seventh in a key: 'V', 'ii', 'viiø7'; '' for others."""
        numeral = self._leading(key)._numeral(key)
        return numeral + ("7" if numeral and self._is_seventh else "")

    def label(self, key: Key) -> str:
        """The same with the figures of its position: 'ii6', 'V65', 'I64'; '' for others."""
        chord = self._leading(key)
        numeral = chord._numeral(key)
        return numeral + chord._figures() if numeral else ""

    def _leading(self, key: Key) -> Chord:
        """A diminished seventh, whose root any note could be, on the leading note if it has it."""
        leading = (key.tonic + LEADING_NOTE) % 12
        if self.quality == "diminished seventh" and (leading - self.root) % 3 == 0:
            return replace(self, root=leading)
        return self

    @property
    def _is_seventh(self) -> bool:
        return "seventh" in self.quality

    def _figures(self) -> str:
        above = (self.bass - self.root) % 12
        third = next(i for i, highest in enumerate((0, 4, 8, 11)) if above <= highest)
        return (SEVENTH_FIGURES if self._is_seventh else TRIAD_FIGURES)[third]

    def _numeral(self, key: Key) -> str:
        steps = QUALITIES.get(self.quality, ())
        if len(steps) < 3 or steps[1] not in (3, 4):
            return ""
        above = (self.root - key.tonic) % 12
        sign = "°" if 6 in steps else "+" if 8 in steps else ""
        if self.quality == "half-diminished seventh":
            sign = "ø"
        led = above == LEADING_NOTE and sign in ("°", "ø")
        numeral = (MINOR_NUMERALS if key.minor and not led else NUMERALS)[above]
        return (numeral.lower() if steps[1] == 3 else numeral) + sign


def chord_of(pitches: Iterable[int]) -> Chord | None:
    """The chord of some MIDI pitches; None if there are none."""
    sorted_pitches = sorted(pitches)
    if not sorted_pitches:
        return None
    return _named(frozenset(p % 12 for p in sorted_pitches), sorted_pitches[0] % 12)


@lru_cache(4096)
def _named(classes: frozenset[int], bass: int) -> Chord:
    found = [
        Chord(root, quality, bass)
        for quality, steps in QUALITIES.items()
        for root in range(12)
        if frozenset((root + step) % 12 for step in steps) == classes
    ]
    return next(
        (c for c in found if c.in_root_position), found[0] if found else Chord(bass, OTHER, bass)
    )
