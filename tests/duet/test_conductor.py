"""Sessions in real time: threads, ports, processes; and what becomes of notes when something ends."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import mido
import pytest
from conftest import ROOT, play_bach
from duets import Aviary, Parrot, notes
from mido import Message

from config_bach import Paths, UserError
from duet.clock import FollowedClock, InternalClock
from duet.conductor import Conductor, read_messages
from duet.dispatcher import Dispatcher
from duet.knobs import Knobs
from duet.network import Connecting
from duet.notes import Output
from duet.parts import Part, Performer
from duet.players import ModelPlayer, Person
from duet.ports import Inbox, MemoryPort
from duet.session import Session
from duet.settings import Together
from duet.sound import SoundOutput
from duet.successor import Models
from play_bach import run as play_bach_here


class Playing:
    """A conductor with a parrot, a pad and an output, at 240 BPM unless told otherwise."""

    def __init__(
        self,
        clock: Any = None,
        knobs: Knobs | None = None,
        others: Models | None = None,
        **settings: Any,
    ) -> None:
        together = Together(**{"bpm": 240.0, **settings})
        self.inbox, self.out = Inbox(), MemoryPort("out")
        self.pad = MemoryPort("pad", self.inbox)
        output = Output(self.out)
        dispatcher = Dispatcher(clock or InternalClock(together.bpm))
        performer = Performer(Part("m", 1), [output], 0, dispatcher)
        model = ModelPlayer(Parrot(), performer, Fraction(4), "parrot")
        players: list[Any] = [Person("me", Part("me", 1)), model]
        self.session = Session(together, players, dispatcher, 1, outputs=[output])
        self.conductor = Conductor(
            self.session, self.inbox, [self.pad], [output], knobs, others=others
        )

    def play(self, until: float) -> None:
        """Begin, wait until a beat, end."""
        self.conductor.start()
        try:
            self.conductor.wait(until)
        finally:
            self.conductor.close()

    def begun(self) -> list[int]:
        return [m.note for _, m in self.out.sent if m.type == "note_on"]


def left_sounding(messages: list[Any]) -> set[tuple[int, int]]:
    """What a synthesizer would still sound."""
    sounding = set()
    for m in messages:
        if m.type == "note_on" and m.velocity:
            sounding.add((m.channel, m.note))
        elif m.type in ("note_on", "note_off"):
            sounding.discard((m.channel, m.note))
    return sounding


@pytest.mark.slow
def test_a_file_plays_the_person_and_is_answered_in_time(tmp_path: Path) -> None:
    tune = tmp_path / "tune.mid"
    write(tune, [(0, 60, 1), (1, 62, 2)])
    playing = Playing()
    assert playing.conductor.add_file(tune, "file:tune") == 2
    playing.play(6)
    assert playing.begun() == [60, 62, 81, 82], "through, and answered"
    figures = playing.conductor.figures()
    assert figures["messages"] > 6
    assert figures["dropped"] == 0
    marks = [beat for beat, text in playing.session.marks if "answer" in text]
    assert marks == [3.0]
    assert left_sounding([m for _, m in playing.out.sent]) == set()


def write(path: Path, played: list[tuple[float, int, float]]) -> None:
    """A MIDI file of notes: onset, pitch, end in quarters."""
    midi = mido.MidiFile(ticks_per_beat=96)
    track = mido.MidiTrack()
    now = 0
    for beat, message in sorted(notes(*played), key=lambda x: x[0]):
        track.append(message.copy(time=round(beat * 96) - now))
        now = round(beat * 96)
    midi.tracks.append(track)
    midi.save(path)


@pytest.mark.slow
def test_a_port_that_is_gone_and_a_panic_end_what_sounds() -> None:
    playing = Playing()
    playing.conductor.start()
    playing.pad.arrived(Message("note_on", note=50, velocity=70))
    until(lambda: playing.begun() == [50])
    playing.pad.disconnected()
    until(lambda: left_sounding([m for _, m in playing.out.sent]) == set())
    playing.pad.arrived(Message("note_on", note=51, velocity=70))
    until(lambda: 51 in playing.begun())
    playing.conductor.control("panic")
    until(lambda: left_sounding([m for _, m in playing.out.sent]) == set())
    playing.conductor.close()


def until(what: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.slow
def test_knobs_are_learned_by_touching_them_and_set_what_they_should() -> None:
    knobs = Knobs.parse(["80=panic"])
    knobs.learn("temperature")
    playing = Playing(knobs=knobs)
    playing.conductor.start()
    for value in (10, 127):
        playing.pad.arrived(Message("control_change", control=74, value=value))
    until(lambda: playing.session.settings.temperature == 2.0)
    assert str(knobs) == "74=temperature 80=panic"
    playing.conductor.control("temperature", 99999.0)
    playing.conductor.control("nonsense", 1)
    playing.conductor.control("bpm", 300.0)
    until(lambda: playing.session.settings.bpm == 300)
    assert playing.conductor.clock.bpm == pytest.approx(300)
    assert playing.session.settings.temperature == 2.0, "what is refused changes nothing"
    assert playing.conductor.failure is None
    playing.conductor.close()


@pytest.mark.slow
def test_another_model_plays_soon_and_one_that_cannot_is_told_in_a_sentence() -> None:
    refused: list[str] = []
    changed: list[tuple[str, str]] = []
    playing = Playing(others=Aviary(), way="continue")
    conductor, model = playing.conductor, playing.session.models[0]
    conductor.on_refusal = refused.append
    conductor.on_change = lambda player, candidate: changed.append((player.name, candidate.source))
    conductor.start()
    for kind in ("note_on", "note_off"):
        playing.pad.arrived(Message(kind, note=50, velocity=70))
    until(lambda: any(80 < p < 100 for p in playing.begun()))
    for wrong, said in (("broken", "broken is damaged"), ("deaf", "deaf cannot play here")):
        conductor.choose("m", wrong)
        until(lambda said=said: refused and said in refused[-1])
        assert conductor.loading == {}
    assert model.source == "parrot"
    conductor.choose("m", "high")
    until(lambda: any(p >= 100 for p in playing.begun()))
    assert changed == [("m", "high")]
    assert conductor.loading == {}
    with pytest.raises(UserError, match="no model plays as 'x'"):
        conductor.choose("x", "high")
    conductor.close()
    assert conductor.failure is None
    assert left_sounding([m for _, m in playing.out.sent]) == set()
    log = [row[1:2] + row[3:] for row in playing.session.log if row[1] in ("model", "joins")]
    assert log[-2:] == [["model", "m", "high"], ["joins", "m"]]


@pytest.mark.slow
def test_a_learned_pad_steps_through_the_models_and_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "knobs.json"
    refused: list[str] = []
    playing = Playing(knobs=Knobs(path=path), others=Aviary())
    conductor, model = playing.conductor, playing.session.models[0]
    conductor.on_refusal = refused.append
    conductor.learn("model")
    conductor.start()

    def press() -> None:
        for value in (127, 0):
            playing.pad.arrived(Message("control_change", control=80, value=value))

    playing.pad.arrived(Message("note_on", note=50, velocity=70))
    until(lambda: playing.begun() == [50])
    until(lambda: playing.session.at >= 1)  # there is something to hear
    press()  # is learned
    until(path.exists)
    press()  # parrot is the last one: the first comes after it, and cannot play
    until(lambda: len(refused) == 1)
    press()
    until(lambda: len(refused) == 2)
    press()
    until(lambda: model.source == "high")
    conductor.forget(80)
    until(lambda: json.loads(path.read_text()) == {})
    conductor.learn("bpm")
    press()
    conductor.close()
    assert json.loads(path.read_text()) == {"80": "bpm"}


def test_a_player_without_other_models_says_so() -> None:
    playing = Playing()
    with pytest.raises(UserError, match="could be another one"):
        playing.conductor.choose("m", "high")
    playing.conductor.step_model(0)
    playing.conductor.step_model(7)


@pytest.mark.slow
def test_each_player_is_heard_on_a_channel_of_their_own_and_a_lost_port_lifts_its_pedal() -> None:
    """Friends hear that, too, also the end of what began before its player became a drummer."""
    playing, friends = Playing(through=True), SoundOutput()
    playing.conductor.outputs.append(friends)
    playing.conductor.start()
    for message in (
        Message("note_on", note=50, velocity=70, channel=6),
        Message("note_on", note=36, velocity=70, channel=9),
        Message("control_change", control=64, value=127),
    ):
        playing.pad.arrived(message)
    until(lambda: len(playing.out.sent) >= 4)
    begun = {(m.channel, m.note) for _, m in playing.out.sent if m.type == "note_on"}
    assert begun == {(1, 50), (9, 36)}
    playing.conductor.control("through", False)
    until(lambda: not playing.session.settings.through)
    until(lambda: friends.sounding == {(0, 50), (9, 36)})
    playing.session.people[0].channel = 9
    playing.pad.arrived(Message("note_off", note=50, channel=6))
    until(lambda: friends.sounding == {(9, 36)})
    until(lambda: left_sounding([m for _, m in playing.out.sent]) == {(9, 36)})
    playing.pad.disconnected()
    until(lambda: left_sounding([m for _, m in playing.out.sent]) == friends.sounding == set())
    pedals = [(m.channel, m.value) for _, m in playing.out.sent if m.is_cc(64)]
    assert pedals == [(1, 127), (1, 0)]
    playing.conductor.close()


@pytest.mark.parametrize("text", ["", "x=y", "74", "200=bpm", "7=clock", "7=scale", "7=nonsense"])
def test_a_knob_that_sets_nothing_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        Knobs.parse([text])


@pytest.mark.slow
def test_what_goes_wrong_in_a_thread_is_raised_and_ends_the_session() -> None:
    playing = Playing()

    def broken(*_: Any) -> None:
        raise RuntimeError("broken")

    playing.session.tick = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="broken"):
        playing.play(100)
    assert playing.out.closed


@pytest.mark.slow
def test_a_session_follows_the_clock_of_a_sender() -> None:
    clock = FollowedClock()
    playing = Playing(clock, metronome=True, metronome_channel=5)
    playing.conductor.start()
    begin = time.monotonic() + 0.05
    playing.pad.arrived(Message("start"), begin)
    for i in range(24 * 6):
        at = begin + i * 60 / 300 / 24
        time.sleep(max(at - time.monotonic(), 0))
        playing.pad.arrived(Message("clock"), at)
    playing.pad.arrived(Message("stop"))
    until(lambda: not clock.running)
    clicks = [m.note for _, m in playing.out.sent if m.type == "note_on" and m.channel == 4]
    assert set(clicks) == {76, 77}, "it clicks while the sender's clock runs, not before and after"
    assert len(clicks) <= 7
    playing.conductor.close()


@pytest.mark.parametrize("data", [b"", b"MThd", b"RIFF" * 100, os.urandom(300)])
def test_a_file_that_is_no_midi_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.mid"
    path.write_bytes(data)
    with pytest.raises(UserError, match="cannot be played"):
        read_messages(path)
    mido.MidiFile(tracks=[mido.MidiTrack()]).save(path)
    with pytest.raises(UserError, match="has no notes"):
        read_messages(path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_however_it_ends_no_note_is_left(seed: int) -> None:
    """Panic, a lost port, another way and the end itself, at random moments."""
    rng = random.Random(seed)
    playing = Playing(bpm=400.0, answer=2.0, metronome=True)
    playing.conductor.start()
    for _ in range(12):
        pitch = rng.randrange(40, 80)
        playing.pad.arrived(Message("note_on", note=pitch, velocity=70))
        time.sleep(rng.random() * 0.05)
        what = rng.choice(["off", "gone", "panic", "way", "button"])
        if what == "off":
            playing.pad.arrived(Message("note_off", note=pitch))
        elif what == "gone":
            playing.pad.disconnected()
        else:
            value = rng.choice(["continue", "answer"]) if what == "way" else None
            playing.conductor.control(what, value)
    time.sleep(rng.random() * 0.1)
    playing.conductor.close()
    assert left_sounding([m for _, m in playing.out.sent]) == set()
    assert playing.conductor.failure is None


# ---- processes


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "bach5_nc_mo.zip").symlink_to(ROOT / "models" / "bach5_nc_mo.zip")
    return tmp_path


class Other:
    """play_bach.py --duet in a process of its own, at a network port, and who plays with it."""

    def __init__(self, home: Path, *words: str) -> None:
        number = free_port()
        command = [sys.executable, str(ROOT / "play_bach.py"), "--duet", "--midi-in"]
        self.process = subprocess.Popen(
            [*command, f"listen:{number}", "--no-page", "--model-type", "5", "--seed", "4", *words],
            env={**os.environ, "PLAY_BACH_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        until(lambda: any("Ctrl-C" in line for line in self.lines), 60)
        self.port = Connecting("127.0.0.1", number, Inbox())
        self.heard: list[Any] = []

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def listen(self, seconds: float, enough: int = 10**6) -> list[Any]:
        """Hear for a while, or until so many notes have begun."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.begun < enough:
            received = self.port.receive(0.05)
            if received and received.message is not None:
                self.heard.append(received.message)
        return self.heard

    @property
    def begun(self) -> int:
        return sum(m.type == "note_on" for m in self.heard)

    def end(self, how: int) -> int:
        self.process.send_signal(how)
        code = self.process.wait(20)
        self.listen(0.3)
        self.port.close()
        return code


@pytest.fixture
def other(home: Path) -> Iterator[Other]:
    found = Other(home, "--bpm", "240", "--ends", "beats", "--listen-most", "2", "--no-through")
    yield found
    if found.process.poll() is None:
        found.process.kill()


@pytest.mark.slow
def test_two_processes_play_together_and_all_is_kept(other: Other, home: Path) -> None:
    for pitch in (67, 69):
        other.port.send(Message("note_on", note=pitch, velocity=80))
        time.sleep(0.2)
        other.port.send(Message("note_off", note=pitch))
    other.listen(10, enough=2)
    assert other.begun >= 2
    assert other.end(signal.SIGINT) == 0
    assert left_sounding(other.heard) == set()
    names = [t.name for t in mido.MidiFile(home / "models" / "duet.mid").tracks[1:]]
    assert names == ["person", "bach5_nc_mo"]
    data = json.loads((home / "models" / "duet.duet.json").read_text())
    assert data["seed"] == 4
    told = "".join(other.lines)
    assert re.search(r"call 1: [\d.]+ nats per note by bach5_nc_mo", told)
    assert "late by" in told
    again = play_bach("--replay", home / "models" / "duet.duet.json", home=home)
    assert again.returncode == 0, again.stderr
    first, second = (
        [list(t) for t in mido.MidiFile(home / "models" / n).tracks[1:]]
        for n in ("duet.mid", "duet-again.mid")
    )
    assert first == second


@pytest.mark.slow
def test_sigterm_ends_all_notes_and_keeps_the_music(other: Other, home: Path) -> None:
    other.port.send(Message("note_on", note=67, velocity=80))
    other.listen(10, enough=2)
    assert left_sounding(other.heard)
    assert other.end(signal.SIGTERM) == 143
    assert left_sounding(other.heard) == set()
    assert (home / "models" / "duet.mid").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--duet --midi-in listen:x", "is no address"),
        ("--duet --players bach5,nobody3", "no model 'nobody'"),
        ("--duet --player file:missing.mid", "missing.mid cannot be played"),
        ("--duet --swing 0.9", "swing is 0.9"),
        ("--duet --key nonsense --players bach5", "--key 'nonsense'"),
        ("--duet --map 300=bpm", "--map '300=bpm'"),
        ("--duet --no-page --players bach5 --osc-out lights", "'lights' is no address"),
        ("--duet --learn nothing", "no knob can set 'nothing'"),
        ("--duet --players a,b,c,d,e,f,g,h,i",
         "are the most"),
        ("--duet --way accompany --players bach5", "takes a person"),
        ("--replay missing.json", "is no session"),
        ("-pm --way answer", "--way is for playing together: add --duet"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_a_sentence(words: str, said: str, home: Path) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        play_bach_here(words.split(), Paths(home))
    assert not list((home / "models").glob("*.mid"))


# ---- JACK


JACK = """
import time
from mido import Message
from duet import hardware
from duet.ports import Inbox

def there():
    try:
        return hardware.names(False) is not None
    except Exception:
        hardware.backend.cache_clear()

end = time.monotonic() + 10
while not there():
    if time.monotonic() > end:
        raise SystemExit("no server")
    time.sleep(0.1)
pad = hardware.backend().open_output("Some Pad", virtual=True)
inbox = Inbox()
port = hardware.port_named("some pad", inbox, out=False)
for note in range(40, 60):
    pad.send(Message("note_on", note=note))
    received = port.receive(2)
    assert received.message.note == note and abs(received.time - time.monotonic()) < 1
pad.send(Message("clock"))
assert port.receive(2).message.type == "clock"
own = hardware.virtual_port("test", inbox)
name = next(n for n in hardware.backend().get_input_names() if "Play Bach" in n)
assert name not in hardware.names(out=False)
listener = hardware.backend().open_input(name)
own.send(Message("note_on", note=70))
time.sleep(0.2)
assert listener.poll().note == 70
print("both ways", flush=True)
for p in (listener, own, port, pad):
    p.close()
"""


@pytest.mark.slow
def test_virtual_ports_through_jack() -> None:
    """A virtual port of another program, and one of ours: messages there and back, clock too.

    In a process of its own: libjack does not always bear the end of its server.
    """
    pytest.importorskip("rtmidi")
    if not shutil.which("jackd") or Path("/dev/snd/seq").exists():
        pytest.skip("no jackd, or ALSA would be taken")
    server = subprocess.Popen(
        ["jackd", "-r", "-d", "dummy"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        script = [sys.executable, "-c", JACK]
        done = subprocess.run(
            script, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        if "no server" in done.stderr:
            pytest.skip("jackd does not start here")
        assert "both ways" in done.stdout, done.stderr
    finally:
        server.terminate()
        server.wait(10)
