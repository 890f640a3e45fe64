"""What models and stations are called: on the page, in playlists and in radio apps."""

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from families.base import ModelFamily
from families.registry import family_of
from music.instruments import instrument_name
from stream.context import SoundContext
from stream.player_settings import PlayerSettings
from stream.station import Station
from stream.texts import ENGLISH, Texts

CORPORA = {  # and their names in the table of texts
    "music21:chorales": "corpus_chorales",
    "music21:bach": "corpus_bach",
    "music21:palestrina": "corpus_palestrina",
    "music21:monteverdi": "corpus_monteverdi",
    "music21:essenFolksong": "corpus_folk",
    "music21:ryansMammoth": "corpus_fiddle",
}
WORK = re.compile(r"bwv(\d+(\.\d+)?)", re.IGNORECASE)
LONGEST = 200  # characters; model files may be called anything


def title_of(name: str, manifest: Mapping[str, Any], t: Texts = ENGLISH) -> str:
    """'Four voices, after Bach's chorales'."""
    source = manifest["metadata"].get("corpus", {}).get("source", "")
    kind = kind_of(manifest["network"]["model_type"], t)
    if source in CORPORA:
        return t("after", kind=kind, source=t(CORPORA[source]))
    return t("named", kind=kind, name=name)


def kind_of(model_type: int, t: Texts = ENGLISH) -> str:
    """What models of a type compose: 'Four voices'."""
    return t(family_of(model_type).kind)


def station_title(context: SoundContext, station: Station) -> str:
    """'Play Bach: Four voices, after Bach's chorales', on one line."""
    if own := station.title(ENGLISH):
        return _line(f"Play Bach: {own}")
    name, manifest = _model(context, station.settings)
    return _line(f"Play Bach: {title_of(name, manifest) if manifest else name}")


def playing_on(context: SoundContext, station: Station, t: Texts = ENGLISH) -> str:
    """What is heard on a station, on one line: its own title, or `now_playing`."""
    return _line(station.title(t)) or now_playing(context, station.settings, t)


def now_playing(context: SoundContext, settings: PlayerSettings, t: Texts = ENGLISH) -> str:
    """'Four voices, after Bach's chorales (Church Organ)', on one line; all instruments that differ."""
    name, manifest = _model(context, settings)
    title = title_of(name, manifest, t) if manifest else name
    if manifest and _family(manifest).own_instruments:
        return _line(title)
    voices = manifest and _family(manifest).voices
    programs = settings.programs if voices else (settings.program,)
    return _line(f"{title} ({', '.join(map(instrument_name, dict.fromkeys(programs)))})")


def work_of(piece: str) -> str:
    """'BWV 10.7' of 'bwv10.7.mxl'; the name without its suffix where it is no work of Bach's."""
    work = WORK.match(piece)
    return f"BWV {work[1]}" if work else _line(PurePath(piece).stem)


def _model(context: SoundContext, settings: PlayerSettings) -> tuple[str, dict[str, Any]]:
    """The name of the model that plays, and its manifest; an empty one if its file is gone."""
    name = settings.model.partition(":")[0]
    return name, context.models.models().get(name, {})


def _family(manifest: Mapping[str, Any]) -> ModelFamily:
    return family_of(manifest["network"]["model_type"])


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:LONGEST]
