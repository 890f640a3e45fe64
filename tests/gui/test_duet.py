"""The page for playing together in a real browser: played, answered, heard, drawn; nonsense."""

import json
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from duets import Aviary, Parrot
from live import get, raw, settings, until

from config_bach import Paths, UserError
from duet.browser import BURST, PER_SECOND, BrowserOutput, BrowserPort
from duet.clock import InternalClock
from duet.conductor import Conductor
from duet.dispatcher import Dispatcher
from duet.knobs import Knobs
from duet.parts import Part, Performer
from duet.players import ModelPlayer, Person
from duet.ports import Inbox
from duet.session import Session
from duet.settings import Together
from gui.duet import DuetServer, serve

from .conftest import choose, log_in
from .test_page import UPGRADE

pytestmark = pytest.mark.slow

USER, PASSWORD = "bach", "correct horse"


class Duet:
    """A session in real time whose model is a parrot, and its page."""

    def __init__(self, home: Path) -> None:
        self.port = BrowserPort(Inbox())
        output = BrowserOutput(self.port)
        dispatcher = Dispatcher(InternalClock(240))
        model = ModelPlayer(
            Parrot(), Performer(Part("parrot", 20), [output], 0, dispatcher), Fraction(4), "parrot"
        )
        self.person, self.model = Person("me", Part("me", 1)), model
        # a busy machine holds keys for long: that must not end a call
        together = Together(bpm=240, answer=4, listen_most=256)
        session = Session(together, [self.person, model], dispatcher, 7, outputs=[output])
        knobs = Knobs.parse(["80=panic"], home / "knobs.json")
        self.conductor = Conductor(
            session, self.port.inbox, [self.port], [output], knobs, others=Aviary()
        )
        self.server: DuetServer = serve(settings(), Paths(home), self.port)
        self.server.context.begin(self.conductor, {"parrot": (0.3, 1.2)})
        self.number: int = self.server.context.server.remi_port
        self.server.start()
        self.conductor.start()

    def close(self) -> None:
        self.server.end()
        self.conductor.close()

    @property
    def sounding(self) -> list[int]:
        return [n.pitch for n in self.person.part.notes if n.end is None]


@pytest.fixture(scope="module")
def duet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Duet]:
    found = Duet(tmp_path_factory.mktemp("duet"))
    yield found
    found.close()


def ink(colour: int) -> str:
    """A script: how many pixels of the waterfall have the colour of people (0) or of models (1)."""
    return f"""(() => {{
      const c = document.getElementById("roll"), g = c.getContext("2d");
      const d = g.getImageData(0, 0, c.width, c.height).data;
      let n = 0;
      for (let i = 0; i < d.length; i += 4)
        n += d[i + 3] > 60 && ({colour} ? d[i + 2] > d[i] + 40 : d[i] > d[i + 2] + 60);
      return n;
    }})()"""


FINGER = """
const [pitch, kind, place] = arguments, key = document.querySelector(`#keys [data-pitch="${pitch}"]`);
const box = key.getBoundingClientRect();
key.dispatchEvent(new PointerEvent(kind, { bubbles: true, pointerId: pitch, pointerType: "touch",
  width: 20, height: 20, clientX: box.x + 3, clientY: box.y + box.height * place }));
"""


def opened(phone: Any, duet: Duet) -> Callable[[str], Any]:
    """Log in, and wait until the page plays; returns a way to ask the page something."""
    phone.get(f"http://127.0.0.1:{duet.number}/")
    log_in(phone, USER, PASSWORD)

    def ask(script: str) -> Any:
        return phone.execute_script(f"return {script}")

    until(lambda: ask("typeof bach !== 'undefined' && bach.offset !== null && !!bach.line"))
    return ask


def test_a_browser_plays_is_answered_hears_it_and_sees_it(phone: Any, duet: Duet) -> None:
    ask = opened(phone, duet)
    until(lambda: ask("bach.sound.sample(1, 60) instanceof AudioBuffer"))
    until(lambda: ask("bach.sound.sample(20, 84) instanceof AudioBuffer"))
    assert ask("document.documentElement.scrollWidth") <= 375  # all fits the width of a phone
    phone.execute_script(FINGER, 60, "pointerdown", 0.9)
    phone.execute_script(FINGER, 64, "pointerdown", 0.1)  # another finger, softly
    until(lambda: len(duet.sounding) == 2)
    loud, soft = (n.velocity for n in duet.person.part.notes[-2:])
    assert loud > soft + 30
    until(lambda: ask("bach.measured.touch !== undefined"))
    assert 0 < ask("bach.measured.touch") < 200
    assert ask(ink(0)) > 20  # drawn, in the colour of people
    before = len(duet.model.part.notes)
    for pitch in (60, 64):
        phone.execute_script(FINGER, pitch, "pointerup", 0.5)
    until(lambda: not duet.sounding)
    assert (
        abs(
            duet.person.part.notes[-1].onset
            - ask("bach.roll.notes.find((n) => n.pitch === 64).from")
        )
        < 0.05
    )
    until(lambda: ask("bach.measured.answer !== undefined"))
    until(lambda: ask(ink(1)) > 20, 5)  # the answer is drawn
    until(lambda: ask("bach.measured.late !== undefined"), 5)  # and heard
    began = duet.model.part.notes[before].onset
    assert began == int(began)
    figures = ask("bach.measured")
    assert 200 < figures["answer"] < 1500  # a rest of a quarter and the next beat, 250 ms each
    assert -30 < figures["late"] < 150
    until(lambda: "nats per note by parrot" in ask("document.getElementById('told').textContent"))
    assert "expected 0.3 to 1.2" in ask("document.getElementById('surprises').textContent")
    until(lambda: ask("document.getElementById('listening').textContent") == "parrot hears me", 5)
    until(lambda: ask("bach.sound.level") < 0.01 and ask("bach.sound.voices.length") == 0, 5)
    print("measured:", figures)


def test_controls_change_the_session_and_say_what_was_refused(phone: Any, duet: Duet) -> None:
    ask = opened(phone, duet)
    choose(phone, "temperature", "0.5")
    until(lambda: duet.conductor.session.settings.temperature == 0.5)
    choose(phone, "way", "accompany")  # a parrot has no four voices
    until(lambda: "takes a person" in ask("document.getElementById('refused').textContent"))
    until(lambda: ask("document.getElementById('way').value") == "answer")
    choose(phone, "scale", "H minor")
    until(lambda: "H minor" in ask("document.getElementById('refused').textContent"))
    model, shown = "model-parrot", "document.getElementById('model-parrot').value"
    assert ask("[...document.getElementById('model-parrot').options].map((o) => o.value)") == [
        "broken",
        "deaf",
        "high",
        "parrot",
    ]
    assert "parrot" in ask("document.getElementById('model-parrot').labels[0].textContent")
    choose(phone, model, "broken")
    until(lambda: "broken is damaged" in ask("document.getElementById('refused').textContent"))
    until(lambda: ask(shown) == "parrot")
    choose(phone, model, "high")
    until(lambda: duet.model.source == "high")
    until(lambda: ask("bach.players.parrot.model") == "high")
    assert ask("bach.players.parrot.range") == [0.1, 0.9]
    until(lambda: ask(shown) == "high")
    assert ask("document.documentElement.scrollWidth") <= 375
    duet.conductor.choose("parrot", "parrot")
    until(lambda: ask(shown) == "parrot", 5)
    # a knob is learned by touching it, shown, and forgotten
    learned = "document.getElementById('knobs').textContent"
    phone.execute_script("document.querySelector('[data-learn=model]').click()")
    until(lambda: duet.conductor.knobs.wanted == "model")
    phone.execute_script("bach.keys.onknob(74, 1)")
    until(lambda: "Knob 74: Model of parrot" in ask(learned))
    assert "Knob 80: Silence" in ask(learned)
    forget = "document.querySelector('[aria-label=\"Forget knob 74: Model of parrot\"]').click()"
    phone.execute_script(forget)
    until(lambda: "Knob 74" not in ask(learned))
    assert duet.conductor.knobs.by_control == {80: "panic"}


def test_notes_end_by_panic_and_with_the_page(phone: Any, duet: Duet) -> None:
    opened(phone, duet)
    body = phone.find_element("tag name", "body")
    body.send_keys("g")  # the computer's key of a fifth
    until(lambda: duet.person.part.notes[-1].pitch == 67)
    phone.execute_script(FINGER, 65, "pointerdown", 0.5)
    until(lambda: duet.sounding == [65])
    phone.find_element("id", "panic").click()
    until(lambda: not duet.sounding)
    phone.execute_script(FINGER, 62, "pointerdown", 0.5)
    until(lambda: duet.sounding == [62])
    phone.get("about:blank")  # the page is gone: what it held ends
    until(lambda: not duet.sounding)
    errors = [x for x in phone.get_log("browser") if x["level"] == "SEVERE"]
    assert errors == []


# ---- without a browser


def socket_of(duet: Duet) -> Any:
    s = raw(duet.number, "/socket", *UPGRADE)
    assert b" 101 " in s.recv(4096)
    return s


def frame(text: str) -> bytes:
    """A masked WebSocket frame."""
    data = text.encode()
    short = len(data) < 126
    head = bytes([0x81, 0x80 | (len(data) if short else 126)])
    return head + (b"" if short else struct.pack(">H", len(data))) + bytes(4) + data


def say(s: Any, text: str) -> None:
    s.sendall(frame(text))


def closed(s: Any) -> bool:
    """Whether the other end hangs up soon, whatever it says before."""
    s.settimeout(5)
    try:
        while s.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


BAD = [
    "",
    "{}",
    "[]",
    "[[[",
    "[" * 3000,
    "null",
    '["on"]',
    '["on", false, 60, 0, 1]',
    '["on", false, 128, 64, 1]',
    '["on", false, 60.5, 64, 1]',
    '["on", 0, 60, 64, 1]',
    '["on", false, true, 64, 1]',
    '["on", false, 60, 64, NaN]',
    '["on", false, 60, 64, 1e999]',
    '["on", false, 60, 64, "now"]',
    '["on", false, 60, 64, 1, 2]',
    '["off", false, -1, 1]',
    '["pedal", 1, 1]',
    '["knob", 120, 1, 1]',
    '["set", "bpm"]',
    '["set", "bpm", [120]]',
    '["set", "bpm", NaN]',
    '["set", "bpm", "fast"]',
    '["set", "bpm", 1000000]',
    '["set", "clock", "in"]',
    '["set", "bar", 3]',
    '["set", "__class__", 1]',
    '["set", "way", "magic"]',
    '["set", "loop", 1]',
    '["set", "scale", "' + "x" * 300 + '"]',
    '["do", "shutdown"]',
    '["do", ["panic"]]',
    '["learn", "clock"]',
    '["forget", 128]',
    '["forget", "80"]',
    '["model", "parrot"]',
    '["model", "nobody", "high"]',
    '["model", ["parrot"], "high"]',
    '["model", "parrot", "' + "x" * 300 + '"]',
    '["let_go"]',
    '["tell", "x"]',
    '["__init__", 1]',
]


def test_nonsense_changes_nothing_and_the_page_plays_on(duet: Duet) -> None:
    s, session = socket_of(duet), duet.conductor.session
    before, notes = session.settings, len(duet.person.part.notes)
    for text in BAD:
        say(s, text)
    say(s, '["on", false, 71, 64, 0]')
    until(lambda: duet.sounding == [71])
    assert session.settings == before
    assert duet.conductor.loading == {}
    assert duet.conductor.knobs.by_control == {80: "panic"}
    assert len(duet.person.part.notes) == notes + 1
    s.close()
    until(lambda: not duet.sounding)


def test_a_page_holds_only_so_many_notes_and_all_end_with_it(duet: Duet) -> None:
    s = socket_of(duet)
    for pitch in range(20, 100):
        say(s, json.dumps(["on", False, pitch, 64, 1e11]))  # a time that has not come counts as now
    until(lambda: duet.sounding and max(duet.sounding) == 99)
    assert duet.sounding == list(range(68, 100))
    last = duet.person.part.notes[-1]
    assert last.onset <= duet.conductor.beat
    s.close()
    until(lambda: not duet.sounding)


def test_a_flood_and_a_frame_that_is_too_long_end_the_socket_alone(duet: Duet) -> None:
    flood, other = socket_of(duet), socket_of(duet)
    before = len(duet.person.part.notes)
    with suppress(OSError):  # it may have been hung up on meanwhile
        for _ in range(5):
            flood.sendall(frame('["on", false, 60, 64, 1]') * 400)
    assert closed(flood)
    until(lambda: not duet.sounding)
    assert sum(n.pitch == 60 for n in duet.person.part.notes[before:]) <= BURST + PER_SECOND
    say(other, '["do", "panic"]'.ljust(5000))
    assert closed(other)
    assert duet.conductor.failure is None


def test_who_does_not_read_is_let_go_and_holds_nobody_up(duet: Duet) -> None:
    s = socket_of(duet)
    page = duet.server.context.sockets[-1]
    begun = time.monotonic()
    for _ in range(200_000):
        duet.port.tell("now", "x" * 100, 1, False, 60, 60)
        if page not in duet.server.context.sockets:
            break
    assert time.monotonic() - begun < 20
    until(lambda: page not in duet.server.context.sockets, 5)
    s.close()


def test_others_hear_what_a_page_plays_and_the_page_itself_is_not_told(duet: Duet) -> None:
    one, other = socket_of(duet), socket_of(duet)
    until(lambda: len(duet.port._pages) == 2)
    say(one, '["on", true, 36, 64, 0]')
    say(one, '["ping", 5]')
    heard = {id(s): b"" for s in (one, other)}

    def told(s: Any, what: bytes) -> bool:
        s.settimeout(0.5)
        heard[id(s)] += s.recv(65536)
        return what in heard[id(s)]

    until(lambda: told(other, b'["now", "page", 1, true, 36, 64]'))
    until(lambda: told(one, b'["pong", 5,'))
    assert b'"now"' not in heard[id(one)]
    one.close()
    other.close()
    until(lambda: not duet.sounding)


def test_a_page_that_joins_late_is_told_what_sounds(duet: Duet) -> None:
    one = socket_of(duet)
    say(one, '["on", false, 59, 64, 0]')
    until(lambda: duet.sounding == [59])
    late, heard = raw(duet.number, "/socket", *UPGRADE), b""
    late.settimeout(5)
    while b'"told"' not in heard:  # the news come after what sounds
        heard += late.recv(65536)
    assert re.search(rb'\["plan", "page", -?[\d.]+, 1, false, 59, 64\]', heard)
    assert duet.conductor.outputs[0].sounding >= {(0, 59)}
    one.close()
    until(lambda: not duet.sounding)
    late.close()


def test_a_page_that_holds_a_note_and_says_nothing_more_is_taken_for_gone(
    duet: Duet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.duet.GONE", 0.2)
    s = socket_of(duet)
    say(s, '["on", false, 58, 64, 0]')
    until(lambda: duet.sounding == [58])
    until(lambda: not duet.sounding, 3)
    assert closed(s)


def test_nothing_is_there_for_who_has_not_logged_in_or_comes_from_another_page(duet: Duet) -> None:
    for path in ("/", "/sample/1/60.wav", "/socket"):
        assert get(duet.number, path, login=None)[0] == 401
    s = raw(duet.number, "/socket", *UPGRADE, "Origin: http://evil.example")
    assert b" 403 " in s.recv(4096)
    s = raw(duet.number, "/socket", *UPGRADE, login=None)
    assert b" 401 " in s.recv(4096)


@pytest.mark.parametrize("path", ["1/61", "129/60", "0/34", "0/82", "999/60", "1/60x", "../1/60"])
def test_only_known_samples_are_rendered(duet: Duet, path: str) -> None:
    assert get(duet.number, f"/sample/{path}.wav")[0] == 404


def test_a_sample_begins_at_once_and_is_small(duet: Duet) -> None:
    status, headers, wav = get(duet.number, "/sample/1/60.wav", most=10**7)
    assert (status, headers["Content-Type"]) == (200, "audio/wav")
    assert len(wav) < 200_000
    pcm = struct.unpack(f"<{(len(wav) - 44) // 2}h", wav[44:])
    assert max(map(abs, pcm[:220])) > 300  # within 10 ms
    assert 15_000 < max(map(abs, pcm)) < 25_000


def test_a_port_that_is_taken_is_told_in_a_sentence(duet: Duet, tmp_path: Path) -> None:
    taken = settings(remi_port=duet.number)
    with pytest.raises(UserError, match="change remi_port in"):
        serve(taken, Paths(tmp_path), BrowserPort(Inbox()))


def test_a_server_that_never_started_ends(tmp_path: Path) -> None:
    """A duet that is refused, for a player that is not there, has its page already."""
    server = serve(settings(), Paths(tmp_path), BrowserPort(Inbox()))
    ended = threading.Thread(target=server.end, daemon=True)
    ended.start()
    ended.join(5)
    assert not ended.is_alive()
