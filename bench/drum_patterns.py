"""Write a collection of drum patterns as MIDI files, a song of eight bars each.

    python bench/drum_patterns.py patterns.json FOLDER
    python play_bach.py -l 0 -f --app drums --model-type 4 --corpus FOLDER

The JSON has a list "patterns": each a bar with its title, 'A' or 'B' if it is one of two that follow
each other, style, whether it is a break, signature, number of steps (16: sixteenths; 12: triplets or,
in 3/4, sixteenths), and for each General MIDI percussion note a character a step: x hit, f flam, - rest;
"accent" has the steps struck louder. Made for github.com/stephenhandley/DrumMachinePatterns (MIT).

A song is three bars of a pattern, or of its two measures in turn, and a break, all of it twice. The
break is that of the pattern of the same name; a break without one goes to the song of its style with
the fewest. Each title is in one song alone, so that no split by song has parts of a title on two sides;
and a bar that came before, in whatever song, is left out.
"""

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

HIT, ACCENT, GRACE = 92, 120, 36  # MIDI velocities
TICKS = 480  # of a quarter
LENGTH = 60  # ticks that a stroke lasts
FLAM = 20  # ticks from a grace note to its stroke
BPM = 110

Pattern = dict[str, Any]


@dataclass
class Song:
    """The bars of one title, and its break."""

    name: str
    style: str
    grooves: list[Pattern] = field(default_factory=list)
    breaks: list[Pattern] = field(default_factory=list)

    @property
    def bars(self) -> list[Pattern]:
        """All bars in the order in which they are played."""
        groove = [self.grooves[i % len(self.grooves)] for i in range(4)]
        ends = self.breaks or groove[3:]
        return [*groove[:3], ends[0], *groove[:3], ends[-1]]


def songs_of(patterns: Sequence[Pattern]) -> list[Song]:
    """One song for each title that has a groove."""
    named: dict[str, Song] = {}
    seen: set[str] = set()
    for pattern in patterns:
        if (bar := json.dumps(strokes(pattern))) in seen:
            continue
        seen.add(bar)
        name = re.sub("Break", "", pattern["title"])
        song = named.setdefault(name, Song(name, pattern["style"]))
        (song.breaks if pattern["break"] else song.grooves).append(pattern)
    songs = [song for song in named.values() if song.grooves]
    left = [song for song in named.values() if not song.grooves]
    for other in left:
        ending = other.breaks[0]
        alike = [s for s in songs if s.style == other.style]
        fitting = [s for s in alike if length(s.grooves[0]) == length(ending) and len(s.breaks) < 2]
        if fitting:
            song = min(fitting, key=lambda s: len(s.breaks))
            song.breaks.append(ending)
            song.name += f", break of {other.name}"
    return songs


def length(pattern: Pattern) -> int:
    """The length of its bar in quarters."""
    return 3 if pattern["signature"] == "3/4" and pattern["steps"] == 12 else 4


def strokes(pattern: Pattern) -> list[tuple[int, int, str]]:
    """What is struck: step, note and character, in order."""
    tracks = pattern["tracks"].items()
    hits = [(i, int(note), c) for note, row in tracks for i, c in enumerate(row) if c != "-"]
    return sorted(hits)


def messages(pattern: Pattern, start: int) -> Iterator[tuple[int, int, int]]:
    """The strokes of a bar that begins at a tick: tick, note and velocity."""
    accent = pattern.get("accent", "")
    step = length(pattern) * TICKS // pattern["steps"]
    for i, note, kind in strokes(pattern):
        tick = start + i * step
        if kind == "f" and tick:
            yield tick - FLAM, note, GRACE
        yield tick, note, ACCENT if accent[i : i + 1] == "x" else HIT


def write(song: Song, path: Path) -> None:
    """The song as a MIDI file, on channel 10."""
    from mido import Message, MetaMessage, MidiFile, MidiTrack, bpm2tempo

    timed: list[tuple[int, int, Any]] = []
    tick = 0
    for bar in song.bars:
        for at, note, velocity in messages(bar, tick):
            hit = Message("note_on", channel=9, note=note, velocity=velocity)
            timed += [(at, 1, hit), (at + LENGTH, 0, hit.copy(velocity=0))]
        tick += length(bar) * TICKS
    track = MidiTrack([MetaMessage("track_name", name=song.name)])
    track.append(MetaMessage("set_tempo", tempo=bpm2tempo(BPM)))
    track.append(MetaMessage("time_signature", numerator=length(song.grooves[0]), denominator=4))
    now = 0
    for at, _, message in sorted(timed, key=lambda x: x[:2]):
        track.append(message.copy(time=at - now))
        now = at
    MidiFile(tracks=[track], ticks_per_beat=TICKS).save(path)


def main() -> None:
    """Parse and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("patterns", type=Path, help="the JSON file")
    parser.add_argument("folder", type=Path, help="where the MIDI files go")
    args = parser.parse_args()
    songs = songs_of(json.loads(args.patterns.read_text("utf-8"))["patterns"])
    args.folder.mkdir(parents=True, exist_ok=True)
    for song in tqdm(songs, "writing", disable=None):
        write(song, args.folder / f"{re.sub('[^A-Za-z0-9]+', '-', song.name).strip('-')}.mid")
    print(f"{len(songs)} songs in {args.folder}")


if __name__ == "__main__":
    main()
