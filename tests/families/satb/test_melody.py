"""A melody of somebody's own: what is read of it, what is assumed, and what is refused."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from chorales import chorale

from config_bach import Paths, UserError
from families.satb.encoding import HOLD, SILENCE, pitches, symbols_of
from families.satb.melody import (
    WIDER,
    Melody,
    check_range,
    in_words,
    key_of_given,
    mending,
    read_melody,
)
from families.satb.plan import phrase_ends
from midi_io import write_midi
from music.events import Note
from music.instruments import VOICE_RANGES
from music.keys import Key
from music.scores import Score

TUNE = ((67, 1), (69, 1), (71, 1), (72, 1), (74, 2), (72, 1), (71, 1), (69, 2), (67, 2))


def sung(*notes: tuple[int, Any], voice: int = 0) -> list[Note]:
    """Notes one after the other: pitch and quarter lengths."""
    found, now = [], Fraction(0)
    for pitch, length in notes:
        found.append(Note(now, Fraction(length), pitch, 90, voice))
        now += Fraction(length)
    return found


def score(*notes: Note, **about: Any) -> Score:
    return Score("tune.mid", tuple(notes), **about)


def melody(given: Score, paths: Paths, voices: Sequence[int] = (0,)) -> Melody:
    return read_melody(given, paths, voices)


def midi(path: Path, *notes: tuple[int, int], **signs: Any) -> Path:
    """A file of one track in ticks of 480 a quarter; signs: values of its key and time signatures."""
    track = mido.MidiTrack()
    for kind in ("time_signature", "key_signature"):
        for time, values in signs.get(kind, []):
            track.append(mido.MetaMessage(kind, time=time, **values))
    for pitch, ticks in notes:
        track.append(mido.Message("note_on", note=pitch, velocity=90, time=0))
        track.append(mido.Message("note_off", note=pitch, velocity=0, time=ticks))
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    file.save(path)
    return path


# ---- what is kept


def test_the_notes_stand_as_they_are_and_the_other_voices_are_silent(paths: Paths) -> None:
    found = melody(score(*sung(*TUNE)), paths)
    heard = pitches(found.chorale.symbols)
    assert heard[::4, 0].tolist() == [67, 69, 71, 72, 74, 74, 72, 71, 69, 69, 67, 67]
    assert (heard[:, 1:] == -1).all()
    assert found.remarks == ()


def test_the_metre_and_the_key_signature_of_a_file_are_kept(tmp_path: Path, paths: Paths) -> None:
    notes = [(67 + i % 5, 480) for i in range(12)]
    path = midi(
        tmp_path / "x.mid",
        *notes,
        time_signature=[(0, {"numerator": 3, "denominator": 4})],
        key_signature=[(0, {"key": "Gm"})],
    )
    found = read_melody(path, paths, [0])
    assert found.key == "Gm"
    assert found.chorale.plan[:, 1].tolist() == [3] * 48
    assert np.flatnonzero(found.chorale.plan[:, 0] == 1).tolist() == [0, 12, 24, 36]
    assert (found.phrased[:, :2] == found.chorale.plan[:, :2]).all()


def test_a_first_bar_that_is_short_is_an_upbeat(paths: Paths) -> None:
    bars = tuple(Fraction(t) for t in (-3, 1, 5, 9))
    found = melody(score(*sung(*TUNE), bars=bars), paths)
    assert np.flatnonzero(found.chorale.plan[:, 0] == 1).tolist() == [4, 20, 36]


def test_without_a_metre_it_is_four_four_and_without_a_key_none_is_written(paths: Paths) -> None:
    found = melody(score(*sung(*TUNE)), paths)
    assert np.flatnonzero(found.chorale.plan[:, 0] == 1).tolist() == [0, 16, 32]
    assert found.key == ""


# ---- phrases


def test_the_network_is_told_of_phrase_ends_that_are_not_written_into_the_score(
    paths: Paths,
) -> None:
    found = melody(score(*sung(*TUNE)), paths)
    assert phrase_ends(found.phrased) == [(16, 23), (40, 47)]
    assert (found.chorale.plan[:, 2] == 0).all()


def test_fermatas_of_a_score_are_its_phrase_ends_and_its_last_note_is_one(paths: Paths) -> None:
    written = ((Fraction(3), Fraction(4)),)
    found = melody(score(*sung(*TUNE), fermatas=written), paths)
    assert phrase_ends(found.phrased) == [(12, 15), (40, 47)]
    assert (found.chorale.plan[:, 2] == 1).nonzero()[0].tolist() == [12, 13, 14, 15]


def test_a_fermata_at_the_end_is_enough(paths: Paths) -> None:
    for begin, end in ((10, 12), (11, 12), (10, 11)):
        written = ((Fraction(begin), Fraction(end)),)
        for fermatas in (written, ((Fraction(3), Fraction(4)), *written)):
            found = melody(score(*sung(*TUNE), fermatas=fermatas), paths)
            assert (found.phrased == found.chorale.plan).all()


def test_of_several_voices_the_highest_that_is_given_has_the_phrases(paths: Paths) -> None:
    low = sung((48, 4), (43, 4), (48, 4), voice=1)
    found = melody(score(*sung(*TUNE), *low), paths, [0, 3])
    assert phrase_ends(found.phrased) == [(16, 23), (40, 47)]
    heard = pitches(found.chorale.symbols)
    assert heard[0].tolist() == [67, -1, -1, 48]


# ---- what is assumed


def test_swung_eighths_are_taken_as_even_and_said(paths: Paths) -> None:
    long, short = Fraction(2, 3), Fraction(1, 3)
    notes = sung(*[(67 + i % 3, length) for i in range(8) for length in (long, short)])
    found = melody(score(*notes), paths)
    assert found.remarks == ("its eighths swing: they are taken as even ones",)
    struck = np.flatnonzero(found.chorale.symbols[:, 0] > SILENCE)
    assert struck.tolist() == list(range(0, 32, 2))


def test_free_playing_is_said_with_how_many_notes_were_moved(paths: Paths) -> None:
    late = [replace(n, onset=n.onset + Fraction(1, 8)) for n in sung(*TUNE)[2:5]]
    notes = [*sung(*TUNE)[:2], *[replace(n, duration=n.duration / 2) for n in late]]
    notes += sung(*TUNE)[5:]
    found = melody(score(*notes), paths)
    assert len(found.remarks) == 1
    assert found.remarks[0].startswith("3 of its 9 notes begin beside the sixteenths of its tempo")


def test_a_single_late_note_is_not_worth_a_word(paths: Paths) -> None:
    notes = sung(*[(60 + i % 8, 1) for i in range(12)])
    notes[5] = replace(notes[5], onset=notes[5].onset + Fraction(1, 8), duration=Fraction(1, 2))
    assert melody(score(*notes), paths).remarks == ()


# ---- ranges


def test_notes_that_a_voice_cannot_sing_are_refused_with_what_helps(paths: Paths) -> None:
    deep = [(p - 24, length) for p, length in TUNE]
    with pytest.raises(UserError) as refusal:
        melody(score(*sung(*deep)), paths)
    assert str(refusal.value) == (
        "tune.mid goes from G2 to D3, but a soprano sings A3 to C6: transpose it up 2 octaves "
        "(24 semitones)."
    )
    read_melody(score(*sung(*deep)), paths, [3])  # a bass can sing it


def test_a_melody_that_no_transposition_mends_is_refused(paths: Paths) -> None:
    wide = sung((50, 2), (90, 2))
    with pytest.raises(UserError, match=r"wider than a soprano: .* take another melody\.$"):
        melody(score(*wide), paths)


def test_every_kept_voice_has_its_own_range(paths: Paths) -> None:
    low = sung((72, 12), voice=1)
    with pytest.raises(UserError, match="a bass sings A1 to G4: transpose it down 1 octave"):
        melody(score(*sung(*TUNE), *low), paths, [0, 3])


@pytest.mark.parametrize("voice", range(4))
def test_three_semitones_beyond_the_usual_range_are_allowed(voice: int) -> None:
    low, high = VOICE_RANGES[voice]
    check_range(sung((low - WIDER, 1), (high + WIDER, 1)), voice, "x")
    check_range([], voice, "x")
    for pitch in (low - WIDER - 1, high + WIDER + 1):
        with pytest.raises(UserError, match="x goes from"):
            check_range(sung((pitch, 1)), voice, "x")


@pytest.mark.parametrize(
    ("lowest", "highest", "shift"),
    [
        (43, 50, 24),
        (55, 62, 12),
        (90, 95, -12),
        (56, 80, 2),  # no octave helps
        (62, 86, -3),
        (30, 90, None),
        (60, 70, 0),
    ],
)
def test_whole_octaves_mend_if_they_can_else_the_fewest_semitones(
    lowest: int, highest: int, shift: int | None
) -> None:
    assert mending(lowest, highest, 58, 83) == shift


@pytest.mark.parametrize(
    ("semitones", "words"),
    [
        (24, "up 2 octaves (24 semitones)"),
        (-12, "down 1 octave (12 semitones)"),
        (1, "up 1 semitone"),
        (-7, "down 7 semitones"),
    ],
)
def test_a_transposition_is_said_as_musicians_say_it(semitones: int, words: str) -> None:
    assert in_words(semitones) == words


# ---- the key


def test_the_key_of_a_melody_is_heard_in_it_and_its_last_note_speaks_for_its_tonic() -> None:
    def column(*tune: int) -> Any:
        return symbols_of([[p, -1, -1, -1] for p in tune for _ in range(4)])

    assert key_of_given(column(67, 69, 71, 72, 74, 72, 71, 69, 67)) == Key(7)
    scale = (67, 69, 71, 72, 74, 76, 77)
    assert key_of_given(column(*scale, 69)) == Key(9, minor=True)
    assert key_of_given(column(*scale, 72)) == Key(0)
    assert key_of_given(column(*scale, 67)) == Key(7)


def test_the_last_note_of_any_given_voice_can_be_the_tonic() -> None:
    steps = [[76, -1, -1, 57], [74, -1, -1, 55], [72, -1, -1, 53], [76, -1, -1, 57]]
    found = key_of_given(symbols_of([s for s in steps for _ in range(4)]))
    assert found == Key(9, minor=True)


def test_a_score_in_four_voices_is_read_with_all_of_them(tmp_path: Path, paths: Paths) -> None:
    piece = chorale(8)
    write_midi(tmp_path / "x.mid", piece.events, 80, 20)
    found = read_melody(tmp_path / "x.mid", paths, [0])
    assert (pitches(found.chorale.symbols) == pitches(piece.symbols)).all()
    assert HOLD in found.chorale.symbols
