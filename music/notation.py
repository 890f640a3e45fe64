"""Notes as a score: key, spelling, staves, bars, ties and fermatas, as music21 streams."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from config_bach import UserError
from music.cadences import cadence_names
from music.events import Bar, Event, Note, bars_of, fermatas_of, notes_from_events
from music.instruments import VOICE_COLORS, Programs, by_voice
from music.keys import key_named
from music.sounds import DRUMS, program_name, program_of, voice_of

LONGEST = 20_000  # events of a score; music21 takes 5 ms and 50 KB for each
MIDDLE_C = 60
NO_MARKS: Mapping[Fraction, str] = {}
VOICE_NAMES = ("Soprano", "Alto", "Tenor", "Bass")
VOICE_CLEFS = ("TrebleClef", "TrebleClef", "Treble8vbClef", "BassClef")
PERCUSSION_CLEF = "PercussionClef"
# where percussion notes stand on a staff of five lines, as is usual for a drum kit; others on its middle
PERCUSSION_PLACES = {
    "F4": (35, 36),
    "D4": (44,),
    "C5": (37, 38, 39, 40),
    "A4": (41, 43),
    "D5": (45, 47),
    "E5": (48, 50),
    "G5": (42, 46),
    "F5": (51, 53, 59),
    "A5": (49, 52, 55, 57),
}


@dataclass(frozen=True)
class Staff:
    """What stands on one staff: its notes, clef (a music21 class), program (1..128, or DRUMS), name."""

    notes: Sequence[Note]
    clef: str
    program: int
    name: str = ""
    color: str = ""  # of its notes, as '#rrggbb'; '' is the usual one


def score_of(
    events: Sequence[Event],
    title: str,
    bpm: float,
    programs: Programs,
    marks: Mapping[Fraction, str] = NO_MARKS,
    *,
    signature: str = "",
    tonality: str = "",
) -> Any:
    """Events as a music21 score with key, bars, ties and fermatas, at a tempo (BPM).

    Voices that are told apart have a staff each, instruments one or, as all other music, two for a
    wide range; percussion stands on a staff of its own, as unpitched notes. marks:
    words above the first staff, by the quarter length at which they stand. signature: 'F#m'; by
    default that of the key that fits best. tonality: the key in which the chords of phrase ends are
    named below the lowest voice; by default the signature, without which they are not named: what was
    kept of a station may be in several keys. Raises UserError as `check_length` does.
    """
    check_length(len(events))
    from music21 import layout, metadata, stream

    notes, bars = notes_from_events(events), bars_of(events)
    key = key_from(signature) if signature else key_of(notes)
    fermatas = {onset for onset, _ in fermatas_of(events)}
    voices = any(e.voices or e.sounds for e in events)
    staves = _staves_of(events, notes, programs)
    score = stream.Score()
    score.metadata = metadata.Metadata(title=title, composer="Play Bach")
    parts = [
        _part(staff, bars, key, fermatas, None if i and voices else bpm)
        for i, staff in enumerate(staves)
    ]
    for time, text in marks.items():
        _mark(parts[0], bars, time, text)
    told = tonality or signature
    for time, text in cadence_names(events, key_named(told) if told else None).items():
        _mark(parts[-1], bars, time, text, "below")
    for part in parts:
        score.insert(0, part)
    if len(parts) > 1:
        score.insert(0, layout.StaffGroup(parts, symbol="bracket" if voices else "brace"))
    return score


def check_length(events: int) -> None:
    """Raise UserError for more events than can be written down in bearable time and memory."""
    if events > LONGEST:
        raise UserError(
            f"a score of {events:,} notes and chords is too long for MusicXML, which is written for "
            f"{LONGEST:,} at most: compose fewer --notes, or leave --musicxml out."
        )


def _mark(part: Any, bars: Sequence[Bar], time: Fraction, text: str, where: str = "above") -> None:
    """Write words above or below a staff at a time in quarter lengths."""
    from music21 import expressions, stream

    measures = part.getElementsByClass(stream.Measure)
    for bar, measure in zip(bars, measures, strict=True):
        if bar.start <= time < bar.stop:
            words = expressions.TextExpression(text)
            words.placement = where
            measure.insert(time - bar.start, words)


def _staves_of(events: Sequence[Event], notes: Sequence[Note], programs: Programs) -> list[Staff]:
    if any(e.sounds for e in events):
        return _instrument_staves(notes)
    if any(e.voices for e in events):
        return _voice_staves(notes, programs)
    return _staves(notes, by_voice(programs)[0])


def _instrument_staves(notes: Sequence[Note]) -> list[Staff]:
    """The staves of each instrument, with its name."""
    programs = sorted({p for n in notes if (p := program_of(n.voice)) is not None})
    staves: list[Staff] = []
    for program in [p for p in programs if p != DRUMS] + [p for p in programs if p == DRUMS]:
        own, name = [n for n in notes if n.voice == voice_of(program)], program_name(program)
        if program == DRUMS:
            staves.append(Staff(own, PERCUSSION_CLEF, program, name))
        else:
            staves += [replace(staff, name=name) for staff in _staves(own, program)]
    return staves


def _voice_staves(notes: Sequence[Note], programs: Programs) -> list[Staff]:
    rows = zip(VOICE_CLEFS, by_voice(programs), VOICE_NAMES, VOICE_COLORS, strict=True)
    return [Staff([n for n in notes if n.voice == voice], *row) for voice, row in enumerate(rows)]


def _staves(notes: Sequence[Note], program: int) -> list[Staff]:
    """All notes on one staff if they fit, else what lies below middle C on a second one."""
    pitches = [n.pitch for n in notes]
    if not pitches or min(pitches) >= 55:
        return [Staff(notes, "TrebleClef", program)]
    if max(pitches) <= 67:
        return [Staff(notes, "BassClef", program)]
    high = [n for n in notes if n.pitch >= MIDDLE_C]
    low = [n for n in notes if n.pitch < MIDDLE_C]
    return [Staff(high, "TrebleClef", program), Staff(low, "BassClef", program)]


def _part(
    staff: Staff, bars: Sequence[Bar], key: Any, fermatas: set[Fraction], bpm: float | None
) -> Any:
    from music21 import clef, instrument, stream, tempo

    part = stream.Part(id=staff.name or None)
    length = Fraction(0)
    for bar, notes in zip(bars, _by_bar(staff.notes, bars), strict=True):
        measure = _measure(bar, notes, key, fermatas)
        if staff.color:
            for sound in measure.notes:
                sound.style.color = staff.color
        if bar.length != length:
            length = bar.length
            measure.timeSignature = _time_signature(length)
        part.append(measure)
    opening = part.getElementsByClass(stream.Measure).first()
    opening.insert(0, getattr(clef, staff.clef)())
    opening.insert(0, key)
    if staff.program == DRUMS:
        player = instrument.UnpitchedPercussion()
    else:
        player = instrument.Instrument()
        player.midiProgram = staff.program - 1
    player.partName = staff.name or None
    opening.insert(0, player)
    if bpm:
        opening.insert(0, tempo.MetronomeMark(number=bpm))
    return part


def _time_signature(length: Fraction) -> Any:
    """The time signature of a bar: 4 quarter lengths are 4/4, 3/2 are 3/8."""
    from music21 import meter

    denominator = 4 * max(length.denominator, 1)
    return meter.TimeSignature(f"{max(length.numerator, 1)}/{denominator}")


def _by_bar(notes: Sequence[Note], bars: Sequence[Bar]) -> Iterator[list[Note]]:
    """The notes that sound in each bar, in one pass."""
    coming = deque(sorted(notes, key=lambda n: n.onset))
    going: list[Note] = []
    for bar in bars:
        going = [n for n in going if n.end > bar.start]
        while coming and coming[0].onset < bar.stop:
            going.append(coming.popleft())
        yield going


def _measure(bar: Bar, inside: Sequence[Note], key: Any, fermatas: set[Fraction]) -> Any:
    """One bar of a staff, with what goes over its ends tied; inside: the notes that sound in it."""
    from music21 import expressions, stream

    measure = stream.Measure(number=bar.number)
    measure.paddingLeft = bar.missing
    for start, stop, sounding in _slices(inside, bar.start, bar.stop):
        element = _chord(sounding, start, stop, key)
        if start in fermatas and any(n.onset == start for n in sounding):
            element.expressions.append(expressions.Fermata())
        measure.insert(start - bar.start, element)
    return measure


def _slices(
    notes: Sequence[Note], start: Fraction, stop: Fraction
) -> Iterator[tuple[Fraction, Fraction, list[Note]]]:
    """The stretches between two times (quarter lengths) in which the same notes sound."""
    inner = {t for n in notes for t in (n.onset, n.end) if start < t < stop}
    for a, b in pairwise(sorted({start, stop} | inner)):
        yield a, b, [n for n in notes if n.onset <= a < n.end]


def _chord(sounding: Sequence[Note], start: Fraction, stop: Fraction, key: Any) -> Any:
    """A music21 rest, note or chord; what began before or goes on after is tied."""
    from music21 import chord, note, percussion, tie

    if not sounding:
        return note.Rest(quarterLength=stop - start)
    written = []
    for n in sounding:
        drum = n.voice == voice_of(DRUMS)
        one = _hit(n.pitch) if drum else note.Note(spelled(n.pitch, key.sharps))
        before, after = n.onset < start, n.end > stop
        if before or after:
            one.tie = tie.Tie("continue" if before and after else "start" if after else "stop")
        written.append(one)
    drums = sounding[0].voice == voice_of(DRUMS)
    together = percussion.PercussionChord if drums else chord.Chord
    sound = written[0] if len(written) == 1 else together(written)
    sound.duration.quarterLength = stop - start
    return sound


def _hit(pitch: int) -> Any:
    """A percussion note as a music21 unpitched note, where drummers expect it."""
    from music21 import note

    place = next((name for name, hits in PERCUSSION_PLACES.items() if pitch in hits), "B4")
    return note.Unpitched(displayName=place)


def key_from(name: str) -> Any:
    """A key that MIDI files call 'Bb' or 'F#m', as a music21 object."""
    from music21 import key

    tonic = name.removesuffix("m").replace("b", "-")
    return key.Key(tonic, "minor" if name.endswith("m") else "major")


def key_of(notes: Iterable[Note]) -> Any:
    """The key of the notes by music21's analysis (Aarden's profiles); C major if there are none."""
    from music21 import key, note, stream

    flat = stream.Stream(
        [note.Note(n.pitch, quarterLength=n.duration) for n in notes if n.voice != voice_of(DRUMS)]
    )
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
