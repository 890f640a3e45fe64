"""Words that a listener knows."""

from typing import Any

import pytest

from gui.words import choices, quoted


def manifest(model_type: int, source: str, **variants: float) -> dict[str, Any]:
    told = {name: {"nll_change": loss} for name, loss in variants.items()}
    return {
        "network": {"model_type": model_type},
        "metadata": {"corpus": {"source": source}, "variants": told},
    }


def test_the_latest_comes_first_and_equal_titles_are_told_apart() -> None:
    known = {
        "a": manifest(5, "music21:chorales"),
        "b": manifest(2, "music21:chorales"),
        "c": manifest(5, "music21:chorales", float32=0.0),
    }
    assert choices(known) == [
        ("c", "Four voices, after Bach's chorales (c)"),
        ("b", "Notes and chords, after Bach's chorales"),
        ("a", "Four voices, after Bach's chorales (a)"),
    ]


def test_variants_are_offered_where_there_are_several() -> None:
    known = {"a": manifest(5, "music21:chorales", float32=0.0, int8=0.051)}
    assert choices(known)[1:] == [
        ("a:float32", "Four voices, after Bach's chorales, float32"),
        ("a:int8", "Four voices, after Bach's chorales, int8 (loses 0.05 nats)"),
    ]


@pytest.mark.parametrize(
    ("notes", "piece", "said"),
    [
        (9, "bwv157.mxl", "Quotes 9 notes of BWV 157."),
        (9, "bwv4.8.mxl", "Quotes 9 notes of BWV 4."),
        (12, "my_tune.mid", "Quotes 12 notes of my_tune.mid."),
        (0, "bwv157.mxl", ""),
    ],
)
def test_what_is_quoted_is_said_as_musicians_say_it(notes: int, piece: str, said: str) -> None:
    assert quoted(notes, piece) == said
