"""Everybody has a MIDI channel of their own; percussion is the tenth, and is heard by who knows it."""

from fractions import Fraction
from typing import Any

import pytest
from duets import Band, Desk, Parrot, notes
from mido import Message

from duet.parts import Part
from duet.players import Person
from duet.routing import Routing, channel_of, channels_of
from duet.successor import Ensemble
from families.drums.encoding import QUARTER
from music.sounds import DRUMS


def people(*programs: int) -> list[Any]:
    return [Person(f"p{i}", Part(f"p{i}", program)) for i, program in enumerate(programs)]


@pytest.mark.parametrize(
    ("first", "person", "programs", "found"),
    [
        (1, 0, (1, 1, 1), [0, 1, 2]),
        (1, 0, (1, DRUMS, 1), [0, 9, 2]),  # percussion has the tenth, and moves nobody
        (9, 0, (1, 1, 1), [8, 10, 11]),  # the tenth is left out
        (15, 0, (1, 1, 1), [14, 15, 0]),
        (10, 0, (1, 1, 1), [0, 1, 2]),
        (1, 5, (1, 1, 1), [0, 1, 4]),
        (1, 1, (1, 1, DRUMS), [0, 1, 9]),
    ],
)
def test_each_has_a_channel(first: int, person: int, programs: Any, found: list[int]) -> None:
    *models, last = people(*programs)
    assert channels_of(models, [last], first, person) == found


def test_the_tenth_is_nobody_s_but_percussion_s() -> None:
    assert 9 not in {channel_of(n, first, False) for n in range(15) for first in range(1, 17)}


def test_players_get_channels_and_keep_them_until_they_are_changed() -> None:
    desk = Desk(Parrot(Fraction(8)), Parrot(), people=("me", "you"), order="pmpm", answer=8)
    session = desk.session
    assert [m.performer.channel for m in session.models] == [0, 1]
    assert [p.channel for p in session.people] == [2, 3]
    desk.run(6.5, notes((0.0, 60, 1.0), (1.0, 62, 2.0)), "me")
    assert {channel for channel, _ in desk.output.sounding} == {0}
    session.control("channel", 5, 6.5)
    assert desk.output.sounding == set(), "notes end on the channel that they began on"
    session.control("person_channel", 13, 6.5)
    desk.run(7.5)
    assert [m.performer.channel for m in session.models] == [4, 5]
    assert [p.channel for p in session.people] == [12, 13]


def on(channel: int, note: int = 60) -> Message:
    return Message("note_on", channel=channel, note=note, velocity=70)


def off(channel: int, note: int = 60) -> Message:
    return Message("note_off", channel=channel, note=note)


def test_what_people_play_goes_to_their_channel_and_pads_to_the_tenth() -> None:
    routing = Routing()
    assert routing.routed(on(0), "pad", 3).channel == 3
    assert routing.routed(on(5, 61), "pad", 3).channel == 3
    assert routing.routed(on(9), "pad", 3).channel == 9
    assert routing.routed(on(0), "pad", 9).channel == 9, "a drummer"
    assert routing.routed(Message("pitchwheel", channel=1), "pad", 3).channel == 3


def test_a_note_and_a_pedal_end_where_they_began_though_the_channel_was_changed() -> None:
    routing = Routing()
    down, up = (Message("control_change", control=64, value=v) for v in (127, 0))
    for message in (on(0), down):
        assert routing.routed(message, "pad", 3).channel == 3
    for message in (off(0), Message("note_on", note=60, velocity=0), up):
        assert routing.routed(message, "pad", 4).channel == 3
    assert routing.routed(off(0), "other", 4).channel == 4
    assert routing.routed(on(0), "pad", 4).channel == 4
    routing.forget("pad")
    assert routing.routed(off(0), "pad", 5).channel == 5


# ---- pads


def pads(*played: tuple[float, int, float]) -> list[tuple[float, Message]]:
    return [(beat, m.copy(channel=9)) for beat, m in notes(*played)]


class Drummer(Parrot):
    grid = QUARTER
    percussion = True


def drumming(desk: Desk) -> Desk:
    desk.session.models[0].part.become(0.0, DRUMS)
    return desk


def test_a_pitched_model_does_not_hear_pads_as_pitches_nor_as_a_call() -> None:
    parrot = Parrot()
    desk = Desk(parrot)
    desk.run(8, pads((0.0, 36, 0.3), (1.0, 38, 1.2)))
    assert desk.begun() == []
    assert desk.session.marks == []
    desk.run(14, [*notes((8.0, 60, 9.0)), *pads((8.0, 60, 8.2), (9.5, 38, 20.0))])
    assert [b for b, _ in desk.begun()] == [10.0], "the rest after the melody ends the call"
    me = desk.session.people[0].part
    assert [(n.pitch, n.drum) for n in me.notes] == [
        (36, True),
        (38, True),
        (60, False),
        (60, True),
        (38, True),
    ]
    assert [n.end for n in me.notes if not n.drum] == [9.0], "each has an end of its own"


def test_an_event_tells_pads_from_keys() -> None:
    part = Part("me", 20)
    part.on(0.0, 36, 90, DRUMS)
    part.on(0.0, 60, 80)
    event = part.step(Fraction(-1, 4), Fraction(0), Fraction(1, 4))
    assert event.pitches == (60,)
    assert [(s.program, s.pitch) for s in event.sounds] == [(DRUMS, 36), (20, 60)]
    later = part.step(Fraction(0), Fraction(1, 4), Fraction(1, 2))
    assert [(s.pitch, s.struck) for s in later.sounds] == [(60, False)], "a stroke is not held"
    both = Ensemble([part, part]).step(Fraction(0), Fraction(1, 4), Fraction(1, 2))
    assert later.duration == both.duration == Fraction(1, 4)
    assert both.sounds == later.sounds
    assert Part("me", 1).last_end(drums=False) is None
    assert part.last_end(drums=False) is None


def test_a_model_that_knows_percussion_is_called_by_pads() -> None:
    parrot = Drummer()
    desk = drumming(Desk(parrot, answer=1))
    desk.run(5, pads((0.0, 36, 0.3), (1.0, 38, 1.2)))
    assert [b for b, _ in desk.begun()] == [3.0]
    assert (Fraction(0), (36,), True) in parrot.heard


def test_pads_neither_stop_who_goes_on_nor_steer_who_accompanies() -> None:
    desk = Desk(Parrot(), way="continue")
    desk.run(6.6, [*notes((0.0, 60, 1.0)), *pads((5.5, 36, 5.6))])
    assert [b for b, _ in desk.begun()] == [2.0, 3.0, 4.0, 5.0, 6.0]
    band = Band()
    desk = drumming(Desk(band, way="accompany"))
    desk.run(3, pads((0.0, 36, 4.0)))
    assert band.corrected == []
    assert desk.begun() == []
