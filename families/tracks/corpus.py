"""Score files -> pieces: MIDI by itself, all others through families/corpus.py."""

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from config_bach import Paths, UserError
from families import corpus as corpora
from families.base import Corpus, CorpusRow
from families.tracks.dataset import TokenPiece
from families.tracks.encoding import encode
from families.tracks.reading import read_midi, song_of_score
from families.tracks.song import Song
from midi_io import MIDI_SUFFIXES, Refused, Score

Read = tuple[Path, list[Song], str]  # the file, its songs, or why it was refused


def read(source: str, paths: Paths, show: bool = True) -> Corpus:
    """The pieces of a source. Raises UserError when nothing in it can be learned from."""
    pieces: list[TokenPiece] = []
    rows = []
    files = corpora.find(source)
    for path, songs, refused in sorted(_songs(files, paths, show), key=lambda found: found[0]):
        made = [TokenPiece(song.name, encode(song)) for song in songs]
        pieces += made
        rows.append(CorpusRow(path.name, sum(map(len, made)), refused))
    if not pieces:
        reasons = "; ".join(f"{row.name}: {row.refused}" for row in rows[:3])
        raise UserError(f"nothing in {source} can be learned from ({reasons}); add other scores.")
    return Corpus(source, tuple(pieces), tuple(rows))


def read_piece(path: Path | Score, paths: Paths) -> TokenPiece:
    """A single file or score. Raises UserError, with the reason, if it cannot be continued."""
    if isinstance(path, Path) and not path.is_file():
        raise UserError(f"there is no file {path}; check its name.")
    if isinstance(path, Score):
        found: Read = (Path(path.name), [song_of_score(path)] if path.notes else [], "no notes")
    else:
        found = next(_songs([path], paths, show=False))
    name, songs, refused = found
    if not songs:
        raise UserError(f"{name} cannot be continued: {refused}; give another score to --prime.")
    return TokenPiece(songs[0].name, encode(songs[0]))


def _songs(files: list[Path], paths: Paths, show: bool) -> Iterator[Read]:
    """Every file, read or refused."""
    midi = [path for path in files if path.suffix.lower() in MIDI_SUFFIXES]
    bar = tqdm(midi, "reading MIDI", unit="file", delay=1, leave=False, disable=not show)
    for path in bar:
        yield _read(path)
    for entry in corpora.read_files([path for path in files if path not in set(midi)], paths, show):
        try:
            yield entry.path, [song_of_score(score) for score in entry.scores], entry.refused
        except Refused as reason:
            yield entry.path, [], str(reason)


def _read(path: Path) -> Read:
    try:
        return path, [read_midi(path)[0]], ""
    except Refused as reason:
        return path, [], str(reason)
