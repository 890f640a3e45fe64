"""One voice chooses what to do: first whether to hold, fall silent or strike a note, then which note.

Each has a temperature of its own. The nucleus is taken of the pitches alone: at every sixteenth a
new note is unlikely, and cutting off what is unlikely would cut off rhythm.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from families.satb.encoding import FIRST, HOLD, SILENCE

LEFT = 0.02  # share of the pitches that the rules must leave to be kept
STRIKE = 2  # index of what a voice can do, after HOLD and SILENCE

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sampling:
    """Temperatures (0: always the likeliest), and the mass of the pitches that are chosen from."""

    onset: float
    pitch: float
    top_p: float


def choose(
    p: Array, allowed: Mask, preferred: Mask, how: Sampling, rng: np.random.Generator
) -> tuple[npt.NDArray[np.intp], Mask]:
    """A symbol for each piece [pieces], and which of them had to break the rules [pieces].

    p, allowed: probabilities and what may come at all [pieces, SYMBOLS]. preferred: pitches that
    break no rule [pieces, pitches]; they alone may come where they have LEFT of the probability.
    """
    p = np.where(allowed, p, 0.0)
    pitches = _possible(p[:, FIRST:], allowed[:, FIRST:])
    struck = allowed[:, FIRST:].any(1)
    does = np.stack([p[:, HOLD], p[:, SILENCE], p[:, FIRST:].sum(1)], 1)
    does = _possible(does, np.stack([allowed[:, HOLD], allowed[:, SILENCE], struck], 1))
    done = _drawn(_tempered(does, how.onset), rng)
    kept = pitches * preferred
    bound = kept.sum(1) < LEFT * pitches.sum(1)
    pitches = _tempered(np.where(bound[:, None], pitches, kept), how.pitch)
    note = FIRST + _drawn(_nucleus(pitches, how.top_p), rng)
    symbols = np.where(done == STRIKE, note, np.where(done == 0, HOLD, SILENCE))
    return symbols, bound & (done == STRIKE)


def _possible(p: Array, allowed: Mask) -> Array:
    """Probabilities of what is allowed; the same for all where the network is sure of something else."""
    if (p.max(1) <= 0).any():
        p = np.where(p.max(1, keepdims=True) <= 0, allowed, p)
        p[p.max(1) <= 0] = 1.0  # what is never chosen anyway
    return p


def _tempered(p: Array, temperature: float) -> Array:
    """[pieces, n] at a temperature, summing to 1."""
    if temperature == 0:
        return np.eye(p.shape[1])[p.argmax(1)]
    with np.errstate(divide="ignore", under="ignore", over="ignore"):
        logits = np.log(p)
        logits -= logits.max(1, keepdims=True)
        q = np.exp(logits / temperature)
    return q / q.sum(1, keepdims=True)


def _nucleus(p: Array, top_p: float) -> Array:
    """The likeliest that together have the mass top_p (Holtzman et al. 2020), one at the least."""
    ranked = -np.sort(-p, axis=1)
    before = np.cumsum(ranked, 1) - ranked
    least = np.where(before < max(top_p, 1e-12), ranked, np.inf).min(1)
    return np.where(p >= least[:, None], p, 0.0)


def _drawn(p: Array, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """One of each row [pieces]."""
    below = np.cumsum(p, 1)
    return np.asarray((below <= rng.random(len(p))[:, None] * below[:, -1:]).sum(1))
