"""Many score files -> pieces: found, read on all cores, cached by content, every one accounted for."""

import glob
import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from tqdm import tqdm

from config_bach import Paths, Reading, UserError, counted, require
from families.base import CorpusRow, counts
from midi_io import ALL, SUFFIXES, read_scores
from music.events import Note, common_unit, times_of, whole
from music.scores import Refused, Score
from storage.files import write_text

READER = 7  # raise it when reading changes: then nothing in the cache is used any more
CHORALES = "music21:chorales"


@dataclass(frozen=True)
class Entry:
    """What became of one file: its scores, or the reason why it was refused."""

    path: Path
    scores: tuple[Score, ...] = ()
    refused: str = ""


def default_source(paths: Paths) -> str:
    """The user's own training folder or, while it holds no scores, music21's Bach chorales."""
    return str(paths.training) if _scores_in(paths.training) else CHORALES


def find(source: str) -> list[Path]:
    """The score files of a folder, a glob, a single file, or 'music21:bach' and the like.

    Raises UserError when there are none.
    """
    if source.startswith("music21:"):
        return _in_music21(source)
    path = Path(source).expanduser()
    if path.is_dir():
        found = _scores_in(path)
    else:
        found = [Path(p) for p in sorted(glob.glob(str(path), recursive=True)) if Path(p).is_file()]
    if not found:
        raise UserError(
            f"the corpus {source} has no scores: put {', '.join(SUFFIXES)} files there, or train "
            "with --corpus music21:bach."
        )
    return found


def _scores_in(folder: Path) -> list[Path]:
    """All score files below a folder, sorted; hidden ones are left alone."""
    return sorted(
        p
        for p in folder.rglob("*")
        if p.suffix.lower() in SUFFIXES and p.is_file() and not p.name.startswith(".")
    )


def _in_music21(source: str) -> list[Path]:
    """The scores that music21 itself carries of a composer or a collection, without its analyses."""
    require("music21", f"the corpus {source}")
    from music21 import corpus

    name = source.removeprefix("music21:").strip()
    if name == "chorales":
        return _chorales()
    found = corpus.getComposer(name) if name else []
    if not found:
        raise UserError(
            f"music21 has no corpus '{name}': try music21:chorales, music21:bach, "
            "music21:palestrina, music21:monteverdi, music21:essenFolksong or "
            "music21:ryansMammoth."
        )
    return sorted(p for p in map(Path, found) if p.suffix.lower() in SUFFIXES)


def _chorales() -> list[Path]:
    """The files behind music21's chorale iterator (four-part chorales in Riemenschneider's order)."""
    from music21.corpus import chorales

    wanted = {
        f"bwv{entry['bwv']}" for entry in chorales.ChoraleListRKBWV().byRiemenschneider.values()
    }
    return [p for p in _in_music21("music21:bach") if p.name.split(".mxl")[0] in wanted]


def read_entries(
    source: str, paths: Paths, show: bool = True, reading: Reading = ALL
) -> list[Entry]:
    """Every file of a source, read or refused. Raises UserError when there are none."""
    return sorted(_entries(find(source), paths.cache, show, reading), key=lambda e: e.path)


def read_files(
    files: Sequence[Path], paths: Paths, show: bool = True, reading: Reading = ALL
) -> list[Entry]:
    """These files, read or refused, in their order."""
    return _entries(files, paths.cache, show, reading)


def read_entry(path: Path | Score, paths: Paths, reading: Reading = ALL) -> Entry:
    """A single file, read or refused, or a score that is read. Raises UserError if there is no file."""
    if isinstance(path, Score):
        return Entry(Path(path.name), (path,))
    if path.is_dir():
        raise UserError(f"{path} is a folder; name one of the scores in it.")
    if not path.is_file():
        raise UserError(f"there is no file {path}; check its name.")
    return read_entries(glob.escape(str(path)), paths, False, reading)[0]


def read_part(path: Path, paths: Paths, reading: Reading) -> Score:
    """The part of a single file that is meant.

    Raises UserError if there is no such file or part, naming the parts that there are.
    """
    entry = read_entry(path, paths, reading)
    if not entry.scores:
        raise UserError(f"{path} cannot be read: {entry.refused}; mend --part or the file.")
    return entry.scores[0]


def _entries(files: Sequence[Path], cache: Path, show: bool, reading: Reading) -> list[Entry]:
    """Every file as an Entry, from the cache or read anew on all cores."""
    entries = {path: _from_cache(path, reading, cache) for path in files}
    unread = [path for path, entry in entries.items() if entry is None]
    bar = tqdm(total=len(unread), desc="reading scores", unit="file", disable=not (show and unread))
    with bar:
        for entry in _read_all(unread, reading):
            _to_cache(entry, reading, cache)
            entries[entry.path] = entry
            bar.update()
    return [entry for entry in entries.values() if entry is not None]


def _read_all(files: Sequence[Path], reading: Reading) -> Iterable[Entry]:
    """Read files on all cores; one at a time should a worker process die."""
    workers, read = min(os.cpu_count() or 1, len(files)), partial(_read_one, reading=reading)
    if workers < 2:
        yield from map(read, files)
        return
    done: set[Path] = set()
    try:
        with ProcessPoolExecutor(workers, initializer=end_with_parent) as pool:
            jobs = [pool.submit(read, path) for path in files]
            try:
                for job in as_completed(jobs):
                    entry = job.result()
                    done.add(entry.path)
                    yield entry
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    except BrokenProcessPool:
        yield from (Entry(p, refused="reading it ended the reader") for p in files if p not in done)


def end_with_parent() -> None:
    """Let a reader end with the process that asked for it: not by Ctrl-C, which reaches all processes of
    a terminal, but also when that one is killed, whose locks it has inherited."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _read_one(path: Path, reading: Reading) -> Entry:
    try:
        return Entry(path, tuple(read_scores(path, reading)))
    except Refused as reason:
        return Entry(path, refused=str(reason))


def _cache_file(path: Path, reading: Reading, cache: Path) -> Path | None:
    """Where the reading of a file with this content is kept; None when it cannot be opened."""
    how = f"{path.suffix.lower()} {reading.unfold} {reading.part}"
    try:
        content = hashlib.sha256(path.read_bytes() + how.encode()).hexdigest()
    except OSError:
        return None
    return cache / f"reader{READER}" / content[:2] / f"{content}.json"


def _from_cache(path: Path, reading: Reading, cache: Path) -> Entry | None:
    """The entry of a file whose content was read before; anything odd counts as not read."""
    kept = _cache_file(path, reading, cache)
    try:
        data = json.loads(kept.read_text("utf-8")) if kept else None
        scores = tuple(_unpacked(path, s) for s in data["scores"]) if data else ()
        return Entry(path, scores, data["refused"]) if data else None
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None


def _to_cache(entry: Entry, reading: Reading, cache: Path) -> None:
    """Keep an entry; reading again next time is no harm when the cache cannot be written."""
    kept = _cache_file(entry.path, reading, cache)
    if kept is None or entry.refused.startswith("reading it ended"):
        return
    scores = [_packed(entry.path, score) for score in entry.scores]
    try:
        write_text(kept, json.dumps({"refused": entry.refused, "scores": scores}))
    except UserError:
        return


def _packed(path: Path, score: Score) -> dict[str, Any]:
    """A score as JSON types: times are whole numbers of 1/unit of a quarter."""
    spans = [t for span in score.fermatas for t in span]
    unit = common_unit((*times_of(score.notes), *score.bars, *spans))
    return {
        "part": score.name.removeprefix(path.name),
        "bpm": score.bpm,
        "program": score.program,
        "programs": score.programs,
        "key": score.key,
        "unit": unit,
        "bars": [whole(t, unit) for t in score.bars],
        "fermatas": [[whole(a, unit), whole(b, unit)] for a, b in score.fermatas],
        "notes": [
            [whole(n.onset, unit), whole(n.duration, unit), n.pitch, n.velocity, n.voice]
            for n in score.notes
        ],
        "holds": score.holds,
    }


def _unpacked(path: Path, data: dict[str, Any]) -> Score:
    """The inverse of `_packed`. Raises KeyError, TypeError, ValueError or ZeroDivisionError."""
    time = lru_cache(None)(partial(Fraction, denominator=data["unit"]))
    notes = tuple(Note(time(on), time(long), *rest) for on, long, *rest in data["notes"])
    bars = tuple(time(t) for t in data["bars"])
    fermatas = tuple((time(a), time(b)) for a, b in data["fermatas"])
    about = data["bpm"], data["program"], bars, fermatas, data["holds"]
    return Score(path.name + data["part"], notes, *about, tuple(data["programs"]), data["key"])


def not_kept(scores: Iterable[Score], keeps: Collection[str], **more: int) -> dict[str, int]:
    """What stands in scores and is not among what a model type keeps, counted. more: what it adds."""
    total = Counter[str](more)
    for score in scores:
        total.update({what: n for what, n in score.holds.items() if what not in keeps})
    return dict(+total)


def table(rows: Sequence[CorpusRow], pieces: int, most: int = 12) -> list[str]:
    """A short table of every file: all refusals, the first accepted ones, and the sum of the rest.

    Each says what the model type does not keep of it, and the last line what it does not keep in all.
    """
    accepted = [row for row in rows if not row.refused]
    refused = [row for row in rows if row.refused]
    shown = accepted if len(accepted) <= most * 3 + 4 else accepted[:most]
    lines = [str(row) for row in shown + refused]
    if rest := accepted[len(shown) :]:
        total = sum(row.steps for row in rest)
        lines.insert(len(shown), f"  and {counted(len(rest), 'more file')} {total:16d} events")
    events = sum(row.steps for row in rows)
    lines.append(
        f"  {len(accepted)} of {counted(len(rows), 'file')} accepted: {counted(pieces, 'piece')}, "
        f"{counted(events, 'event')}"
    )
    lost = Counter[str]()
    for row in accepted:
        lost.update(row.lost)
    if lost:
        lines.append(f"  not kept in all: {counts(lost)}")
    return lines
