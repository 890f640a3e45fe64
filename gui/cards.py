"""What stands on the control page: its cards, from the top to the bottom."""

from typing import Any

from remi import gui as remi

from families.registry import family_of
from gui.widgets import button, card, chooser, slider, tag, voice_chooser
from gui.words import choices
from music.instruments import FAMILIES, NAMES
from stream.context import ServerContext

OTHERS = ("alto", "tenor", "bass")  # the voices below the first
FIGURES = {
    "listeners": "listeners",
    "stations": "stations playing",
    "underruns": "underruns",
    "composed_per_cpu_second": "seconds composed per CPU second",
    "ms_per_note": "ms to compose a note",
    "uptime": "on the air",
}
FORMATS = {"mp3": "MP3, for every phone", "wav": "WAV, uncompressed"}
HINT = "What you change is heard about a second later."
GUIDE = (
    "Press Play. A neural network starts to compose, for you alone, and goes on until you stop.",
    "Change anything while it plays. The page says when you will hear it: about a second later.",
    "Low temperature keeps to what is likely; high temperature takes risks.",
    "Heard something you like? Keep that saves the last minutes as MIDI, score and sound.",
    "Share gives a link; whoever opens it hears what you hear, at the same time.",
)


def station(context: ServerContext) -> remi.Container:
    """The settings of the station."""
    known, wrong = context.models.examined()
    models = [
        tag("option", "", label, value=choice, data_score=_score(manifest), **_voices(manifest))
        for choice, label in choices(known)
        for manifest in [known[choice.partition(":")[0]]]
    ]
    return card(
        "Your station",
        chooser("model", "Model", *models),
        tag("p", "hint score", "", id="score"),
        *(tag("p", "hint bad", f"Left out: {sentence}") for sentence in wrong.values()),
        chooser("program", "Instrument", *_families()),
        tag("div", "voices", *map(voice_chooser, OTHERS), id="voices", hidden=""),
        slider("bpm", "Tempo", 1),
        slider("temperature", "Temperature", 0.05),
        slider("volume", "Volume", 0.01),
        tag("p", "hint", HINT, id="hint", role="status"),
        name="station",
    )


def _score(manifest: dict[str, Any]) -> str:
    """How good a model is at music it has never seen."""
    valid = manifest["metadata"].get("metrics", {}).get("valid")
    if not valid:
        return "not measured yet"
    return (
        f"On music it never saw: {valid['accuracy']:.0%} of the notes predicted, "
        f"{valid['nll']:.2f} nats an event"
    )


def _voices(manifest: dict[str, Any]) -> dict[str, str]:
    """The mark of a model that has an instrument for each voice."""
    voices = family_of(manifest["network"]["model_type"]).voices
    return {"data_voices": str(len(voices))} if voices else {}


def _families() -> list[remi.Container]:
    options = {n: tag("option", "", n, value=str(i)) for i, n in enumerate(NAMES, 1)}
    return [
        tag("optgroup", "", *(options[name] for name in names), label=family)
        for family, names in FAMILIES.items()
    ]


def header() -> remi.Container:
    """The title, and how things are."""
    title = tag("h1", "", "Play Bach")
    return tag("header", "", title, tag("span", "pill", "connecting", id="state", role="status"))


def stage() -> remi.Container:
    """The piano roll, and the button that matters."""
    roll = tag(
        "canvas", "roll", id="roll", role="img", aria_label="the notes that you hear, as they pass"
    )
    now = tag("div", "now", tag("strong", "", "", id="chord"), tag("span", "", "", id="chance"))
    play = tag("button", "play", type="button", id="play", aria_label="Play", onclick="bach.play()")
    audio = tag("audio", "", id="audio", crossorigin="anonymous", preload="none")
    return tag("section", "stage", now, roll, play, audio)


def coming() -> remi.Container:
    """The likeliest next notes."""
    bars = tag("ol", "bars", id="bars", aria_label="the likeliest next notes")
    copied = tag("p", "hint", "", id="copied")
    return card("What could come next", bars, copied)


def keep() -> remi.Container:
    """Keep that, and the downloads."""
    links = [
        tag("a", "chip", kind, id=f"keep-{kind}", download="")
        for kind in ("mid", "musicxml", "mp3", "wav")
    ]
    return card(
        "Heard something lovely?",
        button("Keep that", "keep()", "button wide", id="keep"),
        tag("p", "hint", "The last minutes are always held.", id="kept"),
        tag("div", "chips", *links, id="downloads", hidden="hidden"),
    )


def together() -> remi.Container:
    """The link for friends."""
    return card(
        "Listen together",
        tag("p", "hint", "A link for friends: they hear what you hear.", id="shared"),
        button("Share this station", "share()", "button wide", id="share"),
    )


def tests() -> remi.Container:
    """Tests of server and sound; the format."""
    tests = tag(
        "div",
        "pair",
        button("Server test", "ping()", id="ping"),
        button("Sound test", "scale()", id="scale"),
    )
    formats = [tag("option", "", text, value=kind) for kind, text in FORMATS.items()]
    choice = tag("select", "", *formats, id="format", onchange="bach.format(this.value)")
    kind = tag("label", "knob", tag("span", "name", "Sound"), tag("span", "chooser", choice))
    return card("Is everything all right?", tests, tag("p", "hint", "", id="tested"), kind)


def figures() -> remi.Container:
    """The figures of the server."""
    rows = (
        tag("div", "figure", tag("dd", "", "-", id=f"figure-{name}"), tag("dt", "", label))
        for name, label in FIGURES.items()
    )
    return card("The engine room", tag("dl", "figures", *rows))


def guide() -> remi.Container:
    """How to use the page."""
    steps = tag("ol", "guide", *(tag("li", "", step) for step in GUIDE))
    reading = tag(
        "p",
        "hint",
        "Read on: the articles “Play Bach: let a neural network play for you”, which Play Bach "
        "follows. The numbers 1 to 128 are those of General MIDI.",
    )
    return card("A quick guide", steps, reading)
