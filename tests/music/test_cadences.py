"""The chords on which phrases end have names."""

from fractions import Fraction

from music.cadences import CadenceNamer, cadence_names
from music.events import Event
from music.keys import Key, key_named

C = key_named("C")
TONIC, DOMINANT, OPEN = (72, 64, 55, 48), (71, 62, 55, 43), (72, 65, 55, 48)


def event(voices: tuple[int, ...], fermata: bool = False, quarters: int = 1) -> Event:
    pitches = tuple(sorted({p for p in voices if p >= 0}))
    return Event(pitches, Fraction(quarters), 90, voices, (True,) * 4, None, fermata)


def test_the_chord_under_each_fermata_is_named_once_where_it_begins() -> None:
    music = [event(TONIC), event(DOMINANT, True), event(TONIC, True), event(TONIC, quarters=3),
             event(TONIC, True)]  # fmt: skip
    assert cadence_names(music, C) == {Fraction(1): "V", Fraction(6): "I"}
    assert cadence_names(music, key_named("F")) == {Fraction(1): "II", Fraction(6): "V"}


def test_a_suspension_is_named_where_it_resolves_and_what_is_no_chord_is_not() -> None:
    music = [event(OPEN, True), event(TONIC, True), event(TONIC), event(OPEN, True), event(OPEN)]
    assert cadence_names(music, C) == {Fraction(1): "I"}


def test_the_last_chord_is_named_without_a_fermata_too() -> None:
    silent = event((-1,) * 4, quarters=2)
    assert cadence_names([event(DOMINANT), event(TONIC), silent], C) == {Fraction(1): "I"}
    assert cadence_names([event(TONIC, True), silent], C) == {Fraction(0): "I"}
    assert cadence_names([], C) == {}
    assert cadence_names([silent], C) == {}


def test_music_without_voices_or_a_key_has_none() -> None:
    assert cadence_names([Event((48, 64, 67), Fraction(1), fermata=True)], C) == {}
    assert cadence_names([event(TONIC, True)], None) == {}


def test_events_are_named_as_they_come_in_the_key_of_their_piece() -> None:
    namer = CadenceNamer()
    heard = [event(TONIC), event(TONIC, True), event(TONIC, True), event(DOMINANT)]
    assert [namer.name(e, C) for e in heard] == ["", "I", "", ""]
    assert namer.name(event(TONIC, True), Key(7)) == "IV"
    assert namer.name(event(TONIC, True), None) == ""
