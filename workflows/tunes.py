"""A tune of somebody's own, harmonised or continued by a model."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby, pairwise
from statistics import mean

from config_bach import DEFAULT_BPM, Paths, UserError
from families.base import Composition, CompositionRequest, LoadedModel
from midi_io import Score
from music.copies import Copy
from music.events import Event, Note, bar_starts, events_from_notes, fermatas_of, notes_from_events

WAYS = ("harmonise", "continue")
LONGEST_SECONDS = 120  # of a tune; what follows is left out
LONGEST_QUARTERS = Fraction(256)
PARTICLES = 16  # a third of what the command line takes: docs/decisions.md has what it costs
NEW_NOTES = 48  # that a model without voices adds
COMMON_TIME = Fraction(4)  # quarter lengths
STEP = Fraction(1, 4)  # quarter lengths; finer times are rounded by models with voices


@dataclass(frozen=True)
class Answer:
    """What became of a tune: its events, tempo (BPM), programs 1..128 and what is copied in it."""

    events: list[Event]
    bpm: float
    programs: tuple[int, ...] | int
    copy: Copy | None


def compose(
    model: LoadedModel, tune: Score, way: str, request: CompositionRequest, paths: Paths
) -> Answer:
    """A tune with voices under it, or with what a model adds. way: one of WAYS.

    request: the seed and the instrument. Raises UserError for a tune or a model that does not suit.
    """
    tune = beginning(tune)
    settings = replace(request.settings, bpm=tune.bpm or DEFAULT_BPM, notes=NEW_NOTES)
    request = replace(request, settings=settings)
    if way == "harmonise":
        made = _harmonise(model, melody_of(tune), request, paths)
        return _answer(made, made.events)
    given = _as_heard(model, tune, request, paths)
    prime = replace(tune, notes=tuple(notes_from_events(given)))
    if model.family.voices:
        prime = replace(prime, bars=tuple(bar_starts(given)), fermatas=tuple(fermatas_of(given)))
    made = model.family.compose(model, replace(request, prime=prime), paths)
    return _answer(made, [*given, *made.events])


def _answer(made: Composition, events: Iterable[Event]) -> Answer:
    programs = made.programs if isinstance(made.programs, int) else tuple(made.programs)
    return Answer(list(events), made.bpm, programs, made.copy)


def _harmonise(
    model: LoadedModel, given: Score, request: CompositionRequest, paths: Paths, keep: str = ""
) -> Composition:
    """keep: the voices that are given; else the first."""
    if "harmonise" not in model.family.flags:
        raise UserError(
            f"{model.bundle.name} has no voices to put under a tune; choose a model of four voices."
        )
    options = {"harmonise": given, "particles": PARTICLES, "keep": keep or None}
    return model.family.compose(model, replace(request, options=options), paths)


def _as_heard(
    model: LoadedModel, tune: Score, request: CompositionRequest, paths: Paths
) -> list[Event]:
    """The events of a tune, in as many voices as the model has: those that it lacks are composed."""
    voices = model.family.voices
    if not voices:
        longest = model.vocabulary.encoding.max_duration
        return list(events_from_notes(tune.notes, longest))
    if len({n.voice for n in tune.notes}) == len(voices):
        try:
            return list(_harmonise(model, tune, request, paths, ",".join(voices)).events)
        except UserError:
            pass  # its parts have chords, or notes that no voice has: only the melody is taken
    return list(_harmonise(model, melody_of(tune), request, paths).events)


def beginning(score: Score) -> Score:
    """The first two minutes, from the bar of the first note on. Raises UserError without notes."""
    if not score.notes:
        raise UserError("this tune has no notes; write some.")
    first = min(n.onset for n in score.notes)
    start = max((t for t in score.bars if t <= first), default=first // COMMON_TIME * COMMON_TIME)
    start = max(start, Fraction(0))
    bpm = Fraction(score.bpm or DEFAULT_BPM)
    length = min(LONGEST_QUARTERS, LONGEST_SECONDS * bpm / 60 // STEP * STEP)
    return replace(
        score,
        notes=tuple(_moved(n, start, length) for n in score.notes if n.onset < start + length),
        bars=tuple(t - start for t in score.bars if t < start + length),
        fermatas=tuple((a - start, b - start) for a, b in score.fermatas if b <= start + length),
    )


def _moved(note: Note, start: Fraction, length: Fraction) -> Note:
    onset = note.onset - start
    return replace(note, onset=onset, duration=min(note.end - start, length) - onset)


def melody_of(score: Score) -> Score:
    """The highest part, and of what it strikes at once only the highest: one note after the other."""
    voices = {v: [n for n in score.notes if n.voice == v] for v in {n.voice for n in score.notes}}
    highest = max(voices.values(), key=lambda notes: mean(n.pitch for n in notes))
    ordered = sorted(highest, key=lambda n: (n.onset, -n.pitch))
    top = [next(group) for _, group in groupby(ordered, key=lambda n: n.onset)]
    ends = [b.onset for _, b in pairwise(top)]
    cut = [
        replace(n, duration=min(n.end, end) - n.onset) for n, end in zip(top, ends, strict=False)
    ]
    return replace(score, notes=tuple(replace(n, voice=0) for n in (*cut, top[-1])))
