"""--duet: people and models play together until Ctrl-C; then what was played is kept."""

import argparse
import os
import secrets
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cli.common import LARGEST_SEED, path_of_model, runtime_of
from cli.duet_page import WebPage, page
from cli.options import settings_given
from cli.output import output_of
from cli.run_log import told
from config_bach import Paths, UserError, require
from duet import recording
from duet.casting import FILE, PERSON, Cast, Role, roles_of
from duet.clock import Clock, FollowedClock, InternalClock
from duet.conductor import Conductor, described, read_messages
from duet.dispatcher import Dispatcher
from duet.knobs import Knobs, path_of
from duet.notes import Output
from duet.opening import address_of, open_port
from duet.osc import OscOutput, osc_output
from duet.ports import Inbox, Port
from duet.session import Session
from duet.settings import Together
from litert.loading import playing
from music.instruments import program_number
from storage.bundle import Bundle, load
from storage.files import check_writable, keep_previous, shown
from workflows.signals import Terminated, waiting

WIDTH = 120  # characters of the line of status


def duet(args: argparse.Namespace, paths: Paths, bundle: Bundle | None = None) -> None:
    """Play until Ctrl-C, SIGTERM or --until; then write what was played."""
    output, settings = output_of(args, "duet", paths.models), settings_of(args)
    if output.musicxml:
        require("music21", "writing MusicXML")
    for address in args.osc_out:
        address_of(address)  # refused now, not after models were loaded
    check_writable(output.midi.parent)
    seed = secrets.randbelow(LARGEST_SEED) if args.seed is None else args.seed
    roles = _roles(args, paths, bundle)
    settings = _suited(settings, roles, args)
    knobs, runtime = _knobs(args, paths), runtime_of(args)
    cast = Cast(
        roles, lambda path: playing(load(path, weights=False), paths, args.variant, runtime), paths
    )
    inbox = Inbox()
    with page(args, paths, inbox) as web, _ports(args, inbox, roles, settings, web) as ports:
        inputs, outputs = ports
        clock: Clock = InternalClock(settings.bpm)
        if settings.clock == "in":
            clock = FollowedClock(settings.bar)
        dispatcher = Dispatcher(clock)
        if settings.clock == "out":
            dispatcher.send_clock([o for o in outputs if not o.ahead])
        session = cast.session(settings, seed, dispatcher, {"": outputs})
        conductor = Conductor(session, inbox, inputs, outputs, knobs, others=cast)
        ranges = cast.ranges()
        _introduce(session, inputs, outputs, ranges)
        if knobs.by_control:
            told(f"  knobs: {knobs}")
        if web:
            web.begin(conductor, ranges)
        end = max(
            [conductor.add_file(Path(r.source), r.port) for r in roles if r.kind == FILE],
            default=0.0,
        )
        stopped = _play(conductor, args.until or _after(end, settings))
    figures = conductor.figures()
    keep_previous(output.midi)
    with waiting():
        for kind, path in recording.write(session, output.midi, cast.to_json(), output.musicxml):
            told(f"  {kind:<8} {shown(path)}")
    told(f"  {'played':<8} {', '.join(recording.names_of(session))}")
    told(f"  {'in time':<8} {described(figures)}")
    if stopped:
        raise stopped


def _hung_up(number: int, frame: Any) -> None:
    """A handler of SIGHUP: the terminal is gone, and with it whoever reads. Raises Terminated."""
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    raise Terminated


def _play(conductor: Conductor, until: float) -> Terminated | None:
    """Play, with a line of status where somebody looks; Ctrl-C is how it ends, SIGTERM is told."""
    screen = _Screen(conductor.session)
    stopped = None
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _hung_up)
    try:
        conductor.start()
        conductor.wait(until, screen.show)
    except Terminated as stop:
        stopped = stop
    except KeyboardInterrupt:
        pass
    finally:
        with waiting():
            conductor.close()
        screen.show("")
    return stopped


class _Screen:
    """A line for each call and answer, and under them a line of status that changes."""

    def __init__(self, session: Session) -> None:
        self._session, self._shown = session, 0
        self._clear = "\r" + " " * WIDTH + "\r" if sys.stdout.isatty() else ""

    def show(self, status: str) -> None:
        """Print what is new."""
        news = self._session.tolds[self._shown :]
        self._shown += len(news)
        for told_now in news:
            sys.stdout.write(f"{self._clear}  beat {told_now.beat:g}  {told_now}\n")
        if self._clear:
            sys.stdout.write(self._clear + status[:WIDTH])
        sys.stdout.flush()


def settings_of(args: argparse.Namespace) -> Together:
    """How to play, checked."""
    given = settings_given(args, Together)
    if args.key:
        given["scale"] = args.key
    return Together(**given, quantise=not args.as_played, through=not args.no_through)


def _suited(settings: Together, roles: list[Role], args: argparse.Namespace) -> Together:
    """Without people models play in a ring, unless a way is named."""
    alone = all(r.kind not in (PERSON, FILE) for r in roles)
    return replace(settings, way="ring") if alone and args.way is None else settings


def _roles(args: argparse.Namespace, paths: Paths, bundle: Bundle | None) -> list[Role]:
    """Who plays. Raises UserError for a model that is not there."""
    names = [n for n in (args.players or "").split(",") if n.strip()]
    if not names:
        model = bundle.name if bundle else path_of_model(args, paths).stem
        names = [PERSON, model]
    if args.player:
        names = [args.player, *(n for n in names if n.strip() != PERSON)]
    roles = roles_of(names, [args.drums] if args.drums else [])
    for role in roles:
        if role.kind == FILE:
            read_messages(Path(role.source))  # refused now, not after models were loaded
    if args.instrument:
        program = program_number(args.instrument)
        roles = [replace(r, program=program) if r.kind == "model" else r for r in roles]
    return roles


def _knobs(args: argparse.Namespace, paths: Paths) -> Knobs:
    knobs = Knobs.parse(args.map, path_of(paths))
    for name in (args.learn or "").split(","):
        if name.strip():
            knobs.learn(name.strip())
    return knobs


class _Ports:
    """The ports that are open; one that takes and gives is opened once."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.opened: dict[tuple[str, bool | None], Port] = {}

    def named(self, names: Iterable[str], out: bool) -> list[Port]:
        """Ports of one direction. Raises UserError for one that cannot be opened."""
        return [self._port(name, out) for name in names]

    def _port(self, name: str, out: bool) -> Port:
        both = name.startswith(("listen:", "connect:", "virtual:"))
        key = (name, None if both else out)
        if key not in self.opened:
            self.opened[key] = open_port(name, self.inbox, out)
        return self.opened[key]

    def osc(self, names: Iterable[str]) -> list[OscOutput]:
        """Outputs to OSC. Raises UserError for an address that is none."""
        outputs = []
        for name in names:
            outputs.append(osc_output(name))
            self.opened[name, None] = outputs[-1].port
        return outputs

    def close(self) -> None:
        """Close them all; twice does no harm."""
        for port in self.opened.values():
            port.close()


def _connected(out: bool, needed: bool) -> list[str]:
    """All ports of this machine. Raises UserError if one is needed and there is none."""
    from duet import hardware

    try:
        names = hardware.names(out)
    except UserError:
        if needed:
            raise
        return []
    if needed and not names:
        raise UserError(
            "no MIDI input is connected; plug one in, or name one with --midi-in (--list-ports)."
        )
    return names


@contextmanager
def _ports(
    args: argparse.Namespace,
    inbox: Inbox,
    roles: list[Role],
    settings: Together,
    web: WebPage | None,
) -> Iterator[tuple[list[Port], list[Output]]]:
    """The ports that are named, or all there are; closed at the end, whatever happens."""
    ports = _Ports(inbox)
    try:
        needed = settings.clock == "in" or (any(r.kind == PERSON for r in roles) and not web)
        inputs = ports.named(args.midi_in or _connected(False, needed), out=False)
        both = [port for port in inputs if port.takes]
        named = args.midi_out or ([] if both else _connected(True, False))
        outputs = ports.named(named, out=True) or both
        pages = [web.port] if web else []
        others = [*(web.outputs if web else []), *ports.osc(args.osc_out)]
        yield [*inputs, *pages], [*(Output(p) for p in outputs), *others]
    finally:
        ports.close()


def _after(end: float, settings: Together) -> float:
    """When to end by itself: a while after the file, if one plays."""
    return float("inf") if end == 0 else end + 4 * settings.bar


def _introduce(
    session: Session,
    inputs: list[Port],
    outputs: list[Output],
    ranges: dict[str, tuple[float, float]],
) -> None:
    names = ", ".join(p.name for p in recording.parts_of(session))
    told(f"players: {names}; way: {session.settings.way}; seed {session.seed}")
    told(f"  in:  {', '.join(p.name for p in inputs) or 'none'}")
    told(f"  out: {', '.join(o.name for o in outputs) or 'none: nothing sounds, but all is kept'}")
    for name, (low, high) in ranges.items():
        told(
            f"  {name} expects {low:.1f} to {high:.1f} nats per note of music like that it learned"
        )
    told("  Ctrl-C ends")
