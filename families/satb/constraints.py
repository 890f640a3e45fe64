"""Hard constraints that a person may set: a scale, ranges, no crossing. They mask the softmax.

A choice is never empty: a voice takes what leaves the voices after it a note each. Where given
voices leave no room, crossing gives way; scale and range never do, nor need they: a range is an
octave at least, and has every note of a scale.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from config_bach import UserError
from families.satb.encoding import FIRST, HOLD, LOWEST, NOTHING, SILENCE, SYMBOLS, VOICES
from music.events import pitch_number
from music.instruments import VOICE_RANGES
from music.scales import scale_of

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Constraints:
    """What composed voices may do: pitch classes (0 = C; none: all), ranges by voice, crossing."""

    scale: frozenset[int] = frozenset()
    ranges: tuple[tuple[int, int], ...] = VOICE_RANGES
    crossing: bool = True
    _masks: dict[int, Mask] = field(default_factory=dict, compare=False, repr=False)

    def pitches(self, voice: int) -> Mask:
        """The pitches that a voice may strike, as symbols [SYMBOLS]."""
        if voice not in self._masks:
            pitches = np.arange(SYMBOLS) - FIRST + LOWEST
            low, high = self.ranges[voice]
            mask = (np.arange(SYMBOLS) >= FIRST) & (pitches >= low) & (pitches <= high)
            if self.scale:
                mask &= np.isin(pitches % 12, list(self.scale))
            self._masks[voice] = mask
        return self._masks[voice]

    def allowed(self, voice: int, sounding: int, sounds: Mapping[int, int]) -> Mask:
        """What a voice may do now [SYMBOLS]: hold what it sounds, fall silent, or strike.

        sounding: the symbol that it sounds already. sounds: the symbols of the voices that are known
        at this step, chosen or given.
        """
        strike = self.pitches(voice)
        if not self.crossing:
            strike = strike & self._between(voice, sounds)
        mask = strike.copy()
        mask[SILENCE] = sounding != SILENCE
        mask[HOLD] = sounding == SILENCE or (sounding != NOTHING and bool(strike[sounding]))
        if not mask[FIRST:].any():  # what is given leaves no room
            mask[FIRST:] = self.pitches(voice)[FIRST:]
        return mask

    def _between(self, voice: int, sounds: Mapping[int, int]) -> Mask:
        """What is not above a higher voice or below a lower one, and leaves room for those between."""
        symbols = np.arange(SYMBOLS)
        above = min((sounds[v] for v in range(voice) if sounds.get(v, 0) >= FIRST), default=SYMBOLS)
        return (symbols >= self._lowest(voice, sounds)) & (symbols <= above)

    def _lowest(self, voice: int, sounds: Mapping[int, int]) -> int:
        """The lowest symbol that is below no lower voice, and leaves room for those between."""
        floor = FIRST
        for lower in reversed(range(voice + 1, 4)):
            if sounds.get(lower, NOTHING) >= FIRST:
                floor = max(floor, sounds[lower])
            elif lower not in sounds:
                room = np.flatnonzero(self.pitches(lower)[floor:])
                floor += int(room[0]) if len(room) else 0
        return floor


def constraints_of(scale: str | None, ranges: Sequence[str], no_crossing: bool) -> Constraints:
    """Constraints from 'G major', ['soprano=C4-G5', ...]. Raises UserError for nonsense."""
    found = list(VOICE_RANGES)
    for text in ranges:
        voice, _, span = text.partition("=")
        match = re.fullmatch(r"([A-G]#?-?\d)-([A-G]#?-?\d)", span.strip())
        if voice not in VOICES or not match:
            raise UserError(f"--range {text!r} is not understood; write it as soprano=C4-G5.")
        low, high = (pitch_number(name) for name in match.groups())
        if high - low < 11:
            raise UserError(f"--range {text!r} is narrower than an octave; widen it.")
        found[VOICES.index(voice)] = (low, high)
    return Constraints(scale_of(scale) if scale else frozenset(), tuple(found), not no_crossing)
