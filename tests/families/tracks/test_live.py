"""Instruments and percussion heard while they are played, and gone on with."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from predictors import Fixed
from songs import BASS, PIANO, any_music, model_of, song

from config_bach import Composing
from families.live import Place, Surprise
from families.tracks.encoding import encode
from families.tracks.live import HEARD, MOST_NOTES, TrackLive, metre_of
from families.tracks.song import Song
from families.tracks.tokens import GRID, KINDS, METRES, Kind, symbol, token
from music.events import Event, to_json
from music.sounds import DRUMS, Sound

POINTS = [int(g * GRID) for g in HEARD]
Note = tuple[int, int, int, int]  # onset and end in parts of a quarter, program, pitch


def live(predictor: Fixed | None = None, dynamics: bool = False, **settings: Any) -> TrackLive:
    """Bass, piano and drums; `given` holds the tokens that it was told or chose."""
    model = model_of(predictor or anything())
    loud = [Event.of([Sound(PIANO, 60, 90 - 20 * dynamics * i)], Fraction(1)) for i in range(2)]
    known = {
        "instrumentations": [[DRUMS, PIANO, BASS]] * 2,
        "primes": [{"name": "x", "events": to_json(loud)}],
    }
    bundle = replace(model.bundle, metadata={**model.bundle.metadata, **known})
    return TrackLive(
        replace(model, bundle=bundle), Composing(**{"seed": 3, "top_p": 1, **settings})
    )


def anything(**changed: float) -> Fixed:
    """A network that finds bass, piano and drums as likely."""
    predictor = any_music(**{"PROGRAM": 600, "HOLD": 2, **changed})
    predictor.heads[0][token(Kind.PROGRAM)] /= 30
    return predictor


def given(composer: TrackLive) -> list[str]:
    """All tokens that count."""
    tokens: list[int] = composer._sampler.features[0]._match._tokens
    return [symbol(one) for one in tokens]


def hear(
    composer: TrackLive, notes: Sequence[Note], until: int, bar: int = 4, first: int = 0
) -> list[Surprise]:
    """Notes on the grid, step after step, up to a quarter."""
    times = [GRID * quarter + p for quarter in range(first, until) for p in POINTS]
    heard = []
    for start, stop in pairwise([*times, GRID * until]):
        sounds = [
            Sound(program, pitch, 90, onset == start)
            for onset, end, program, pitch in notes
            if onset == start or (program != DRUMS and onset < start < end)
        ]
        place = Place(Fraction(start, GRID), Fraction(bar))
        heard.append(composer.hear(Event.of(sounds, Fraction(stop - start, GRID)), place))
    return heard


def played(composer: TrackLive, start: int, quarters: int) -> list[tuple[Fraction, Event]]:
    time, events = Fraction(start), []
    while time < start + quarters:
        event, _ = composer.next(Place(time))
        assert event.duration > 0
        events.append((time, event))
        time += event.duration
    return events


def notes_of(made: Song) -> list[Note]:
    return [(int(n[0]), int(n[0] + n[1]), int(n[2]), int(n[3])) for n in made.notes]


def test_what_is_heard_becomes_the_tokens_that_training_would_make_of_it() -> None:
    whole = song(0, 3)
    plain = whole.notes[:-1].copy()  # the last chord is longer than anybody waits
    plain[:, 4] = 22  # as loud as what was not said
    made = replace(whole, notes=plain, tempi=whole.tempi[:0])
    composer = live()
    heard = hear(composer, notes_of(made), 12)
    total = sum(heard, Surprise()) + composer.settle()
    wanted = [symbol(one) for one in encode(made)[:-1]]
    assert given(composer) == wanted
    assert total.notes == len(plain)
    assert total.nats > 0


def test_little_is_left_to_be_told_when_a_call_ends() -> None:
    """Under a note that is held for long everything else is told in time."""
    notes = [(0, 96, PIANO, 40), *((n, n + 6, PIANO, 60 + n // 6) for n in range(0, 96, 6))]
    composer = live()
    hear(composer, notes, 4)
    before = len(given(composer))
    composer.settle()
    assert len(given(composer)) - before <= 3, "position, pitch and duration of the last one"
    assert "hold 96/24" not in given(composer)
    assert given(composer).count("duration 48/24") == 1, "twice as long as it was waited for"


def test_an_instrument_that_it_does_not_know_is_heard_as_its_usual_one() -> None:
    composer = live()
    assert composer.percussion, "so strokes are a call"
    hear(composer, [(0, 24, 74, 72), (24, 48, BASS, 40), (48, 48, DRUMS, 38)], 4)
    composer.settle()
    programs = [text for text in given(composer) if text.startswith("program")]
    assert programs == ["program 1", "program 34", "program 0"]
    composer._known.pop(DRUMS)
    hear(composer, [(96, 96, DRUMS, 36)], 6, first=4)
    composer.settle()
    assert "drum 36" not in given(composer)


def test_how_loud_it_is_counts_only_where_that_was_learned() -> None:
    for dynamics in (False, True):
        composer = live(dynamics=dynamics)
        composer.hear(Event.of([Sound(1, 60, 33)], Fraction(1, 4)), Place(Fraction(0)))
        composer.settle()
        assert ("velocity 34" in given(composer)) is dynamics


def test_bars_have_their_metre_and_long_silence_is_short() -> None:
    composer = live()
    hear(composer, [(0, 24, PIANO, 60)], 3, bar=3)
    composer.hear(Event.of([Sound(PIANO, 62)], Fraction(1, 4)), Place(Fraction(304), Fraction(3)))
    composer.settle()
    assert given(composer)[:4] == ["begin", "bar", "metre 3/4", "position 0/24"]
    assert given(composer).count("bar") == 1 + 3
    assert given(composer).count("metre 3/4") == 1
    assert given(composer)[-3] == "position 24/24"  # the second quarter of its bar
    assert [METRES[metre_of(Fraction(n))] for n in (1, 7, 8, 9, 11, 12)] == [
        (1, 4), (7, 4), (8, 4), (3, 4), (1, 4), (6, 4),
    ]  # fmt: skip
    assert METRES[metre_of(Fraction(7, 2))] == (4, 4)


def test_it_begins_at_once_and_plays_without_a_gap_in_one_metre_and_tempo() -> None:
    composer = live(anything(METRE=3, TEMPO=3, END=3, UPBEAT=3))
    hear(composer, [(0, 24, PIANO, 60)], 1)
    before = len(given(composer))
    events = played(composer, 2, 40)
    assert any(s.struck for s in events[0][1].sounds), "on the beat"
    kinds = {text.split()[0] for text in given(composer)[before:]}
    assert kinds == {"bar", "position", "program", "velocity", "pitch", "drum", "hold", "duration"}
    for time, event in events:
        assert event.beat == time % 4
        assert (time * GRID).denominator == 1
        assert time // 4 == (time + event.duration - Fraction(1, GRID)) // 4, "bars end events"
        assert sum(s.struck for s in event.sounds) <= MOST_NOTES
        assert {s.program for s in event.sounds} <= {DRUMS, PIANO, BASS}
        assert all(s.struck for s in event.sounds if s.drum)
    assert {s.program for _, e in events for s in e.sounds} == {DRUMS, PIANO, BASS}


def test_notes_last_as_long_as_their_tokens_say() -> None:
    composer = live(anything(HOLD=0.001))
    lengths: list[int] = []
    sounding: dict[tuple[int, int], Fraction] = {}
    for time, event in played(composer, 0, 60):
        now = {(s.program, s.pitch): s.struck for s in event.sounds if not s.drum}
        ended = {key for key in sounding if key not in now}
        lengths += [int((time - sounding.pop(key)) * GRID) for key in ended]
        sounding |= {key: time for key, struck in now.items() if struck}
        assert set(now) == set(sounding)
    told = [t.split()[1].split("/")[0] for t in given(composer) if t.startswith("duration")]
    assert len(lengths) > 10
    assert set(lengths) <= set(map(int, told))


def test_what_was_to_come_is_forgotten_when_somebody_plays() -> None:
    composer = live()
    played(composer, 0, 3)
    coming = composer._coming
    assert coming is not None
    count = len(given(composer))
    hear(composer, [(72, 84, PIANO, 60)], 4, first=3)
    composer.settle()
    assert composer._coming is None
    new = given(composer)[count:]
    assert [t for t in new if t != "bar"][:1] == ["position 72/24"]
    event, _ = composer.next(Place(Fraction(4)))
    assert not any(not s.struck for s in event.sounds), "its notes of before have ended"


def test_who_plays_at_the_moment_at_which_it_played_is_heard_at_that_moment() -> None:
    composer = live()
    played(composer, 0, 3)
    moment = composer._moment
    count = len(given(composer))
    stop = Fraction(moment + 6, GRID)
    event = Event.of([Sound(PIANO, 60)], Fraction(6, GRID))
    composer.hear(event, Place(Fraction(moment, GRID)))
    composer.hear(Event.of([], Fraction(6, GRID)), Place(stop))
    new = given(composer)[count:]
    assert [t for t in new if t.startswith(("position", "bar"))] == []
    assert new[-2:] == ["pitch 60", "duration 6/24"]


def test_a_machine_that_slept_goes_on_where_the_music_is() -> None:
    composer = live()
    played(composer, 0, 3)
    events = played(composer, 101, 3)
    assert any(s.struck for s in events[0][1].sounds)
    position = [t for t in given(composer) if t == "position 24/24"]
    assert position, "the second quarter of its bar"


def test_its_surprise_is_that_of_the_notes_that_begin() -> None:
    composer = live()
    total, notes = Surprise(), 0
    time = Fraction(0)
    while time < 24:
        event, surprise = composer.next(Place(time))
        total += surprise
        notes += sum(s.struck for s in event.sounds)
        time += event.duration
    assert total.notes >= notes > 10  # the same pitch twice at a moment is one
    assert np.isfinite(total.nats)
    assert total.nats > 0


def test_a_copy_shares_nothing() -> None:
    composer = live()
    hear(composer, [(12, 48, PIANO, 60)], 1)
    twin = composer.copy()
    twin.settle()
    assert composer._waiting[0].end is None
    first = played(twin, 2, 8)
    assert played(composer, 2, 8) == first
    assert len(composer.copy()._ends) == len(composer._ends)


def test_what_only_repeats_itself_is_left() -> None:
    p = np.full(len(KINDS), 1e-7)
    for one in (token(Kind.PROGRAM, PIANO), token(Kind.PITCH, 60), token(Kind.DURATION, 23)):
        p[one] = 1
    for position in range(0, 96, 24):
        p[token(Kind.POSITION, position)] = 0.1
    p[token(Kind.BAR)] = 0.05
    composer = live(Fixed(p / p.sum()), temperature=0.0)
    others = [t for t, e in played(composer, 0, 40) if any(s.pitch != 60 for s in e.sounds)]
    assert others[0] == 16, "the fifth bar differs from four that are the same"


@pytest.mark.parametrize("scale", ["C E G", "D minor"])
def test_only_notes_of_the_scale(scale: str) -> None:
    from music.scales import scale_of

    composer = live(scale=scale)
    pitches = {s.pitch % 12 for _, e in played(composer, 0, 16) for s in e.sounds if not s.drum}
    assert pitches <= scale_of(scale)
