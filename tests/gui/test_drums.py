"""Drums on the page: heard and named, and nothing to choose that they have not."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from live import OTHER, until

from config_bach import Paths
from families.drums.kit import NAMES
from storage.bundle import Bundle
from storage.catalog import path_of
from stream.server import Servers

from .conftest import choose, touch, visit

pytestmark = pytest.mark.slow


def test_drums_are_named_and_have_neither_instrument_nor_key(
    phone: Any,
    new_servers: Callable[..., Servers],
    equipped: Paths,
    drum_bundle: tuple[Bundle, Paths],
) -> None:
    bundle, paths = drum_bundle
    shutil.copy(path_of(bundle.name, paths), path_of(bundle.name, equipped))
    ask = visit(phone, new_servers())

    def shown(name: str) -> bool:
        return bool(ask(f"document.getElementById('{name}').offsetParent !== null"))

    until(lambda: ask("document.getElementById('model').value") == OTHER)  # drums are newer
    assert shown("program")
    assert shown("key")
    choose(phone, "model", bundle.name)
    until(lambda: not shown("program"))
    assert not shown("key")
    assert shown("bpm")
    touch(phone, "play")
    said: set[str] = set()

    def named() -> bool:
        said.update(ask("document.getElementById('chord').textContent").split(" + "))
        return len(said & set(NAMES)) > 1

    until(named)
    bars = "[...document.querySelectorAll('#bars b')].map(x => x.textContent)"
    until(lambda: set(ask(bars)) & set(NAMES))
