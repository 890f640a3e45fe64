"""Composing in four voices: what is asked for is what comes, in files, and in the stream."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import bundle as bundles
import numpy as np
import pretty_midi
import pytest
from bundle import Bundle
from choirs import chorale
from chorale.composer import ChoraleComposer, compose
from chorale.given import around, free_bars, free_voices, unchanged, voices_named
from chorale.grid import FIRST, HOLD, LOWEST, SILENCE, Chorale, pitches, plan_of, symbols_of
from chorale.limits import Limits, scale_of
from chorale.score import bars_of, chorale_of, events_of, write_satb
from chorale.sources import of_score, read_chorale
from conftest import play_bach, refused

import play_bach as cli
from config_bach import Composing, Places, UserError
from midi_io import read_scores, write_midi

SEEDED = Composing(seed=5)


def test_it_learns_more_than_a_table(choir: tuple[Bundle, Places]) -> None:
    metrics = choir[0].facts["metrics"]
    assert metrics["valid"]["nll"] < metrics["baselines"]["most frequent symbol"]["nll"]
    history = choir[0].facts["history"]
    assert history[-1]["val_nll"] < history[0]["val_nll"]
    assert set(metrics["valid"]["fields"]) == {"soprano", "alto", "tenor", "bass"}


def test_the_file_is_self_contained_and_half_precision(choir: tuple[Bundle, Places]) -> None:
    bundle, places = choir
    loaded = bundles.load(bundles.path_of(bundle.name, places))
    assert {w.dtype for w in loaded.weights} == {np.dtype("float16")}
    assert len(compose(loaded, SEEDED)) > 0


def test_equal_seeds_compose_equal_chorales(choir: tuple[Bundle, Places]) -> None:
    one, two, other = (compose(choir[0], Composing(seed=s)) for s in (3, 3, 4))
    assert np.array_equal(one.symbols, two.symbols)
    assert not np.array_equal(one.symbols[:64], other.symbols[:64])
    assert (one.symbols >= 1).all()


def test_a_chorale_has_the_form_of_a_held_out_one(choir: tuple[Bundle, Places]) -> None:
    piece = compose(choir[0], SEEDED)
    plans = [np.array(form["plan"]).T for form in choir[0].facts["forms"]]
    assert any(np.array_equal(piece.plan, plan) for plan in plans)


def test_limits_are_kept(choir: tuple[Bundle, Places]) -> None:
    ranges = ((62, 79), (57, 72), (50, 66), (40, 60))
    limits = Limits(scale_of("D major"), ranges, crossing=False)
    for seed in range(3):
        heard = pitches(compose(choir[0], Composing(seed=seed, temperature=2.0), limits).symbols)
        for voice, (low, high) in enumerate(ranges):
            sung = heard[:, voice][heard[:, voice] >= 0]
            assert len(sung)
            assert low <= sung.min()
            assert sung.max() <= high
            assert set((sung % 12).tolist()) <= limits.scale
        together = heard[(heard >= 0).all(1)]
        assert (np.diff(together, axis=1) <= 0).all()


@pytest.mark.parametrize("kept", [[0], [3], [0, 3], [1, 2]])
def test_given_voices_stay_note_for_note(choir: tuple[Bundle, Places], kept: list[int]) -> None:
    given = chorale(31)
    free = free_voices(given, kept)
    found = around(choir[0], given, free, SEEDED)
    assert unchanged(given, found, free)
    assert np.array_equal(found.symbols[:, kept], given.symbols[:, kept])
    silent = given.symbols.copy()
    silent[free] = HOLD
    silent[0, free[0]] = SILENCE
    melody = replace(given, symbols=silent)
    others = [v for v in range(4) if v not in kept]
    assert (pitches(around(choir[0], melody, free, SEEDED).symbols)[:, others] >= 0).any(0).all()


def test_bars_are_composed_anew_between_what_stands(choir: tuple[Bundle, Places]) -> None:
    given = chorale(32)
    free = free_bars(given, "3-4", [])
    found = around(choir[0], given, free, SEEDED)
    changed = np.flatnonzero((found.symbols != given.symbols).any(1))
    assert len(changed)
    assert changed.min() >= 32
    assert changed.max() < 64
    for nonsense in ("9", "4-3", "x", "0"):
        with pytest.raises(UserError, match="bars 1 to 6"):
            free_bars(given, nonsense, [])


def test_knowing_the_future_helps(choir: tuple[Bundle, Places]) -> None:
    """Many singers, of whom the likely go on, find a likelier accompaniment than one alone."""
    import chorale.given as given_module

    given = chorale(33)
    likely = {}
    for singers in (1, 32):
        given_module.SINGERS, before = singers, given_module.SINGERS
        try:
            found = [
                around(choir[0], given, free_voices(given, [0]), Composing(seed=s))
                for s in range(4)
            ]
        finally:
            given_module.SINGERS = before
        likely[singers] = sum(log_likelihood(choir[0], piece) for piece in found)
    assert likely[32] > likely[1]


def log_likelihood(bundle: Bundle, piece: Chorale) -> float:
    from chorale.choir import Choir

    choir = Choir(bundle.choir, SEEDED, np.random.default_rng(0))
    for plan, symbols in zip(piece.plan, piece.symbols.tolist(), strict=True):
        choir.step(plan, dict(enumerate(symbols)))
    return float(choir.log_weights[0])


def test_voices_are_called_by_name() -> None:
    assert voices_named("soprano, Bass") == [0, 3]
    with pytest.raises(UserError, match="is no voice"):
        voices_named("soprano,cello")


def test_the_stream_is_endless_and_in_voices(choir: tuple[Bundle, Places]) -> None:
    events = list(islice(ChoraleComposer(choir[0], SEEDED), 400))
    assert all(len(e.voices) == 4 == len(e.struck) for e in events)
    assert sum(e.duration for e in events) > 2 * 24  # more than one chorale
    breaths = [e for e in events if not e.pitches]
    assert breaths
    assert all(e.duration >= 1 for e in breaths)
    again = list(islice(ChoraleComposer(choir[0], SEEDED), 400))
    assert events == again


def test_events_and_chorales_are_the_same_music() -> None:
    piece = chorale(7)
    back = chorale_of(events_of(piece))
    assert np.array_equal(back.symbols, piece.symbols)


def test_a_satb_score_opens_with_its_bars_ties_and_fermatas(tmp_path: Path) -> None:
    from music21 import converter, expressions, stream

    steps = [[67, 64, 60, 48]] * 4 + [[69, 65, 60, 53]] * 24 + [[71, 67, 62, 55]] * 8
    bars = [Fraction(-3), Fraction(1), Fraction(5)]
    piece = Chorale("x", symbols_of(steps), plan_of(36, bars, [(Fraction(7), Fraction(9))]))
    write_satb(tmp_path / "x.musicxml", piece, 80, (41, 42, 43, 44))
    score = converter.parse(tmp_path / "x.musicxml")
    assert [p.partName for p in score.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    for voice, part in enumerate(score.parts):
        measures = list(part.getElementsByClass(stream.Measure))
        assert [m.number for m in measures] == [0, 1, 2]
        assert [m.duration.quarterLength for m in measures] == [1, 4, 4]
        sung = part.stripTies().flatten().notes
        assert [n.pitch.midi for n in sung] == [
            p
            for i, p in enumerate(column(piece, voice))
            if i == 0 or p != column(piece, voice)[i - 1]
        ]
        fermatas = [n for n in part.flatten().notes if n.expressions]
        assert [n.getOffsetInHierarchy(part) for n in fermatas] == [7]
        assert isinstance(fermatas[0].expressions[0], expressions.Fermata)
    again = of_score(read_scores(tmp_path / "x.musicxml")[0])
    assert np.array_equal(again.symbols, piece.symbols)
    assert np.array_equal(again.plan, piece.plan)


def column(piece: Chorale, voice: int) -> list[int]:
    return [int(s) - FIRST + LOWEST for s in piece.symbols[:, voice] if s >= FIRST]


def test_a_midi_file_has_a_track_for_each_voice(tmp_path: Path) -> None:
    piece = chorale(8)
    write_midi(tmp_path / "x.mid", events_of(piece), 80, (69, 72, 70, 71))
    midi = pretty_midi.PrettyMIDI(str(tmp_path / "x.mid"))
    assert [i.program + 1 for i in midi.instruments] == [69, 72, 70, 71]
    back = read_chorale(tmp_path / "x.mid", Places(tmp_path))
    assert np.array_equal(back.symbols, piece.symbols)


def test_bars_without_a_plan_are_four_quarters() -> None:
    bars = bars_of(plan_of(40))
    assert [(b.number, b.first, b.last, b.length) for b in bars] == [
        (1, 0, 16, 16), (2, 16, 32, 16), (3, 32, 40, 16),
    ]  # fmt: skip


def test_the_command_line_composes_harmonises_and_refuses(
    choir: tuple[Bundle, Places], tmp_path: Path
) -> None:
    _, places = choir
    out = tmp_path / "out.mid"
    words = ["-pm", "--app", "choir", "--output", str(out), "--seed", "1"]
    assert (
        cli.run(
            [*words, "--musicxml", "--instrument", "oboe,clarinet,english horn,bassoon"], places
        )
        == 0
    )
    assert [i.program for i in pretty_midi.PrettyMIDI(str(out)).instruments] == [68, 71, 69, 70]
    given = of_score(read_scores(out.with_suffix(".musicxml"))[0])
    harmonise = ["--harmonise", str(out.with_suffix(".musicxml"))]
    under = tmp_path / "under.mid"
    assert cli.run([*words[:-4], "--output", str(under), *harmonise, "--keep", "bass"], places) == 0
    assert np.array_equal(read_chorale(under, places).symbols[:, 3], given.symbols[:, 3])
    for extra, problem in (
        (["--notes", "9"], "--notes"),
        (["--keep", "bass"], "--harmonise FILE"),
        ([*harmonise, "--keep", "cello"], "no voice"),
        ([*harmonise, "--max-copy", "9"], "free composing"),
        ([*harmonise, "--regenerate", "99"], "bars 1 to"),
        (["--instrument", "oboe,flute"], "four separated"),
        (["--harmonise", str(tmp_path / "none.mid")], "no file"),
    ):
        assert problem in refused(play_bach(*words, *extra, home=places.root))


def test_training_on_the_scores_that_music21_carries(places: Places) -> None:
    words = ["-l", "0", "-f", "-pm", "--model-type", "5", "--app", "four", "-e", "2"]
    result = play_bach(*words, "--units", "16", home=places.root, timeout=600)
    assert result.returncode == 0, result.stderr
    manifest = bundles.manifest_of(places.models / "four5_nc_mo.zip")
    assert len(manifest["facts"]["history"]) == 2
    sides = [p["side"] for p in manifest["facts"]["corpus"]["pieces"]]
    assert {side: sides.count(side) > 20 for side in set(sides)} == dict.fromkeys(
        ("train", "valid", "test"), True
    )
    assert len(read_chorale(places.models / "four5_nc_mo.mid", places)) > 64


def test_a_benchmark_without_test_pieces_trains(places: Places, tmp_path: Path) -> None:
    path = tmp_path / "jsb.json"
    rows = {"train": range(6), "valid": range(6, 8)}
    path.write_text(
        json.dumps({k: [pitches(chorale(i).symbols).tolist() for i in v] for k, v in rows.items()})
    )
    words = ["-l", "0", "-f", "--model-type", "5", "--app", "j", "-e", "1", "--units", "8"]
    result = play_bach(*words, "--corpus", path, home=places.root)
    assert result.returncode == 0, result.stderr
    assert "split as the corpus itself is divided" in result.stderr + result.stdout
    again = play_bach("-l", "1", "-f", "--app", "j", "-e", "1", home=places.root)
    assert again.returncode == 0, again.stderr
