"""What stands on the control page, and what happens when it is touched.

The page is built of REMI widgets. What moves on it (the piano roll, the bars, the figures) is drawn
by page.js from the news that `idle` sends four times a second over REMI's WebSocket.
"""

import json
import logging
import secrets
import time
from pathlib import Path
from typing import Any

from remi import gui as remi

from config_bach import UserError
from families.registry import family_of
from gui import listening
from gui.app import SESSION, AuthenticatedApp, WebSocketHandler
from gui.widgets import button, card, chooser, slider, tag
from gui.words import choices, quoted
from music.instruments import FAMILIES, NAMES
from music.synth import RATE
from stream.app import station_link
from stream.context import minutes
from stream.permalink import link_of, read_link
from stream.piece import StationPiece
from stream.player_settings import PlayedEvent, PlayerSettings
from stream.station import Station

log = logging.getLogger("play_bach")

HERE = Path(__file__).parent
UNCONNECTED = 30.0  # seconds that a page may take to open its WebSocket
FIGURES_EVERY = 8  # pieces of news; the figures need not be fresher than 2 seconds
OTHERS = ("alto", "tenor", "bass")  # the voices below the first
SETTING_TYPES = {
    "model": str,
    **dict.fromkeys(("program", *OTHERS), int),
    **dict.fromkeys(("bpm", "temperature", "volume"), float),
    **listening.SETTING_TYPES,
}
FIGURES = {
    "listeners": "listeners",
    "stations": "stations playing",
    "underruns": "underruns",
    "composed_per_cpu_second": "seconds composed per CPU second",
    "ms_per_note": "ms to compose a note",
    "uptime": "on the air",
}
HINT = "What you change is heard about a second later."
GUIDE = (
    "Press Play. A neural network starts to compose, for you alone, and goes on until you stop.",
    "Change anything while it plays. The page says when you will hear it: about a second later.",
    "Low temperature keeps to what is likely; high temperature takes risks.",
    "Heard something you like? Keep that saves the last minutes as MIDI, score and sound.",
    "Share gives a link; whoever opens it hears what you hear, at the same time.",
)


def voice_chooser(voice: str) -> remi.Container:
    """The instrument of a voice; page.js fills in the choices."""
    return chooser(voice, voice.capitalize())


class Page(AuthenticatedApp):
    """One person's page, with a station of its own."""

    def main(self) -> remi.Container:
        """Build the page. REMI calls it once for each session."""
        self._station: Station | None = None
        self._listener = secrets.token_urlsafe(6)
        self._sent = self._news_sent = 0
        self._quiet_since = time.monotonic()
        self._dress()
        try:
            if self.asked:
                self._open(*self.asked)
            elif not self._restore():
                self._open(self.context.default_settings())
        except UserError as error:
            return tag("main", "", tag("p", "alone", str(error)))
        station = (_header(), _stage(), _coming(), self._controls(), _keep(), _together())
        return tag("main", "", *station, listening.piece(), _tests(), _figures(), _guide())

    def wanted(self, query: str) -> tuple[PlayerSettings, StationPiece] | None:
        """The piece that the address asks for, if it does. Raises UserError."""
        return read_link(query, self.context.models)

    def _dress(self) -> None:
        """Put our style and script into the head, in the place of REMI's."""
        head = self.page.children["head"]
        head.add_child("internal_css", f"<style>{(HERE / 'page.css').read_text('utf-8')}</style>")
        head.add_child("icon", (HERE / "icon.html").read_text("utf-8"))
        server = self.context.server
        settings = {
            "port": server.flask_port,
            "dns": server.dns,
            "sound": server.sound_url,
            "session": SESSION,
        }
        script = "".join((HERE / name).read_text("utf-8") for name in ("page.js", "listening.js"))
        head.add_child("bach", f"<script>const BACH = {json.dumps(settings)};\n{script}</script>")

    def _controls(self) -> remi.Container:
        known, wrong = self.context.models.examined()
        models = [
            tag("option", "", label, value=choice, data_score=_score(manifest), **_voices(manifest))
            for choice, label in choices(known)
            for manifest in [known[choice.partition(":")[0]]]
        ]
        return card(
            "Your station",
            chooser("model", "Model", *models),
            tag("p", "hint score", "", id="score"),
            *(tag("p", "hint bad", f"Left out: {sentence}") for sentence in wrong.values()),
            chooser("program", "Instrument", *_families()),
            tag(
                "div",
                "voices",
                *map(voice_chooser, OTHERS),
                listening.voices(),
                id="voices",
                hidden="",
            ),
            slider("bpm", "Tempo", 1),
            slider("temperature", "Temperature", 0.05),
            listening.keys(),
            slider("volume", "Volume", 0.01),
            slider("room", "Room", 0.01),
            tag("p", "hint", HINT, id="hint", role="status"),
            name="station",
        )

    def _restore(self) -> bool:
        """The station that this page had before the server was restarted, if it had one."""
        name = self.context.store.session(self.session)
        self._station = self.context.stations.get(name) if name else None
        return self._station is not None

    def _open(self, settings: PlayerSettings, piece: StationPiece | None = None) -> None:
        """A station of one's own. It costs nothing until Play is pressed."""
        self._station = self.context.stations.open(settings, piece=piece)
        self._news_sent = 0

    # ---- to the page

    def on_connect(self, handler: WebSocketHandler) -> None:
        """Send everything to a page that has connected; from now on it is remembered."""
        self._sent = self._news_sent = 0
        if self._station is not None:
            self.context.store.save_session(self.session, self._station.name)

    def idle(self) -> None:
        """Send the news; REMI calls it four times a second."""
        station: Station | None = getattr(self, "_station", None)
        if station is None:
            return
        if not self.websockets:
            self._close_when_idle(station)
            return
        self._quiet_since = time.monotonic()
        if self.context.stations.get(station.name) is not station:
            try:  # it was idle; Play must work
                if not self._restore():
                    self._open(station.settings)
            except UserError as error:
                self._send("say", {"text": str(error), "bad": True})
                return
        if self._station is not None:
            self._send("news", self._news(self._station))

    def _close_when_idle(self, station: Station) -> None:
        """End the session of a page that has gone, once nobody listens to its station."""
        timeout = self.context.server.idle_minutes * 60 if self.connected else UNCONNECTED
        if not station.listeners and time.monotonic() - self._quiet_since > timeout:
            self.end_session()

    def on_close(self) -> None:
        """The session ends, and with it a station that nobody listens to."""
        station = getattr(self, "_station", None)
        if station is not None and not station.listeners:
            self.context.stations.end(station)
        super().on_close()

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
            news["settings"] = station.settings.to_json()
            news["copied"] = quoted(station.copied.notes, station.copied.piece)
            news["figures"] = self.context.stations.figures()
            news["links"] = self._links(station)
            piece = station.piece
            news["piece"] = {"seed": piece.seed, "link": link_of(piece, station.settings)}
        self._sent += 1
        return news

    def _links(self, station: Station) -> dict[str, str]:
        """Ready before they are asked for: iPhones play only at the very touch of a button."""
        name, program = station.name, station.settings.program
        return {
            "listen": station_link(self.context, "listen", station=name, name=self._listener),
            "share": station_link(self.context, "share", station=name),
            "scale": station_link(self.context, "scale", program=program),
        }

    def _send(self, function: str, what: Any) -> None:
        """Call a function of page.js. JSON in plain ASCII is also JavaScript."""
        self.execute_javascript(f"bach.{function}({json.dumps(what)})")

    # ---- from the page

    def on_request(self, **request: str) -> None:
        """Handle {'what': 'update', 'name': 'bpm', 'value': '120'} and {'what': 'keep'},
        'new' or 'back'."""
        what, station = request.get("what"), self._station
        if station is None:
            return
        try:
            if what == "update":
                self._update(station, request.get("name", ""), request.get("value", ""))
            elif what == "keep":
                self._keep(station)
            elif what in ("new", "back"):
                seconds = station.new() if what == "new" else station.back()
                self._sent = 0  # a piece may bring its settings with it
                self._send("updated", {"name": what, "seconds": round(seconds, 1)})
        except UserError as error:
            self._send("say", {"text": str(error), "bad": True})

    def _update(self, station: Station, name: str, value: str) -> None:
        if name not in SETTING_TYPES:
            return
        try:
            changed: Any = SETTING_TYPES[name](value)
        except ValueError:
            return
        try:
            seconds = station.update(**{name: changed})
            self._send("updated", {"name": name, "seconds": round(seconds, 1)})
        finally:
            self._sent = 0  # the settings are sent again, as they are now

    def _keep(self, station: Station) -> None:
        name = self.context.keep(station)
        recording = self.context.recording(name)
        link = station_link(self.context, "keep", recording=name)
        self._send("kept", {"link": link, "length": minutes(recording.played if recording else ())})


def _note(x: PlayedEvent) -> list[Any]:
    """What page.js is told of an event; times in seconds of the station."""
    likely = [[name, round(p, 4)] for name, p in x.predicted.likely]
    onset, seconds = round(x.onset / RATE, 3), round(x.seconds, 3)
    chosen = [x.predicted.chosen, round(x.predicted.probability, 4)]
    return [
        x.number,
        onset,
        seconds,
        list(x.event.pitches),
        likely,
        chosen,
        x.predicted.from_corpus,
    ]


def _score(manifest: dict[str, Any]) -> str:
    """How good a model is at music it has never seen."""
    valid = manifest["metadata"].get("metrics", {}).get("valid")
    if not valid:
        return "not measured yet"
    return (
        f"On music it never saw: {valid['accuracy']:.0%} of the notes predicted, "
        f"{valid['nll']:.2f} nats an event"
    )


def _voices(manifest: dict[str, Any]) -> dict[str, str]:
    """The mark of a model that has an instrument for each voice."""
    voices = family_of(manifest["network"]["model_type"]).voices
    return {"data_voices": str(len(voices))} if voices else {}


def _families() -> list[remi.Container]:
    options = {n: tag("option", "", n, value=str(i)) for i, n in enumerate(NAMES, 1)}
    return [
        tag("optgroup", "", *(options[name] for name in names), label=family)
        for family, names in FAMILIES.items()
    ]


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
    return tag("section", "stage", now, roll, *listening.pieces(), play, audio)


def _coming() -> remi.Container:
    bars = tag("ol", "bars", id="bars", aria_label="the likeliest next notes")
    copied = tag("p", "hint", "", id="copied")
    return card("What could come next", bars, copied)


def _keep() -> remi.Container:
    links = [
        tag("a", "chip", kind, id=f"keep-{kind}", download="")
        for kind in ("mid", "musicxml", "mp3", "wav")
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
    rows = (
        tag("div", "figure", tag("dd", "", "-", id=f"figure-{name}"), tag("dt", "", label))
        for name, label in FIGURES.items()
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
