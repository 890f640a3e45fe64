"""The tokens of model type 6: a bounded vocabulary, the same for every corpus.

A token is a kind and a value. After 'begin' each bar is a 'bar' (an 'upbeat' is a first bar that begins
in the middle) with its 'metre' where that changes; each moment of it in which something happens is a
'position', a 'tempo' if it changes there, and notes. A note is its 'program' and its 'velocity' where
they differ from those in force, its 'pitch', and its duration: 'hold' adds four or sixteen quarters to
what the 'duration' after it says. Percussion is program 0; its notes are a 'drum' without duration.

The order of symbols within a piece follows REMI (Huang and Yang 2020) with the programs of MidiTok's
REMI+ (von Ruette et al. 2023); what is in force is not said again, which halves the tokens of a score.
"""

from enum import IntEnum
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from config_bach import Encoding
from storage.vocabulary import UNKNOWN, Field, Vocabulary

GRID = 24  # parts of a quarter: 32nds and triplets of sixteenths are whole
QUARTERS = 8  # of the longest bar
LONGEST_BAR = QUARTERS * GRID
LONGEST_DURATION = 4 * GRID  # of one token; longer notes have holds before it
HOLDS = (16 * GRID, 4 * GRID)
VELOCITY_STEP = 4
METRES = tuple(
    (upper, lower)
    for lower in (2, 4, 8, 16)
    for upper in range(1, 17)
    if upper * 4 * GRID // lower <= LONGEST_BAR
)
TEMPI = (*range(10, 200, 2), *range(200, 401, 10))  # quarter notes a minute


class Kind(IntEnum):
    """What a token is."""

    UNKNOWN = 0
    BEGIN = 1
    END = 2
    BAR = 3
    UPBEAT = 4
    METRE = 5
    POSITION = 6
    TEMPO = 7
    PROGRAM = 8
    VELOCITY = 9
    PITCH = 10
    DRUM = 11
    HOLD = 12
    DURATION = 13


VALUES: dict[Kind, tuple[str, ...]] = {
    Kind.UNKNOWN: ("",),
    Kind.BEGIN: ("",),
    Kind.END: ("",),
    Kind.BAR: ("",),
    Kind.UPBEAT: ("",),
    Kind.METRE: tuple(f"{upper}/{lower}" for upper, lower in METRES),
    Kind.POSITION: tuple(f"{i}/{GRID}" for i in range(LONGEST_BAR)),
    Kind.TEMPO: tuple(map(str, TEMPI)),
    Kind.PROGRAM: tuple(map(str, range(129))),
    Kind.VELOCITY: tuple(str(v + VELOCITY_STEP // 2) for v in range(0, 128, VELOCITY_STEP)),
    Kind.PITCH: tuple(map(str, range(128))),
    Kind.DRUM: tuple(map(str, range(128))),
    Kind.HOLD: tuple(f"{i}/{GRID}" for i in HOLDS),
    Kind.DURATION: tuple(f"{i}/{GRID}" for i in range(1, LONGEST_DURATION + 1)),
}
SIZES = [len(VALUES[kind]) for kind in Kind]
FIRST = dict(
    zip(Kind, accumulate(SIZES, initial=0), strict=False)
)  # id of the first token of a kind
SPAN = {
    kind: slice(FIRST[kind], FIRST[kind] + size) for kind, size in zip(Kind, SIZES, strict=True)
}
SYMBOLS = sum(SIZES)

KINDS: npt.NDArray[np.int32] = np.repeat(np.arange(len(Kind), dtype=np.int32), SIZES)
INDEX: npt.NDArray[np.int32] = np.concatenate([np.arange(n, dtype=np.int32) for n in SIZES])

BAR_LENGTHS: npt.NDArray[np.int32] = np.array([u * 4 * GRID // lo for u, lo in METRES], np.int32)
COMMON_TIME = METRES.index((4, 4))
USUAL_VELOCITY = 90 // VELOCITY_STEP  # what is in force where nothing was said, in VELOCITY_STEPs

Tokens = npt.NDArray[np.uint16]


def token(kind: Kind, index: int = 0) -> int:
    """The id of a token: a kind, and which of its values."""
    return FIRST[kind] + index


def symbol(token_id: int) -> str:
    """What a token is called: 'pitch 60', 'bar'."""
    kind = Kind(int(KINDS[token_id]))
    return f"{kind.name.lower()} {VALUES[kind][INDEX[token_id]]}".strip()


def tracks_vocabulary(encoding: Encoding) -> Vocabulary:
    """All tokens as a vocabulary. '?' is none of them, and never comes."""
    symbols = (UNKNOWN, *(symbol(i) for i in range(1, SYMBOLS)))
    return Vocabulary(encoding, (Field("token", symbols),))


def transposed(tokens: npt.NDArray[np.integer], semitones: int) -> npt.NDArray[np.int32]:
    """Tokens in another key: pitches move, percussion stays."""
    return (tokens + semitones * (KINDS[tokens] == Kind.PITCH)).astype(np.int32)


def possible_shifts(tokens: npt.NDArray[np.integer], reach: int) -> list[int]:
    """The transpositions within `reach` semitones that leave every pitch within MIDI's range."""
    pitches = INDEX[tokens[KINDS[tokens] == Kind.PITCH]]
    low, high = pitches.min(initial=127), pitches.max(initial=0)
    return [k for k in range(-reach, reach + 1) if low + k >= 0 and high + k <= 127] or [0]


def nearest_tempo(bpm: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Which of TEMPI is nearest to each of some tempi, in quarter notes a minute."""
    table = np.array(TEMPI, np.float64)
    return np.asarray(np.searchsorted((table[1:] + table[:-1]) / 2, np.asarray(bpm, np.float64)))
