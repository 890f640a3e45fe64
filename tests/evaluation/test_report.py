"""The measures of the report card, on music whose answer is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from bundle import Bundle
from choirs import chorale
from chorale.grid import FIRST, HOLD, Chorale
from chorale.judge import figures
from chorale.score import events_of
from chorale.sources import of_score
from conftest import play_bach, refused, tune
from course import compiled
from dataset import lessons
from evaluate import measure, rows_figures
from originality import Follower, Memory
from piece import Event, Piece
from PIL import Image
from predict import Composer, prime_of
from style import degeneration, distances, faults, faults_per_100

from config_bach import Composing, Places
from midi_io import read_scores, write_midi

NAMES = [f"bwv{n}" for n in (253, 254, 255, 256, 258, 259, 260, 261, 262, 263, 264, 265)]


@pytest.fixture(scope="module")
def bach() -> list[Chorale]:
    """A dozen real chorales."""
    from music21 import corpus

    paths = [Path(str(corpus.getWork(f"bach/{name}"))) for name in NAMES]
    return [of_score(read_scores(path)[0]) for path in paths]


def shuffled(piece: Chorale, seed: int) -> list[Event]:
    """The same notes in another order, voice by voice."""
    rng = np.random.default_rng(seed)
    symbols = piece.symbols.copy()
    for voice in range(4):
        struck = symbols[:, voice] >= FIRST
        symbols[struck, voice] = rng.permutation(symbols[struck, voice])
    return events_of(Chorale(piece.name, symbols, piece.plan))


def test_bach_is_nearest_to_bach_and_shuffled_notes_are_farthest(bach: list[Chorale]) -> None:
    music = [events_of(p) for p in bach]
    real = distances(music[::2], music[1::2])
    mixed = distances([shuffled(p, 1) for p in bach[::2]], music[1::2])
    same = distances(music, music)
    for feature in ("intervals", "harmony"):
        assert same[feature] == pytest.approx(0)
        assert real[feature] < 0.6 * mixed[feature]
    assert real["rhythm"] < 0.35
    other_keys = [events_of(p.transposed(2)) for p in bach]
    assert distances(other_keys, music)["pitch classes"] < 1e-6


def test_bach_leads_his_voices_well_and_shuffled_notes_do_not(bach: list[Chorale]) -> None:
    good = faults_per_100([events_of(p) for p in bach])
    bad = faults_per_100([shuffled(p, 2) for p in bach])
    assert good["all"] < 4
    assert bad["all"] > 5 * good["all"]
    assert good["parallel fifths"] < 0.5


def led(*chords: Sequence[int]) -> list[Event]:
    """Chords of four voices, every note struck."""
    return [Event(tuple(sorted(set(c))), Fraction(1), 90, tuple(c), (True,) * 4) for c in chords]


@pytest.mark.parametrize(
    ("chords", "kind", "count"),
    [
        (((67, 64, 60, 48), (69, 65, 62, 50)), "parallel octaves", 1),
        (((72, 64, 55, 48), (71, 65, 57, 50)), "parallel fifths", 1),
        (((72, 64, 55, 48), (72, 64, 55, 48)), "parallel fifths", 0),  # nothing moves
        (((72, 64, 60, 48), (72, 59, 60, 48)), "crossings", 1),
        (((72, 64, 60, 48), (85, 64, 60, 48)), "out of range", 1),
        (((60, 55, 52, 48), (67, 55, 52, 48)), "leaps", 0),
        (((60, 55, 52, 48), (66, 55, 52, 48)), "leaps", 1),
        (((60, 55, 52, 48), (73, 55, 52, 48)), "leaps", 1),
    ],
)
def test_each_fault_is_found(chords: tuple[Sequence[int], ...], kind: str, count: int) -> None:
    assert faults(led(*chords))[kind] == count


def test_a_copied_passage_is_caught_with_its_place_in_any_key(bach: list[Chorale]) -> None:
    memory = Memory((p.name, events_of(p)) for p in bach[1:])
    original = bach[5]
    piece = original.part(32, 96, "new").transposed(1)
    copy = memory.longest(events_of(piece))
    struck = int((piece.symbols >= FIRST).sum())
    assert copy.piece == original.name
    assert copy.quarter == 8
    assert struck - 4 <= copy.notes <= struck
    assert str(copy) == f"{copy.notes} notes of {original.name} from quarter 9"
    assert memory.longest(events_of(piece), but=original.name).notes < struck / 2
    assert memory.longest(events_of(bach[0])).notes < 40


def test_copies_are_found_where_voices_are_not_told_apart() -> None:
    pieces = [tune(50), Piece("other", tuple(Event((60 + i % 5,), Fraction(1)) for i in range(40)))]
    memory = Memory((p.name, p.events) for p in pieces)
    piece = [*tune(50).transposed(3).events[10:25], *[Event((40,), Fraction(3))] * 3]
    copy = memory.longest(piece)
    assert copy.piece == "tune50"
    assert copy.notes == sum(len(e.pitches) for e in piece[:15])
    assert copy.begins == 0
    assert memory.longest([Event((40,), Fraction(7))]).notes == 0


def test_following_tells_what_hearing_would(bach: list[Chorale]) -> None:
    memory = Memory([("x", tune(50).events)])
    follower = Follower(memory)
    for event in tune(50).events[:20]:
        expected = follower.would_be(event)
        assert follower.feed(event) == expected


def test_stuck_loops_and_silence_are_shares_of_the_time() -> None:
    scale = [Event((60 + i % 7 + i // 7,), Fraction(1)) for i in range(40)]
    assert degeneration(scale) == {"stuck": 0, "loops": 0, "silence": 0}
    stuck = degeneration([Event((60,), Fraction(1))] * 40)
    assert stuck["stuck"] == pytest.approx(0.8)
    looping = degeneration([Event((60 + i % 3,), Fraction(1)) for i in range(60)])
    assert looping["loops"] == pytest.approx(1 - 12 / 60)
    assert degeneration([Event((), Fraction(3)), Event((60,), Fraction(1))])["silence"] == 0.75


def test_the_engine_is_worth_what_keras_is_worth(
    trained: tuple[Bundle, Places], tunes: list[Piece]
) -> None:
    bundle = trained[0]
    held = lessons(tunes[:3], bundle.vocabulary, bundle.network)
    by_engine = rows_figures(bundle.engine, held, bundle.vocabulary)
    by_keras = measure(compiled(bundle), held, bundle.vocabulary)
    assert by_engine.nll == pytest.approx(by_keras.nll, abs=1e-4)
    assert by_engine.accuracy == by_keras.accuracy
    assert by_engine.events == by_keras.events


def test_no_more_is_copied_than_is_allowed(trained: tuple[Bundle, Places]) -> None:
    """A model that knows its tunes by heart is led away from them."""
    bundle = trained[0]
    assert bundle.memory
    _, prime = prime_of(bundle, 1)
    copied = {}
    for most in (None, 6):
        settings = Composing(seed=1, temperature=0.3, max_copy=most)
        copied[most] = bundle.memory.longest(
            list(islice(Composer(bundle, settings, prime), 120))
        ).notes
    assert copied[None] > 12
    assert copied[6] <= 6


def test_the_report_card_of_a_model_of_events(
    trained: tuple[Bundle, Places], tmp_path: Path
) -> None:
    bundle, places = trained
    folder = tmp_path / "scores"
    folder.mkdir()
    for start in (41, 43, 46):
        write_midi(folder / f"t{start}.mid", tune(start, 44 + start % 5).events, 100, 43)
    result = play_bach(
        "--app", "tunes", "--evaluate", folder, "--json", tmp_path / "c.json", home=places.root
    )
    assert result.returncode == 0, result.stderr
    card = json.loads((tmp_path / "c.json").read_text())
    assert card["pieces"] == 3
    assert card["foretelling"]["model"]["nll"] < card["foretelling"]["most frequent symbol"]["nll"]
    assert len(card["originality"]["composed"]) == card["composed"] == 20
    assert set(card["style"]["composed"]) == {"pitch classes", "intervals", "rhythm", "harmony"}
    assert "nats a event" not in result.stdout
    assert "distance, harmony" in result.stdout
    assert Image.open(places.models / f"{bundle.name}.report.png").size[0] > 800


def test_pieces_that_were_learned_from_are_labelled(
    trained: tuple[Bundle, Places], tmp_path: Path, tunes: list[Piece]
) -> None:
    import report

    bundle, places = trained
    learned = {p["name"] for p in bundle.facts["corpus"]["pieces"] if p["side"] == "train"}
    folder = tmp_path / "scores"
    folder.mkdir()
    for piece in [p for p in tunes if p.name in learned][:2]:
        write_midi(folder / f"{piece.name}.mid", piece.events, 100, 43)
    real = report.real_pieces(bundle, str(folder), places)
    assert real.label == report.LEAKS
    assert len(real.works) == 2


def test_four_voices_are_judged_with_the_engine(places: Places) -> None:
    from choirs import bundle_of
    from chorale.network import built
    from chorale.training import measure as measure_keras
    from lite.export import with_variants

    model = built(bundle_of(2, 2).network)
    bundle = with_variants(replace(bundle_of(2, 2), weights=model.get_weights()), ["float16"])
    pieces = [chorale(i) for i in range(3)]
    own, averaged = figures(bundle, pieces)
    assert own.nll == pytest.approx(measure_keras(model, pieces).nll, abs=2e-3)
    assert averaged.nll < own.nll + 0.01
    assert (pieces[0].symbols != HOLD).any()


def test_what_cannot_be_evaluated_is_one_sentence(
    trained: tuple[Bundle, Places], tmp_path: Path
) -> None:
    places = trained[1]
    for words, problem in (
        (("--evaluate", tmp_path / "nowhere"), "no scores"),
        (("-pm", "--json", tmp_path / "x.json"), "--evaluate SOURCE"),
        (("-pm", "--max-copy", "2"), "max_copy"),
    ):
        assert problem in refused(play_bach("--app", "tunes", *words, home=places.root))
