"""The network of percussion: what each kind knows, alike by Keras and step by step."""

import numpy as np
import pytest
from grooves import groove, little

from families.drums.batches import DrumBatches
from families.drums.encoding import FIRST, KINDS, SILENT, SYMBOLS
from families.drums.features import PAST, ROW, rows_of
from families.drums.network import DrumNetwork, TokenDropout, built, signatures
from families.drums.predictor import STRIKE, DrumPredictor
from families.registry import family_of
from families.steps import StepSequence
from litert.keras_runner import KerasRunner

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network() -> DrumNetwork:
    return built(little())


@pytest.fixture(scope="module")
def predictor(network: DrumNetwork) -> DrumPredictor:
    return DrumPredictor(Counting(signatures(network, logits=False)))


class Counting(KerasRunner):
    """Counts how often the heads are asked."""

    asked = 0

    def run(self, signature, inputs):  # type: ignore[no-untyped-def]
        self.asked += signature == STRIKE
        return super().run(signature, inputs)


def test_a_kind_knows_what_those_before_it_strike_and_no_other(network: DrumNetwork) -> None:
    rows = np.zeros((1, 1, ROW), "int32")
    silent = np.full((1, 1, KINDS), SILENT, "int32")
    struck = silent.copy()
    struck[0, 0, 4] = FIRST + 2
    before, after = (np.array(network((rows, x)))[0, 0] for x in (silent, struck))
    assert (before[:5] == after[:5]).all()
    assert (before[5:] != after[5:]).any(1).all()
    louder = struck.copy()
    louder[0, 0, 4] += 1
    assert (np.array(network((rows, louder)))[0, 0, 5:] != after[5:]).any()


def test_the_network_is_asked_once_a_step_and_after_each_stroke(predictor: DrumPredictor) -> None:
    piece = groove(1)
    rows, symbols = rows_of(piece)[:1], piece.symbols[:1].astype(np.int32)
    context, _ = predictor.advance(rows, predictor.initial_state())
    for head in predictor.order:
        predictor.head(head, context, rows, symbols)
    runner = predictor.runner
    assert isinstance(runner, Counting)
    assert runner.asked == 1 + (symbols >= FIRST).sum()


def test_dropout_hides_strokes_and_never_the_place() -> None:
    rows = np.full((4, 50, ROW), 3, "int32")
    layer = TokenDropout(0.5)
    hidden = np.array(layer(rows, training=True))
    assert (hidden[..., PAST:] == 3).all()
    assert 0.3 < (hidden[..., :PAST] == 0).mean() < 0.7
    assert (np.array(layer(rows, training=False)) == 3).all()


def test_batches_are_windows_of_whole_steps() -> None:
    family = family_of(4)
    pieces = [groove(i) for i in range(4)]
    sequences = [StepSequence(p.name, rows_of(p), p.symbols.astype(np.int32)) for p in pieces]
    from dataclasses import replace

    training = replace(family.training, batch=4, min_steps=2)
    batches = DrumBatches(sequences, replace(little(), seqlen=40), training, 0)
    (rows, symbols), targets = batches[0]
    assert rows.shape == (4, 40, ROW)
    assert targets.shape == (4, 40, KINDS)
    assert (symbols == np.maximum(targets, 0)).all()
    counted = targets[..., 0] >= 0
    assert (targets[counted] >= SILENT).all()
    assert targets.max() < SYMBOLS


def test_its_picture_shows_what_feeds_what(network: DrumNetwork) -> None:
    labels, arrows = network.graph()
    assert set(labels) == {"features", "lstm 1", "strikes"}
    assert arrows == [("features", "lstm 1"), ("lstm 1", "strikes")]
