"""The requests about training from the page: files up, a table and a curve back, samples to hear."""

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, g, jsonify, request

from config_bach import UserError
from music.events import from_json
from music.synth import RATE
from stream import recording
from stream.accounts import is_guest
from stream.context import ServerContext
from stream.listener import Full
from stream.player_settings import PlayedEvent, PlayerSettings, range_of
from stream.source import StreamEvent
from stream.training import training_request
from workflows import progress
from workflows.progress import Sample

UPLOADS_AT_ONCE = threading.Semaphore(4)
RENDERED_AT_ONCE = threading.Semaphore(2)
SAMPLES = {"mp3": "audio/mpeg", "mid": "audio/midi"}


def register(app: Flask, context: ServerContext) -> None:
    """Give the app these requests."""
    rules: tuple[tuple[str, str, str, Callable[..., Response]], ...] = (
        ("GET", "/training", "training", _state),
        ("POST", "/training", "train", _start),
        ("POST", "/training/stop", "train_stop", _stop),
        ("POST", "/training/resume", "train_resume", _resume),
        ("POST", "/training/files", "train_files", _upload),
        ("DELETE", "/training/files", "train_remove", _remove),
        ("GET", "/training/samples/<filename>", "train_sample", _own_sample),
        ("POST", "/upload/<token>", "upload", _upload),
        ("GET", "/sample/<token>/<filename>", "sample", _sample),
    )

    def bound(view: Callable[..., Response]) -> Callable[..., Response]:
        return lambda **values: view(context, **values)

    for method, rule, name, view in rules:
        app.add_url_rule(rule, name, bound(view), methods=[method])


def _user_of(context: ServerContext) -> str:
    """Who asks: a user, no guest, who may still log in."""
    user = str((g.get("claims") or {}).get("user") or g.get("user") or "")
    if is_guest(user) or user not in context.server.passwords:
        abort(403)
    return user


def upload_link(context: ServerContext, user: str) -> str:
    """The signed path to which the page of a user sends files."""
    return f"/upload/{context.links.sign('upload', {'user': user})}"


def with_links(context: ServerContext, user: str, state: dict[str, Any]) -> dict[str, Any]:
    """What a user is told of a training, with the signed paths of its samples."""
    training = state["training"]
    if training is None:
        return state

    def link(epoch: int) -> str:
        claims = {"user": user, "app": training["app"], "epoch": epoch}
        return f"/sample/{context.links.sign('sample', claims)}"

    samples = [{"epoch": e, "link": link(e)} for e in training["samples"]]
    return state | {"training": training | {"samples": samples}}


def _state(context: ServerContext) -> Response:
    user = _user_of(context)
    wanted = request.args.get("model_type", "")
    if wanted:
        if not wanted.isdecimal() or int(wanted) not in context.trainings.types():
            raise UserError("there is no such model type; see -h.")
        context.trainings.want(user, int(wanted))
    return jsonify(with_links(context, user, context.trainings.state(user)))


def _start(context: ServerContext) -> Response:
    user = _user_of(context)
    if not request.is_json:
        abort(415)
    context.trainings.start(user, training_request(request.get_data()))
    return _state(context)


def _stop(context: ServerContext) -> Response:
    """End it and keep what was learned: POST {}."""
    user = _user_of(context)
    _check_empty()
    context.trainings.stop(user)
    return _state(context)


def _resume(context: ServerContext) -> Response:
    """Go on with the last one: POST {}."""
    user = _user_of(context)
    _check_empty()
    context.trainings.resume(user)
    return _state(context)


def _check_empty() -> None:
    if request.get_json() != {}:
        raise UserError("there is nothing to give but {}, as JSON.")


def _upload(context: ServerContext, token: str = "") -> Response:
    """Take a score, or a zip file with scores, piece by piece."""
    user = _user_of(context)
    if context.trainings.refusal:
        raise UserError(context.trainings.refusal)
    request.max_content_length = context.server.training_mb * 2**20
    if (request.content_length or 0) > request.max_content_length:
        abort(413)
    if not UPLOADS_AT_ONCE.acquire(blocking=False):
        raise Full("too many files are being sent; try again later.")
    try:
        request.environ.get("play_bach.read", lambda: None)()  # it may take longer than others
        name = request.args.get("name", "")
        received = context.trainings.uploads.receive(user, name, request.stream)
    finally:
        UPLOADS_AT_ONCE.release()
    return jsonify(scores=received.scores, others=received.others)


def _remove(context: ServerContext) -> Response:
    user = _user_of(context)
    context.trainings.remove(user)
    return _state(context)


def _own_sample(context: ServerContext, filename: str) -> Response:
    """/training/samples/3.mp3: what the last training composed after epoch 3."""
    user, (number, _, kind) = _user_of(context), filename.partition(".")
    job = context.trainings.job(user)
    if job is None or not number.isdecimal() or len(number) > 6:
        abort(404)
    return _answer(context, user, job.app, int(number), kind)


def _sample(context: ServerContext, token: str, filename: str) -> Response:
    user = _user_of(context)
    kind = filename.rpartition(".")[2]
    return _answer(context, user, g.claims["app"], g.claims["epoch"], kind)


def _answer(context: ServerContext, user: str, app: str, epoch: int, kind: str) -> Response:
    """A sample as a file; players ask for it part by part."""
    if kind not in SAMPLES:
        abort(404)
    with RENDERED_AT_ONCE:
        content = _rendered(context, user, app, epoch, kind)
    response = Response(content, mimetype=SAMPLES[kind])
    filename = f"{app}-{epoch}.{kind}"
    response.headers.set("Content-Disposition", "attachment", filename=filename)
    response.make_conditional(request, accept_ranges=True, complete_length=len(content))
    return response


def _rendered(context: ServerContext, user: str, app: str, epoch: int, kind: str) -> bytes:
    folder = context.trainings.progress(user, app)
    changed = progress.changed(folder, epoch)
    content = _file(folder, app, epoch, kind, changed) if changed else b""
    if not content:
        abort(404)
    return content


@functools.lru_cache(maxsize=16)
def _file(folder: Path, app: str, epoch: int, kind: str, changed: int) -> bytes:
    """A sample as a file, which is asked for again and again, in parts; empty if there is none."""
    sample = progress.sample_in(folder, epoch)
    if sample is None:
        return b""
    played = played_of(sample, app)
    return recording.mp3(played) if kind == "mp3" else recording.midi(played, f"{app} {epoch}")


def played_of(sample: Sample, name: str) -> tuple[PlayedEvent, ...]:
    """A sample, as music is kept and written. name: what to call its model."""
    low, high = range_of("bpm")
    settings = PlayerSettings(name, sample.program, bpm=min(max(sample.bpm, low), high))
    played, now = [], 0.0
    for number, event in enumerate(from_json(sample.events)):
        played.append(PlayedEvent(number, round(now * RATE), StreamEvent(event), settings))
        now += played[-1].seconds
    return tuple(played)
