"""A session as files: a .mid with a track for each player, a score, and what plays it again."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from config_bach import UserError, counted
from duet.parts import DRUM_CHANNEL, Part, PlayedNote
from duet.session import Session
from duet.successor import Candidate, Successor
from music.events import Event
from music.sounds import DRUMS, Sound, program_name
from storage.files import replacing, write_text

TICKS = 480  # of a quarter
SUFFIX = ".duet.json"
FORMAT = 1
LARGEST = 200_000_000  # bytes of a session that is read
MOST_TICKS = 4_000_000  # points of the grid that a session has: more than a day
GRID = Fraction(1, 4)  # quarter lengths, of the score
PERCUSSION_LENGTH = Fraction(1, 4)

Programs = Sequence[tuple[float, int]]  # from which beat on which instrument


def parts_of(session: Session) -> list[Part]:
    """What everybody played, people first."""
    return [*(p.part for p in session.people), *(p.part for p in session.models)]


def notes_of(part: Part, session: Session) -> list[PlayedNote]:
    """The notes of a part as they are kept: those of people on the grid, if so asked."""
    person = any(p.part is part for p in session.people)
    quantise = person and session.settings.quantise
    now = float(session.until)
    ended = [replace(n, end=now if n.end is None else n.end) for n in part.notes]
    return [_on_grid(n) for n in ended] if quantise else ended


def _on_grid(note: PlayedNote) -> PlayedNote:
    step = float(GRID)
    onset = round(note.onset / step) * step
    end = max(round((note.end or onset) / step) * step, onset + step)
    return replace(note, onset=onset, end=end)


def midi_of(session: Session, title: str) -> Any:
    """A mido file: title, tempo map and markers, then a track for each player, and for each further
    instrument of a player."""
    from mido import MetaMessage, MidiFile

    midi = MidiFile(type=1, ticks_per_beat=TICKS, charset="latin1")
    timed = [(0.0, 0, MetaMessage("track_name", name=_latin(title)))]
    timed.append((0.0, 0, MetaMessage("time_signature", numerator=session.settings.bar)))
    for beat, bpm in session.tempi:
        timed.append((beat, 0, MetaMessage("set_tempo", tempo=round(60_000_000 / bpm))))
    for beat, text in sorted(_markers(session)):
        timed.append((beat, 1, MetaMessage("marker", text=_latin(text))))
    midi.tracks.append(_track(timed))
    channels = (c for c in range(16) if c != DRUM_CHANNEL)
    for part in parts_of(session):
        for name, programs, notes in _instruments(part, notes_of(part, session)):
            percussion = all(program == DRUMS for _, program in programs)
            channel = DRUM_CHANNEL if percussion else next(channels, 0)
            midi.tracks.append(_track(_part_messages(name, programs, notes, channel)))
    return midi


def _instruments(
    part: Part, notes: Iterable[PlayedNote]
) -> Iterator[tuple[str, Programs, list[PlayedNote]]]:
    """The notes of a part by instrument, with a name: those of the part's own, then of further ones."""
    own: list[PlayedNote] = []
    further: dict[int, list[PlayedNote]] = defaultdict(list)
    for n in notes:
        (own if n.program == part.program_at(n.onset) else further[n.program]).append(n)
    yield part.name, part.programs, own
    for program, played in sorted(further.items()):
        yield f"{part.name}: {program_name(program)}", [(0.0, program)], played


def _markers(session: Session) -> Iterator[tuple[float, str]]:
    yield from session.marks
    for told in session.tolds:
        yield told.beat, str(told)


def _part_messages(
    name: str, programs: Programs, notes: Iterable[PlayedNote], channel: int
) -> list[tuple[float, int, Any]]:
    from mido import Message, MetaMessage

    timed: list[tuple[float, int, Any]] = [(0.0, 0, MetaMessage("track_name", name=_latin(name)))]
    for beat, program in programs:
        if program != DRUMS:
            change = Message("program_change", program=program - 1, channel=channel)
            timed.append((beat, 2, change))
    for n in notes:
        values = {"note": n.pitch, "channel": DRUM_CHANNEL if n.drum else channel}
        timed.append((n.onset, 3, Message("note_on", velocity=n.velocity, **values)))
        end = max(n.end or 0.0, n.onset + 1 / TICKS)
        timed.append((end, 2, Message("note_off", velocity=0, **values)))
    return timed


def _track(timed: Iterable[tuple[float, int, Any]]) -> Any:
    from mido import MidiTrack

    ticks = sorted(((round(beat * TICKS), rank, m) for beat, rank, m in timed), key=lambda x: x[:2])
    track, before = MidiTrack(), 0
    for tick, _, message in ticks:
        track.append(message.copy(time=max(tick, 0) - before))
        before = max(tick, 0)
    return track


def _latin(text: str) -> str:
    return text.encode("latin1", "replace").decode("latin1")


# ---- the score


def score_events(session: Session) -> list[Event]:
    """All parts on a grid of sixteenths, as events in which instruments are told apart."""
    notes: list[tuple[Fraction, Fraction, Sound]] = []
    for part in parts_of(session):
        for n in (_on_grid(n) for n in notes_of(part, session)):
            onset = Fraction(n.onset).limit_denominator(12)
            end = Fraction(n.end or n.onset).limit_denominator(12)
            end = onset + PERCUSSION_LENGTH if n.drum else end
            notes.append((onset, end, Sound(n.program, n.pitch, max(n.velocity, 1))))
    return _cut(notes, Fraction(session.settings.bar))


def _cut(notes: list[tuple[Fraction, Fraction, Sound]], bar: Fraction) -> list[Event]:
    """Events wherever something begins or ends, and at each bar line."""
    last = max((end for _, end, _ in notes), default=bar)
    bars = range(int(-(-last // bar)) + 1)
    cuts = sorted({t for on, end, _ in notes for t in (on, end)} | {n * bar for n in bars})
    ordered, events = sorted(notes, key=lambda n: n[0]), []
    sounding: list[tuple[Fraction, Fraction, Sound]] = []
    coming = 0
    for start, stop in pairwise(cuts):
        sounding = [n for n in sounding if n[1] > start]
        while coming < len(ordered) and ordered[coming][0] == start:
            sounding.append(ordered[coming])
            coming += 1
        events.append(Event.of(_sounds(sounding, start), stop - start, beat=start % bar))
    return events


def _sounds(sounding: Iterable[tuple[Fraction, Fraction, Sound]], start: Fraction) -> list[Sound]:
    """What sounds, each pitch of an instrument once; percussion only where it is struck."""
    found: dict[tuple[int, int], Sound] = {}
    for onset, _, s in sounding:
        if s.drum and onset != start:
            continue
        known = found.get(s.key)
        struck = onset == start or (known is not None and known.struck)
        found[s.key] = Sound(s.program, s.pitch, s.velocity, struck)
    return list(found.values())


# ---- to play it again


def to_json(session: Session, cast: list[dict[str, Any]]) -> dict[str, Any]:
    """Seed, settings, players and all input of a session. cast: the players as casting.to_json says."""
    return {
        "format": FORMAT,
        "seed": session.seed,
        "settings": session.started_with.to_json(),
        "players": cast,
        "ticks": session.ticks,
        "tempi": [list(row) for row in session.tempi],
        "log": session.log,
        "marks": [list(row) for row in session.marks],
        "surprise": [[t.beat, t.who, t.what, t.nats, t.notes] for t in session.tolds],
    }


def read(path: Path) -> dict[str, Any]:
    """What `to_json` wrote. Raises UserError for anything else."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError("it is of another format")
        well = isinstance(data["log"], list) and isinstance(data["players"], list)
        if not well or not isinstance(data["ticks"], int) or not isinstance(data["seed"], int):
            raise ValueError("something is missing")
        if not 0 <= data["ticks"] <= MOST_TICKS:
            raise ValueError("it is too long")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path} is no session that can be played again ({str(error)[:80]}); name a {SUFFIX} file."
        ) from error
    return data


def replay(
    session: Session, data: dict[str, Any], candidate: Callable[[str], Candidate] | None = None
) -> None:
    """Play a session again, as fast as it goes: the same input at the same points of the grid.

    candidate: loads a model that took somebody's place, by name. Raises UserError for input that is not
    understood.
    """
    from mido import Message

    prepared: dict[str, list[Successor]] = defaultdict(list)
    try:
        for ticks, kind, *rest in data["log"]:
            while session.ticks < min(ticks, data["ticks"]):
                session.tick()
            if kind == "midi":
                beat, port, text = rest
                message = None if text is None else Message.from_hex(text)
                session.take(message, float(beat), str(port))
            elif kind == "control":
                beat, name, value = rest
                session.control(name, value, float(beat))
            elif kind == "model":
                beat, player, source = rest
                if candidate is None:
                    raise ValueError("other models are not at hand")
                successor = session.prepare(str(player), candidate(str(source)), float(beat))
                successor.rehearse()
                prepared[player].append(successor)
            elif kind == "joins" and prepared[rest[1]]:
                session.join(prepared[rest[1]].pop(0), float(rest[0]))
            elif kind == "end":
                session.end(float(rest[0]))
            elif kind == "skip":
                session.skip()
        while session.ticks < data["ticks"]:
            session.tick()
    except (ValueError, TypeError, IndexError) as error:
        raise UserError(f"the session has input that is not understood: {error}.") from error


def write(
    session: Session, path: Path, cast: list[dict[str, Any]], musicxml: bool
) -> Iterator[tuple[str, Path]]:
    """Write a session beside a .mid; yields what each file is and where it lies."""
    title = re.sub(r"[_-]+", " ", path.stem)
    midi = midi_of(session, title)
    with replacing(path) as aside:
        midi.save(aside)
    yield "music", path
    again = path.with_suffix(SUFFIX)
    write_text(again, json.dumps(to_json(session, cast)))
    yield "session", again
    if musicxml:
        from midi_io import write_musicxml

        score = path.with_suffix(".musicxml")
        write_musicxml(score, score_events(session), session.tempi[0][1], 1, title=title)
        yield "score", score


def names_of(session: Session) -> list[str]:
    """Who played what, for people."""
    return [
        f"{p.name} ({program_name(p.program)}, {counted(len(p.notes), 'note')})"
        for p in parts_of(session)
    ]
