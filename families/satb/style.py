"""What a corpus of chorales is like beyond its notes: keys, cadences, form; how a new one is
sampled by it.

It is taken from the training pieces when a model is made, and stands in the bundle. style.json
holds that of music21's training pieces, for bundles that were made before or whose corpus knows no
phrases.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from families.satb.encoding import Chorale, Grid, pitches, sounding
from music.chords import Chord, chord_of
from music.keys import KEYS, Key, key_named, key_of

DEFAULT = Path(__file__).parent / "style.json"
MODES = {False: "major", True: "minor"}
ALIKE = 0.9  # share of the steps in which a phrase that comes back is the same
BREATH = 2  # steps at the end of a phrase that may differ when it comes back

Profile = npt.NDArray[np.float64]
Triad = tuple[int, str]  # semitones of its root above the tonic, quality; UNKNOWN: another chord
UNKNOWN = (0, "")


@dataclass(frozen=True)
class Style:
    """keys: how many pieces are in each. profiles: by mode (minor?) how much of the time each pitch
    class above the tonic sounds [12]. cadences: by mode, for each piece the triads that its phrases
    end on, one after the other. returns: the share of pieces that could repeat their opening and
    do; whole: of these, the share in which all voices come back. onset, pitch: the temperatures at
    which notes begin and pitches are chosen."""

    keys: Mapping[Key, int]
    profiles: Mapping[bool, Profile]
    cadences: Mapping[bool, Sequence[tuple[Triad, ...]]]
    returns: float
    whole: float
    onset: float = 1.0
    pitch: float = 1.0

    def prior(self, key: Key) -> Profile:
        """How much of the time each pitch class sounds in a key [12]."""
        return np.roll(self.profiles[key.minor], key.tonic)


def style_in(metadata: Mapping[str, Any]) -> Style:
    """The style of a bundle; what it does not know is that of music21's chorales."""
    default = _default()
    known = {k: v for k, v in metadata.get("style", {}).items() if v}
    return _style(
        {**default, **known, "temperatures": metadata.get("temperatures", default["temperatures"])}
    )


@cache
def _default() -> dict[str, Any]:
    return json.loads(DEFAULT.read_text("utf-8"))


def _style(data: Mapping[str, Any]) -> Style:
    return Style(
        {key_named(name): n for name, n in data["keys"].items()},
        {minor: np.array(data["profiles"][name]) for minor, name in MODES.items()},
        {
            minor: [_triads(text) for text in data["cadences"][name]]
            for minor, name in MODES.items()
        },
        data["form"]["returns"],
        data["form"]["whole"],
        data["temperatures"]["onset"],
        data["temperatures"]["pitch"],
    )


def _triads(text: str) -> tuple[Triad, ...]:
    """'0major 7major ?' -> the triads; '?' is any other chord."""
    found = [re.fullmatch(r"(\d+)([a-z]+)", word) for word in text.split()]
    return tuple((int(m[1]), m[2]) if m else UNKNOWN for m in found)


def style_of(pieces: Sequence[Chorale]) -> dict[str, Any]:
    """The style of training pieces as JSON; empty parts where the pieces know nothing of them."""
    keys = [key_of_piece(piece.symbols) for piece in pieces]
    cadences: dict[bool, list[str]] = {minor: [] for minor in MODES}
    for piece, key in zip(pieces, keys, strict=True):
        if ends := [_named(piece.symbols, onset, key) for onset, _ in fermatas(piece.plan)]:
            cadences[key.minor].append(" ".join(ends))
    known = all(cadences.values())
    both = len({key.minor for key in keys}) == 2
    return {
        "keys": dict(Counter(map(str, keys)).most_common()),
        "profiles": _profiles(pieces, keys) if both else {},
        "cadences": {MODES[m]: sorted(c) for m, c in cadences.items()} if known else {},
        "form": _form(pieces) if known else {},
    }


def _named(symbols: Grid, step: int, key: Key) -> str:
    chord = chord_at(symbols, step)
    good = chord is not None and ends_phrase(chord, key)
    return f"{(chord.root - key.tonic) % 12}{chord.quality}" if chord and good else "?"


def key_of_piece(symbols: Grid) -> Key:
    """The key that fits best what sounds; symbols [steps, voices]."""
    heard = pitches(symbols)
    return key_of(np.bincount(heard[heard >= 0] % 12, minlength=12).astype(float))


def chord_at(symbols: Grid, step: int) -> Chord | None:
    """What sounds at a step."""
    return chord_of(p for p in pitches(symbols[: step + 1])[-1].tolist() if p >= 0)


def ends_phrase(chord: Chord, key: Key) -> bool:
    """Whether a chord is a triad in root position, of the key or on its tonic, as most phrases end."""
    return (
        chord.is_triad
        and chord.in_root_position
        and (chord.is_diatonic(key) or chord.is_tonic(key))
    )


def fermatas(plan: Grid) -> list[tuple[int, int]]:
    """The first and the last step under each fermata of a plan [steps, 3]."""
    under = np.concatenate([[False], plan[:, 2] == 1, [False]])
    begins, ends = (np.flatnonzero(x) for x in (under[1:] & ~under[:-1], under[:-1] & ~under[1:]))
    return [(a, b - 1) for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]


def openings(plan: Grid) -> list[int]:
    """The lengths (steps) of openings, of two phrases or more, after which the bars and phrases of
    the plan are the same once more."""
    ends = [last + 1 for _, last in fermatas(plan)]
    found = []
    for length in ends[1:]:
        again = plan[length : 2 * length]
        if 2 * length in ends and (plan[:length, [0, 2]] == again[:, [0, 2]]).mean() >= ALIKE:
            found.append(length)
    return found


def _form(pieces: Iterable[Chorale]) -> dict[str, float]:
    able = returns = whole = 0
    for piece in pieces:
        lengths = openings(piece.plan)
        able += bool(lengths)
        alike = [_alike(sounding(piece.symbols), length) for length in lengths]
        best = max((a for a in alike if a[0] > ALIKE), default=None)
        returns += best is not None
        whole += best is not None and best[1] > ALIKE
    return {"returns": round(returns / max(able, 1), 3), "whole": round(whole / max(returns, 1), 3)}


def _alike(sounds: Grid, length: int) -> tuple[float, float]:
    """In how many steps of an opening the soprano, and all voices, are the same when it comes again."""
    stop = length - BREATH
    same = sounds[:stop] == sounds[length : length + stop]
    return float(same[:, 0].mean()), float(same.all(1).mean())


def _profiles(pieces: Sequence[Chorale], keys: Sequence[Key]) -> dict[str, list[float]]:
    totals = {minor: np.zeros(12) for minor in MODES}
    for piece, key in zip(pieces, keys, strict=True):
        heard = pitches(piece.symbols)
        counts = np.bincount(heard[heard >= 0] % 12, minlength=12)
        totals[key.minor] += np.roll(counts, -key.tonic) / max(counts.sum(), 1)
    return {MODES[m]: np.round(t / max(t.sum(), 1e-9), 4).tolist() for m, t in totals.items()}


def keys_within(style: Style, scale: frozenset[int]) -> dict[Key, int]:
    """The keys of the corpus of which the fewest notes lie outside a scale; all keys without a scale."""
    if not scale:
        return dict(style.keys)
    outside = {key: len(key.scale - scale) for key in KEYS}
    least = min(outside.values())
    return {key: style.keys.get(key, 0) + 1 for key in KEYS if outside[key] == least}
