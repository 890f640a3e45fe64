"""What stands on the control page, and what happens when it is touched.

The page is built of REMI widgets. What moves on it (the piano roll, the bars, the figures) is drawn
by page.js from the news that `idle` sends four times a second over REMI's WebSocket.
"""

from __future__ import annotations

import html
import json
import logging
import secrets
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from instruments import FAMILIES, NAMES
from lite.variants import mark
from remi import gui as remi
from stream.hall import minutes
from synth import RATE

from config_bach import CHORALE, UserError
from gui.door import Channel, Door
from stream.app import station_link
from stream.station import Knobs, Played, Station

log = logging.getLogger("play_bach")

HERE = Path(__file__).parent
FIGURES_EVERY = 8  # pieces of news; the figures need not be fresher than 2 seconds
OTHERS = ("alto", "tenor", "bass")  # the voices below the first
TURNS = {
    "model": str,
    **dict.fromkeys(("program", *OTHERS), int),
    **dict.fromkeys(("bpm", "temperature", "volume"), float),
}
FIGURES = {
    "listeners": "listeners",
    "stations": "stations playing",
    "underruns": "underruns",
    "composed_per_cpu_second": "seconds composed per CPU second",
    "ms_per_note": "ms to compose a note",
    "uptime": "on the air",
}
GUIDE = (
    "Press Play. A neural network starts to compose, for you alone, and goes on until you stop.",
    "Turn anything while it plays. The page says when you will hear it: about a second later.",
    "Low temperature keeps to what is likely; high temperature takes risks.",
    "Heard something you like? Keep that saves the last minutes as MIDI, score and sound.",
    "Share gives a link; whoever opens it hears what you hear, at the same time.",
)


def tag(kind: str, css: str, *content: remi.Widget | str, **attributes: str) -> remi.Container:
    """A REMI widget of any HTML element. Text and attributes are escaped."""
    widget = remi.Container(_type=kind, _class=css)
    widget.style.clear()
    for name, value in attributes.items():
        widget.attributes[name.rstrip("_").replace("_", "-")] = html.escape(value)
    for i, item in enumerate(content):
        if isinstance(item, str):
            widget.add_child(f"text {i}", html.escape(item))
        else:
            widget.append(item)
    return widget


def card(title: str, *content: remi.Widget) -> remi.Container:
    """A part of the page with a heading."""
    return tag("section", "card", tag("h2", "", title), *content)


def button(text: str, action: str, css: str = "button", **attributes: str) -> remi.Container:
    """A button that does what page.js calls `action`."""
    return tag("button", css, text, type="button", onclick=f"bach.{action}", **attributes)


def chooser(name: str, label: str, *options: remi.Widget) -> remi.Container:
    """A labelled list to choose one of."""
    chosen = f"bach.turn('{name}', this.value)"
    select = tag("select", "", *options, id=name, onchange=chosen)
    return tag("label", "knob", tag("span", "name", label), tag("span", "chooser", select))


def slider(name: str, label: str, low: float, high: float, step: float) -> remi.Container:
    """A labelled slider with its value."""
    moved, let_go = f"bach.show('{name}', this.value)", f"bach.turn('{name}', this.value)"
    bar = tag(
        "input",
        "",
        type="range",
        id=name,
        min=str(low),
        max=str(high),
        step=str(step),
        oninput=moved,
        onchange=let_go,
    )
    value = tag("output", "value", id=f"{name}-value", for_=name)
    return tag("label", "knob", tag("span", "name", label), value, bar)


class Page(Door):
    """One person's page, with a station of its own."""

    def main(self) -> remi.Container:
        """Build the page. REMI calls it once for each session."""
        self._station: Station | None = None
        self._listener = secrets.token_urlsafe(6)
        self._sent = self._news_sent = 0
        self._quiet_since = time.monotonic()
        self._dress()
        try:
            self._open(self.hall.default_knobs())
        except UserError as error:
            return tag("main", "", tag("p", "alone", str(error)))
        main = tag("main", "", _header(), _stage(), _coming(), self._knobs(), _keep(), _together())
        for part in (_tests(), _figures(), _guide()):
            main.append(part)
        return main

    def _dress(self) -> None:
        """Put our style and script into the head, in the place of REMI's."""
        head = self.page.children["head"]
        head.add_child("internal_css", f"<style>{(HERE / 'page.css').read_text('utf-8')}</style>")
        head.add_child("icon", (HERE / "icon.html").read_text("utf-8"))
        settings = {"port": self.hall.server.flask_port, "dns": self.hall.server.dns}
        script = (HERE / "page.js").read_text("utf-8")
        head.add_child("bach", f"<script>const BACH = {json.dumps(settings)};\n{script}</script>")

    def _knobs(self) -> remi.Container:
        models = [
            tag("option", "", label, value=choice, data_score=_score(manifest), **_voices(manifest))
            for name, manifest in reversed(self.hall.shelf.models().items())
            for choice, label in _variants(name, manifest)
        ]
        return card(
            "Your station",
            chooser("model", "Model", *models),
            tag("p", "hint score", "", id="score"),
            chooser("program", "Instrument", *_families()),
            tag(
                "div",
                "voices",
                *(chooser(v, v.capitalize()) for v in OTHERS),
                id="voices",
                hidden="",
            ),
            slider("bpm", "Tempo", 30, 240, 1),
            slider("temperature", "Temperature", 0, 2, 0.05),
            slider("volume", "Volume", 0, 1, 0.01),
            tag("p", "hint", "What you turn is heard about a second later.", id="hint"),
        )

    def _open(self, knobs: Knobs) -> None:
        """A station of one's own. It costs nothing until Play is pressed."""
        self._station = self.hall.stations.open(knobs)
        self._news_sent = 0

    # ---- to the page

    def greet(self, channel: Channel) -> None:
        """Tell a page that has connected everything there is to know."""
        self._sent = self._news_sent = 0

    def idle(self) -> None:
        """Send the news; REMI calls it four times a second."""
        station = getattr(self, "_station", None)
        if station is None:
            return
        if not self.websockets:
            self._let_go(station)
            return
        self._quiet_since = time.monotonic()
        if self.hall.stations.get(station.name) is None:
            try:
                self._open(station.knobs)  # it ended of boredom; Play is to work all the same
            except UserError as error:
                self._send("say", {"text": str(error), "bad": True})
                return
        self._send("news", self._news(self._station or station))

    def _let_go(self, station: Station) -> None:
        """Forget a page that has gone, once nobody listens to its station any more."""
        patience = self.hall.server.idle_minutes * 60
        if not station.listeners and time.monotonic() - self._quiet_since > patience:
            self.hall.stations.end(station)
            self.forget()

    def _news(self, station: Station) -> dict[str, Any]:
        new = station.news(self._news_sent)
        self._news_sent = new[-1].number if new else self._news_sent
        start = station.start_of(self._listener)
        news: dict[str, Any] = {
            "start": None if start is None else start / RATE,
            "composed": round(station.seconds, 3),
            "notes": [_note(x) for x in new],
            "trouble": station.trouble,
            "corpus": station.from_corpus,
            "resting": station.listeners == 0,
        }
        if self._sent % FIGURES_EVERY == 0:
            news["knobs"] = {f.name: getattr(station.knobs, f.name) for f in fields(Knobs)}
            news["copied"] = station.copied
            news["figures"] = self.hall.stations.figures()
            news["links"] = self._links(station)
        self._sent += 1
        return news

    def _links(self, station: Station) -> dict[str, str]:
        """Ready before they are asked for: iPhones play only at the very touch of a button."""
        program = station.knobs.program
        name = station.name
        return {
            "listen": station_link(self.hall, "listen", station=name, name=self._listener),
            "share": station_link(self.hall, "share", station=name),
            "scale": station_link(self.hall, "scale", program=program),
        }

    def _send(self, function: str, what: Any) -> None:
        """Call a function of page.js. JSON in plain ASCII is also JavaScript."""
        self.execute_javascript(f"bach.{function}({json.dumps(what)})")

    # ---- from the page

    def ask(self, **question: str) -> None:
        """Obey the page: {'what': 'turn', 'name': 'bpm', 'value': '120'} or {'what': 'keep'}."""
        what, station = question.get("what"), self._station
        if station is None:
            return
        try:
            if what == "turn":
                self._turn(station, question.get("name", ""), question.get("value", ""))
            elif what == "keep":
                self._keep(station)
        except UserError as error:
            self._send("say", {"text": str(error), "bad": True})

    def _turn(self, station: Station, name: str, value: str) -> None:
        if name not in TURNS:
            return
        try:
            changed: Any = TURNS[name](value)
        except ValueError:
            return
        try:
            seconds = station.turn(**{name: changed})
            self._send("turned", {"name": name, "seconds": round(seconds, 1)})
        finally:
            self._sent = 0  # the knobs are sent again, as they are now

    def _keep(self, station: Station) -> None:
        name = self.hall.keep(station)
        keepsake = self.hall.keepsake(name)
        link = station_link(self.hall, "keep", keepsake=name)
        self._send("kept", {"link": link, "length": minutes(keepsake.played if keepsake else ())})


def _note(x: Played) -> list[Any]:
    """What page.js is told of an event; times in seconds of the station."""
    likely = [[name, round(p, 4)] for name, p in x.draw.likely]
    onset, seconds = round(x.onset / RATE, 3), round(x.seconds, 3)
    chosen = [x.draw.chosen, round(x.draw.chance, 4)]
    return [x.number, onset, seconds, list(x.event.pitches), likely, chosen, x.draw.from_corpus]


def _score(manifest: dict[str, Any]) -> str:
    """How good a model is at music it has never seen."""
    valid = manifest["facts"].get("metrics", {}).get("valid")
    if not valid:
        return "not measured yet"
    return (
        f"On music it never saw: {valid['accuracy']:.0%} of the notes foretold, "
        f"{valid['nll']:.2f} nats an event"
    )


def _variants(name: str, manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """The choices of a model: as it plays here, then each of its variants if there are several."""
    there = manifest["facts"].get("variants", {})
    others = [(f"{name}:{v}", f"{name}, {v}{mark(v, manifest['facts'])}") for v in there]
    return [(name, name), *(others if len(others) > 1 else [])]


def _voices(manifest: dict[str, Any]) -> dict[str, str]:
    """The mark of a model that has an instrument for each voice; page.js fills in the choices."""
    return {"data_voices": "4"} if manifest["network"]["model_type"] == CHORALE else {}


def _families() -> list[remi.Container]:
    """The 128 instruments, by family."""
    groups = []
    for family, names in FAMILIES.items():
        options = [
            tag("option", "", name, value=str(NAMES.index(name) + 1)) for name in names.split(", ")
        ]
        groups.append(tag("optgroup", "", *options, label=family))
    return groups


def _header() -> remi.Container:
    title = tag("h1", "", "Play Bach")
    return tag("header", "", title, tag("span", "pill", "connecting", id="state", role="status"))


def _stage() -> remi.Container:
    """The piano roll, and the button that matters."""
    roll = tag(
        "canvas", "roll", id="roll", role="img", aria_label="the notes that you hear, as they pass"
    )
    now = tag("div", "now", tag("strong", "", "", id="chord"), tag("span", "", "", id="chance"))
    play = tag("button", "play", type="button", id="play", aria_label="Play", onclick="bach.play()")
    audio = tag("audio", "", id="audio", crossorigin="anonymous", preload="none")
    return tag("section", "stage", now, roll, play, audio)


def _coming() -> remi.Container:
    """The likeliest next notes."""
    bars = tag("ol", "bars", id="bars", aria_label="the likeliest next notes")
    copied = tag("p", "hint", "", id="copied")
    return card("What could come next", bars, copied)


def _keep() -> remi.Container:
    links = [
        tag("a", "chip", kind, id=f"keep-{kind}", download="")
        for kind in ("mid", "musicxml", "wav")
    ]
    return card(
        "Heard something lovely?",
        button("Keep that", "keep()", "button wide", id="keep"),
        tag("p", "hint", "The last minutes are always held.", id="kept"),
        tag("div", "chips", *links, id="downloads", hidden="hidden"),
    )


def _together() -> remi.Container:
    return card(
        "Listen together",
        tag("p", "hint", "A link for friends: they hear what you hear.", id="shared"),
        button("Share this station", "share()", "button wide", id="share"),
    )


def _tests() -> remi.Container:
    tests = tag(
        "div",
        "pair",
        button("Server test", "ping()", id="ping"),
        button("Sound test", "scale()", id="scale"),
    )
    formats = [tag("option", "", text, value=kind) for kind, text in FORMATS.items()]
    choice = tag("select", "", *formats, id="format", onchange="bach.format(this.value)")
    kind = tag("label", "knob", tag("span", "name", "Sound"), tag("span", "chooser", choice))
    return card("Is everything all right?", tests, tag("p", "hint", "", id="tested"), kind)


FORMATS = {"mp3": "MP3, for every phone", "wav": "WAV, uncompressed"}


def _figures() -> remi.Container:
    rows = []
    for name, label in FIGURES.items():
        rows.append(
            tag("div", "figure", tag("dd", "", "-", id=f"figure-{name}"), tag("dt", "", label))
        )
    return card("The engine room", tag("dl", "figures", *rows))


def _guide() -> remi.Container:
    steps = tag("ol", "guide", *(tag("li", "", step) for step in GUIDE))
    reading = tag(
        "p",
        "hint",
        "Read on: the articles “Play Bach: let a neural network play for you”, which Play Bach "
        "follows. The numbers 1 to 128 are those of General MIDI.",
    )
    return card("A quick guide", steps, reading)
