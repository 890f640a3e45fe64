"""Links by which a piece plays again, note for note: readable, good on any server with the model.

/?piece=SEED&model=NAME:VARIANT&temperature=1&scale=G+major&changes=37:0.5:;80:1:G+major&bpm=90...
opens a control page; changes tell from which event on temperature and scale were others. What is left
out has its usual value. The volume is left to who listens.
"""

from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, urlencode

from config_bach import Settings, UserError, setting
from stream.model_cache import ModelCache
from stream.piece import LARGEST_SEED, Sampling, StationPiece
from stream.player_settings import PlayerSettings

LONGEST = 8000  # characters
MOST_PARAMETERS = 40
OWN = ("model", "temperature", "scale", "volume")  # settings that are told otherwise, or not at all


@dataclass(frozen=True)
class NewPiece(Settings):
    """A piece that is asked for. seed: None for one that nobody knows."""

    seed: int | None = setting(None, 0, LARGEST_SEED, "the same seed gives the same notes")


def link_of(piece: StationPiece, settings: PlayerSettings) -> str:
    """The path of a control page that plays a piece again, as it sounds now."""
    first, *changes = piece.samplings
    what: dict[str, Any] = {"piece": piece.seed, "model": piece.model}
    what |= {"temperature": float(first.temperature), "scale": first.scale}
    what["changes"] = ";".join(f"{x.first}:{float(x.temperature)}:{x.scale}" for x in changes)
    usual = asdict(PlayerSettings(settings.model))
    now = {name: value for name, value in asdict(settings).items() if name not in OWN}
    what |= {name: value for name, value in now.items() if value != usual[name]}
    return "/?" + urlencode({name: value for name, value in what.items() if value != ""})


def read_link(query: str, models: ModelCache) -> tuple[PlayerSettings, StationPiece] | None:
    """The settings and the piece of such a link; None if the query asks for no piece.

    Raises UserError for a link that is not understood, and for a model that is not here.
    """
    try:
        asked = parse_qsl(
            query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict"
        )
        what = dict(asked)
        if "piece" not in what:
            return None
        if len(query) > LONGEST or len(what) < len(asked):
            raise ValueError(query)
        return _read(what, models)
    except ValueError as error:
        raise UserError("this link to a piece is not understood; copy all of it.") from error


def _read(what: dict[str, str], models: ModelCache) -> tuple[PlayerSettings, StationPiece]:
    seed = int(what.pop("piece"))
    NewPiece(seed)  # refuses what is out of range
    first = Sampling(0, float(what.pop("temperature", "1")), what.pop("scale", ""))
    samplings = (first, *map(_sampling, filter(None, what.pop("changes", "").split(";"))))
    if any(a.first >= b.first for a, b in pairwise(samplings)):
        raise ValueError("the changes are not in order")
    types: dict[str, Any] = {item.name: item.type for item in fields(PlayerSettings)}
    model = models.choice(what.pop("model", ""))
    known = {name for name in what if name in types and name not in OWN}
    others = {name: types[name](what[name]) for name in known}
    if len(others) < len(what):
        raise ValueError("something unknown is asked for")
    last = samplings[-1]
    settings = PlayerSettings(model, temperature=last.temperature, scale=last.scale, **others)
    return settings, StationPiece(models.label(model), seed, samplings)


def _sampling(text: str) -> Sampling:
    """'37:0.5:G major'. Raises ValueError."""
    first, temperature, scale = text.split(":")
    return Sampling(int(first), float(temperature), scale)
