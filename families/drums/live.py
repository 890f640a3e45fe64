"""A drum network that plays together with others: it hears what is struck, and goes on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from config_bach import Composing
from families.base import LoadedModel
from families.drums.encoding import (
    FIRST,
    KINDS,
    QUARTER,
    SILENT,
    event_of,
    nearest_slot,
    slots_of,
    symbol,
)
from families.drums.kit import KIND_OF
from families.drums.sampler import DrumSampler
from families.drums.sampler import Place as Slot
from families.live import Place, Sampled, Surprise
from families.sampling import LEAST
from music.events import Event


class DrumLive(Sampled):
    """Steps of sixteenths and triplets. Who plays is taken for a drummer: pads often send notes like a
    piano."""

    grid = QUARTER
    percussion = True

    def __init__(self, model: LoadedModel, settings: Composing) -> None:
        """Equal seeds, and equal music heard, give equal music."""
        rng = np.random.default_rng(settings.seed)
        self._sampler = DrumSampler(model.predictor, settings, rng)

    def hear(self, event: Event, place: Place) -> Surprise:
        symbols = symbols_of(event)
        self._sampler.hear(symbols, slot_of(place))
        return self._surprise(symbols)

    def settle(self) -> Surprise:
        return Surprise()  # a stroke has no length: nothing is left open

    def next(self, place: Place) -> tuple[Event, Surprise]:
        slot = slot_of(place)
        symbols = self._sampler.play(slot)
        return event_of(symbols, slot[1], 1), self._surprise(symbols)

    def _surprise(self, symbols: Sequence[int]) -> Surprise:
        """How likely the last step was to be so; a step without strokes counts, and is no note."""
        chances = [p[symbols[kind]] for kind, p in self._sampler.probabilities.items()]
        nats = -np.log(np.maximum(chances, LEAST)).sum()
        return Surprise(float(nats), sum(x >= FIRST for x in symbols))


def symbols_of(event: Event) -> list[int]:
    """What is struck in a step, for each kind of percussion; notes that are none are left out."""
    symbols = [SILENT] * KINDS
    for sound in event.sounds:
        kind = KIND_OF.get(sound.pitch)
        if kind is not None and sound.struck:
            symbols[kind] = max(symbols[kind], symbol(sound.velocity))
    return symbols


def slot_of(place: Place) -> Slot:
    """A place as the network knows it: the bar, the slot in it, the slots of a bar."""
    return int(place.time // place.bar), nearest_slot(place.beat), slots_of(place.bar)
