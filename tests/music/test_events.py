"""Notes become events by what sounds, and events become notes again; events know bars and fermatas."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from music.events import (
    Bar,
    Event,
    Note,
    Piece,
    bar_starts,
    bars_of,
    duration_of,
    events_from_notes,
    fermatas_of,
    from_json,
    held_over,
    notes_from_events,
    pitch_name,
    pitch_number,
    to_json,
)

LONG = Fraction(4)


def note(onset: str, length: str, pitch: int, velocity: int = 90, voice: int = 0) -> Note:
    return Note(Fraction(onset), Fraction(length), pitch, velocity, voice)


def heard(*notes: Note) -> list[tuple[tuple[int, ...], str]]:
    return [(e.pitches, str(e.duration)) for e in events_from_notes(notes, LONG)]


# ---- notes -> events


def test_a_melody_is_one_event_a_note() -> None:
    assert heard(note("0", "1", 60), note("1", "1/2", 62)) == [((60,), "1"), ((62,), "1/2")]


def test_a_rest_is_where_nothing_sounds_at_all() -> None:
    melody = [note("0", "1", 60), note("2", "1", 62)]
    assert heard(*melody) == [((60,), "1"), ((), "1"), ((62,), "1")]
    assert ((), "1") not in heard(*melody, note("0", "3", 48))


def test_a_gap_shorter_than_a_sixteenth_is_articulation() -> None:
    assert heard(note("0", "4/5", 60), note("1", "1", 62)) == [((60,), "1"), ((62,), "1")]


def test_a_gap_of_a_sixteenth_is_a_rest() -> None:
    gap = [note("0", "3/4", 60), note("1", "1", 62)]
    assert heard(*gap) == [((60,), "3/4"), ((), "1/4"), ((62,), "1")]


def test_a_small_overlap_makes_no_chord() -> None:
    assert heard(note("0", "9/8", 60), note("1", "1", 62)) == [((60,), "1"), ((62,), "1")]


def test_an_overlap_of_a_sixteenth_is_a_chord() -> None:
    overlap = [note("0", "5/4", 60), note("1", "1", 62)]
    assert heard(*overlap) == [((60,), "1"), ((60, 62), "1/4"), ((62,), "3/4")]


def test_an_ending_moves_to_the_nearer_of_two_beginnings() -> None:
    played = [note("0", "21/20", 48), note("1", "1/5", 60), note("6/5", "1", 62)]
    assert heard(*played) == [((48,), "1"), ((60,), "1/5"), ((62,), "1")]


def test_a_note_never_ends_where_it_begins() -> None:
    assert heard(note("0", "1/8", 60), note("1", "1", 62)) == [
        ((60,), "1/8"), ((), "7/8"), ((62,), "1"),
    ]  # fmt: skip


def test_chord_notes_released_apart_make_no_slivers() -> None:
    assert heard(note("0", "19/20", 60), note("0", "1", 64)) == [((60, 64), "1")]


def test_chord_notes_released_a_sixteenth_apart_are_released_apart() -> None:
    assert heard(note("0", "3/4", 60), note("0", "1", 64)) == [((60, 64), "3/4"), ((64,), "1/4")]


def test_triplets_stay_exact() -> None:
    third = [note(f"{i}/3", "1/3", 60 + i) for i in range(3)]
    assert [d for _, d in heard(*third)] == ["1/3"] * 3


def test_long_notes_come_in_parts() -> None:
    assert heard(note("0", "9", 60)) == [((60,), "4"), ((60,), "4"), ((60,), "1")]


def test_the_first_note_begins_the_piece() -> None:
    assert heard(note("7", "1", 60)) == [((60,), "1")]


def test_no_notes_are_no_events() -> None:
    assert events_from_notes([], LONG) == ()


def test_a_chord_is_as_loud_as_its_loudest_note() -> None:
    notes = [note("0", "1", 60, 40), note("0", "1", 64, 100), note("0", "1", 67, 70)]
    assert [e.velocity for e in events_from_notes(notes, LONG)] == [100]


def test_a_pitch_in_two_parts_is_one_pitch() -> None:
    assert heard(note("0", "1", 60), note("0", "1", 60, voice=1)) == [((60,), "1")]


def test_what_follows_a_long_note_or_rest_stays_where_it_is() -> None:
    """And the long note is played as one, also after its events were stored."""
    notes = [note("0", "10", 60), note("10", "1", 62), note("20", "1", 64)]
    events = events_from_notes(notes, LONG)
    assert notes_from_events(events) == notes
    assert notes_from_events(from_json(to_json(events))) == notes
    assert duration_of(events) == 21
    assert max(e.duration for e in events) == LONG


def test_a_piece_is_recognised_however_long_its_long_notes_are() -> None:
    """As those who cut them did: models know what they have learned from."""
    long, short = (
        Piece("x", events_from_notes([note("0", d, 60), note(d, "1", 62)], LONG))
        for d in ("9", "4")
    )
    assert long.fingerprint == short.fingerprint


# ---- events -> notes


def test_a_held_voice_is_not_struck_again() -> None:
    notes = [note("0", "2", 48), note("0", "1", 60), note("1", "1", 62)]
    assert notes_from_events(events_from_notes(notes, LONG)) == sorted(
        notes, key=lambda n: (n.onset, n.pitch)
    )


def test_a_note_is_held_over_any_number_of_events() -> None:
    events = [Event((48, 60 + i), Fraction(1), 80 + i) for i in range(4)]
    bass = [n for n in notes_from_events(events) if n.pitch == 48]
    assert bass == [note("0", "4", 48, 80)]


def test_the_same_note_twice_is_struck_twice() -> None:
    twice = [Event((60,), Fraction(1)), Event((60,), Fraction(1))]
    assert [n.onset for n in notes_from_events(twice)] == [0, 1]


def test_a_rest_ends_what_sounds() -> None:
    events = [Event((60,), Fraction(1)), Event((), Fraction(1)), Event((60,), Fraction(1))]
    assert notes_from_events(events) == [note("0", "1", 60), note("2", "1", 60)]


def test_voices_hold_and_strike_each_for_itself() -> None:
    first = Event((48, 60), Fraction(1), 90, (60, -1, 60, 48), (True, False, True, True))
    then = Event((48, 60), Fraction(2), 90, (60, -1, 60, 48), (True, False, False, False))
    assert held_over(None, first) == set()
    assert held_over(first, then) == {(2, 60), (3, 48)}
    assert notes_from_events([first, then]) == [
        note("0", "3", 48, voice=3), note("0", "1", 60), note("0", "3", 60, voice=2),
        note("1", "2", 60),
    ]  # fmt: skip


def test_voices_sound_where_they_are_not_silent() -> None:
    assert Event((48, 60), Fraction(1)).sounding == [(0, 48), (0, 60)]
    assert Event((0,), Fraction(1), 90, (-1, -1, -1, 0), (True,) * 4).sounding == [(3, 0)]


def test_transposing_moves_pitches_and_voices_but_no_silence() -> None:
    event = Event((0, 60), Fraction(1), 90, (60, -1, -1, 0), (True,) * 4, Fraction(2), True)
    moved = replace(event, pitches=(2, 62), voices=(62, -1, -1, 2))
    assert event.transposed(2) == moved
    assert Piece("x", (event,), 90.0, 3).transposed(2) == Piece("x", (moved,), 90.0, 3)


# ---- pieces


@pytest.mark.parametrize(
    ("pitch", "name"), [(60, "C4"), (47, "B2"), (56, "G#3"), (0, "C-1"), (11, "B-1")]
)
def test_pitches_have_anglo_saxon_names(pitch: int, name: str) -> None:
    assert pitch_name(pitch) == name
    assert pitch_number(name) == pitch


@pytest.mark.parametrize("name", ["H4", "", "C", "4", "Bb3"])
def test_what_is_no_pitch_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"not in tuple|invalid literal"):
        pitch_number(name)


def test_copies_are_recognised_in_any_key(tunes: list[Piece]) -> None:
    assert tunes[0].fingerprint == tunes[0].transposed(5).fingerprint
    assert len({t.fingerprint for t in tunes}) == len(tunes)


def test_a_rest_at_the_beginning_does_not_hide_a_copy() -> None:
    events = (Event((), Fraction(1)), Event((60, 64), Fraction(1)))
    piece = Piece("x", events)
    assert piece.fingerprint == piece.transposed(-3).fingerprint
    longer = (events[0], replace(events[1], duration=Fraction(2)))
    assert piece.fingerprint != Piece("x", longer).fingerprint


def test_a_part_of_a_piece_has_a_name_and_all_else_of_the_piece(tunes: list[Piece]) -> None:
    part = tunes[0].part(3, 7, "some")
    assert part == Piece("some", tunes[0].events[3:7], 100.0, 43)
    assert len(part) == 4


# ---- bars and fermatas


def metred(*rows: tuple[str, str | None]) -> list[Event]:
    """Events of (duration, beat)."""
    return [
        Event((60 + i,), Fraction(d), beat=None if b is None else Fraction(b))
        for i, (d, b) in enumerate(rows)
    ]


def spans(events: list[Event]) -> list[tuple[int, str, str, str]]:
    return [(b.number, str(b.start), str(b.stop), str(b.length)) for b in bars_of(events)]


def test_music_without_a_metre_is_in_four_quarters() -> None:
    assert bar_starts(metred(("5", None))) == []
    assert spans(metred(("5", None), ("9/2", None))) == [
        (1, "0", "4", "4"), (2, "4", "8", "4"), (3, "8", "19/2", "4"),
    ]  # fmt: skip
    assert spans(metred(("8", None))) == [(1, "0", "4", "4"), (2, "4", "8", "4")]
    assert spans([]) == [(1, "0", "0", "4")]


def test_bars_begin_where_the_events_say() -> None:
    events = metred(("1", "0"), ("2", "1"), ("3", "0"), ("1", "0"))
    assert bar_starts(events) == [0, 3, 6]
    assert spans(events) == [(1, "0", "3", "3"), (2, "3", "6", "3"), (3, "6", "7", "3")]


def test_an_upbeat_is_bar_nought_and_lacks_its_beginning() -> None:
    bars = bars_of(metred(("1", "3"), ("4", "0"), ("3", "0")))
    assert [b.number for b in bars] == [0, 1, 2]
    assert bars[0] == Bar(0, Fraction(0), Fraction(1), Fraction(4))
    assert [b.missing for b in bars] == [3, 0, 0]


def test_a_bar_that_began_before_music_of_one_bar_is_no_upbeat() -> None:
    (bar,) = bars_of(metred(("1", "2")))
    assert bar == Bar(1, Fraction(0), Fraction(1), Fraction(4))
    assert bar.missing == 0


def test_a_whole_bar_nought_lacks_nothing() -> None:
    assert Bar(0, Fraction(0), Fraction(5), Fraction(4)).missing == 0
    assert Bar(1, Fraction(0), Fraction(3), Fraction(4)).missing == 0
    assert Bar(0, Fraction(0), Fraction(3), Fraction(4)).missing == 1


def test_a_last_bar_that_is_longer_is_as_long_as_it_is() -> None:
    assert spans(metred(("3", "0"), ("5", "0"))) == [(1, "0", "3", "3"), (2, "3", "8", "5")]


@pytest.mark.parametrize(
    "rows",
    [
        [("1", None), ("1", "0"), ("4", "0")],  # the metre is known later only
        [("1/2", "3"), ("1", None), ("1", "3"), ("4", "0")],  # two upbeats before 0
        [("4", "0"), ("1", "0"), ("1", None), ("1", "3"), ("4", "0")],  # a piece after a piece
        [("1", None), ("1", "3"), ("4", "0"), ("2", None)],
    ],
)
def test_bars_fill_the_time_of_the_music_whatever_it_tells(rows: list[tuple[str, str]]) -> None:
    events = metred(*rows)
    bars = bars_of(events)
    assert bars[0].start == 0
    assert bars[-1].stop == sum(e.duration for e in events)
    assert all(a.stop == b.start for a, b in pairwise(bars))
    assert all(b.length >= b.stop - b.start > 0 for b in bars)


def test_a_fermata_spans_all_events_under_it() -> None:
    def event(length: str, fermata: bool) -> Event:
        return Event((60,), Fraction(length), fermata=fermata)

    events = [
        event("1", False), event("1/2", True), event("1/2", True), event("1", False),
        event("3", True),
    ]  # fmt: skip
    assert [list(span) for span in fermatas_of(events)] == [[1, 2], [3, 6]]
    assert fermatas_of(events[:1]) == []


# ---- JSON

VOICES = (64, 60, -1, 48)
STRUCK = (True, False, True, True)
EVENTS = [
    Event((48, 60, 64), Fraction(1, 3), 77),
    Event((), Fraction(1), 90),
    Event((48, 60, 64), Fraction(1), 90, VOICES, STRUCK),
    Event((48, 60, 64), Fraction(1), 90, VOICES, STRUCK, Fraction(5, 4), True),
    Event((48, 60, 64), Fraction(1), 90, VOICES, STRUCK, Fraction(0), False),
    Event((48,), Fraction(1), 90, beat=Fraction(2)),
    Event((48,), Fraction(1), 90, fermata=True),
]


@pytest.mark.parametrize("event", EVENTS)
def test_events_come_back_from_json(event: Event) -> None:
    import json

    assert from_json(json.loads(json.dumps(to_json([event])))) == [event]


def test_json_tells_no_more_than_is_known() -> None:
    voices = [list(VOICES), list(STRUCK)]
    assert to_json(EVENTS[:4]) == [
        [[48, 60, 64], "1/3", 77],
        [[], "1", 90],
        [[48, 60, 64], "1", 90, *voices],
        [[48, 60, 64], "1", 90, *voices, "5/4", True],
    ]


def test_rows_of_old_bundles_are_events_without_a_metre() -> None:
    rows = [[[60, 64], "3/2", 80], [[60], "1", 90, [60, -1, -1, -1], [True] * 4]]
    plain, voiced = from_json(rows)
    assert plain == Event((60, 64), Fraction(3, 2), 80)
    assert voiced.voices == (60, -1, -1, -1)
    assert (voiced.beat, voiced.fermata) == (None, False)


@pytest.mark.parametrize("row", [[[60], "x", 90], [[60], "1"], [60, "1", 90], [[60], "1", None]])
def test_what_is_no_event_is_refused(row: list[object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        from_json([row])


def test_bars_before_the_metre_is_known_are_of_four_quarters() -> None:
    unknown = [Event((60,), Fraction(3))] * 3
    known = [
        Event((62,), Fraction(3), beat=Fraction(0)),
        Event((64,), Fraction(3), beat=Fraction(0)),
    ]
    bars = bars_of([*unknown, *known])
    assert [b.start for b in bars] == [0, 1, 5, 9, 12]
