"""What stands on the control page: its cards, from the top to the bottom."""

from typing import Any

from remi import gui as remi

from families.registry import family_of
from gui import listening
from gui.moods import MOODS
from gui.widgets import button, card, chooser, slider, tag
from gui.words import choices
from music.instruments import FAMILIES, NAMES, VOICE_NAMES
from stream.accounts import is_guest
from stream.context import ServerContext
from stream.texts import LANGUAGES, Texts

OTHERS = ("alto", "tenor", "bass")  # the voices below the first
FIGURES = ("listeners", "stations", "underruns", "composed_per_cpu_second", "ms_per_note", "uptime")
FORMATS = ("mp3", "wav")
SLEEP_MINUTES = (15, 30, 60, 90)
GUIDE = (
    "guide_play",
    "guide_change",
    "guide_temperature",
    "guide_keep",
    "guide_tune",
    "guide_share",
)


def station(context: ServerContext, t: Texts) -> remi.Container:
    """The settings of the station."""
    wrong = context.models.examined()[1]
    models = [
        tag("option", "", label, value=choice, **{f"data_{k}": v for k, v in data.items()})
        for choice, label, data in models_of(context, t)
    ]
    return card(
        t("station_title"),
        chooser("model", t("model"), *models),
        tag("p", "hint score", "", id="score"),
        *(tag("p", "hint bad", t("left_out", sentence=sentence)) for sentence in wrong.values()),
        chooser("program", t("instrument"), *_families()),
        slider("bpm", t("tempo"), 1),
        slider("temperature", t("temperature"), 0.05),
        listening.keys(t),
        slider("volume", t("volume"), 0.01),
        slider("room", t("room"), 0.01),
        tag("p", "hint", t("hint"), id="hint", role="status"),
        tag(
            "details",
            "voices",
            tag("summary", "", t("voices")),
            *(chooser(voice, t(voice)) for voice in OTHERS),
            listening.voices(t),
            id="voices",
            hidden="",
        ),
        name="station",
    )


def models_of(context: ServerContext, t: Texts) -> list[tuple[str, str, dict[str, str]]]:
    """The models to choose from: value, label, and what the page must know of each."""
    known = context.models.models()
    return [
        (choice, label, {"score": _score(manifest, t), **_marks(manifest)})
        for choice, label in choices(known, t)
        for manifest in [known[choice.partition(":")[0]]]
    ]


def _score(manifest: dict[str, Any], t: Texts) -> str:
    """How good a model is at music it has never seen."""
    valid = manifest["metadata"].get("metrics", {}).get("valid")
    if not valid:
        return t("not_measured")
    percent = t("percent", value=round(100 * valid["accuracy"]))
    return t("measured", percent=percent, nats=t.number(valid["nll"], 2))


def _marks(manifest: dict[str, Any]) -> dict[str, str]:
    """The marks of a model that has an instrument for each voice, that brings its own, and that has no
    pitches."""
    family = family_of(manifest["network"]["model_type"])
    marks = {"voices": str(len(family.voices))} if family.voices else {}
    marks |= {"own_instruments": "yes"} if family.own_instruments else {}
    return marks if family.pitched else marks | {"unpitched": "yes"}


def _families() -> list[remi.Container]:
    options = {n: tag("option", "", n, value=str(i)) for i, n in enumerate(NAMES, 1)}
    return [
        tag("optgroup", "", *(options[name] for name in names), label=family)
        for family, names in FAMILIES.items()
    ]


def header(t: Texts) -> remi.Container:
    """The title, and how things are."""
    title = tag("h1", "", "Play Bach")
    return tag("header", "", title, tag("span", "pill", t("connecting"), id="state", role="status"))


def stage(t: Texts) -> remi.Container:
    """The piano roll, and the button that matters."""
    roll = tag("canvas", "roll", id="roll", role="img", aria_label=t("roll"))
    now = tag("div", "now", tag("strong", "", "", id="chord"), tag("span", "", "", id="chance"))
    play = tag(
        "button", "play", type="button", id="play", aria_label=t("play"), onclick="bach.play()"
    )
    mute = button(t("mute"), "mute()", "small mute", id="mute", aria_pressed="false")
    audio = tag("audio", "", id="audio", crossorigin="anonymous", preload="none")
    return tag(
        "section",
        "stage",
        now,
        _harmony(t),
        roll,
        mute,
        *listening.pieces(t),
        play,
        _sleep(t),
        audio,
        aria_label="Play Bach",
    )


def _harmony(t: Texts) -> remi.Container:
    """The key of the piece, and which voice has which colour."""
    names = (tag("span", "", t(voice)) for voice in VOICE_NAMES)
    legend = tag("span", "legend", *names, id="legend", hidden="")
    return tag("div", "harmony", tag("span", "", "", id="harmony"), legend)


def _sleep(t: Texts) -> remi.Container:
    """The sleep timer: a list over the words that say how much time is left."""
    options = [tag("option", "", t("minutes", minutes=m), value=str(m)) for m in SLEEP_MINUTES]
    options.insert(0, tag("option", "", t("off"), value="0"))
    script = "bach.sleep(this.value)"
    choice = tag("select", "", *options, id="sleep", aria_label=t("sleep_timer"), onchange=script)
    left = tag("span", "", t("sleep"), id="sleep-left", aria_hidden="true")
    return tag("div", "small sleep", left, choice)


def moods(t: Texts) -> remi.Container:
    """A few settings at one tap."""
    buttons = [
        button(t(name), f"mood('{name}')", "mood", id=name, aria_pressed="false") for name in MOODS
    ]
    return tag("div", "moods", *buttons, role="group", aria_label=t("moods"))


def coming(t: Texts) -> remi.Container:
    """The likeliest next notes."""
    bars = tag("ol", "bars", id="bars", aria_label=t("next_bars"))
    copied = tag("p", "hint", "", id="copied")
    return card(t("next_title"), bars, copied)


def keep(t: Texts) -> remi.Container:
    """Keep that, and the downloads."""
    links = [
        tag("a", "chip", kind, id=f"keep-{kind}", download="")
        for kind in ("mid", "musicxml", "mp3", "wav")
    ]
    return card(
        t("keep_title"),
        button(t("keep"), "keep()", "button wide", id="keep"),
        tag("p", "hint", t("keep_hint"), id="kept"),
        tag("div", "chips", *links, id="downloads", hidden="hidden"),
    )


def together(t: Texts) -> remi.Container:
    """The link for friends."""
    return card(
        t("together_title"),
        tag("p", "hint", t("together_hint"), id="shared"),
        button(t("share"), "share()", "button wide", id="share"),
    )


def quiz(t: Texts) -> remi.Container:
    """The way to 'Bach or not?'; page.js gives it its address."""
    script = "if (bach.wanted) bach.stop()"
    link = tag("a", "button wide", t("quiz_open"), id="quiz", target="_blank", rel="noopener")
    link.attributes["onclick"] = script
    return card(t("quiz_title"), tag("p", "hint", t("quiz_card")), link)


def settings(t: Texts) -> remi.Container:
    """The format of the sound, and the language."""
    formats = [tag("option", "", t(kind), value=kind) for kind in FORMATS]
    languages = [tag("option", "", name, value=code, lang=code) for code, name in LANGUAGES.items()]
    languages[list(LANGUAGES).index(t.language)].attributes["selected"] = "selected"
    return card(
        t("settings_title"),
        chooser("format", t("sound"), *formats, chosen="bach.format(this.value)"),
        chooser("language", t("language"), *languages, chosen="speak(this.value)"),
        folded=True,
    )


def tests(t: Texts) -> remi.Container:
    """Tests of server and sound."""
    server = button(t("server_test"), "ping()", id="ping")
    sound = button(t("sound_test"), "scale()", id="scale")
    said = tag("p", "hint", "", id="tested", role="status")
    return card(t("tests_title"), tag("div", "pair", server, sound), said, folded=True)


def figures(t: Texts) -> remi.Container:
    """The figures of the server."""
    rows = (
        tag("div", "figure", tag("dd", "", "-", id=f"figure-{name}"), tag("dt", "", t(name)))
        for name in FIGURES
    )
    return card(t("figures_title"), tag("dl", "figures", *rows), folded=True)


def account(user: str, t: Texts) -> remi.Container:
    """Who is logged in, and the way out."""
    name = t("you_are_guest") if is_guest(user) else t("you_are", user=user)
    leave = tag("button", "button", t("log_out"), type="submit", id="logout")
    form = tag("form", "account", tag("span", "hint", name), leave, method="post", action="logout")
    return card(t("account_title"), form)


def guide(t: Texts) -> remi.Container:
    """How to use the page."""
    steps = tag("ol", "guide", *(tag("li", "", t(step)) for step in GUIDE))
    reading = tag("p", "hint", t("reading"))
    return card(t("guide_title"), steps, reading, folded=True)
