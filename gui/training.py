"""The card where somebody teaches a network their own music; training.js makes it move."""

from typing import Any

from remi import gui as remi

from config_bach import UserError
from gui.widgets import button, card, tag
from gui.words import choices
from midi_io import SUFFIXES
from stream.context import ServerContext
from stream.texts import Texts
from stream.titles import kind_of
from stream.training import TrainingRequest
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


def asked(context: ServerContext, user: str, request: dict[str, str]) -> None:
    """Do what the page of a user asks: 'train-read', 'train-start' and so on. Raises UserError."""
    trainings, what = context.trainings, request["what"].removeprefix("train-")
    number = request.get("model_type", "")
    model_type = int(number) if number.isdecimal() and len(number) < 3 else USUAL_TYPE
    if trainings.refusal:
        raise UserError(trainings.refusal)
    if what == "read":
        trainings.tables.want(user, model_type)
    elif what == "remove":
        trainings.uploads.remove(user)
        trainings.tables.forget(user)
    elif what == "start":
        wanted = TrainingRequest(request.get("app", ""), model_type, request.get("base", ""))
        trainings.start(user, wanted)
    elif what == "stop":
        trainings.stop(user)
    elif what == "resume":
        trainings.resume(user)


def told(state: dict[str, Any], t: Texts) -> dict[str, Any]:
    """What the page shows, in its language."""
    training, table = state["training"], state["table"]
    if training:
        training = training | {"told": t.sentence(training["told"])}
    if table:
        table = table | {"refused": t.sentence(table["refused"])}
    return state | {"training": training, "table": table}
