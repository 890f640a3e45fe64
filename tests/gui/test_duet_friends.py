"""Friends of a duet: a link, a page, the sound of all players; and who may hear it."""

import json
import struct
import time
import urllib.request
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from duets import Parrot
from live import get, raw, settings, until

from config_bach import Paths
from duet.browser import BrowserOutput, BrowserPort
from duet.clock import InternalClock
from duet.conductor import Conductor
from duet.dispatcher import Dispatcher
from duet.parts import Part, Performer
from duet.players import ModelPlayer, Person
from duet.ports import Inbox
from duet.session import Session
from duet.settings import Together
from gui.duet import DuetServer, serve
from music.sounds import DRUMS

from .conftest import log_in, touch
from .test_page import UPGRADE

pytestmark = pytest.mark.slow


class Duet:
    """A session with a parrot, its page, its sound."""

    def __init__(self, home: Path) -> None:
        port = BrowserPort(Inbox())
        self.server: DuetServer = serve(settings(ahead=0.9), Paths(home), port)
        context = self.context = self.server.context
        outputs = [BrowserOutput(port), context.sound]
        dispatcher = Dispatcher(InternalClock(240))
        performer = Performer(Part("parrot", 20), outputs, 0, dispatcher)
        model = ModelPlayer(Parrot(), performer, Fraction(4))
        players: list[Any] = [Person("me", Part("me", 1)), model]
        self.session = Session(
            Together(bpm=240, through=False), players, dispatcher, 7, outputs=outputs
        )
        self.conductor = Conductor(self.session, port.inbox, [port], outputs)
        context.begin(self.conductor, {})
        self.page, self.audio = context.server.remi_port, context.server.flask_port
        self.server.start()
        self.conductor.start()

    def close(self) -> None:
        self.server.end()
        self.conductor.close()


@pytest.fixture(scope="module")
def duet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Duet]:
    found = Duet(tmp_path_factory.mktemp("friends"))
    yield found
    found.close()


class Page:
    """The WebSocket of a page."""

    def __init__(self, duet: Duet) -> None:
        self._socket = raw(duet.page, "/socket", *UPGRADE)
        assert b" 101 " in self._socket.recv(4096)
        self._heard = b""

    def say(self, *message: Any) -> None:
        data = json.dumps(message).encode()
        self._socket.sendall(bytes([0x81, 0x80 | len(data)]) + bytes(4) + data)

    def friends(self) -> tuple[str, int]:
        """The link that the page shows, and how many listen."""
        self._socket.settimeout(5)
        while b'["friends", ' not in self._heard or not self._heard.endswith(b"]]"):
            self._heard += self._socket.recv(65536)
        told = self._heard.rpartition(b'["friends", ')[2].partition(b"]")[0]
        self._heard = b""
        link, count = json.loads(b"[" + told + b"]")
        return link, count

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def page(duet: Duet) -> Iterator[Page]:
    found = Page(duet)
    yield found
    found.close()


def listen_link(duet: Duet, page: Page) -> str:
    """The link to the sound, as the page of a friend has it."""
    status, _, html = get(duet.audio, page.friends()[0], login=None)
    assert status == 200
    told = html.decode().partition("const BACH = ")[2].partition(";\n")[0]
    return "/" + json.loads(told)["source"].removeprefix("../").replace(".mp3", ".wav")


class Ear:
    """Somebody who listens to the WAV of a link."""

    def __init__(self, duet: Duet, link: str) -> None:
        self._answer = urllib.request.urlopen(f"http://127.0.0.1:{duet.audio}{link}", timeout=10)
        assert self._answer.read(44)[:4] == b"RIFF"
        self.joined = time.monotonic()

    def hear(self, seconds: float) -> np.ndarray:
        """The next sound, mono, full scale 32768."""
        data = self._answer.read(round(seconds * 44100) * 4)
        return np.array(struct.unpack(f"<{len(data) // 2}h", data)).reshape(-1, 2).mean(1)

    def close(self) -> None:
        self._answer.close()


def pitch_of(sound: np.ndarray) -> float:
    """The MIDI number of the loudest partial below 1.2 kHz."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    hertz = np.fft.rfftfreq(len(sound), 1 / 44100)
    power[(hertz < 60) | (hertz > 1200)] = 0
    return float(69 + 12 * np.log2(hertz[power.argmax()] / 440))


def test_a_friend_hears_the_person_and_the_model_a_second_late(duet: Duet, page: Page) -> None:
    before = page.friends()
    assert before[1] == 0
    ear = Ear(duet, listen_link(duet, page))
    until(lambda: page.friends()[1] == 1, 5)
    assert np.abs(ear.hear(0.5)).max() < 20, "silence is a stream, too"
    played = time.monotonic()
    page.say("on", False, 69, 100, played)  # --no-through: yet friends hear it
    heard = ear.hear(3.5)
    page.say("off", False, 69, time.monotonic())
    loud = int(np.flatnonzero(np.abs(heard) > 300)[0])
    late = ear.joined + 0.5 + loud / 44100 - played
    assert late == pytest.approx(0.9, abs=0.25)
    assert pitch_of(heard[loud + 4000 : loud + 24000]) == pytest.approx(69, abs=0.3)
    until(lambda: duet.session.models[0].part.notes, 5)
    answer = ear.hear(3.0)
    note = duet.session.models[0].part.notes[0]
    spans = [pitch_of(answer[i : i + 11025]) for i in range(0, 100_000, 11025)]
    assert any(abs(p - note.pitch) < 0.4 for p in spans), (spans, note)
    ear.close()
    until(lambda: page.friends()[1] == 0, 8)


def test_the_news_tell_what_is_heard_and_who_plays(duet: Duet, page: Page) -> None:
    ear = Ear(duet, listen_link(duet, page))
    html = get(duet.audio, page.friends()[0], login=None)[2].decode()
    told = json.loads(html.partition("const BACH = ")[2].partition(";\n")[0])
    assert told["live"] is True
    assert "playing together at this very moment" in html
    link = "/" + told["news"].removeprefix("../")
    page.say("on", False, 77, 100, time.monotonic())

    def pitches() -> list[int]:
        news = json.loads(get(duet.audio, f"{link}?after=0", login=None)[2])
        assert news["title"] == "Played together: me, parrot"
        return [p for row in news["notes"] for p in row[3]]

    until(lambda: 77 in pitches(), 5)
    page.say("off", False, 77, time.monotonic())
    ear.close()


@pytest.mark.parametrize(("path", "status"), [
    ("/ping", 200), ("/status", 401), ("/play.mp3", 401), ("/listen/x/bach.mp3", 403),
    ("/share/x", 403), ("/stations/x", 401), ("/tunes/x", 401),
])  # fmt: skip
def test_without_a_link_there_is_nothing_to_hear(duet: Duet, path: str, status: int) -> None:
    assert get(duet.audio, path, login=None)[0] == status


def test_links_expire_and_lead_to_this_duet_alone(duet: Duet, page: Page) -> None:
    link = page.friends()[0]
    links, name = duet.context.links, duet.context.friends.station.name  # type: ignore[union-attr]
    clock = links.clock
    links.clock = lambda: clock() + 90_000
    assert get(duet.audio, link, login=None)[0] == 403
    links.clock = clock
    other = links.sign("share", {"station": name + "x"})
    assert get(duet.audio, f"/share/{other}", login=None)[0] == 410
    listen = links.sign("listen", {"station": name})
    m3u = get(duet.audio, f"/listen/{listen}/bach.m3u", login=None)[2].decode()
    assert "Play Bach: Played together: me, parrot" in m3u
    for verb in ("/new", "/back", ""):
        assert get(duet.audio, f"/stations/{name}{verb}")[0] == 404, "nobody can change it"


def test_the_instrument_that_is_chosen_on_a_page_is_heard(duet: Duet, page: Page) -> None:
    programs = duet.context.sound.port.programs
    page.say("on", False, 60, 100, 0)
    page.say("off", False, 60, 0)
    until(lambda: 1 in programs.values(), 5)
    page.say("instrument", 74)
    until(lambda: 74 in programs.values(), 5)
    for nonsense in (0, 129, "organ", True, 1.5, None):
        page.say("instrument", nonsense)
    page.say("instrument", 41)
    until(lambda: 41 in programs.values(), 5)
    assert set(programs.values()) <= {20, 41}
    assert duet.context.program_of("parrot") == 20
    assert duet.context.program_of("page") == 1
    duet.session.people[0].part.programs = [(0.0, DRUMS)]
    assert duet.context.program_of("page") == 1, "percussion has no instrument"
    duet.session.people[0].part.programs = [(0.0, 1)]


def test_a_port_that_is_taken_leaves_the_page_without_a_link(duet: Duet, tmp_path: Path) -> None:
    told: list[str] = []
    taken = settings(flask_port=duet.audio)
    server = serve(taken, Paths(tmp_path), BrowserPort(Inbox()), told.append)
    assert "change flask_port in play_bach.json" in told[0]
    assert server.context.friends is None
    server.end()


def test_a_friend_follows_the_link_of_the_page_in_a_browser(phone: Any, duet: Duet) -> None:
    phone.get(f"http://127.0.0.1:{duet.page}/")
    log_in(phone, "bach", "correct horse")

    def ask(script: str) -> Any:
        return phone.execute_script(f"return {script}")

    def text(name: str) -> str:
        return str(ask(f"document.getElementById('{name}').textContent"))

    until(lambda: ask("document.getElementById('friends')?.hidden === false"))
    phone.execute_script("Object.defineProperty(navigator, 'share', { value: undefined });")
    phone.execute_script("navigator.clipboard.writeText = (x) => { window.copied = x; };")
    phone.execute_script("document.getElementById('share').click();")
    until(lambda: "copied" in text("shared"))
    link = ask("window.copied")
    assert link == f"http://127.0.0.1:{duet.audio}" + duet.context.friends.news()[0]  # type: ignore[union-attr]
    assert ask("document.documentElement.scrollWidth") <= 375
    phone.get(link)
    until(lambda: "touch Play" in text("state"))
    assert text("title") == "Played together: me, parrot"
    touch(phone, "play")
    audio = "document.getElementById('audio')"
    until(lambda: ask(f"{audio}.currentTime > 0.3 && !{audio}.paused"))
    until(lambda: "a second late" in text("state"))
    player = Page(duet)
    player.say("on", False, 65, 100, time.monotonic())
    until(lambda: ask("notes.some((n) => n.pitches.includes(65))"), 5)
    player.close()
    assert ask("document.documentElement.scrollWidth") <= 375
    errors = [x for x in phone.get_log("browser") if x["level"] == "SEVERE"]
    assert errors == []
