"""What models are called."""

from typing import Any

from stream.titles import title_of


def manifest(model_type: int, source: str) -> dict[str, Any]:
    return {"network": {"model_type": model_type}, "metadata": {"corpus": {"source": source}}}


def test_models_are_called_by_what_they_play() -> None:
    assert title_of("x", manifest(5, "music21:chorales")) == "Four voices, after Bach's chorales"
    assert title_of("x", manifest(2, "music21:palestrina")) == "Notes and chords, after Palestrina"
    assert (
        title_of("tunes2_nc_mo", manifest(2, "/home/me/training"))
        == "Notes and chords: tunes2_nc_mo"
    )
    assert title_of("x", {"network": {"model_type": 1}, "metadata": {}}) == "Notes and chords: x"
