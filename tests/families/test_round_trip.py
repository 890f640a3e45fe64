"""What goes in comes out: of every model type that reads a file, as far as it says."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from config_bach import Encoding, Paths, UserError
from families.base import ModelFamily
from families.registry import families
from midi_io import read_scores, write_midi
from music.events import Event, notes_from_events
from music.scores import TIMES

FAMILIES = families()
IDS = [str(family.number) for family in FAMILIES]
LONG = Fraction(40)  # quarter lengths


def four_voices(seconds: int) -> list[Event]:
    """The bass holds a note for 40 quarters while the others move in eighths; then all move."""
    events = []
    for i in range(seconds):
        upper = (72 + i % 5, 67, 60)
        bass = 48 if i < 2 * LONG else 43 + i % 3
        voices = (*upper, bass)
        struck = (True, i % 2 == 0, i % 4 == 0, i == 0 or i >= 2 * LONG)
        events.append(Event(tuple(sorted(voices)), Fraction(1, 2), 90, voices, struck))
    return events


@pytest.fixture
def read(
    paths: Paths, tmp_path: Path
) -> Callable[[ModelFamily], tuple[set[tuple[Fraction, int]], ...]]:
    """What stands in a file and what a family makes of it, as onset and pitch; skips who refuses it."""
    path = tmp_path / "long.mid"
    write_midi(path, four_voices(100), 90, (1, 2, 3, 4))

    def compare(family: ModelFamily) -> tuple[set[tuple[Fraction, int]], ...]:
        try:
            (piece,) = family.read(str(path), paths, Encoding(), show=False).pieces
        except UserError as refusal:
            pytest.skip(str(refusal))
        notes = notes_from_events(piece.events)
        (score,) = read_scores(path)
        longest = {(n.onset, n.pitch) for n in notes if n.duration == LONG}
        wanted, found = ({(n.onset, n.pitch) for n in x} for x in (score.notes, notes))
        return wanted, found, longest

    return compare


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_the_longest_note_keeps_its_length_and_moves_nothing(
    read: Callable[[ModelFamily], tuple[set[tuple[Fraction, int]], ...]], family: ModelFamily
) -> None:
    wanted, found, longest = read(family)
    assert longest == {(Fraction(0), 48)}
    assert found <= wanted  # nothing stands where the file has none
    assert {onset for onset, _ in found} == {onset for onset, _ in wanted}


@pytest.mark.parametrize("family", FAMILIES, ids=IDS)
def test_a_family_says_how_fine_its_grid_is(family: ModelFamily) -> None:
    assert family.grid
    assert all(parts > 0 for parts in family.grid)
    assert TIMES not in family.keeps or max(family.grid) > 8
