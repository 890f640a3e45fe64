"""A new piece as files: the .mid, its piano roll and, if asked for, the sound and the score."""

from collections.abc import Callable
from pathlib import Path

import midi_io
from config_bach import Paths
from evaluation import plots
from families.base import Composition, CompositionRequest, LoadedModel
from music.instruments import by_voice, instrument_name
from music.wav import write_wav
from storage.files import keep_previous


def compose(model: LoadedModel, request: CompositionRequest, paths: Paths) -> Composition:
    """A new piece. Raises UserError for a request that cannot be met."""
    return model.family.compose(model, request, paths)


def described(piece: Composition) -> str:
    """A piece in one line: what it is, how long, how it sounds."""
    names = dict.fromkeys(instrument_name(p) for p in by_voice(piece.programs))
    return f"{piece.title}: {piece.size}, {', '.join(names)}, {piece.bpm:g} BPM"


def write(piece: Composition, midi: Path, wav: bool, musicxml: bool) -> list[tuple[str, Path]]:
    """Write the files of a piece beside each other; returns what each is and where it lies.

    Files of an earlier piece at the same path are kept under a number. Raises UserError if something
    cannot be written.
    """
    if midi.suffix.lower() not in midi_io.MIDI_SUFFIXES:
        midi = midi.with_name(midi.name + ".mid")
    how, drawn = (piece.events, piece.bpm, piece.programs), plots.available()
    writers: dict[str, tuple[str, bool, Callable[[Path], None]]] = {
        "music": (midi.suffix, True, lambda p: midi_io.write_midi(p, *how)),
        "score": (".musicxml", musicxml, lambda p: midi_io.write_musicxml(p, *how)),
        "sound": (".wav", wav, lambda p: write_wav(p, *how)),
        "picture": (".png", drawn, lambda p: plots.piano_roll(p, piece.events, piece.title)),
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
