"""A baseline without a network: a table of what each voice does after its own note, on that beat."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from families.metrics import Metrics
from families.satb.encoding import HOLD, SYMBOLS, VOICES, Chorale, sounding

Context = tuple[int, ...]


def table(train: Sequence[Chorale], held_out: Sequence[Chorale], depth: int = 4) -> Metrics:
    """Nats per note and accuracy of a smoothed table of counts.

    From the most to the least that is known (own last note, beat, what the soprano does, since when
    the note is held), each context is trusted by how seldom something new followed it (Witten and
    Bell 1991). depth: how many of these contexts are used; 1 is the frequency of each symbol alone.
    """
    counts: dict[Context, Counter[int]] = defaultdict(Counter)
    for piece in train:
        for contexts, symbol in _cells(piece):
            for context in contexts[:depth]:
                counts[context][symbol] += 1
    nats, right, asked = np.zeros(len(VOICES)), 0, 0
    for piece in held_out:
        for contexts, symbol in _cells(piece):
            nats[contexts[0][0]] -= math.log(_blended(counts, contexts[:depth], symbol))
            right += _likeliest(counts, contexts[:depth]) == symbol
            asked += 1
    steps = max(asked // len(VOICES), 1)
    fields = dict(zip(VOICES, (nats / steps).tolist(), strict=True))
    return Metrics(float(nats.sum()) / max(asked, 1), right / max(asked, 1), fields, asked)


def _cells(piece: Chorale) -> Iterator[tuple[list[Context], int]]:
    """Every note with its contexts, the least known first."""
    sounds = sounding(piece.symbols)
    since = np.zeros(len(VOICES), int)
    for step, symbols in enumerate(piece.symbols.tolist()):
        beat = int(piece.plan[step, 0] - 1) % 4
        moved = int(symbols[0] != HOLD)
        for voice, symbol in enumerate(symbols):
            last = int(sounds[step - 1, voice]) if step else 0
            held = min(int(since[voice]), 8)
            soprano = moved if voice else -1
            yield (
                [
                    (voice,),
                    (voice, beat, soprano),
                    (voice, beat, soprano, held),
                    (voice, beat, soprano, held, last),
                ],
                symbol,
            )
        since = np.where(np.array(symbols) == HOLD, since + 1, 1)


def _blended(counts: dict[Context, Counter[int]], contexts: list[Context], symbol: int) -> float:
    probability = 1 / SYMBOLS
    for context in contexts:
        if seen := counts.get(context):
            new = len(seen)
            probability = (seen[symbol] + new * probability) / (seen.total() + new)
    return probability


def _likeliest(counts: dict[Context, Counter[int]], contexts: list[Context]) -> int:
    known = next((counts[c] for c in reversed(contexts) if counts.get(c)), Counter({HOLD: 1}))
    return known.most_common(1)[0][0]
