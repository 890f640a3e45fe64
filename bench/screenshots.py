"""Pictures of both pages on screens of all kinds, for docs/screens, and the icons, by a real Chromium.

python bench/screenshots.py            starts a server of its own, plays, and takes the pictures
python bench/screenshots.py --icons    makes the PNG files of gui/icons from icon.svg
"""

import argparse
import base64
import io
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--icons", action="store_true")
    if parser.parse_args().icons:
        icons()
