"""Somebody's own tune on the page: tapped or uploaded, heard, kept, shown as a score."""

import io
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import pytest
from live import SHIPPED, opened, until

from config_bach import Paths
from midi_io import write_midi
from music.events import Event
from stream.player_settings import PlayedEvent, PlayerSettings
from stream.server import Servers
from stream.source import StreamEvent

from .conftest import touch, visit

pytestmark = pytest.mark.slow

NewServers = Callable[..., Servers]
VOICES = SHIPPED.parent / "bach5_nc_mo.zip"
QUARTER = 10080


@pytest.fixture
def servers(new_servers: NewServers, equipped: Paths) -> Servers:
    """A server with the model of four voices, too."""
    shutil.copy(VOICES, equipped.models)
    return new_servers()


def soprano(address: str) -> list[tuple[float, int]]:
    """Quarters and pitch of the notes of the first voice of a MIDI file; rests are -1."""
    with urllib.request.urlopen(address, timeout=10) as file:
        midi = mido.MidiFile(file=io.BytesIO(file.read()))
    found: list[tuple[float, int]] = []
    assert midi.tracks[1].name == "Soprano"
    for m in midi.tracks[1]:
        if m.type == "note_on" and m.time:
            found.append((m.time / QUARTER, -1))
        elif m.type == "note_off":
            found.append((m.time / QUARTER, m.note))
    return found


def text(ask: Callable[[str], Any], name: str) -> str:
    return str(ask(f"document.getElementById('{name}').textContent"))


def tap(phone: Any, *pitches: int) -> None:
    from selenium.webdriver.common.by import By

    for pitch in pitches:
        phone.find_element(By.CSS_SELECTOR, f"[data-pitch='{pitch}']").click()


def level(phone: Any) -> float:
    """The loudest of what the page plays in a second, 0..1."""
    return float(
        phone.execute_async_script(
            """
            const done = arguments[arguments.length - 1];
            const context = new AudioContext(), audio = document.getElementById('audio');
            const source = context.createMediaStreamSource(audio.captureStream());
            const meter = context.createAnalyser(), seen = new Float32Array(2048);
            source.connect(meter);
            let most = 0, looks = 0;
            const timer = setInterval(() => {
              meter.getFloatTimeDomainData(seen);
              most = Math.max(most, ...seen.map(Math.abs));
              if (++looks === 20) { clearInterval(timer); done(most); }
            }, 50);
            """
        )
    )


def test_a_tapped_tune_is_harmonised_heard_and_kept(phone: Any, servers: Servers) -> None:
    ask = visit(phone, servers)
    touch(phone, "harmonise")
    until(lambda: "Tap some notes first" in text(ask, "tuned"))
    tap(phone, 67, 69, 70)
    touch(phone, "tune-undo")
    tap(phone, 71)
    touch(phone, "tune-rest")
    phone.execute_script("document.querySelector('[data-quarters=\"2\"]').click()")
    tap(phone, 72, 84, 67)
    assert "9 of 64 quarters" in text(ask, "tuned") or "10 of 64 quarters" in text(ask, "tuned")
    assert ask("document.getElementById('draft').getAttribute('aria-label')").endswith("C6 G4")
    touch(phone, "harmonise")
    until(lambda: "Here it is" in text(ask, "tuned"))
    until(lambda: ask("document.getElementById('audio').currentTime > 0.5"))
    assert level(phone) > 0.01
    assert text(ask, "state") == "playing what was kept"
    assert ask("bach.piece.length") > 4
    until(lambda: ask("document.querySelectorAll('#kept-list a').length") == 4)
    link = ask("document.querySelector('#kept-list a').href")
    given = [(1, 67), (1, 69), (1, 71), (1, -1), (2, 72), (2, 84), (2, 67)]
    assert soprano(link) == given
    touch(phone, "play")  # it says Stop
    assert ask("document.getElementById('audio').paused")
    assert ask("document.documentElement.scrollWidth") <= 375
    errors = [x for x in phone.get_log("browser") if x["level"] == "SEVERE"]
    assert errors == []


def test_a_file_goes_on_and_a_bad_one_is_said(phone: Any, servers: Servers, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By

    ask = visit(phone, servers)
    chosen = phone.find_element(By.ID, "tune-file")
    (tmp_path / "bad.mid").write_bytes(b"no music at all")
    chosen.send_keys(str(tmp_path / "bad.mid"))
    touch(phone, "harmonise")
    until(lambda: "cannot be read" in text(ask, "tuned"))
    (tmp_path / "large.mid").write_bytes(bytes(2**20 + 1))
    chosen.send_keys(str(tmp_path / "large.mid"))
    until(lambda: "larger than 1 MB" in text(ask, "tuned"))
    write_midi(tmp_path / "My tune.mid", [Event((p,), 1) for p in (60, 62, 64, 65)], 90, 1)  # type: ignore[arg-type]
    chosen.send_keys(str(tmp_path / "My tune.mid"))
    until(lambda: "My tune.mid is ready" in text(ask, "tuned"))
    touch(phone, "go-on")
    until(lambda: "Here it is" in text(ask, "tuned"))
    until(lambda: text(ask, "kept-list").startswith("My tune"))
    until(lambda: ask("document.querySelectorAll('#kept-list a').length") == 4)
    voice = soprano(ask("document.querySelector('#kept-list a').href"))
    assert voice[:3] == [(1, 60), (1, 62), (1, 64)]
    assert len(voice) > 8


def test_computer_keys_play_only_where_the_keys_are(phone: Any, servers: Servers) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    ask = visit(phone, servers)
    body = phone.find_element(By.TAG_NAME, "body")
    body.send_keys("asd")
    assert ask("bach.melody.notes.length") == 0
    phone.find_element(By.CSS_SELECTOR, "[data-pitch='60']").send_keys("awk", Keys.BACK_SPACE, "d")
    assert ask("bach.melody.notes.map((n) => n[0]).join()") == "60,61,64"
    phone.execute_script("for (let i = 0; i < 70; i++) bach.melody.add(60)")
    assert ask("bach.melody.length") == 64
    assert "Sixteen bars" in text(ask, "tuned")
    touch(phone, "tune-clear")
    assert ask("bach.melody.notes.length") == 0


def kept(servers: Servers, title: str, count: int = 8) -> str:
    settings = PlayerSettings(VOICES.stem, bpm=120)
    events = [Event((60, 64), 1) for _ in range(count)]  # type: ignore[arg-type]
    played = [PlayedEvent(i, 0, StreamEvent(e), settings) for i, e in enumerate(events)]
    return servers.context.recordings.add(played, servers.context.server.user, title)


def test_what_was_kept_is_listed_renamed_deleted_and_shown_as_a_score(
    phone: Any, servers: Servers
) -> None:
    evil = "<img src=x onerror=alert(1)>"
    kept(servers, "first")
    kept(servers, evil, 64)
    ask = visit(phone, servers)
    titles = "[...document.querySelectorAll('#kept-list b')].map((x) => x.textContent).join('|')"
    until(lambda: ask(titles) == f"{evil}|first")
    assert "0:32" in text(ask, "kept-list")
    assert "Four voices" in text(ask, "kept-list")
    phone.execute_script(
        """
        document.querySelector('#kept-list details').open = true;
        const name = document.querySelector('#kept-list input');
        name.value = ' Evening '; name.dispatchEvent(new Event('change'));
        """
    )
    until(lambda: ask(titles) == "Evening|first")
    assert ask("document.querySelector('#kept-list input').maxLength") == 80
    phone.execute_script(
        "bach.request({what: 'rename', name: bach.melody.rows[0].name, title: ''})"
    )
    until(lambda: "a title is a line" in text(ask, "hint"))
    buttons = "document.querySelector('#kept-list li').querySelectorAll('button')"
    phone.execute_script(f"{buttons}[1].click()")  # Score
    until(lambda: ask("document.getElementById('score-picture').naturalWidth") > 400, 30)
    phone.execute_script(f"{buttons}[0].click()")  # Listen
    until(lambda: ask("document.getElementById('score-view').scrollLeft") > 5)
    phone.execute_script(f"window.confirm = () => true; {buttons}[2].click()")  # Delete
    until(lambda: ask(titles) == "first")
    assert ask("document.getElementById('score-view').hidden")
    phone.refresh()
    until(
        lambda: ask(
            "typeof bach !== 'undefined' && document.querySelectorAll('#kept-list b').length"
        ),
        10,
    )
    assert ask(titles) == "first"


def test_keep_that_is_in_the_list(phone: Any, servers: Servers) -> None:
    ask = visit(phone, servers)
    station = next(iter(servers.context.stations._stations.values())) or opened(servers.context)
    listener = servers.context.stations.join(station, "wav")
    until(station.heard)
    touch(phone, "keep")
    until(lambda: "Play Bach" in text(ask, "kept-list"))
    station.leave(listener)
