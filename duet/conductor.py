"""A session in real time: three threads, of which none waits for another.

The input thread puts a beat to what comes in, and passes it through at once; the engine prepares each
point of the grid half a step before it comes; the dispatcher sends. What goes wrong in one is told, and
ends the session; whatever ends it, all notes are ended.
"""

from __future__ import annotations

import gc
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from config_bach import UserError, counted
from duet.clock import NEVER, Clock, FollowedClock, InternalClock, straight
from duet.dispatcher import COMPOSING, DROPPED, LOOKING, READING, ordinary, percentiles, real_time
from duet.knobs import Knobs
from duet.notes import PEDAL, Output
from duet.players import ModelPlayer
from duet.ports import Inbox, Loopback, Port, Received
from duet.routing import Routing
from duet.session import Session
from duet.settings import ACTIONS, MODELS
from duet.successor import Candidate, Models, Successor
from duet.worker import Worker

LEAD = 0.5  # seconds before the first beat
LOOK = 0.05  # seconds after which the engine looks up at the latest
SLEPT = 1.0  # quarters; what is over for longer is left out
SWITCH = 0.0005  # seconds until Python lets another thread run
PLAYED = ("note_on", "note_off", "control_change", "pitchwheel", "aftertouch", "polytouch")
LONGEST_FILE = 200_000  # messages
KEPT = 200_000  # computing times

log = logging.getLogger("play_bach.duet")


class Conductor:
    """Runs a session with its ports and clock."""

    def __init__(
        self,
        session: Session,
        inbox: Inbox,
        inputs: Sequence[Port] = (),
        outputs: Sequence[Output] = (),
        knobs: Knobs | None = None,
        *,
        others: Models | None = None,
    ) -> None:
        """inbox: that of all inputs. others: where other models come from, while it plays."""
        self.session, self.dispatcher = session, session.dispatcher
        self.clock: Clock = session.dispatcher.clock
        self.inbox, self.inputs, self.outputs = inbox, list(inputs), list(outputs)
        self.knobs = knobs or Knobs()
        self.computing: list[float] = []  # seconds of each tick and each reaction
        self.failure: BaseException | None = None
        self._files: list[Output] = []
        self._queue: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._switch = sys.getswitchinterval()
        self._routing, self._worker, self._others = Routing(), Worker(), others
        self.choosable = others.choosable() if others else []  # models, by name
        self.loading: dict[str, str] = {}  # which model is to play soon, by player
        self._stepped: dict[str, str] = {}  # where whoever steps through models is, by player
        self.on_refusal: Callable[[str], None] = log.warning
        self.on_change: Callable[[ModelPlayer, Candidate], None] = lambda player, candidate: None
        self._worker.on_refusal = session.on_refusal = self._refuse
        session.on_change = self._changed

    # ---- from the command line and the page: any thread may call these

    def control(self, name: str, value: Any = None) -> None:
        """Change a setting or do something, soon. What is refused is told to `on_refusal`: the log."""
        self._queue.put(("control", self._beat(time.monotonic()), name, value))

    def press(self, message: Any, when: float | None = None) -> None:
        """Somebody plays by another way than a port: the page."""
        self.inbox.put(Received(message, time.monotonic() if when is None else when, "page"))

    def choose(self, player: str, source: str) -> None:
        """Let another model play in the place of a player's, as soon as it is ready.

        Raises UserError where no other model can be loaded; what is refused later is told.
        """
        if self._others is None or not any(m.name == player for m in self.session.models):
            raise UserError(f"no model plays as {player[:40]!r} that could be another one.")
        self._stepped[player] = self.loading[player] = source
        self._worker.do(("model", player), lambda: self._load(player, source))

    def step_model(self, number: int) -> None:
        """The same with the next model of the list. number: of the player, from 0 on."""
        for player in self.session.models[number : number + 1]:
            names, now = self.choosable, self._stepped.get(player.name, player.source)
            if names:
                place = names.index(now) + 1 if now in names else 0
                self.choose(player.name, names[place % len(names)])

    def learn(self, name: str) -> None:
        """Let the next control change that is touched do something. Raises UserError as Knobs.learn."""
        self.knobs.learn(name)

    def forget(self, number: int) -> None:
        """A control change does nothing any more."""
        self.knobs.forget(number)
        self._keep_knobs()

    def _keep_knobs(self) -> None:
        if self.knobs.unsaved:
            self._worker.do("knobs", self.knobs.save)

    @property
    def beat(self) -> float:
        """The beat now."""
        return self.clock.beat_at(time.monotonic())

    @property
    def status(self) -> str:
        """What goes on, in one line."""
        s = self.session
        bar, beat = divmod(max(self.beat, 0.0), s.settings.bar)
        late = next(percentiles(self.dispatcher.lateness[-2000:], (0.99,))) * 1000
        told = f"  {s.tolds[-1]}" if s.tolds else ""
        stands = "" if self.clock.running else " (waits for the clock)"
        return (
            f"bar {int(bar) + 1}.{int(beat) + 1}  {self.clock.bpm:.1f} BPM{stands}  {s.settings.way}: "
            f"{s.way.doing}{told}  late {late:.1f} ms, {self.dispatcher.dropped} dropped"
        )

    # ---- from beginning to end

    def start(self) -> None:
        """Begin to play."""
        sys.setswitchinterval(SWITCH)
        gc.collect()
        gc.freeze()
        if isinstance(self.clock, InternalClock):
            self.clock.begin(time.monotonic() + LEAD)
        for model in self.session.models:
            model.performer.introduce()
        self._worker.start()
        self._threads = [self.dispatcher.start()]
        for work, name in ((self._read, "input"), (self._play, "engine")):
            thread = threading.Thread(target=self._watched, args=(work,), daemon=True, name=name)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """End all notes, close all ports, and wait for the threads."""
        self._stop.set()
        self.dispatcher.stop()
        for thread in self._threads:
            thread.join(2)
        self.session.end(max(self.beat, 0.0))
        for output in (*self._files, *self.outputs):
            output.close()
        for port in self.inputs:
            port.close()
        sys.setswitchinterval(self._switch)
        gc.unfreeze()
        ordinary()
        self._worker.stop()
        try:
            self.knobs.save()
        except UserError as error:
            self.on_refusal(str(error))

    def wait(self, until: float = NEVER, show: Callable[[str], None] | None = None) -> None:
        """Wait until a beat, or for ever. show: is given the status four times a second.

        Raises what ended a thread.
        """
        real_time(LOOKING)  # until `close`
        while self.beat < until and not self._stop.wait(0.25):
            if show:
                show(self.status)
        if self.failure:
            raise self.failure

    def add_file(self, path: Path, port: str) -> float:
        """Let a MIDI file play as a player with that port, from beat 0; returns how long it is.

        Raises UserError if it cannot be read.
        """
        messages = read_messages(path)
        output = Output(Loopback(port, self.inbox))
        self._files.append(output)
        for beat, message in messages:
            self.dispatcher.at(beat, output, message, port)
        return messages[-1][0] if messages else 0.0

    def _watched(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self.failure = error
            self._stop.set()

    # ---- the input thread

    def _read(self) -> None:
        real_time(READING)
        while not self._stop.is_set():
            if received := self.inbox.get(LOOK):
                self._take(received)

    def _take(self, received: Received) -> None:
        message, when, port = received
        if message is None:
            for output in self.outputs:
                self.dispatcher.end(output, port)
            self._routing.forget(port)
            self._queue.put(("midi", self._beat(when), None, port))
            return
        if isinstance(self.clock, FollowedClock) and self.clock.take(message, when):
            return
        if message.type == "program_change":  # models keep the instruments of their channels
            self._hear(self._routed(message, port), when, port)
        if message.type not in PLAYED:
            return
        wish = self.knobs.take(message)
        self._keep_knobs()
        if wish and wish[0] in MODELS:
            self._step(MODELS.index(wish[0]))
            return
        if wish:
            self._queue.put(("knob", self._beat(when), *wish))
            return
        routed = self._routed(message, port)
        if self.session.settings.through or _ends(message):
            for output in self.outputs:
                if output.name != port and not output.everything:
                    self.dispatcher.now(output, routed, port)
        self._hear(routed, when, port)
        self._queue.put(("midi", self._beat(when), message, port))

    def _step(self, number: int) -> None:
        try:
            self.step_model(number)
        except UserError as error:
            self.on_refusal(str(error))

    def _routed(self, message: Any, port: str) -> Any:
        """A message on the channel of whoever plays at a port."""
        person = self.session.person_at(port)
        return self._routing.routed(message, port, person.channel) if person else message

    def _hear(self, message: Any, when: float, port: str) -> None:
        """Tell outputs that hear everything what somebody has played."""
        for output in self.outputs:
            if output.everything:
                output.hear(message, port, when)

    def _beat(self, when: float) -> float:
        return straight(self.clock.beat_at(when), self.dispatcher.swing)

    # ---- the engine thread

    def _play(self) -> None:
        real_time(COMPOSING)
        ran = self.clock.running
        while not self._stop.is_set():
            now = time.monotonic()
            if isinstance(self.clock, FollowedClock):
                self.clock.check(now)
            if ran and not self.clock.running:
                self._do(("control", self.clock.beat_at(now), "panic", None))
            ran = self.clock.running
            deadline = self.clock.time_of(self.session.due)
            entry = self._next(min(max(deadline - now, 0.0), LOOK))
            if entry is None:
                self._catch_up(self.clock.beat_at(time.monotonic()))
            else:
                self._catch_up(entry[1])
                self._timed(self._do, entry)

    def _next(self, timeout: float) -> tuple[Any, ...] | None:
        try:
            return self._queue.get(timeout=timeout) if timeout else self._queue.get_nowait()
        except queue.Empty:
            return None

    def _catch_up(self, beat: float) -> None:
        """Prepare the points of the grid whose time has come by a beat."""
        if beat - self.session.due > SLEPT:
            self.session.skip_to(beat)
        while self.session.due <= beat:
            self._timed(self.session.tick)

    def _timed(self, work: Callable[..., None], *args: Any) -> None:
        start = time.perf_counter()
        work(*args)
        if len(self.computing) < KEPT:
            self.computing.append(time.perf_counter() - start)

    def _do(self, entry: tuple[Any, ...]) -> None:
        kind, beat, *rest = entry
        if kind == "midi":
            message, port = rest
            self.session.take(message, beat, port)
            return
        if kind in ("model", "joins"):
            self._succeed(kind, beat, *rest)
            return
        name, value = rest
        try:
            if kind == "knob":
                turned = self.session.settings.scaled(name, value) if name not in ACTIONS else None
                value = getattr(turned, name, None)
            self.session.control(name, value, beat)
            if name == "bpm" and isinstance(self.clock, InternalClock):
                self.clock.set_bpm(value, time.monotonic())
        except UserError as error:
            self.on_refusal(str(error))

    # ---- another model: loaded by the worker, remembered by the engine, heard by the worker, and so on

    def _load(self, player: str, source: str) -> None:
        assert self._others is not None
        self.choosable = self._others.choosable()
        try:
            candidate = self._others.candidate(source)
        except UserError:
            self._loaded(player, source)
            raise
        gc.freeze()  # what a model holds is not looked through while music plays
        self._queue.put(("model", self._beat(time.monotonic()), player, candidate))

    def _refuse(self, sentence: str) -> None:
        self.on_refusal(sentence)

    def _loaded(self, player: str, source: str) -> None:
        if self.loading.get(player) == source:
            self.loading.pop(player, None)

    def _succeed(self, kind: str, beat: float, *rest: Any) -> None:
        if kind == "joins":
            self.session.join(rest[0], beat)
            return
        player, candidate = rest
        try:
            successor = self.session.prepare(player, candidate, beat)
        except UserError as error:
            self._loaded(player, candidate.source)
            self.on_refusal(str(error))
            return
        self._worker.do(("hear", player), lambda: self._rehearse(successor))

    def _rehearse(self, successor: Successor) -> None:
        try:
            successor.rehearse()
        except Exception as error:
            self._loaded(successor.player, successor.candidate.source)
            raise UserError(
                f"{successor.candidate.source} cannot play here ({type(error).__name__}); choose "
                "another model."
            ) from error
        self._queue.put(("joins", self._beat(time.monotonic()), successor))

    def _changed(self, player: ModelPlayer, candidate: Candidate) -> None:
        self._loaded(player.name, candidate.source)
        self.on_change(player, candidate)

    # ---- figures

    def figures(self) -> dict[str, Any]:
        """Lateness (ms), deadlines missed, notes dropped, computing (ms), of the whole session."""
        d = self.dispatcher
        late = [1000 * x for x in percentiles(d.lateness, (0.5, 0.99, 1.0))]
        computing = [1000 * x for x in percentiles(self.computing, (0.5, 0.99, 1.0))]
        return {
            "messages": len(d.lateness),
            "late_ms": dict(zip(("median", "p99", "max"), late, strict=True)),
            "missed": d.missed,
            "dropped": d.dropped,
            "computing_ms": dict(zip(("median", "p99", "max"), computing, strict=True)),
            "real_time": d.real_time,
        }


def _ends(message: Any) -> bool:
    """Whether a message ends what may have gone out before `through` was switched off."""
    if message.type == "control_change":
        return bool(message.control == PEDAL and message.value < 64)
    return bool(message.type == "note_off" or (message.type == "note_on" and message.velocity == 0))


def described(figures: dict[str, Any]) -> str:
    """The figures of a session in one line."""
    late, computing = figures["late_ms"], figures["computing_ms"]
    return (
        f"{counted(figures['messages'], 'message')}, late by {late['median']:.2f} ms (median), "
        f"{late['p99']:.2f} (p99), {late['max']:.2f} (worst); {figures['missed']} later than 5 ms, "
        f"{figures['dropped']} notes dropped that were later than {1000 * DROPPED:.0f}; computing "
        f"{computing['p99']:.1f} ms (p99)"
    )


def read_messages(path: Path) -> list[tuple[float, Any]]:
    """The notes and pedals of a MIDI file with their beats, in order.

    Raises UserError if it cannot be read, or has none.
    """
    import mido

    try:
        midi = mido.MidiFile(path, clip=True)
        if midi.ticks_per_beat <= 0:
            raise ValueError("its time is not in beats")
        found: list[tuple[float, Any]] = []
        for track in midi.tracks:
            ticks = 0
            for message in track:
                ticks += message.time
                if message.type in ("note_on", "note_off", "control_change"):
                    found.append((ticks / midi.ticks_per_beat, message.copy(time=0)))
    except Exception as error:  # mido raises many kinds for broken files
        raise UserError(
            f"{path} cannot be played: {str(error) or 'it is no MIDI file'}."
        ) from error
    if not any(m.type == "note_on" for _, m in found):
        raise UserError(f"{path} has no notes to play.")
    if len(found) > LONGEST_FILE:
        raise UserError(f"{path} is too long; {LONGEST_FILE:,} messages are played at most.")
    return sorted(found, key=lambda x: x[0])
