"""Scales by name: 'G major', 'D dorian', 'C D E G A'."""

from functools import lru_cache

from config_bach import UserError
from music.events import pitch_number

MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 9, 10, 11),  # with both its sixths and sevenths
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
FEWEST = 3  # notes that music needs
LONGEST = 100  # characters


@lru_cache(256)
def scale_of(text: str, name: str = "--scale") -> frozenset[int]:
    """The pitch classes of 'G major', 'F# minor', 'D dorian' or a list such as 'C D E G A'.

    name: what an error calls it. Raises UserError.
    """
    names = text.replace(",", " ").split()
    try:
        if len(text) > LONGEST:
            raise ValueError(text)
        if len(names) == 2 and (mode := MODES.get(names[1].lower())):
            return frozenset((_pitch_class(names[0]) + s) % 12 for s in mode)
        classes = frozenset(_pitch_class(n) for n in names)
    except ValueError as error:
        raise UserError(
            f"{name} {text[:LONGEST]!r} is not understood; write it as 'G major' or 'C D E G A'."
        ) from error
    if len(classes) < FEWEST:
        raise UserError(f"{name} {text!r} leaves fewer than three notes to choose from; add some.")
    return classes


def _pitch_class(name: str) -> int:
    """0..11 of a note name: 'F#', 'Bb', 'B-'. Raises ValueError."""
    letter, accidentals = name[:1].upper(), name[1:]
    if letter not in tuple("CDEFGAB") or accidentals.strip("#b-"):
        raise ValueError(name)
    sharps = accidentals.count("#") - accidentals.count("b") - accidentals.count("-")
    return (pitch_number(f"{letter}4") + sharps) % 12
