"""A new piece as files: the .mid, its piano roll and, if asked for, the sound and the score."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import charts
import midi_io
import synth
from bundle import Bundle
from chorale.composer import compose as freely
from chorale.given import around, free_bars, free_voices, voices_named
from chorale.grid import VOICES, Chorale
from chorale.limits import Limits
from chorale.score import bars_of, events_of, write_satb
from chorale.sources import read_chorale, read_melodies
from config_bach import Composing, Places, UserError
from corpus import read_piece
from files import keep_previous
from instruments import ORGAN, Programs, by_voice, instrument_name, program_number
from originality import Copy
from piece import Event
from predict import Composer, prime_of

DEFAULT_BPM = 90.0
DEFAULT_PROGRAM = 1


@dataclass(frozen=True)
class Composition:
    """A composed piece: its events, and how they are to sound (BPM, program 1..128)."""

    title: str
    events: Sequence[Event]
    bpm: float
    programs: Programs
    chorale: Chorale | None = None  # where voices are told apart
    copy: Copy | None = None  # the longest passage that stands in the training pieces

    def __str__(self) -> str:
        names = dict.fromkeys(instrument_name(p) for p in by_voice(self.programs))
        sound = f"{', '.join(names)}, {self.bpm:g} BPM"
        if self.chorale:
            bars = len(bars_of(self.chorale.plan))
            return f"{self.title}: {bars} bars in four voices, {sound}"
        return f"{self.title}: {len(self.events)} notes and chords, {sound}"


def compose(
    bundle: Bundle,
    settings: Composing,
    places: Places,
    prime: Path | None = None,
    instrument: str | None = None,
) -> Composition:
    """Compose after a score file, or after the beginning of a piece that training never saw.

    Tempo and instrument are those asked for, else those of the corpus. Raises UserError for a prime
    or an instrument that cannot be used.
    """
    program = program_number(instrument) if instrument else bundle.facts["instrument"]
    if prime:
        piece = read_piece(prime, places, bundle.vocabulary.encoding.max_duration)
        name, heard = piece.name, list(piece.events)
    else:
        name, heard = prime_of(bundle, settings.seed)
    events = list(islice(Composer(bundle, settings, heard), settings.notes))
    bpm = settings.bpm or bundle.facts["bpm"] or DEFAULT_BPM
    title = f"{bundle.name} after {name}, seed {settings.seed}"
    copy = bundle.memory.longest(events) if bundle.memory else None
    return Composition(title, events, bpm, program or DEFAULT_PROGRAM, copy=copy)


@dataclass(frozen=True)
class Wish:
    """What a person wants of a piece in four voices."""

    limits: Limits
    prime: Path | None = None  # what it follows
    score: Path | None = None  # what it is composed around
    keep: str | None = None  # the voices of the score that stay
    bars: str | None = None  # the bars of the score that do not


def compose_chorale(
    bundle: Bundle, settings: Composing, places: Places, wish: Wish, instrument: str | None
) -> Composition:
    """A piece in four voices by a model of type 5: a whole chorale, or one around a score.

    Raises UserError for what cannot be read, kept or composed anew.
    """
    if wish.score:
        chorale = _around(bundle, settings, places, wish)
        title = f"{bundle.name} around {chorale.name}, seed {settings.seed}"
    else:
        prime = read_chorale(wish.prime, places) if wish.prime else None
        chorale = freely(bundle, settings, wish.limits, prime)
        title = f"{bundle.name} {chorale.name}, seed {settings.seed}"
    return sung(chorale, bundle, settings, instrument, title)


def _around(bundle: Bundle, settings: Composing, places: Places, wish: Wish) -> Chorale:
    """The score of a wish, with what is not kept of it composed anew."""
    assert wish.score
    if wish.bars:
        kept = voices_named(wish.keep) if wish.keep else []
        given = read_chorale(wish.score, places)
        free = free_bars(given, wish.bars, kept)
    else:
        kept = voices_named(wish.keep or VOICES[0])
        given = read_melodies(wish.score, places, kept)
        free = free_voices(given, kept)
    return around(bundle, given, free, settings, wish.limits)


def sung(
    chorale: Chorale, bundle: Bundle, settings: Composing, instrument: str | None, title: str
) -> Composition:
    """A chorale as it is to sound; several instruments, separated by commas, are one for each voice."""
    names = instrument.split(",") if instrument else []
    programs = [program_number(name) for name in names] or [bundle.facts["instrument"] or ORGAN]
    if len(programs) not in (1, len(VOICES)):
        raise UserError("--instrument takes one instrument, or four separated by commas.")
    bpm = settings.bpm or bundle.facts["bpm"] or DEFAULT_BPM
    events = events_of(chorale)
    copy = bundle.memory.longest(events) if bundle.memory else None
    return Composition(title, events, bpm, programs, chorale, copy)


def write(piece: Composition, midi: Path, wav: bool, musicxml: bool) -> list[tuple[str, Path]]:
    """Write the files of a piece beside each other; returns what each is and where it lies.

    Files of an earlier piece at the same place are kept under a number. Raises UserError if
    something cannot be written.
    """
    if midi.suffix.lower() not in midi_io.MIDI_SUFFIXES:
        midi = midi.with_name(midi.name + ".mid")
    how = (piece.events, piece.bpm, piece.programs)
    writers: dict[str, tuple[str, bool, Callable[[Path], None]]] = {
        "music": (midi.suffix, True, lambda p: midi_io.write_midi(p, *how)),
        "score": (".musicxml", musicxml, lambda p: write_score(p, piece)),
        "sound": (".wav", wav, lambda p: synth.write_wav(p, *how)),
        "picture": (".png", can_draw(), lambda p: charts.piano_roll(p, piece.events, piece.title)),
    }
    keep_previous(*(midi.with_suffix(suffix) for suffix, _, _ in writers.values()))
    written = []
    for kind, (suffix, wanted, write_to) in writers.items():
        path = midi.with_suffix(suffix)
        if wanted:
            write_to(path)
            written.append((kind, path))
        else:
            path.unlink(missing_ok=True)  # it belongs to the piece before, and is kept as such
    return written


def can_draw() -> bool:
    """Whether pictures can be drawn; where only what composes is installed, there are none."""
    return importlib.util.find_spec("matplotlib") is not None


def write_score(path: Path, piece: Composition) -> None:
    """The piece as MusicXML; a chorale keeps its bars and fermatas."""
    if piece.chorale:
        write_satb(path, piece.chorale, piece.bpm, piece.programs)
    else:
        midi_io.write_musicxml(path, piece.events, piece.bpm, piece.programs)
