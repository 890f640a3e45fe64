"""Tokens to events, one token at a time."""

from fractions import Fraction

import numpy as np
import pytest
from songs import piece, random_song, song

from families.tracks.encoding import encode
from families.tracks.events import EventBuilder, events_of
from families.tracks.song import ONSET, Song, sorted_notes
from families.tracks.tokens import GRID
from music.events import bars_of, duration_of, notes_from_events
from music.sounds import program_of


def played(made: Song) -> set[tuple[int, int | None, int]]:
    events = events_of(encode(made).tolist())
    return {(int(n.onset * GRID), program_of(n.voice), n.pitch) for n in notes_from_events(events)}


@pytest.mark.parametrize("seed", range(6))
def test_every_note_sounds_when_it_should(seed: int) -> None:
    made = random_song(seed)
    assert played(made) == {(a, program, p) for a, _, program, p, _ in made.notes.tolist()}


def test_notes_last_as_long_as_they_should() -> None:
    made = song(4)
    notes = notes_from_events(events_of(encode(made).tolist()))
    told = {
        (n.onset * GRID, program_of(n.voice), n.pitch): n.duration * GRID
        for n in notes
        if program_of(n.voice)
    }
    wanted = {(a, program, p): d for a, d, program, p, _ in made.notes.tolist() if program}
    assert told == wanted


def test_events_know_bar_velocity_and_tempo() -> None:
    events = piece(0).events
    assert duration_of(events) * GRID == song(0).end
    assert all(bar.length == 4 for bar in bars_of(events)[:-1])
    assert events[0].beat == 0
    assert {s.velocity for s in events[0].sounds} == {102, 74, 90}
    assert piece(0).bpm == 90
    assert events[0].tempo == pytest.approx(120 / 90)
    assert events[-1].tempo == 1


def test_no_event_goes_over_a_bar_line() -> None:
    for event in piece(0).events:
        assert event.beat is not None
        assert event.beat + event.duration <= 4


def test_an_upbeat_begins_with_its_first_note() -> None:
    rows, _ = sorted_notes(np.array([(72, 24, 1, 60, 22), (96, 96, 1, 62, 22)]))
    events = events_of(encode(Song("x", rows, upbeat=True)).tolist())
    assert [(e.beat, e.duration) for e in events] == [
        (Fraction(3), Fraction(1)),
        (Fraction(0), Fraction(4)),
    ]
    whole = events_of(encode(Song("x", rows)).tolist())
    assert whole[0].sounds == ()
    assert whole[0].duration == 3


def test_it_gives_the_same_events_from_a_copy() -> None:
    tokens = piece(1).tokens.tolist()
    builder = EventBuilder()
    for token in tokens[:60]:
        builder.feed(token)
    twin = builder.copy()
    a, b = ([e for t in tokens[60:] for e in x.feed(t)] for x in (builder, twin))
    assert a == b
    assert len(a) > 10


def test_any_tokens_make_events() -> None:
    """What nobody would write raises nothing, and time never runs back."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        events = events_of(rng.integers(0, 872, 200).tolist())
        assert all(e.duration > 0 for e in events)


def test_the_music_begins_where_the_file_does() -> None:
    made = song(0)
    made.notes[:, ONSET] += 30
    assert min(t for t, _, _ in played(made)) == 30
