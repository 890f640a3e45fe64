"""Scores and the public JSB form -> chorales, every file accounted for; chorales -> step sequences."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from config_bach import Encoding, Paths, Reading, UserError
from families.base import Corpus, CorpusRow
from families.corpus import not_kept, read_entries, read_entry
from families.satb.encoding import STEP, VOICES, Chorale, plan_of, symbols_of, symbols_of_notes
from families.satb.features import rows_of
from families.satb.retrieval import TuneIndex
from families.steps import StepSequence
from midi_io import ALL
from music.events import Note
from music.scores import TIMES, Refused, Score

SIDES = ("train", "valid", "test")
JSB_SIDES = Path(__file__).parent / "jsb_sides.json"
SHORTEST = 16  # steps
LONGEST = 4096  # steps
WRITTEN = Reading(unfold=False)  # what is composed around keeps the bars that it has on paper


@dataclass(frozen=True)
class SatbSequence(StepSequence):
    """A chorale as the network sees it. tells_struck: whether held and struck notes are told apart."""

    tells_struck: bool = True


def sequence_of(piece: Chorale, index: TuneIndex | None = None) -> SatbSequence:
    """The features before each step and the symbols at it. index: see features.rows_of."""
    return SatbSequence(
        piece.name, rows_of(piece, index), piece.symbols.astype(np.int32), piece.tells_struck
    )


def read(
    source: str,
    paths: Paths,
    show: bool = True,
    reading: Reading = ALL,
    keeps: Collection[str] = (),
) -> Corpus:
    """Read a folder of scores, 'music21:chorales', 'music21:bach', or a JSON file in the JSB form.

    Raises UserError when nothing in it is in four voices.
    """
    found = (
        read_json(Path(source))
        if source.endswith(".json")
        else _read_scores(source, paths, show, reading, keeps)
    )
    if not found.pieces:
        reasons = "; ".join(f"{row.name}: {row.refused}" for row in found.rows[:3])
        raise UserError(
            f"nothing in {source} is in four voices ({reasons}); model type 5 learns from scores "
            "of four parts, such as music21:chorales."
        )
    return found


def _read_scores(
    source: str, paths: Paths, show: bool, reading: Reading, keeps: Collection[str]
) -> Corpus:
    pieces: list[Chorale] = []
    rows = []
    for entry in read_entries(source, paths, show, reading):
        kept, scores, refused = [], [], entry.refused
        for score in entry.scores:
            try:
                kept.append(of_score(score))
                scores.append(score)
            except Refused as reason:
                refused = str(reason)
        pieces += kept
        lost = not_kept(map(off_the_grid, scores), keeps)
        rows.append(CorpusRow(entry.path.name, sum(map(len, kept)), "" if kept else refused, lost))
    sides = jsb_sides(pieces) if source.startswith("music21:") else ()
    return Corpus(source, tuple(pieces), tuple(rows), sides, "jsb")


def jsb_sides(pieces: Sequence[Chorale]) -> tuple[str, ...]:
    """The sides of music21's scores, so that no held-out JSB chorale is learned from.

    The table was made by bench/match_jsb.py. Empty if it does not know all of the pieces.
    """
    table: dict[str, str] = json.loads(JSB_SIDES.read_text("utf-8"))
    sides = [table.get(piece.name, "") for piece in pieces]
    return tuple(sides) if all(sides) and set(sides) == set(SIDES) else ()


def of_score(score: Score) -> Chorale:
    """A score of four parts as a chorale. Raises Refused, with the reason, for any other."""
    voices = voices_of(score.notes)
    if len(voices) != len(VOICES):
        raise Refused(f"{_parts(len(voices))}, a chorale has four")
    return _chorale(score, voices)


def off_the_grid(score: Score) -> Score:
    """A score that counts, too, what is moved to sixteenths."""
    moved = sum(n.onset % STEP != 0 or n.end % STEP != 0 for n in score.notes)
    times = min(score.holds.get(TIMES, 0) + moved, len(score.notes))
    return replace(score, holds={**score.holds, TIMES: times})


def _chorale(score: Score, voices: Sequence[Sequence[Note]]) -> Chorale:
    steps = round(max(n.end for part in voices for n in part) / STEP)
    if not SHORTEST <= steps <= LONGEST:
        raise Refused(f"{steps} sixteenths, a chorale has {SHORTEST} to {LONGEST}")
    try:
        symbols = symbols_of_notes(voices, steps)
    except ValueError as error:
        raise Refused(str(error)) from error
    return Chorale(score.name, symbols, plan_of(steps, score.bars, score.fermatas), score.bpm)


def _parts(count: int) -> str:
    return "one part" if count == 1 else f"{count} parts"


def voices_of(notes: Sequence[Note]) -> list[list[Note]]:
    """The parts, each in time order, the highest first. Raises Refused for chords in one."""
    parts = [
        sorted((n for n in notes if n.voice == voice), key=lambda n: n.onset)
        for voice in sorted({n.voice for n in notes})
    ]
    for part in parts:
        if any(a.end - b.onset > STEP / 2 for a, b in pairwise(part)):
            raise Refused("a part has several notes at once")
    return sorted(parts, key=lambda part: -mean(n.pitch for n in part))


def read_json(path: Path) -> Corpus:
    """The public JSB form: {"train": [[[s, a, t, b], ...], ...], ...}, MIDI numbers, -1 silent.

    Raises UserError if the file is missing or has another form.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the name.") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); get it anew.") from error
    pieces, rows, sides = [], [], []
    for side in SIDES:
        rest = data.get(side, []) if isinstance(data, dict) else []
        for number, steps in enumerate(rest if isinstance(rest, list) else []):
            piece = _of_steps(f"{side} {number + 1}", steps, path)
            pieces.append(piece)
            rows.append(CorpusRow(piece.name, len(piece)))
            sides.append(side)
    if not pieces:
        raise UserError(f'{path} has no pieces under "train", "valid" or "test"; mend it.')
    return Corpus(str(path), tuple(pieces), tuple(rows), tuple(sides))


def _of_steps(name: str, steps: Any, path: Path) -> Chorale:
    try:
        if len(steps) > LONGEST:
            raise ValueError(f"more than {LONGEST} steps")
        return Chorale(name, symbols_of(steps), plan_of(len(steps)), tells_struck=False)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{path}: piece {name} cannot be read ({error}); mend it.") from error


def read_chorale(
    path: Path | Score, paths: Paths, advice: str = "choose another", reading: Reading = WRITTEN
) -> Chorale:
    """A score, or a file with one, in four voices.

    Raises UserError, with the reason and advice, for any other.
    """
    entry = read_entry(path, paths, reading)
    try:
        if not entry.scores:
            raise Refused(entry.refused)
        return of_score(entry.scores[0])
    except Refused as reason:
        raise UserError(f"{entry.path} is not in four voices: {reason}; {advice}.") from reason


def read_prime(path: Path | Score, paths: Paths, encoding: Encoding) -> Chorale:
    """A score in four voices, to be continued, read as those that the model learned from.

    Raises UserError, with what to do, for any other.
    """
    return read_chorale(
        path,
        paths,
        "a model of another type continues any music (--list shows them), and --harmonise "
        f"{path} composes three voices under a melody",
        replace(encoding.reading, part=""),
    )


def read_parts(
    path: Path | Score, paths: Paths, voices: Sequence[int]
) -> tuple[Score, dict[int, list[Note]]]:
    """A score, or a file with one, and the notes of the given voices (0..3), highest first; a score
    of four parts gives all of them. Raises UserError if it has other parts than these.
    """
    entry = read_entry(path, paths, WRITTEN)
    with usable(entry.path):
        if not entry.scores:
            raise Refused(entry.refused)
        score = entry.scores[0]
        parts = voices_of(score.notes)
        if len(parts) == len(VOICES):
            return score, dict(enumerate(parts))
        if len(parts) != len(voices):
            raise Refused(f"it has {_parts(len(parts))}, and {len(voices)} are to be kept")
        return score, dict(zip(sorted(voices), parts, strict=True))


@contextmanager
def usable(path: Path) -> Iterator[None]:
    """Raise UserError, with the reason, where a score cannot be composed around."""
    try:
        yield
    except Refused as reason:
        raise UserError(f"{path} cannot be composed around: {reason}; choose another.") from reason


def of_parts(score: Score, parts: Mapping[int, Sequence[Note]]) -> Chorale:
    """A chorale of some voices (0..3), with the bars and fermatas of a score; the others are silent.

    Raises UserError if it is too short or too long.
    """
    with usable(Path(score.name)):
        return _chorale(score, [parts.get(voice, ()) for voice in range(len(VOICES))])
