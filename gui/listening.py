"""What a listener can do with the music: the voices, the key, pieces; what moves is in listening.js."""

from remi import gui as remi

from gui.widgets import button, card, slider, tag
from music.instruments import VOICE_NAMES

SETTING_TYPES: dict[str, type] = {
    "scale": str,
    "room": float,
    **{f"{voice}_{what}": float for voice in VOICE_NAMES for what in ("volume", "pan")},
}
MAJOR_KEYS = ("C", "G", "D", "A", "E", "B", "F#", "Db", "Ab", "Eb", "Bb", "F")
MINOR_KEYS = ("A", "E", "B", "F#", "C#", "G#", "Eb", "Bb", "F", "C", "G", "D")
DORIAN_KEYS = ("D", "A", "E", "B", "F#", "C#", "Ab", "Eb", "Bb", "F", "C", "G")


def voices() -> remi.Container:
    """For each voice: on or off, how loud, where it stands."""
    return tag("div", "mixer", tag("h3", "", "Voices"), *map(_voice, VOICE_NAMES))


def _voice(voice: str) -> remi.Container:
    name = voice.capitalize()
    switch = button(
        name, f"voice('{voice}')", "button switch", id=f"{voice}-on", aria_pressed="true"
    )
    sliders = (
        slider(f"{voice}_volume", "Volume", 0.01),  # the group says of which voice
        slider(f"{voice}_pan", "Place", 0.05),
    )
    return tag("div", "voice", switch, *sliders, role="group", aria_label=name)


def keys() -> remi.Container:
    """The list of keys; its id is not that of the setting, which the sound test has."""
    groups = [
        tag("optgroup", "", *(_key(f"{key} {mode}") for key in tonics), label=mode.capitalize())
        for mode, tonics in (("major", MAJOR_KEYS), ("minor", MINOR_KEYS), ("dorian", DORIAN_KEYS))
    ]
    free = tag("option", "", "As it comes", value="")
    select = tag("select", "", free, *groups, id="key", onchange="bach.update('scale', this.value)")
    return tag("label", "knob", tag("span", "name", "Key"), tag("span", "chooser", select))


def _key(scale: str) -> remi.Container:
    shown = scale.replace("#", "♯").replace("b ", "♭ ")
    return tag("option", "", shown, value=scale)


def pieces() -> tuple[remi.Container, remi.Container]:
    """The buttons beside Play."""
    back = button("Back", "request({what: 'back'})", "side left", id="back")
    new = button("New piece", "request({what: 'new'})", "side right", id="new")
    back.attributes["aria-label"] = "Back to the beginning, or to the piece before"
    return back, new


def piece() -> remi.Container:
    """Which piece is heard, and a link to it."""
    link = tag("a", "", "this piece", id="piece", href="", target="_blank", rel="noopener")
    words = (tag("span", "", "Seed "), tag("strong", "", "-", id="seed"), tag("span", "", ": "))
    told = "The link plays the same notes again, for everybody who has this model."
    return card("What you hear", tag("p", "hint", *words, link), tag("p", "hint", told))
