"""The process that reads what somebody sent, for the table of what was read and what was lost.

Whatever a file does to it, the server lives on: memory is limited here, time by the server. What was
read is in the cache of readings then, so that training reads none of it again.

    python -m stream.training_reader FOLDER MODEL_TYPE RESULT.json
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from config_bach import Encoding, Paths, UserError
from families import corpus
from families.registry import family_of
from stream.tune_worker import limit_memory

NICE = 19
LARGEST_CACHE = 2**30  # bytes


class Table(msgspec.Struct, frozen=True):
    """What became of each file, in lines. refused: why nothing can be learned, in a sentence."""

    lines: tuple[str, ...] = ()
    pieces: int = 0
    refused: str = ""


def table_of(folder: Path, model_type: int, paths: Paths) -> Table:
    """The table that training would show of a folder."""
    try:
        family = family_of(model_type)
        read = family.read(str(folder), paths, Encoding(transpose=family.transpose), show=False)
    except UserError as error:
        return Table(refused=str(error).replace(str(folder), "your files"))
    except (Exception, RecursionError) as error:
        return Table(refused=f"these files cannot be read ({type(error).__name__}); send others.")
    return Table(tuple(corpus.table(read.rows, len(read.pieces))), len(read.pieces))


def tidy(cache: Path, most: int) -> None:
    """Let the readings of scores take no more than so many bytes: the oldest go, and are read again if
    they are wanted."""
    with suppress(OSError):
        known = [(path, path.stat()) for path in cache.glob("reader*/*/*.json")]
        size = sum(told.st_size for _, told in known)
        for path, told in sorted(known, key=lambda row: row[1].st_mtime):
            if size <= most:
                return
            path.unlink(missing_ok=True)
            size -= told.st_size


def main(folder: str, model_type: str, result: str) -> None:
    """Read, and write the table."""
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(NICE)  # those who listen come first
    limit_memory()
    tidy(Paths().cache, LARGEST_CACHE)
    table = table_of(Path(folder), int(model_type), Paths())
    Path(result).write_bytes(msgspec.json.encode(table))


if __name__ == "__main__":
    main(*sys.argv[1:])
