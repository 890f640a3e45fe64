"""Scores in and out: .mid, .musicxml, .mxl, .krn, .abc -> notes; events -> .mid, .musicxml."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from config_bach import UserError, require
from files import replacing
from instruments import Programs, by_voice
from piece import TICKS, Event, Note, notes_from_events

SUFFIXES = (".mid", ".midi", ".mxl", ".musicxml", ".xml", ".krn", ".abc")
MIDI_SUFFIXES = (".mid", ".midi")
MIDI_GRID = (8, 6)  # MIDI times are moved to the nearest 32nd or sixteenth triplet
SHORTEST_NOTE = Fraction(1, 8)
MIDDLE_C = 60


class Refused(Exception):
    """Why a file cannot be learned from, in a few words."""


@dataclass(frozen=True)
class Score:
    """The notes of one score, with its tempo (BPM) and General MIDI program (1..128) if it has any.

    bars: where the bars begin, in quarter lengths; that of an upbeat lies before 0. fermatas: onset
    and end of the notes of the first part that bear one. Both are empty where the score is silent.
    """

    name: str
    notes: tuple[Note, ...]
    bpm: float | None = None
    program: int | None = None
    bars: tuple[Fraction, ...] = ()
    fermatas: tuple[tuple[Fraction, Fraction], ...] = ()


def read_scores(path: Path) -> list[Score]:
    """Read a score file; some .abc and .krn files hold several.

    Raises Refused, with the reason, for anything that holds no music that can be read.
    """
    _look_at_bytes(path)
    read = _read_midi if path.suffix.lower() in MIDI_SUFFIXES else _read_music21
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read(path)
    except (Refused, UserError):
        raise
    except ZeroDivisionError as error:
        raise Refused("a tempo or a division of zero") from error
    except EOFError as error:
        raise Refused("cut short: the file ends in the middle") from error
    except Exception as error:  # the readers raise all sorts of errors on damaged files
        reason = " ".join(str(error).split())[:60] or type(error).__name__
        raise Refused(f"damaged ({reason})") from error


def _look_at_bytes(path: Path) -> None:
    """Refuse at once what is plainly no score. Raises Refused."""
    try:
        head = path.read_bytes()[:14]
    except OSError as error:
        raise Refused(f"cannot be opened: {error.strerror}") from error
    if not head:
        raise Refused("empty file")
    if path.suffix.lower() not in MIDI_SUFFIXES:
        return
    if head[:4] != b"MThd":
        raise Refused("not a MIDI file, whatever its name says")
    if len(head) < 14 or head[12:14] == b"\0\0":
        raise Refused("damaged MIDI header")


def _read_midi(path: Path) -> list[Score]:
    """A MIDI file through pretty_midi, which keeps overlapping notes apart as music21 does not."""
    from pretty_midi import PrettyMIDI

    midi = PrettyMIDI(str(path))
    pitched = [i for i in midi.instruments if i.notes and not i.is_drum]
    if not pitched:
        raise Refused("only drums" if any(i.notes for i in midi.instruments) else "no notes")
    notes = []
    for voice, player in enumerate(pitched):
        for n in player.notes:
            onset, end = (_on_grid(midi, seconds) for seconds in (n.start, n.end))
            notes.append(Note(onset, max(end - onset, SHORTEST_NOTE), n.pitch, n.velocity, voice))
    program = int(max(pitched, key=lambda i: len(i.notes)).program) + 1
    return [Score(path.name, tuple(notes), _sensible(_prevailing(midi)), program)]


def _prevailing(midi: Any) -> float:
    """The tempo in BPM that is in force for most of the time; the first one may be a leftover."""
    since, tempi = midi.get_tempo_changes()
    lasting = [*since[1:], midi.get_end_time()] - since
    return float(tempi[lasting.argmax()])


def _on_grid(midi: Any, seconds: float) -> Fraction:
    """A time in quarter lengths, on the nearest place that MIDI_GRID allows."""
    exact = Fraction(midi.time_to_tick(seconds), midi.resolution)
    return min((Fraction(round(exact * n), n) for n in MIDI_GRID), key=lambda t: abs(t - exact))


def _read_music21(path: Path) -> list[Score]:
    """Any other score through music21."""
    require("music21", "reading scores other than MIDI")
    from music21 import converter, stream

    parsed = converter.parse(path, forceSource=True, storePickle=False)
    songs = list(parsed.scores) if isinstance(parsed, stream.Opus) else [parsed]
    names = [path.name] if len(songs) == 1 else [f"{path.name}#{i + 1}" for i in range(len(songs))]
    scores = [
        Score(name, tuple(notes), _bpm(song), _program(song), _bars(song), _fermatas(song))
        for name, song in zip(names, songs, strict=True)
        if (notes := _notes(song))
    ]
    if not scores:
        raise Refused("no notes")
    return scores


def _notes(score: Any) -> list[Note]:
    """The pitched notes of a music21 score, part by part, with tied notes joined."""
    from music21 import harmony

    notes: list[Note] = []
    for voice, part in enumerate(list(score.parts) or [score]):
        open_ties: dict[int, int] = {}  # pitch -> where in `notes` its last note is
        for element in part.flatten().notes:
            if isinstance(element, harmony.Harmony) or element.duration.isGrace:
                continue  # a chord symbol does not sound; a grace note takes no time
            for note, tie in _sounding(element, voice):
                last = notes[open_ties[note.pitch]] if note.pitch in open_ties else None
                if tie in ("stop", "continue") and last and last.end == note.onset:
                    joined = replace(last, duration=last.duration + note.duration)
                    notes[open_ties[note.pitch]] = joined
                else:
                    open_ties[note.pitch] = len(notes)
                    notes.append(note)
    return notes


def _bars(score: Any) -> tuple[Fraction, ...]:
    """Where the bars of the first part begin, in quarter lengths."""
    from music21 import stream

    part = next(iter(score.parts), score)
    bars = part.getElementsByClass(stream.Measure)
    return tuple(Fraction(bar.offset) - Fraction(bar.paddingLeft) for bar in bars)


def _fermatas(score: Any) -> tuple[tuple[Fraction, Fraction], ...]:
    """Onset and end of the notes of the first part that bear a fermata, in quarter lengths."""
    notes = next(iter(score.parts), score).flatten().notes
    return tuple(
        (Fraction(n.offset), Fraction(n.offset) + Fraction(n.duration.quarterLength))
        for n in notes
        if any("Fermata" in e.classes for e in n.expressions)
    )


def _sounding(element: Any, voice: int) -> Iterator[tuple[Note, str]]:
    """The pitched notes of a music21 note or chord, with the type of their tie ('' for none)."""
    from music21 import chord
    from music21.note import Note as PitchedNote

    onset, length = Fraction(element.offset), Fraction(element.duration.quarterLength)
    for n in element.notes if isinstance(element, chord.ChordBase) else (element,):
        if isinstance(n, PitchedNote) and length > 0:
            yield (
                Note(onset, length, n.pitch.midi, _velocity(n, element), voice),
                n.tie.type if n.tie else "",
            )


def _velocity(note: Any, element: Any) -> int:
    """The MIDI velocity 1..127; 90 where the score does not say."""
    return int(note.volume.velocity or element.volume.velocity or 90)


def _bpm(score: Any) -> float | None:
    """The first tempo of a score in quarter notes a minute."""
    marks = score.flatten().getElementsByClass("MetronomeMark")
    return next((bpm for mark in marks if (bpm := _sensible(mark.getQuarterBPM()))), None)


def _sensible(bpm: float | None) -> float | None:
    """A tempo that music can have, rounded; None for anything else."""
    return round(float(bpm), 2) if bpm and 10 <= bpm <= 400 else None


def _program(score: Any) -> int | None:
    """The General MIDI program (1..128) that plays most of the parts that have notes."""
    programs: Counter[int] = Counter()
    for part in score.parts:
        player = part.getInstrument(returnDefault=False)
        if player is not None and player.midiProgram is not None:
            programs[player.midiProgram + 1] += len(part.flatten().notes)
    return programs.most_common(1)[0][0] if programs.total() else None


def write_midi(path: Path, events: Sequence[Event], bpm: float, programs: Programs) -> None:
    """Write events as a standard MIDI file at a tempo (BPM), with a track for each voice.

    programs: 1..128, one for all voices or one for each.
    """
    from mido import Message, MetaMessage, MidiFile, MidiTrack

    notes = notes_from_events(events)
    midi = MidiFile(type=1, ticks_per_beat=TICKS)
    midi.tracks.append(MidiTrack([MetaMessage("set_tempo", tempo=round(60_000_000 / bpm))]))
    for voice, program in enumerate(by_voice(programs)):
        sung = [n for n in notes if n.voice == voice]
        if sung or not voice:
            head = (0, 0, Message("program_change", program=program - 1))
            midi.tracks.append(track([head, *_messages(sung)], voice))
    with replacing(path) as aside:
        midi.save(aside)


Timed = tuple[int, int, Any]  # tick, order within the tick, MIDI message


def _messages(notes: Sequence[Note]) -> Iterator[Timed]:
    """Notes as MIDI messages; ends come before beginnings."""
    from mido import Message

    for n in notes:
        yield round(n.onset * TICKS), 2, Message("note_on", velocity=n.velocity, note=n.pitch)
        yield round(n.end * TICKS), 1, Message("note_off", velocity=0, note=n.pitch)


def track(timed: Sequence[Timed], channel: int | None = None) -> Any:
    """Messages with absolute ticks as a MIDI track; on a channel, if one is given."""
    from mido import MidiTrack

    out, before = MidiTrack(), 0
    where = {} if channel is None else {"channel": channel}
    for tick, _, message in sorted(timed, key=lambda m: m[:2]):
        out.append(message.copy(time=tick - before, **where))
        before = tick
    return out


def write_musicxml(path: Path, events: Sequence[Event], bpm: float, programs: Programs) -> None:
    """Write events as MusicXML: one staff or, for a wide range, two; with key, bar lines and ties.

    Voices that are told apart come as a score of four staves.
    """
    from music21 import layout, metadata, stream

    if any(e.voices for e in events):
        from chorale.score import chorale_of, write_satb

        write_satb(path, chorale_of(events), bpm, programs)
        return
    program = by_voice(programs)[0]
    notes = notes_from_events(events)
    length = sum((e.duration for e in events), Fraction(0))
    key = key_of(notes)
    score = stream.Score()
    score.metadata = metadata.Metadata(title=path.stem, composer="Play Bach")
    staves = [_staff(staff, length, key, bpm, program) for staff in _staves(notes)]
    for staff in staves:
        score.insert(0, staff)
    if len(staves) > 1:
        score.insert(0, layout.StaffGroup(staves, symbol="brace"))
    write_score(score, "musicxml", path)


def head(part: Any, bpm: float | None, program: int, name: str = "") -> None:
    """Put the instrument (1..128) and the tempo (BPM), if any, at the start of a music21 stream."""
    from music21 import instrument, tempo

    player = instrument.Instrument()
    player.midiProgram = program - 1
    player.partName = name or None
    part.insert(0, player)
    if bpm:
        part.insert(0, tempo.MetronomeMark(number=bpm))


def write_score(score: Any, kind: str, path: Path) -> None:
    """Write a music21 score aside, then rename."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("music21").setLevel(logging.ERROR)
        with replacing(path) as aside:
            score.write(kind, fp=aside)


def _staves(notes: list[Note]) -> list[list[Note]]:
    """All notes on one staff if they fit, else what lies below middle C on a second one."""
    pitches = [n.pitch for n in notes]
    if not pitches or max(pitches) <= 67 or min(pitches) >= 55:
        return [notes]
    high = [n for n in notes if n.pitch >= MIDDLE_C]
    return [high, [n for n in notes if n.pitch < MIDDLE_C]]


def _staff(notes: list[Note], length: Fraction, key: Any, bpm: float, program: int) -> Any:
    """A music21 part with its clef, key, 4/4 bars and the notes as a row of tied chords."""
    from music21 import clef, meter, stream

    part = stream.Part()
    low = bool(notes) and max(n.pitch for n in notes) <= 67
    part.insert(0, clef.BassClef() if low else clef.TrebleClef())
    part.insert(0, key)
    part.insert(0, meter.TimeSignature("4/4"))
    head(part, bpm, program)
    for start, stop, sounding in _slices(notes, length):
        part.insert(start, _chord(sounding, start, stop, key))
    return part.makeMeasures().makeTies()


def _slices(
    notes: Sequence[Note], length: Fraction
) -> Iterator[tuple[Fraction, Fraction, list[Note]]]:
    """The stretches of time (quarter lengths) in which the same notes sound."""
    cuts = sorted({Fraction(0), length} | {n.onset for n in notes} | {n.end for n in notes})
    for start, stop in pairwise(cuts):
        yield start, stop, [n for n in notes if n.onset <= start < n.end]


def _chord(sounding: Sequence[Note], start: Fraction, stop: Fraction, key: Any) -> Any:
    """A music21 rest, note or chord; what began before or goes on after is tied."""
    from music21 import chord, note, tie

    if not sounding:
        return note.Rest(quarterLength=stop - start)
    written = []
    for n in sounding:
        one = note.Note(spelled(n.pitch, key.sharps))
        before, after = n.onset < start, n.end > stop
        if before or after:
            one.tie = tie.Tie("continue" if before and after else "start" if after else "stop")
        written.append(one)
    sound = written[0] if len(written) == 1 else chord.Chord(written)
    sound.duration.quarterLength = stop - start
    return sound


def key_of(notes: Iterable[Note]) -> Any:
    """The key of the notes by music21's Krumhansl-Schmuckler analysis; C major if there are none."""
    from music21 import key, note, stream

    flat = stream.Stream([note.Note(n.pitch, quarterLength=n.duration) for n in notes])
    return flat.analyze("key") if len(flat) else key.Key("C")


def spelled(pitch: int, sharps: int) -> str:
    """The name that a MIDI pitch has in a key: 66 is F#4 in G major, but G-4 in D flat major.

    Of the names on the line of fifths the twelve around the key's own are taken: in C major and A minor
    those from E flat to G sharp, which holds the leading notes of all neighbouring keys.
    """
    lowest = sharps - 3
    fifths = next(f for f in range(lowest, lowest + 12) if f * 7 % 12 == pitch % 12)
    letter, accidentals = "FCGDAEB"[(fifths + 1) % 7], (fifths + 1) // 7
    octave = (pitch - accidentals) // 12 - 1
    return letter + ("#" if accidentals > 0 else "-") * abs(accidentals) + str(octave)
