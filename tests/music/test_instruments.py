"""The 128 instruments of General MIDI, by name and by number."""

import pytest

from config_bach import UserError
from music.instruments import FAMILIES, NAMES, by_voice, instrument_name, program_number


def test_all_128_instruments_are_there() -> None:
    assert len(NAMES) == len(set(NAMES)) == 128
    assert all(len(names) == 8 for names in FAMILIES.values())
    assert [program_number(n) for n in NAMES] == list(range(1, 129))
    assert (instrument_name(1), instrument_name(43)) == ("Acoustic Grand Piano", "Cello")
    assert (program_number("1"), program_number(" 128 ")) == (1, 128)
    assert (program_number("church"), program_number("CELLO")) == (20, 43)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("0", "does not exist"),
        ("129", "does not exist"),
        ("-3", "does not exist"),
        ("piano", "could be several; did you mean Acoustic Grand Piano or "),
        ("trumpat", "not in General MIDI; did you mean Trumpet"),
        ("kazoo", "not in General MIDI; did you mean Koto"),
        ("xyzzyq", "not in General MIDI; give a number from 1 to 128"),
        ("", "not in General MIDI"),
    ],
)
def test_an_unknown_instrument_is_refused_with_advice(name: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        program_number(name)


def test_one_instrument_serves_four_voices() -> None:
    assert by_voice(20) == (20, 20, 20, 20)
    assert by_voice((1, 2)) == (1, 2, 2, 2)
    assert by_voice([69, 72, 70, 71]) == (69, 72, 70, 71)
    assert by_voice([1, 2, 3, 4, 5]) == (1, 2, 3, 4)
