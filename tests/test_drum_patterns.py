"""bench/drum_patterns.py: patterns as MIDI files, no title on two sides."""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from families.drums.kit import KIND_OF
from families.drums.reading import read_drums

sys.path.insert(0, str(ROOT / "bench"))
import drum_patterns

PATTERNS = ROOT.parent / "shared" / "data" / "drums" / "patterns.json"


def pattern(title: str, kick: str, measure: str | None = None, **others: Any) -> dict[str, Any]:
    return {
        "title": title,
        "measure": measure,
        "style": "Rock",
        "break": "Break" in title,
        "signature": "4/4",
        "steps": len(kick),
        "tracks": {"36": kick},
        **others,
    }


ROCK = [
    pattern("Rock1", "x---x---x---x---", "A"),
    pattern("Rock1", "x---x---x---xx--", "B"),
    pattern("Rock1Break", "xxxx----xxxx----"),
    pattern("Rock2", "x-x-x-x-x-x-x-x-"),
    pattern("Rock3Break", "--------xxxxxxxx"),
    pattern("Rock4", "x---x---x---x---"),  # that of Rock1
]


def test_measures_take_turns_and_a_break_ends_four_bars() -> None:
    one, two = drum_patterns.songs_of(ROCK)
    assert [b["tracks"]["36"] for b in one.bars] == 2 * [
        ROCK[i]["tracks"]["36"] for i in (0, 1, 0, 2)
    ]
    assert two.name == "Rock2, break of Rock3"
    assert [b["title"] for b in two.bars] == 2 * [*["Rock2"] * 3, "Rock3Break"]


def test_a_song_is_read_as_it_was_written(tmp_path: Path) -> None:
    song = drum_patterns.songs_of(
        [
            pattern("Swing", "x-fx--x--x--", accent="x-----------"),
            pattern("SwingBreak", "xxxxxxxxxxxx"),
        ]
    )[0]
    drum_patterns.write(song, tmp_path / "x.mid")
    reading = read_drums(tmp_path / "x.mid")
    events = reading.piece.events
    assert [e.beat for e in events[:5]] == [Fraction(i, 3) for i in (0, 2, 3, 6, 9)]
    assert [e.sounds[0].velocity for e in events[:5]] == [120, 92, 92, 92, 92]
    assert sum(e.duration for e in events) == 32
    assert reading.merged == 6  # grace notes of the flams


def test_a_bar_in_three_quarters_has_sixteenths(tmp_path: Path) -> None:
    waltz = pattern("Waltz", "x---x---x--x", signature="3/4")
    drum_patterns.write(drum_patterns.songs_of([waltz])[0], tmp_path / "x.mid")
    events = read_drums(tmp_path / "x.mid").piece.events
    assert [e.beat for e in events[:4]] == [0, 1, 2, Fraction(11, 4)]
    assert sum(e.duration for e in events) == 24


@pytest.mark.skipif(not PATTERNS.exists(), reason="the data for tests are not here")
def test_no_title_and_no_bar_is_in_two_songs() -> None:
    import json

    patterns = json.loads(PATTERNS.read_text("utf-8"))["patterns"]
    songs = drum_patterns.songs_of(patterns)
    titles = [{b["title"] for b in song.bars} for song in songs]
    bars = [{str(drum_patterns.strokes(b)) for b in song.bars} for song in songs]
    assert len(songs) > 150
    for sets in (titles, bars):
        assert sum(map(len, sets)) == len(set.union(*sets))
    notes = {int(note) for p in patterns for note in p["tracks"]}
    assert notes <= set(KIND_OF)
