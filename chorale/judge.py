"""What a model of type 5 is worth on real chorales, measured with the engine that composes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from bundle import Bundle
from chorale.baseline import table
from chorale.ear import rows_of, rows_transposed
from chorale.grid import FIRST, HOLD, ORDER, VOICES, Chorale, sounding
from chorale.score import chorale_of
from evaluate import Figures
from piece import from_json

KEYS = 7  # transpositions that are averaged: the piece's own, and three each way


def foretelling(bundle: Bundle, pieces: Sequence[Chorale]) -> dict[str, Any]:
    """Nats per note over all voices and sixteenths, and accuracy: the model, it averaged, a table."""
    own, averaged = figures(bundle, pieces)
    found = {"model": own.to_json(), f"model, mean of {KEYS} keys": averaged.to_json()}
    if bundle.music:
        train = [chorale_of(from_json(rows), name) for name, rows in json.loads(bundle.music)]
        found["table of note, beat and hold"] = table(train, pieces).to_json()
    return found


def figures(bundle: Bundle, pieces: Sequence[Chorale], keys: int = KEYS) -> tuple[Figures, Figures]:
    """The figures of a model in the pieces' own keys, and with its probabilities averaged over keys.

    A musician who hears the pieces in several keys and believes the mean of what he expects is still
    foretelling them: nothing of what is to come is used.
    """
    nats, averaged = np.zeros(len(VOICES)), np.zeros(len(VOICES))
    right = steps = 0
    for piece in tqdm(pieces, "foretelling", leave=False, disable=None):
        shifts = [0, *(k for k in _around(keys) if piece.fits(k))]
        p, hit = chances(bundle, piece, shifts)
        nats -= np.log(p[0]).sum(0)
        averaged -= np.log(p.mean(0)).sum(0)
        right += int(hit.sum())
        steps += len(piece)
    accuracy = right / max(steps, 1) / len(VOICES)
    own, mean = (
        Figures(
            float(n.sum()) / max(steps, 1) / len(VOICES),
            accuracy,
            dict(zip(VOICES, (n / max(steps, 1)).tolist(), strict=True)),
            steps * len(VOICES),
        )
        for n in (nats, averaged)
    )
    return own, mean


def chances(
    bundle: Bundle, piece: Chorale, shifts: Sequence[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The probability of every note that came [keys, steps, 4], and whether it was the likeliest
    [steps, 4] in the first key.

    Where a source does not tell held notes from those struck again, both are the same note.
    """
    engine = bundle.choir
    heard = rows_of(piece)
    rows = np.stack([rows_transposed(heard, k) for k in shifts])
    moved = [piece.transposed(k).symbols for k in shifts]
    symbols = np.stack(moved).astype(np.int32)
    sounds = np.stack([sounding(m) for m in moved]).astype(np.int32)
    memory = engine.silence(len(shifts))
    found = np.zeros(symbols.shape)
    hit = np.zeros(symbols.shape[1:], bool)
    for step in range(len(piece)):
        context, memory = engine.hear(rows[:, step], memory)
        for voice in ORDER:
            p = engine.voice(voice, context, rows[:, step], sounds[:, step])
            target, own = symbols[:, step, voice], rows[:, step, voice]
            chance = np.take_along_axis(p, target[:, None], 1)[:, 0]
            if not piece.tells_struck:
                again = np.take_along_axis(p, own[:, None], 1)[:, 0]
                chance = chance + again * ((target == HOLD) & (own >= FIRST))
            found[:, step, voice] = chance
            hit[step, voice] = p[0].argmax() == target[0]
    return np.maximum(found, 1e-12), hit


def _around(count: int) -> list[int]:
    """1, -1, 2, -2, ...: one less than `count` of them."""
    return [k * sign for k in range(1, count // 2 + 1) for sign in (1, -1)]
