"""What the network is told before every step: what sounds, lookback, key, retrieval, plan."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from families.satb.encoding import FIRST, HOLD, NOTHING, PLAN, SILENCE, SYMBOLS, VOICES, Chorale
from families.satb.key_bias import CLASSES, HALF_LIVES, PitchClassProfile
from families.satb.retrieval import NOTHING_FOUND, TuneIndex, TuneTracker
from music.lookback import LENGTHS, SPAN, Lookback

Rows = npt.NDArray[np.int32]

LONGEST_HELD = 24  # steps that are told apart
# The columns of a row, and how many ids each column can hold is known to network.py
COLUMNS = {
    "sounding": 4,
    "held": 4,
    "lookback": 4,
    "lookback_length": 1,
    "key": CLASSES,  # hundredths of a logarithm, see key_bias.py
    "profiles": CLASSES * len(HALF_LIVES),  # the same by other half-lives
    "retrieved": 4,  # what a training piece did here, see retrieval.py
    "retrieved_length": 1,
    **dict.fromkeys(PLAN, 1),
}
KEY = slice(13, 13 + CLASSES)
PROFILES = slice(KEY.stop, KEY.stop + COLUMNS["profiles"])
RETRIEVED = slice(PROFILES.stop, PROFILES.stop + 5)
FEATURES = RETRIEVED.stop  # columns before the plan
LOOKBACK_LENGTHS = LENGTHS


class SatbFeatures:
    """Extracts the features of a piece step by step. Everything starts at 0: nothing came before."""

    def __init__(
        self, prior: npt.NDArray[np.float64] | None = None, tracker: TuneTracker | None = None
    ) -> None:
        """prior: the profile of the key of the piece [12], where that is known. tracker: looks up
        its soprano in other pieces; None: nothing is looked up."""
        self.sounding = [NOTHING] * len(VOICES)  # the symbol each voice was struck with
        self._held = [0] * len(VOICES)  # steps since then, the first one counted
        self._found = [NOTHING] * len(VOICES)
        self._lookback_length = 0
        self._profile = PitchClassProfile(prior)
        self._tracker = tracker
        self._lookback = Lookback()
        self._chords: dict[tuple[int, ...], int] = {}
        self._steps: list[tuple[int, ...]] = []
        self._forgotten = 0  # steps that are no longer in the list

    def feed(self, symbols: Sequence[int]) -> None:
        """Take one step: four symbols."""
        for voice, symbol in enumerate(symbols):
            if symbol != HOLD:
                self.sounding[voice], self._held[voice] = symbol, 1
            else:
                self._held[voice] = min(self._held[voice] + 1, LONGEST_HELD - 1)
                if self.sounding[voice] == NOTHING:
                    self.sounding[voice] = SILENCE
        self._profile.feed(self.sounding)
        if self._tracker:
            self._tracker.feed(symbols[0])
        self._steps.append(tuple(symbols))
        chord = self._chords.setdefault(tuple(self.sounding), len(self._chords))
        index, self._lookback_length = self._lookback.search((chord,))
        found = self._steps[index - self._forgotten] if self._lookback_length else ()
        self._found = list(found) or [NOTHING] * len(VOICES)
        if len(self._steps) > 2 * SPAN:
            del self._steps[:SPAN]
            self._forgotten += SPAN

    def row(self) -> list[int]:
        """What is known before the next step [FEATURES]: sounding, held, lookback, its length, key,
        profiles and what was retrieved."""
        told = [*self.sounding, *self._held, *self._found, self._lookback_length]
        retrieved = self._tracker.row() if self._tracker else NOTHING_FOUND
        return [*told, *self._profile.row(), *retrieved]

    def copy(self) -> SatbFeatures:
        twin = copy.copy(self)
        twin.sounding, twin._held = list(self.sounding), list(self._held)
        twin._steps, twin._chords = list(self._steps), dict(self._chords)
        twin._lookback, twin._profile = self._lookback.copy(), self._profile.copy()
        twin._tracker = self._tracker.copy() if self._tracker else None
        return twin


def rows_of(chorale: Chorale, index: TuneIndex | None = None) -> Rows:
    """What the network is told before every step of a chorale [steps, FEATURES + plan].

    index: other pieces, in which its soprano is looked up.
    """
    features = SatbFeatures(tracker=TuneTracker(index, chorale.fingerprint) if index else None)
    rows = []
    for symbols in chorale.symbols.tolist():
        rows.append(features.row())
        features.feed(symbols)
    return np.concatenate([np.array(rows, np.int32), chorale.plan.astype(np.int32)], axis=1)


def rows_transposed(rows: Rows, semitones: int) -> Rows:
    """The rows of the same chorale in another key."""
    moved = rows.copy()
    for first in (0, 8):  # sounding and lookback
        part = moved[..., first : first + len(VOICES)]
        part[part >= FIRST] += semitones
    for first in range(KEY.start, PROFILES.stop, CLASSES):
        part = moved[..., first : first + CLASSES]
        part[...] = np.roll(part, semitones, axis=-1)
    part = moved[..., RETRIEVED.start : RETRIEVED.start + len(VOICES)]
    notes = part >= FIRST
    part[notes] += semitones
    part[notes & ((part < FIRST) | (part >= SYMBOLS))] = NOTHING  # other pieces may reach further
    return moved
