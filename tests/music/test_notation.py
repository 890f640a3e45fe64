"""A score has the key, staves, bars, ties and fermatas that its events tell of."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from music21 import converter, layout
from music21 import key as keys
from music21.expressions import TextExpression

from config_bach import UserError
from music.events import Event, Note, notes_from_events
from music.instruments import VOICE_COLORS
from music.notation import key_of, score_of, spelled


def event(pitches: tuple[int, ...], length: str, beat: str | None = None) -> Event:
    return Event(pitches, Fraction(length), beat=None if beat is None else Fraction(beat))


def measures(part: Any) -> list[Any]:
    return list(part.getElementsByClass("Measure"))


def written(measure: Any) -> list[tuple[str, str, str]]:
    """(names, length, tie) of what stands in a bar."""
    return [
        (
            "-" if n.isRest else ".".join(p.nameWithOctave for p in n.pitches),
            str(Fraction(n.quarterLength)),
            n.tie.type if n.tie else "",
        )
        for n in measure.notesAndRests
    ]


@pytest.mark.parametrize(
    ("pitch", "sharps", "name"),
    [(66, 1, "F#4"), (66, -5, "G-4"), (70, -1, "B-4"), (66, -2, "F#4"), (59, 0, "B3"),
     (60, 7, "B#3"), (59, -7, "C-4"), (68, 0, "G#4"), (61, -1, "C#4"), (63, 0, "E-4"),
     (62, 7, "C##4"), (57, -7, "B--3")],
)  # fmt: skip
def test_pitches_are_spelled_in_their_key(pitch: int, sharps: int, name: str) -> None:
    assert spelled(pitch, sharps) == name


@pytest.mark.parametrize("sharps", range(-7, 8))
def test_a_spelled_pitch_is_the_pitch(sharps: int) -> None:
    from music21.pitch import Pitch

    for pitch in range(28, 89):
        assert Pitch(spelled(pitch, sharps)).midi == pitch


def test_the_key_is_that_of_the_notes() -> None:
    scale = [Note(Fraction(i), Fraction(1 + (i % 7 in (0, 4))), p, 90)
             for i, p in enumerate([62, 64, 66, 67, 69, 71, 73, 74])]  # fmt: skip
    assert (key_of(scale).sharps, key_of(scale).mode) == (2, "major")
    assert key_of([]) == keys.Key("C")


def test_long_notes_weigh_more_for_the_key() -> None:
    scale = [60, 62, 64, 65, 67, 69, 71]
    a_minor = [Note(Fraction(i), Fraction(8 if p == 69 else 1), p, 90) for i, p in enumerate(scale)]
    assert str(key_of(a_minor)) == "a minor"


@pytest.mark.parametrize(
    ("pitches", "clefs"),
    [
        ((55, 90), ["TrebleClef"]),
        ((40, 67), ["BassClef"]),
        ((54, 68), ["TrebleClef", "BassClef"]),
        ((), ["TrebleClef"]),
    ],
)
def test_there_are_as_many_staves_as_the_range_needs(
    pitches: tuple[int, ...], clefs: list[str]
) -> None:
    events = [event((p,), "1") for p in pitches] or [event((), "1")]
    score = score_of(events, "x", 90, 43)
    assert [p.flatten().getElementsByClass("Clef")[0].classes[0] for p in score.parts] == clefs
    groups = list(score.getElementsByClass(layout.StaffGroup))
    assert [g.symbol for g in groups] == (["brace"] if len(clefs) > 1 else [])


def test_two_staves_divide_at_middle_c() -> None:
    score = score_of([event((40, 59, 60, 72), "4")], "x", 90, 1)
    high, low = (measures(part)[0] for part in score.parts)
    assert written(high) == [("C4.C5", "4", "")]
    assert written(low) == [("E2.B3", "4", "")]


def test_a_score_tells_title_tempo_instrument_and_key_once() -> None:
    score = score_of([event((60, 64, 67), "4")] * 3, "a title", 72, 20)
    assert (score.metadata.title, score.metadata.composer) == ("a title", "Play Bach")
    flat = score.flatten()
    assert [m.number for m in flat.getElementsByClass("MetronomeMark")] == [72]
    assert [i.midiProgram for i in flat.getElementsByClass("Instrument")] == [19]
    assert [k.sharps for k in flat.getElementsByClass("KeySignature")] == [0]


def test_what_goes_over_a_bar_line_is_tied() -> None:
    score = score_of([event((72,), "3"), event((74,), "6"), event((76,), "1")], "x", 90, 1)
    first, second, third = measures(score.parts[0])
    assert written(first) == [("C5", "3", ""), ("D5", "1", "start")]
    assert written(second) == [("D5", "4", "continue")]
    assert written(third) == [("D5", "1", "stop"), ("E5", "1", "")]


def test_a_voice_that_holds_is_tied_below_one_that_moves() -> None:
    score = score_of([event((72, 76), "1"), event((72, 77), "1"), event((), "2")], "x", 90, 1)
    (bar,) = measures(score.parts[0])
    chords = list(bar.notes)
    ties = [[(n.pitch.midi, n.tie.type if n.tie else "") for n in c.notes] for c in chords]
    assert ties == [[(72, "start"), (76, "")], [(72, "stop"), (77, "")]]
    assert written(bar)[-1] == ("-", "2", "")


def test_a_time_signature_stands_where_it_changes() -> None:
    beats = [("1", "2"), ("3", "0"), ("3", "0"), ("3/2", "0"), ("4", "0")]
    events = [event((60 + i,), length, beat) for i, (length, beat) in enumerate(beats)]
    bars = measures(score_of(events, "x", 90, 1).parts[0])
    assert [b.number for b in bars] == [0, 1, 2, 3, 4]
    signs = [b.timeSignature.ratioString if b.timeSignature else "" for b in bars]
    assert signs == ["3/4", "", "", "3/8", "4/4"]
    assert [b.paddingLeft for b in bars] == [2, 0, 0, 0, 0]
    assert [b.duration.quarterLength for b in bars] == [1, 3, 3, 1.5, 4]


def voices(pitches: tuple[int, ...], struck: tuple[bool, ...], length: str, fermata: bool) -> Event:
    sounding = tuple(sorted({p for p in pitches if p >= 0}))
    return Event(sounding, Fraction(length), 90, pitches, struck, None, fermata)


def test_four_voices_have_a_staff_and_an_instrument_each_and_one_tempo() -> None:
    events = [voices((72, 67, 64, -1), (True, True, True, False), "4", False)]
    score = score_of(events, "x", 90, (69, 70, 71, 72))
    assert [p.partName for p in score.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert [p.flatten().getElementsByClass("Clef")[0].classes[0] for p in score.parts] == [
        "TrebleClef", "TrebleClef", "Treble8vbClef", "BassClef",
    ]  # fmt: skip
    assert [written(measures(p)[0]) for p in score.parts] == [
        [("C5", "4", "")], [("G4", "4", "")], [("E4", "4", "")], [("-", "4", "")],
    ]  # fmt: skip
    players = [p.flatten().getElementsByClass("Instrument")[0] for p in score.parts]
    assert [i.midiProgram + 1 for i in players] == [69, 70, 71, 72]
    marks = [len(p.flatten().getElementsByClass("MetronomeMark")) for p in score.parts]
    assert marks == [1, 0, 0, 0]
    assert [g.symbol for g in score.getElementsByClass(layout.StaffGroup)] == ["bracket"]


def test_a_rest_without_voices_leaves_the_staves_as_they_are() -> None:
    sung = voices((72, 67, 64, 48), (True,) * 4, "2", False)
    assert len(score_of([sung, Event((), Fraction(2))], "x", 90, 20).parts) == 4


def test_where_voices_are_not_told_apart_the_first_instrument_plays() -> None:
    score = score_of([event((60,), "4")], "x", 90, (5, 6, 7, 8))
    assert [i.midiProgram for i in score.flatten().getElementsByClass("Instrument")] == [4]


def test_a_fermata_stands_once_over_each_voice_that_begins_a_note_there() -> None:
    every, some = (True,) * 4, (True, True, False, False)
    events = [
        voices((72, 67, 64, 48), every, "1", False),
        voices((74, 65, 64, 48), some, "1", True),
        voices((74, 65, 62, 48), (False, False, True, False), "1", True),
        voices((72, 67, 64, 48), every, "1", False),
    ]
    score = score_of(events, "x", 90, 20)
    places = [[n.offset for n in p.flatten().notesAndRests if n.expressions] for p in score.parts]
    assert places == [[1], [1], [], []]


def test_notes_with_the_shortest_and_oddest_lengths_are_written_as_they_are() -> None:
    events = [event((60,), "1/3"), event((62,), "2/3"), event((64,), "7/4"), event((65,), "5/4")]
    score = score_of(events, "x", 90, 1)
    found = [(n.pitch.midi, Fraction(n.quarterLength)) for n in score.flatten().stripTies().notes]
    assert found == [(n.pitch, n.duration) for n in notes_from_events(events)]


def test_words_stand_where_the_new_music_begins() -> None:
    events = [event((60 + i,), "1") for i in range(10)]
    first = score_of(events, "x", 90, 20, {Fraction(6): "here"}).parts[0]
    (words,) = first.flatten().getElementsByClass("TextExpression")
    assert (words.content, words.getOffsetInHierarchy(first)) == ("here", 6)


def test_a_score_that_would_take_minutes_is_refused() -> None:
    with pytest.raises(UserError, match=r"20,001 notes .* too long for MusicXML"):
        score_of([event((60,), "1")] * 20_001, "x", 90, 20)


def voiced(voices: tuple[int, ...], fermata: bool) -> Event:
    return Event(tuple(sorted(voices)), Fraction(2), 90, voices, (True,) * 4, None, fermata)


CADENCE = [voiced((71, 62, 55, 43), False), voiced((71, 62, 55, 43), True),
           voiced((72, 64, 55, 43), False), voiced((72, 64, 55, 48), True)]  # fmt: skip


def test_each_voice_has_its_colour_and_other_music_none() -> None:
    score = score_of(CADENCE, "x", 80, 20)
    colors = [{n.style.color for n in part.flatten().notes} for part in score.parts]
    assert colors == [{color} for color in VOICE_COLORS]
    plain = score_of([event((60, 64), "1")], "x", 80, 20)
    assert {n.style.color for n in plain.flatten().notes} == {None}


def test_music21_reads_colours_and_chords_of_phrase_ends_back(tmp_path: Path) -> None:
    score_of(CADENCE, "x", 80, 20, signature="C").write("musicxml", tmp_path / "x.musicxml")
    parts = converter.parse(tmp_path / "x.musicxml").parts
    told = [
        [(w.getOffsetInHierarchy(p), w.content, w.placement) for w in p[TextExpression]]
        for p in parts
    ]
    assert told == [[], [], [], [(2, "V", "below"), (6, "I", "below")]]
    colors = [next(n.style.color for n in p.flatten().notes).lower() for p in parts]
    assert colors == list(VOICE_COLORS)


@pytest.mark.parametrize(
    ("signature", "tonality", "names"),
    [("", "", []), ("C", "G", ["I", "IV"]), ("G", "", ["I", "IV"]), ("", "Em", ["III", "VI"])],
)
def test_chords_are_named_in_the_key_of_the_piece(
    signature: str, tonality: str, names: list[str]
) -> None:
    score = score_of(CADENCE, "x", 80, 20, signature=signature, tonality=tonality)
    assert [w.content for w in score.flatten()[TextExpression]] == names
