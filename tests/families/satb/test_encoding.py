"""Four voices: what a chorale is here, what the network is told, and what it may see."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from choirs import bundle_of, chorale, tiny
from chorale import sources
from chorale.baseline import table
from chorale.ear import HEARD, KEY, Ear, rows_of, rows_transposed
from chorale.engine import ChoraleEngine
from chorale.grid import (
    FIRST,
    HOLD,
    LOWEST,
    ORDER,
    SILENCE,
    SYMBOLS,
    Chorale,
    notes_of,
    pitches,
    plan_of,
    sounding,
    symbols_of,
    symbols_of_notes,
    transposed,
)
from chorale.key import in_key
from chorale.limits import Limits, limits_of, scale_of
from chorale.network import ROW, built
from chorale.training import Lanes, measure, possible_shifts
from lite.export import with_variants
from piece import Note

from config_bach import Places, UserError
from midi_io import Refused, Score, read_scores


def test_held_notes_and_notes_struck_again_are_told_apart() -> None:
    quarter = Fraction(1)
    voices = [[Note(i * quarter, quarter, 60 - 5 * v, 90, v) for i in range(2)] for v in range(4)]
    symbols = symbols_of_notes(voices, 8)
    assert (symbols[0] == symbols[4]).all()
    assert (symbols[[1, 2, 3, 5, 6, 7]] == HOLD).all()
    assert [n.onset for n in notes_of(symbols) if n.voice == 0] == [0, 1]


def test_rests_come_back_as_rests() -> None:
    voices = [[Note(Fraction(1), Fraction(1), 60 - 5 * v, 90, v)] for v in range(4)]
    symbols = symbols_of_notes(voices, 12)
    assert (pitches(symbols)[:4] == -1).all()
    assert (pitches(symbols)[8:] == -1).all()
    assert [(float(n.onset), float(n.duration)) for n in notes_of(symbols)] == [(1, 1)] * 4


def test_the_public_form_goes_in_and_out() -> None:
    steps = [[67, 60, 55, 48]] * 4 + [[67, 62, -1, 43]] * 3
    symbols = symbols_of(steps)
    assert pitches(symbols).tolist() == steps
    assert (symbols == HOLD).sum() == 3 * 4 + 1 + 2 * 4
    for nonsense in ([[1, 2, 3]], [[60, 60, 60, 200]], [[60, 60, 60, 5]]):
        with pytest.raises(ValueError, match="four MIDI pitches"):
            symbols_of(nonsense)


def test_transposing_moves_the_notes_and_nothing_else() -> None:
    piece = chorale(0)
    moved = transposed(piece.symbols, 3)
    same = piece.symbols < FIRST
    assert (moved[same] == piece.symbols[same]).all()
    assert (moved[~same] == piece.symbols[~same] + 3).all()
    assert piece.transposed(3).fingerprint == piece.fingerprint != chorale(1).fingerprint
    with pytest.raises(ValueError, match="range"):
        transposed(piece.symbols, 40)


def test_the_plan_knows_upbeats_bars_and_phrases() -> None:
    bars = [Fraction(-3), Fraction(1), Fraction(5)]
    plan = plan_of(36, bars, [(Fraction(4), Fraction(5))])
    assert plan[:4, 0].tolist() == [13, 14, 15, 16]  # an upbeat is the end of a bar
    assert plan[4:20, 0].tolist() == list(range(1, 17))
    assert set(plan[:, 1]) == {4}
    assert (plan[16:20, 2] == 1).all()
    assert plan[15, 2] == 2
    assert plan[0, 2] == 5
    assert (plan[20:, 2] == 0).all()


def test_a_score_of_four_parts_is_read_with_its_bars_and_fermatas(
    tmp_path: Path, places: Places
) -> None:
    from music21 import corpus

    folder = tmp_path / "scores"
    folder.mkdir()
    shutil.copy(str(corpus.getWork("bach/bwv269")), folder / "bwv269.mxl")
    (folder / "broken.mid").write_bytes(b"MThd")
    found = sources.read(str(folder), places, show=False)
    (piece,) = found.pieces
    score = read_scores(folder / "bwv269.mxl")[0]
    assert found.rows[0].refused == "damaged MIDI header"
    assert len(piece) == max(n.end for n in score.notes) * 4
    assert len(notes_of(piece.symbols)) == len(score.notes)
    assert (piece.plan[:, 2] == 1).any()
    assert piece.plan[0, 0] == 9  # three quarters to the bar, an upbeat of one
    assert set(piece.plan[:, 1]) == {3}


def test_what_is_not_in_four_voices_is_refused_with_the_reason(
    tmp_path: Path, places: Places
) -> None:
    notes = tuple(Note(Fraction(i), Fraction(1), 60, 90) for i in range(30))
    with pytest.raises(Refused, match="one part, a chorale has four"):
        sources.of_score(Score("x", notes))
    chord = tuple(Note(Fraction(0), Fraction(9), 60 + i, 90, i % 4) for i in range(8))
    with pytest.raises(Refused, match="several notes at once"):
        sources.of_score(Score("x", chord))
    for text, problem in (
        ("{", "not JSON"),
        ("[]", "no pieces"),
        ('{"train": [[[1]]]}', "train 1"),
    ):
        path = tmp_path / "x.json"
        path.write_text(text)
        with pytest.raises(UserError, match=problem):
            sources.read(str(path), places)


def test_a_corpus_that_divides_itself_stays_divided(tmp_path: Path, places: Places) -> None:
    path = tmp_path / "x.json"
    steps = [[67, 60, 55, 48]] * 20
    path.write_text(json.dumps({"train": [steps, steps], "valid": [steps]}))
    found = sources.read(str(path), places)
    assert found.sides == ("train", "train", "valid")
    assert not any(p.tells_struck for p in found.pieces)


def test_the_ear_hears_the_same_in_every_key() -> None:
    piece = chorale(2)
    for semitones in possible_shifts(piece, 6):
        assert np.array_equal(
            rows_transposed(rows_of(piece), semitones), rows_of(piece.transposed(semitones))
        )


def test_the_ear_remembers_what_followed() -> None:
    piece = chorale(3)
    ear = Ear()
    for row in [*piece.symbols.tolist(), *piece.symbols[:8].tolist()]:
        ear.feed(row)
    told = ear.row()
    assert told[8:12] == piece.symbols[8].tolist()
    assert told[:4] == sounding(piece.symbols)[7].tolist()
    twin = ear.copy()
    twin.feed([SILENCE] * 4)
    assert ear.row() == told != twin.row()


def test_each_head_sees_the_voices_before_it_and_no_others() -> None:
    model = built(tiny())
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


def test_intervals_are_judged_alike_in_every_key() -> None:
    from chorale.network import SPAN, from_intervals

    logits = np.arange(2 * SPAN + 1, dtype=np.float32)[None]
    low, high = (
        np.array(from_intervals(logits, np.array([known], np.int32)))[0] for known in (20, 25)
    )
    assert np.array_equal(low[FIRST:40], high[FIRST + 5 : 45])
    assert (np.array(from_intervals(logits, np.array([SILENCE], np.int32))) == 0).all()


def test_the_engine_gives_what_keras_gives() -> None:
    """Step by step, for two pieces at once; the weights are kept in half precision."""
    model = built(tiny())
    rng = np.random.default_rng(0)
    model.set_weights([w + rng.normal(0, 0.1, w.shape) for w in model.get_weights()])
    bundle = replace(bundle_of(2, 2), weights=model.get_weights())
    engine = ChoraleEngine(with_variants(bundle, ["float16"]).step)
    pieces = [chorale(1), chorale(4)]
    length = min(map(len, pieces))
    rows = np.stack([rows_of(p)[:length] for p in pieces])
    symbols = np.stack([p.symbols[:length] for p in pieces]).astype(np.int32)
    logits = np.array(model((rows, symbols)))
    expected = np.exp(logits - logits.max(-1, keepdims=True))
    expected = in_key(expected / expected.sum(-1, keepdims=True), rows[:, :, None, KEY])
    sounds = np.stack([sounding(p.symbols)[:length] for p in pieces]).astype(np.int32)
    memory = engine.silence(2)
    for step in range(length):
        context, memory = engine.hear(rows[:, step], memory)
        for voice in ORDER:
            p = engine.voice(voice, context, rows[:, step], sounds[:, step])
            assert np.abs(p - expected[:, step, voice]).max() < 2e-3


def test_lanes_go_on_where_they_ended() -> None:
    """Windows one after the other give what the whole piece gives."""
    model = built(tiny(), lanes=1)
    piece = chorale(5)
    rows, symbols = rows_of(piece)[None, :32], piece.symbols[None, :32].astype(np.int32)
    whole = np.array(model((rows, symbols)))
    for start, going_on in ((0, 0.0), (16, 1.0)):
        part = slice(start, start + 16)
        heard = (rows[:, part], symbols[:, part], np.array([going_on], np.float32))
        assert np.allclose(np.array(model(heard)), whole[:, part], atol=1e-5)


def test_an_epoch_brings_every_note_as_often_in_keys_that_vary() -> None:
    pieces = [chorale(i) for i in range(6)]
    lanes = Lanes(pieces, bundle_of(batch=2, min_steps=60), 0)  # four passes
    batches = [lanes[i] for i in range(len(lanes))]
    asked = sum(int((targets >= 0).all(-1).sum()) for _, targets in batches)
    assert asked == pytest.approx(4 * sum(map(len, pieces)), rel=0.1)
    lowest = {int(t[t >= FIRST].min()) for _, t in batches if (t >= FIRST).any()}
    assert len(lowest) > 6
    assert all(heard[0].shape == (2, 16, ROW) for heard, _ in batches)


def test_nats_are_those_of_the_probabilities() -> None:
    model = built(tiny())
    piece = chorale(1)
    logits = np.array(model((rows_of(piece)[None], piece.symbols[None].astype(np.int32))))[0]
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p = in_key(p / p.sum(-1, keepdims=True), rows_of(piece)[:, None, KEY])
    chosen = np.take_along_axis(p, piece.symbols[..., None].astype(int), -1)[..., 0]
    assert measure(model, [piece]).nll == pytest.approx(-np.log(chosen).mean(), abs=1e-4)
    assert measure(model, [piece]).events == 4 * len(piece)
    untold = type(piece)(piece.name, piece.symbols, piece.plan, tells_struck=False)
    assert measure(model, [untold]).nll < measure(model, [piece]).nll


def test_the_table_knows_what_it_counted() -> None:
    pieces = [chorale(i) for i in range(6)]
    alone = table(pieces[:5], pieces[5:], depth=1)
    full = table(pieces[:5], pieces[5:])
    assert full.nll < alone.nll < np.log(SYMBOLS)
    assert table(pieces, pieces).nll < full.nll


def test_limits_never_leave_an_empty_choice() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        classes = frozenset(rng.choice(12, 4, replace=False).tolist())
        limits = Limits(classes, crossing=bool(rng.integers(2)))
        sounds: dict[int, int] = {}
        for voice in ORDER:
            known = int(rng.choice([0, SILENCE, FIRST + int(rng.integers(20, 50))]))
            mask = limits.open(voice, known, sounds)
            assert mask.any()
            sounds[voice] = int(rng.choice(np.flatnonzero(mask)))
            if sounds[voice] == HOLD:
                sounds[voice] = known
        if not limits.crossing and all(s >= FIRST for s in sounds.values()):
            order = [sounds[v] for v in range(4)]
            assert order == sorted(order, reverse=True)
            assert {(s - FIRST + LOWEST) % 12 for s in order} <= classes


def test_limits_are_understood_or_refused_in_one_sentence() -> None:
    assert scale_of("G major") == scale_of("G A B C D E F#")
    assert scale_of("Bb major") == scale_of("A# C D D# F G A")
    limits = limits_of("A minor", ["bass=E2-C4"], no_crossing=True)
    assert limits.ranges[3] == (40, 60)
    assert not limits.crossing
    for scale, spans in (("H major", []), ("C", []), (None, ["bass=low"]), (None, ["bass=C4-D4"])):
        with pytest.raises(UserError):
            limits_of(scale, spans, no_crossing=False)


def test_music21_scores_are_divided_as_the_jsb_chorales_are() -> None:
    table = json.loads(sources.JSB_SIDES.read_text())
    pieces = [Chorale(name, chorale(0).symbols, chorale(0).plan) for name in table]
    assert sources.jsb_sides(pieces) == tuple(table.values())
    assert min(list(table.values()).count(side) for side in sources.SIDES) > 60
    assert sources.jsb_sides([*pieces, chorale(0)]) == ()


def test_only_training_mishears_and_never_the_place_in_the_bar() -> None:
    from chorale.network import Mishear

    rows = np.ones((200, 16, ROW), np.int32)
    layer = Mishear(0.3)
    assert (np.array(layer(rows)) == 1).all()
    heard = np.array(layer(rows, training=True))
    assert heard[..., :13].mean() == pytest.approx(0.7, abs=0.02)
    assert (heard[..., :4] == heard[..., 4:8]).all()  # a voice is heard, or not
    assert (heard[..., KEY] == 1).all()
    assert (heard[..., HEARD] == 1).all()
    told = heard[..., HEARD + 1 :].mean(1)
    assert set(told.ravel().tolist()) == {0.0, 1.0}  # whole windows
    assert told.mean() == pytest.approx(0.85, abs=0.06)


def test_pieces_are_learned_in_twelve_keys_up_and_down() -> None:
    assert possible_shifts(chorale(1), 6) == [-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5]
    high = Chorale("high", symbols_of([[86, 80, 70, 60]] * 4), plan_of(4))
    assert possible_shifts(high, 6) == [-6, -5, -4, -3, -2, -1, 0, 1, 2]
    silent = Chorale("silent", np.full((4, 4), SILENCE, np.int16), plan_of(4))
    assert 0 in possible_shifts(silent, 6)


def test_what_was_heard_makes_its_pitch_classes_likelier() -> None:
    """And whether a pitch comes at all stays as likely as it was."""
    piece = Chorale("C major", symbols_of([[72, 67, 64, 48]] * 32), plan_of(32))
    weights = rows_of(piece)[-1, KEY]
    assert set(np.flatnonzero(weights > 0).tolist()) == {0, 4, 7}
    assert (rows_of(piece)[0, KEY] == 0).all()  # nothing was heard yet
    p = np.full(SYMBOLS, 1 / SYMBOLS, np.float32)
    after = in_key(p, weights)
    assert after.sum() == pytest.approx(1)
    assert after[:FIRST].tolist() == pytest.approx(p[:FIRST].tolist())
    c, c_sharp = (FIRST + 60 - LOWEST + k for k in (0, 1))
    assert after[c] > 3 * after[c_sharp] > 0
