"""Who plays when, in every way of playing together."""

from fractions import Fraction
from itertools import pairwise

import pytest
from duets import Band, Desk, Parrot, notes
from mido import Message

from config_bach import UserError
from duet.clock import InternalClock

CALL = notes((0.02, 60, 0.9), (0.98, 62, 1.9), (2.03, 64, 2.9), (3.0, 65, 3.4))


def first(desk: Desk) -> tuple[float, int]:
    """The first note of a model."""
    return desk.begun()[0]


# ---- answer


def test_the_answer_begins_on_the_beat_after_the_rest_and_is_as_long_as_the_call() -> None:
    desk = Desk(Parrot())
    desk.run(16, CALL)
    assert desk.begun() == [(5.0, 81), (6.0, 82), (7.0, 83), (8.0, 84)]
    assert desk.sent[-1] == (9.0, "note_off", 84)
    assert desk.session.marks == [(0.0, "call 1 by me"), (5.0, "answer 1 by m1")]


def test_the_call_is_heard_while_it_is_played_on_the_grid() -> None:
    parrot = Parrot()
    desk = Desk(parrot)
    desk.run(2.2, CALL)
    new = [(float(t), p) for t, p, struck in parrot.heard if struck]
    assert new == [(0, (60,)), (1, (62,)), (2, (64,))]
    assert len(parrot.heard) == 9, "every sixteenth, up to the one that sounds"
    assert parrot.heard[1] == (Fraction(1, 4), (60,), False)
    assert parrot.places == [], "nothing is composed before it is asked for"


def test_each_note_is_heard_once_at_the_nearest_sixteenth() -> None:
    parrot = Parrot()
    desk = Desk(parrot)
    early_and_late = (
        (0.7, 60, 0.8),
        (0.99, 61, 1.2),
        (1.36, 62, 1.4),
        (1.39, 63, 1.6),
        (2.87, 64, 3.0),
    )
    desk.run(4, notes(*early_and_late))
    struck = [(float(t), p) for t, p, new in parrot.heard if new]
    assert struck == [(0.75, (60,)), (1, (61,)), (1.25, (62,)), (1.5, (63,)), (2.75, (64,))]


def test_a_call_that_ends_with_a_bar_is_answered_on_the_bar_line() -> None:
    desk = Desk(Parrot(), ends="bar", answer=2)
    desk.run(16, notes((0.5, 60, 3.95)))
    assert desk.begun() == [(4.0, 81), (5.0, 82)]


def test_a_call_of_a_fixed_length_is_answered_where_it_ends_though_somebody_plays() -> None:
    desk = Desk(Parrot(), ends="beats", listen_most=2, answer=1)
    desk.run(4, notes((1.0, 60, 3.9)))
    assert first(desk) == (3.0, 81)


@pytest.mark.parametrize("when", [2.2, 2.8, 2.95])
@pytest.mark.parametrize("way", ["pedal", "button"])
def test_a_button_or_a_pedal_is_answered_on_the_very_next_beat(when: float, way: str) -> None:
    desk = Desk(Parrot(), ends=way)
    pedal = [(when, Message("control_change", control=64, value=127))]
    desk.run(2, CALL)
    if way == "pedal":
        desk.run(when, pedal)
    else:
        desk.run(when)
        desk.session.control("button", None, when)
    desk.run(4)
    assert first(desk) == (3.0, 81)


def test_the_pedal_is_only_a_pedal_unless_it_ends_calls() -> None:
    desk = Desk(Parrot())
    desk.run(3, [*notes((0, 60, 2.9)), (1.5, Message("control_change", control=64, value=127))])
    assert desk.begun() == []


def test_a_call_lasts_at_least_and_at_most_as_long_as_is_set() -> None:
    desk = Desk(Parrot(), listen_least=8)
    desk.run(20, CALL)
    assert first(desk)[0] == 8.0
    desk = Desk(Parrot(), listen_most=6)
    desk.run(20, notes(*((i / 2, 60, i / 2 + 0.5) for i in range(40))))
    assert first(desk)[0] == 6.0


def test_nobody_is_answered_who_has_not_played() -> None:
    desk = Desk(Parrot())
    desk.run(30)
    assert desk.begun() == []


def test_the_next_call_is_answered_too_and_surprise_is_told_of_each() -> None:
    desk = Desk(Parrot())
    desk.run(30, [*CALL, *notes((12.0, 70, 13.0))])
    assert [t.what for t in desk.session.tolds] == ["call 1", "answer 1", "call 2", "answer 2"]
    call = desk.session.tolds[0]
    assert (call.nats, call.notes) == (4 * 2.0 + 1.0, 5)
    assert str(call) == "call 1: 1.80 nats per note by m1"
    assert [b for b, _ in desk.begun() if b > 10] == [14.0]


def test_the_model_knows_how_much_of_its_answer_is_left() -> None:
    parrot = Parrot()
    desk = Desk(parrot)
    desk.run(16, CALL)
    assert [p.left for p in parrot.places] == [4, 3, 2, 1]


def test_an_answer_is_cut_at_its_end() -> None:
    desk = Desk(Parrot(Fraction(8)), answer=2)
    desk.run(16, CALL)
    assert desk.sent == [(5.0, "note_on", 81), (7.0, "note_off", 81)]


def test_a_loop_repeats_the_answer_until_somebody_plays() -> None:
    desk = Desk(Parrot(), loop=True, answer=2)
    desk.run(14.5, [*CALL, *notes((9.5, 60, 10.0))])
    begun = desk.begun()
    assert begun[:4] == [(5.0, 81), (6.0, 82), (7.0, 81), (8.0, 82)]
    assert begun[4:] == [(9.0, 81), (11.0, 83), (12.0, 84), (13.0, 83), (14.0, 84)], begun
    assert (9.5, "note_off", 81) in desk.sent


def test_a_mutated_loop_composes_another_answer_to_the_same_call() -> None:
    desk = Desk(Parrot(), loop=True, mutate=1.0, answer=2)
    desk.run(9, CALL)
    assert desk.begun()[:4] == [(5.0, 81), (6.0, 82), (7.0, 101), (8.0, 102)]


def test_the_last_answer_is_changed_and_gone_back_to() -> None:
    desk = Desk(Parrot(), answer=1)
    desk.run(11.5, CALL)
    assert desk.begun() == [(5.0, 81)]
    desk.session.control("change", None, 11.5)
    desk.run(15.5)
    assert desk.begun()[1:] == [(12.0, 101)]
    desk.session.control("approve", None, 15.5)
    assert desk.session.marks[-1] == (12.0, "answer 1 approved")
    desk.run(20, notes((16.0, 60, 17.0)))
    assert desk.begun()[2] == (18.0, 102)
    desk.session.control("back", None, 20.0)
    desk.run(24)
    assert desk.begun()[3][1] == 101, "the first answer, as it was changed"


# ---- ring


def test_two_models_listen_to_each_other_without_end() -> None:
    a, b = Parrot(), Parrot()
    desk = Desk(a, b, people=(), way="ring", answer=4)
    desk.run(32.5)
    assert [beat for beat, _ in desk.begun()] == [float(i) for i in range(33)]
    assert {t for t, pitches, struck in b.heard if struck} >= {Fraction(i) for i in range(4)}
    assert [p for t, (p,), struck in a.heard if struck and 4 <= t < 8] == [81, 82, 83, 84]
    turns = [text for _, text in desk.session.marks]
    assert turns[:3] == ["answer 1 by m1", "answer 2 by m2", "answer 3 by m1"]


def test_people_and_models_play_in_the_order_that_is_named() -> None:
    desk = Desk(Parrot(), Parrot(), order="mpm", way="ring", answer=2)
    desk.run(9, notes((2.0, 60, 3.0)))
    assert [t for _, t in desk.session.marks] == [
        "call 1 by me",
        "answer 1 by m2",
        "answer 1 by m1",
    ]


# ---- go on


def test_the_model_goes_on_where_the_person_stops_and_is_silent_when_they_play() -> None:
    parrot = Parrot()
    desk = Desk(parrot, way="continue")
    desk.run(20, [*CALL, *notes((9.6, 70, 11.0))])
    begun = desk.begun()
    assert begun[:5] == [(5.0, 81), (6.0, 82), (7.0, 83), (8.0, 84), (9.0, 85)]
    assert (9.6, "note_off", 85) in desk.sent, "at once, not on a beat"
    assert begun[5][0] == 12.0
    assert (Fraction(19, 2), (70,), True) in parrot.heard


# ---- accompany


def accompanied(*played: tuple[float, int, float], until: float = 3.9) -> tuple[Desk, Band]:
    band = Band()
    desk = Desk(band, way="accompany")
    desk.run(until, notes(*played))
    return desk, band


def test_a_note_before_the_beat_is_accompanied_on_the_beat() -> None:
    desk, _ = accompanied((0.95, 72, 1.9))
    assert desk.begun() == [(1.0, 60), (1.0, 65), (1.0, 69), (2.0, 40)]


def test_a_note_after_the_beat_is_accompanied_at_once() -> None:
    desk, _ = accompanied((0.0, 72, 0.95), (1.07, 74, 3.0))
    assert desk.begun()[3:6] == [(1.07, 62), (1.07, 67), (1.07, 71)]
    ends = sorted((beat, note) for beat, kind, note in desk.sent if kind == "note_off")
    assert ends[:3] == [(1.07, 60), (1.07, 65), (1.07, 69)]


def test_a_voice_that_has_struck_already_is_not_taken_back() -> None:
    desk, band = accompanied((0.0, 72, 1.9), (2.06, 74, 3.0))
    assert band.corrected[-1] == (74, {3})
    assert [x for x in desk.begun() if x[0] >= 2] == [(2.0, 40), (2.06, 67), (2.06, 71)]


def test_a_short_gap_is_articulation_and_a_long_one_silence() -> None:
    _, band = accompanied((0.0, 72, 0.85), (1.0, 74, 2.0))
    sounding = dict(band.planned)
    assert sounding[Fraction(1)]
    assert sounding[Fraction(9, 4)]
    assert not sounding[Fraction(5, 2)]


def test_nothing_is_played_before_the_first_note_and_long_after_the_last() -> None:
    desk, band = accompanied((8.0, 72, 9.0), until=30)
    assert band.planned[0][0] == 8
    assert band.planned[-1][0] <= 17.25
    assert desk.output.sounding == set()
    assert desk.session.tolds[-1].what == "melody"


def test_it_accompanies_on_its_own_grid_whatever_plays_along() -> None:
    band, beat = Band(), Parrot()
    beat.grid = tuple(Fraction(i, 12) for i in (0, 3, 4, 6, 8, 9))
    desk = Desk(band, background=[beat], way="accompany")
    desk.run(6, notes((1 / 3, 72, 2), (2, 74, 4)))
    times = [time for time, _ in band.planned]
    assert times == [Fraction(i, 4) for i in range(1, len(times) + 1)]
    assert len(times) > 16


def test_who_cannot_accompany_is_refused() -> None:
    with pytest.raises(UserError, match="a model of four voices"):
        Desk(Parrot(), way="accompany")
    with pytest.raises(UserError, match="takes a person"):
        Desk(Parrot(), people=(), way="continue")


# ---- all


def test_what_plays_all_the_time_does_so_under_any_way() -> None:
    beat = Parrot(Fraction(1, 2))
    desk = Desk(Parrot(), background=[beat])
    desk.run(8, CALL)
    drums = [b for b, pitch in desk.begun() if pitch >= 81]
    assert {i / 2 for i in range(16)} <= set(drums)


def test_a_metronome_clicks_and_the_state_is_sent_for_whoever_shows_it() -> None:
    desk = Desk(Parrot(), metronome=True, metronome_channel=3, state_channel=7)
    desk.run(9, CALL)
    clicks = [(t, m.note) for t, m in desk.port.sent if m.type == "note_on" and m.channel == 2]
    assert clicks[:6] == [(0, 76), (1, 77), (2, 77), (3, 77), (4, 76), (5, 77)]
    state = [(t, m.control, m.value) for t, m in desk.port.sent if m.type == "control_change"]
    assert {m.channel for _, m in desk.port.sent if m.type == "control_change"} == {6}
    assert (5.0, 20, 1) in state, "the beat in the bar"
    assert (5.0, 21, 1) in state, "the bar"
    assert (5.0, 22, round(12.7 * 1.8)) in state, "surprise"


def test_the_tempo_is_kept_where_it_changes() -> None:
    desk = Desk(Parrot())
    desk.run(2)
    clock = desk.dispatcher.clock
    assert isinstance(clock, InternalClock)
    clock.set_bpm(59.9, desk.now)
    desk.run(4)
    clock.set_bpm(50, desk.now)
    desk.run(6)
    assert [bpm for _, bpm in desk.session.tempi] == pytest.approx([60, 50])


def test_a_very_long_part_forgets_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duet.parts.LONGEST", 20)
    desk = Desk(Parrot(Fraction(1, 4)), people=(), way="ring")
    desk.run(8)
    assert len(desk.session.models[0].part.notes) <= 20


@pytest.mark.parametrize("way", ["answer", "continue", "accompany", "ring"])
def test_no_note_is_left_whenever_it_is_stopped(way: str) -> None:
    for stop in (5.02, 5.5, 7.999, 8.0):
        desk = Desk(Band() if way == "accompany" else Parrot(), way=way)
        desk.run(stop, [*CALL, *notes((5.0, 72, 9.0))])
        desk.session.stop(stop)
        assert desk.output.sounding == set()
        assert desk.dispatcher.waiting == 0
        assert all(n.end is not None for p in desk.session.models for n in p.part.notes)


def test_points_that_are_over_are_left_out() -> None:
    desk = Desk(Parrot(), people=(), way="ring", answer=4)
    desk.run(4)
    desk.session.skip_to(40.0)
    assert 39.5 <= desk.session.due <= 40.25
    desk.now = 40.0
    desk.run(44)
    beats = [b for b, _ in desk.begun() if b > 5]
    assert len(beats) <= 5
    assert all(b >= a for a, b in pairwise(beats))
