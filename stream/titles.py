"""What models and stations are called: on the page, in playlists and in radio apps."""

from collections.abc import Mapping
from typing import Any

from families.registry import family_of
from music.instruments import instrument_name
from stream.context import ServerContext
from stream.player_settings import PlayerSettings

CORPORA = {
    "music21:chorales": "Bach's chorales",
    "music21:bach": "Bach",
    "music21:palestrina": "Palestrina",
    "music21:monteverdi": "Monteverdi",
    "music21:essenFolksong": "folk songs",
    "music21:ryansMammoth": "fiddle tunes",
}
LONGEST = 200  # characters; model files may be called anything


def title_of(name: str, manifest: Mapping[str, Any]) -> str:
    """'Four voices, after Bach's chorales'."""
    source = manifest["metadata"].get("corpus", {}).get("source", "")
    kind = "Four voices" if _has_voices(manifest) else "Notes and chords"
    return f"{kind}, after {CORPORA[source]}" if source in CORPORA else f"{kind}: {name}"


def station_title(context: ServerContext, settings: PlayerSettings) -> str:
    """'Play Bach: Four voices, after Bach's chorales', on one line."""
    name, manifest = _model(context, settings)
    return _line(f"Play Bach: {title_of(name, manifest) if manifest else name}")


def now_playing(context: ServerContext, settings: PlayerSettings) -> str:
    """'Four voices, after Bach's chorales (Church Organ)', on one line; all instruments that differ."""
    name, manifest = _model(context, settings)
    title = title_of(name, manifest) if manifest else name
    programs = settings.programs if manifest and _has_voices(manifest) else (settings.program,)
    return _line(f"{title} ({', '.join(map(instrument_name, dict.fromkeys(programs)))})")


def _model(context: ServerContext, settings: PlayerSettings) -> tuple[str, dict[str, Any]]:
    """The name of the model that plays, and its manifest; an empty one if its file is gone."""
    name = settings.model.partition(":")[0]
    return name, context.models.models().get(name, {})


def _has_voices(manifest: Mapping[str, Any]) -> bool:
    return bool(family_of(manifest["network"]["model_type"]).voices)


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:LONGEST]
