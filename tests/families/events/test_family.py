"""Types 1 to 3 as families: what they read, what a bundle is told, how a piece comes about."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import tune
from predictors import Fixed

from config_bach import (
    DEFAULT_BPM,
    DEFAULT_PROGRAM,
    Composing,
    Encoding,
    Network,
    Paths,
    Training,
    UserError,
)
from families.base import CompositionRequest, Corpus, LoadedModel, Split
from families.events.encoding import learn_vocabulary
from families.events.family import AttentionLSTM, EmbeddingLSTM, EventFamily, OneHotLSTM
from families.events.rhythm import Rhythm
from families.split import split
from midi_io import write_midi
from music.events import Event, Piece, from_json
from storage.bundle import Bundle

TYPES = [OneHotLSTM(), AttentionLSTM(), EmbeddingLSTM()]
TWO = AttentionLSTM()


def bundle_of(family: EventFamily, pieces: list[Piece], seqlen: int = 8, **metadata: Any) -> Bundle:
    vocabulary = family.vocabulary(pieces, Encoding(min_count=1))
    network = replace(family.network, seqlen=seqlen)
    return Bundle("x", vocabulary, network, Training(), metadata)


# corpora


def test_scores_are_read_with_a_row_for_each(paths: Paths) -> None:
    write_midi(paths.training / "a.mid", tune(60, 20).events, 100, 43)
    write_midi(
        paths.training / "b.mid", [Event((60,), Fraction(1)), Event((62,), Fraction(1))], 90, 1
    )
    write_midi(paths.training / "c.mid", [Event((60,), Fraction(1))], 90, 1)
    (paths.training / "d.mid").write_bytes(b"nothing")
    found = TWO.read(str(paths.training), paths, Encoding(), show=False)
    assert [len(p) for p in found.pieces] == [20, 2]
    assert [(row.name, row.steps) for row in found.rows] == [
        ("a.mid", 20),
        ("b.mid", 2),
        ("c.mid", 0),
        ("d.mid", 0),
    ]
    refused = [row.refused for row in found.rows]
    assert refused[:3] == ["", "", "a single event, nothing follows it"]
    assert refused[3]
    assert (found.pieces[0].bpm, found.pieces[0].program) == (100, 43)
    assert found.sides == ()


def test_long_notes_come_in_parts_as_the_encoding_says(paths: Paths) -> None:
    write_midi(
        paths.training / "a.mid", [Event((60,), Fraction(4)), Event((62,), Fraction(4))], 90, 1
    )
    found = TWO.read(str(paths.training), paths, Encoding(max_duration=Fraction(2)), show=False)
    assert [e.duration for e in found.pieces[0].events] == [2] * 4


def test_a_source_without_music_is_refused_with_reasons(paths: Paths) -> None:
    for name in "abcd":
        (paths.training / f"{name}.mid").write_bytes(b"nothing")
    with pytest.raises(
        UserError, match=r"nothing in .*training can be learned from \(a\.mid: "
    ) as e:
        TWO.read(str(paths.training), paths, Encoding(), show=False)
    assert "c.mid" in str(e.value)
    assert "d.mid" not in str(e.value)  # three reasons are enough


def test_a_prime_is_a_single_file(paths: Paths) -> None:
    path = paths.root / "prime.mid"
    write_midi(path, [Event((60,), Fraction(1))], 90, 1)
    assert [e.pitches for e in TWO.read_prime(path, paths, Encoding()).events] == [(60,)]
    path.write_bytes(b"nothing")
    with pytest.raises(
        UserError, match=r"prime\.mid cannot be continued: .*give another score to --prime"
    ):
        TWO.read_prime(path, paths, Encoding())
    with pytest.raises(UserError, match="no file"):
        TWO.read_prime(Path("nowhere.mid"), paths, Encoding())


# what a bundle is told


@pytest.mark.parametrize("family", TYPES, ids=[str(f.number) for f in TYPES])
def test_only_networks_without_durations_need_a_rhythm(
    family: EventFamily, tunes: list[Piece]
) -> None:
    parts = split(tunes, 1, "piece")
    told = family.metadata(Corpus("s", tuple(tunes), ()), parts, bundle_of(family, tunes))
    assert (told["rhythm"] == {}) == family.predicts_durations
    if told["rhythm"]:
        assert told["rhythm"] == Rhythm.learn(parts.train).counts
    assert (told["bpm"], told["instrument"]) == (100.0, 43)
    held_out = [p.name for p in (*parts.test, *parts.valid)]
    assert [p["name"] for p in told["primes"]] == held_out


def told_of(pieces: list[Piece], held_out: list[Piece], seqlen: int = 8) -> dict[str, Any]:
    parts = Split("piece", tuple(pieces), tuple(held_out[1:]), tuple(held_out[:1]))
    corpus = Corpus("s", (*pieces, *held_out), ())
    return TWO.metadata(corpus, parts, bundle_of(TWO, pieces, seqlen))


def test_tempo_and_instrument_are_the_usual_ones(tunes: list[Piece]) -> None:
    pieces = [
        replace(tune(50), bpm=b, program=p)
        for b, p in ((60.0, 5), (71.26, 9), (200.0, 9), (None, None))
    ]
    told = told_of(pieces[:3], pieces[3:])
    assert (told["bpm"], told["instrument"]) == (71.3, 9)
    silent = [replace(p, bpm=None, program=None) for p in pieces]
    told = told_of(silent[:3], silent[3:])
    assert (told["bpm"], told["instrument"]) == (None, None)


def test_primes_are_beginnings_long_enough_where_there_are_any() -> None:
    pieces = [tune(50, n, str(n)) for n in (7, 8, 100)]
    told = told_of([tune(60)], pieces)
    assert [(p["name"], len(p["events"])) for p in told["primes"]] == [("8", 8), ("100", 64)]
    assert from_json(told["primes"][1]["events"]) == list(pieces[2].events[:64])
    told = told_of([tune(60)], pieces, seqlen=80)
    assert [(p["name"], len(p["events"])) for p in told["primes"]] == [("100", 80)]
    short = [tune(50, n, str(n)) for n in (7, 6)]
    assert [p["name"] for p in told_of([tune(60)], short)["primes"]] == ["7", "6"]
    many = told_of([tune(60)], [tune(50, 20 + i) for i in range(30)])
    assert len(many["primes"]) == 24


def test_pieces_go_through_a_bundle(tunes: list[Piece]) -> None:
    again = TWO.unpack(TWO.pack(tunes))
    assert [(p.name, p.events) for p in again] == [(p.name, p.events) for p in tunes]
    assert TWO.unpack(b"") == []


# data sets


def test_only_training_pieces_are_transposed(tunes: list[Piece]) -> None:
    parts = split(tunes, 1, "piece")
    vocabulary = learn_vocabulary(parts.train, Encoding(transpose=2), True)
    bundle = Bundle("x", vocabulary, TWO.network, Training(), {})
    data = TWO.dataset(parts, bundle)
    assert len(data.train) == 5 * len(parts.train)
    assert (len(data.valid), len(data.test)) == (len(parts.valid), len(parts.test))
    assert list(data.baselines) == ["most frequent symbol", "longest-match lookup"]
    events = sum(len(p) - 1 for p in parts.valid)
    assert {f["events"] for f in data.baselines.values()} == {events}


def test_divided_by_window_each_event_is_on_one_side(tunes: list[Piece]) -> None:
    parts = split(tunes, 1, "window")
    data = TWO.dataset(parts, bundle_of(TWO, tunes))
    sides = (data.train, data.valid, data.test)
    counts = [sum(s.counted for s in side) for side in sides]
    assert sum(counts) == sum(len(p) - 8 for p in tunes)
    assert data.baselines["most frequent symbol"]["events"] == counts[1]


@pytest.mark.parametrize("family", TYPES, ids=[str(f.number) for f in TYPES])
def test_inputs_are_columns(family: EventFamily, tunes: list[Piece]) -> None:
    made = family.sequences(tunes, bundle_of(family, tunes))
    columns = family.inputs(made[0].rows[None], made[0].targets[None])
    assert len(columns) == (5 if family.lookback else 1)
    assert np.array_equal(np.stack(columns, -1)[0], made[0].rows)


# composing


@pytest.fixture
def model(tunes: list[Piece]) -> LoadedModel:
    primes = [{"name": "held out", "events": [[[60], "1", 90]]}]
    metadata: dict[str, Any] = {"primes": primes, "bpm": 77.0, "instrument": 12}
    bundle = replace(bundle_of(TWO, tunes, **metadata), name="x2", music=TWO.pack(tunes))
    sizes = [len(f.symbols) for f in bundle.vocabulary.fields]
    return LoadedModel(bundle, TWO, Fixed(*[[1 / n] * n for n in sizes]), "float32")


def request(prime: Path | None = None, instrument: str | None = None, **settings: Any) -> Any:
    chosen = Composing(**{"seed": 4, "notes": 30, **settings})
    return CompositionRequest(chosen, prime, instrument)


def test_a_piece_sounds_like_its_corpus_unless_told_otherwise(
    model: LoadedModel, paths: Paths
) -> None:
    piece = TWO.compose(model, request(), paths)
    assert piece.title == "x2 after held out, seed 4"
    assert piece.size == "30 notes and chords"
    assert (len(piece.events), piece.bpm, piece.programs) == (30, 77.0, 12)
    assert piece.copy is not None
    assert piece.copy.notes >= 1
    told = TWO.compose(model, request(instrument="cello", bpm=50.0), paths)
    assert (told.bpm, told.programs) == (50.0, 43)
    assert list(told.events) == list(piece.events)
    silent = replace(model, bundle=model.bundle.with_metadata(bpm=None, instrument=None))
    piece = TWO.compose(silent, request(), paths)
    assert (piece.bpm, piece.programs) == (DEFAULT_BPM, DEFAULT_PROGRAM)


def test_a_score_is_continued(model: LoadedModel, paths: Paths) -> None:
    path = paths.root / "mine.mid"
    write_midi(path, tune(52, 12).events, 100, 1)
    piece = TWO.compose(model, request(prime=path), paths)
    assert piece.title == "x2 after mine.mid, seed 4"
    predictor = model.predictor
    assert isinstance(predictor, Fixed)
    assert len(predictor.rows) == 7 + 30  # the last eight events of the score
    assert [e.pitches for e in piece.prime] == [e.pitches for e in tune(52, 12).events[-8:]]
    assert piece.source == "mine.mid"
    assert piece.whole == [*piece.prime, *piece.events]


def test_what_is_continued_by_itself_is_told_too(model: LoadedModel, paths: Paths) -> None:
    piece = TWO.compose(model, request(), paths)
    assert [e.pitches for e in piece.prime] == [(60,)]
    assert piece.source == "held out"


def test_a_score_that_cannot_be_continued_is_known_before(paths: Paths) -> None:
    path = paths.root / "x.mid"
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="cannot be continued"):
        TWO.check_prime(path, paths, Encoding())


def test_no_more_is_copied_than_is_allowed(model: LoadedModel, tunes: list[Piece]) -> None:
    free = TWO.stream(model, Composing(seed=1, top_p=1.0))
    assert free.settings.max_copy is None
    bound = TWO.stream(model, Composing(seed=1, top_p=1.0, max_copy=4))
    events = [next(bound).event for _ in range(150)]
    assert model.longest_copy(events).notes <= 4  # type: ignore[union-attr]
    assert bound.settings.max_copy == 4


def test_a_bundle_without_its_pieces_cannot_keep_a_limit(model: LoadedModel) -> None:
    bare = replace(model, bundle=replace(model.bundle, music=b""))
    with pytest.raises(
        UserError, match="does not carry the pieces it was trained on, so --max-copy"
    ):
        TWO.stream(bare, Composing(max_copy=4))
    assert bare.longest_copy([]) is None


# figures


def test_a_model_is_measured_beside_the_baselines(model: LoadedModel, tunes: list[Piece]) -> None:
    held_out = [tune(50, 41), tune(51, 22)]
    figures = TWO.measure(model, held_out)
    assert list(figures) == ["model", "most frequent symbol", "longest-match lookup"]
    even = sum(np.log(len(f.symbols)) for f in model.vocabulary.fields)
    assert figures["model"]["nll"] == pytest.approx(even, abs=1e-4)
    assert {f["events"] for f in figures.values()} == {61}
    bare = replace(model, bundle=replace(model.bundle, music=b""))
    assert list(TWO.measure(bare, held_out)) == ["model"]


def test_defaults_of_the_types() -> None:
    assert [f.number for f in TYPES] == [1, 2, 3]
    assert [f.transpose for f in TYPES] == [0, 3, 0]
    assert [f.lookback for f in TYPES] == [False, True, False]
    assert [f.network for f in TYPES] == [
        Network(model_type=1, units=256, dropout=0.3),
        Network(model_type=2, units=128, embedding=32, dropout=0.5, input_dropout=0.2),
        Network(model_type=3, units=160, embedding=64, dropout=0.5, input_dropout=0.2),
    ]
    assert ["concatenate" in f.flags for f in TYPES] == [True, False, True]
    assert ["lookback_dropout" in f.flags for f in TYPES] == [False, True, False]
