"""The cards of somebody's own tune and of what was kept; melody.js makes them move."""

import importlib.util

from remi import gui as remi

from gui.widgets import button, card, tag
from stream.recordings import LONGEST_TITLE
from stream.texts import Texts

LOWEST, KEYS = 60, 25  # two octaves from middle C on
NAMES = ("C", "C sharp", "D", "D sharp", "E", "F", "F sharp", "G", "G sharp", "A", "A sharp", "B")
COMPUTER_KEYS = "awsedftgyhujkolp"  # from middle C on, as in most sequencers
LENGTHS = (("0.5", "eighth"), ("1", "quarter"), ("1.5", "dotted"), ("2", "half"))
FILES = ".mid,.midi,.musicxml,.mxl,.xml,audio/midi,application/vnd.recordare.musicxml+xml"


def tune_card(t: Texts) -> remi.Container:
    """Tap a tune in or take a file, and let a model harmonise it or go on."""
    roll = tag(
        "canvas",
        "draft",
        id="draft",
        role="img",
        aria_label=t("tune_label", notes=t("nothing_yet")),
    )
    keys = tag(
        "div",
        "keys",
        tag("div", "keybed", *(_key(i) for i in range(KEYS))),
        id="keys",
        role="group",
        aria_label=t("piano_keys"),
    )
    lengths = tag(
        "div",
        "lengths",
        *(_length(quarters, t(name)) for quarters, name in LENGTHS),
        role="group",
        aria_label=t("note_length"),
    )
    edits = tag(
        "div",
        "lengths",
        button(t("rest_button"), "melody.rest()", id="tune-rest"),
        button(t("undo"), "melody.undo()", id="tune-undo"),
        button(t("clear"), "melody.clear()", id="tune-clear"),
    )
    file = tag(
        "input", "", type="file", id="tune-file", accept=FILES, onchange="bach.melody.took()"
    )
    return card(
        t("tune_title"),
        roll,
        keys,
        lengths,
        edits,
        tag("label", "knob", tag("span", "name", t("tune_file")), file),
        tag(
            "div",
            "pair",
            button(t("harmonise"), "melody.send('harmonise')", id="harmonise"),
            button(t("go_on"), "melody.send('continue')", id="go-on"),
        ),
        tag("p", "hint", t("tune_hint"), id="tuned", role="status"),
        name="tune",
    )


def _key(number: int) -> remi.Container:
    """A piano key. Computer keys play it too while the keys have the focus."""
    pitch = LOWEST + number
    name = f"{NAMES[pitch % 12]} {pitch // 12 - 1}"
    colour = "black" if "sharp" in name else "white"
    played = COMPUTER_KEYS[number] if number < len(COMPUTER_KEYS) else ""
    return tag(
        "button",
        f"key {colour}",
        type="button",
        data_pitch=str(pitch),
        data_key=played,
        aria_label=name,
        onclick=f"bach.melody.tap({pitch})",
    )


def _length(quarters: str, name: str) -> remi.Container:
    return tag(
        "button",
        "button",
        name,
        type="button",
        data_quarters=quarters,
        aria_pressed="true" if quarters == "1" else "false",
        onclick=f"bach.melody.long({quarters})",
    )


def kept_card(t: Texts) -> remi.Container:
    """What was kept, the newest first, and the score of what is looked at."""
    score = "yes" if importlib.util.find_spec("verovio") else "no"
    picture = tag("img", "", id="score-picture", alt="")
    return card(
        t("kept_title"),
        tag("p", "hint", t("kept_none"), id="kept-none"),
        tag("ul", "kept", id="kept-list", data_score=score, data_longest=str(LONGEST_TITLE)),
        tag(
            "div",
            "score-view",
            picture,
            id="score-view",
            hidden="hidden",
            tabindex="0",
            role="group",
            aria_label=t("score_label"),
        ),
        name="recordings",
    )
