"""What a player with several instruments plays: channels, tracks, what others hear."""

from fractions import Fraction
from typing import Any

import pytest
from duets import Desk, Parrot

from duet.casting import program_of
from duet.parts import Part, Performer
from duet.recording import midi_of, score_events
from duet.successor import Candidate
from families.live import Place, Surprise
from music.events import Event
from music.sounds import DRUMS, Sound

BASS, PIANO, FLUTE = 34, 1, 74


class Trio(Parrot):
    """Plays piano, bass and drums, all at once."""

    def next(self, place: Place) -> tuple[Event, Surprise]:
        sounds = [Sound(PIANO, 60), Sound(BASS, 40), Sound(DRUMS, 38)]
        return Event.of(sounds, self.length), Surprise(1.0, 3)


def trio(spare: list[int] | None) -> Desk:
    """A trio whose first instrument is the piano, at a desk."""
    desk = Desk(Trio(), people=(), way="ring", answer=2.0)
    model = desk.session.models[0]
    model.performer = Performer(Part("trio", PIANO), [desk.output], 0, desk.dispatcher, spare)
    return desk


def test_each_instrument_has_a_channel_and_percussion_its_own() -> None:
    spare = [4, 5]
    desk = trio(spare)
    desk.run(3.9)
    begun = {(m.channel, m.note) for _, m in desk.port.sent if m.type == "note_on"}
    assert begun == {(0, 60), (5, 40), (9, 38)}
    programs = [m for _, m in desk.port.sent if m.type == "program_change"]
    assert [(m.channel, m.program) for m in programs] == [(5, BASS - 1)]
    assert spare == [4]
    desk.session.end(4)
    assert desk.output.sounding == set()


def test_without_a_spare_channel_the_first_instrument_plays_all_but_the_percussion() -> None:
    desk = trio(None)
    desk.run(1.9)
    begun = {(m.channel, m.note) for _, m in desk.port.sent if m.type == "note_on"}
    assert begun == {(0, 60), (0, 40), (9, 38)}
    assert {n.program for n in desk.session.models[0].part.notes} == {PIANO, DRUMS}


def test_a_recording_has_a_track_for_each_instrument() -> None:
    desk = trio([5])
    desk.run(3.9)
    desk.session.end(4)
    tracks = {t.name: t for t in midi_of(desk.session, "x").tracks[1:]}
    assert list(tracks) == ["trio", "trio: Drum Kit", "trio: Electric Bass (finger)"]
    notes = {
        name: {(m.channel, m.note) for m in track if m.type == "note_on"}
        for name, track in tracks.items()
    }
    assert [len(n) for n in notes.values()] == [1, 1, 1]
    assert notes["trio: Drum Kit"] == {(9, 38)}
    assert len({channel for n in notes.values() for channel, _ in n}) == 3
    sounds = {(s.program, s.pitch) for e in score_events(desk.session) for s in e.sounds}
    assert sounds == {(PIANO, 60), (BASS, 40), (DRUMS, 38)}


def test_others_hear_each_instrument_and_one_pitch_of_two() -> None:
    part = Part("trio", PIANO)
    part.on(0, 60, 90)
    part.on(0, 60, 70, BASS)
    part.on(0, 38, 90, DRUMS)
    part.off(0.9, 60, BASS)
    step = part.step(Fraction(-1, 4), Fraction(0), Fraction(1, 4))
    assert {(s.program, s.pitch, s.struck) for s in step.sounds} == {
        (PIANO, 60, True), (BASS, 60, True), (DRUMS, 38, True),
    }  # fmt: skip
    later = part.step(Fraction(3, 4), Fraction(1), Fraction(5, 4))
    assert {(s.program, s.pitch, s.struck) for s in later.sounds} == {(PIANO, 60, False)}


def test_a_repetition_has_the_same_instruments() -> None:
    desk = trio([5])
    performer = desk.session.models[0].performer
    desk.run(1.9)
    notes = list(performer.part.notes)
    performer.repeat(notes, 8.0, 16.0)
    assert [n.program for n in performer.part.notes[len(notes) :]] == [n.program for n in notes]


class Model:
    """Music of a model, as far as a cast asks for it."""

    def __init__(self, *sounds: Sound, **metadata: Any) -> None:
        self.example = [Event.of(sounds, Fraction(1))] if sounds else [Event((60,), Fraction(1))]
        self.metadata = metadata


@pytest.mark.parametrize(("model", "wanted", "program"), [
    (Model(Sound(DRUMS, 36)), 20, DRUMS),
    (Model(Sound(DRUMS, 36), Sound(BASS, 40), Sound(BASS, 43), Sound(PIANO, 60)), None, BASS),
    (Model(Sound(BASS, 40)), FLUTE, FLUTE),
    (Model(instrument=20), None, 20),
    (Model(), None, 1),
])  # fmt: skip
def test_the_instrument_of_a_model(model: Any, wanted: int | None, program: int) -> None:
    assert program_of(model, wanted) == program


def test_spare_channels_are_those_that_nobody_has() -> None:
    desk = Desk(Parrot(), Parrot(), channel=2, state_channel=16, metronome_channel=10)
    assert desk.spare == [0, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14]
    desk.session.control("person_channel", 6, 0.0)
    desk.session.control("state_channel", 0, 0.0)
    desk.session.control("metronome_channel", 9, 0.0)
    assert desk.spare == [0, 3, 4, 6, 7, 10, 11, 12, 13, 14, 15]


def become(desk: Desk, composer: Parrot, program: int, beat: float) -> None:
    """Let another model take the place of the first one, as soon as it can."""
    other = Candidate("other", program, (0.1, 0.9), lambda composing, voice: composer)
    successor = desk.session.prepare("m1", other, beat)
    successor.rehearse()
    desk.session.join(successor, beat)


def begun(desk: Desk, since: float) -> set[tuple[int, int]]:
    """The notes that began since a beat: channel and pitch."""
    return {(m.channel, m.note) for t, m in desk.port.sent if t >= since and m.type == "note_on"}


@pytest.mark.parametrize(("program", "channel"), [(PIANO, 0), (FLUTE, 0), (BASS, 0), (DRUMS, 9)])
def test_all_instruments_end_and_give_their_channels_back_when_another_model_plays(
    program: int, channel: int
) -> None:
    desk = Desk(Trio(Fraction(16)), Parrot(), people=(), way="ring", answer=16.0)
    spare = sorted(desk.spare)
    desk.run(2.5)
    assert {(0, 60), (15, 40)} < desk.output.sounding
    assert sorted(desk.spare) == spare[:-1]
    become(desk, Parrot(), program, 2.5)
    desk.run(3.2)
    assert desk.output.sounding == {(channel, 81)}
    ends = [(t, m.channel, m.note) for t, m in desk.port.sent if m.type == "note_off"]
    assert {(3.0, 0, 60), (3.0, 15, 40)} <= set(ends)
    assert sorted(desk.spare) == spare
    become(desk, Trio(), PIANO, 3.2)
    desk.run(4.5)
    assert begun(desk, 4) == {(0, 60), (15, 40), (9, 38)}, "and back"
    names = [t.name for t in midi_of(desk.session, "x").tracks[1:]]
    assert names[:3] == ["m1", "m1: Drum Kit", "m1: Electric Bass (finger)"]
    desk.session.end(4.6)
    assert desk.output.sounding == set()


def test_further_instruments_give_way_when_somebody_else_gets_their_channel() -> None:
    desk = Desk(Trio(Fraction(8)), people=("me",), background=[Trio(Fraction(1))], answer=8.0)
    desk.run(2.5)
    assert (15, 40) in desk.output.sounding
    desk.session.control("person_channel", 16, 2.5)
    desk.run(2.6)
    assert (15, 40) not in desk.output.sounding
    desk.run(4.5)
    assert begun(desk, 3) == {(1, 60), (14, 40), (9, 38)}
    assert 14 not in desk.spare
    assert 15 not in desk.spare
    desk.session.stop(4.5)
    assert desk.output.sounding == set()


def test_where_no_channel_was_left_a_note_ends_though_one_is_given_back_meanwhile() -> None:
    spare: list[int] = []
    desk = trio(spare)
    desk.run(0.5)
    spare.append(5)
    desk.run(1.5)
    assert begun(desk, 1) == {(0, 60), (0, 40), (9, 38)}
    desk.session.models[0].rest(Fraction(3, 2))
    desk.run(1.6)
    assert desk.output.sounding == set()
