"""The network of four voices: what each head may know, and that one step is worth the whole."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from chorales import chorale, tiny, untrained_bundle
from keras import ops

from families import metrics
from families.registry import family_of
from families.satb.dataset import sequence_of
from families.satb.encoding import FIRST, HOLD, ORDER, SILENCE, SYMBOLS, VOICES, symbol
from families.satb.features import COLUMNS, FEATURES, KEY, PROFILES, RETRIEVED, rows_of
from families.satb.key_bias import with_key_bias
from families.satb.network import (
    APART,
    ROW,
    SPAN,
    RetrievalDropout,
    SatbNetwork,
    TokenDropout,
    built,
    chord,
    divergence,
    from_intervals,
    from_profiles,
)
from families.satb.predictor import SatbPredictor
from litert.keras_runner import on_keras


@pytest.fixture(scope="module")
def model() -> SatbNetwork:
    """A network whose weights are not what they were at first."""
    network = built(tiny(layers=2))
    rng = np.random.default_rng(0)
    network.set_weights([w + rng.normal(0, 0.1, w.shape) for w in network.get_weights()[:-2]])
    return network


@pytest.fixture(scope="module")
def untold() -> SatbNetwork:
    """The same of one that is told neither the profiles nor what was retrieved."""
    network = built(replace(tiny(layers=2), profiles=False, retrieval=False))
    rng = np.random.default_rng(0)
    network.set_weights([w + rng.normal(0, 0.1, w.shape) for w in network.get_weights()[:-2]])
    return network


def test_each_head_sees_the_voices_before_it_and_no_others(model: SatbNetwork) -> None:
    piece = chorale(1)
    rows = rows_of(piece)[None, :8]
    symbols = piece.symbols[None, :8].astype(np.int32)
    before = np.array(model((rows, symbols)))
    for place, voice in enumerate(ORDER):
        changed = symbols.copy()
        changed[0, 5, voice] = FIRST + 20
        after = np.array(model((rows, changed)))
        differs = np.abs(after - before).max(-1)[0] > 1e-6
        assert not differs[:5].any()
        assert not differs[6:].any()  # later steps are told by the rows
        assert [v for v in range(4) if differs[5, v]] == sorted(ORDER[place + 1 :])


def test_what_came_before_matters_and_the_key_columns_do_not(model: SatbNetwork) -> None:
    piece = chorale(1)
    rows, symbols = rows_of(piece)[None, :8], piece.symbols[None, :8].astype(np.int32)
    before = np.array(model((rows, symbols)))
    columns = (0, True), (5, True), (9, True), (12, True), (14, False), (FEATURES + 1, True)
    told = (KEY.stop, True), (PROFILES.stop - 1, True), (FEATURES - 1, True)
    for column, matters in (*columns, *told):
        changed = rows.copy()
        changed[0, 3, column] += 1
        after = np.array(model((changed, symbols)))
        differs = np.abs(after - before).max((0, 2, 3)) > 1e-7
        assert not differs[:3].any()
        assert differs[3:].all() == differs[3:].any() == matters
    assert COLUMNS["key"] == KEY.stop - KEY.start == 12
    assert COLUMNS["profiles"] == PROFILES.stop - KEY.stop == 36


def test_a_network_that_is_not_told_the_profiles_has_the_key_bias(untold: SatbNetwork) -> None:
    piece = chorale(1)
    rows, symbols = rows_of(piece)[None, :8], piece.symbols[None, :8].astype(np.int32)
    unbiased = rows.copy()
    unbiased[..., KEY] = 0
    p, raw = (np.array(ops.softmax(untold((r, symbols)))) for r in (rows, unbiased))
    biased = with_key_bias(np.array(raw), rows[..., None, KEY])
    assert np.array(p) == pytest.approx(biased, rel=1e-4, abs=1e-7)
    assert np.abs(np.array(p) - np.array(raw)).max() > 0.001


def test_a_profile_raises_the_pitches_of_its_classes_as_far_as_it_is_trusted() -> None:
    profiles = np.zeros((1, 36), np.int32)
    profiles[0, 0], profiles[0, 12 + 2], profiles[0, 24 + 4] = 100, 100, -50  # C, D, E
    logits = np.array(from_profiles(np.array([[1.0, 2.0, 4.0]], np.float32), profiles))[0]
    found = {symbol(60): 1, symbol(72): 1, symbol(62): 2, symbol(64): -2, symbol(61): 0, HOLD: 0}
    assert {s: float(logits[s]) for s in found} == pytest.approx(found)


def test_weights_of_earlier_versions_leave_the_temperatures_at_1(untold: SatbNetwork) -> None:
    other = built(replace(tiny(layers=2), profiles=False, retrieval=False))
    other.temperatures.onset.assign(1.5)
    other.set_weights(untold.get_weights()[:-2])
    assert [float(t) for t in other.temperatures.weights] == [1, 1]
    assert np.array(other.lstms[0].weights[0]) == pytest.approx(
        np.array(untold.lstms[0].weights[0])
    )


@pytest.mark.parametrize(("known", "told"), [(28, range(25)), (64, range(61))])
def test_networks_of_earlier_versions_are_told_what_they_know(known: int, told: range) -> None:
    """And the first ones, that were not told the profiles, are biased afterwards."""

    class Earlier:
        """Takes the columns that there were; every symbol is as likely."""

        def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
            return {"rows": (1, known)}

        def outputs(self, signature: str) -> list[str]:
            return []

        def run(self, signature: str, inputs: Any) -> dict[str, Any]:
            self.rows = inputs["rows"]
            return {"p": np.full((1, SYMBOLS), 1 / SYMBOLS, np.float32)}

    runner, rows = Earlier(), np.arange(ROW, dtype=np.int32)[None]
    p = SatbPredictor(runner).head(0, np.zeros((1, 4)), rows, np.zeros((1, 4), np.int32))
    assert runner.rows.tolist() == [[*told, FEATURES, FEATURES + 1, FEATURES + 2]]
    even = np.full((1, SYMBOLS), 1 / SYMBOLS, np.float32)
    assert p == pytest.approx(with_key_bias(even, rows[:, KEY]) if known == 28 else even)


def test_what_was_retrieved_is_pointed_at_and_hidden_from_some_windows(model: SatbNetwork) -> None:
    piece = chorale(1)
    rows, symbols = rows_of(piece)[None, :8], piece.symbols[None, :8].astype(np.int32)
    told = rows.copy()
    told[0, :, RETRIEVED] = [40, 30, 20, 10, 6]
    for voice in range(4):
        other = told.copy()
        other[0, 5, RETRIEVED.start + voice] = 50
        a, b = (np.array(model((r, symbols)))[0, :, voice] for r in (told, other))
        moved = sorted(np.flatnonzero(np.abs(a - b)[5] > 1e-5))
        assert moved == sorted([told[0, 5, RETRIEVED.start + voice], 50])
        assert not np.abs(np.delete(a - b, 5, 0)).max() > 1e-6
    unmatched = told.copy()
    unmatched[0, 5, RETRIEVED.stop - 1] = 1
    a, b = (np.array(model((r, symbols)))[0] for r in (told, unmatched))
    assert np.abs(a - b)[5:].max(-1).min() > 1e-6
    many = np.repeat(told, 400, 0)
    seen = np.array(RetrievalDropout()(many, training=True))
    hidden = (seen[..., RETRIEVED] == 0).all((1, 2))
    assert 0.15 < hidden.mean() < 0.35
    assert (seen[~hidden] == many[~hidden]).all()
    assert (np.delete(seen, np.r_[RETRIEVED], -1) == np.delete(many, np.r_[RETRIEVED], -1)).all()
    assert (np.array(RetrievalDropout()(many)) == many).all()


def test_two_predictions_of_a_window_are_to_agree() -> None:
    assert float(divergence(np.ones((2, 3)), np.ones((2, 3)))) == 0
    a, b = np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])
    both = 0.5 * (0.5 * np.log(5 / 9) + 0.5 * np.log(5) + 0.9 * np.log(9 / 5) + 0.1 * np.log(1 / 5))
    assert float(divergence(a, b)) == pytest.approx(both, rel=1e-5)
    piece = chorale(1)
    pair = [np.repeat(x[None, :8], 2, 0) for x in (rows_of(piece), piece.symbols.astype(np.int32))]
    network = built(replace(tiny(layers=2), dropout=0.5), consistency=3.0)
    network(pair, training=True)
    (loss,) = network.losses
    assert float(loss) > 0
    network(pair)
    assert not network.losses


def test_a_head_that_holds_is_told_what_is_held(model: SatbNetwork) -> None:
    """HOLD and the note that sounds already are the same to the voices after it, as is `chosen`."""
    piece = chorale(1)
    rows, symbols = rows_of(piece)[None, :8], piece.symbols[None, :8].astype(np.int32)
    held = symbols.copy()
    held[0, 5, 0] = HOLD
    struck = held.copy()
    struck[0, 5, 0] = rows[0, 5, 0]
    a, b = (np.array(model((rows, s))) for s in (held, struck))
    assert np.allclose(a, b, atol=1e-6)


def test_intervals_are_judged_alike_in_every_key() -> None:
    logits = np.arange(2 * SPAN + 1, dtype=np.float32)[None]
    low, high = (
        np.array(from_intervals(logits, np.array([known], np.int32)))[0] for known in (20, 25)
    )
    assert np.array_equal(low[FIRST:40], high[FIRST + 5 : 45])
    assert low[[20, 21, 19]].tolist() == [SPAN, SPAN + 1, SPAN - 1]
    assert (low[:FIRST] == 0).all()
    assert (np.array(from_intervals(logits, np.array([SILENCE], np.int32))) == 0).all()


def test_a_chord_is_known_by_its_intervals() -> None:
    sounds = np.array([[60, 55, SILENCE, 40], [60, 10, 9, 8]], np.int32)
    found = np.array(chord(sounds))
    assert found[0].tolist() == [SPAN + 5, APART, SPAN + 20, APART, SPAN + 15, APART]
    assert found[1].tolist() == [2 * SPAN] * 3 + [SPAN + 1, SPAN + 2, SPAN + 1]  # wide ones are one


def test_one_step_at_a_time_gives_what_the_whole_gives(model: SatbNetwork) -> None:
    """For two pieces at once."""
    family = family_of(5)
    bundle = untrained_bundle(2, 2)
    sequences = [sequence_of(chorale(i, bars=2)) for i in (1, 4)]
    predictor = on_keras(bundle, model).predictor
    whole = {s.name: p for s, p in metrics.forward(family, model, sequences, SYMBOLS)}
    rows, targets = (np.stack([getattr(s, x) for s in sequences]) for x in ("rows", "targets"))
    steps = metrics.through(predictor, rows, targets)
    for i, sequence in enumerate(sequences):
        for voice in range(4):
            np.testing.assert_allclose(steps[voice][i], whole[sequence.name][voice], atol=1e-5)


@pytest.mark.slow
def test_the_exported_steps_in_half_precision_give_nearly_what_keras_gives(
    model: SatbNetwork,
) -> None:
    from litert.export import with_variants
    from litert.loading import loaded

    weights = model.get_weights()
    bundle = with_variants(replace(untrained_bundle(2, 2), weights=weights), ["float16"])
    predictor = loaded(bundle, "float16").predictor
    sequences = [sequence_of(chorale(i, bars=2)) for i in (1, 4)]
    rows, targets = (np.stack([getattr(s, x) for s in sequences]) for x in ("rows", "targets"))
    expected = metrics.through(on_keras(bundle, model).predictor, rows, targets)
    for found, wanted in zip(metrics.through(predictor, rows, targets), expected, strict=True):
        assert np.abs(found - wanted).max() < 2e-3


def test_nats_are_those_of_the_probabilities_of_every_voice(model: SatbNetwork) -> None:
    family, fields = family_of(5), untrained_bundle(2, 2).vocabulary.fields
    piece = chorale(1)
    ((sequence, heads),) = metrics.forward(family, model, [sequence_of(piece)], SYMBOLS)
    chosen = np.take_along_axis(np.stack(heads, 1), piece.symbols[..., None].astype(int), -1)
    found = metrics.measure(family, [(sequence, heads)], fields)
    assert found.nll == pytest.approx(-np.log(chosen).mean(), abs=1e-5)
    assert found.count == 4 * len(piece)
    assert list(found.fields) == list(VOICES)
    right = np.stack(heads, 1).argmax(-1) == piece.symbols
    assert found.accuracy == pytest.approx(right.mean())
    untold = sequence_of(replace(piece, tells_struck=False))
    assert metrics.measure(family, [(untold, heads)], fields).nll < found.nll


def test_where_held_and_struck_are_not_told_apart_their_chances_are_added() -> None:
    family, fields = family_of(5), untrained_bundle(2, 2).vocabulary.fields
    piece = replace(chorale(1), tells_struck=False)
    sequence = sequence_of(piece).part(3)
    p = np.full((3, SYMBOLS), 0.01, np.float32)
    p[:, HOLD] = 0.3
    struck = piece.symbols[0, 0]
    p[:, struck] = 0.2
    nats, right = family.score([p] * 4, sequence, fields)
    assert np.exp(-nats[:, 0]) == pytest.approx([0.2, 0.5, 0.5])
    assert np.exp(-nats[1, 1]) == pytest.approx(0.31)
    assert right[:, 0].tolist() == [False, True, True]


def test_only_training_hides_and_never_the_place_in_the_bar() -> None:
    rows = np.ones((200, 16, ROW), np.int32)
    layer = TokenDropout(0.3)
    assert (np.array(layer(rows)) == 1).all()
    assert (np.array(TokenDropout(0.0)(rows, training=True)) == 1).all()
    heard = np.array(layer(rows, training=True))
    assert heard[..., :13].mean() == pytest.approx(0.7, abs=0.02)
    assert (heard[..., :4] == heard[..., 4:8]).all()  # a voice is heard, or not
    assert (heard[..., KEY.start : FEATURES] == 1).all()
    assert (heard[..., FEATURES] == 1).all()
    told = heard[..., FEATURES + 1 :].mean(1)
    assert set(told.ravel().tolist()) == {0.0, 1.0}  # whole windows
    assert told.mean() == pytest.approx(0.85, abs=0.06)


def test_the_picture_of_the_network_has_a_box_for_each_head(model: SatbNetwork) -> None:
    boxes, arrows = model.graph()
    assert list(boxes) == ["features", "lstm 1", "lstm 2", "soprano", "bass", "tenor", "alto"]
    assert ("lstm 2", "alto") in arrows
    assert {a for a, b in arrows if b == "tenor"} == {"lstm 2", "soprano", "bass"}
    assert {a for a, b in arrows if b == "lstm 2"} == {"lstm 1", "features"}


def test_weights_of_another_network_are_refused(model: SatbNetwork) -> None:
    weights = model.get_weights()
    with pytest.raises(ValueError, match="zip"):
        model.set_weights(weights[:-1])
