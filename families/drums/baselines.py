"""A baseline without a network: a table of what each kind of percussion does where, and after what."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from families.drums.encoding import FIRST, KINDS, SYMBOLS
from families.drums.features import AGO, PAST, PLAN
from families.drums.kit import NAMES
from families.metrics import Metrics, Totals
from families.steps import StepSequence

CONTEXTS = 9
Keys = npt.NDArray[np.int64]
Chances = npt.NDArray[np.float64]


def table(
    train: Sequence[StepSequence], held_out: Sequence[StepSequence], depth: int = CONTEXTS
) -> Metrics:
    """Nats per step and accuracy of a smoothed table of counts.

    From the least to the most that is known (what was struck one bar ago at this place, the bar of the
    phrase, what was struck four and two bars ago, the place in the bar, what the kinds before it strike
    now, what was struck last), each context is trusted by how seldom something new followed it (Witten
    and Bell 1991). depth: how many of these contexts are used; 1 is the frequency of each symbol alone.
    """
    totals = Totals(NAMES)
    if not train or not held_out:
        return totals.metrics()
    known = np.concatenate([s.targets for s in train]).reshape(-1)
    asked = np.concatenate([s.targets for s in held_out]).reshape(-1)
    p = np.full((len(asked), SYMBOLS), 1 / SYMBOLS)
    for seen, keys in list(zip(_contexts(train), _contexts(held_out), strict=True))[:depth]:
        p = _blended(seen, known, keys, p)
    chance = np.take_along_axis(p, asked[:, None], 1).reshape(-1, KINDS)
    right = (p.argmax(1) == asked).reshape(-1, KINDS).all(1)
    totals.add(-np.log(chance), right[:, None])
    return totals.metrics()


def _blended(seen: Keys, symbols: Keys, keys: Keys, p: Chances) -> Chances:
    """Probabilities [n, SYMBOLS] with one more context: how often symbols followed it in training."""
    places, index = np.unique(seen, return_inverse=True)
    counts = np.zeros((len(places), SYMBOLS))
    np.add.at(counts, (index, symbols), 1)
    at = np.minimum(np.searchsorted(places, keys), len(places) - 1)
    found = np.where((places[at] == keys)[:, None], counts[at], 0)
    total, new = found.sum(1, keepdims=True), (found > 0).sum(1, keepdims=True)
    return np.where(total > 0, (found + new * p) / np.maximum(total + new, 1), p)


def _contexts(sequences: Sequence[StepSequence]) -> Iterator[Keys]:
    """A number for each context of every symbol [steps * KINDS], the least known first."""
    rows = np.concatenate([s.rows for s in sequences]).astype(np.int64)
    targets = np.concatenate([s.targets for s in sequences])
    step, quarter, _, bar = (rows[:, PAST + i, None] for i in range(len(PLAN)))
    last, *ago = (rows[:, KINDS * i : KINDS * (i + 1)] for i in range(1 + len(AGO)))
    told = (ago[0], bar, ago[2], ago[1], step, quarter, _earlier(targets), _struck(last))
    context = np.broadcast_to(np.arange(KINDS, dtype=np.int64), targets.shape)
    yield context.reshape(-1)
    for part in told:
        context = _mixed(context, part)
        yield context.reshape(-1)


def _struck(symbols: npt.NDArray[np.int64]) -> Keys:
    """All symbols of a step as one number [steps, 1]."""
    number = np.zeros((len(symbols), 1), np.int64)
    for kind in range(KINDS):
        number = number * SYMBOLS + symbols[:, kind, None]
    return number


def _earlier(targets: npt.NDArray[np.int32]) -> Keys:
    """What the kinds before each one strike, as a number [steps, KINDS]."""
    bits = (targets >= FIRST) * 2 ** np.arange(KINDS)
    return np.asarray(np.cumsum(bits, axis=1) - bits, np.int64)


def _mixed(context: Keys, part: npt.NDArray[np.int64]) -> Keys:
    """A number for both; two pairs that share one are as good as impossible."""
    with np.errstate(over="ignore"):
        mixed = (context * np.int64(1_000_003) + part) * np.int64(0x9E3779B97F4A7C1 | 1)
    return mixed ^ (mixed >> np.int64(29))
