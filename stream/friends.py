"""What friends see through a signed link: a page that plays a station, and its news.

A page of a friend asks for news once a second. However many ask, a station is looked at four times a
second at the most; each answer adds what concerns that friend alone.
"""

import secrets
import threading
import time
from typing import Any

from flask import Response, g, jsonify, render_template, request

from music.instruments import VOICE_COLORS
from music.synth import RATE
from stream.context import SoundContext
from stream.player_settings import PlayerSettings
from stream.station import Station
from stream.texts import COOKIE, LANGUAGES, Texts
from stream.titles import playing_on

FRESH = 0.25  # seconds for which the news of a station serve all friends
MOST = 96  # notes that are told; more than the roll shows
FORGET = 60.0  # seconds after which news that nobody asks for are forgotten


class News:
    """The latest news of stations. May be asked from any thread."""

    def __init__(self, context: SoundContext) -> None:
        self._context = context
        self._told: dict[tuple[str, str], tuple[float, PlayerSettings, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def of(self, station: Station, t: Texts) -> dict[str, Any]:
        """What plays on a station, in the language of `t`, and its latest notes."""
        key, now = (station.name, t.language), time.monotonic()
        with self._lock:
            when, settings, news = self._told.get(key, (-FRESH, station.settings, {}))
            if now - when >= FRESH:
                known = bool(news) and settings is station.settings and not station.title(t)
                settings = station.settings
                title = news["title"] if known else playing_on(self._context, station, t)
                news = _news(station, title, t)
                self._told[key] = (now, settings, news)
                self._forget(now - FORGET)
        return news

    def _forget(self, before: float) -> None:
        """Forget what is older; the oldest come first only by chance, so all are looked at."""
        for key in [k for k, (when, _, _) in self._told.items() if when < before]:
            del self._told[key]


def _news(station: Station, title: str, t: Texts) -> dict[str, Any]:
    played = station.news(0, MOST)
    return {
        "title": title,
        "trouble": t.sentence(station.trouble),
        "resting": station.listeners == 0,
        "composed": round(station.seconds, 3),
        "last": played[-1].number if played else 0,
        "notes": [
            [
                x.number,
                round(x.onset / RATE, 3),
                round(x.seconds, 3),
                x.event.drawn,
                x.event.voices,
                x.predicted.cadence,
            ]
            for x in played
        ],
    }


def news(told: News, station: Station, t: Texts) -> Response:
    """The news for one friend: notes after number `after`, where its sound began, the owner.

    start: seconds of the station at which this friend's sound began; null if it does not listen.
    owner: whether the one who shared the link listens now; null if the link does not say who that is.
    """
    latest = told.of(station, t)
    after = request.args.get("after", 0, type=int)
    notes = [note for note in latest["notes"] if note[0] > after]
    start, owner = station.start_of(g.claims["name"]), g.claims.get("owner")
    return jsonify(
        {
            **latest,
            "notes": notes,
            "start": None if start is None else round(start / RATE, 3),
            "owner": None if owner is None else station.start_of(owner) is not None,
        }
    )


def page(context: SoundContext, station: Station, t: Texts) -> Response:
    """The page. Its links are relative: a proxy may have put a path before ours."""
    friend = {"station": station.name, "name": secrets.token_urlsafe(6)}
    known = {"owner": g.claims["owner"]} if "owner" in g.claims else {}
    told = {
        "source": f"../listen/{context.links.sign('listen', friend)}/bach.mp3",
        "news": f"../news/{context.links.sign('news', {**friend, **known})}",
        "language": t.language,
        "cookie": COOKIE,
        "texts": t.all(),
        "voices": VOICE_COLORS,
        "live": station.live,
    }
    return document("share.html", told, t)


def document(template: str, told: dict[str, Any], t: Texts, media: str = "'self'") -> Response:
    """A page of gui/ that may load nothing but what it holds, and talk to this server alone.

    told: what its script knows as BACH. media: where its sound may come from.
    """
    nonce = secrets.token_urlsafe(16)
    response = Response(render_template(template, page=told, t=t, nonce=nonce, languages=LANGUAGES))
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; media-src {media}; connect-src 'self'; img-src data:; "
        f"style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return response
