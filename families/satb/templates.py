"""Templates (bars and phrases of held-out chorales, on which new ones are built); bundled pieces."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from families.satb.encoding import Chorale, Grid, chorale_of
from music.events import from_json

TEMPLATES = 48  # that a bundle carries
SHORTEST, LONGEST = 96, 640  # steps


@dataclass(frozen=True)
class Template:
    """The plan [steps, 3] of a piece that training never saw, and its name."""

    name: str
    plan: Grid


def templates_of(pieces: Sequence[Chorale]) -> list[dict[str, Any]]:
    """The plans of held-out chorales as JSON, those of ordinary length if there are any."""
    usual = [p for p in pieces if SHORTEST <= len(p) <= LONGEST] or list(pieces)
    return [{"name": p.name, "plan": p.plan.T.tolist()} for p in usual[:TEMPLATES]]


def packed(pieces: Sequence[Chorale]) -> bytes:
    """Whole chorales, with their plans, as a bundle carries them."""
    rows = [[p.name, p.symbols.T.tolist(), p.plan.T.tolist(), p.tells_struck] for p in pieces]
    return json.dumps(rows).encode()


def unpacked(data: bytes) -> list[Chorale]:
    """The inverse of `packed`.

    The training pieces of older bundles came as events, which know neither bars nor phrases.
    """
    return [_chorale(*row) for row in json.loads(data or b"[]")]


def _chorale(name: str, *rest: Any) -> Chorale:
    if len(rest) == 1:
        return chorale_of(from_json(rest[0]), name)
    symbols, plan, tells_struck = rest
    return Chorale(
        name, np.array(symbols, np.int16).T, np.array(plan, np.int16).T, None, tells_struck
    )


def template_of(metadata: Mapping[str, Any], seed: int | None) -> Template:
    """One of the templates in the metadata of a bundle, chosen by the seed."""
    known = metadata["templates"]
    chosen = known[int(np.random.default_rng(seed).integers(len(known)))]
    return Template(str(chosen["name"]), np.array(chosen["plan"], np.int16).T)
