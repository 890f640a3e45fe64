"""What a listener can do with the music: the voices, the key, pieces; what moves is in listening.js."""

from remi import gui as remi

from gui.widgets import button, card, slider, tag
from music.instruments import VOICE_NAMES
from stream.texts import Texts

SETTING_TYPES: dict[str, type] = {
    "scale": str,
    "room": float,
    **{f"{voice}_{what}": float for voice in VOICE_NAMES for what in ("volume", "pan")},
}
MAJOR_KEYS = ("C", "G", "D", "A", "E", "B", "F#", "Db", "Ab", "Eb", "Bb", "F")
MINOR_KEYS = ("A", "E", "B", "F#", "C#", "G#", "Eb", "Bb", "F", "C", "G", "D")
DORIAN_KEYS = ("D", "A", "E", "B", "F#", "C#", "Ab", "Eb", "Bb", "F", "C", "G")


def voices(t: Texts) -> remi.Container:
    """For each voice: on or off, how loud, where it stands."""
    return tag("div", "mixer", tag("h3", "", t("mixer")), *(_voice(v, t) for v in VOICE_NAMES))


def _voice(voice: str, t: Texts) -> remi.Container:
    name = t(voice)
    states = {"data_on": t("switch_on"), "data_off": t("switch_off"), "aria_pressed": "true"}
    switch = button(name, f"voice('{voice}')", "button switch", id=f"{voice}-on", **states)
    sliders = (
        slider(f"{voice}_volume", t("volume"), 0.01),  # the group says of which voice
        slider(f"{voice}_pan", t("place"), 0.05),
    )
    return tag("div", "voice", switch, *sliders, role="group", aria_label=name)


def keys(t: Texts) -> remi.Container:
    """The list of keys; its id is not that of the setting, which the sound test has."""
    groups = [
        tag("optgroup", "", *(_key(key, mode, t) for key in tonics), label=t(mode))
        for mode, tonics in (("major", MAJOR_KEYS), ("minor", MINOR_KEYS), ("dorian", DORIAN_KEYS))
    ]
    free = tag("option", "", t("as_it_comes"), value="")
    select = tag("select", "", free, *groups, id="key", onchange="bach.update('scale', this.value)")
    return tag("label", "knob", tag("span", "name", t("key")), tag("span", "chooser", select))


def _key(tonic: str, mode: str, t: Texts) -> remi.Container:
    name = tonic.replace("#", "♯").replace("b", "♭")
    return tag("option", "", t("key_name", tonic=name, mode=t(mode)), value=f"{tonic} {mode}")


def pieces(t: Texts) -> tuple[remi.Container, remi.Container]:
    """The buttons beside Play."""
    back = button("", "request({what: 'back'})", "side back", id="back", title=t("back"))
    new = button("", "request({what: 'new'})", "side new", id="new", title=t("new_piece"))
    back.attributes["aria-label"] = t("back")
    new.attributes["aria-label"] = t("new_piece")
    return back, new


def piece(t: Texts) -> remi.Container:
    """Which piece is heard, and a link to it."""
    link = tag("a", "", t("this_piece"), id="piece", href="", target="_blank", rel="noopener")
    words = (tag("span", "", t("seed")), tag("strong", "", "-", id="seed"), tag("span", "", ": "))
    return card(t("piece_title"), tag("p", "hint", *words, link), tag("p", "hint", t("piece_hint")))
