"""Forms: the bars and phrases of held-out chorales, on which new ones are built; the symbols' names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bundle import Bundle
from chorale.grid import FIRST, LOWEST, SYMBOLS, Chorale, Grid
from chorale.score import events_of
from config_bach import Encoding
from piece import pitch_name, to_json
from vocabulary import UNKNOWN, Field, Vocabulary

FORMS = 48  # that a bundle carries
PRIMES = 8
SHORTEST, LONGEST = 96, 640  # steps


@dataclass(frozen=True)
class Form:
    """The plan [steps, 3] of a piece that training never saw, and its name."""

    name: str
    plan: Grid


def chorale_vocabulary(encoding: Encoding) -> Vocabulary:
    """The symbols that each voice chooses from, by name; the same in every model of type 5."""
    names = [UNKNOWN, "hold", "silence"]
    names += [pitch_name(LOWEST + i) for i in range(SYMBOLS - FIRST)]
    return Vocabulary(encoding, (Field("voice", tuple(names)),))


def forms_of(pieces: Sequence[Chorale]) -> list[dict[str, Any]]:
    """The plans of held-out chorales as JSON, those of ordinary length if there are any."""
    usual = [p for p in pieces if SHORTEST <= len(p) <= LONGEST] or list(pieces)
    return [{"name": p.name, "plan": p.plan.T.tolist()} for p in usual[:FORMS]]


def primes_of(pieces: Sequence[Chorale]) -> list[dict[str, Any]]:
    """Some held-out chorales as events, which play on should the network fail."""
    return [{"name": p.name, "events": to_json(events_of(p))} for p in pieces[:PRIMES]]


def packed(pieces: Sequence[Chorale]) -> bytes:
    """Whole chorales, with their plans, as a bundle carries those held out."""
    rows = [[p.name, p.symbols.T.tolist(), p.plan.T.tolist(), p.tells_struck] for p in pieces]
    return json.dumps(rows).encode()


def unpacked(data: bytes) -> list[Chorale]:
    """The inverse of `packed`."""
    return [
        Chorale(name, np.array(symbols, np.int16).T, np.array(plan, np.int16).T, None, told)
        for name, symbols, plan, told in json.loads(data or b"[]")
    ]


def form_of(bundle: Bundle, seed: int | None) -> Form:
    """One of the forms in a bundle, chosen by the seed."""
    forms = bundle.facts["forms"]
    chosen = forms[int(np.random.default_rng(seed).integers(len(forms)))]
    return Form(str(chosen["name"]), np.array(chosen["plan"], np.int16).T)
