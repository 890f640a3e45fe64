"""The building blocks of the page, as REMI widgets: elements, cards, buttons, lists, sliders."""

import html

from remi import gui as remi

from stream.player_settings import range_of


def tag(kind: str, css: str, *content: remi.Widget | str, **attributes: str) -> remi.Container:
    """A REMI widget of any HTML element. Text and attributes are escaped."""
    widget = remi.Container(_type=kind, _class=css)
    widget.style.clear()
    for name, value in attributes.items():
        widget.attributes[name.rstrip("_").replace("_", "-")] = html.escape(value)
    for i, item in enumerate(content):
        if isinstance(item, str):
            widget.add_child(f"text {i}", html.escape(item))
        else:
            widget.append(item)
    return widget


def card(title: str, *content: remi.Widget, name: str = "") -> remi.Container:
    """A part of the page with a heading. name: its id, where its place depends on the screen."""
    attributes = {"id": name} if name else {}
    return tag("section", "card", tag("h2", "", title), *content, aria_label=title, **attributes)


def button(text: str, action: str, css: str = "button", **attributes: str) -> remi.Container:
    """A button that does what page.js calls `action`."""
    return tag("button", css, text, type="button", onclick=f"bach.{action}", **attributes)


def chooser(name: str, label: str, *options: remi.Widget) -> remi.Container:
    """A labelled list to choose one of."""
    chosen = f"bach.update('{name}', this.value)"
    select = tag("select", "", *options, id=name, onchange=chosen)
    return tag("label", "knob", tag("span", "name", label), tag("span", "chooser", select))


def slider(name: str, label: str, step: float) -> remi.Container:
    """A labelled slider with the value of a player setting, over all its range."""
    low, high = range_of(name)
    moved, let_go = f"bach.show('{name}', this.value)", f"bach.update('{name}', this.value)"
    bar = tag(
        "input",
        "",
        type="range",
        id=name,
        min=f"{low:g}",
        max=f"{high:g}",
        step=str(step),
        oninput=moved,
        onchange=let_go,
        aria_label=label,
    )
    value = tag("span", "value", id=f"{name}-value", aria_hidden="true")
    return tag("label", "knob", tag("span", "name", label), value, bar)
