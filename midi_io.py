"""Scores in and out: .mid, .musicxml, .mxl, .krn, .abc -> notes; events -> .mid, .musicxml."""

import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

from config_bach import BPM_RANGE, UserError, require
from music.events import TICKS, Event, Note, bar_starts, bars_of, notes_from_events
from music.instruments import Programs, by_voice, instrument_name
from music.keys import key_name
from music.midi_repair import repaired
from music.notation import VOICE_NAMES, score_of
from music.sounds import DRUMS, program_name, program_of, voice_of
from storage.files import replacing

SUFFIXES = (".mid", ".midi", ".mxl", ".musicxml", ".xml", ".krn", ".abc")
MIDI_SUFFIXES = (".mid", ".midi")
MIDI_GRID = (8, 6)  # MIDI times are moved to the nearest 32nd or sixteenth triplet
SYSEX = b"\xf0"
SHORTEST_NOTE = Fraction(1, 8)
START = Fraction(0)
NO_MARKS: Mapping[Fraction, str] = {}
BEGINS_HERE = "Play Bach begins here"
DRUM_CHANNEL = 9  # counted from 0
PITCHED_CHANNELS = tuple(c for c in range(16) if c != DRUM_CHANNEL)


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
    if path.suffix.lower() not in SUFFIXES:
        raise Refused(f"no score by its name, which must end in {' '.join(SUFFIXES)}")
    if path.suffix.lower() not in MIDI_SUFFIXES:
        return
    if head[:4] != b"MThd":
        raise Refused("not a MIDI file, whatever its name says")
    if len(head) < 14 or head[12:14] == b"\0\0":
        raise Refused("damaged MIDI header")


def _read_midi(path: Path) -> list[Score]:
    """A MIDI file through pretty_midi, which keeps overlapping notes apart as music21 does not."""
    midi = _parsed_midi(path)
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


def _parsed_midi(path: Path) -> Any:
    """A MIDI file as pretty_midi has it; one that breaks the rules is repaired before."""
    from pretty_midi import PrettyMIDI

    data = path.read_bytes()
    if SYSEX not in data:  # after which mido takes running status for more of the same
        with suppress(OSError, EOFError, ValueError, IndexError, KeyError):
            return PrettyMIDI(BytesIO(data))
    return PrettyMIDI(BytesIO(repaired(data)))


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
    """The pitched notes of a music21 note or chord, with the type of their tie ('' for none).

    Grace notes take no time, and are left out.
    """
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
    return round(float(bpm), 2) if bpm and BPM_RANGE[0] <= bpm <= BPM_RANGE[1] else None


def _program(score: Any) -> int | None:
    """The General MIDI program (1..128) that plays most of the parts that have notes."""
    programs: Counter[int] = Counter()
    for part in score.parts:
        player = part.getInstrument(returnDefault=False)
        if player is not None and player.midiProgram is not None:
            programs[player.midiProgram + 1] += len(part.flatten().notes)
    return programs.most_common(1)[0][0] if programs.total() else None


@dataclass(frozen=True)
class Played:
    """An event as it is to sound: at a tempo (BPM), by programs 1..128, one for each of four voices."""

    event: Event
    bpm: float
    programs: Sequence[int]


def write_midi(
    path: Path,
    events: Sequence[Event],
    bpm: float,
    programs: Programs,
    *,
    title: str = "",
    begins: Fraction = START,
    key: str = "",
) -> None:
    """Write events as a standard MIDI file at a tempo (BPM), with a track for each voice.

    programs: 1..128, one for all voices or one for each. title: by default the name of the file.
    begins: a marker stands where the new music begins, in quarter lengths; 0: none. key: that of the
    signature ('F#m'); by default the one that fits best.
    """
    voices = by_voice(programs)
    marks = {begins: BEGINS_HERE} if begins else {}
    played = [Played(event, bpm * event.tempo, voices) for event in events]
    midi = midi_file(played, title or path.stem, marks, key)
    with replacing(path) as aside:
        midi.save(aside)


def midi_file(
    played: Sequence[Played],
    title: str = "",
    marks: Mapping[Fraction, str] = NO_MARKS,
    key: str = "",
) -> Any:
    """A mido file: a track of title, key, metre and tempi, then one for each voice or instrument.

    Every change is where it happens. The metre is left out where it is not known. marks: markers by
    the quarter length at which they stand. key: 'F#m'; by default the one that fits best.
    """
    from mido import MidiFile

    events = [p.event for p in played]
    notes = notes_from_events(events)
    # what a MIDI file calls text is Latin-1
    midi = MidiFile(type=1, ticks_per_beat=TICKS, charset="latin1")
    told = [*_name(title), *_key(key or key_name(notes)), *_time_signatures(events), *_tempi(played)]
    midi.tracks.append(_track([*told, *_markers(marks)]))
    if any(e.sounds for e in events):
        midi.tracks += _instrument_tracks(notes)
    else:
        midi.tracks += _voice_tracks(played, notes, any(e.voices for e in events))
    return midi


def _voice_tracks(played: Sequence[Played], notes: Sequence[Note], voices: bool) -> Iterator[Any]:
    """A track for each voice that has notes, on a channel of its own; voices: they have names."""
    for voice in range(len(by_voice(1))):
        own = [n for n in notes if n.voice == voice]
        if own or not voice:
            player = instrument_name(played[0].programs[voice]) if played else ""
            name = _name(VOICE_NAMES[voice] if voices else player)
            yield _track([*name, *_programs(played, voice), *_messages(own)], voice)


def _instrument_tracks(notes: Sequence[Note]) -> Iterator[Any]:
    """A track for each instrument, percussion on channel 10.

    Where there are more instruments than channels some share one, and say before each note whose it is.
    """
    from mido import Message

    programs = sorted({p for n in notes if (p := program_of(n.voice)) is not None})
    pitched = [p for p in programs if p != DRUMS]
    for program in programs:
        own = [n for n in notes if n.voice == voice_of(program)]
        timed = [*_name(program_name(program)), *_messages(own)]
        if program == DRUMS:
            yield _track(timed, DRUM_CHANNEL)
            continue
        said = {n.onset for n in own} if len(pitched) > len(PITCHED_CHANNELS) else {START}
        change = Message("program_change", program=program - 1)
        told = [(round(onset * TICKS), 2, change) for onset in said]
        channel = PITCHED_CHANNELS[pitched.index(program) % len(PITCHED_CHANNELS)]
        yield _track([*told, *timed], channel)


Timed = tuple[int, int, Any]  # tick, order within the tick, MIDI message
LARGEST_METRE = 255  # quarters, eighths, ... of a bar that a MIDI file can tell


def _name(text: str) -> Iterator[Timed]:
    """The name of a track; a character that Latin-1 lacks becomes '?'."""
    from mido import MetaMessage

    if text:
        plain = text.encode("latin1", "replace").decode("latin1")
        yield 0, 0, MetaMessage("track_name", name=plain)


def _key(key: str) -> Iterator[Timed]:
    from mido import MetaMessage

    if key:
        yield 0, 0, MetaMessage("key_signature", key=key)


def _time_signatures(events: Sequence[Event]) -> Iterator[Timed]:
    """One wherever the length of the bars changes; an upbeat is a bar of its own."""
    from mido import MetaMessage

    before = None
    for bar in bars_of(events) if bar_starts(events) else ():
        length = bar.length - bar.missing
        lower = 4 * length.denominator
        known = 0 < length.numerator <= LARGEST_METRE and lower & (lower - 1) == 0
        if known and length != before:
            before = length
            yield (
                round(bar.start * TICKS),
                0,
                MetaMessage("time_signature", numerator=length.numerator, denominator=lower),
            )


def _tempi(played: Sequence[Played]) -> Iterator[Timed]:
    from mido import MetaMessage

    for tick, bpm in _changes(played, [p.bpm for p in played]):
        yield tick, 0, MetaMessage("set_tempo", tempo=round(60_000_000 / bpm))


def _markers(marks: Mapping[Fraction, str]) -> Iterator[Timed]:
    from mido import MetaMessage

    for time, text in marks.items():
        yield round(time * TICKS), 1, MetaMessage("marker", text=text)


def _programs(played: Sequence[Played], voice: int) -> Iterator[Timed]:
    from mido import Message

    for tick, program in _changes(played, [p.programs[voice] for p in played]):
        yield tick, 0, Message("program_change", program=program - 1)


def _changes(played: Sequence[Played], values: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """The tick and the value wherever a value differs from that of the event before."""
    time, before = Fraction(0), None
    for p, value in zip(played, values, strict=True):
        if value != before:
            yield round(time * TICKS), value
        time, before = time + p.event.duration, value


def _messages(notes: Sequence[Note]) -> Iterator[Timed]:
    """Notes as MIDI messages; ends come before beginnings."""
    from mido import Message

    for n in notes:
        yield round(n.onset * TICKS), 2, Message("note_on", velocity=n.velocity, note=n.pitch)
        yield round(n.end * TICKS), 1, Message("note_off", velocity=0, note=n.pitch)


def _track(timed: Iterable[Timed], channel: int | None = None) -> Any:
    """Messages with absolute ticks as a MIDI track; on a channel, if one is given."""
    from mido import MidiTrack

    out, before = MidiTrack(), 0
    where = {} if channel is None else {"channel": channel}
    for tick, _, message in sorted(timed, key=lambda m: m[:2]):
        out.append(message.copy(time=tick - before, **({} if message.is_meta else where)))
        before = tick
    return out


def write_musicxml(
    path: Path,
    events: Sequence[Event],
    bpm: float,
    programs: Programs,
    *,
    title: str = "",
    begins: Fraction = START,
    key: str = "",
) -> None:
    """Write events as MusicXML, aside, then rename; see music/notation.py for what it looks like.

    title: by default the name of the file. begins, key: as in `write_midi`.
    """
    marks = {begins: BEGINS_HERE} if begins else {}
    score = score_of(events, title or path.stem, bpm, programs, marks, key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("music21").setLevel(logging.ERROR)
        with replacing(path) as aside:
            score.write("musicxml", fp=aside)
