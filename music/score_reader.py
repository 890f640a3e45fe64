"""MusicXML, Humdrum and ABC -> scores, through music21, with their repeats unfolded."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from config_bach import Reading, require
from music.events import Note
from music.midi_reader import sensible
from music.repeats import played_order, unfolded
from music.scores import (
    DRUMS,
    DYNAMICS,
    GRACE,
    INSTRUMENTS,
    LEAD,
    METRES,
    PARTS,
    PEDAL,
    REPEATS,
    TEMPI,
    VELOCITIES,
    Refused,
    Score,
    leading_rest,
    part_number,
    several,
)


def read(path: Path, reading: Reading) -> list[Score]:
    """The scores of a file; some .abc and .krn files hold several. Raises Refused."""
    require("music21", "reading scores other than MIDI")
    from music21 import converter, stream

    parsed = converter.parse(path, forceSource=True, storePickle=False)
    songs = list(parsed.scores) if isinstance(parsed, stream.Opus) else [parsed]
    names = [path.name] if len(songs) == 1 else [f"{path.name}#{i + 1}" for i in range(len(songs))]
    found = [score_of(name, song, reading) for name, song in zip(names, songs, strict=True)]
    scores = [score for score in found if score.notes]
    if not scores:
        raise Refused("no notes")
    return scores


def score_of(name: str, song: Any, reading: Reading) -> Score:
    """A music21 score. Raises Refused if it has not the part that is asked for."""
    parts = list(song.parts) or [song]
    if reading.part:
        parts = [parts[part_number(_names(parts), reading.part)]]
    notes = notes_of(parts)
    held = {
        PARTS: len({n.voice for n in notes}),
        INSTRUMENTS: len(_programs(parts)),
        VELOCITIES: len({n.velocity for n in notes}),
        LEAD: leading_rest(notes),
        **_beside(song, parts),
    }
    program = next((p for p, _ in _programs(parts).most_common(1)), None)
    score = Score(name, tuple(notes), _bpm(song), program, _bars(song), _fermatas(parts[0]))
    marks = _repeat_marks(song)
    if marks and reading.unfold and (order := played_order(_first(song))):
        score, marks = unfolded(score, order, _offsets(_first(song))), 0
    programs = tuple(map(_program_of, parts))
    return replace(score, holds=several({**held, REPEATS: marks}), programs=programs)


def _first(song: Any) -> Any:
    """The part that has the bars."""
    return next(iter(song.parts), song)


def _names(parts: Sequence[Any]) -> list[str]:
    return [str(p.partName or p.id) for p in parts]


def notes_of(parts: Sequence[Any]) -> list[Note]:
    """The pitched notes of music21 parts, part by part, with tied notes joined."""
    from music21 import harmony

    notes: list[Note] = []
    for voice, part in enumerate(parts):
        open_ties: dict[int, int] = {}  # pitch -> where in `notes` its last note is
        for element in part.flatten().notes:
            if isinstance(element, harmony.Harmony):
                continue  # a chord symbol does not sound
            for note, tie in _sounding(element, voice):
                last = notes[open_ties[note.pitch]] if note.pitch in open_ties else None
                if tie in ("stop", "continue") and last and last.end == note.onset:
                    joined = replace(last, duration=last.duration + note.duration)
                    notes[open_ties[note.pitch]] = joined
                else:
                    open_ties[note.pitch] = len(notes)
                    notes.append(note)
    return notes


def _sounding(element: Any, voice: int) -> Iterator[tuple[Note, str]]:
    """The pitched notes of a music21 note or chord, with the type of their tie ('' for none).

    Grace notes take no time, and are left out.
    """
    onset, length = Fraction(element.offset), Fraction(element.duration.quarterLength)
    for n in _pitched(element):
        if length > 0:
            yield (
                Note(onset, length, n.pitch.midi, _velocity(n, element), voice),
                n.tie.type if n.tie else "",
            )


def _members(element: Any) -> Sequence[Any]:
    """The notes of a chord, or the note itself."""
    from music21 import chord

    return element.notes if isinstance(element, chord.ChordBase) else (element,)


def _pitched(element: Any) -> list[Any]:
    from music21.note import Note as PitchedNote

    return [n for n in _members(element) if isinstance(n, PitchedNote)]


def _velocity(note: Any, element: Any) -> int:
    """The MIDI velocity 1..127; 90 where the score does not say."""
    return int(note.volume.velocity or element.volume.velocity or 90)


def _beside(song: Any, parts: Sequence[Any]) -> dict[str, int]:
    """What stands in a score beside its pitched notes; percussion, graces, dynamics of these parts."""
    from music21 import harmony

    elements = [e for p in parts for e in p.flatten().notes if not isinstance(e, harmony.Harmony)]
    grace = (e for e in elements if not e.duration.quarterLength)
    tempi = {Fraction(mark.offset): mark.getQuarterBPM() for mark in _tempo_marks(song)}
    return {
        DRUMS: sum(len(_members(e)) - len(_pitched(e)) for e in elements),
        GRACE: sum(len(_pitched(e)) for e in grace),
        DYNAMICS: sum(len(p.flatten().getElementsByClass("Dynamic")) for p in parts),
        PEDAL: sum(len(p.flatten().getElementsByClass("PedalMark")) for p in parts),
        TEMPI: sum(a != b for a, b in pairwise(tempi[t] for t in sorted(tempi))),
        METRES: len(_metres(song)),
    }


def _metres(song: Any) -> list[str]:
    """The time signatures of the first part, one after the other."""
    signs = _first(song).flatten().getElementsByClass("TimeSignature")
    told = [sign.ratioString for sign in signs]
    return told[:1] + [b for a, b in pairwise(told) if a != b]


def _measures(part: Any) -> list[Any]:
    from music21 import stream

    return list(part.getElementsByClass(stream.Measure))


def _offsets(part: Any) -> list[Fraction]:
    """Where the notes of each bar begin, in quarter lengths."""
    return [Fraction(bar.offset) for bar in _measures(part)]


def _bars(song: Any) -> tuple[Fraction, ...]:
    """Where the bars of the first part begin, in quarter lengths; short ones as if they were whole."""
    bars = _measures(_first(song))
    return tuple(Fraction(bar.offset) - Fraction(bar.paddingLeft) for bar in bars)


def _fermatas(part: Any) -> tuple[tuple[Fraction, Fraction], ...]:
    """Onset and end of the notes of a part that bear a fermata, in quarter lengths."""
    return tuple(
        (Fraction(n.offset), Fraction(n.offset) + Fraction(n.duration.quarterLength))
        for n in part.flatten().notes
        if any("Fermata" in e.classes for e in n.expressions)
    )


def _tempo_marks(song: Any) -> Any:
    return song.flatten().getElementsByClass("MetronomeMark")


def _bpm(song: Any) -> float | None:
    """The first tempo of a score in quarter notes a minute."""
    marks = _tempo_marks(song)
    return next((bpm for mark in marks if (bpm := sensible(mark.getQuarterBPM()))), None)


def _programs(parts: Sequence[Any]) -> Counter[int]:
    """The General MIDI programs (1..128) of the parts that have notes, and how many notes each has."""
    programs: Counter[int] = Counter()
    for part in parts:
        programs[_program_of(part)] += len(part.flatten().notes)
    del programs[0]
    return +programs


def _program_of(part: Any) -> int:
    """The General MIDI program (1..128) of a part; 0 where it does not say."""
    player = part.getInstrument(returnDefault=False)
    return 0 if player is None or player.midiProgram is None else int(player.midiProgram) + 1


def _repeat_marks(song: Any) -> int:
    """How many bar lines and words of the first part send a player back."""
    from music21 import bar, repeat

    found = _first(song).recurse().getElementsByClass(repeat.RepeatMark)
    return sum(
        mark.direction == "end"
        if isinstance(mark, bar.Repeat)
        else isinstance(mark, repeat.RepeatExpressionCommand)
        for mark in found
    )
