"""The requests of 'Bach or not?': the page, a round, its excerpts, the answers."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import msgspec
from flask import Flask, Response, abort, g, jsonify, request
from msgspec import Meta

from config_bach import UserError
from stream.context import ServerContext
from stream.friends import document
from stream.quiz import EXCERPTS
from stream.texts import COOKIE, texts_for
from stream.titles import work_of


class Guess(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody says of an excerpt, counted from 1."""

    number: Annotated[int, Meta(ge=1, le=EXCERPTS)]
    bach: bool


def register(app: Flask, context: ServerContext) -> None:
    """Give the app these requests."""
    rules: tuple[tuple[str, str, str, Callable[..., Response]], ...] = (
        ("GET", "/quiz/<token>", "quiz", _page),
        ("POST", "/round/<token>", "round", _begin),
        ("GET", "/excerpt/<token>/<filename>", "excerpt", _excerpt),
        ("POST", "/guess/<token>", "guess", _guess),
    )

    def bound(view: Callable[..., Response]) -> Callable[..., Response]:
        return lambda **values: view(context, **values)

    for method, rule, name, view in rules:
        app.add_url_rule(rule, name, bound(view), methods=[method])


def _page(context: ServerContext, token: str) -> Response:
    """The page. Its links are relative: a proxy may have put a path before ours."""
    t = texts_for(request.cookies.get(COOKIE, ""), request.headers.get("Accept-Language"))
    told = {
        "round": f"../round/{context.links.sign('round', g.claims)}",
        "language": t.language,
        "cookie": COOKIE,
        "texts": t.all(),
    }
    return document("quiz.html", told, t, media="blob:")


def _begin(context: ServerContext, token: str) -> Response:
    """A new round: how many excerpts, and the links to hear and to answer them."""
    name = context.quiz.begin(str(g.claims["user"]))
    links = context.links
    return jsonify(
        excerpts=EXCERPTS,
        sound=f"../excerpt/{links.sign('excerpt', name)}/",
        guess=f"../guess/{links.sign('guess', name)}",
    )


def _excerpt(context: ServerContext, token: str, filename: str) -> Response:
    """An excerpt: '3.mp3'."""
    number, _, kind = filename.rpartition(".")
    if kind != "mp3" or not number.isascii() or not number.isdigit() or len(number) > 2:
        abort(404)
    if (content := context.quiz.sound(g.claims, int(number))) is None:
        abort(410)
    response = Response(content, mimetype="audio/mpeg")
    response.make_conditional(request, accept_ranges=True, complete_length=len(content))
    return response


def _guess(context: ServerContext, token: str) -> Response:
    """Whether it is Bach: POST {"number": 3, "bach": true}; what is right, and the score."""
    if request.mimetype != "application/json":
        abort(415)
    try:
        guess = msgspec.json.decode(request.get_data(), type=Guess)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UserError(f"this answer is not understood ({error}).") from error
    if (answer := context.quiz.answer(g.claims, guess.number, guess.bach)) is None:
        abort(410)
    return jsonify({**asdict(answer), "piece": work_of(answer.piece)})
