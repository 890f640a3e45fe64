"""The 128 instruments of General MIDI, by name and by number."""

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest

from config_bach import UserError
from music.instruments import (
    FAMILIES,
    NAMES,
    VOICE_COLORS,
    by_voice,
    instrument_name,
    program_number,
)


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


def linear(color: str) -> npt.NDArray[np.float64]:
    """The light of red, green and blue (0..1) of '#rrggbb'."""
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """CIELAB of light, white as in sRGB."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x = xyz @ np.clip(light, 0, 1) / (0.95047, 1, 1.08883)
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("seen", [  # Machado, Oliveira, Fernandes 2009; the first is usual sight
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
])  # fmt: skip
def test_the_colours_of_the_voices_are_told_apart_by_everybody(seen: list[list[float]]) -> None:
    colors = [lab(np.array(seen) @ linear(c)) for c in VOICE_COLORS]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(colors, 2)) > 24


@pytest.mark.parametrize("ground", ["#ffffff", "#fffdf9", "#182330", "#22324a", "#0c1219"])
def test_the_colours_of_the_voices_are_seen_on_paper_and_at_night(ground: str) -> None:
    weights = (0.2126, 0.7152, 0.0722)
    for color in VOICE_COLORS:
        dark, light = sorted(float(linear(c) @ weights) for c in (color, ground))
        assert (light + 0.05) / (dark + 0.05) >= 3  # WCAG 2.2 for graphics
