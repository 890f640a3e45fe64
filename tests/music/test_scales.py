"""Scales by name."""

import pytest

from config_bach import UserError
from music.scales import LONGEST, MODES, scale_of


def test_modes_have_their_steps() -> None:
    """The white keys, from each of six notes."""
    white = scale_of("C major")
    assert white == {0, 2, 4, 5, 7, 9, 11}
    for name in ("D dorian", "E phrygian", "F lydian", "G MIXOLYDIAN"):
        assert scale_of(name) == white, name
    assert scale_of("A minor") == {*white, 6, 8}  # with F# and G#
    assert len(MODES) == 6


@pytest.mark.parametrize(
    "text", ["", " ", "H", "C", "C D", "C mayor", "major", "C major minor", "C ##x", "C " * LONGEST]
)
def test_what_is_no_scale_is_refused_by_the_name_it_has(text: str) -> None:
    with pytest.raises(UserError, match=r"^scale '"):
        scale_of(text, "scale")
    with pytest.raises(UserError, match=r"^--scale '") as refusal:
        scale_of(text)
    assert len(str(refusal.value)) < 2 * LONGEST + 80
