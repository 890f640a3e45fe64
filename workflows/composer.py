"""A new piece as files: the .mid, its piano roll and, if asked for, the sound and the score."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

import midi_io
from config_bach import Paths
from evaluation import piano_roll, plots
from evaluation.judge import judge_of
from families.base import Composition, CompositionRequest, LoadedModel
from music.events import duration_of
from music.instruments import by_voice
from music.sounds import program_name
from music.wav import write_wav
from storage.files import keep_previous


def compose(model: LoadedModel, request: CompositionRequest, paths: Paths) -> Composition:
    """A new piece; of several, where the option 'best_of' says so, the one that the judge grades best.

    Raises UserError for a request that cannot be met.
    """
    count, first = request.options.get("best_of", 1), request.settings.seed or 0
    if count == 1:
        return model.family.compose(model, request, paths)
    judge, candidates = judge_of(model), []
    for seed in tqdm(range(first, first + count), "composing", leave=False, disable=None):
        own = replace(request, settings=replace(request.settings, seed=seed))
        candidates.append(model.family.compose(model, own, paths))
    return min(candidates, key=lambda piece: judge.grade(piece.events).total)


def described(piece: Composition) -> str:
    """A piece in one line: what it is, how long, how it sounds."""
    own = sorted({s.program for e in piece.events for s in e.sounds})
    names = dict.fromkeys(program_name(p) for p in own or by_voice(piece.programs))
    return f"{piece.title}: {piece.size}, {', '.join(names)}, {piece.bpm:g} BPM"


def write(
    piece: Composition, midi: Path, wav: bool, musicxml: bool, with_prime: bool = False
) -> Iterator[tuple[str, Path]]:
    """Write the files of a piece beside each other; yields what each is and where it lies, once it does.

    with_prime: they begin with the original music that the piece continues. Files of an earlier piece
    at the same path are kept under a number. Raises UserError if something cannot be written.
    """
    prime, source = (piece.prime, piece.source) if with_prime else ((), "")
    events, begins = [*prime, *piece.events], duration_of(prime)
    picture = piano_roll.suffix(piece.events, prime) if plots.available() else ""
    how = (events, piece.bpm, piece.programs)
    tonality = piece.tonality or piece.key
    told: dict[str, Any] = {"title": piece.title, "begins": begins, "key": piece.key}
    writers: list[tuple[str, str, bool, Callable[[Path], None]]] = [
        ("music", midi.suffix, True, lambda p: midi_io.write_midi(p, *how, **told)),
        (
            "score",
            ".musicxml",
            musicxml,
            lambda p: midi_io.write_musicxml(p, *how, **told, tonality=tonality),
        ),
        ("sound", ".wav", wav, lambda p: write_wav(p, *how)),
        *(
            (
                "picture",
                suffix,
                suffix == picture,
                lambda p: piano_roll.draw(
                    p, piece.events, piece.title, prime, source, key=tonality
                ),
            )
            for suffix in piano_roll.SUFFIXES
        ),
    ]
    keep_previous(*(midi.with_suffix(suffix) for _, suffix, *_ in writers))
    for kind, suffix, wanted, write_to in writers:
        path = midi.with_suffix(suffix)
        if wanted:
            with tqdm(desc=f"writing {path.name}", bar_format="{desc}", leave=False, disable=None):
                write_to(path)
            yield kind, path
        else:
            path.unlink(missing_ok=True)  # it belongs to the piece before, and is kept as such
