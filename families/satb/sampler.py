"""Four voices, sixteenth after sixteenth, voice after voice: how each chooses what to do."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from config_bach import Composing
from families.sampling import StepSampler, closed_tokens
from families.satb.choice import Sampling, choose
from families.satb.constraints import Constraints
from families.satb.encoding import FIRST, HOLD, ORDER, event_of
from families.satb.features import KEY, SatbFeatures
from families.satb.key_bias import CLASS_OF, COMPOSING_POWER, POWER, with_key_bias
from families.satb.voice_leading import without_parallels
from families.steps import Predictor, Probabilities, Rows
from music.copies import CopyTracker
from music.events import Event
from music.scales import scale_of

NO_PLAN = (0, 0, 0)
TRIES = 4  # for a step without parallels
PARALLEL = 3.0  # log weight that parallels cost a piece among others


class SatbSampler(StepSampler[SatbFeatures]):
    """A StepSampler whose heads are four voices, and which keeps the rules of voice leading.

    Where a voice finds no note without parallels, the whole step is composed anew; of several pieces
    those that have none are preferred. soprano: the probabilities of the last step [pieces, SYMBOLS].
    """

    def __init__(
        self,
        predictor: Predictor,
        settings: Composing,
        rng: np.random.Generator,
        constraints: Constraints | None = None,
        tracker: CopyTracker | None = None,
        *,
        prior: npt.NDArray[np.float64] | None = None,
        temperatures: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        """prior: the profile of the key [12], where there is one. temperatures: of onsets and of
        pitches, which that of the settings multiplies."""
        super().__init__(predictor, settings, rng, [SatbFeatures(prior)], tracker)
        self.constraints = constraints or Constraints()
        self.soprano: Probabilities = np.zeros((1, 0), np.float32)
        self._temperatures = temperatures
        self._power = 0.0 if prior is None else COMPOSING_POWER - POWER
        self._scale = ""  # that of the settings which the constraints have
        self.goal: npt.NDArray[np.float64] | None = None  # see particles.goal
        self._gains = np.zeros(1)  # log weights of pieces for how well the goal suits them
        self._bound = np.zeros(1, bool)  # pieces in which a voice had to break the rules

    def follow(self, settings: Composing) -> None:
        """Compose by other settings from the next step on, with their scale."""
        if settings.scale != self._scale:
            self._scale = settings.scale
            scale = scale_of(settings.scale) if settings.scale else frozenset()
            self.constraints = replace(self.constraints, scale=scale, _masks={})
        self.settings = settings

    def allowed(
        self, head: int, piece: int, tokens: Rows, row: Rows, given: Mapping[int, int]
    ) -> npt.NDArray[np.bool_]:
        """What a voice may do, by the constraints [SYMBOLS]."""
        before = ORDER[: ORDER.index(head)]
        known = {v: int(row[v]) if tokens[v] == HOLD else int(tokens[v]) for v in before}
        known |= {v: int(row[v]) if s == HOLD else s for v, s in given.items()}
        return self.constraints.allowed(head, int(row[head]), known)

    def choose(
        self,
        head: int,
        p: Probabilities,
        tokens: Rows,
        rows: Rows,
        given: Mapping[int, int],
        *,
        closed: Collection[int],
    ) -> npt.NDArray[np.intp]:
        """What a voice does in every piece [pieces]."""
        if self._power:
            p = with_key_bias(p, rows[:, KEY], self._power)
        allowed = np.stack(
            [self.allowed(head, i, tokens[i], rows[i], given) for i in range(len(rows))]
        )
        if closed:
            for i, mask in enumerate(allowed):
                allowed[i, closed_tokens(len(mask), mask, closed)] = False
        onset, pitch = (t * self.settings.temperature for t in self._temperatures)
        how = Sampling(onset, pitch, self.settings.top_p)
        free = without_parallels(rows[:, head], self._moves(head, tokens, rows, given))
        q, gains = p.astype(np.float64), np.zeros(len(rows))
        if self.goal is not None:
            q, gains = towards(q, self.goal[head])
        symbols, bound = choose(q, allowed, free, how, self.rng)
        self._bound |= bound
        self._gains += np.where(symbols >= FIRST, gains, 0.0)
        return symbols

    def _moves(
        self, head: int, tokens: Rows, rows: Rows, given: Mapping[int, int]
    ) -> list[tuple[Rows, Rows]]:
        """What the voices that are known at this step sounded before, and what they sound now."""
        known = {v: tokens[:, v] for v in ORDER[: ORDER.index(head)]}
        known |= {v: np.full(len(rows), s) for v, s in given.items()}
        return [(rows[:, v], np.where(s == HOLD, rows[:, v], s)) for v, s in known.items()]

    def _draw(
        self, context: Any, rows: Rows, given: Mapping[int, int], closed: Mapping[int, set[int]]
    ) -> tuple[Rows, npt.NDArray[np.float64]]:
        for _ in range(TRIES):
            self._bound, self._gains = np.zeros(len(rows), bool), np.zeros(len(rows))
            tokens, weights = super()._draw(context, rows, given, closed)
            if len(rows) > 1 or not self._bound.any():
                break
        return tokens, weights + self._gains - PARALLEL * self._bound

    def head_probabilities(self, head: int, p: Probabilities) -> None:
        """Keep the probabilities of a head, to be shown."""
        super().head_probabilities(head, p)
        if head == 0:
            self.soprano = p

    def event(self, tokens: Sequence[int], row: Sequence[int]) -> Event:
        sounds = [row[v] if s == HOLD else s for v, s in enumerate(tokens)]
        return event_of(tokens, sounds, NO_PLAN, 1)

    def detour(self, tokens: Sequence[int], given: Mapping[int, int]) -> int | None:
        """The voice composed last that strikes a note; None if none does."""
        struck = [v for v in ORDER if v not in given and tokens[v] >= FIRST]
        return struck[-1] if struck else None

    def given_probability(
        self, p: Probabilities, head: int, token: int, rows: Rows
    ) -> npt.NDArray[np.float64]:
        """The probability of a given symbol in every piece [pieces].

        A note struck again and one that is held are taken for the same: who writes a melody down does
        not always tell.
        """
        own = rows[:, head]
        chance = p[:, token].astype(np.float64)
        again = np.take_along_axis(p, own[:, None], 1)[:, 0]
        if token == HOLD:
            chance += np.where(own >= FIRST, again, 0)
        elif token >= FIRST:
            chance += np.where(own == token, p[:, HOLD], 0)
        return chance


def towards(
    p: npt.NDArray[np.float64], goal: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Probabilities [pieces, SYMBOLS] with pitch classes made likelier by exp(goal) [12], that a note is
    struck left as likely as it was; and the log weights [pieces] that this is worth: pieces are then
    weighed as if the goal had been a reward, not a way of drawing (a twisted particle filter)."""
    factor = np.exp(goal[CLASS_OF])
    pitched = p[:, FIRST:]
    before, after = pitched.sum(1), (pitched * factor).sum(1)
    gain = np.maximum(after, 1e-12) / np.maximum(before, 1e-12)
    return np.concatenate([p[:, :FIRST], pitched * factor / gain[:, None]], 1), np.log(gain)
