"""Excerpts for a listening test: real and composed music, cut and played in the same way."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from config_bach import UserError
from families.base import ModelFamily, Work
from music.events import Event, duration_of, fermatas_of
from storage.bundle import Bundle

LENGTH = Fraction(32)  # quarter lengths: eight bars of 4/4
SHORTEST, LONGEST = LENGTH / 2, LENGTH * 3 / 2
VELOCITY = 90
LEAKS = ("within", "window")  # splits whose validation pieces training has seen, see split.LABELS


def excerpt(events: Sequence[Event]) -> list[Event]:
    """The beginning of a piece up to the phrase end that is nearest to LENGTH, all equally loud.

    Where no phrase ends between SHORTEST and LONGEST it is LENGTH long, or the whole piece.
    """
    ends = [end for _, end in fermatas_of(events) if SHORTEST <= end <= LONGEST]
    stop = min(ends, key=lambda end: abs(end - LENGTH), default=LENGTH)
    found, time = [], Fraction(0)
    for event in events:
        if time >= stop:
            break
        length = min(event.duration, stop - time)
        found.append(replace(event, duration=length, velocity=VELOCITY, tempo=1.0))
        time += length
    return found


def unseen(bundle: Bundle, family: ModelFamily) -> list[Work]:
    """The held-out pieces that a bundle carries and training has not seen, if they are long enough.

    Raises UserError if there are none.
    """
    learned = {piece.fingerprint for piece in family.unpack(bundle.music)}
    pieces = family.unpack(bundle.held_out) if bundle.metadata.get("split") not in LEAKS else []
    found = [
        piece
        for piece in pieces
        if piece.fingerprint not in learned and duration_of(piece.events) >= SHORTEST
    ]
    if not found:
        raise UserError(f"{bundle.name} carries no pieces that it has not learned from.")
    return found
