"""What cards of the page are made of."""

import html

from remi import gui as remi


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
