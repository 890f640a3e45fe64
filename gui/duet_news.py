"""What the page for playing together is told: what can be set, who plays, what goes on."""

from __future__ import annotations

import time
from dataclasses import fields
from typing import Any

from duet.clock import straight
from duet.conductor import Conductor
from duet.dispatcher import percentiles
from duet.knobs import PRESSES, controllable
from duet.players import ModelPlayer, Person
from duet.settings import CHOICES, KNOBS, TEXTS, Together

SHOWN = 8  # calls and answers
RECENT = 2000  # latenesses


def controls() -> list[dict[str, Any]]:
    """All that can be set while it plays, from the one table: name, kind, choices or range."""
    known = {f.name: f for f in fields(Together)}
    found = []
    for name in (*TEXTS, *(n for n in controllable() if n not in PRESSES)):
        item = known[name]
        control: dict[str, Any] = {"name": name, "kind": "switch"}
        if name in CHOICES:
            control |= {"kind": "choice", "choices": CHOICES[name]}
        elif name in TEXTS:
            control |= {"kind": "text"}
        elif "low" in item.metadata:
            low, high = KNOBS.get(name, (item.metadata["low"], item.metadata["high"]))
            control |= {"kind": "number", "low": low, "high": high, "whole": item.type is int}
        found.append(control)
    return found


def introduction(conductor: Conductor, ranges: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """Who plays, and what each model expects in nats per note."""
    return {
        "players": players(conductor, ranges),
        "models": conductor.choosable,
        "bar": conductor.session.settings.bar,
    }


def players(conductor: Conductor, ranges: dict[str, tuple[float, float]]) -> list[dict[str, Any]]:
    """Everybody. model: the name of the model that plays, empty for people."""
    session = conductor.session
    found: list[Person | ModelPlayer] = [*session.people, *session.models]
    return [
        {
            "name": p.name,
            "model": p.source or p.name if isinstance(p, ModelPlayer) else "",
            "program": p.part.program,
            "range": ranges.get(p.name),
        }
        for p in found
    ]


def state(conductor: Conductor) -> dict[str, Any]:
    """What goes on. line: server time, beat, seconds of a beat, whether it runs."""
    session, dispatcher, now = conductor.session, conductor.dispatcher, time.monotonic()
    late = next(percentiles(dispatcher.lateness[-RECENT:], (0.99,)))
    beat = conductor.clock.beat_at(now)
    return {
        "line": [now, beat, 60 / conductor.clock.bpm, conductor.clock.running],
        "straight": straight(beat, dispatcher.swing),
        "settings": session.settings.to_json(),
        "doing": session.way.doing,
        "hearing": session.way.hearing,
        "late_ms": round(1000 * late, 2),
        "missed": dispatcher.missed,
        "dropped": dispatcher.dropped,
        "learning": conductor.knobs.wanted,
        "knobs": sorted(conductor.knobs.by_control.items()),
        "loading": dict(conductor.loading),
        "told": [
            [len(session.tolds) - i, t.who, t.what, round(t.nats / t.notes, 2)]
            for i, t in enumerate(reversed(session.tolds[-SHOWN:]))
        ],
    }
