"""What of MIDI files comes back through each model type: file -> pieces -> events -> notes.

python bench/round_trip.py [FOLDER] [--each] [--json PATH]
"""

import argparse
import glob
import json
import sys
import tempfile
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tqdm import tqdm

from config_bach import Encoding, Paths, UserError
from families.base import ModelFamily, Work
from families.drums.kit import KIND_OF, KIT
from families.registry import families
from midi_io import MIDI_SUFFIXES
from music.events import notes_from_events
from music.midi_reader import parsed
from music.scores import Refused
from music.sounds import DRUMS, program_of

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "midi"

UNIT = 2**7 * 3 * 5 * 7  # of a quarter: times are counted in these
SNAP = 4
Sounded = tuple[int, int, int, int]  # onset, end, pitch, program (DRUMS = 0)


@dataclass(frozen=True)
class Row:
    """What of a file comes back through a model type, or why it was refused.

    pairs, played: the share of the distinct (onset, pitch) of pitched notes, and of the distinct (onset,
    pitch, program) of all notes with percussion, that come back within half a step of the model's
    grid; for the model type of percussion, of this alone. moved: notes where the file has none of
    that pitch. again: notes that are struck while the file holds them.
    """

    file: str
    family: int
    refused: str = ""
    pairs: float = 0.0
    played: float = 0.0
    moved: int = 0
    again: int = 0


def truth(path: Path) -> list[Sounded]:
    """All notes of a MIDI file, as symusic reads them. Raises what `parsed` raises."""
    midi = parsed(path.read_bytes())
    return [
        (
            round(n.time * UNIT / midi.tpq),
            round((n.time + n.duration) * UNIT / midi.tpq),
            int(n.pitch),
            DRUMS if track.is_drum else int(track.program) + 1,
        )
        for track in midi.tracks
        for n in track.notes
    ]


def drums_of(notes: Sequence[Sounded]) -> list[Sounded]:
    """The percussion alone, each note as the kind that it is told as (docs/drums.md)."""
    return [
        (on, end, KIT[KIND_OF[pitch]].note, DRUMS)
        for on, end, pitch, program in notes
        if program == DRUMS and pitch in KIND_OF
    ]


def heard(piece: Work, family: ModelFamily) -> list[Sounded]:
    """All notes of a piece, as they would be played."""
    own = getattr(piece, "program", None) or family.default_program or 1
    found = []
    for n in notes_from_events(piece.events):
        program = program_of(n.voice)
        times = round(n.onset * UNIT), round(n.end * UNIT)
        found.append((*times, n.pitch, own if program is None else program))
    return found


def row(path: Path, family: ModelFamily, paths: Paths) -> Row:
    """Read a file by a model type and compare."""
    try:
        source = glob.escape(str(path))
        corpus = family.read(source, paths, Encoding(unfold=True), show=False)
        wanted = truth(path) if family.pitched else drums_of(truth(path))
    except (UserError, Refused, RuntimeError, EOFError) as error:
        return Row(path.name, family.number, refused=_reason(str(error)))
    found = heard(corpus.pieces[0], family)
    aligned = _aligned(found, wanted, family.grid)
    rows = [_compared(path, family, wanted, notes) for notes in (found, aligned)]
    return max(rows, key=lambda r: r.played)


def _aligned(
    found: Sequence[Sounded], wanted: Sequence[Sounded], grid: Sequence[int]
) -> list[Sounded]:
    """The same notes later, so that the first stands where the file has the first that is no percussion.

    A model type may leave out the silence before it, and says so.
    """
    pitched = [w for w in wanted if w[3] != DRUMS] or wanted
    first = min(w[0] for w in pitched)
    places = [round(first * parts / UNIT) * UNIT // parts for parts in grid]
    later = min(places, key=lambda t: abs(t - first)) - min(f[0] for f in found)
    return [(on + later, end + later, pitch, program) for on, end, pitch, program in found]


def _compared(
    path: Path, family: ModelFamily, wanted: Sequence[Sounded], found: Sequence[Sounded]
) -> Row:
    near = UNIT // (2 * max(family.grid)) + 1
    pitched = [w for w in wanted if w[3] != DRUMS]
    there = _onsets(wanted, False)
    elsewhere = [f for f in found if not _near(there, f, near, False)]
    spans = defaultdict(list)
    for onset, end, pitch, _ in wanted:
        spans[pitch].append((onset, end))
    late = UNIT // SNAP  # ends less than a sixteenth from a beginning are moved onto it
    again = sum(any(on < f[0] < end + late for on, end in spans[f[2]]) for f in elsewhere)
    return Row(
        path.name,
        family.number,
        pairs=_share(pitched, found, near, False),
        played=_share(wanted, found, near, True),
        moved=len(elsewhere) - again,
        again=again,
    )


Onsets = dict[tuple[int, ...], list[int]]


def _key(note: Sounded, program: bool) -> tuple[int, ...]:
    return note[2:] if program else note[2:3]


def _onsets(notes: Iterable[Sounded], program: bool) -> Onsets:
    """When each pitch, or each pitch of a program, is struck, in order."""
    found: Onsets = defaultdict(list)
    for note in sorted(notes):
        found[_key(note, program)].append(note[0])
    return found


def _near(onsets: Onsets, note: Sounded, near: int, program: bool) -> bool:
    """Whether a note like this is struck at that time, or not further away than `near`."""
    times = onsets.get(_key(note, program), [])
    i = bisect_left(times, note[0])
    return any(abs(t - note[0]) <= near for t in times[max(0, i - 1) : i + 1])


def _share(wanted: Sequence[Sounded], found: Sequence[Sounded], near: int, program: bool) -> float:
    known = _onsets(found, program)
    distinct = {(w[0], *_key(w, program)): w for w in wanted}.values()
    if not distinct:
        return 1.0  # nothing is lost of nothing
    return sum(_near(known, w, near, program) for w in distinct) / len(distinct)


def _reason(sentence: str) -> str:
    """What stands in brackets after the name: why the only file of a corpus was refused."""
    inside = sentence.partition("(")[2].rpartition(")")[0]
    return inside.partition(": ")[2] or sentence


def table(rows: Sequence[Row]) -> list[str]:
    """A line for each model type: what comes back of the files that it reads."""
    lines = [
        "| type | read | refused | (onset, pitch) kept: median, least | with program and drums | moved "
        "| struck again |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for number in sorted({r.family for r in rows}):
        own = [r for r in rows if r.family == number]
        read = [r for r in own if not r.refused]
        if not read:
            lines.append(f"| {number} | 0 | {len(own)} | | | | |")
            continue
        pairs, played = ([getattr(r, what) for r in read] for what in ("pairs", "played"))
        lines.append(
            f"| {number} | {len(read)} | {len(own) - len(read)} "
            f"| {median(pairs):.1%}, {min(pairs):.1%} | {median(played):.1%}, {min(played):.1%} "
            f"| {sum(r.moved for r in read)} | {sum(r.again for r in read)} |"
        )
    return lines


def main() -> None:
    """Read and compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--each", action="store_true", help="a line for each file")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    files = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in MIDI_SUFFIXES)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for path in tqdm(files, disable=None):
            rows += [row(path, family, Paths(Path(folder))) for family in families()]
    for r in rows if args.each else []:
        share = f"{r.pairs:7.1%} {r.played:7.1%} moved {r.moved} again {r.again}"
        print(
            f"{r.file[:40]:<40} type {r.family} {f'refused: {r.refused}' if r.refused else share}"
        )
    for reason in sorted({(r.family, r.refused) for r in rows if r.refused}):
        count = sum((r.family, r.refused) == reason for r in rows)
        print(f"type {reason[0]} refused {count}: {reason[1]}")
    print("\n".join(table(rows)))
    if args.json:
        args.json.write_text(json.dumps([asdict(r) for r in rows], indent=1))


if __name__ == "__main__":
    main()
