"""What models are called."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from stream.context import ServerContext
from stream.player_settings import PlayerSettings
from stream.titles import now_playing, title_of


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


def test_music_with_instruments_of_its_own_is_not_called_by_one(drum_playing: str) -> None:
    assert drum_playing == "Drums: drums4_nc_mo"


@pytest.fixture
def drum_playing() -> str:
    """What a station with drums plays."""
    known = {"drums4_nc_mo": manifest(4, "patterns")}
    context = SimpleNamespace(models=SimpleNamespace(models=lambda: known))
    return now_playing(cast(ServerContext, context), PlayerSettings("drums4_nc_mo", program=20))
