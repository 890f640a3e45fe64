"""What happens on the control page: its session, what it is told, what it asks for.

cards.py says what stands on it, as REMI widgets. What moves on it (the piano roll, the bars, the
figures) is drawn by page.js from the news that `idle` sends four times a second over REMI's WebSocket.
"""

import hashlib
import json
import logging
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from remi import gui as remi

from config_bach import UserError
from gui import cards, listening, training
from gui.app import SESSION, AuthenticatedApp
from gui.melody import kept_card, tune_card
from gui.moods import MOODS
from gui.websocket import WebSocketHandler
from gui.widgets import tag
from gui.words import quoted
from music.instruments import VOICE_COLORS
from music.synth import RATE
from stream.accounts import is_guest, number_of
from stream.app import station_link
from stream.context import minutes
from stream.permalink import link_of, read_link
from stream.piece import StationPiece
from stream.player_settings import PlayedEvent, PlayerSettings
from stream.recording_views import row
from stream.station import Station
from stream.texts import COOKIE, Texts
from stream.training_views import upload_link

log = logging.getLogger("play_bach")

HERE = Path(__file__).parent
SCRIPTS = (
    "common.js",
    "roll.js",
    "page.js",
    "listening.js",
    "melody.js",
    "training.js",
    "device.js",
)
STYLES = ("page.css", "melody.css", "training.css")
UNCONNECTED = 30.0  # seconds that a page may take to open its WebSocket
MORE = (  # cards behind those that are wanted first; the screen says how many columns they have
    cards.coming,
    cards.keep,
    kept_card,
    tune_card,
    cards.together,
    listening.piece,
    cards.settings,
    cards.tests,
)
FIGURES_EVERY = 8  # pieces of news; the figures need not be fresher than 2 seconds
TRAINING_EVERY = 4
SHOWN = 30  # recordings
SETTING_TYPES = {
    "model": str,
    **dict.fromkeys(("program", *cards.OTHERS), int),
    **dict.fromkeys(("bpm", "temperature", "volume"), float),
    **listening.SETTING_TYPES,
}


class Page(AuthenticatedApp):
    """One person's page, with a station of its own."""

    def main(self) -> remi.Container:
        """Build the page. REMI calls it once for each session."""
        self._station: Station | None = None
        self._listener = _listener_of(self.session)
        self._sent = self._news_sent = 0
        self._heard = ""  # the number of the last request that was handled
        self._listed = False  # whether the page knows what was kept
        self._training = training.TrainingNews(self.context, self.user)
        self._quiet_since = time.monotonic()
        self._refusal = ""
        self._fresh = False  # nobody has chosen anything yet
        try:
            if self.asked:
                self._open(*self.asked)
            elif not self._restore():
                self._open(self.context.default_settings())
                self._fresh = True
        except UserError as error:
            self._refusal = str(error)
        return self._built(self.texts)

    def wanted(self, query: str) -> tuple[PlayerSettings, StationPiece] | None:
        """The piece that the address asks for, if it does. Raises UserError."""
        return read_link(query, self.context.models)

    def speak(self, t: Texts) -> None:
        """The page is loaded: in another language it is built anew."""
        if t is not self._t:
            self.set_root_widget(self._built(t))

    def _built(self, t: Texts) -> remi.Container:
        """All that stands on the page, from the top to the bottom."""
        self._t = t
        self._dress(t)
        if self._refusal:
            return tag("main", "", tag("p", "alone", t.sentence(self._refusal)))
        return tag(
            "main",
            "",
            cards.header(t),
            cards.stage(t),
            tag("div", "first", cards.moods(t), cards.station(self.context, t)),
            tag("div", "more", *(make(t) for make in MORE), *self._own(t), cards.guide(t)),
        )

    def _own(self, t: Texts) -> list[remi.Container]:
        """The cards that not everybody has: figures and training are not for guests, HTTP Basic cannot
        log out."""
        trains = self.context.server.training
        learning = [training.training_card(self.context, t)] if trains else []
        figures = [] if is_guest(self.user) else [*learning, cards.figures(t)]
        figures += [cards.quiz(t)] if self.context.quiz.model() else []
        return figures + ([cards.account(self.user, t)] if number_of(self.login) else [])

    def _dress(self, t: Texts) -> None:
        """Put our style and script into the head, in the place of REMI's."""
        head = self.page.children["head"]
        gone = json.dumps(t("gone"), ensure_ascii=False)  # REMI shows it, by a style
        style = "\n".join((HERE / name).read_text("utf-8") for name in STYLES)
        head.add_child("internal_css", f"<style>:root {{ --gone: {gone}; }}\n{style}</style>")
        head.add_child("icon", (HERE / "head.html").read_text("utf-8"))
        server = self.context.server
        settings = {
            "port": server.flask_port,
            "dns": server.dns,
            "sound": server.sound_url,
            "session": SESSION,
            "language": t.language,
            "cookie": COOKIE,
            "texts": t.all(),
            "moods": MOODS,
            "voices": VOICE_COLORS,
        }
        script = "\n".join((HERE / name).read_text("utf-8") for name in SCRIPTS)
        told = f'"use strict";\nconst BACH = {json.dumps(settings)};'
        head.add_child("bach", f"<script>{told}\n{script}</script>")

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
        self._listed = False
        self._training.forget()
        if self._station is not None:
            self.context.store.save_session(self.session, self._station.name, self.login)

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
                self._refuse_in_words(error)
                return
        if not self._listed:
            self._send_recordings()
        if self._sent % TRAINING_EVERY == 0:
            self._send_training()
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
            "trouble": self._t.sentence(station.trouble),
            "corpus": station.from_corpus,
            "resting": station.listeners == 0,
        }
        if self._sent % FIGURES_EVERY == 0:
            news["heard"] = (
                self._heard
            )  # before: settings that a request changes meanwhile are stale
            news["settings"] = station.settings.to_json()
            news["fresh"] = self._fresh
            news["copied"] = quoted(station.copied.notes, station.copied.piece, self._t)
            if not is_guest(self.user):
                news["figures"] = self.context.stations.figures()
            news["links"] = self._links(station)
            piece = station.piece
            news["piece"] = {"seed": piece.seed, "link": link_of(piece, station.settings)}
        self._sent += 1
        return news

    def _links(self, station: Station) -> dict[str, str]:
        """Ready before they are asked for: iPhones play only at the very touch of a button."""
        name, program = station.name, station.settings.program
        guest = is_guest(self.user)
        upload = {} if guest else {"upload": upload_link(self.context, self.user)}
        return upload | {
            "listen": station_link(self.context, "listen", station=name, name=self._listener),
            "share": station_link(self.context, "share", station=name, owner=self._listener),
            "scale": station_link(self.context, "scale", program=program),
            "tunes": station_link(self.context, "tunes", user=self.user),
            "quiz": station_link(self.context, "quiz", user=self.user),
        }

    def _send(self, function: str, what: Any) -> None:
        """Call a function of page.js. JSON in plain ASCII is also JavaScript."""
        self.execute_javascript(f"bach.{function}({json.dumps(what)})")

    # ---- from the page

    def on_request(self, **request: str) -> None:
        """Handle {'what': 'update', 'name': 'bpm', 'value': '120'}, {'what': 'keep'} and so on.

        'settings' changes several at once, {'what': 'settings', 'bpm': '60', 'program': '20'}; so does
        'remembered', which leaves out what this server does not take. 'number' counts the requests.
        """
        what, station = request.get("what"), self._station
        if station is None:
            return
        try:
            self._handle(what, station, request)
        except UserError as error:
            self._refuse_in_words(error)
        finally:
            self._heard = request.get("number", "0")

    def _handle(self, what: str | None, station: Station, request: dict[str, str]) -> None:
        if what == "update":
            self._update(station, {request.get("name", ""): request.get("value", "")})
        elif what == "settings":
            self._update(station, request)
        elif what == "remembered":
            self._remembered(station, request)
        elif what == "keep":
            self._keep(station)
        elif what in ("recordings", "rename", "delete"):
            self._change_recordings(what, request.get("name", ""), request.get("title", ""))
        elif what == "tune":  # somebody begins to write one
            threading.Thread(target=self.context.tunes.warm, daemon=True).start()
        elif what and what.startswith("train-") and not is_guest(self.user):
            self._train(request)
        elif what in ("new", "back"):
            seconds = station.new() if what == "new" else station.back()
            self._sent = 0  # a piece may bring its settings with it
            self._send("updated", {"names": [what], "seconds": round(seconds, 1)})

    def _refuse_in_words(self, error: UserError) -> None:
        self._send("say", {"text": self._t.sentence(str(error)), "bad": True})

    def _update(self, station: Station, wanted: dict[str, str]) -> None:
        """Change settings by their names; what is no setting, or no number, is left out."""
        changes = _changes(wanted)
        if not changes:
            return
        self._fresh = False
        try:
            seconds = station.update(**changes)
            self._send("updated", {"names": list(changes), "seconds": round(seconds, 1)})
        finally:
            self._sent = 0  # the settings are sent again, as they are now

    def _change_recordings(self, what: str, name: str, title: str) -> None:
        try:
            if what == "rename":
                self.context.recordings.rename(self.user, name, title)
            elif what == "delete":
                self.context.recordings.delete(self.user, name)
        finally:
            self._send_recordings()

    def _send_recordings(self) -> None:
        self._listed = True
        kept = self.context.recordings.of(self.user)
        self._send("recordings", [row(self.context, x) for x in kept[:SHOWN]])

    def _train(self, request: dict[str, str]) -> None:
        self._send("trained", training.answer(self.context, self.user, request, self._t))
        self._send_training()

    def _send_training(self) -> None:
        for function, what in self._training.news(self._t):
            self._send(function, what)

    def _remembered(self, station: Station, wanted: dict[str, str]) -> None:
        """A new session begins with what the listener's browser remembers of the one before."""
        for name, value in _changes(wanted).items():
            with suppress(UserError):  # a model may be gone
                station.update(**{name: value})
        self._fresh, self._sent = False, 0

    def _keep(self, station: Station) -> None:
        name = self.context.keep(station, self.user)
        self._send_recordings()
        recording = self.context.recording(name)
        link = station_link(self.context, "keep", recording=name)
        self._send("kept", {"link": link, "length": minutes(recording.played if recording else ())})


def _listener_of(session: int) -> str:
    """What a session is called among listeners; the same after a restart, and no way back."""
    return hashlib.blake2s(str(session).encode(), digest_size=6).hexdigest()


def _changes(wanted: dict[str, str]) -> dict[str, Any]:
    """The settings among what a page asks for, as numbers where they are numbers."""
    changes: dict[str, Any] = {}
    for name in wanted.keys() & SETTING_TYPES.keys():
        with suppress(ValueError):
            changes[name] = SETTING_TYPES[name](wanted[name])
    return changes


def _note(x: PlayedEvent) -> list[Any]:
    """What page.js is told of an event; times in seconds of the station."""
    likely = [[name, round(p, 4)] for name, p in x.predicted.likely]
    onset, seconds = round(x.onset / RATE, 3), round(x.seconds, 3)
    chosen = [x.predicted.chosen, round(x.predicted.probability, 4)]
    told = [x.number, onset, seconds, x.event.drawn, likely, chosen, x.predicted.from_corpus]
    return [*told, x.event.voices, x.predicted.key, x.predicted.cadence]
