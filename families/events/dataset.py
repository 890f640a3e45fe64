"""Pieces -> step sequences for types 1 to 3, and the windows that training cuts them into."""

from collections.abc import Sequence

import numpy as np

from families.events.encoding import EventEncoder, Ids, shifts
from families.metrics import padded
from families.split import SHARES
from families.steps import StepSequence
from music.events import Piece
from music.lookback import looked_back, matches
from storage.vocabulary import Vocabulary


def sequence(name: str, ids: Ids, lookback: bool, found: Ids | None = None) -> StepSequence:
    """Ids [events, fields] as a sequence: each event is an input, the next one its target.

    lookback: the inputs also tell what followed the longest earlier match, and its length. found: the
    matches (see lookback.matches), where they are known from another key.
    """
    if not lookback:
        return StepSequence(name, ids[:-1], ids[1:])
    again = looked_back(ids, matches(ids) if found is None else found)
    return StepSequence(name, np.concatenate([ids, again], axis=1)[:-1], ids[1:])


def sequences(
    pieces: Sequence[Piece], vocabulary: Vocabulary, lookback: bool
) -> list[StepSequence]:
    """One sequence for each whole piece, in its own key."""
    encoder = EventEncoder(vocabulary)
    return [
        sequence(p.name, encoder.encode(p.events), lookback) for p in pieces if len(p.events) > 1
    ]


def transposed_sequences(
    pieces: Sequence[Piece], vocabulary: Vocabulary, lookback: bool
) -> list[StepSequence]:
    """One sequence for each whole piece in each of the keys that the encoding allows."""
    encoder = EventEncoder(vocabulary)
    made = []
    for piece in pieces:
        if len(piece.events) > 1:
            found = matches(encoder.encode(piece.events)) if lookback else None
            for semitones in shifts(vocabulary.encoding):
                ids = encoder.encode(piece.transposed(semitones).events)
                made.append(sequence(piece.name, ids, lookback, found))
    return made


def window_sides(events: Sequence[int], seqlen: int, seed: int) -> list[Ids]:
    """The articles' protocol: the event after each window of `seqlen`, shuffled, divided 70/20/10.

    events: the length of each piece. Returns, for each event of each piece, 0, 1 or 2 for train,
    valid or test, and -1 for the first `seqlen` events, which follow no whole window. Neighbouring
    windows overlap in all but one event, so what is measured on the held-out ones says nothing
    about music never heard.
    """
    total = sum(max(0, n - seqlen) for n in events)
    order = np.random.default_rng(seed).permutation(total) / max(total, 1)
    drawn = iter(np.searchsorted(np.cumsum([SHARES["train"], SHARES["valid"]]), order, "right"))
    sides = [np.full(n, -1, np.int32) for n in events]
    for row in sides:
        row[seqlen:] = [next(drawn) for _ in row[seqlen:]]
    return sides


def masked(whole: Sequence[StepSequence], sides: Sequence[Ids], side: int) -> list[StepSequence]:
    """The sequences of whole pieces, counting only the events that `window_sides` put on a side.

    Each is counted once, after at least `seqlen` events, instead of in a window of its own: the same
    training sequences in a fortieth of the time.
    """
    return [
        StepSequence(
            s.name, s.rows, np.where(row[1:, None] == side, s.targets, -1).astype(np.int32)
        )
        for s, row in zip(whole, sides, strict=True)
    ]


def cut_windows(
    whole: Sequence[StepSequence], seqlen: int, rng: np.random.Generator
) -> tuple[Ids, Ids]:
    """All sequences cut into windows, from an event drawn anew for each, in random order.

    Returns rows [windows, seqlen, columns] and targets [windows, seqlen, fields]. No window holds
    events of two pieces: what is missing at the ends of a piece is filled with uncounted targets.
    """
    cut: list[tuple[Ids, Ids]] = []
    for s in whole:
        first = int(rng.integers(seqlen)) if len(s.rows) > seqlen else 0
        starts = [0, *range(first, len(s.rows), seqlen)] if first else range(0, len(s.rows), seqlen)
        stops = [*list(starts)[1:], len(s.rows)]
        cut += [(s.rows[a:b], s.targets[a:b]) for a, b in zip(starts, stops, strict=True)]
    order = rng.permutation(len(cut))
    return padded([cut[i][0] for i in order], seqlen, 0), padded(
        [cut[i][1] for i in order], seqlen, -1
    )
