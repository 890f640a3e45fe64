"""The card where somebody teaches a network their own music; training.js makes it move."""

from collections.abc import Iterator
from typing import Any

from remi import gui as remi

from config_bach import UserError
from gui.cards import models_of
from gui.widgets import button, card, tag
from gui.words import choices
from midi_io import SUFFIXES
from stream.accounts import is_guest
from stream.context import ServerContext
from stream.texts import Texts
from stream.titles import kind_of
from stream.training import TrainingRequest
from stream.training_views import with_links
from stream.uploads import LARGEST_SCORE

USUAL_TYPE = 2
LONGEST_APP = 30  # characters


def training_card(context: ServerContext, t: Texts) -> remi.Container:
    """Send files, see what was read of them, choose, watch it learn, hear every epoch."""
    refusal = context.trainings.refusal
    if refusal:
        return card(t("train_title"), tag("p", "hint", t.sentence(refusal)), name="training")
    return card(
        t("train_title"),
        tag("p", "hint", t("train_hint")),
        _progress(t),
        _drop(context, t),
        tag("p", "hint", "", id="trained", role="status"),
        tag("ul", "table", id="train-table", tabindex="0", aria_label=t("train_table"), hidden=""),
        _wishes(context, t),
        name="training",
    )


def _drop(context: ServerContext, t: Texts) -> remi.Container:
    """Where files are chosen or dropped."""
    file = tag(
        "input",
        "",
        type="file",
        multiple="",
        id="train-files",
        accept=",".join((*SUFFIXES, ".zip", "audio/midi")),
        data_score=str(LARGEST_SCORE),
        data_zip=str(context.server.training_mb * 2**20),
        onchange="bach.learning.took(this.files)",
    )
    return tag("label", "drop", tag("span", "", t("train_files")), file, id="train-drop")


def _wishes(context: ServerContext, t: Texts) -> remi.Container:
    """What is trained: from which model, of which type, under which name."""
    known = context.models.models()
    bases = {name: label for name, label in choices(known, t) if name in context.trainings.bases()}
    starts = [tag("option", "", t("train_scratch"), value="")]
    starts += [
        tag("option", "", t("train_from", model=label), value=n) for n, label in bases.items()
    ]
    types = [
        tag("option", "", t("train_type", kind=kind_of(n, t), number=n), value=str(n))
        for n in context.trainings.types()
    ]
    types[context.trainings.types().index(USUAL_TYPE)].attributes["selected"] = "selected"
    named = tag(
        "input",
        "",
        type="text",
        id="train-app",
        maxlength=str(LONGEST_APP),
        autocapitalize="none",
        autocomplete="off",
        spellcheck="false",
        value="mine",
    )
    return tag(
        "div",
        "",
        _choice("train-base", t("train_start_with"), *starts),
        _choice("train-type", t("train_kind"), *types),
        tag("label", "knob", tag("span", "name", t("train_name")), named),
        tag(
            "div",
            "pair",
            button(t("train_remove"), "learning.remove()", id="train-remove"),
            button(t("train_start"), "learning.start()", "button primary", id="train-start"),
        ),
        id="train-wishes",
    )


def _choice(name: str, label: str, *options: remi.Widget) -> remi.Container:
    select = tag("select", "", *options, id=name, onchange="bach.learning.chosen()")
    return tag("label", "knob", tag("span", "name", label), tag("span", "chooser", select))


def _progress(t: Texts) -> remi.Container:
    """The curve, the time that is left, the samples, and what can be done."""
    curve = tag("canvas", "draft curve", id="curve", role="img", aria_label=t("curve_none"))
    return tag(
        "div",
        "",
        tag("h3", "", "", id="train-what"),
        tag("p", "hint", "", id="train-phase", role="status"),
        tag("progress", "", id="train-bar", max="1", aria_label=t("train_bar")),
        tag("p", "hint", "", id="train-left"),
        curve,
        tag("p", "hint", t("curve_hint"), id="curve-hint"),
        tag("ol", "samples", id="train-samples", aria_label=t("train_samples")),
        button(t("train_stop"), "learning.stop()", "button wide", id="train-stop"),
        tag(
            "div",
            "pair",
            button(t("train_resume"), "learning.resume()", id="train-resume"),
            button(t("train_play"), "learning.play()", "button primary", id="train-play"),
            id="train-ended",
        ),
        id="train-progress",
        hidden="",
    )


def answer(context: ServerContext, user: str, request: dict[str, str], t: Texts) -> str:
    """Do what the page of a user asks: 'train-read', 'train-start', ...; empty, or what was wrong."""
    try:
        _do(context, user, request)
    except UserError as error:
        return t.sentence(str(error))
    return ""


def _do(context: ServerContext, user: str, request: dict[str, str]) -> None:
    trainings, what = context.trainings, request["what"].removeprefix("train-")
    number = request.get("model_type", "")
    model_type = int(number) if number.isdecimal() and len(number) < 3 else USUAL_TYPE
    if trainings.refusal:
        raise UserError(trainings.refusal)
    if what == "read":
        trainings.want(user, model_type, request.get("base", ""))
    elif what == "remove":
        trainings.remove(user)
    elif what == "start":
        wanted = TrainingRequest(request.get("app", ""), model_type, request.get("base", ""))
        trainings.start(user, wanted)
    elif what == "stop":
        trainings.stop(user)
    elif what == "resume":
        trainings.resume(user)


class TrainingNews:
    """What a page is to be told: how far training is, and which models there are."""

    def __init__(self, context: ServerContext, user: str) -> None:
        self._context, self._user = context, user
        self._told: dict[str, Any] = {}
        self._models = context.trainings.finished  # the list that the page was built with

    def forget(self) -> None:
        """The page is connected anew, and knows nothing."""
        self._told = {}

    def news(self, t: Texts) -> Iterator[tuple[str, Any]]:
        """Functions of the page to be called, and with what; nothing if nothing has changed."""
        trainings = self._context.trainings
        if self._models != trainings.finished:
            self._models = trainings.finished
            yield "models", models_of(self._context, t)
        if is_guest(self._user):
            return
        state, before = trainings.state(self._user), self._told
        if state == before:
            return
        self._told = state
        table, job = state["table"], state["training"]
        if not before or table != before["table"]:
            yield "table", table and table | {"refused": t.sentence(table["refused"])}
        shown = with_links(self._context, self._user, state)["training"]
        shown = job and shown | {"told": t.sentence(job["told"])}
        yield "training", {**state, "table": None, "training": shown}
