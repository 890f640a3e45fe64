"""Four voices as a model type: trained, packed, composed with, from the command line too."""

import json
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pretty_midi
import pytest
from chorales import chorale, small_training, tiny, untrained_bundle

import play_bach
from config_bach import Composing, Encoding, Paths, UserError
from families import corpus, metrics
from families.base import Composition, CompositionRequest, Corpus, LoadedModel, Split
from families.live import Place
from families.registry import family_of
from families.satb.composer import sampler_of
from families.satb.dataset import JSB_SIDES, of_score, read_chorale, sequence_of
from families.satb.encoding import (
    HOLD,
    STEP,
    Chorale,
    chorale_of,
    first_phrase,
    following,
    pitches,
    plan_of,
)
from families.satb.family import TABLE
from families.satb.features import FEATURES, RETRIEVED
from families.satb.live import SatbLive
from families.satb.network import built
from families.satb.retrieval import NOTES, TuneIndex
from families.satb.style import style_in, style_of
from litert.export import EXAMPLE_STEPS, calibration
from midi_io import read_scores, write_midi
from music.events import Event, duration_of, from_json
from music.scales import scale_of
from music.sounds import Sound
from storage import bundle as bundles
from storage.bundle import Bundle
from storage.catalog import path_of
from workflows.trainer import TrainingTask, new_bundle, resumed

FAMILY = family_of(5)


def with_plan(number: int) -> Chorale:
    """A chorale in three quarters with an upbeat, and phrases."""
    piece = chorale(number, bars=5)
    starts = [Fraction(-2 + 3 * i) for i in range(8)]
    plan = plan_of(len(piece), starts, [(Fraction(6), Fraction(7)), (Fraction(15), Fraction(16))])
    return replace(piece, plan=plan)


# ---- what a bundle carries


@pytest.mark.slow
def test_it_learns_more_than_the_frequency_of_symbols(satb_bundle: tuple[Bundle, Paths]) -> None:
    metrics = satb_bundle[0].metadata["metrics"]
    assert metrics["valid"]["nll"] < metrics["baselines"]["most frequent symbol"]["nll"]
    assert metrics["baselines"][TABLE]["nll"] < metrics["baselines"]["most frequent symbol"]["nll"]
    history = satb_bundle[0].metadata["history"]
    assert history[-1]["val_nll"] < history[0]["val_nll"]
    assert set(metrics["valid"]["fields"]) == {"soprano", "alto", "tenor", "bass"}


@pytest.mark.slow
def test_a_trained_network_is_calibrated_and_composes_at_its_own_temperatures(
    satb_bundle: tuple[Bundle, Paths],
) -> None:
    bundle = satb_bundle[0]
    temperatures = [float(w) for w in bundle.weights[-2:]]
    assert temperatures != [1.0, 1.0]
    assert all(0.5 <= t <= 2 for t in temperatures)
    assert bundle.metadata["temperatures"] == {"onset": 1.0, "pitch": 1.0}


def test_training_asks_two_predictions_to_agree_where_the_batch_has_pairs() -> None:
    family = family_of(5)
    bundle = untrained_bundle(4, 2)
    assert family.build_for_training(bundle).consistency == bundle.training.consistency > 0
    odd = replace(bundle, training=replace(bundle.training, batch=3))
    assert family.build_for_training(odd).consistency == 0


def test_the_file_is_whole_and_in_half_precision(satb_bundle: tuple[Bundle, Paths]) -> None:
    bundle, paths = satb_bundle
    loaded = bundles.load(path_of(bundle.name, paths))
    assert {w.dtype for w in loaded.weights} == {np.dtype("float16")}
    assert set(loaded.steps) == {"dynamic"}
    assert loaded.metadata["instrument"] == 20
    assert loaded.metadata["bpm"] == 80


def test_a_new_bundle_knows_templates_tempo_and_beginnings() -> None:
    pieces = tuple(with_plan(i) for i in range(8))
    corpus = Corpus("small", pieces, (), ("train",) * 4 + ("valid",) * 3 + ("test",), "given")
    bundle, parts = new_bundle("x", corpus, Encoding(transpose=6), tiny(), small_training())
    assert [t["name"] for t in bundle.metadata["templates"]] == [
        "chorale 7", "chorale 4", "chorale 5", "chorale 6",
    ]  # fmt: skip
    assert bundle.metadata["primes"][0]["name"] == "chorale 7"
    assert (bundle.metadata["bpm"], bundle.metadata["instrument"]) == (80.0, 20)
    assert bundle.name == "x5_nc_mo"
    dataset = FAMILY.dataset(parts, bundle)
    assert [len(s) for s in (dataset.train, dataset.valid, dataset.test)] == [4, 3, 1]
    assert list(dataset.baselines) == ["most frequent symbol", TABLE]
    assert FAMILY.unknown_nats(dataset, bundle.vocabulary.fields) == 0


@pytest.mark.slow
def test_int8_is_calibrated_with_the_true_bars_and_phrases() -> None:
    pieces = [with_plan(i) for i in range(2)]
    bundle = replace(untrained_bundle(2, 2), music=FAMILY.pack(pieces))
    calls = calibration(bundle, FAMILY.signatures(built(tiny()), logits=True))
    heard = np.concatenate([inputs["rows"] for name, inputs in calls if name == "hear"])
    index = TuneIndex(pieces)
    expected = np.concatenate([sequence_of(p, index).rows[:EXAMPLE_STEPS] for p in pieces])
    assert (heard == expected).all()
    assert (heard[:, FEATURES + 1 :] > 0).any(0).all()


# ---- composing


def composed(model: LoadedModel, paths: Paths, seed: int = 5, **options: Any) -> Composition:
    settings = Composing(seed=seed, temperature=options.pop("temperature", 1.0))
    instrument = options.pop("instrument", None)
    prime = options.pop("prime", None)
    return FAMILY.compose(model, CompositionRequest(settings, prime, instrument, options), paths)


@pytest.mark.slow
def test_equal_seeds_compose_equal_chorales(satb_model: LoadedModel, paths: Paths) -> None:
    one, two, other = (composed(satb_model, paths, seed) for seed in (3, 3, 4))
    assert one == two
    assert one.events != other.events
    assert one.title.startswith("small5_nc_mo on the template of chorale ")
    assert one.title.endswith(", seed 3")
    assert one.size == "6 bars in four voices"
    assert (one.bpm, one.programs) == (80, [20])
    assert one.copy == satb_model.longest_copy(one.events)


@pytest.mark.slow
def test_a_chorale_has_the_plan_of_a_held_out_one(satb_model: LoadedModel, paths: Paths) -> None:
    piece = chorale_of(composed(satb_model, paths).events)
    plans = [np.array(t["plan"]).T for t in satb_model.metadata["templates"]]
    assert any(np.array_equal(piece.plan, plan) for plan in plans)


@pytest.mark.slow
def test_constraints_are_kept(satb_model: LoadedModel, paths: Paths) -> None:
    options = {
        "scale": "D major",
        "range": ["soprano=D4-G5", "alto=A3-C5", "tenor=D3-F#4", "bass=E2-C4"],
        "no_crossing": True,
    }
    ranges = ((62, 79), (57, 72), (50, 66), (40, 60))
    for seed in range(3):
        piece = composed(satb_model, paths, seed, temperature=2.0, **options)
        heard = pitches(chorale_of(piece.events).symbols)
        for voice, (low, high) in enumerate(ranges):
            sung = heard[:, voice][heard[:, voice] >= 0]
            assert len(sung)
            assert low <= sung.min()
            assert sung.max() <= high
            assert set((sung % 12).tolist()) <= scale_of("D major")
        together = heard[(heard >= 0).all(1)]
        assert (np.diff(together, axis=1) <= 0).all()


@pytest.mark.slow
def test_a_score_is_harmonised_continued_and_composed_anew(
    satb_model: LoadedModel, paths: Paths, tmp_path: Path
) -> None:
    given = chorale(31, bars=4)
    path = tmp_path / "given.mid"
    write_midi(path, given.events, 80, 20)
    found = {
        "soprano": composed(satb_model, paths, harmonise=path),
        "bass": composed(satb_model, paths, harmonise=path, keep="bass", temperature=3.0),
        "bars": composed(satb_model, paths, harmonise=path, regenerate="2"),
    }
    assert {p.title.split(", ")[0] for p in found.values()} == {"small5_nc_mo around given.mid"}
    changed = {
        name: chorale_of(piece.events).symbols != given.symbols for name, piece in found.items()
    }
    voices = {name: np.flatnonzero(c.any(0)).tolist() for name, c in changed.items()}
    assert voices["soprano"] == [1, 2, 3]
    assert voices["bass"] == [0, 1, 2]
    steps = {name: np.flatnonzero(c.any(1)) for name, c in changed.items()}
    assert (steps["bars"].min(), steps["bars"].max()) >= (16, 16)
    assert steps["bars"].max() < 32
    how: dict[str, Any] = {"regenerate": "2-3", "keep": "soprano,tenor,bass", "temperature": 3.0}
    altos = [composed(satb_model, paths, seed, harmonise=path, **how) for seed in range(6)]
    new = np.any([chorale_of(p.events).symbols != given.symbols for p in altos], 0)
    assert np.flatnonzero(new.any(0)).tolist() == [1]
    assert set(np.flatnonzero(new.any(1))) <= set(range(16, 48))
    after = composed(satb_model, paths, prime=path)
    assert "after given.mid" in after.title


def fails(model: LoadedModel, paths: Paths, options: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        composed(model, paths, **options)


@pytest.mark.slow
def test_what_cannot_be_composed_is_refused(
    satb_model: LoadedModel, paths: Paths, tmp_path: Path
) -> None:
    path = tmp_path / "given.mid"
    write_midi(path, chorale(1, bars=2).events, 80, 20)
    for options, problem in (
        ({"instrument": "oboe,flute"}, "one instrument, or four separated by commas"),
        ({"instrument": "kazoo"}, "not in General MIDI"),
        ({"harmonise": path, "keep": "cello"}, "'cello' is no voice"),
        ({"harmonise": path, "regenerate": "99"}, "has bars 1 to 2"),
        ({"harmonise": tmp_path / "none.mid"}, "there is no file"),
        ({"prime": tmp_path / "none.mid"}, "there is no file"),
        ({"scale": "H"}, "--scale 'H' is not understood"),
    ):
        fails(satb_model, paths, options, problem)


@pytest.mark.slow
def test_instruments_are_one_or_four(satb_model: LoadedModel, paths: Paths) -> None:
    names = "oboe,clarinet,english horn,bassoon"
    assert composed(satb_model, paths, instrument=names).programs == [69, 72, 70, 71]
    assert composed(satb_model, paths, instrument="church organ").programs == [20]


@pytest.mark.slow
def test_the_first_phrase_of_a_held_out_chorale_is_continued_if_wanted(
    satb_model: LoadedModel, paths: Paths
) -> None:
    piece = composed(satb_model, paths, with_prime=True)
    names = [p["name"] for p in satb_model.metadata["primes"]]
    assert piece.source in names
    whole = from_json(satb_model.metadata["primes"][names.index(piece.source)]["events"])
    length = duration_of(piece.prime)
    assert 4 <= length <= 16
    given = chorale_of(piece.prime).symbols
    assert (given == chorale_of(whole).symbols[: len(given)]).all()
    alone = composed(satb_model, paths)
    assert (alone.prime, alone.source) == ([], "")


def test_the_first_phrase_is_not_too_short_and_not_too_long() -> None:
    fermatas = [
        (Fraction(2), Fraction(3)),
        (Fraction(7), Fraction(8)),
        (Fraction(15), Fraction(16)),
    ]
    assert first_phrase(plan_of(200, (), fermatas)) == 32
    assert first_phrase(plan_of(200)) == 64
    assert first_phrase(plan_of(20)) == 20


def test_what_a_chorale_holds_goes_on_in_the_one_that_follows() -> None:
    """And an event begins where it does."""
    first = chorale(1, bars=1)
    symbols = np.full((8, 4), HOLD, np.int16)
    symbols[4] = first.symbols[0]
    before, after = following(first, Chorale("x", symbols, plan_of(8)))
    assert before == first.events
    assert after[0].voices == first.events[-1].voices
    assert after[0].struck == (False,) * 4
    assert [e.duration for e in after] == [1, 1]
    assert duration_of(before) == len(first) * STEP


@pytest.mark.slow
def test_a_melody_cannot_be_continued_in_four_voices(paths: Paths) -> None:
    path = paths.root / "tune.mid"
    write_midi(path, [Event((60,), Fraction(1)), Event((62,), Fraction(4))], 90, 1)
    with pytest.raises(UserError, match=r"one part, .*--harmonise .*tune\.mid composes three"):
        FAMILY.check_prime(path, paths, Encoding())
    four = paths.root / "four.mid"
    write_midi(four, chorale(1, bars=2).events, 90, 1)
    FAMILY.check_prime(four, paths, Encoding())


# ---- figures


@pytest.mark.slow
def test_a_mean_over_keys_and_the_table_stand_beside_the_model(satb_model: LoadedModel) -> None:
    pieces = [chorale(i, bars=2) for i in range(3)]
    found = FAMILY.measure(satb_model, pieces)
    assert list(found) == ["model", "model, mean of 7 keys", TABLE]
    assert found["model"]["events"] == 4 * sum(map(len, pieces))
    sequences = FAMILY.sequences(pieces, satb_model.bundle)
    assert any(s.rows[:, RETRIEVED].any() for s in sequences)
    scored = metrics.stepwise(satb_model.predictor, sequences)
    own = metrics.measure(FAMILY, scored, satb_model.vocabulary.fields)
    assert found["model"]["nll"] == pytest.approx(own.nll, abs=1e-4)
    assert found["model"]["accuracy"] == pytest.approx(own.accuracy, abs=0.02)
    assert {f["events"] for f in found.values()} == {found["model"]["events"]}
    assert found["model, mean of 7 keys"]["nll"] < found["model"]["nll"] + 0.01
    bare = replace(satb_model, bundle=replace(satb_model.bundle, music=b""))
    assert list(FAMILY.measure(bare, pieces[:1])) == ["model", "model, mean of 7 keys"]


def test_the_mean_over_keys_is_that_of_the_probabilities() -> None:
    """A predictor that is sure of the key of C: elsewhere it knows nothing."""
    from predictors import Fixed

    from families.satb.encoding import ORDER, SYMBOLS
    from families.satb.family import KEYS

    piece = Chorale("x", chorale(0).symbols[:1], plan_of(1))
    likely = []
    for symbol in piece.symbols[0]:
        p = np.full(SYMBOLS, 0.1 / (SYMBOLS - 1))
        p[symbol] = 0.9
        likely.append(p)
    bundle = untrained_bundle(2, 2)
    model = LoadedModel(bundle, FAMILY, Fixed(*likely, order=ORDER), "none")
    own, averaged = FAMILY.measure(model, [piece]).values()
    assert own["nll"] == pytest.approx(-np.log(0.9), abs=1e-4)
    rest = 0.1 / (SYMBOLS - 1)
    assert averaged["nll"] == pytest.approx(-np.log((0.9 + (KEYS - 1) * rest) / KEYS), abs=1e-4)
    assert own["accuracy"] == averaged["accuracy"] == 1
    assert (KEYS, HOLD) == (7, 1)


# ---- the command line


@pytest.mark.slow
def test_the_command_line_composes_and_harmonises(
    satb_bundle: tuple[Bundle, Paths], tmp_path: Path
) -> None:
    _, paths = satb_bundle
    out, under = tmp_path / "out.mid", tmp_path / "under.mid"
    words = ["-pm", "--app", "small", "--seed", "1"]
    names = ["--instrument", "oboe,clarinet,english horn,bassoon"]
    play_bach.run([*words, "--output", str(out), "--musicxml", *names], paths)
    assert [i.program for i in pretty_midi.PrettyMIDI(str(out)).instruments] == [68, 71, 69, 70]
    score = out.with_suffix(".musicxml")
    given = of_score(read_scores(score)[0])
    harmonise = ["--harmonise", str(score), "--keep", "bass"]
    play_bach.run([*words, "--output", str(under), *harmonise], paths)
    assert (read_chorale(under, paths).symbols[:, 3] == given.symbols[:, 3]).all()
    for extra, problem in (
        (["--notes", "9"], "--notes"),
        (["--keep", "bass"], "--harmonise FILE"),
        ([*harmonise, "--max-copy", "9"], "--max-copy cannot be combined with --harmonise"),
    ):
        with pytest.raises(UserError, match=problem):
            play_bach.run([*words, *extra], paths)


def signature(path: Path) -> list[str]:
    """The key signatures of a MIDI file."""
    messages = [m for track in mido.MidiFile(path).tracks for m in track]
    return [m.key for m in messages if m.type == "key_signature"]


@pytest.mark.slow
def test_a_key_that_is_asked_for_is_the_signature_of_the_file_and_the_score(
    satb_bundle: tuple[Bundle, Paths], tmp_path: Path
) -> None:
    _, paths = satb_bundle
    words = ["-pm", "--app", "small", "--seed", "3", "--output", str(tmp_path / "x.mid")]
    play_bach.run([*words, "--key", "G minor", "--musicxml"], paths)
    assert signature(tmp_path / "x.mid") == ["Gm"]
    assert "<fifths>-2</fifths>" in (tmp_path / "x.musicxml").read_text()
    assert "<mode>minor</mode>" in (tmp_path / "x.musicxml").read_text()
    with pytest.raises(UserError, match="--key 'H' is not understood; write it as 'G minor'"):
        play_bach.run([*words, "--key", "H"], paths)


@pytest.mark.slow
def test_a_melody_gives_its_signature_and_what_was_assumed_is_told(
    satb_bundle: tuple[Bundle, Paths], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, paths = satb_bundle
    track = mido.MidiTrack([mido.MetaMessage("key_signature", key="D")])
    track.append(mido.MetaMessage("time_signature", numerator=3, denominator=4))
    for i in range(18):
        for pitch, ticks in ((62 + i % 5, 320), (66 + i % 3, 160)):
            track.append(mido.Message("note_on", note=pitch, velocity=90, time=0))
            track.append(mido.Message("note_off", note=pitch, velocity=0, time=ticks))
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    file.save(tmp_path / "swing.mid")
    words = ["-pm", "--app", "small", "--seed", "3", "--output", str(tmp_path / "x.mid")]
    words += ["--no-crossing"]  # in the .mid the soprano is the highest voice
    play_bach.run([*words, "--harmonise", str(tmp_path / "swing.mid")], paths)
    out = capsys.readouterr().out
    assert "  assumed  its eighths swing: they are taken as even ones\n" in out
    assert signature(tmp_path / "x.mid") == ["D"]
    found = read_chorale(tmp_path / "x.mid", paths)
    assert (found.plan[:60, 1] == 3).all()
    assert pitches(found.symbols)[::2, 0].tolist()[:4] == [62, 66, 63, 67]


@pytest.mark.slow
def test_a_bundle_has_the_style_of_its_training_pieces(satb_bundle: tuple[Bundle, Paths]) -> None:
    bundle, _ = satb_bundle
    learned = FAMILY.unpack(bundle.music)
    assert bundle.metadata["style"] == style_of(learned)
    assert sum(bundle.metadata["style"]["keys"].values()) == len(learned)


@pytest.mark.slow
def test_training_on_scores_of_music21_keeps_the_sides_of_the_jsb_chorales(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what the bundle carries, for the table and to calibrate int8, has its bars and phrases."""
    table = json.loads(JSB_SIDES.read_text())
    wanted = [
        n for s in ("train", "valid", "test") for n in [m for m in table if table[m] == s][:3]
    ]
    files = [p for p in corpus.find("music21:bach") if p.name in wanted]
    monkeypatch.setattr(corpus, "find", lambda source: files)
    training = replace(small_training(), batch=4, min_steps=4)
    monkeypatch.setattr(type(FAMILY), "training", training)  # the command line says nothing of it
    words = ["-l", "0", "-f", "-pm", "--model-type", "5", "--app", "four", "-e", "2"]
    play_bach.run([*words, "--units", "16", "--corpus", "music21:bach", "--seed", "1"], paths)
    bundle = bundles.load(paths.models / "four5_nc_mo.zip")
    assert len(bundle.metadata["history"]) == 2
    assert bundle.metadata["split"] == "jsb"
    sides = {p["name"]: p["side"] for p in bundle.metadata["corpus"]["pieces"]}
    assert sides == {name: table[name] for name in wanted}
    assert len(read_chorale(paths.models / "four5_nc_mo.mid", paths)) > 64
    read = {p.name: p for p in FAMILY.read("music21:bach", paths, Encoding(), show=False).pieces}
    for data, side in ((bundle.music, "train"), (bundle.held_out, "valid")):
        pieces = FAMILY.unpack(data)
        assert {p.name for p in pieces} == {name for name in wanted if table[name] == side}
        for piece in pieces:
            assert (piece.symbols == read[piece.name].symbols).all()
            assert (piece.plan == read[piece.name].plan).all()
            assert (piece.plan[:, 1:] > 0).any(0).all()


def test_a_corpus_without_test_pieces_can_be_trained_on_and_goes_on_divided(
    paths: Paths, tmp_path: Path
) -> None:
    path = tmp_path / "jsb.json"
    rows = {"train": range(6), "valid": range(6, 8)}
    path.write_text(
        json.dumps({k: [pitches(chorale(i).symbols).tolist() for i in v] for k, v in rows.items()})
    )
    read = FAMILY.read(str(path), paths, Encoding())
    bundle, parts = new_bundle("j", read, Encoding(transpose=6), tiny(), small_training())
    task = TrainingTask.of(bundle, parts)
    assert task.has_held_out()
    assert task.counts() == {"train": 4 * 6 * 96, "valid": 4 * 2 * 96, "test": 0}
    assert bundle.metadata["label"].startswith("split as the corpus itself is divided")
    again, later = resumed(bundle.with_metadata(history=[{"epoch": 1, "val_nll": 1.0}]), 1, read)
    assert (later.kind, later.test, len(later.train)) == ("given", (), 6)
    assert again.metadata["epochs"] == 2
    kept = FAMILY.unpack(FAMILY.pack(later.valid))
    assert [p.name for p in kept] == ["valid 1", "valid 2"]
    assert not any(p.tells_struck for p in kept)


def test_a_split_without_pieces_has_no_figures() -> None:
    bundle = untrained_bundle(2, 2)
    dataset = FAMILY.dataset(Split("given", (chorale(0),), (), ()), bundle)
    assert dataset.baselines[TABLE]["events"] == 0


# ---- what is looked up in the training pieces


def test_sequences_are_told_of_the_training_pieces_if_the_network_is() -> None:
    pieces = [chorale(i) for i in (1, 2, 3)]
    carries = replace(untrained_bundle(4, 2), music=FAMILY.pack(pieces[:2]))
    untold = replace(carries, network=replace(carries.network, retrieval=False))
    other = replace(pieces[0], symbols=pieces[0].symbols[:, [0, 1, 2, 2]])  # its tune alone
    expected = sequence_of(other, TuneIndex(pieces[:2])).rows
    assert expected[:, RETRIEVED].any()
    assert (FAMILY.sequences([other], carries)[0].rows == expected).all()
    for bundle in (untold, replace(carries, music=b"")):
        assert not FAMILY.sequences([other], bundle)[0].rows[:, RETRIEVED].any()
    parts = Split("x", (pieces[0], other), (pieces[2],), (replace(other, name="test"),))
    data = FAMILY.dataset(parts, carries)
    rows = [s.rows[:, RETRIEVED] for s in (*data.train, *data.valid, *data.test)]
    index = TuneIndex(parts.train)
    for piece, found in zip((*parts.train, *parts.valid, *parts.test), rows, strict=True):
        assert (found == sequence_of(piece, index).rows[:, RETRIEVED]).all()
    assert not FAMILY.dataset(parts, untold).train[0].rows[:, RETRIEVED].any()


def test_who_plays_a_known_tune_is_accompanied_by_a_network_that_is_told_how_it_goes_on(
    satb_model: LoadedModel,
) -> None:
    piece = FAMILY.unpack(satb_model.bundle.music)[0]
    live = FAMILY.live(satb_model, Composing(seed=1))
    assert isinstance(live, SatbLive)
    for step, pitch in enumerate(pitches(piece.symbols)[:80, 0].tolist()):
        struck = piece.symbols[step, 0] != HOLD
        live.hear(Event.of([Sound(1, pitch, 80, struck)], STEP), Place(step * STEP))
    row = live._sampler.features[0].row()
    assert row[RETRIEVED.stop - 1] == len(NOTES)
    assert row[RETRIEVED.start] == piece.symbols[80, 0]


def test_new_music_is_composed_without_looking_anything_up(satb_model: LoadedModel) -> None:
    sampler = sampler_of(satb_model, Composing(seed=1), style_in(satb_model.metadata), None)
    for symbols in FAMILY.unpack(satb_model.bundle.music)[0].symbols[:40].tolist():
        sampler.features[0].feed(symbols)
    assert not any(sampler.features[0].row()[RETRIEVED])
