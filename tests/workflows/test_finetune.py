"""A trained model learns other music as well: better at that, hardly worse at the old."""

import logging
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chorales import chorale
from conftest import home, tune

import play_bach
from config_bach import FineTuning, Paths, UserError
from families.base import Corpus
from families.events.family import EventFamily
from families.registry import family_of
from families.steps import StepSequence
from midi_io import write_midi
from music.events import Event, Piece
from storage.bundle import Bundle, load
from storage.catalog import path_of
from workflows import finetune as finetuner
from workflows import trainer
from workflows.finetune import FineTuningTask, adapted, base_of, drawn, finetune
from workflows.trainer import resumed

pytestmark = pytest.mark.slow

Trained = tuple[Bundle, Paths]
QUICK = FineTuning(slower=2, epochs=2, min_steps=8, no_scratch=True)


def march(start: int, length: int = 44) -> Piece:
    """Other music than the tunes: fourths and rests, in triplets, with a bass that they never had."""
    steps = ((0,), (5,), (10,), (), (-17, 3), (5,), (1,))
    events = [
        Event(tuple(start + s for s in steps[i % 7]), Fraction(1, 3), 60) for i in range(length)
    ]
    return Piece(f"march{start}", tuple(events), 140.0, 57)


MARCHES = tuple(march(60 + i, 40 + i) for i in range(12))
CORPUS = Corpus("marches", MARCHES, ())


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What was told."""
    log, told = logging.getLogger("play_bach"), Lines()
    level = log.level
    log.setLevel("INFO")
    log.addHandler(told)
    yield told.lines
    log.removeHandler(told)
    log.setLevel(level)


@pytest.fixture(scope="module")
def tuned(
    event_bundle: Trained, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Bundle, Paths, str]:
    """The small model of type 2, taught the marches by the command line, and what that said."""
    paths = home(tmp_path_factory.mktemp("tuned"))
    shutil.copy(path_of(event_bundle[0].name, event_bundle[1]), paths.models)
    for piece in MARCHES:
        write_midi(paths.training / f"{piece.name}.mid", piece.events, 140, 57)
    log, quick = logging.getLogger("play_bach"), FineTuning(slower=2, min_steps=20, epochs=3)
    kept = log.handlers, log.level, log.propagate
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(EventFamily, "finetuning", quick)
            play_bach.run(["-l", "1", "-f", "--app", "mine", "--from", "tunes"], paths)
    finally:
        log.handlers, log.level, log.propagate = kept
    said = re.sub(r"^.*?\] ", "", (paths.root / "log_play_bach.log").read_text(), flags=re.M)
    return load(paths.models / "mine2_nc_mo.zip"), paths, said


# what it becomes


def test_it_is_better_at_the_new_and_the_table_says_so(tuned: tuple[Bundle, Paths, str]) -> None:
    found = tuned[0].metadata["comparison"]
    assert found["unit"] == "event"
    new, old = found["new"], found["old"]
    assert new["after"] < new["before"] - 1
    assert new["change"] == pytest.approx(new["after"] - new["before"], abs=1e-4)
    assert new["interval"][0] <= new["change"] <= new["interval"][1] < 0
    assert (new["pieces"], old["pieces"]) == (3, 2)  # validation and test; those the bundle carried
    assert old["interval"] is None
    assert found["scratch"]["nll"] > 0


def test_it_is_a_model_of_its_own(tuned: tuple[Bundle, Paths, str], event_bundle: Trained) -> None:
    bundle, base = tuned[0], event_bundle[0]
    metadata = bundle.metadata
    assert (metadata["app"], bundle.name) == ("mine", "mine2_nc_mo")
    assert metadata["finetuning"]["base"] == base.name
    assert (metadata["bpm"], metadata["instrument"]) == (140, 57)
    sides = [p["side"] for p in metadata["corpus"]["pieces"]]
    assert [sides.count(s) for s in ("train", "valid", "test")] == [9, 2, 1]
    assert all(p["name"].startswith("march") for p in metadata["corpus"]["pieces"])
    assert {p["name"] for p in metadata["primes"]} <= {p.name + ".mid" for p in MARCHES}
    assert bundle.training.learning_rate == base.training.learning_rate / 2
    for old, new in zip(base.vocabulary.fields, bundle.vocabulary.fields, strict=True):
        assert new.symbols[: len(old.symbols)] == old.symbols
    assert "1/3" in bundle.vocabulary.fields[1].symbols
    kept = load(path_of(base.name, tuned[1]))
    assert kept.metadata == load(path_of(base.name, event_bundle[1])).metadata


def test_it_carries_all_that_it_learned_from(
    tuned: tuple[Bundle, Paths, str], event_bundle: Trained
) -> None:
    """So that copies of the old pieces are found as well."""
    family = family_of(2)
    names = [p.name for p in family.unpack(tuned[0].music)]
    assert sum(name.startswith("march") for name in names) == 9
    assert names[9:] == [p.name for p in family.unpack(event_bundle[0].music)]
    assert len(family.unpack(tuned[0].held_out)) == 2


def test_all_is_told(tuned: tuple[Bundle, Paths, str]) -> None:
    said = tuned[2]
    assert re.search(
        r"^starting from tunes2_nc_mo; \d+ new symbols for the new pieces$", said, re.M
    )
    assert "9 pieces of the old music are mixed in, 1.65 steps for each new one" in said
    assert re.search(r"^nats per event, lower is better +before +after +change", said, re.M)
    assert re.search(
        r"^  your held-out pieces \(3\) +\d+\.\d{3} +\d+\.\d{3} +-\d+\.\d{3} \[-.*, -.*\]$",
        said,
        re.M,
    )
    assert re.search(
        r"^  the old held-out pieces \(2\) .* \(too few pieces for an interval\)$", said, re.M
    )
    assert "mine2_nc_mo knows your music better than tunes2_nc_mo does" in said
    assert re.search(r"^  from scratch, on your pieces +\d\.\d{3}$", said, re.M)
    assert re.search("FROM SCRATCH IS BETTER|no sure difference|better than from scratch", said)


def test_it_composes_and_goes_on(tuned: tuple[Bundle, Paths, str], tmp_path: Path) -> None:
    """-l 1 -f --app mine goes on with old pieces mixed in, at the small learning rate."""
    shutil.copytree(tuned[1].root, tmp_path / "home")
    paths = Paths(tmp_path / "home")
    play_bach.run(["-pm", "--app", "mine", "--notes", "20"], paths)
    assert (paths.models / "mine2_nc_mo.mid").is_file()
    base = base_of(tuned[0], paths)
    assert base is not None
    again, parts = resumed(tuned[0], 1, Corpus("x", family_mine(tuned), ()))
    task = FineTuningTask.beside(again, parts, base)
    assert again.metadata["epochs"] == len(tuned[0].metadata["history"]) + 1
    assert len(task.old) == 9
    assert again.training.learning_rate == tuned[0].training.learning_rate
    shutil.rmtree(paths.checkpoint)
    assert base_of(tuned[0], paths) is not None  # from models/
    path_of("tunes2_nc_mo", paths).unlink()
    assert base_of(tuned[0], paths) is None


def family_mine(tuned: tuple[Bundle, Paths, str]) -> tuple[Any, ...]:
    bundle, paths, _ = tuned
    read = family_of(2).read(str(paths.training), paths, bundle.vocabulary.encoding, show=False)
    return read.pieces


# other families


def test_four_voices_learn_other_chorales(
    satb_bundle: Trained, paths: Paths, without_export: None
) -> None:
    base = satb_bundle[0]
    pieces = (replace(chorale(100 + i, bars=4).transposed(4), name=f"{i}") for i in range(8))
    settings = replace(QUICK, min_steps=4, epochs=1)
    bundle, parts = adapted("choir", base, Corpus("x", tuple(pieces), ()), settings)
    assert bundle.vocabulary == base.vocabulary
    new = finetune(bundle, parts, base, paths)
    assert new.name == "choir5_nc_mo"
    found = load(path_of(new.name, paths)).metadata["comparison"]
    assert (found["unit"], found["new"]["pieces"], found["old"]["pieces"]) == ("note", 3, 4)
    assert "scratch" not in found


def test_by_default_a_family_keeps_its_vocabulary(event_bundle: Trained) -> None:
    from toy_family import TopNotes

    assert TopNotes().adapted(event_bundle[0], MARCHES) is event_bundle[0]


# the pieces


def test_what_was_learned_from_is_never_held_out(event_bundle: Trained) -> None:
    """Also under another name and in another key."""
    base = event_bundle[0]
    family = family_of(2)
    known = [replace(p.transposed(2), name="x") for p in family.unpack(base.music)[:4]]
    held_out = [replace(p, name="y") for p in family.unpack(base.held_out)]
    corpus = Corpus("x", (*known, *held_out, *MARCHES[:4]), ())
    for seed in range(5):
        _, parts = adapted("mine", base, corpus, QUICK, seed)
        assert not {p.name for p in (*parts.valid, *parts.test)} & {"x"}
        assert {"y"} == {p.name for p in parts.valid if not p.name.startswith("march")}


def test_a_model_that_knows_all_pieces_is_refused(event_bundle: Trained, paths: Paths) -> None:
    base = event_bundle[0]
    learned = family_of(2).unpack(base.music)
    bundle, parts = adapted("mine", base, Corpus("x", tuple(learned), ()), QUICK)
    with pytest.raises(
        UserError, match=r"held out .*: tunes2_nc_mo has learned from all of these pieces"
    ):
        finetune(bundle, parts, base, paths)


def test_articles_split_means_that_all_was_learned_from(event_bundle: Trained) -> None:
    base = event_bundle[0]
    table = [{**p, "side": "test"} for p in base.metadata["corpus"]["pieces"]]
    told = {"split": "window", "corpus": {"source": "x", "pieces": table}}
    window = replace(base, music=b"", held_out=b"").with_metadata(**told)
    tunes = tuple(tune(50 + i, 50 + 3 * i) for i in range(12))
    _, parts = adapted("mine", window, Corpus("x", (*tunes, *MARCHES), ()), QUICK)
    assert all(p.name.startswith("march") for p in (*parts.valid, *parts.test))


def test_a_single_piece_is_cut_and_labelled(event_bundle: Trained) -> None:
    bundle, parts = adapted("mine", event_bundle[0], Corpus("x", (march(60, 80),), ()), QUICK)
    assert "LEAKS" in bundle.metadata["label"]
    task = FineTuningTask.beside(bundle, parts, event_bundle[0])
    assert task.has_held_out()
    assert [len(p) for p in parts.train] == [56]


def test_a_piece_too_short_is_said(event_bundle: Trained, paths: Paths) -> None:
    bundle, parts = adapted("mine", event_bundle[0], Corpus("x", (march(60, 8),), ()), QUICK)
    with pytest.raises(UserError, match="too short to hold any out for validation; add longer"):
        finetune(bundle, parts, event_bundle[0], paths)


def test_a_bundle_without_weights_is_refused(event_bundle: Trained) -> None:
    bare = replace(event_bundle[0], weights=[])
    with pytest.raises(UserError, match="tunes2_nc_mo carries no weights to start from"):
        adapted("mine", bare, CORPUS, QUICK)


def test_a_model_that_was_fine_tuned_is_not_slowed_down_again(event_bundle: Trained) -> None:
    base = event_bundle[0]
    once, parts = adapted("one", base, CORPUS, QUICK)
    family = family_of(2)
    once = replace(once, music=family.pack(parts.train), held_out=family.pack(parts.valid))
    again, _ = adapted(
        "two", once, Corpus("x", tuple(march(60 + i, 70 + i) for i in range(6)), ()), QUICK
    )
    assert again.training.learning_rate == once.training.learning_rate
    assert again.metadata["finetuning"]["base"] == "one2_nc_mo"


# what is mixed in


@pytest.fixture(scope="module")
def task(event_bundle: Trained) -> FineTuningTask:
    bundle, parts = adapted("mine", event_bundle[0], CORPUS, replace(QUICK, min_steps=30))
    return FineTuningTask.beside(bundle, parts, event_bundle[0])


def shares(task: FineTuningTask, epoch: int) -> tuple[int, int]:
    """Targets of new and of old music in an epoch: only marches have triplets."""
    triplet = task.bundle.vocabulary.fields[1].ids["1/3"]
    batches = task.batches(epoch)
    durations = np.concatenate([batches[i][1][1].ravel() for i in range(len(batches))])
    return int((durations == triplet).sum()), int((durations >= 0).sum())


@pytest.mark.parametrize("mix", [0.5, 1.65, 4.0])
def test_there_are_as_many_old_steps_as_asked(task: FineTuningTask, mix: float) -> None:
    told = {**task.bundle.metadata["finetuning"], "mix": mix}
    mixed = replace(task, bundle=task.bundle.with_metadata(finetuning=told))
    new, total = shares(mixed, 0)
    assert (total - new) / new == pytest.approx(mix, rel=0.1)
    assert len(mixed.batches(0)) >= 30


def test_without_a_mix_only_the_new_is_learned(task: FineTuningTask) -> None:
    told = {**task.bundle.metadata["finetuning"], "mix": 0.0}
    alone = replace(task, bundle=task.bundle.with_metadata(finetuning=told))
    new, total = shares(alone, 0)
    assert new == total
    assert list(alone.learned) == list(alone.parts.train)


def test_every_epoch_has_others_and_the_same_again_after_a_restart(task: FineTuningTask) -> None:
    batches = task.batches(0)
    first = batches[0][0][0]
    batches.on_epoch_end()
    second = batches[0][0][0]
    assert first.shape != second.shape or (first != second).any()
    np.testing.assert_array_equal(second, task.batches(1)[0][0][0])


def test_all_old_pieces_come_before_one_comes_twice() -> None:
    made = [
        StepSequence(str(i), np.zeros((10, 1), np.int32), np.zeros((10, 1), np.int32))
        for i in range(5)
    ]
    names = [s.name for s in drawn(made, 75, np.random.default_rng(1))]
    assert len(names) == 8
    assert len(set(names[:5])) == 5
    assert list(drawn(made, 0, np.random.default_rng(1))) == []


def test_a_model_that_carries_no_pieces_still_learns(
    event_bundle: Trained, said: list[str]
) -> None:
    base = replace(event_bundle[0], music=b"", held_out=b"")
    bundle, parts = adapted("mine", base, CORPUS, QUICK)
    task = FineTuningTask.beside(bundle, parts, base)
    finetuner._announce(task)
    assert any(
        "does not carry the pieces it was trained on: nothing keeps its style" in s for s in said
    )
    assert len(task.batches(0))
    assert set(task.scores(base)) == {"new"}


# stopped


def test_killed_in_the_first_epoch_it_goes_on(
    event_bundle: Trained, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is needed is beside the checkpoints before anything is learned."""
    base = event_bundle[0]
    bundle, parts = adapted("mine", base, CORPUS, QUICK)

    def killed(*_: Any) -> Any:
        raise SystemExit

    monkeypatch.setattr(trainer, "train_task", killed)
    with pytest.raises(SystemExit):
        finetune(bundle, parts, base, paths)
    last = load(paths.checkpoint / bundle.name / "last.zip")
    assert last.metadata["history"] == []
    again, same = resumed(last, None, CORPUS)
    assert again.metadata["epochs"] == QUICK.epochs
    assert same.table() == parts.table()
    found = base_of(again, paths)
    assert found is not None
    assert found.music == base.music


def test_ctrl_c_in_the_comparison_keeps_the_model_and_the_table(
    event_bundle: Trained, paths: Paths, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = event_bundle[0]
    bundle, parts = adapted("mine", base, CORPUS, replace(QUICK, no_scratch=False, epochs=1))

    def learned(task: FineTuningTask, *_: Any) -> Bundle:
        return task.bundle.with_metadata(history=[{"epoch": 1, "val_nll": 1.0, "seconds": 2.0}])

    def interrupted(*_: Any) -> Any:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(trainer, "train_task", learned)
    monkeypatch.setattr(finetuner, "from_scratch", interrupted)
    new = finetune(bundle, parts, base, paths)
    assert "scratch" not in new.metadata["comparison"]
    assert load(path_of(new.name, paths)).metadata["comparison"] == new.metadata["comparison"]
    assert "stopped by you: the model is saved, not all of the comparison" in said
