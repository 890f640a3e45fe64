"""Control changes that set something: which knob, pedal or pad does what, learned by touching it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from config_bach import Paths, UserError
from duet.settings import ACTIONS, FIXED, MODELS, TEXTS, Together
from storage.files import write_text

PRESSED = 64  # values from here on press a button
PRESSES = (*ACTIONS, *MODELS)  # what is done at a press; all else follows the knob
HIGHEST = 127  # control changes are numbered 0..127
LARGEST = 100_000  # bytes of a file of knobs


def controllable() -> list[str]:
    """What a knob can do: settings with a range or a choice, actions, and stepping through models."""
    settings = [f.name for f in fields(Together) if f.name not in (*FIXED, *TEXTS)]
    return [*settings, *PRESSES]


class Knobs:
    """Which control change (0..127, on any channel) does what. Any thread may ask and learn.

    What was learned is kept in a file, if there is one; what was mapped holds for this session.
    """

    def __init__(self, mapped: dict[int, str] | None = None, path: Path | None = None) -> None:
        """path: where learned knobs are kept. Raises UserError if it holds anything else."""
        self._path = path
        self._learned = read(path) if path else {}
        self._saved = dict(self._learned)
        self._mapped = dict(mapped or {})
        self._wanted: list[str] = []
        self._fresh: set[int] = set()  # that were learned since learning began

    @classmethod
    def parse(cls, texts: Iterable[str], path: Path | None = None) -> Knobs:
        """['74=temperature', ...]. Raises UserError for anything else."""
        found: dict[int, str] = {}
        for text in texts:
            number, _, name = text.partition("=")
            if not number.isascii() or not number.isdigit() or int(number) > HIGHEST:
                raise UserError(f"--map {text!r}: write NUMBER=NAME, as in 74=temperature.")
            found[int(number)] = _known(name)
        return cls(found, path)

    @property
    def by_control(self) -> dict[int, str]:
        """What each control change does."""
        return {**self._learned, **self._mapped}

    def learn(self, name: str) -> None:
        """Bind the next control change that is touched. Raises UserError for what no knob can do."""
        if not self._wanted:
            self._fresh = set()
        self._wanted = [*self._wanted, _known(name)][-len(controllable()) :]

    @property
    def wanted(self) -> str | None:
        """What the next control change will do, if one is to be learned."""
        return next(iter(self._wanted), None)

    def take(self, message: Any) -> tuple[str, float] | None:
        """What a message asks for, and how much (0..1); None: nothing."""
        if message.type != "control_change":
            return None
        number = message.control
        if self._wanted and number not in self._fresh:
            self._bind(number, self._wanted[0])
            self._wanted = self._wanted[1:]
            return None
        name = self.by_control.get(number)
        if name is None or (name in PRESSES and message.value < PRESSED):
            return None
        return name, message.value / 127

    def _bind(self, number: int, name: str) -> None:
        self._fresh = self._fresh | {number}
        self._mapped = {n: x for n, x in self._mapped.items() if n != number}
        self._learned = {**self._learned, number: name}

    def forget(self, number: int) -> None:
        """A control change does nothing any more."""
        self._learned = {n: x for n, x in self._learned.items() if n != number}
        self._mapped = {n: x for n, x in self._mapped.items() if n != number}

    @property
    def unsaved(self) -> bool:
        """Whether there is something that `save` would write."""
        return self._path is not None and self._learned != self._saved

    def save(self) -> None:
        """Keep what was learned. Raises UserError if it cannot be written."""
        learned = self._learned
        if self._path and learned != self._saved:
            write_text(self._path, json.dumps({str(n): x for n, x in sorted(learned.items())}))
            self._saved = learned

    def __str__(self) -> str:
        return " ".join(f"{number}={name}" for number, name in sorted(self.by_control.items()))


def path_of(paths: Paths) -> Path:
    """Where an installation keeps learned knobs."""
    return paths.root / "knobs.json"


def read(path: Path) -> dict[int, str]:
    """The knobs of a file, {"74": "temperature"}; none if it is not there.

    Raises UserError for anything else.
    """
    try:
        if not path.exists():
            return {}
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it is no object")
        return {_number(text): _known(name) for text, name in found.items()}
    except (OSError, ValueError, RecursionError, UserError) as error:
        raise UserError(
            f"the knobs in {path} are not understood ({str(error)[:120]}); mend the file, or remove it "
            "and learn them anew."
        ) from error


def _number(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number <= HIGHEST:
        raise ValueError(f"{text[:20]!r} is no control change")
    return number


def _known(name: Any) -> str:
    if name not in controllable():
        known = ", ".join(controllable())
        raise UserError(f"no knob can set {str(name)[:40]!r}; it can do {known}.")
    return str(name)
