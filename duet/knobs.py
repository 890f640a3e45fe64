"""Control changes that set something: which knob, pedal or pad does what, learned by touching it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from config_bach import UserError
from duet.settings import ACTIONS, FIXED, TEXTS, Together

PRESSED = 64  # values from here on press a button


def controllable() -> list[str]:
    """What a knob can do: settings with a range or a choice, and actions."""
    settings = [f.name for f in fields(Together) if f.name not in (*FIXED, *TEXTS)]
    return [*settings, *ACTIONS]


class Knobs:
    """Which control change (0..127, on any channel) does what."""

    def __init__(self, by_control: dict[int, str] | None = None) -> None:
        self.by_control = dict(by_control or {})
        self._wanted: list[str] = []

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Knobs:
        """['74=temperature', ...]. Raises UserError for anything else."""
        found: dict[int, str] = {}
        for text in texts:
            number, _, name = text.partition("=")
            if not number.isascii() or not number.isdigit() or int(number) > 127:
                raise UserError(f"--map {text!r}: write NUMBER=NAME, as in 74=temperature.")
            found[int(number)] = _known(name)
        return cls(found)

    def learn(self, name: str) -> None:
        """Bind the next control change that is touched. Raises UserError for what no knob can do."""
        self._wanted.append(_known(name))

    @property
    def wanted(self) -> str | None:
        """What the next control change will do, if one is to be learned."""
        return self._wanted[0] if self._wanted else None

    def take(self, message: Any) -> tuple[str, float] | None:
        """What a message asks for, and how much (0..1); None: nothing."""
        if message.type != "control_change":
            return None
        if self._wanted and message.control not in self.by_control:
            self.by_control[message.control] = self._wanted.pop(0)
            return None
        name = self.by_control.get(message.control)
        if name is None or (name in ACTIONS and message.value < PRESSED):
            return None
        return name, message.value / 127

    def __str__(self) -> str:
        return " ".join(f"{number}={name}" for number, name in sorted(self.by_control.items()))


def _known(name: str) -> str:
    if name not in controllable():
        raise UserError(f"no knob can set {name[:40]!r}; it can do {', '.join(controllable())}.")
    return name
