"""Every file is accounted for, one bad one stops nothing, and nothing is read twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import mido
import pytest
from conftest import ROOT
from test_midi_io import BAD_FILES

from config_bach import Encoding, Paths, Reading, UserError
from families import corpus
from families.base import CorpusRow
from families.corpus import Entry
from families.registry import family_of
from midi_io import ALL, Refused, Score, write_midi
from music.events import Event, Note, Piece
from music.scores import DRUMS, PARTS, REPEATED, TIMES

EVENTS = [Event((60,), Fraction(1)), Event((62,), Fraction(1))]


def read(paths: Paths) -> list[Entry]:
    return corpus.read_entries(str(paths.training), paths, show=False)


# ---- finding


def test_folder_glob_and_file_are_sources(write_tunes: Callable[[], Paths]) -> None:
    paths = write_tunes()
    (paths.training / "README.md").write_text("not a score")
    (paths.training / ".hidden.mid").write_text("not for us")
    below = paths.training / "below"
    below.mkdir()
    (below / "UPPER.MID").write_bytes(b"")
    (paths.training / "folder.mid").mkdir()
    found = corpus.find(str(paths.training))
    assert found == sorted(found)
    assert len(found) == 13
    assert below / "UPPER.MID" in found
    assert len(corpus.find(f"{paths.training}/tune5[0-4].mid")) == 5
    assert len(corpus.find(f"{paths.training}/**/*.MID")) == 1
    assert len(corpus.find(f"{paths.training}/tune50.mid")) == 1


def test_a_home_folder_is_a_source(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(paths.root))
    (paths.training / "a.mid").touch()
    assert corpus.find("~/training") == [paths.training / "a.mid"]


def test_music21_carries_corpora() -> None:
    chorales = corpus.find("music21:chorales")
    assert len(chorales) > 340
    assert set(chorales) < set(corpus.find("music21:bach"))
    assert {p.suffix for p in corpus.find("music21:monteverdi")} == {".mxl"}, "no analyses (.rntxt)"
    for nobody in ("music21:nobody", "music21:"):
        with pytest.raises(UserError, match=r"music21 has no corpus .*music21:palestrina"):
            corpus.find(nobody)


def test_an_empty_training_folder_means_the_chorales(
    write_tunes: Callable[[], Paths], paths: Paths
) -> None:
    assert corpus.default_source(paths) == "music21:chorales"
    write_tunes()
    assert corpus.default_source(paths) == str(paths.training)


def test_an_empty_corpus_is_one_sentence(paths: Paths) -> None:
    with pytest.raises(UserError, match=r"has no scores: put \.mid, .* or train with --corpus"):
        read(paths)
    (paths.training / "a.mid").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.mid: empty file"):
        family_of(1).read(str(paths.training), paths, Encoding(), show=False)


def test_a_single_file_is_read_or_said_to_be_missing(paths: Paths) -> None:
    odd = paths.training / "odd [1].mid"
    write_midi(odd, EVENTS, 100, 43)
    entry = corpus.read_entry(odd, paths)
    assert [n.pitch for n in entry.scores[0].notes] == [60, 62]
    with pytest.raises(UserError, match=r"there is no file nowhere\.mid; check its name"):
        corpus.read_entry(Path("nowhere.mid"), paths)


# ---- reading


def test_good_and_bad_files_are_all_in_the_table(write_tunes: Callable[[], Paths]) -> None:
    paths = write_tunes()
    for name, content in BAD_FILES.items():
        (paths.training / name).write_bytes(content)
    found = family_of(1).read(str(paths.training), paths, Encoding(), show=False)
    assert len(found.pieces) == 12
    assert {row.name for row in found.rows if row.refused} == set(BAD_FILES)
    text = "\n".join(corpus.table(found.rows, len(found.pieces)))
    assert all(name in text for name in BAD_FILES)
    assert "drums.mid                    refused: only drums" in text
    assert f"tune50.mid                   {len(found.pieces[0]):6d} events" in text
    assert "12 of 23 files accepted: 12 pieces" in text
    entries = read(paths)
    assert [e.path for e in entries] == sorted(e.path for e in entries)
    assert {e.path.name: e.refused for e in entries if e.refused}["empty.mid"] == "empty file"


def test_a_long_table_is_short_and_still_adds_up() -> None:
    accepted = [CorpusRow(f"{i}.mid", i) for i in range(1, 101)]
    refused = [CorpusRow("x.mid", 0, "odd"), CorpusRow("y.mid", 0, "odd")]
    lines = corpus.table([*accepted, *refused], 105)
    assert len(lines) == 12 + 2 + 1 + 1
    total = sum(range(13, 101))
    assert lines[12] == f"  and 88 more files {total:16d} events"
    assert lines[13:15] == [str(row) for row in refused]
    assert lines[-1] == "  100 of 102 files accepted: 105 pieces, 5050 events"


def test_a_table_that_is_not_long_shows_all_and_sums_what_it_can() -> None:
    for count, shown in ((40, 40), (41, 12)):
        lines = corpus.table([CorpusRow(f"{i}.mid", 1) for i in range(count)], count)
        assert sum("mid" in line for line in lines) == shown
    assert corpus.table([CorpusRow("a.mid", 3)], 1, most=0)[0] == str(CorpusRow("a.mid", 3))


def test_a_reader_that_dies_costs_only_what_it_had_not_read(
    write_tunes: Callable[[], Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_tunes()

    class Dying:
        """A pool whose workers die after one file."""

        def __init__(self, workers: int, initializer: object) -> None: ...

        def __enter__(self) -> Dying:
            return self

        def __exit__(self, *error: object) -> None: ...

        def submit(self, work: Callable[[Path], Entry], path: Path) -> Callable[[], Entry]:
            return lambda: work(path)

        def shutdown(self, **how: object) -> None: ...

    def as_completed(jobs: list[Callable[[], Entry]]) -> object:
        class Done:
            def result(self) -> Entry:
                return jobs[0]()

        yield Done()
        raise BrokenProcessPool

    with monkeypatch.context() as patched:
        patched.setattr(os, "cpu_count", lambda: 2)
        patched.setattr(corpus, "ProcessPoolExecutor", Dying)
        patched.setattr(corpus, "as_completed", as_completed)
        entries = read(paths)
    refused = [e for e in entries if e.refused]
    assert len(entries) == 12
    assert len(refused) == 11
    assert {e.refused for e in refused} == {"reading it ended the reader"}
    assert not any(e.refused for e in read(paths))  # which is not remembered


def test_files_are_read_alike_on_one_core_and_on_many(
    write_tunes: Callable[[], Paths], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    paths = write_tunes()
    many = read(paths)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    other = Paths(tmp_path / "other")
    assert corpus.read_entries(str(paths.training), other, show=False) == many


# ---- what is not kept


def song(path: Path) -> Path:
    """A file with two parts, one of which holds a note for 40 quarters, and a drum."""
    midi = mido.MidiFile(type=1, ticks_per_beat=4)
    for channel, rows in {0: [(60, 4)] * 40, 1: [(48, 160)], 9: [(38, 1)] * 7}.items():
        track = mido.MidiTrack([mido.MetaMessage("track_name", name=f"part {channel}")])
        for pitch, length in rows:
            how = {"channel": channel, "note": pitch}
            track += [mido.Message("note_on", **how), mido.Message("note_off", time=length, **how)]
        midi.tracks.append(track)
    midi.save(path)
    return path


def test_the_table_says_what_is_not_kept_of_each_file_and_in_all(paths: Paths) -> None:
    for name in ("a", "b"):
        song(paths.training / f"{name}.mid")
    (paths.training / "b.mid").write_bytes((paths.training / "a.mid").read_bytes() + b" ")
    write_midi(paths.training / "c.mid", EVENTS, 100, 43)
    (paths.training / "empty.mid").touch()
    found = family_of(1).read(str(paths.training), paths, Encoding(), show=False)
    lost = "not kept: 7 drum notes, 2 separate parts"
    assert [str(row).split("events, ")[-1] for row in found.rows[:2]] == [lost, lost]
    assert str(found.rows[2]).endswith("2 events")
    lines = corpus.table(found.rows, len(found.pieces))
    assert lines[-2].startswith("  3 of 4 files accepted")
    assert lines[-1] == "  not kept in all: 14 drum notes, 4 separate parts"
    assert not any("not kept in all" in line for line in corpus.table(found.rows[2:], 1))


def test_what_a_family_keeps_is_not_said() -> None:
    scores = [Score("x", (), holds={PARTS: 4, DRUMS: 2}), Score("y", (), holds={DRUMS: 1})]
    assert corpus.not_kept(scores, ()) == {PARTS: 4, DRUMS: 3}
    assert corpus.not_kept(scores, {PARTS}, **{TIMES: 0, REPEATED: 5}) == {DRUMS: 3, REPEATED: 5}


def test_a_part_of_each_file_is_read(paths: Paths) -> None:
    song(paths.training / "a.mid")
    write_midi(paths.training / "c.mid", EVENTS, 100, 43)
    family, source = family_of(1), str(paths.training)
    found = family.read(source, paths, Encoding(part="part 1"), show=False)
    assert {e.pitches for e in found.pieces[0].events} == {(48,)}
    assert found.rows[1].refused == "no part is called 'part 1', only 1 Cello"
    (whole, _) = family.read(source, paths, Encoding(), show=False).pieces
    assert {e.pitches for e in whole.events} == {(48, 60)}
    with pytest.raises(UserError, match="no part is called 'solo', only 1 part 0, 2 part 1"):
        family.read(source, paths, Encoding(part="solo"), show=False)


def test_a_part_of_a_score_is_taken_or_the_parts_are_named(paths: Paths) -> None:
    path = song(paths.root / "a.mid")
    assert len(corpus.read_part(path, paths, Reading(part="2")).notes) == 1
    with pytest.raises(
        UserError, match=r"a\.mid cannot be read: there is no part 3, only 1 part 0"
    ):
        corpus.read_part(path, paths, Reading(part="3"))


# ---- the cache


def cached(paths: Paths) -> list[Path]:
    return sorted(p for p in paths.cache.rglob("*") if p.is_file())


def unreadable(path: Path, reading: Reading) -> list[Score]:
    raise Refused("read again")


def test_a_file_that_was_read_is_not_read_again(
    write_tunes: Callable[[], Paths], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_tunes()
    (paths.training / "empty.mid").touch()
    first = read(paths)
    monkeypatch.setattr(corpus, "read_scores", unreadable)
    assert read(paths) == first
    assert len(cached(paths)) == 13
    monkeypatch.setattr(corpus, "READER", corpus.READER + 1)
    assert {e.refused for e in read(paths)} == {"read again"}


def test_everything_that_was_read_is_kept(paths: Paths) -> None:
    path = paths.training / "x.musicxml"
    path.touch()
    note = Note(Fraction(1, 3), Fraction(5, 4), 60, 77, 2)
    bars, fermatas = (Fraction(-3), Fraction(1)), ((Fraction(1, 2), Fraction(3, 2)),)
    scores = (
        Score("x.musicxml#1", (note,), 88.5, 43, bars, fermatas),
        Score("x.musicxml#2", (note, replace(note, pitch=62)), holds={"grace note": 3}),
    )
    corpus._to_cache(Entry(path, scores), ALL, paths.cache)
    assert corpus._from_cache(path, ALL, paths.cache) == Entry(path, scores)
    renamed = path.rename(paths.training / "y.musicxml")
    entry = corpus._from_cache(renamed, ALL, paths.cache)
    assert entry is not None
    assert [s.name for s in entry.scores] == ["y.musicxml#1", "y.musicxml#2"]


def test_another_reading_is_another_entry(paths: Paths) -> None:
    path = paths.root / "x.abc"
    path.write_text("X:1\nM:4/4\nL:1/4\nK:C\n|:CDEF|GABc:|CDEF|GABc|\n")
    played, written = Reading(), Reading(unfold=False)
    counts = []
    for reading in (played, written, played, written):
        (score,) = corpus.read_entry(path, paths, reading).scores
        counts.append((len(score.notes), score.holds.get("repeat", 0)))
    assert counts == [(24, 0), (16, 1)] * 2
    assert len(cached(paths)) == 2


def test_a_changed_file_is_read_again(write_tunes: Callable[[], Paths], tunes: list[Piece]) -> None:
    paths = write_tunes()
    before = read(paths)
    write_midi(paths.training / "tune50.mid", tunes[0].transposed(1).events, 100, 1)
    after = read(paths)
    differ = [a.path.name for a, b in zip(before, after, strict=True) if a != b]
    assert differ == ["tune50.mid"]


def test_the_same_bytes_under_another_ending_are_another_file(paths: Paths) -> None:
    score, other = paths.training / "a.mid", paths.training / "a.xml"
    write_midi(score, EVENTS, 100, 1)
    other.write_bytes(score.read_bytes())
    assert [bool(e.refused) for e in read(paths)] == [False, True]
    assert len(cached(paths)) == 2
    (paths.training / "b.MID").write_bytes(score.read_bytes())
    assert [bool(e.refused) for e in read(paths)] == [False, True, False]
    assert len(cached(paths)) == 2  # upper or lower case is the same


def test_the_cache_is_json_and_damage_to_it_is_harmless(write_tunes: Callable[[], Paths]) -> None:
    paths = write_tunes()
    first = read(paths)
    kept = cached(paths)
    assert {p.suffix for p in kept} == {".json"}
    damage = ['{"scores": [{"notes": [[1', "[]", "7", '{"scores": 7}', "{}", '{"scores": [3]}']
    for path, text in zip(kept, damage * 2, strict=True):
        path.write_text(text)
    assert read(paths) == first
    assert all(len(json.loads(p.read_text())["scores"]) == 1 for p in cached(paths))


def test_a_cache_that_cannot_be_written_is_harmless(write_tunes: Callable[[], Paths]) -> None:
    paths = write_tunes()
    paths.cache.write_text("a file where the folder should be")
    assert len(read(paths)) == 12


def test_a_file_that_cannot_be_opened_is_refused_and_not_remembered(paths: Paths) -> None:
    write_midi(paths.training / "a.mid", EVENTS, 100, 1)
    os.symlink("nowhere", paths.training / "b.mid")
    files = [paths.training / "a.mid", paths.training / "b.mid"]
    found = corpus._entries(files, paths.cache, False, ALL)
    assert [e.refused for e in found] == ["", "cannot be opened: No such file or directory"]
    assert len(cached(paths)) == 1


SLOW_READER = """
import sys, time
from pathlib import Path
from families import corpus

def slow(path, reading):
    print("reading", flush=True)
    time.sleep(60)

corpus._read_one = slow
list(corpus._read_all([Path("a"), Path("b")], corpus.ALL))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a killed process leaves its pipe there")
def test_readers_end_with_the_process_that_was_killed() -> None:
    """They hold its locks, and its standard output."""
    parent = subprocess.Popen(
        [sys.executable, "-c", SLOW_READER], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline().startswith("reading")
    parent.kill()
    parent.communicate(timeout=10)  # until nobody has its standard output any more
