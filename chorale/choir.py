"""Any number of chorales composed side by side, sixteenth after sixteenth, voice after voice."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from chorale.ear import Ear
from chorale.engine import ChoraleEngine
from chorale.grid import FIRST, HOLD, ORDER, SYMBOLS, VOICES, Grid
from chorale.limits import Limits
from chorale.score import event_of
from config_bach import Composing
from lite import Probabilities
from originality import Follower
from predict import DETOURS, reshaped

LEAST = 1e-9  # probability; what is given may be anything


class Choir:
    """The pieces, what each has heard, and how likely what was given to each is."""

    def __init__(
        self,
        engine: ChoraleEngine,
        settings: Composing,
        rng: np.random.Generator,
        pieces: int = 1,
        limits: Limits | None = None,
    ) -> None:
        """`settings` may be replaced at any time; the next step follows the new ones."""
        self.settings, self.limits = settings, limits or Limits()
        self.ears = [Ear() for _ in range(pieces)]
        self.log_weights = np.zeros(pieces)
        self.coming: dict[int, Probabilities] = {}  # by voice, of the last step and the first piece
        self.follower: Follower | None = None  # watches the first piece for copies
        self._engine, self._rng = engine, rng
        self._memory = engine.silence(pieces)

    def step(self, plan: npt.NDArray[np.integer], given: Mapping[int, int] | None = None) -> Grid:
        """Compose one step in every piece: plan [3] -> symbols [pieces, 4].

        given: the symbols of voices that are not to be composed; `log_weights` tells afterwards how
        likely the network found them.
        """
        rows = np.array([[*ear.row(), *plan] for ear in self.ears], np.int32)
        context, self._memory = self._engine.hear(rows, self._memory)
        closed: dict[int, set[int]] = {voice: set() for voice in ORDER}
        while True:
            symbols, sounds, weights = self._sing(context, rows, given or {}, closed)
            detours = sum(map(len, closed.values()))
            if detours >= DETOURS or not self._copies(symbols[0], sounds[0]):
                break
            voice = _last_struck(symbols[0], given or {})
            if voice is None:
                break
            closed[voice].add(int(symbols[0, voice]))
        self.log_weights += weights
        if self.follower:
            self.follower.feed(event_of(symbols[0].tolist(), sounds[0].tolist(), 1))
        for ear, row in zip(self.ears, symbols.tolist(), strict=True):
            ear.feed(row)
        return symbols

    def _sing(
        self,
        context: npt.NDArray[np.float32],
        rows: npt.NDArray[np.int32],
        given: Mapping[int, int],
        closed: Mapping[int, set[int]],
    ) -> tuple[Grid, npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """One voice after the other: symbols and what they sound [pieces, 4], log weights [pieces]."""
        weights = np.zeros(len(rows))
        symbols = np.zeros((len(rows), len(VOICES)), np.int16)
        sounds = np.zeros((len(rows), len(VOICES)), np.int32)
        for voice in ORDER:
            p = self._engine.voice(voice, context, rows, sounds)
            self.coming[voice] = p[0]
            if voice in given:
                symbols[:, voice] = given[voice]
                weights += np.log(_chance(p, given[voice], rows[:, voice]))
            else:
                for i, known in enumerate(sounds):
                    mask = self._open(voice, rows[i], known, given)
                    mask[list(closed[voice])] = False
                    symbols[i, voice] = self._pick(p[i], mask)
            sounds[:, voice] = np.where(
                symbols[:, voice] == HOLD, rows[:, voice], symbols[:, voice]
            )
        return symbols, sounds, weights

    def _copies(self, symbols: Grid, sounds: npt.NDArray[np.int32]) -> bool:
        """Whether the first piece would now copy more notes in a row than it may."""
        most = self.settings.max_copy
        if self.follower is None or most is None:
            return False
        step = event_of(symbols.tolist(), sounds.tolist(), 1)
        return self.follower.would_be(step) > most

    def _open(
        self,
        voice: int,
        row: npt.NDArray[np.int32],
        sounds: npt.NDArray[np.int32],
        given: Mapping[int, int],
    ) -> npt.NDArray[np.bool_]:
        """What a voice may do, by the limits [SYMBOLS]."""
        known = {v: int(sounds[v]) for v in ORDER[: ORDER.index(voice)]}
        known |= {v: int(row[v]) if s == HOLD else s for v, s in given.items()}
        return self.limits.open(voice, int(row[voice]), known)

    def _pick(self, p: Probabilities, mask: npt.NDArray[np.bool_]) -> int:
        closed = np.flatnonzero(~mask).tolist()
        q = reshaped(p, self.settings.temperature, self.settings.top_p, closed)
        return int(self._rng.choice(SYMBOLS, p=q))

    def spread(self, pieces: int) -> None:
        """Go on with so many copies of the first piece."""
        self.ears = [self.ears[0].copy() for _ in range(pieces)]
        self._memory = [np.repeat(m[:1], pieces, axis=0) for m in self._memory]
        self.log_weights = np.zeros(pieces)

    def select(self) -> npt.NDArray[np.intp]:
        """Replace unlikely pieces by copies of likely ones, once few are left that count.

        Returns which piece each one descends from. Systematic resampling of a particle filter, when
        the effective number of pieces falls below half (Doucet and Johansen 2009).
        """
        count = len(self.ears)
        weights = np.exp(self.log_weights - self.log_weights.max())
        weights /= weights.sum()
        if 1 / (weights**2).sum() > count / 2:
            return np.arange(count)
        places = (self._rng.random() + np.arange(count)) / count
        parents = np.minimum(np.searchsorted(np.cumsum(weights), places), count - 1)
        self.ears = [self.ears[i].copy() for i in parents]
        self._memory = [m[parents] for m in self._memory]
        self.log_weights = np.zeros(count)
        return parents


def _last_struck(symbols: Grid, given: Mapping[int, int]) -> int | None:
    """The voice composed last that strikes a note; None if none does."""
    struck = [v for v in ORDER if v not in given and symbols[v] >= FIRST]
    return struck[-1] if struck else None


def _chance(p: Probabilities, symbol: int, own: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """The probability of a given symbol in every piece [pieces].

    A note struck again and one that is held are taken for the same: who writes a melody down does
    not always tell.
    """
    chance = p[:, symbol].astype(np.float64)
    again = np.take_along_axis(p, own[:, None], 1)[:, 0]
    if symbol == HOLD:
        chance += np.where(own >= FIRST, again, 0)
    elif symbol >= FIRST:
        chance += np.where(own == symbol, p[:, HOLD], 0)
    return np.maximum(chance, LEAST)
