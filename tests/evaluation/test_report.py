"""The report card: measured with what composes, on pieces that training never saw, and beside them."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from cards import CARD
from chorales import chorale
from conftest import tune
from PIL import Image

import play_bach
from config_bach import NATS, Paths, UserError
from evaluation import plots, report
from evaluation.report import LEAKS, Real
from families.base import LoadedModel
from midi_io import write_midi
from music.events import Event, Piece
from storage.answers import answers_of, fingerprint_of
from storage.bundle import Bundle


def scores(folder: Path, pieces: list[Piece]) -> str:
    folder.mkdir()
    for piece in pieces:
        write_midi(folder / f"{piece.name}.mid", piece.events, 100, 43)
    return str(folder)


@pytest.fixture
def unseen(tmp_path: Path) -> str:
    """Scores that the small model never saw."""
    return scores(tmp_path / "unseen", [tune(start, 44 + start % 5) for start in (41, 43, 46)])


@pytest.mark.slow
def test_the_report_card_of_a_model_of_events(
    event_bundle: tuple[Bundle, Paths],
    unseen: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle, paths = event_bundle
    monkeypatch.setattr(report.report, "__defaults__", (4,))
    path = tmp_path / "c.json"
    answers_of(paths).add(bundle.name, fingerprint_of(bundle), real=False, right=True)
    play_bach.run(["--app", "tunes", "--evaluate", unseen, "--json", str(path)], paths)
    card = json.loads(path.read_text())
    assert (card["pieces"], card["composed"], card["unit"]) == (3, 4, "event")
    assert card["label"] == "validation pieces were never seen"
    prediction = card["prediction"]
    assert prediction["model"]["nll"] < prediction["most frequent symbol"]["nll"]
    assert len(card["originality"]["composed"]) == 4
    assert len(card["originality"]["real"]) == 3
    assert card["originality"]["longest"].startswith(
        f"{max(card['originality']['composed'])} notes"
    )
    assert set(card["style"]["composed"]) == {"pitch classes", "intervals", "rhythm", "harmony"}
    assert "faults" not in card
    counts = {"real": 0, "real_right": 0, "composed": 1, "composed_right": 1}
    assert card["listeners"] == counts
    assert "judge" not in card
    out = capsys.readouterr().out
    assert "nats per event" in out
    assert "distance, harmony" in out
    assert "rightly in 100% of 1 answer" in out
    assert Image.open(paths.models / f"{bundle.name}.report.png").size[0] > 800


@pytest.mark.slow
def test_the_report_card_of_four_voices_counts_faults(
    satb_model: LoadedModel, paths: Paths, tmp_path: Path
) -> None:
    source = tmp_path / "scores"
    source.mkdir()
    for i in (40, 41):
        write_midi(source / f"{i}.mid", chorale(i, bars=3).events, 80, 20)
    card = report.report(satb_model, str(source), paths, pieces=2)
    assert set(card["faults"]["real"]) == set(card["faults"]["composed"])
    assert list(card["prediction"])[:2] == ["model", "model, mean of 7 keys"]
    text = "\n".join(report.lines(card))
    assert "faults per 100 notes, parallel fifths" in text
    assert "nats per note" in text
    assert all(voice in text for voice in ("soprano", "alto", "tenor", "bass"))
    judged = card["judge"]
    assert {name: len(grades) for name, grades in judged["grades"].items()} == {
        "real": 2,
        "composed": 2,
        "bars": 2,
        "pitches": 2,
    }
    assert judged["medians"]["real"]["grade"] == pytest.approx(sum(judged["grades"]["real"]) / 2)
    assert "grade, median (lower is better)" in text
    assert f"{judged['better']:.0%} of the composed pieces are better than the median real" in text
    assert json.loads(json.dumps(card))
    plots.report_card(tmp_path / "card.png", card)
    assert Image.open(tmp_path / "card.png").size[0] > 800


@pytest.mark.slow
def test_pieces_that_were_learned_from_are_labelled(
    event_model: LoadedModel, paths: Paths, tmp_path: Path, tunes: list[Piece]
) -> None:
    table = event_model.metadata["corpus"]["pieces"]
    learned = {p["name"] for p in table if p["side"] == "train"}
    known = [p for p in tunes if p.name in learned][:2]
    only = report.real_pieces(event_model, scores(tmp_path / "known", known), paths)
    assert only.label == LEAKS
    assert sorted(w.name for w in only.works) == sorted(f"{p.name}.mid" for p in known)
    some = report.real_pieces(event_model, scores(tmp_path / "some", [*known, tune(41, 44)]), paths)
    assert some.label == "validation pieces were never seen"
    assert [w.name for w in some.works] == ["tune41.mid"]
    for split in ("within", "window"):
        leaking = replace(event_model, bundle=event_model.bundle.with_metadata(split=split))
        assert report.real_pieces(leaking, str(tmp_path / "some"), paths).label == LEAKS


@pytest.mark.slow
def test_a_piece_that_was_learned_is_not_compared_with_itself(
    event_model: LoadedModel, tunes: list[Piece]
) -> None:
    table = event_model.metadata["corpus"]["pieces"]
    name = next(p["name"] for p in table if p["side"] == "train")
    piece = next(p for p in tunes if p.name == name)
    notes = {
        label: report.originality(event_model, [piece.events], Real(label, (piece,)))
        for label in (LEAKS, "never seen")
    }
    assert notes["never seen"]["real"] == notes["never seen"]["composed"]
    assert notes[LEAKS]["real"][0] <= notes[LEAKS]["composed"][0]
    assert "notes of" in notes[LEAKS]["longest"]
    bare = replace(event_model, bundle=replace(event_model.bundle, music=b""))
    assert report.originality(bare, [piece.events], Real(LEAKS, (piece,))) == {}


@pytest.mark.slow
def test_what_cannot_be_evaluated_is_one_sentence(
    event_bundle: tuple[Bundle, Paths], tmp_path: Path
) -> None:
    paths = event_bundle[1]
    for words, problem in (
        (["--evaluate", str(tmp_path / "nowhere")], "no scores"),
        (
            ["-pm", "--json", str(tmp_path / "x.json")],
            "--json is for the report card: add --evaluate",
        ),
        (["-pm", "--max-copy", "2"], "max_copy"),
    ):
        with pytest.raises(UserError, match=problem):
            play_bach.run(["--app", "tunes", *words], paths)


# ---- the card as text


def test_the_card_is_told_line_by_line() -> None:
    assert [line.strip() for line in report.lines(CARD)] == [
        "x2_nc_mo on 2 pieces of here: never seen",
        NATS,
        "",
        f"{'model':<32}   0.500 nats per event   25.0%",
        f"{'':<32} a 0.200, b 0.300".strip(),
        f"{'table':<32}   0.500 nats per event   25.0%",
        "",
        f"{'3 composed pieces':<40} composed    real",
        f"{'notes copied in a row, median':<40}       4       6",
        f"{'notes copied in a row, longest':<40}       9       7",
        "the longest is 9 notes of y",
        f"{'distance, rhythm':<40}   0.125       ?",
        f"{'share of time, stuck':<40}   0.500   0.000",
    ]


def test_a_card_without_copies_and_one_with_faults() -> None:
    faults = {
        side: dict.fromkeys(
            ("parallel fifths", "parallel octaves", "crossings", "out of range", "leaps", "all"),
            1.5,
        )
        for side in ("composed", "real")
    }
    text = report.lines({**CARD, "originality": {}, "faults": faults})
    assert not any("copied" in line for line in text)
    assert sum("faults per 100 notes" in line for line in text) == 6
    assert text[-2] == f"  {'faults per 100 notes, all':<40}   1.500   1.500"


def test_what_people_answered_is_told() -> None:
    counts = {"real": 40, "real_right": 30, "composed": 20, "composed_right": 12}
    text = report.lines({**CARD, "listeners": counts})
    assert text[-3:] == [
        "  people told real from composed rightly in 70% of 60 answers (guessing: 50%)",
        "    took for real: 40% of 20 that were composed",
        "    took for real: 75% of 40 real ones",
    ]
    text = report.lines({**CARD, "listeners": {"composed": 1, "composed_right": 1}})
    assert text[-1] == "    took for real: 0% of 1 that were composed"


def test_a_card_is_saved_as_json(tmp_path: Path) -> None:
    report.save(CARD, tmp_path / "card.json")
    assert json.loads((tmp_path / "card.json").read_text()) == CARD


def test_repetition_is_the_mean_over_pieces() -> None:
    still = [Event((60,), Fraction(1))] * 40
    moving = [Event((60 + i,), Fraction(1)) for i in range(40)]
    assert report._degeneration([still, moving])["stuck"] == pytest.approx(0.4)
    assert report._degeneration([]) == {}
