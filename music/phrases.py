"""Where the phrases of a melody end, if nobody has said so; how it was played."""

from collections.abc import Sequence
from fractions import Fraction
from statistics import median

from music.events import Note

LONG = Fraction(2)  # quarter lengths of a note that ends a phrase
LONGER = 2  # times the length of an ordinary note
SHORTEST_PHRASE = Fraction(4)  # quarter lengths
SIXTEENTH = Fraction(1, 4)
SWUNG = Fraction(2, 3)  # of a beat, where the second of two swung eighths comes
FEW = 0.1  # share of notes beside the grid that is not worth a word


def phrase_ends(notes: Sequence[Note]) -> tuple[tuple[Fraction, Fraction], ...]:
    """Onset and end of the notes that are sure to end a phrase: long ones, those before a rest, the
    last.

    A model that is not told where phrases end seldom makes cadences there.
    """
    ends: list[tuple[Fraction, Fraction]] = []
    last = max(n.end for n in notes)
    onsets = {n.onset for n in notes}
    long = max(LONG, LONGER * median(n.duration for n in notes))
    for n in sorted(notes, key=lambda n: n.onset):
        since = ends[-1][1] if ends else Fraction(0)
        sure = n.duration >= long or n.end not in onsets
        if n.end == last or (sure and min(n.end - since, last - n.end) >= SHORTEST_PHRASE):
            ends.append((n.onset, n.end))
    return tuple(ends)


def swings(notes: Sequence[Note]) -> bool:
    """Whether what comes within a beat mostly comes at two thirds of it, as the second of two swung
    eighths, and triplets are not there.
    """
    places = [n.onset % 1 for n in notes]
    late, triplets = places.count(SWUNG), places.count(1 - SWUNG)
    within = len(notes) - places.count(Fraction(0))
    return late >= FEW * len(notes) and 2 * late > within and late > 4 * triplets


def straight(time: Fraction) -> Fraction:
    """A time in quarter lengths, with swung eighths where they are written."""
    return time // 1 + Fraction(1, 2) if time % 1 == SWUNG else time


def beside_the_grid(notes: Sequence[Note]) -> int:
    """How many notes do not begin on a sixteenth."""
    return sum(n.onset % SIXTEENTH != 0 for n in notes)
