"""The HTTP interface as OpenAPI 3.1, made from the settings that the server checks."""

from dataclasses import Field, fields
from typing import Any, cast

import msgspec
from flask import Response, jsonify

from stream import quiz_schemas, radio, training_schemas
from stream.accounts import LOGIN_COOKIE
from stream.context import ServerContext
from stream.piece import LARGEST_SEED
from stream.player_settings import PlayerSettings
from stream.recording_views import UPLOADS
from stream.recordings import LONGEST_TITLE
from stream.training import TrainingRequest
from stream.training_views import SAMPLES
from stream.tunes import Tapped

Json = dict[str, Any]

JSON_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}
SETTINGS_HELP = {"model": "a model of models/; NAME:int8 is one of its variants"}
FIGURES: dict[str, tuple[type, str]] = {
    "listeners": (int, "who listen now"),
    "stations": (int, "that are listened to now"),
    "underruns": (int, "blocks of sound that were composed too late"),
    "dropped": (int, "listeners who lagged too far behind"),
    "restarts": (int, "of composers that failed or were stuck"),
    "composed_per_cpu_second": (float, "seconds of sound"),
    "ms_per_note": (float, "to compose a note"),
    "load": (float, "share of their time that the predict threads work"),
    "uptime": (int, "seconds"),
}
STATION: Json = {
    "settings": {"$ref": "#/components/schemas/Settings"},
    "listeners": {"type": "integer"},
    "underruns": {"type": "integer"},
    "trouble": {"type": "string", "description": "what is wrong, for people; empty: nothing"},
    "heard_in": {"type": "number", "description": "seconds until a changed setting is heard"},
    "listen": {"type": "string", "description": "the path of a signed link to the sound"},
    "piece": {"$ref": "#/components/schemas/Piece"},
}
SEED: Json = {"type": "integer", "minimum": 0, "maximum": LARGEST_SEED}
PIECE: Json = {
    "seed": SEED,
    "link": {"type": "string", "description": "the path on the control page that plays it again"},
}
LINKS = {
    "type": "object",
    "description": "signed paths by kind of file: mid, musicxml, svg, mp3, wav",
}
RECORDING: Json = {
    "name": {"type": "string"},
    "title": {"type": "string"},
    "made": {"type": "number", "description": "seconds since 1970"},
    "seconds": {"type": "number", "description": "how long it is"},
    "model": {"type": "string"},
    "links": LINKS,
}
ANSWERED: Json = {
    **{key: told for key, told in RECORDING.items() if key != "made"},
    "play": {"type": "string", "description": "the path of the MP3 file"},
    "events": {
        "type": "array",
        "items": {"type": "array"},
        "description": "onset and length in seconds, MIDI pitches, those of four voices (-1: silent), "
        "the chord where a phrase ends on it",
    },
}
OTHERS = {
    206: "the part of the sound that was asked for by Range",
    400: "not understood, or out of range; the text says what",
    401: "log in",
    403: "the link is too old, or not of this server; or guests may not see this",
    404: "there is no such thing",
    410: "it has ended, or is no longer kept",
    413: "more than is taken",
    415: "the body must be application/json, or what is said here",
    416: "there is no such part of the sound",
    429: "too many wrong passwords; Retry-After says how long to wait",
    503: "no room, or nothing to play; the text says what",
}
TOKEN: Json = {
    "name": "token",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "what the server has signed for this purpose",
}
AFTER: Json = {
    "name": "after",
    "in": "query",
    "schema": {"type": "integer", "default": 0},
    "description": "the number of the latest note that is known",
}
NEWS: Json = {
    "title": {"type": "string", "description": "what plays, in the language of Accept-Language"},
    "trouble": STATION["trouble"],
    "resting": {"type": "boolean", "description": "whether nobody listens"},
    "composed": {"type": "number", "description": "seconds of sound"},
    "last": {"type": "integer", "description": "the number of the latest note"},
    "notes": {
        "type": "array",
        "items": {"type": "array"},
        "description": "[number, onset in seconds, seconds, MIDI pitches, those of four voices (-1: "
        "silent), the chord where a phrase ends on it]",
    },
    "start": {"type": ["number", "null"], "description": "the second at which this friend began"},
    "owner": {"type": ["boolean", "null"], "description": "whether who shared it listens"},
}
TEXT: Json = {"text/plain": {"schema": {"type": "string"}}}


def _kinds(*media_types: str) -> Json:
    """Answers whose form a schema cannot tell."""
    return {kind: {} for kind in media_types}


SOUND = _kinds("audio/mpeg", "audio/wav")
FILES = _kinds("audio/midi", "application/vnd.recordare.musicxml+xml", "image/svg+xml") | SOUND
PLAYLISTS = _kinds(*radio.PLAYLISTS.values())


def answer(context: ServerContext) -> Response:
    """The description, as JSON."""
    return jsonify(document())


def document() -> Json:
    """The OpenAPI 3.1 document of the audio server."""
    settings = {item.name: _setting(item) for item in fields(PlayerSettings)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Play Bach",
            "version": "1",
            "description": "Stations that compose while you listen. Errors are a line of plain text.",
        },
        "servers": [{"url": "/"}],
        "security": [{"login": []}, {"cookie": []}],  # either of them
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "login": {"type": "http", "scheme": "basic"},
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": LOGIN_COOKIE,
                    "description": "set by the login form of the control page, also for guests",
                },
            },
            "schemas": {
                "Settings": _object(settings),
                "Changes": {**_object(settings), "required": []},
                "Station": _object(STATION),
                "Figures": _object({k: _figure(*told) for k, told in FIGURES.items()}),
                "News": _object(NEWS),
                "Ping": _object({"ping": {"const": "pong"}}),
                "Changed": _object({"heard_in": STATION["heard_in"]}),
                "Recording": _object(RECORDING),
                "Recordings": {"type": "array", "items": _object(RECORDING)},
                "Renamed": _object({"title": {"type": "string", "maxLength": LONGEST_TITLE}}),
                "Deleted": _object({"deleted": {"type": "string"}}),
                "Answered": _object(ANSWERED),
                **_tune_schemas(),
                **_training_schemas(),
                **quiz_schemas.told(_object),
                "Piece": _object(PIECE),
                "NewPiece": {**_object({"seed": SEED}), "required": []},
                "Nothing": _object({}),
                "Begun": _object({"heard_in": STATION["heard_in"], "seed": SEED}),
            },
        },
    }


def _tune_schemas() -> Json:
    """The form of a tune, as the server checks it."""
    _, found = msgspec.json.schema_components([Tapped], ref_template="#/components/schemas/{name}")
    return dict(found)


def _training_schemas() -> Json:
    """What can be asked for, as the server checks it, and what is told of it."""
    template = "#/components/schemas/{name}"
    _, found = msgspec.json.schema_components([TrainingRequest], ref_template=template)
    return {**found, **training_schemas.told(_object)}


def _setting(item: Field[Any]) -> Json:
    checked = item.metadata
    told = checked.get("help", SETTINGS_HELP.get(item.name, ""))
    schema: Json = {"type": JSON_TYPES[cast(type, item.type)], "description": told}
    if "low" in checked:
        schema |= {"minimum": checked["low"], "maximum": checked["high"]}
    return schema


def _paths() -> Json:
    name = _parameter("name", "of a station, as X-Station said with its sound")
    part = _parameter("filename", "any name; what it ends with is the format")
    kind = _parameter("kind", "the format", "mp3", "wav")
    kept = _parameter("name", "of a recording")
    tune = {
        "parameters": [_query("way", "of a file", "harmonise", "continue"), _query("model", "")],
        "requestBody": {"required": True, "content": _json("Tapped") | _kinds(*UPLOADS)},
    }
    wrong = (400, 413, 415, 503)
    return {
        "/ping": {"get": _open("Whether the server answers", _json("Ping"))},
        "/ready": {"get": _open("Whether a new listener would hear music", TEXT, 503)},
        "/status": {"get": _login("The figures of the server", _json("Figures"), 403)},
        "/metrics": {"get": _login("The same for Prometheus", TEXT, 403)},
        "/openapi.json": {"get": _login("This description", _kinds("application/json"))},
        "/play.{kind}": {
            "parameters": [kind],
            "get": _login("A new station for this listener alone", SOUND, 206, 404, 416, 503),
        },
        "/stations/{name}": {
            "parameters": [name],
            "get": _login("How a station is, and a link to it", _json("Station"), 403, 404),
            "post": _login("Change its settings", _json("Changed"), 400, 403, 404, 415)
            | {"requestBody": {"required": True, "content": _json("Changes")}},
        },
        "/stations/{name}/new": {
            "parameters": [name],
            "post": _login("Begin a new piece", _json("Begun"), 400, 404, 415)
            | {"requestBody": {"required": True, "content": _json("NewPiece")}},
        },
        "/stations/{name}/back": {
            "parameters": [name],
            "post": _login(
                "Begin the piece again, or the one before if it has just begun",
                _json("Begun"),
                *(400, 404, 415),
            )
            | {"requestBody": {"required": True, "content": _json("Nothing")}},
        },
        "/listen/{token}": {
            "parameters": [TOKEN],
            "get": _open("A station, in the format of Accept", SOUND, 206, 403, 410, 416, 503),
        },
        "/listen/{token}/{filename}": {
            "parameters": [TOKEN, part],
            "get": _open(
                "A station (.mp3, .wav), or a playlist with its address (.m3u, .pls)",
                SOUND | PLAYLISTS,
                *(206, 400, 403, 410, 416, 503),
            ),
        },
        "/share/{token}": {
            "parameters": [TOKEN],
            "get": _open("A page that plays a station", _kinds("text/html"), 403, 410),
        },
        "/news/{token}": {
            "parameters": [TOKEN, AFTER],
            "get": _open(
                "What plays on a station, for a page of a friend", _json("News"), 403, 410
            ),
        },
        "/scale/{token}/{filename}": {
            "parameters": [TOKEN, part],
            "get": _open("A short scale, to test the sound (.mp3, .wav)", SOUND, 403),
        },
        "/keep/{token}/{filename}": {
            "parameters": [TOKEN, part],
            "get": _open(
                "What was kept (.mid, .musicxml, .svg, .mp3, .wav)",
                FILES,
                *(206, 400, 403, 404, 410, 416),
            ),
        },
        "/tunes": {
            "post": _login("A tune, harmonised or continued", _json("Answered"), *wrong) | tune
        },
        "/tunes/{token}": {
            "parameters": [TOKEN],
            "post": _open("The same by a signed link", _json("Answered"), 403, *wrong) | tune,
        },
        "/recordings": {"get": _login("What was kept, the newest first", _json("Recordings"))},
        "/recordings/{name}": {
            "parameters": [kept],
            "post": _login("Give it another title", _json("Renamed"), 400, 404, 415)
            | {"requestBody": {"required": True, "content": _json("Renamed")}},
            "delete": _login("Delete it", _json("Deleted"), 404),
        },
        **_training_paths(),
        **_quiz_paths(),
    }


def _quiz_paths() -> Json:
    part = _parameter("filename", "the number of the excerpt, counted from 1: 1.mp3, 2.mp3")
    guess = {"required": True, "content": _json("Guess")}
    return {
        "/quiz/{token}": {
            "parameters": [TOKEN],
            "get": _open("The page 'Bach or not?'", _kinds("text/html"), 403),
        },
        "/round/{token}": {
            "parameters": [TOKEN],
            "post": _open("Begin a round of excerpts", _json("Round"), 400, 403, 503),
        },
        "/excerpt/{token}/{filename}": {
            "parameters": [TOKEN, part],
            "get": _open(
                "An excerpt: the one to be answered, or the next",
                _kinds("audio/mpeg"),
                *(206, 400, 403, 404, 410, 416, 503),
            ),
        },
        "/guess/{token}": {
            "parameters": [TOKEN],
            "post": _open("Say whether it is Bach", _json("Guessed"), 400, 403, 410, 413, 415)
            | {"requestBody": guess},
        },
    }


def _training_paths() -> Json:
    state, nothing = _json("TrainingState"), {"required": True, "content": _json("Nothing")}
    name = _query("name", "of the file: a score, or a .zip with scores") | {"required": True}
    body = {"required": True, "content": _kinds("application/octet-stream")}
    upload = {"requestBody": body}
    told = "any name; what it ends with is the format (.mp3, .mid)"
    number = _parameter("filename", "the number of an epoch, and the format: 3.mp3, 3.mid")
    kinds = _kinds(*SAMPLES.values())
    wanted = _query("model_type", "as which the files are to be read")
    return {
        "/training": {
            "get": _login("Your files and your training", state, 400, 403)
            | {"parameters": [wanted]},
            "post": _login("Train a model with them", state, 400, 403, 413, 415)
            | {"requestBody": {"required": True, "content": _json("TrainingRequest")}},
        },
        "/training/stop": {
            "post": _login("Stop it, and keep what was learned", state, 400, 403, 415)
            | {"requestBody": nothing}
        },
        "/training/resume": {
            "post": _login("Go on with it", state, 400, 403, 415) | {"requestBody": nothing}
        },
        "/training/files": {
            "post": _login("Send a file", _json("Received"), 400, 403, 413, 503)
            | upload
            | {"parameters": [name]},
            "delete": _login("Delete what you have sent", state, 403),
        },
        "/training/samples/{filename}": {
            "parameters": [number],
            "get": _login("What it composed after an epoch", kinds, 206, 403, 404, 416),
        },
        "/upload/{token}": {
            "parameters": [TOKEN, name],
            "post": _open("The same as /training/files", _json("Received"), 400, 403, 413, 503)
            | upload,
        },
        "/sample/{token}/{filename}": {
            "parameters": [TOKEN, _parameter("filename", told)],
            "get": _open("The same by a signed link", kinds, 206, 403, 404, 416),
        },
    }


def _login(summary: str, content: Json, *others: int) -> Json:
    """An operation that needs the login."""
    told = _open(summary, content, *sorted({*others, 401, 429}))
    del told["security"]
    return told


def _open(summary: str, content: Json, *others: int) -> Json:
    """An operation for everybody, or whose link is proof enough. others: what may come but 200."""
    answers = {"200": {"description": "as asked", "content": content}}
    for status in others:
        form = content if status < 300 else TEXT
        answers[str(status)] = {"description": OTHERS[status], "content": form}
    return {"summary": summary, "responses": answers, "security": []}


def _json(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _parameter(name: str, told: str, *choices: str) -> Json:
    form: Json = {"type": "string", **({"enum": list(choices)} if choices else {})}
    return {"name": name, "in": "path", "required": True, "schema": form, "description": told}


def _query(name: str, told: str, *choices: str) -> Json:
    """A parameter of the query, which may be left out."""
    return _parameter(name, told, *choices) | {"in": "query", "required": False}


def _figure(kind: type, description: str) -> Json:
    return {"type": JSON_TYPES[kind], "description": description}


def _object(properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
