"""What makes the page an app that can be installed: its manifest and its icons.

There is no service worker: browsers no longer ask for one, and without the server there is no music.
The PNG files are made from icon.svg by `python bench/screenshots.py --icons`.
"""

import json
from pathlib import Path

from stream.texts import Texts

FOLDER = Path(__file__).parent / "icons"
MANIFEST = "/manifest.webmanifest"
ICONS = {  # paths that need no login: systems fetch them without one
    "/icon.svg": "image/svg+xml",
    "/icon-192.png": "image/png",
    "/icon-512.png": "image/png",
    "/icon-maskable.png": "image/png",
    "/apple-touch-icon.png": "image/png",
}
NIGHT = "#182330"


def icon(path: str) -> bytes:
    """An icon, by one of the paths of ICONS."""
    return (FOLDER / path[1:]).read_bytes()


def manifest(t: Texts) -> bytes:
    """The web app manifest."""
    return json.dumps(
        {
            "id": "/",
            "name": "Play Bach",
            "short_name": "Play Bach",
            "description": t("unheard"),
            "lang": t.language,
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "theme_color": NIGHT,
            "background_color": NIGHT,
            "categories": ["music"],
            "icons": [
                _icon("/icon.svg", "any"),
                _icon("/icon-192.png", "192x192"),
                _icon("/icon-512.png", "512x512"),
                {**_icon("/icon-maskable.png", "512x512"), "purpose": "maskable"},
            ],
        }
    ).encode()


def _icon(path: str, sizes: str) -> dict[str, str]:
    return {"src": path, "type": ICONS[path], "sizes": sizes}
