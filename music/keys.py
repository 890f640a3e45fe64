"""The key of some notes, without music21, which takes seconds to import; keys by name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config_bach import UserError
from music.events import Note
from music.sounds import DRUMS, voice_of

# how often each degree is heard in a key, in per cent: Aarden 2003; what music21 takes for its scores
MAJOR = (17.77, 0.15, 14.93, 0.16, 19.80, 11.36, 0.29, 22.06, 0.15, 8.15, 0.23, 4.95)
MINOR = (18.26, 0.74, 14.05, 16.86, 0.70, 14.44, 0.70, 18.62, 4.57, 1.93, 7.38, 1.76)
# the usual names of the twelve tonics, as MIDI files have them
MAJOR_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MINOR_NAMES = ("Cm", "C#m", "Dm", "Ebm", "Em", "Fm", "F#m", "Gm", "G#m", "Am", "Bbm", "Bm")
MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
MINOR_SCALE = (0, 2, 3, 5, 7, 8, 10, 11)  # with its leading note
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
LONGEST = 40  # characters


@dataclass(frozen=True, order=True)
class Key:
    """A tonic (pitch class, 0 = C) and a mode."""

    tonic: int
    minor: bool = False

    @property
    def scale(self) -> frozenset[int]:
        """Its pitch classes; a minor key has its leading note as well."""
        steps = MINOR_SCALE if self.minor else MAJOR_SCALE
        return frozenset((self.tonic + step) % 12 for step in steps)

    @property
    def midi_name(self) -> str:
        """As MIDI files have it: 'G', 'F#m'."""
        return (MINOR_NAMES if self.minor else MAJOR_NAMES)[self.tonic]

    def __str__(self) -> str:
        return f"{self.midi_name.removesuffix('m')} {'minor' if self.minor else 'major'}"


KEYS = tuple(Key(tonic, minor) for minor in (False, True) for tonic in range(12))


def key_named(text: str, name: str = "--key") -> Key:
    """The key of 'G minor', 'Bb major' or 'F#m'. Raises UserError, naming the option, for any other."""
    match = re.fullmatch(r"([A-Ga-g])([#b♯♭-]?)\s*([Mm]ajor|[Mm]inor|m|)", text.strip()[:LONGEST])
    if not match:
        raise UserError(f"{name} {text[:LONGEST]!r} is not understood; write it as 'G minor'.")
    letter, accidental, mode = match.groups()
    shift = {"#": 1, "♯": 1, "": 0}.get(accidental, -1)
    return Key((LETTERS[letter.upper()] + shift) % 12, mode in ("minor", "Minor", "m"))


def fits(heard: npt.NDArray[np.float64]) -> dict[Key, float]:
    """How well each key fits how long each pitch class is heard [12]: the correlation with the profile
    of the key (Krumhansl 1990); 0 where all are heard alike."""
    if not heard.std():
        return dict.fromkeys(KEYS, 0.0)
    return {
        key: float(np.corrcoef(heard, np.roll(MINOR if key.minor else MAJOR, key.tonic))[0, 1])
        for key in KEYS
    }


def key_of(heard: npt.NDArray[np.float64]) -> Key:
    """The key that fits best how long each pitch class is heard [12]."""
    found = fits(heard)
    return max(found, key=lambda key: found[key])


def heard_in(notes: Iterable[Note]) -> npt.NDArray[np.float64]:
    """How long each pitch class is heard [12], in quarter lengths."""
    heard = np.zeros(12)
    for n in notes:
        if n.voice == voice_of(DRUMS):
            continue
        heard[n.pitch % 12] += float(n.duration)
    return heard


def key_name(notes: Iterable[Note]) -> str:
    """The key of notes as MIDI files have it: 'G', 'F#m'; empty without notes."""
    heard = heard_in(notes)
    return key_of(heard).midi_name if heard.any() else ""


def key_or_best(name: str, notes: Iterable[Note]) -> Key | None:
    """The key of a name ('F#m'), without one the key that fits the notes best; None without notes."""
    found = name or key_name(notes)
    return key_named(found) if found else None
