"""Training from the page, as somebody with a phone does it, while another one listens."""

import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from live import LOGIN, get, opened, settings, until

from config_bach import Paths
from gui.server import PageServer
from midi_io import write_midi
from music.events import Piece
from music.synth import RATE
from stream import training_process
from stream.server import Servers

from .conftest import choose, port, touch, visit
from .test_access import violations

pytestmark = pytest.mark.slow

TINY = {"training_epochs": 3, "training_units": 12, "ahead": 5.0}


@pytest.fixture
def servers(equipped: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """A server that trains tiny networks, and at a priority that other tests leave something to."""
    monkeypatch.setattr(training_process, "NICE", 1)
    running = Servers(settings(**TINY), equipped, PageServer)
    yield running
    running.close()


def text(ask: Callable[[str], Any], name: str) -> str:
    return str(ask(f"document.getElementById('{name}').textContent"))


def test_ten_files_are_learned_heard_and_played_without_a_gap_for_others(
    phone: Any, servers: Servers, tunes: list[Piece], tmp_path: Path
) -> None:
    from selenium.webdriver.common.by import By

    context = servers.context
    station = opened(context)
    listener = context.stations.join(station, "wav")
    begun, heard = time.monotonic(), [0]
    hear = lambda: heard.extend(map(len, listener))  # noqa: E731
    threading.Thread(target=hear, daemon=True).start()
    for piece in tunes[:9]:
        write_midi(tmp_path / f"{piece.name}.mid", piece.events, 100, 43)
    (tmp_path / "notes.mid").write_bytes(b"no music at all")
    (tmp_path / "empty.mid").write_bytes(b"")
    ask = visit(phone, servers)
    names = "\n".join(str(path) for path in sorted(tmp_path.glob("*.mid")))
    phone.find_element(By.ID, "train-files").send_keys(names)
    choose(phone, "train-type", "3")
    until(lambda: "9 of 10 files accepted" in text(ask, "train-table"), 60)
    until(lambda: text(ask, "trained").startswith("Your files: 10. there is no file"))
    assert "notes.mid refused: not a MIDI file" in text(ask, "train-table")
    assert violations(phone) == []
    choose(phone, "train-app", "bach")
    touch(phone, "train-start")
    until(lambda: "there already" in text(ask, "trained"))
    choose(phone, "train-app", "mine")
    touch(phone, "train-start")
    until(lambda: ask("!document.getElementById('train-progress').hidden"))
    samples = "document.querySelectorAll('#train-samples button')"
    played: list[float] = []
    for epoch in range(3):
        until(lambda: ask(f"{samples}.length") > len(played), 90)
        phone.execute_script(f"{samples}[{epoch}].click()")
        until(lambda: ask("document.getElementById('audio').currentTime") > 0.2, 10)
        played.append(ask("document.getElementById('audio').duration"))
    assert min(played) > 6
    assert ask("document.documentElement.scrollWidth") <= 375
    until(lambda: "The model is in the list" in text(ask, "train-phase"), 60)
    assert "held-out" in ask("document.getElementById('curve').getAttribute('aria-label')")
    assert violations(phone) == []
    until(
        lambda: ask(
            "[...document.getElementById('model').options].some((o) => o.value === 'mine3_nc_mo')"
        )
    )
    touch(phone, "train-play")
    until(lambda: ask("bach.settings.model") == "mine3_nc_mo")
    until(lambda: ask("document.getElementById('audio').currentTime") > 0.5, 15)
    until(lambda: text(ask, "state") == "composing for you")
    assert context.stations.figures()["underruns"] == 0
    assert context.stations.figures()["dropped"] == 0
    assert sum(heard) / (4 * RATE) > time.monotonic() - begun - 1


def page_of(servers: Servers, login: str | None = LOGIN, **headers: str) -> str:
    return get(port(servers), "/", login, 10**6, **headers)[2].decode()


def test_the_card_is_for_users_and_says_what_is_missing(
    new_servers: Callable[..., Servers], monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = new_servers(guests=["guest-code"])
    assert 'id="train-drop"' in page_of(servers)
    accounts = servers.context.accounts
    guest = accounts.cookie(accounts.with_code(b"guest-code"))
    html = page_of(servers, None, Cookie=f"play_bach_login={guest}")
    assert 'id="play"' in html
    assert "train-drop" not in html.replace('$("train-drop")', "")
    assert 'id="training"' not in page_of(new_servers(training=False))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    html = page_of(new_servers())
    assert 'id="train-drop"' not in html
    assert "training needs all of requirements.txt, which is not installed here." in html
