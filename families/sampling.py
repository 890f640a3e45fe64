"""How the next step is drawn: temperature, nucleus, and a sampler for any number of pieces at once.

The sampler knows a Predictor and token ids, nothing of files or sound. What differs between families
(which tokens are allowed, what event a step is) is in a few methods that they override.
"""

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from config_bach import Composing
from families.steps import Predictor, Probabilities, Rows, State
from music.copies import CopyTracker
from music.events import Event

ENOUGH = 256  # symbols that nearly always hold the mass that is sampled from
DETOURS = 24  # other tokens that are tried before a copied passage is let go on
LEAST = 1e-9  # probability; what is given may be anything


def with_temperature(
    probabilities: npt.NDArray[np.floating], temperature: float, forbidden: npt.ArrayLike = ()
) -> npt.NDArray[np.float64]:
    """The softmax at a temperature: [symbols] -> [symbols], summing to 1.

    Temperature 0 leaves the likeliest symbol alone; above 1 flattens. Token 0, '?', is never chosen,
    nor is a forbidden one.
    """
    with np.errstate(divide="ignore", over="ignore", under="ignore"):
        logits = np.log(np.asarray(probabilities, np.float64))
        closed = np.append(np.asarray(forbidden, np.intp), 0)
        logits[closed] = -np.inf
        if not np.isfinite(logits).any():
            logits[:] = 0.0  # a network that is sure of '?' alone: anything else goes
            logits[closed] = -np.inf
        logits -= logits.max()
        if temperature == 0:
            return np.eye(1, len(logits), int(logits.argmax()))[0]
        shape = np.exp(logits / temperature)
    return np.asarray(shape / shape.sum())


def nucleus(p: npt.NDArray[np.float64], top_p: float) -> npt.NDArray[np.float64]:
    """The fewest symbols that together have the mass top_p, one at the least: [symbols] -> [symbols].

    Nucleus sampling, Holtzman et al. 2020.
    """
    order = _descending(p, top_p)
    mass_before = np.cumsum(p[order]) - p[order]
    kept = order[mass_before < max(top_p, 1e-12)]
    out = np.zeros_like(p)
    out[kept] = p[kept]
    return out / out.sum()


def _descending(p: npt.NDArray[np.float64], mass: float) -> npt.NDArray[np.intp]:
    """The likeliest symbols in order, enough of them for that mass: sorting them all takes longer."""
    if len(p) > ENOUGH:
        best = np.sort(np.argpartition(-p, ENOUGH)[:ENOUGH])
        if p[best].sum() > mass + 1e-9:
            return best[np.argsort(-p[best], kind="stable")]
    return np.argsort(-p, kind="stable")


def drawn(
    p: npt.NDArray[np.float64], top_p: float, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """A symbol for each row, from its nucleus: [pieces, symbols] -> [pieces]."""
    order = np.argsort(-p, axis=1, kind="stable")
    ranked = np.take_along_axis(p, order, 1)
    kept = np.cumsum(ranked, 1) - ranked < max(top_p, 1e-12)
    q = np.zeros_like(p)
    np.put_along_axis(q, order, np.where(kept, ranked, 0.0), 1)
    below = np.cumsum(q, 1)
    points = rng.random(len(p)) * below[:, -1]
    return np.asarray((below <= points[:, None]).sum(1))


def closed_tokens(
    symbols: int, mask: npt.NDArray[np.bool_] | None, closed: Collection[int]
) -> npt.NDArray[np.intp]:
    """The tokens that may not come: those that are masked or closed.

    Something must be left: if nothing is, those that are only closed may come again.
    """
    masked = np.ones(symbols, bool) if mask is None else mask.copy()
    masked[0] = False
    allowed = masked.copy()
    allowed[list(closed)] = False
    return np.flatnonzero(~(allowed if allowed.any() else masked))


class FeatureExtractor(Protocol):
    """What a network is told of a piece before each step."""

    def feed(self, tokens: Sequence[int]) -> None:
        """Take one step: a token for each head."""

    def row(self) -> list[int]:
        """What is known before the next step [columns]."""

    def copy(self) -> Self:
        """Another that goes on by itself."""


F = TypeVar("F", bound=FeatureExtractor)


class StepSampler(Generic[F]):
    """Pieces composed side by side, step after step, and how likely what was given to each is.

    `settings` may be replaced at any time; the next step follows the new ones. `probabilities` holds
    those of the last step of the first piece, by head.
    """

    def __init__(
        self,
        predictor: Predictor,
        settings: Composing,
        rng: np.random.Generator,
        features: Sequence[F],
        tracker: CopyTracker | None = None,
    ) -> None:
        """features: one for each piece. tracker: watches a single piece for copies."""
        self.settings, self.rng, self.tracker = settings, rng, tracker
        self.features = list(features)
        self.log_weights = np.zeros(len(self.features))
        self.probabilities: dict[int, Probabilities] = {}
        self._predictor = predictor
        self._state = predictor.initial_state(len(self.features))

    # what a family overrides

    def allowed(
        self, head: int, piece: int, tokens: Rows, row: Rows, given: Mapping[int, int]
    ) -> npt.NDArray[np.bool_] | None:
        """The tokens that a head may choose [symbols]; None: all of them."""
        return None

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
        """The token of a head in every piece [pieces], of probabilities [pieces, symbols].

        tokens: those chosen before at this step [pieces, heads]. closed: tokens that may not come.
        """
        masks = [self.allowed(head, i, tokens[i], rows[i], given) for i in range(len(rows))]
        if len(rows) == 1:
            return np.array([self._pick(p[0], masks[0], closed)])
        return self._pick_many(p, masks, closed)

    def head_probabilities(self, head: int, p: Probabilities) -> None:
        """Keep the probabilities of a head [pieces, symbols], to be shown."""
        self.probabilities[head] = p[0]

    def event(self, tokens: Sequence[int], row: Sequence[int]) -> Event:
        """The event of a step, for the copy tracker."""
        raise NotImplementedError

    def detour(self, tokens: Sequence[int], given: Mapping[int, int]) -> int | None:
        """The head that is to choose otherwise where a passage is copied; None if there is none."""
        return 0

    def given_probability(self, p: Probabilities, head: int, token: int, rows: Rows) -> Any:
        """The probability of a given token in every piece [pieces]."""
        return p[:, token].astype(np.float64)

    def copy(self) -> Self:
        """Another that goes on by itself."""
        twin = copy.copy(self)
        twin.features = [f.copy() for f in self.features]
        twin.rng = copy.deepcopy(self.rng)
        twin.log_weights = self.log_weights.copy()
        twin.probabilities = dict(self.probabilities)
        return twin

    # the algorithm

    def step(
        self, given: Mapping[int, int] | None = None, plan: Sequence[int] = ()
    ) -> npt.NDArray[np.int32]:
        """Compose one step in every piece: tokens [pieces, heads].

        given: the tokens of heads that are not to be chosen; `log_weights` tells afterwards how likely
        the network found them. plan: columns that are the same for all pieces.
        """
        rows = np.array([[*f.row(), *plan] for f in self.features], np.int32)
        context, self._state = self._predictor.advance(rows, self._state)
        tokens, weights = self._choose(context, rows, given or {})
        self.log_weights += weights
        for features, chosen in zip(self.features, tokens.tolist(), strict=True):
            features.feed(chosen)
        return tokens

    def _choose(
        self, context: Any, rows: Rows, given: Mapping[int, int]
    ) -> tuple[Rows, npt.NDArray[np.float64]]:
        """Tokens that go on without copying more than is allowed, if there are any; log weights."""
        closed: dict[int, set[int]] = {head: set() for head in self._predictor.order}
        while True:
            tokens, weights = self._draw(context, rows, given, closed)
            event = self.event(tokens[0].tolist(), rows[0].tolist())
            most = self.settings.max_copy
            if self.tracker is None or most is None or len(rows) > 1:
                return tokens, weights
            head = self.detour(tokens[0].tolist(), given)
            tried = sum(map(len, closed.values()))
            if head is None or tried >= DETOURS or self.tracker.would_be(event) <= most:
                self.tracker.feed(event)
                return tokens, weights
            closed[head].add(int(tokens[0, head]))

    def _draw(
        self, context: Any, rows: Rows, given: Mapping[int, int], closed: Mapping[int, set[int]]
    ) -> tuple[Rows, npt.NDArray[np.float64]]:
        """One head after the other: tokens [pieces, heads] and log weights [pieces]."""
        weights = np.zeros(len(rows))
        tokens = np.zeros((len(rows), len(self._predictor.order)), np.int32)
        for head in self._predictor.order:
            p = self._predictor.head(head, context, rows, tokens)
            self.head_probabilities(head, p)
            if head in given:
                tokens[:, head] = given[head]
                chance = self.given_probability(p, head, given[head], rows)
                weights += np.log(np.maximum(chance, LEAST))
                continue
            tokens[:, head] = self.choose(head, p, tokens, rows, given, closed=closed[head])
        return tokens, weights

    def _pick(
        self, p: Probabilities, mask: npt.NDArray[np.bool_] | None, closed: Collection[int]
    ) -> int:
        forbidden = () if mask is None and not closed else closed_tokens(len(p), mask, closed)
        q = nucleus(with_temperature(p, self.settings.temperature, forbidden), self.settings.top_p)
        return int(self.rng.choice(len(q), p=q))

    def _pick_many(
        self,
        p: Probabilities,
        masks: Sequence[npt.NDArray[np.bool_] | None],
        closed: Collection[int],
    ) -> npt.NDArray[np.intp]:
        """What `_pick` would choose for each piece in turn, several times as fast [pieces]."""
        allowed = np.ones(p.shape, bool)
        for row, mask in zip(allowed, masks, strict=True):
            row[closed_tokens(p.shape[1], mask, closed)] = False
        q = np.where(allowed, np.asarray(p, np.float64), 0.0)
        lost = ~q.any(1)
        q[lost] = allowed[lost]  # a network that is sure of what is forbidden
        with np.errstate(divide="ignore", under="ignore"):
            logits = np.log(q)
        logits -= logits.max(1, keepdims=True)
        if self.settings.temperature == 0:
            return logits.argmax(1)
        with np.errstate(over="ignore", under="ignore"):
            q = np.exp(logits / self.settings.temperature)
        return drawn(q / q.sum(1, keepdims=True), self.settings.top_p, self.rng)

    # particles

    def spread(self, pieces: int) -> None:
        """Go on with so many copies of the first piece."""
        self.features = [self.features[0].copy() for _ in range(pieces)]
        self._state = {k: np.repeat(v[:1], pieces, axis=0) for k, v in self._state.items()}
        self.log_weights = np.zeros(pieces)

    @property
    def place(self) -> tuple[list[F], State]:
        """Where a single piece stands; set it after `spread` to come back to it."""
        return self.features, self._state

    @place.setter
    def place(self, place: tuple[list[F], State]) -> None:
        self.features, self._state = place
        self.log_weights = np.zeros(len(self.features))

    def keep(self, piece: int) -> None:
        """Go on with one of the pieces alone."""
        self.features = [self.features[piece]]
        self._state = {k: v[piece : piece + 1] for k, v in self._state.items()}
        self.log_weights = np.zeros(1)

    def resample(self) -> npt.NDArray[np.intp]:
        """Replace unlikely pieces by copies of likely ones, once few are left that count.

        Returns which piece each one descends from. Systematic resampling of a particle filter, when
        the effective number of pieces falls below half (Doucet and Johansen 2009).
        """
        count = len(self.features)
        weights = np.exp(self.log_weights - self.log_weights.max())
        weights /= weights.sum()
        if 1 / (weights**2).sum() > count / 2:
            return np.arange(count)
        points = (self.rng.random() + np.arange(count)) / count
        parents = np.minimum(np.searchsorted(np.cumsum(weights), points), count - 1)
        self.features = [self.features[i].copy() for i in parents]
        self._state = {k: v[parents] for k, v in self._state.items()}
        self.log_weights = np.zeros(count)
        return parents
