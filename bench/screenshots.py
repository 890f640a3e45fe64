"""Pictures of both pages on screens of all kinds, for docs/screens, and the icons, by a real Chromium.

python bench/screenshots.py            starts a server of its own, plays, and takes the pictures
python bench/screenshots.py --icons    makes the PNG files of gui/icons from icon.svg
"""

import argparse
import base64
import io
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from config_bach import Paths
from gui.server import PageServer
from stream.server import Servers
from stream.settings import Server

ROOT = Path(__file__).resolve().parent.parent
SCREENS = {
    "small": ((320, 568), "light"),
    "phone": ((375, 812), "light"),
    "phone-dark": ((375, 812), "dark"),
    "side": ((812, 375), "light"),
    "tablet": ((820, 1180), "light"),
    "desktop": ((1440, 900), "light"),
    "desktop-dark": ((1440, 900), "dark"),
}
ICONS = ROOT / "gui" / "icons"
SIZES = {  # of the icons, and whether their colour goes to the edges
    "icon-192.png": (192, False),
    "icon-512.png": (512, False),
    "icon-maskable.png": (512, True),
    "apple-touch-icon.png": (180, True),
}
FLAGS = (
    "--headless --no-sandbox --disable-gpu --hide-scrollbars --force-color-profile=srgb "
    "--autoplay-policy=no-user-gesture-required"
)


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; it is closed afterwards."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for flag in FLAGS.split():
        options.add_argument(flag)
    browser = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )
    try:
        yield browser
    finally:
        browser.quit()


def resize(browser: Any, wide: int, high: int, dense: float = 1, mobile: bool = False) -> None:
    """Set the size of the screen, in CSS pixels, and the pixels for each of them."""
    told = {"width": wide, "height": high, "deviceScaleFactor": dense, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)


def picture(browser: Any) -> Image.Image:
    """What the screen shows."""
    data = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    return Image.open(io.BytesIO(base64.b64decode(data)))


def icons() -> None:
    """Make the icons from icon.svg."""
    drawing = (ICONS / "icon.svg").read_text("utf-8")
    with chromium() as browser:
        clear = {"color": {"r": 0, "g": 0, "b": 0, "a": 0}}
        browser.execute_cdp_cmd("Emulation.setDefaultBackgroundColorOverride", clear)
        for name, (size, full) in SIZES.items():
            drawn = re.sub(r' rx="7"', "", drawing, count=1) if full else drawing
            drawn = drawn.replace("<svg ", f'<svg width="{size}" height="{size}" ', 1)
            page = f"<style>body{{margin:0}}svg{{display:block}}</style>{drawn}"
            resize(browser, size, size)
            browser.get("data:text/html;base64," + base64.b64encode(page.encode()).decode())
            image = picture(browser)
            (image.convert("RGB") if full else image).save(ICONS / name, optimize=True)


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def servers(home: Path) -> Servers:
    """Both servers on free ports, with the models that are shipped."""
    (home / "models").mkdir()
    for model in (ROOT / "models").glob("*.zip"):
        shutil.copy(model, home / "models")
    server = Server(password="x", remi_port=free_port(), flask_port=free_port())
    return Servers(server, Paths(home), PageServer)


def shots(folder: Path, only: str) -> None:
    """Take the pictures, with music in them."""
    with tempfile.TemporaryDirectory() as home, chromium() as browser:
        running = servers(Path(home))
        try:
            ports = running.context.server
            browser.get(f"http://127.0.0.1:{ports.remi_port}/")
            for field, text in (("user", ports.user), ("password", ports.password)):
                browser.find_element("name", field).send_keys(text)
            browser.find_element("css selector", "form button").click()
            time.sleep(3)
            browser.execute_script("bach.play()")
            time.sleep(12)
            shared = browser.execute_script("return bach.links.share")
            friend = f"http://127.0.0.1:{ports.flask_port}{shared}"
            for page in ("page", "friend"):
                if page == "friend":
                    browser.switch_to.new_window("tab")
                    browser.get(friend)
                    browser.execute_script("document.getElementById('play').click()")
                    time.sleep(10)
                for name, (size, colours) in SCREENS.items():
                    if only in f"{page}-{name}":
                        shot(browser, size, colours).save(folder / f"{page}-{name}.png")
        finally:
            running.close()


def shot(browser: Any, size: tuple[int, int], colours: str) -> Image.Image:
    """A picture of a screen, with as many colours as a small file has room for."""
    resize(browser, *size, dense=1.5 if size[0] < 500 else 1, mobile=size[0] < 1000)
    scheme = [{"name": "prefers-color-scheme", "value": colours}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    browser.execute_script("scrollTo(0, 0)")
    time.sleep(2.5)
    return picture(browser).convert("RGB").quantize(128)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--icons", action="store_true")
    parser.add_argument("--only", default="", help="part of the name of a picture")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "screens")
    wanted = parser.parse_args()
    if wanted.icons:
        icons()
    else:
        wanted.to.mkdir(exist_ok=True)
        shots(wanted.to, wanted.only)
