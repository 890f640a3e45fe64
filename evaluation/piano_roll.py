"""The piano roll of a piece: one page as a PNG, several as a PDF.

A page takes the same time whatever the length of the piece: each row draws only the notes that sound
in it, all of them as one collection of rectangles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluation.plots import ACCENT, INK, PALE, SECOND, figure_of, save
from music.cadences import cadence_names
from music.events import Event, Note, duration_of, notes_from_events, pitch_name
from music.instruments import VOICE_COLORS, VOICE_NAMES
from music.keys import key_or_best
from music.sounds import DRUMS, percussion_name, program_name, program_of, voice_of
from storage.files import replacing

SUFFIXES = (".png", ".pdf")
QUARTERS_A_ROW = 64
QUARTERS_A_TICK = 8  # ticks take more time than notes
ROWS_A_PAGE = 12  # 8 1/2 minutes at 90 quarters a minute
PAGES = 100  # at most
ORIGINAL = "#7f8c8d"  # the colour of the music that a piece continues
LOUD = 100  # MIDI velocity
INSTRUMENTS = (
    "#2a6f97",
    "#c8553d",
    "#588157",
    "#7b2d8b",
    "#d4a017",
    "#3d5a80",
    "#b56576",
    "#4f772d",
)
NAMED, NAMED_A_LINE = 12, 6  # instruments in the legend
TITLE, LINE = 0.35, 0.22  # inches that the title takes, and a line of the legend
LABELS = 3.0  # semitones that the names of chords take below the lowest note
GAP = 0.05  # quarter lengths between a note and the next of the same pitch


@dataclass(frozen=True)
class Bar:
    """A rectangle: from left to right in quarter lengths, at a MIDI pitch, in a colour."""

    left: float
    right: float
    pitch: int
    color: str


def suffix(events: Sequence[Event], prime: Sequence[Event] = ()) -> str:
    """'.png' for a piece that fills one page at most, else '.pdf'."""
    return ".png" if _rows(duration_of(prime) + duration_of(events)) <= ROWS_A_PAGE else ".pdf"


def draw(
    path: Path,
    events: Sequence[Event],
    title: str,
    prime: Sequence[Event] = (),
    source: str = "",
    *,
    key: str = "",
) -> None:
    """Draw what sounds when: time in quarter lengths from left to right, pitch upwards.

    prime: the original music that the piece continues, in a colour of its own; source: its name, for
    the legend. key: 'F#m', of music whose voices are told apart, for the title and the names of the
    chords on which phrases end; by default the one that fits best. The name of the path ends as
    `suffix` says; of a longer piece the first PAGES pages are drawn.
    """
    begins = duration_of(prime)
    bars = [_bar(note, Fraction(0), ORIGINAL) for note in notes_from_events(prime)]
    notes = notes_from_events(events)
    colors = _voice_colors(events) or _colors(notes)
    bars += [_bar(note, begins, colors.get(note.voice)) for note in notes]
    voices = any(e.voices for e in events)
    tonality = key_or_best(key, notes) if voices else None
    roll = _Roll(
        f"{title}, {tonality}" if tonality else title,
        bars,
        (float(begins), float(begins + duration_of(events))),
        source,
        instruments={_name_of(voice, voices): color for voice, color in colors.items()},
        labels={float(begins + t): name for t, name in cadence_names(events, tonality).items()},
    )
    if notes and all(n.voice == voice_of(DRUMS) for n in notes):
        roll.name_rows({n.pitch: percussion_name(n.pitch) for n in notes})
    pages = -(-_rows(begins + duration_of(events)) // ROWS_A_PAGE)
    if path.suffix != ".pdf":
        save(roll.page(0, _rows(begins + duration_of(events)), ""), path)
        return
    from matplotlib.backends.backend_pdf import PdfPages

    with replacing(path) as aside, PdfPages(aside) as pdf:
        drawn = range(min(pages, PAGES))
        for page in tqdm(drawn, "drawing", unit="page", leave=False, disable=None):
            pdf.savefig(roll.page(page, ROWS_A_PAGE, f", page {page + 1} of {pages}"))


def _rows(length: Fraction) -> int:
    """The rows that so many quarter lengths fill, one at the least."""
    return max(1, -int(-length // QUARTERS_A_ROW))


def _colors(notes: Sequence[Note]) -> dict[int, str]:
    """A colour for the voice of each instrument, where they are told apart; percussion is INK."""
    voices = sorted({n.voice for n in notes if program_of(n.voice) is not None})
    return {
        voice: INK if voice == voice_of(DRUMS) else INSTRUMENTS[i % len(INSTRUMENTS)]
        for i, voice in enumerate(voices)
    }


def _voice_colors(events: Sequence[Event]) -> dict[int, str]:
    """The colours of four voices by their number, where they are told apart."""
    return dict(enumerate(VOICE_COLORS)) if any(e.voices for e in events) else {}


def _name_of(voice: int, voices: bool) -> str:
    """The name of a voice, or of the instrument that it stands for."""
    return VOICE_NAMES[voice] if voices else program_name(program_of(voice) or DRUMS)


def _bar(note: Note, begins: Fraction, color: str | None) -> Bar:
    left = float(begins + note.onset)
    shown = color or (ACCENT if note.velocity > LOUD else SECOND)
    return Bar(left, left + float(note.duration) - GAP, note.pitch, shown)


class _Roll:
    """The rectangles of a piece, by row."""

    def __init__(
        self,
        title: str,
        bars: Sequence[Bar],
        span: tuple[float, float],
        source: str,
        *,
        instruments: Mapping[str, str],
        labels: Mapping[float, str],
    ) -> None:
        """span: where the new music begins and ends, in quarter lengths; it begins at 0 if nothing comes
        before.

        instruments: the colours of those that are told apart, by name. labels: what stands below the
        notes, by quarter length.
        """
        self._title, self._source = title, source
        self._begins, self._ends = span
        self._labels = labels
        self._instruments, self._names = instruments, dict[int, str]()
        self._low = min((b.pitch for b in bars), default=60) - 1
        self._high = max((b.pitch for b in bars), default=60) + 1
        self._by_row: dict[int, list[Bar]] = defaultdict(list)
        for bar in bars:
            for row in range(int(bar.left // QUARTERS_A_ROW), int(bar.right // QUARTERS_A_ROW) + 1):
                self._by_row[row].append(bar)

    def name_rows(self, names: Mapping[int, str]) -> None:
        """Name these pitches at the left, in the place of octaves."""
        self._names = dict(names)

    def page(self, number: int, rows: int, note: str) -> Any:
        """A figure of so many rows; note: what follows the title."""
        legend = {} if number else self._named()
        lines = -(-len(legend) // NAMED_A_LINE)
        below = LINE * lines if lines > 1 else 0  # the title; else beside it
        height = 0.9 + rows * 2.4 + below  # inches
        how = {"x": 0.01, "ha": "left", "y": 1 - 0.15 / height, "va": "top"}
        figure, axes = figure_of(self._title + note, (14, height), rows, layout=None, **how)
        figure.subplots_adjust(
            left=0.11 if self._names else 0.035,
            right=0.99,
            bottom=0.5 / height,
            top=1 - (0.45 + below) / height,
            hspace=0.15,
        )
        for row, ax in enumerate(axes[:, 0], number * rows):
            self._draw_row(ax, row)
            _shorten(ax, self._share(row))
        axes[-1, 0].set_xlabel("quarter notes", color=INK, loc="left")
        if legend:
            _draw_legend(figure, legend, 1 - (TITLE if below else 0) / height)
        return figure

    def _draw_row(self, ax: Any, row: int) -> None:
        from matplotlib.collections import PolyCollection

        start, stop = row * QUARTERS_A_ROW, (row + 1) * QUARTERS_A_ROW
        octaves = range(-(-self._low // 12) * 12, self._high + 1, 12)
        shown = start + QUARTERS_A_ROW * self._share(row)
        below = LABELS if self._labels else 0
        ax.set(xlim=(start, shown), ylim=(self._low - 0.5 - below, self._high + 0.5))
        ax.set_xticks(range(start, int(shown) + 1, QUARTERS_A_TICK))
        names = self._names or {p: pitch_name(p) for p in octaves}
        ax.set_yticks(list(names), list(names.values()), fontsize=7 if self._names else None)
        ax.grid(color=PALE, linewidth=0.6)
        ax.set_axisbelow(True)
        bars = self._by_row.get(row, [])
        ax.add_collection(
            PolyCollection([_corners(b) for b in bars], facecolors=[b.color for b in bars])
        )
        if start <= self._begins < stop and self._begins:
            ax.axvline(self._begins, color=INK, linewidth=1, linestyle="--")

        for time, label in self._labels.items():
            if start <= time < stop:
                y = self._low - 0.5 - LABELS / 2
                ax.text(time, y, label, fontsize=8, color=INK, va="center", fontweight="bold")

    def _share(self, row: int) -> float:
        """How much of a row there is before the piece ends: 0..1, 1 where it ends later."""
        left = self._ends - row * QUARTERS_A_ROW
        return min(left / QUARTERS_A_ROW, 1.0) if left > 0 else 1.0

    def _named(self) -> dict[str, str]:
        """The colours of the legend by name; empty without one. NAMED at the most."""
        names = {f"original: {self._source}": ORIGINAL} if self._begins else {}
        if self._begins or self._instruments:
            names |= self._instruments or {"composed by Play Bach": SECOND}
        if len(names) <= NAMED:
            return names
        shown = dict(list(names.items())[: NAMED - 1])
        return {**shown, f"and {len(names) - len(shown)} more": "none"}


def _shorten(ax: Any, share: float) -> None:
    """Leave so much of the width of a row, in which a quarter is then as wide as in the others."""
    box = ax.get_position()
    ax.set_position((box.x0, box.y0, box.width * share, box.height))


def _draw_legend(figure: Any, names: Mapping[str, str], top: float) -> None:
    """Names with their colours, at the right; top: as a share of the height."""
    from matplotlib.patches import Patch

    handles = [Patch(color=color, label=name) for name, color in names.items()]
    columns = min(len(handles), NAMED_A_LINE)
    look = {"ncols": columns, "frameon": False, "fontsize": 9}
    figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(1, top), **look)


def _corners(bar: Bar) -> list[tuple[float, float]]:
    low, high = bar.pitch - 0.425, bar.pitch + 0.425
    return [(bar.left, low), (bar.left, high), (bar.right, high), (bar.right, low)]
