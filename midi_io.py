"""Scores in and out: .mid, .musicxml, .mxl, .krn, .abc -> notes; events -> .mid, .musicxml."""

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from config_bach import Reading, UserError
from music import midi_reader, score_reader
from music.events import TICKS, Event, Note, bar_starts, bars_of, notes_from_events
from music.instruments import Programs, by_voice, instrument_name
from music.keys import key_name
from music.notation import VOICE_NAMES, score_of
from music.scores import Refused as Refused  # noqa: PLC0414  (for those who read scores)
from music.scores import Score as Score  # noqa: PLC0414
from music.sounds import DRUMS, program_name, program_of, voice_of
from storage.files import replacing

SUFFIXES = (".mid", ".midi", ".mxl", ".musicxml", ".xml", ".krn", ".abc")
MIDI_SUFFIXES = (".mid", ".midi")
ALL = Reading()
START = Fraction(0)
NO_MARKS: Mapping[Fraction, str] = {}
BEGINS_HERE = "Play Bach begins here"
DRUM_CHANNEL = 9  # counted from 0
PITCHED_CHANNELS = tuple(c for c in range(16) if c != DRUM_CHANNEL)


def read_scores(path: Path, reading: Reading = ALL) -> list[Score]:
    """Read a score file; some .abc and .krn files hold several.

    Raises Refused, with the reason, for anything that holds no music that can be read.
    """
    with refusing(path):
        reader = midi_reader if path.suffix.lower() in MIDI_SUFFIXES else score_reader
        return reader.read(path, reading)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Raise Refused, with the reason, for whatever can be wrong with a score file that is read."""
    _look_at_bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (Refused, UserError):
        raise
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
    told = [
        *_name(title),
        *_key(key or key_name(notes)),
        *_time_signatures(events),
        *_tempi(played),
    ]
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
        how = {} if message.is_meta else {**where, "skip_checks": True}  # which take long
        out.append(message.copy(time=tick - before, **how))
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
    tonality: str = "",
) -> None:
    """Write events as MusicXML, aside, then rename; see music/notation.py for what it looks like.

    title: by default the name of the file. begins, key: as in `write_midi`. tonality: as in score_of.
    """
    marks = {begins: BEGINS_HERE} if begins else {}
    score = score_of(
        events, title or path.stem, bpm, programs, marks, signature=key, tonality=tonality
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("music21").setLevel(logging.ERROR)
        with replacing(path) as aside:
            score.write("musicxml", fp=aside)
