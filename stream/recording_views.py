"""The requests about recordings: what somebody kept, and tunes of their own that models answer."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from flask import Flask, Response, abort, g, jsonify, request

from config_bach import UserError
from music.cadences import cadence_names
from music.events import notes_from_events
from music.keys import key_or_best
from stream.context import ServerContext
from stream.recordings import WRITERS, checked, dated
from stream.store import Kept
from stream.tunes import LARGEST_TUNE, TuneRequest, tapped, tune_request

UPLOADS = (
    "audio/midi",
    "audio/mid",
    "audio/x-midi",
    "application/vnd.recordare.musicxml",
    "application/vnd.recordare.musicxml+xml",
    "application/octet-stream",
)
SEEN = 2000  # events of an answer that the page draws
TITLES = {"harmonise": "Tune, harmonised", "continue": "Tune, continued"}


def register(app: Flask, context: ServerContext) -> None:
    """Give the app these requests."""
    rules: tuple[tuple[str, str, str, Callable[..., Response]], ...] = (
        ("POST", "/tunes", "compose", _tunes),
        ("POST", "/tunes/<token>", "tunes", _tunes),
        ("GET", "/recordings", "recordings", _list),
        ("POST", "/recordings/<name>", "rename", _rename),
        ("DELETE", "/recordings/<name>", "delete", _delete),
    )

    def bound(view: Callable[..., Response]) -> Callable[..., Response]:
        return lambda **values: view(context, **values)

    for method, rule, name, view in rules:
        app.add_url_rule(rule, name, bound(view), methods=[method])


def owner_of(context: ServerContext) -> str:
    """Whose recordings a request is about."""
    claimed = g.get("claims") or {}
    return str(claimed.get("user") or g.get("user") or context.server.user)


def links_of(context: ServerContext, name: str) -> dict[str, str]:
    """The signed paths of the files of a recording, by kind."""
    token = context.links.sign("keep", {"recording": name})
    return {kind: f"/keep/{token}/bach.{kind}" for kind in WRITERS}


def row(context: ServerContext, kept: Kept) -> dict[str, Any]:
    """A recording, as the list of them and the page show it. made: seconds since 1970."""
    return {
        "name": kept.name,
        "title": kept.title,
        "made": round(kept.made, 3),
        "seconds": round(kept.seconds, 2),
        "model": kept.model,
        "links": links_of(context, kept.name),
    }


def _list(context: ServerContext) -> Response:
    return jsonify([row(context, kept) for kept in context.recordings.of(owner_of(context))])


def _rename(context: ServerContext, name: str) -> Response:
    """Another title: POST {"title": "..."}."""
    asked = request.get_json()
    title = asked.get("title") if isinstance(asked, dict) and len(asked) == 1 else None
    if not isinstance(title, str):
        raise UserError("there is a title to change, as JSON.")
    if not context.recordings.rename(owner_of(context), name, title):
        abort(404)
    return jsonify(title=checked(title))


def _delete(context: ServerContext, name: str) -> Response:
    if not context.recordings.delete(owner_of(context), name):
        abort(404)
    return jsonify(deleted=name)


def _tunes(context: ServerContext, token: str = "") -> Response:
    """A tune as JSON or as a file: compose around it, and keep what came of it."""
    request.max_content_length = LARGEST_TUNE
    body = request.get_data()
    request.environ.get("play_bach.read", lambda: None)()
    if request.mimetype == "application/json":
        wanted: TuneRequest = tapped(body)
        file = b""
    elif request.mimetype in UPLOADS:
        wanted, file = tune_request(request.args.to_dict()), body
        if not file:
            raise UserError("there is no file in this request; send one.")
    else:
        abort(415)
    title = checked(wanted.title) if wanted.title.strip() else dated(TITLES[wanted.way])
    played = context.tunes.compose(wanted, file)
    name = context.recordings.add(played, owner_of(context), title)
    links = links_of(context, name)
    return jsonify(
        name=name,
        title=title,
        seconds=round(sum(x.seconds for x in played), 2),
        model=played[-1].settings.model,
        links=links,
        play=links["mp3"],
        events=_events(played),
    )


def _events(played: Any) -> list[list[Any]]:
    """What the page draws: onset and length in seconds, MIDI pitches, those of the voices, chords where
    phrases end."""
    found, now, quarters = [], 0.0, Fraction(0)
    events = [x.event for x in played[:SEEN]]
    names = cadence_names(events, key_or_best("", notes_from_events(events)))
    for x in played[:SEEN]:
        timed = (round(now, 3), round(x.seconds, 3))
        found.append([*timed, x.event.drawn, x.event.voices, names.get(quarters, "")])
        now += x.seconds
        quarters += x.event.duration
    return found
