"""The table of counts that the network must beat."""

import math

import numpy as np
import pytest
from grooves import groove

from families.drums.baselines import CONTEXTS, table
from families.drums.encoding import KINDS, DrumPiece
from families.drums.features import rows_of
from families.steps import StepSequence


def sequence(piece: DrumPiece) -> StepSequence:
    return StepSequence(piece.name, rows_of(piece), piece.symbols.astype(np.int32))


def test_frequencies_alone_are_those_of_the_training_pieces() -> None:
    train, held = sequence(groove(0)), sequence(groove(8))
    found = table([train], [held], depth=1)
    nats = 0.0
    for kind in range(KINDS):
        seen = train.targets[:, kind]
        for target in held.targets[:, kind]:
            new = len(set(seen))
            nats -= math.log(((seen == target).sum() + new / 6) / (len(seen) + new))
    assert found.nll == pytest.approx(nats / len(held))
    assert found.count == len(held)
    assert sum(found.fields.values()) == pytest.approx(found.nll)


def test_every_further_context_helps_with_what_repeats() -> None:
    train = [sequence(groove(i, bars=8)) for i in range(8)]
    held = [sequence(groove(i, bars=8)) for i in range(8, 12)]
    nats = [table(train, held, depth).nll for depth in range(1, CONTEXTS + 1)]
    assert nats[3] < nats[1] < nats[0]
    assert nats[-1] < 0.5 * nats[0]
    assert table(train, held).accuracy > table(train, held, depth=1).accuracy


def test_nothing_to_ask_is_no_error() -> None:
    assert table([sequence(groove(1))], []).count == 0
    assert table([], [sequence(groove(1))]).count == 0
