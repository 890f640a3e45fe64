"""The audio server: a Flask app that sends the sound of stations, endlessly.

How iPhones are served. Safari asks first for `Range: bytes=0-1` and plays only what is answered
with 206 and a total length; then it asks for all of that length. So a closed range is answered as if
the stream were a file of 4 GB (three days of MP3), whose bytes happen to be composed as they are
read; where the range begins says nothing, the sound is always live. An open range from 0, which is
what Chrome and Firefox send, may be ignored by HTTP's rules, and is: told a length, they would look
for its end.
"""

import functools
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask, Response, current_app, g, jsonify, request
from werkzeug.exceptions import HTTPException

from config_bach import UserError
from music.synth import RATE
from stream import friends, openapi, quiz_views, radio, recording, recording_views, training_views
from stream.accounts import LOGIN_COOKIE, is_guest
from stream.auth import DEVICE_COOKIE, REALM
from stream.connections import client_of, is_secure
from stream.context import ServerContext, SoundContext
from stream.links import REMEMBERED
from stream.listener import Full, Listener
from stream.mp3 import Mp3
from stream.permalink import NewPiece, link_of
from stream.player_settings import PlayerSettings
from stream.recordings import WRITERS
from stream.station import Station
from stream.texts import COOKIE, Texts, texts_for

TYPES = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "mid": "audio/midi",
    "musicxml": "application/vnd.recordare.musicxml+xml",
    "svg": "image/svg+xml",
}
SIGNED = (  # links carry their own proof
    *("listen", "share", "news", "scale", "keep", "tunes", "upload", "sample"),
    *("quiz", "round", "excerpt", "guess"),
)
OPEN = ("ping", "ready")
FOR_GUESTS = ("play", "answer")  # beside those: a station of their own, and /openapi.json
TOTAL = recording.ENDLESS  # bytes that an endless sound pretends to have
PROBE = 4096  # bytes; a shorter range is a question, not a listener
RANGE = re.compile(r"bytes=(\d{1,10})-(\d{0,10})")
UNSAFE = re.compile(r'[\\/:*?"<>|]')  # what no file on every system may be called
EXPORTS = threading.Semaphore(2)  # downloads that are made at once


def create_app(context: ServerContext) -> Flask:
    """The Flask app. Everything but /ping needs the login or a signed link."""
    app = sound_app(context)
    _add(app, context, (
        ("/ready", _ready),
        ("/metrics", _metrics),
        ("/status", _status),
        ("/openapi.json", openapi.answer),
        ("/play.<kind>", _play),
        ("/scale/<token>/<filename>", _scale),
        ("/keep/<token>/<filename>", _keep),
    ))  # fmt: skip
    app.add_url_rule("/stations/<name>", "station", functools.partial(_station, context))
    app.add_url_rule(
        "/stations/<name>", "update", functools.partial(_update, context), methods=["POST"]
    )
    recording_views.register(app, context)
    training_views.register(app, context)
    quiz_views.register(app, context)
    for what in (_new, _back):
        name = what.__name__.strip("_")
        view = functools.partial(what, context)
        app.add_url_rule(f"/stations/<name>/{name}", name, view, methods=["POST"])
    return app


def sound_app(context: SoundContext) -> Flask:
    """The part that sends the sound of stations, and what friends see of them."""
    app = Flask(
        "play_bach", template_folder=str(Path(__file__).parent.parent / "gui"), static_folder=None
    )
    app.extensions["news"] = friends.News(context)
    app.config["MAX_CONTENT_LENGTH"] = 4096
    app.before_request(functools.partial(_authenticate, context))
    app.after_request(functools.partial(_add_headers, context))
    app.register_error_handler(Full, _full)
    app.register_error_handler(UserError, lambda error: _text(400, str(error)))
    app.register_error_handler(HTTPException, lambda error: _text(error.code, error.name))
    _add(app, context, (
        ("/ping", _ping),
        ("/listen/<token>", _listen),
        ("/listen/<token>/<filename>", _listen),
        ("/share/<token>", _share),
        ("/news/<token>", _news),
    ))  # fmt: skip
    return app


def _add(
    app: Flask, context: SoundContext, rules: Iterable[tuple[str, Callable[..., Response]]]
) -> None:
    """Let views, each of which is given the context, answer paths."""
    for rule, view in rules:
        name = view.__name__.strip("_")
        if name not in app.view_functions:
            app.view_functions[name] = functools.partial(view, context)
        app.add_url_rule(rule, name)


def _authenticate(context: SoundContext) -> Response | None:
    """Check login or link; runs before everything, also before 'not found'."""
    if request.endpoint in OPEN:
        return None
    if request.endpoint in SIGNED:
        token = (request.view_args or {}).get("token", "")
        g.claims = context.links.read(request.endpoint or "", token)
        return _text(403, "this link is too old, or not ours.") if g.claims is None else None
    server, peer = context.server, request.remote_addr or ""
    forwarded = ",".join(request.headers.getlist("X-Forwarded-For"))
    verdict = context.authenticator.check(
        request.headers.get("Authorization"),
        client_of(peer, forwarded, server.proxies),
        request.cookies.get(DEVICE_COOKIE, ""),
        request.cookies.get(LOGIN_COOKIE, ""),
    )
    if verdict.accepted:
        g.user, g.device = verdict.user, verdict.device
        if is_guest(g.user) and request.endpoint not in FOR_GUESTS:
            return _text(403, "guests have a station, and nothing else here.")
        return None
    if verdict.wait:
        refusal = _text(429, f"too many wrong passwords; wait {verdict.wait:.0f} s.")
        refusal.headers["Retry-After"] = str(int(verdict.wait) + 1)
        return refusal
    refusal = _text(401, "log in, please.")
    refusal.headers["WWW-Authenticate"] = REALM
    return refusal


def _add_headers(context: SoundContext, response: Response) -> Response:
    """Headers of every answer. What needs no login may be asked for by any page."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    if g.get("device"):
        peer, scheme = request.remote_addr or "", request.headers.get("X-Forwarded-Proto", "")
        secure = is_secure(request.is_secure, peer, scheme, context.server.proxies)
        response.set_cookie(
            DEVICE_COOKIE, g.device, REMEMBERED, secure=secure, httponly=True, samesite="Strict"
        )
    if request.endpoint in (*SIGNED, *OPEN):
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type"  # of what is uploaded
    return response


def _texts() -> Texts:
    """The texts in the language of who asks; programs, which name none, are told in English."""
    return texts_for(request.cookies.get(COOKIE, ""), request.headers.get("Accept-Language"))


def _text(status: int | None, text: str) -> Response:
    return Response(_texts().sentence(text) + "\n", status or 500, mimetype="text/plain")


def _full(error: Full) -> Response:
    response = _text(503, str(error))
    response.headers["Retry-After"] = "30"
    return response


def _ping(context: SoundContext) -> Response:
    return jsonify(ping="pong")


def _ready(context: ServerContext) -> Response:
    """Whether somebody who presses Play now would hear music; 503 with the reason if not."""
    try:
        model = context.default_settings().model
    except UserError as error:
        return _text(503, str(error))
    if not context.stations.workers.has_room(model):
        return _full(Full("this machine has no room for one more station; try again later."))
    return _text(200, "ready")


def _metrics(context: ServerContext) -> Response:
    """The figures of /status in the text format of Prometheus."""
    lines = [f"play_bach_{name} {value}" for name, value in context.stations.figures().items()]
    return Response("\n".join(lines) + "\n", mimetype="text/plain; version=0.0.4")


def _status(context: ServerContext) -> Response:
    return jsonify(context.stations.figures())


def _station(context: ServerContext, name: str) -> Response:
    """How a station is: its settings, its listeners, and a link by which others hear it too."""
    station = context.stations.get(name)
    if station is None:
        return _text(404, "there is no such station.")
    return jsonify(
        settings=station.settings.to_json(),
        listeners=station.listeners,
        underruns=station.underruns,
        trouble=station.trouble,
        heard_in=round(station.lead, 2),
        listen=station_link(context, "listen", station=name),
        piece={"seed": station.piece.seed, "link": link_of(station.piece, station.settings)},
    )


def _update(context: ServerContext, name: str) -> Response:
    """Change the settings of a station: POST {"bpm": 120}."""
    station = context.stations.get(name)
    if station is None:
        return _text(404, "there is no such station.")
    changes = _body()
    known = [item.name for item in fields(PlayerSettings)]
    if not isinstance(changes, dict) or not set(changes) <= set(known):
        return _text(400, f"there are {', '.join(known)} to change, as JSON.")
    return jsonify(heard_in=round(station.update(**changes), 2))


def _new(context: ServerContext, name: str) -> Response:
    """Begin a new piece: POST {} or {"seed": 7}."""
    station = context.stations.get(name)
    if station is None:
        return _text(404, "there is no such station.")
    asked = _body()
    if not isinstance(asked, dict) or not set(asked) <= {"seed"}:
        return _text(400, "there is a seed to give, as JSON, or {}.")
    return jsonify(heard_in=round(station.new(NewPiece(**asked).seed), 2), seed=station.seed)


def _back(context: ServerContext, name: str) -> Response:
    """Begin the present piece again, or the one before if it is younger than 3 s: POST {}."""
    station = context.stations.get(name)
    if station is None:
        return _text(404, "there is no such station.")
    if _body() != {}:
        return _text(400, "there is nothing to give but {}, as JSON.")
    return jsonify(heard_in=round(station.back(), 2), seed=station.seed)


def _body() -> Any:
    """The JSON of a request; None for what cannot be read. A foreign page cannot post JSON."""
    try:
        return request.get_json()
    except RecursionError:
        return None


def _play(context: ServerContext, kind: str) -> Response:
    """A station just for this listener, for players that can log in but show no page."""
    if kind not in ("wav", "mp3"):
        return _text(404, "there are /play.mp3 and /play.wav.")
    if request.method == "HEAD":
        return Response(mimetype=TYPES[kind])
    return _sound(context, context.stations.open(context.default_settings(), brief=True), kind, "")


def _listen(context: SoundContext, token: str, filename: str = "") -> Response:
    station = context.stations.get(g.claims["station"])
    if station is None:
        return _text(410, "this station has ended.")
    if (kind := filename.rpartition(".")[2]) in radio.PLAYLISTS:
        return radio.playlist(context, station, token, kind)
    return _sound(context, station, _kind(filename), g.claims.get("name", ""))


def _kind(filename: str) -> str:
    """The format that the link names or, if it names none, that the browser accepts."""
    if filename:
        return "wav" if filename.endswith(".wav") else "mp3"
    best = request.accept_mimetypes.best_match(["audio/mpeg", "audio/wav"], "audio/mpeg")
    return "wav" if best == "audio/wav" else "mp3"


def _sound(context: SoundContext, station: Station, kind: str, name: str) -> Response:
    """Join a station and send what it plays, until one of the two ends it."""
    asked = RANGE.fullmatch(request.headers.get("Range", ""))
    first, last = (int(asked[1]), int(asked[2] or TOTAL - 1)) if asked else (0, TOTAL - 1)
    if first > last or first >= TOTAL:
        return _text(416, "there is no such part of the sound.")
    headers = {"Content-Type": TYPES[kind], "X-Station": station.name}
    if asked and (first > 0 or asked[2]):
        last = min(last, TOTAL - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{TOTAL}"
        headers["Content-Length"] = str(last - first + 1)
        headers["Accept-Ranges"] = "bytes"
    status = 206 if "Content-Range" in headers else 200
    titles = kind == "mp3" and status == 200 and radio.wants_titles()
    headers |= radio.icy_headers(context, station) if titles else {}
    if last - first < PROBE:
        context.stations.admit(station)  # else a full server would look like one that plays
        return Response(
            _beginning(kind)[first : last + 1].ljust(last - first + 1, b"\0"), status, headers
        )
    if request.method == "HEAD":
        return Response(status=status, headers=headers)
    listener = context.stations.join(station, kind, name)
    pieces = _pieces(listener, first)
    sound = radio.with_titles(context, station, pieces) if titles else pieces
    response = Response(sound, status, headers)
    response.call_on_close(lambda: station.leave(listener))
    return response


def _pieces(listener: Listener, first: int) -> Iterator[bytes]:
    """The bytes of a sound from the `first` on; a WAV that begins in its middle is kept in step."""
    if listener.kind == "wav":
        header = recording.wav_header()
        yield header[first:] if first < len(header) else bytes((len(header) - first) % 4)
    yield from listener


@functools.cache
def _beginning(kind: str) -> bytes:
    """How every sound of that format begins, for those who only want to know what it is."""
    if kind == "wav":
        return recording.wav_header()
    return Mp3(128).encode(np.zeros((RATE // 4, 2), np.int16))


def _share(context: SoundContext, token: str) -> Response:
    """A page for friends: they hear what the one who shared it hears."""
    station = context.stations.get(g.claims["station"])
    if station is None:
        return _text(410, "this station has ended.")
    return friends.page(context, station, _texts())


def _news(context: SoundContext, token: str) -> Response:
    """News for a page of a friend."""
    station = context.stations.get(g.claims["station"])
    if station is None:
        return _text(410, "this station has ended.")
    return friends.news(current_app.extensions["news"], station, _texts())


def _scale(context: ServerContext, token: str, filename: str) -> Response:
    """The audio test: a short scale through synth, encoder and network."""
    kind = _kind(filename)
    return Response(recording.scale(int(g.claims["program"]), kind), mimetype=TYPES[kind])


def _keep(context: ServerContext, token: str, filename: str) -> Response:
    """A file of what was kept; players ask for it part by part."""
    name, kind = g.claims["recording"], filename.rpartition(".")[2]
    if kind not in WRITERS:
        return _text(404, "there are .mid, .musicxml, .svg, .mp3 and .wav.")
    kept = context.recording(name)
    with EXPORTS:
        content = context.recordings.file(name, kind) if kept else None
    if kept is None or content is None:
        return _text(410, "this is no longer kept; keep it again.")
    response = Response(content, mimetype=TYPES[kind])
    filename = UNSAFE.sub("_", f"{kept.name}.{kind}")
    how = "inline" if kind == "svg" else "attachment"
    response.headers.set("Content-Disposition", how, filename=filename)
    response.make_conditional(request, accept_ranges=True, complete_length=len(content))
    return response


def station_link(context: SoundContext, purpose: str, **what: Any) -> str:
    """A signed path of this server, such as '/listen/...' for a station and a listener's name."""
    return f"/{purpose}/{context.links.sign(purpose, what)}"
