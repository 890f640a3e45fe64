"""The piano roll: every note where it sounds, on as few pages as it needs, quickly."""

import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evaluation import piano_roll
from evaluation.piano_roll import ORIGINAL, PAGES, QUARTERS_A_ROW, ROWS_A_PAGE
from evaluation.plots import ACCENT, SECOND
from music.events import Event
from music.instruments import VOICE_COLORS, VOICE_NAMES
from music.sounds import Sound

PAGE = QUARTERS_A_ROW * ROWS_A_PAGE  # quarter lengths


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that were drawn."""
    figures: list[Any] = []
    page = piano_roll._Roll.page

    def kept(*args: Any) -> Any:
        figures.append(page(*args))
        return figures[-1]

    monkeypatch.setattr(piano_roll._Roll, "page", kept)
    return figures


def scale(quarters: int, length: int = 1) -> list[Event]:
    """Notes of so many quarters, soft and loud in turn."""
    steps = range(quarters // length)
    return [Event((60 + i % 12,), Fraction(length), 80 + 40 * (i % 2)) for i in steps]


def drawn(ax: Any) -> list[tuple[float, float, float, str]]:
    """The rectangles of a row: left, right, pitch, colour."""
    from matplotlib.colors import to_hex

    (collection,) = ax.collections
    colors = [to_hex(c) for c in collection.get_facecolors()]
    boxes = [path.vertices for path in collection.get_paths()]
    return [
        (x.min(), x.max(), y.mean(), color)
        for box, color in zip(boxes, colors, strict=True)
        for x, y in [box[:4].T]
    ]


@pytest.mark.parametrize(("quarters", "rows"), [(4, 1), (64, 1), (65, 2)])
def test_it_has_a_row_for_every_64_quarters(
    tmp_path: Path, pages: list[Any], quarters: int, rows: int
) -> None:
    piano_roll.draw(tmp_path / "roll.png", scale(quarters), "a title")
    figure = pages[-1]
    assert len(figure.axes) == rows
    assert figure._suptitle.get_text() == "a title"
    assert sum(len(drawn(ax)) for ax in figure.axes) == quarters
    ends = [min(64 * i + 64, quarters) for i in range(rows)]
    assert [ax.get_xlim() for ax in figure.axes] == [(64 * i, end) for i, end in enumerate(ends)]
    wide = [ax.get_position().width / (b - a) for ax in figure.axes for a, b in [ax.get_xlim()]]
    assert wide == pytest.approx(wide[:1] * rows)  # a quarter is as wide in all of them
    assert not figure.legends
    with Image.open(tmp_path / "roll.png") as image:
        assert image.format == "PNG"
        assert image.width > 1000
        assert len(np.unique(np.asarray(image.convert("L")))) > 10


def test_notes_stand_where_they_sound(tmp_path: Path, pages: list[Any]) -> None:
    events = [*scale(12), Event((), Fraction(50)), Event((72,), Fraction(10), 80)]
    piano_roll.draw(tmp_path / "roll.png", events, "x")
    first, second = pages[-1].axes
    assert drawn(first)[0] == pytest.approx((0, 0.95, 60, SECOND), abs=1e-6)
    assert drawn(first)[1][3] == ACCENT
    assert drawn(first)[-1] == drawn(second)[0]  # it goes over the end of the row
    assert drawn(second)[0][:3] == pytest.approx((62, 71.95, 72))
    assert first.get_ylim() == (58.5, 73.5)
    assert [t.get_text() for t in first.get_yticklabels()] == ["C4", "C5"]


def test_silence_is_drawn_too(tmp_path: Path) -> None:
    piano_roll.draw(tmp_path / "roll.png", [], "nothing")
    assert (tmp_path / "roll.png").stat().st_size > 1000


def test_original_music_has_a_colour_and_a_legend(tmp_path: Path, pages: list[Any]) -> None:
    piano_roll.draw(tmp_path / "roll.png", scale(8), "x", scale(6), "a tune")
    (ax,) = pages[-1].axes
    rectangles = drawn(ax)
    assert [r[3] for r in rectangles[:6]] == [ORIGINAL] * 6
    assert ORIGINAL not in [r[3] for r in rectangles[6:]]
    assert rectangles[6][:3] == pytest.approx((6, 6.95, 60))
    assert [line.get_xdata()[0] for line in ax.lines] == [6]
    (legend,) = pages[-1].legends
    texts = [t.get_text() for t in legend.get_texts()]
    assert texts == ["original: a tune", "composed by Play Bach"]


@pytest.mark.parametrize(("quarters", "kind"), [(PAGE, ".png"), (PAGE + 1, ".pdf")])
def test_more_than_a_page_becomes_a_pdf(quarters: int, kind: str) -> None:
    assert piano_roll.suffix(scale(quarters)) == kind
    assert piano_roll.suffix(scale(quarters - 8), scale(8)) == kind


def test_pages_go_on_and_have_a_limit(
    tmp_path: Path, pages: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PAGES * PAGE > 60_000  # 100,000 notes
    monkeypatch.setattr(piano_roll, "PAGES", 2)
    monkeypatch.setattr(piano_roll, "ROWS_A_PAGE", 2)
    piano_roll.draw(tmp_path / "roll.pdf", scale(64 * 5, 4), "x", scale(8), "y")
    assert [f._suptitle.get_text() for f in pages] == ["x, page 1 of 3", "x, page 2 of 3"]
    assert [ax.get_xlim()[0] for f in pages for ax in f.axes] == [0, 64, 128, 192]
    assert [len(f.legends) for f in pages] == [1, 0]
    assert (tmp_path / "roll.pdf").read_bytes().count(b"/Type /Page ") == 2


def test_a_thousand_notes_take_about_as_long_as_a_hundred(tmp_path: Path) -> None:
    """On the same number of rows; an artist for each note took three times as long."""

    def seconds(events: list[Event]) -> float:
        spent = []
        for _ in range(2):
            start = time.process_time()
            piano_roll.draw(tmp_path / "roll.png", events, "x")
            spent.append(time.process_time() - start)
        return min(spent)

    few = [Event((60 + i % 12,), Fraction(2)) for i in range(100)]
    many = [Event((48 + i % 7, 60 + i % 12), Fraction(1, 5)) for i in range(1000)]
    seconds(few[:1])  # matplotlib is imported
    assert seconds(many) < 2 * seconds(few)


@pytest.mark.parametrize(("instruments", "named", "lines"), [(3, 3, 1), (9, 9, 2), (30, 12, 2)])
def test_the_legend_names_the_instruments_and_stands_on_nothing(
    tmp_path: Path, pages: list[Any], instruments: int, named: int, lines: int
) -> None:
    events = [Event.of([Sound(1 + i, 60 + i, 90, True)], Fraction(1)) for i in range(instruments)]
    piano_roll.draw(tmp_path / "roll.png", events, "a piece of many instruments, seed 1")
    (legend,) = pages[-1].legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert len(labels) == named
    assert labels[0] == "Acoustic Grand Piano"
    assert (labels[-1] == "and 19 more") == (instruments == 30)
    box, page = legend.get_window_extent(), pages[-1]
    assert box.y0 >= page.axes[0].get_window_extent().y1
    assert lines == 1 or box.y1 <= page._suptitle.get_window_extent().y0 + 1


def voiced(voices: tuple[int, ...], fermata: bool = False) -> Event:
    return Event(tuple(sorted(voices)), Fraction(2), 120, voices, (True,) * 4, None, fermata)


def test_four_voices_have_their_colours_and_phrase_ends_their_chords(
    tmp_path: Path, pages: list[Any]
) -> None:
    music = [
        voiced((71, 62, 55, 43)),
        voiced((71, 62, 55, 43), True),
        voiced((72, 64, 55, 48), True),
    ]
    piano_roll.draw(tmp_path / "roll.png", music[:2], "x", scale(64), "a tune", key="G")
    assert pages[-1]._suptitle.get_text() == "x, G major"
    first, last = pages[-1].axes
    assert {(round(pitch), color) for *_, pitch, color in drawn(last)} == {
        *zip((71, 62, 55, 43), VOICE_COLORS, strict=True)
    }
    assert [t.get_text() for t in pages[-1].legends[0].get_texts()][1:] == list(VOICE_NAMES)
    assert [(t.get_position()[0], t.get_text()) for t in last.texts] == [(66, "I")]
    assert not first.texts
    (y,) = [t.get_position()[1] for t in last.texts]
    assert last.get_ylim()[0] < y < 42.5  # under the lowest note
    assert last.get_xlim() == (64, 68)


def test_without_a_key_that_of_the_notes_names_the_chords(tmp_path: Path, pages: list[Any]) -> None:
    music = [voiced((72, 64, 55, 48)), voiced((71, 62, 55, 43)), voiced((72, 64, 55, 48))]
    piano_roll.draw(tmp_path / "roll.png", music, "x")
    assert pages[-1]._suptitle.get_text() == "x, C major"
    assert [t.get_text() for t in pages[-1].axes[0].texts] == ["I"]
    with Image.open(tmp_path / "roll.png") as image:
        seen = {tuple(x) for x in np.asarray(image.convert("RGB")).reshape(-1, 3).tolist()}
    assert seen >= {tuple(bytes.fromhex(color[1:])) for color in VOICE_COLORS}
