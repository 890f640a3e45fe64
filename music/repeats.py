"""Scores with their repeats, as they are played."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from music.events import Note
from music.scores import Score

MOST_TIMES, MOST_NESTED = 8, 2  # more is no music, and takes long to unfold


def played_order(part: Any) -> list[int] | None:
    """The bars of a music21 part in the order in which they are played, counted from 0.

    None where its repeats do not fit together, as music21 finds.
    """
    from music21 import exceptions21, repeat, stream

    bars = list(part.getElementsByClass(stream.Measure))
    if not _few(bars):
        return None
    with suppress(exceptions21.Music21Exception, IndexError, TypeError, ValueError):
        played = repeat.Expander(_skeleton(part, bars)).process()
        order = [int(bar.groups[0]) for bar in played.getElementsByClass(stream.Measure)]
        if set(order) == set(range(len(bars))):
            return order
    return None


def _few(bars: Sequence[Any]) -> bool:
    """Whether there are bars, and whether they are repeated as often as music is, and not more."""
    from music21 import bar

    depth = deepest = 0
    for line in (line for b in bars for line in (b.leftBarline, b.rightBarline)):
        if isinstance(line, bar.Repeat):
            depth = depth + 1 if line.direction == "start" else max(depth - 1, 0)
            deepest = max(deepest, depth)
            if (line.times or 0) > MOST_TIMES:
                return False
    return bool(bars) and deepest <= MOST_NESTED


def _skeleton(part: Any, bars: Sequence[Any]) -> Any:
    """A part without notes: its bars with all that repeats them; their group is their number from 0."""
    from music21 import bar, repeat, spanner, stream

    made, copies = stream.Part(), {}
    for number, old in enumerate(bars):
        new = copies[id(old)] = stream.Measure(number=number)
        new.groups.append(str(number))  # stays as it is, other than the number
        for mark in old.getElementsByClass(repeat.RepeatExpression):
            new.insert(mark.offset, type(mark)())
        for side in ("leftBarline", "rightBarline"):
            line = getattr(old, side)
            if isinstance(line, bar.Repeat):
                setattr(new, side, bar.Repeat(line.direction, line.times))
        made.insert(number, new)
    endings: set[int] = set()
    for bracket in part.recurse().getElementsByClass(spanner.RepeatBracket):
        spanned = [copies[id(b)] for b in bracket.getSpannedElements() if id(b) in copies]
        endings |= {id(b) for b in spanned}
        if spanned:
            made.insert(0, spanner.RepeatBracket(spanned, number=bracket.number))
    _begin_repeats([copies[id(old)] for old in bars], endings)
    return made


def _begin_repeats(bars: Sequence[Any], endings: Collection[int]) -> None:
    """Write the beginning of each repeat that has none: it goes back to the end of the one before.

    endings: the ids of the bars of first and second endings, whose repeat has begun already.
    """
    from music21 import bar

    begins = depth = 0
    for number, measure in enumerate(bars):
        left, right = measure.leftBarline, measure.rightBarline
        depth += isinstance(left, bar.Repeat) and left.direction == "start"
        if isinstance(right, bar.Repeat) and right.direction == "end":
            if not depth and id(measure) not in endings and bars[begins].leftBarline is None:
                bars[begins].leftBarline = bar.Repeat("start")
            begins, depth = number + 1, max(depth - 1, 0)


def unfolded(score: Score, order: Sequence[int], offsets: Sequence[Fraction]) -> Score:
    """A score whose bars are played in an order. offsets: where the notes of each bar begin.

    What a tie holds over the end of a passage that is repeated ends there, and is struck again where
    the passage begins again.
    """
    notes, bars, fermatas = [], [], []
    time = Fraction(0)
    for first, last in passages(order):
        start, moved = offsets[first], time - offsets[first]
        stop = offsets[last + 1] if last + 1 < len(offsets) else _end(score, start)
        notes += list(_between(score.notes, start, stop, moved))
        bars += [t + moved for t in score.bars[first : last + 1]]
        fermatas += [
            (a + moved, min(b, stop) + moved) for a, b in score.fermatas if start <= a < stop
        ]
        time += stop - start
    notes.sort(key=lambda n: n.voice)
    return replace(score, notes=tuple(notes), bars=tuple(bars), fermatas=tuple(fermatas))


def passages(order: Sequence[int]) -> list[tuple[int, int]]:
    """The first and the last bar of what is played without a jump."""
    jumps = [i + 1 for i, (a, b) in enumerate(pairwise(order)) if b != a + 1]
    edges = [0, *jumps, len(order)]
    return [(order[a], order[b - 1]) for a, b in pairwise(edges)]


def _end(score: Score, start: Fraction) -> Fraction:
    return max((n.end for n in score.notes), default=start)


def _between(
    notes: Sequence[Note], start: Fraction, stop: Fraction, moved: Fraction
) -> Iterator[Note]:
    """What sounds between two times, moved."""
    for n in notes:
        if n.onset < stop and n.end > start:
            onset = max(n.onset, start)
            yield replace(n, onset=onset + moved, duration=min(n.end, stop) - onset)
