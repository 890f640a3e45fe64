"""A melody of somebody's own, made ready to be harmonised: phrases, range, what is assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from config_bach import Paths, UserError, counted
from families.satb.dataset import of_parts, read_parts
from families.satb.encoding import VOICES, Chorale, Grid, pitches, plan_of
from music.events import Note, pitch_name
from music.instruments import VOICE_RANGES
from music.keys import Key, fits
from music.phrases import FEW, beside_the_grid, phrase_ends, straight, swings
from music.scores import Score

WIDER = 3  # semitones that a voice may go beyond its usual range: the keys of the page reach C6
FINAL = 0.2  # of a correlation: how much an end on its tonic speaks for a key


@dataclass(frozen=True)
class Melody:
    """Voices that are given. chorale: as they are written. phrased: its plan as the network is
    told, with the ends of phrases that were found. key: '' or as MIDI files have it. remarks: what
    was assumed, in sentences."""

    chorale: Chorale
    phrased: Grid
    key: str = ""
    remarks: tuple[str, ...] = ()


def read_melody(path: Path | Score, paths: Paths, voices: Sequence[int]) -> Melody:
    """A score, or a file with one, of the given voices (0..3); of four parts all are taken.

    Raises UserError if it has other parts, or notes that a voice cannot sing.
    """
    score, parts = read_parts(path, paths, voices)
    remarks = []
    notes = [n for part in parts.values() for n in part]
    if swings(notes):
        parts = {v: [_straightened(n) for n in part] for v, part in parts.items()}
        remarks.append("its eighths swing: they are taken as even ones")
        notes = [n for part in parts.values() for n in part]
    if (late := beside_the_grid(notes)) > FEW * len(notes):
        remarks.append(
            f"{late} of its {counted(len(notes), 'note')} begin beside the sixteenths of its tempo, "
            "as in free playing or triplets: each was moved to the nearest one"
        )
    for voice in voices:
        check_range(parts.get(voice, ()), voice, score.name)
    chorale = of_parts(score, parts)
    phrased = replace(score, fermatas=score.fermatas or phrase_ends(highest(parts)))
    plan = plan_of(len(chorale), phrased.bars, _with_last(phrased.fermatas, highest(parts)))
    return Melody(chorale, plan, score.key, tuple(remarks))


def highest(parts: Mapping[int, Sequence[Note]]) -> Sequence[Note]:
    """The notes of the highest voice that is there."""
    return parts[min(voice for voice in parts if parts[voice])]


def _with_last(
    fermatas: Sequence[tuple[Fraction, Fraction]], notes: Sequence[Note]
) -> list[tuple[Fraction, Fraction]]:
    """The ends of phrases, and the last note: it is one, whatever a score says."""
    last = max(notes, key=lambda n: n.end)
    inside = any(onset < last.end and end > last.onset for onset, end in fermatas)
    return [*fermatas] if inside else [*fermatas, (last.onset, last.end)]


def check_range(notes: Sequence[Note], voice: int, name: str) -> None:
    """Raise UserError, with the transposition that helps, for notes that a voice cannot sing."""
    heard = [n.pitch for n in notes]
    low, high = VOICE_RANGES[voice]
    low, high = low - WIDER, high + WIDER
    if not heard or (low <= min(heard) and max(heard) <= high):
        return
    told = f"{name} goes from {pitch_name(min(heard))} to {pitch_name(max(heard))}"
    sung = f"a {VOICES[voice]} sings {pitch_name(low)} to {pitch_name(high)}"
    shift = mending(min(heard), max(heard), low, high)
    if shift is None:
        raise UserError(
            f"{told}, which is wider than a {VOICES[voice]}: {sung}; take another melody."
        )
    raise UserError(f"{told}, but {sung}: transpose it {in_words(shift)}.")


def mending(lowest: int, highest: int, low: int, high: int) -> int | None:
    """The semitones that bring notes into a range: whole octaves if they can, else the fewest; None if
    nothing does."""
    fitting = range(low - lowest, high - highest + 1)
    return min(fitting, key=lambda k: (k % 12 != 0, abs(k)), default=None)


def in_words(semitones: int) -> str:
    """'up 2 octaves (24 semitones)', 'down 3 semitones'."""
    way, size = ("up" if semitones > 0 else "down"), abs(semitones)
    if size % 12:
        return f"{way} {counted(size, 'semitone')}"
    return f"{way} {counted(size // 12, 'octave')} ({size} semitones)"


def key_of_given(symbols: Grid) -> Key:
    """The key of voices that are given [steps, voices]: one whose tonic ends them is likelier, as
    the last note of the lowest or the highest voice mostly is."""
    heard = pitches(symbols)
    sung = heard[heard >= 0]
    found = fits(np.bincount(sung % 12, minlength=12).astype(float))
    last = {int(column[column >= 0][-1]) % 12 for column in heard.T if (column >= 0).any()}
    return max(found, key=lambda key: found[key] + FINAL * (key.tonic in last))


def _straightened(note: Note) -> Note:
    onset = straight(note.onset)
    return replace(note, onset=onset, duration=straight(note.end) - onset)
