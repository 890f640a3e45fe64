"""On which MIDI channel (0..15) whom one hears: everybody has one of their own, percussion the tenth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from duet.notes import PEDAL
from duet.parts import DRUM_CHANNEL
from duet.players import ModelPlayer, Person
from music.sounds import DRUMS

FREE = [c for c in range(16) if c != DRUM_CHANNEL]


def channel_of(number: int, first: int, drums: bool) -> int:
    """The channel of a player: from `first` (1..16) on, percussion on the tenth."""
    if drums:
        return DRUM_CHANNEL
    # the tenth is nobody's but percussion's
    start = FREE.index(first - 1) if first - 1 in FREE else 0
    return FREE[(start + number) % len(FREE)]


def channels_of(
    models: Sequence[ModelPlayer], people: Sequence[Person], first: int, first_person: int
) -> list[int]:
    """The channels of all models, then of all people; one that becomes percussion moves nobody else.

    first: that of the first model (1..16). first_person: likewise; 0: the one after those of models.
    """
    players: list[ModelPlayer | Person] = [*models, *people]
    kept = kept_channels(len(models), len(people), first, first_person)
    return [
        DRUM_CHANNEL if player.part.program == DRUMS else channel
        for player, channel in zip(players, kept, strict=True)
    ]


def kept_channels(models: int, people: int, first: int, first_person: int) -> list[int]:
    """The channels that are kept for models, then for people, also while they play percussion."""
    start, place = (first_person, 0) if first_person else (first, models)
    return [
        *(channel_of(n, first, False) for n in range(models)),
        *(channel_of(place + n, start, False) for n in range(people)),
    ]


class Routing:
    """Puts what people play on their channels; a note ends on the one that it began on."""

    def __init__(self) -> None:
        self._taken: dict[str, dict[tuple[int, str, int], int]] = {}  # by port: what is where

    def routed(self, message: Any, port: str, channel: int) -> Any:
        """The message on a channel; percussion (on the tenth) stays there."""
        channel = DRUM_CHANNEL if message.channel == DRUM_CHANNEL else channel
        known, key = self._taken.setdefault(port, {}), _key(message)
        if key is not None:
            begins = message.type == "note_on" and message.velocity > 0
            if begins or (message.type == "control_change" and message.value >= 64):
                known[key] = channel
            channel = known.get(key, channel)
        return message if channel == message.channel else message.copy(channel=channel)

    def forget(self, port: str) -> None:
        """A port is gone."""
        self._taken.pop(port, None)


def _key(message: Any) -> tuple[int, str, int] | None:
    """What a message begins or ends; None: nothing that lasts."""
    if message.type in ("note_on", "note_off", "polytouch"):
        return message.channel, "note", message.note
    if message.type == "control_change" and message.control == PEDAL:
        return message.channel, "pedal", PEDAL
    return None
