"""The model types that there are, by number."""

from config_bach import UserError
from families.base import ModelFamily
from families.drums.family import Drums
from families.events.family import AttentionLSTM, EmbeddingLSTM, OneHotLSTM
from families.satb.family import FourVoices
from families.tracks.family import Tracks

_families: dict[int, ModelFamily] = {}


def register(family: ModelFamily) -> None:
    """Add a model type. Raises ValueError if its number is taken by another class."""
    known = _families.get(family.number)
    if known is not None and type(known) is not type(family):
        raise ValueError(f"model type {family.number} is {type(known).__name__} already")
    _families[family.number] = family


def families() -> list[ModelFamily]:
    """All model types, by number."""
    return [_families[number] for number in sorted(_families)]


def family_of(number: int) -> ModelFamily:
    """The model type of that number. Raises UserError, naming those there are, for any other."""
    if number not in _families:
        known = ", ".join(map(str, sorted(_families)))
        raise UserError(f"there is no model type {number}; choose one of {known}.")
    return _families[number]


for _family in (OneHotLSTM(), AttentionLSTM(), EmbeddingLSTM(), Drums(), FourVoices(), Tracks()):
    register(_family)
