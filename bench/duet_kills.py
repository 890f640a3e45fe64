"""Is every note ended? Somebody vanishes at a random moment, again and again, while all play.

python bench/duet_kills.py --rounds 50
python bench/duet_kills.py --rounds 10 --jack          # the pad is a virtual port, through a JACK server

Two Play Bachs: the second hears the first over a network port; here its outputs are listened to. The
first is played by a pad (a network port) and a page (a WebSocket), each a process of its own. Who does
not vanish is frozen with all that it holds, so nothing but the vanishing can end a note. It prints, for
each way of vanishing, how often it was done, how many notes sounded then, and how many still did four
seconds later that should not. Killing the second by kill -9 leaves its notes to whoever listens: it is
counted apart.
"""

import argparse
import base64
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mido import Message  # noqa: E402
from mido.parser import Parser  # noqa: E402

USER, PASSWORD = "bach", "correct horse"
PATIENCE = 60.0  # seconds until a Play Bach is there
SETTLED = 0.3  # seconds until all that was on its way has come
QUIET = 4.0  # seconds after which nothing may sound
PANIC = 80  # a control change
PITCHES = {"pad": range(48, 62), "page": range(62, 84)}
JACK_PAD = "Kill Pad"
PERSON = 1  # the channel on which the second one passes on what it hears, from 0 on
Note = tuple[int, int]  # channel, note


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def connected(number: int) -> socket.socket:
    """A connection, as soon as somebody listens."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", number), PATIENCE)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


class Receiver:
    """Listens to a network port, and knows what a synthesizer there would sound."""

    def __init__(self, number: int) -> None:
        self.sounding: set[Note] = set()
        self._socket = connected(number)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        parser = Parser()
        self._socket.settimeout(None)
        while data := self._socket.recv(1024):
            parser.feed(data)
            for m in parser:
                if m.type == "note_on" and m.velocity:
                    self.sounding.add((m.channel, m.note))
                elif m.type in ("note_on", "note_off"):
                    self.sounding.discard((m.channel, m.note))


class Page:
    """A page without a browser: its WebSocket. What it is told is read, and forgotten."""

    def __init__(self, number: int) -> None:
        self._socket = connected(number)
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        head = ("GET /socket HTTP/1.1", f"Host: 127.0.0.1:{number}", f"Authorization: Basic {login}",
                "Upgrade: websocket", "Connection: Upgrade",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==", "Sec-WebSocket-Version: 13")  # fmt: skip
        self._socket.sendall("\r\n".join([*head, "", ""]).encode())
        answer = self._socket.recv(4096)
        if b" 101 " not in answer:
            raise SystemExit(f"the page was not let in: {answer[:200]!r}")
        self._socket.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while self._socket.recv(65536):
            pass

    def say(self, *message: Any) -> None:
        """Say something to the server."""
        data = json.dumps(message).encode()
        self._socket.sendall(struct.pack(">BBI", 0x81, 0x80 | len(data), 0) + data)


class PlayBach:
    """play_bach.py --duet in a process of its own."""

    def __init__(self, home: Path, *words: str) -> None:
        self.home, self.words = home, words
        (home / "models").mkdir(parents=True, exist_ok=True)
        for bundle in (ROOT / "models").glob("*.zip"):
            if not (home / "models" / bundle.name).exists():
                (home / "models" / bundle.name).symlink_to(bundle)
        self.start()

    def start(self) -> None:
        """Begin, and wait until it plays."""
        command = [sys.executable, str(ROOT / "play_bach.py"), "--duet", "--bpm", "240"]
        self.process = subprocess.Popen(
            [*command, *self.words],
            env={**os.environ, "PLAY_BACH_HOME": str(self.home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout
        for line in self.process.stdout:
            if "Ctrl-C" in line:
                break
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def end(self, how: int) -> None:
        """Kill it, and wait until it is gone."""
        self.process.send_signal(how)
        self.process.wait(30)


class Band:
    """The two Play Bachs, who plays on the first, and who listens to the second."""

    def __init__(self, folder: Path, seed: int, jack: bool = False) -> None:
        """jack: the pad is a virtual port."""
        self.rng, self.jack = random.Random(seed), jack
        self.pad_at, self.page_at, self.link_at, self.out_at = (free_port() for _ in range(4))
        settings = {"user": USER, "password": PASSWORD, "remi_port": self.page_at,
                    "flask_port": free_port()}  # fmt: skip
        (folder / "first").mkdir()
        (folder / "first" / "play_bach.json").write_text(json.dumps(settings))
        self.second = PlayBach(
            folder / "second", "--no-page", "--players", "person,bach2", "--answer", "1", "--midi-in",
            f"listen:{self.link_at}", "--midi-out", f"listen:{self.out_at}",
        )  # fmt: skip
        pad = JACK_PAD if jack else f"listen:{self.pad_at}"
        self.players = {"pad": self.player("pad")}
        if jack:
            time.sleep(3)  # it is there before it is looked for
        self.first = PlayBach(
            folder / "first", "--players", "person,bach2", "--answer", "2", "--ends", "beats",
            "--listen-most", "1", "--midi-in", pad, "--midi-out",
            f"connect:127.0.0.1:{self.link_at}", "--map", f"{PANIC}=panic",
        )  # fmt: skip
        self.receiver = Receiver(self.out_at)
        self.players["page"] = self.player("page")
        self.desk = Page(self.page_at)

    def player(self, kind: str) -> subprocess.Popen[bytes]:
        """Somebody who plays, in a process of their own."""
        number = {"pad": self.pad_at, "page": self.page_at}[kind]
        kind = "jack" if self.jack and kind == "pad" else kind
        command = [sys.executable, str(Path(__file__)), "--as", kind, "--port", str(number)]
        return subprocess.Popen([*command, "--seed", str(self.rng.randrange(2**31))])

    def again(self) -> None:
        """Whoever is gone comes back."""
        lost = [x for x in (self.second, self.first) if x.process.poll() is not None]
        for program in lost:
            program.start()
        if self.second in lost:
            self.receiver = Receiver(self.out_at)
        if self.first in lost:
            self.desk = Page(self.page_at)
        for kind, process in self.players.items():
            if process.poll() is not None or self.first in lost:
                process.kill()
                self.players[kind] = self.player(kind)

    def freeze(self) -> None:
        """Nobody plays any more, and nobody lets go."""
        for process in self.players.values():
            process.send_signal(signal.SIGSTOP)

    def hush(self) -> None:
        """Nobody is there any more."""
        for process in self.players.values():
            process.kill()
            process.wait()

    def close(self) -> None:
        """End all processes."""
        self.hush()
        for program in (self.first, self.second):
            if program.process.poll() is None:
                program.end(signal.SIGTERM)

    # ways to vanish: what is left sounding is nobody's fault but ours

    def panic_by_page(self) -> None:
        """*Silence* on the page."""
        self.desk.say("do", "panic")

    def panic_by_knob(self) -> None:
        """A control change that is mapped to panic."""
        with connected(self.pad_at) as s:
            s.sendall(bytes(Message("control_change", control=PANIC, value=127).bytes()))
            time.sleep(0.1)

    def unplug_pad(self) -> None:
        """The process of the pad ends in good order."""
        self.players["pad"].terminate()
        self.players["pad"].send_signal(signal.SIGCONT)

    def kill_pad(self) -> None:
        """It is killed."""
        self.players["pad"].kill()

    def kill_page(self) -> None:
        """The page is killed."""
        self.players["page"].kill()

    def change_model(self) -> None:
        """Another model is chosen."""
        models = ["bach2_nc_mo", "bach5_nc_mo", "drums4_nc_mo"]
        self.desk.say("model", "bach2", self.rng.choice(models))

    def term_first(self) -> None:
        """SIGTERM."""
        self.first.end(signal.SIGTERM)

    def hang_up_first(self) -> None:
        """SIGHUP: its terminal is closed."""
        self.first.end(signal.SIGHUP)

    def kill_first(self) -> None:
        """SIGKILL: the second one must end what it began."""
        self.first.end(signal.SIGKILL)

    def term_second(self) -> None:
        """SIGTERM of the one that is listened to."""
        self.second.end(signal.SIGTERM)

    def kill_second(self) -> None:
        """SIGKILL of the one that is listened to: nothing can be sent any more."""
        self.second.end(signal.SIGKILL)


HOPELESS = "kill_second"
PLAYER = {"unplug_pad": "pad", "kill_pad": "pad", "kill_page": "page"}  # whose notes must end
WAYS = ("panic_by_page", "panic_by_knob", "unplug_pad", "kill_pad", "kill_page", "change_model",
        "term_first", "hang_up_first", "kill_first", "term_second")  # fmt: skip


def play(
    pitches: Sequence[int], begin: Callable[[int], None], end: Callable[[int], None], seed: int
) -> None:
    """Play for ever: notes that overlap, some held long."""
    rng, held = random.Random(seed), list[int]()
    while True:
        if held and (len(held) > 3 or rng.random() < 0.4):
            end(held.pop(rng.randrange(len(held))))
        pitch = rng.choice(pitches)
        if pitch not in held:
            begin(pitch)
            held.append(pitch)
        time.sleep(rng.random() * 0.2)


def play_pad(number: int, seed: int) -> None:
    """A pad at a network port."""
    s = connected(number)

    def send(kind: str, pitch: int) -> None:
        s.sendall(bytes(Message(kind, note=pitch, velocity=70).bytes()))

    play(PITCHES["pad"], lambda p: send("note_on", p), lambda p: send("note_off", p), seed)


def play_jack(number: int, seed: int) -> None:
    """A pad that is a virtual port of this machine."""
    from duet import hardware

    port = hardware.backend().open_output(JACK_PAD, virtual=True)

    def send(kind: str, pitch: int) -> None:
        port.send(Message(kind, note=pitch, velocity=70))

    play(PITCHES["pad"], lambda p: send("note_on", p), lambda p: send("note_off", p), seed)


def play_page(number: int, seed: int) -> None:
    """A page, without a browser."""
    page = Page(number)
    play(
        PITCHES["page"],
        lambda p: page.say("on", False, p, 70, 0),
        lambda p: page.say("off", False, p, 0),
        seed,
    )


def must_end(way: str, note: Note) -> bool:
    """Whether a note must have ended, though others are frozen with what they hold."""
    if way == "change_model":
        return False  # what the others hold goes on; nothing may be left once they are gone
    kind = PLAYER.get(way)  # the second one answers what goes on, on another channel
    return kind is None or (note[0] == PERSON and note[1] in PITCHES[kind])


PLAYERS = {"pad": play_pad, "page": play_page, "jack": play_jack}


def rounds(count: int, seed: int, jack: bool) -> None:
    """Play, let somebody vanish, count."""
    done: Counter[str] = Counter()
    then: defaultdict[str, list[int]] = defaultdict(list)
    left: Counter[str] = Counter()
    ways = ("unplug_pad", "kill_pad") if jack else WAYS
    order = [ways[i % len(ways)] for i in range(count)] + [HOPELESS] * (0 if jack else 3)
    with tempfile.TemporaryDirectory() as folder:
        band = Band(Path(folder), seed, jack)
        try:
            for number, way in enumerate(order):
                band.again()
                end = time.monotonic() + 20
                while not band.receiver.sounding and time.monotonic() < end:
                    time.sleep(0.02)
                time.sleep(band.rng.random() * 1.5)
                band.freeze()
                time.sleep(SETTLED)
                sounding = len(band.receiver.sounding)
                getattr(band, way)()
                time.sleep(QUIET)
                stuck = {n for n in band.receiver.sounding if must_end(way, n)}
                band.hush()
                end = time.monotonic() + QUIET  # the last answer is played
                while band.receiver.sounding and time.monotonic() < end:
                    time.sleep(0.1)
                after = set(band.receiver.sounding)
                done[way] += 1
                then[way].append(sounding)
                left[way] += len(stuck | after)
                print(number + 1, way, sounding, sorted(stuck), sorted(after), flush=True)
        finally:
            band.close()
    print("| who vanished | rounds | notes that sounded then, mean | notes left sounding |")
    print("| --- | --- | --- | --- |")
    for way in (*WAYS, HOPELESS):
        if done[way]:
            mean = sum(then[way]) / done[way]
            print(f"| {way} | {done[way]} | {mean:.1f} | {left[way]} |")
    print(f"left sounding without {HOPELESS}: {sum(left[w] for w in WAYS)}")


def main() -> None:
    """Count, or be one of those who play."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jack", action="store_true", help="the pad is a virtual port")
    parser.add_argument("--as", dest="kind", choices=tuple(PLAYERS), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.kind:
        with suppress(OSError):  # the other end is gone
            PLAYERS[args.kind](args.port, args.seed)
    else:
        rounds(args.rounds, args.seed, args.jack)


if __name__ == "__main__":
    main()
