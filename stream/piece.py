"""What a piece of a station comes of, so that the same notes come again: on any server with its model.

A piece is what is composed from one seed: in four voices a chorale, else all until something new begins.
"""

from collections import deque
from dataclasses import dataclass, replace

from config_bach import Settings, setting
from music.scales import scale_of

LARGEST_SEED = 2**53 - 1  # what JSON and JavaScript can tell exactly
MOST_PIECES = 32  # that one can go back
MOST_CHANGES = 40  # of one piece that are remembered


Before = tuple["StationPiece", ...]  # the pieces before one, the latest last


@dataclass(frozen=True)
class Sampling(Settings):
    """How events are sampled from the one with that number on (0: the beginning of a piece)."""

    first: int = setting(0, 0, 10**9, "number of the event")
    temperature: float = setting(1.0, 0.0, 2.0, "0 always takes the likeliest")
    scale: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale:
            scale_of(self.scale, "scale")


@dataclass(frozen=True)
class Origin:
    """Where an event comes from: its piece, and how it was sampled; `sampling.first` is its number.

    model: 'NAME:variant'.
    """

    model: str
    seed: int
    sampling: Sampling


@dataclass(frozen=True)
class StationPiece:
    """A piece: the model ('NAME:variant'), the seed, and how it was sampled from which event on.

    The first of `samplings` is for event 0. complete: False if it was changed more often than is
    remembered; the same notes then come only so far.
    """

    model: str
    seed: int
    samplings: tuple[Sampling, ...]
    complete: bool = True

    def with_event(self, origin: Origin) -> "StationPiece":
        """The piece when it is known how one more of its events was sampled."""
        last, new = self.samplings[-1], origin.sampling
        if (new.temperature, new.scale) == (last.temperature, last.scale):
            return self
        if len(self.samplings) >= MOST_CHANGES:
            return replace(self, complete=False)
        return replace(self, samplings=(*self.samplings, new))


@dataclass(frozen=True)
class Begun:
    """A piece that has begun: the frame of its onset, and the pieces before it."""

    onset: int
    piece: StationPiece
    before: Before

    @property
    def with_piece(self) -> Before:
        """The pieces before the one that follows."""
        return (*self.before, self.piece)[-MOST_PIECES:]


class History:
    """The pieces of a station in the order in which they are heard. Its methods are not thread-safe."""

    def __init__(self, coming: StationPiece) -> None:
        """coming: the piece that it begins with."""
        self._begun: deque[Begun] = deque(maxlen=MOST_PIECES)
        self._coming: tuple[StationPiece, Before] | None = (coming, ())

    def take(self, onset: int, origin: Origin) -> None:
        """An event was composed that begins at that frame."""
        last = self._begun[-1] if self._begun else None
        if origin.sampling.first == 0:
            self._begun.append(Begun(onset, piece_of(origin), self._before(origin)))
        elif last and (last.piece.model, last.piece.seed) == (origin.model, origin.seed):
            self._begun[-1] = replace(last, piece=last.piece.with_event(origin))

    def _before(self, origin: Origin) -> Before:
        """What came before a piece that begins now: all, or where somebody went back to."""
        if self._coming and (self._coming[0].seed == origin.seed or not self._begun):
            before, self._coming = self._coming[1], None
            return before
        return self._begun[-1].with_piece if self._begun else ()

    def present(self, heard: float) -> StationPiece:
        """The piece that is heard at a frame."""
        begun = self._at(heard)
        if begun:
            return begun.piece
        return self._coming[0] if self._coming else self._begun[0].piece

    def new(self, piece: StationPiece, heard: float) -> None:
        """A piece is to begin after the one that is heard at a frame."""
        begun = self._at(heard)
        self._coming = (piece, begun.with_piece if begun else ())

    def back(self, heard: float, young: float) -> StationPiece:
        """The piece that is to begin when somebody goes back: the one that is heard at a frame, or
        the one before, if it is younger than so many frames."""
        begun = self._at(heard)
        if self._coming:
            piece, before, age = *self._coming, 0.0
        elif begun:
            piece, before, age = begun.piece, begun.before, heard - begun.onset
        else:
            piece, before, age = self._begun[0].piece, (), 0.0
        if age < young and before:
            *others, piece = before
            before = tuple(others)
        self._coming = (piece, before)
        return piece

    def _at(self, heard: float) -> "Begun | None":
        return next((x for x in reversed(self._begun) if x.onset <= heard), None)


def piece_of(origin: Origin) -> StationPiece:
    """The piece that begins with an event."""
    return StationPiece(origin.model, origin.seed, (origin.sampling,))
