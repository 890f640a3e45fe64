"""Score files -> pieces: MIDI by itself, all others through families/corpus.py."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm import tqdm

from config_bach import Paths, Reading, UserError
from families import corpus as corpora
from families.base import Corpus, CorpusRow
from families.tracks.dataset import TokenPiece
from families.tracks.encoding import encode
from families.tracks.reading import program_of_part, read_midi, sharing, song_of_score
from families.tracks.song import Song
from midi_io import ALL, MIDI_SUFFIXES
from music.scores import DRUMS, INSTRUMENTS, LEAD, METRES, PARTS, TEMPI, VELOCITIES, Refused, Score

# of parts those that share an instrument with another are counted apart
KEEPS = frozenset({DRUMS, INSTRUMENTS, PARTS, TEMPI, METRES, VELOCITIES, LEAD})
# what a score that is no MIDI file holds, and midi_io does not read
UNREAD = frozenset({DRUMS, TEMPI})


@dataclass(frozen=True)
class Read:
    """What became of a file: its songs and what of it is lost, or why it was refused."""

    path: Path
    songs: Sequence[Song] = ()
    refused: str = ""
    lost: Mapping[str, int] = field(default_factory=dict)


def read(source: str, paths: Paths, reading: Reading = ALL, show: bool = True) -> Corpus:
    """The pieces of a source. Raises UserError when nothing in it can be learned from."""
    pieces: list[TokenPiece] = []
    rows = []
    files = corpora.find(source)
    for found in sorted(_files(files, paths, reading, show), key=lambda found: found.path):
        made = [TokenPiece(song.name, encode(song)) for song in found.songs]
        pieces += made
        steps = sum(map(len, made))
        rows.append(CorpusRow(found.path.name, steps, found.refused, found.lost))
    if not pieces:
        reasons = "; ".join(f"{row.name}: {row.refused}" for row in rows[:3])
        raise UserError(f"nothing in {source} can be learned from ({reasons}); add other scores.")
    return Corpus(source, tuple(pieces), tuple(rows))


def read_piece(path: Path | Score, paths: Paths, reading: Reading = ALL) -> TokenPiece:
    """A single file or score. Raises UserError, with the reason, if it cannot be continued."""
    if isinstance(path, Score):
        found = _of_scores(Path(path.name), [path])
    elif not path.is_file():
        raise UserError(f"there is no file {path}; check its name.")
    else:
        found = next(_files([path], paths, reading, show=False))
    if not found.songs:
        reason = found.refused or "it has no notes"
        raise UserError(
            f"{found.path} cannot be continued: {reason}; give another score to --prime."
        )
    return TokenPiece(found.songs[0].name, encode(found.songs[0]))


def _files(files: Sequence[Path], paths: Paths, reading: Reading, show: bool) -> Iterator[Read]:
    """Every file, read or refused."""
    midi = {path for path in files if path.suffix.lower() in MIDI_SUFFIXES}
    bar = tqdm(sorted(midi), "reading MIDI", unit="file", delay=1, leave=False, disable=not show)
    for path in bar:
        yield _of_midi(path, reading)
    others = [path for path in files if path not in midi]
    for entry in corpora.read_files(others, paths, show, reading):
        found = _of_scores(entry.path, entry.scores)
        yield replace(found, refused=found.refused or entry.refused)


def _of_midi(path: Path, reading: Reading) -> Read:
    try:
        song, lost = read_midi(path, reading.part)
    except Refused as reason:
        return Read(path, refused=str(reason))
    return Read(path, [song], lost=lost)


def _of_scores(path: Path, scores: Sequence[Score]) -> Read:
    shared = sum(sharing({n.voice: program_of_part(s, n.voice) for n in s.notes}) for s in scores)
    lost = corpora.not_kept(scores, KEEPS - UNREAD, **{PARTS: shared})
    try:
        return Read(path, [song_of_score(score) for score in scores if score.notes], lost=lost)
    except Refused as reason:
        return Read(path, refused=str(reason))
