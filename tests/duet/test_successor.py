"""Another model takes the place of one that plays: when, what it has heard, what becomes of notes."""

from fractions import Fraction
from typing import Any

import pytest
from duets import Band, Desk, Parrot, notes
from mido import Message

from config_bach import UserError
from duet.parts import Part
from duet.successor import Candidate, Successor
from families.drums.encoding import QUARTER
from music.sounds import DRUMS

CALL = notes((0.02, 60, 0.9), (0.98, 62, 1.9), (2.03, 64, 2.9), (3.0, 65, 3.4))


class Higher(Parrot):
    """A parrot that plays from 50 up."""

    def __init__(self, length: Fraction = Fraction(1)) -> None:
        super().__init__(length)
        self.pitch = 50


class Triplets(Higher):
    """One that hears sixteenths and triplets."""

    grid = QUARTER


def candidate(composer: Any, program: int = 20) -> Candidate:
    return Candidate("other", program, (0.1, 0.9), lambda composing, voice: composer)


def change(desk: Desk, composer: Any, beat: float, program: int = 20) -> Successor:
    """Load another model at a beat, hear at once, join."""
    desk.run(beat)
    successor = desk.session.prepare("m1", candidate(composer, program), beat)
    successor.rehearse()
    desk.session.join(successor, beat)
    return successor


def test_it_plays_on_a_beat_and_what_the_one_before_began_ends_there() -> None:
    desk = Desk(Parrot(Fraction(8)), answer=8)
    desk.run(6.2, CALL)
    change(desk, Higher(), 6.2)
    desk.run(9)
    assert desk.sent == [
        (5.0, "note_on", 81),
        (7.0, "note_off", 81),
        (7.0, "note_on", 51),
        (8.0, "note_off", 51),
        (8.0, "note_on", 52),
        (9.0, "note_off", 52),
        (9.0, "note_on", 53),
    ]
    assert (7.0, "m1: other") in desk.session.marks
    program = [m.program for _, m in desk.port.sent if m.type == "program_change"]
    assert program == [19]
    assert desk.session.models[0].source == "other"
    assert [n.end for n in desk.session.models[0].part.notes] == [7.0, 8.0, 9.0, None]


def test_it_has_heard_what_everybody_played() -> None:
    desk, other = Desk(Parrot(), answer=2), Higher()
    desk.run(6.6, CALL)
    change(desk, other, 6.6)
    desk.run(12, notes((8.0, 70, 9.0)))
    struck = [(float(t), p) for t, p, new in other.heard if new]
    assert struck[:6] == [(0, (60,)), (1, (62,)), (2, (64,)), (3, (65,)), (5, (81,)), (6, (82,))]
    assert (8, (70,)) in struck, "and goes on to hear"
    assert len({t for t, _, _ in other.heard}) == len(other.heard), "nothing twice"


def test_it_hears_the_last_bars_alone_of_a_long_session_a_few_steps_at_a_time() -> None:
    desk, other = Desk(Parrot(Fraction(4)), people=(), way="ring", answer=8), Triplets()
    desk.run(70)
    successor = desk.session.prepare("m1", candidate(other), 70.0)
    successor.rehearse()
    heard = other.heard[0][0]
    assert 37 <= heard <= 39, "32 quarters"
    desk.run(90)  # the machine took long to hear them
    desk.session.join(successor, 90.0)
    before = len(other.heard)
    desk.session.tick()
    assert len(other.heard) == before + 4
    desk.run(112)
    assert desk.session.models[0].composer is other
    times = [t for t, _, _ in other.heard]
    assert times == sorted(times)


@pytest.mark.parametrize(("calls", "begins"), [(16.0, 68), (40.0, 20), (256.0, 0)])
def test_where_calls_are_long_more_is_heard(calls: float, begins: int) -> None:
    desk, other = (
        Desk(Parrot(Fraction(4)), people=(), way="ring", answer=8, listen_most=calls),
        Higher(),
    )
    desk.run(100)
    desk.session.prepare("m1", candidate(other), 100.0).rehearse()
    assert abs(other.heard[0][0] - begins) <= 3


@pytest.mark.parametrize("back", [False, True])
def test_the_grid_is_that_of_all_who_play_and_beats_stay_where_they_are(back: bool) -> None:
    desk = Desk(Parrot(), people=(), way="ring", answer=4)
    assert len(desk.session.grid) == 4
    assert desk.session.due == -0.125, "half a step before the first beat"
    change(desk, Triplets(), 4.3)
    desk.run(8.9)
    assert desk.session.grid == list(QUARTER)
    if back:
        change(desk, Higher(), 8.9)
    desk.run(12.95)
    assert len(desk.session.grid) == (4 if back else 6)
    assert [beat for beat, _ in desk.begun()] == [float(i) for i in range(13)]
    assert desk.session.at == 13
    assert desk.session.until == Fraction(53, 4)


@pytest.mark.parametrize("panic", [False, True])
def test_a_change_that_was_planned_comes_whatever_happens_just_before_it(panic: bool) -> None:
    desk = Desk(Band(), way="accompany")
    desk.run(2.5, notes((0.0, 72, 1.5), (1.5, 74, 2.6)))
    change(desk, Band(), 2.5)
    desk.run(2.9)
    assert desk.session.at == 3, "planned"
    before = {note for _, note in desk.output.sounding}
    assert before
    if panic:
        desk.session.control("panic", None, 2.92)
    else:
        desk.session.take(Message("note_on", note=76, velocity=80), 2.92)
    desk.run(3.02)
    programs = [m.program for _, m in desk.port.sent if m.type == "program_change"]
    assert programs[-1] == 19
    ends = {note for t, kind, note in desk.sent if kind == "note_off" and t >= 2.9}
    assert before <= ends, "what the one before began"
    assert all(n.onset >= 3 for n in desk.session.models[0].part.sounding)


def test_who_becomes_a_drummer_plays_on_the_tenth_channel_and_nothing_is_left() -> None:
    desk = Desk(Parrot(Fraction(3)), Parrot(), people=(), way="ring", answer=6)
    desk.run(4.5)
    change(desk, Higher(), 4.5, DRUMS)
    desk.run(5.5)
    begun = [(t, m.channel, m.note) for t, m in desk.port.sent if m.type == "note_on"]
    assert begun[-1] == (5.0, 9, 51)
    off = [(t, m.channel, m.note) for t, m in desk.port.sent if m.type == "note_off"]
    assert (5.0, 0, 82) in off, "on the channel that it began on"
    assert desk.session.models[1].performer.channel == 1, "nobody else moves"
    assert desk.session.models[0].part.notes[-1].drum
    desk.session.stop(5.5)
    assert desk.output.sounding == set()


def test_who_plays_with_drums_alone_becomes_a_drummer_and_back() -> None:
    desk = Desk(Parrot(), answer=1)
    desk.run(2.5, [(2.2, Message("note_on", note=45, velocity=80))])
    change(desk, Triplets(), 2.5, DRUMS)
    desk.run(4.5, [(4.0, Message("note_off", note=45)), *notes((4.1, 38, 4.2))])
    me = desk.session.people[0]
    assert [(n.pitch, n.end, n.drum) for n in me.part.notes] == [(45, 4.0, False), (38, 4.2, True)]
    assert me.channel == 9
    change(desk, Higher(), 4.5)
    desk.run(7.5, notes((7.1, 60, 7.2)))
    assert not me.part.notes[-1].drum
    assert me.channel == 1
    assert [p for _, p in me.part.programs] == [1, DRUMS, 1]


def test_what_does_not_suit_the_way_is_refused_and_the_one_before_plays_on() -> None:
    band = Band()
    desk = Desk(band, way="accompany")
    desk.run(1.5, notes((0.0, 72, 4.0)))
    with pytest.raises(UserError, match="takes a model of four voices"):
        desk.session.prepare("m1", candidate(Higher()), 1.5)
    with pytest.raises(UserError, match="no model plays as 'nobody'"):
        desk.session.prepare("nobody", candidate(Band()), 1.5)
    assert not [e for e in desk.session.log if e[1] == "model"], "a replay knows nothing of it"
    desk.run(3, notes((2.0, 74, 4.0)))
    assert desk.session.models[0].composer is band
    assert (2.0, 71) in desk.begun()


def test_a_way_that_was_chosen_meanwhile_refuses_it_too() -> None:
    desk = Desk(Band(), way="accompany")
    refused: list[str] = []
    desk.session.on_refusal = refused.append
    desk.session.control("way", "continue", 0.1)
    change(desk, Higher(), 0.3)
    desk.session.control("way", "accompany", 0.4)
    desk.run(3)
    assert isinstance(desk.session.models[0].composer, Band)
    assert len(refused) == 1
    assert desk.session.coming == {}


def test_another_of_four_voices_accompanies_from_the_next_beat_on() -> None:
    desk, other = Desk(Band(), way="accompany"), Band()
    desk.run(1.5, notes((0.0, 72, 8.0)))
    change(desk, other, 1.5)
    desk.run(4)
    assert other.planned[0] == (Fraction(2), True)
    desk.session.stop(4)
    assert desk.output.sounding == set()


def test_what_the_one_before_answered_is_not_gone_back_to() -> None:
    desk = Desk(Parrot(), answer=1)
    desk.run(6.5, CALL)
    desk.session.control("change", None, 6.5)
    change(desk, Higher(), 6.5)
    for action in ("back", "change", "approve"):
        desk.session.control(action, None, 7.5)
    desk.run(10)
    assert desk.begun() == [(5.0, 81)]
    desk.run(16, notes((10.0, 60, 11.0)))
    assert [p for b, p in desk.begun() if b > 8] == [51]


def test_a_repetition_ends_with_the_one_who_played_it() -> None:
    desk = Desk(Parrot(), loop=True, answer=4)
    desk.run(10.5, CALL)  # it repeats from 9 on, and that was planned whole
    change(desk, Higher(), 10.5)
    desk.run(16)
    assert [x for x in desk.begun() if x[0] > 9.5][:5] == [
        (10.0, 82),
        (11.0, 51),
        (12.0, 52),
        (13.0, 51),
        (14.0, 52),
    ]
    desk.session.stop(16)
    assert desk.output.sounding == set()


def test_settings_that_change_meanwhile_hold_for_it() -> None:
    desk, other = Desk(Parrot()), Higher()
    successor = desk.session.prepare("m1", candidate(other), 0.2)
    assert other.settings.temperature == 1.0
    desk.session.control("temperature", 0.3, 0.3)
    desk.session.join(successor, 0.4)
    assert other.settings.temperature == 0.3
    desk.session.control("temperature", 0.4, 0.5)
    assert other.settings.temperature == 0.4


def test_a_background_model_is_changed_on_the_beat_too() -> None:
    desk = Desk(Parrot(), background=[Parrot(Fraction(1, 2))])
    desk.run(3.2)
    successor = desk.session.prepare("beat", candidate(Higher(Fraction(1, 2)), DRUMS), 3.2)
    successor.rehearse()
    desk.session.join(successor, 3.2)
    desk.run(6)
    assert [p for b, p in desk.begun() if b >= 3.5][:4] == [88, 51, 52, 53]
    assert {m.channel for t, m in desk.port.sent if m.type == "note_on" and t >= 4} == {9}


def test_a_part_is_copied_with_what_sounds_into_the_time() -> None:
    part = Part("x", 1)
    for onset, end, pitch in ((0.0, 1.0, 60), (1.0, 5.0, 61), (2.0, 3.0, 62), (5.0, None, 63)):
        part.on(onset, pitch, 90)
        if end:
            part.off(end, pitch)
    copy = part.since(4.0)
    assert [n.pitch for n in copy.notes] == [61, 63]
    part.off(6.0, 63)
    assert copy.notes[-1].end is None
