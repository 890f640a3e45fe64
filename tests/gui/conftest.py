"""A real browser, and what a person does in it."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from live import PASSWORD, USER, until

from stream.server import Servers

CHROMIUM = next(
    (p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), ""
)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--autoplay-policy=no-user-gesture-required --hide-scrollbars --window-size=375,812"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real Chromium, as small as a phone held upright."""
    webdriver = pytest.importorskip("selenium.webdriver")
    driver = shutil.which("chromedriver")
    if not CHROMIUM or not driver:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("needs chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    metrics = {"width": 375, "height": 812, "pixelRatio": 2.0}
    options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture
def phone(browser: Any) -> Iterator[Any]:
    """The browser, as if it had just been opened."""
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    browser.get_log("browser")
    yield browser
    browser.get("about:blank")  # lets go of the sound
    for other in browser.window_handles[1:]:
        browser.switch_to.window(other)
        browser.close()
    browser.switch_to.window(browser.window_handles[0])
    browser.get("about:blank")


def port(servers: Servers) -> int:
    return servers.context.server.remi_port


def visit(phone: Any, servers: Servers) -> Callable[[str], Any]:
    """Log in, and wait until the page is connected; returns a way to ask the page something."""
    return visit_port(phone, port(servers), USER, PASSWORD)


def log_in(phone: Any, user: str, password: str) -> None:
    """Fill in the form that is shown."""
    phone.get_log("browser")  # says that the form came with 401
    phone.find_element("name", "user").send_keys(user)
    phone.find_element("name", "password").send_keys(password)
    phone.find_element("css selector", "form button").click()


def visit_port(phone: Any, number: int, user: str, password: str) -> Callable[[str], Any]:
    """The same of a server in another process."""
    phone.get(f"http://127.0.0.1:{number}/")
    if phone.find_elements("name", "user"):
        log_in(phone, user, password)

    def ask(script: str) -> Any:
        return phone.execute_script(f"return {script}")

    until(lambda: ask("typeof bach !== 'undefined' && !!bach.links.listen"))
    return ask


def choose(phone: Any, name: str, value: str) -> None:
    """Do what a finger does to a list or a slider."""
    phone.execute_script(
        "const c = document.getElementById(arguments[0]); c.value = arguments[1];"
        "c.dispatchEvent(new Event('input')); c.dispatchEvent(new Event('change'));",
        name,
        value,
    )


def touch(phone: Any, name: str) -> None:
    from selenium.webdriver.common.by import By

    opened = "document.getElementById(arguments[0]).closest('details')?.setAttribute('open', '')"
    phone.execute_script(opened, name)
    phone.find_element(By.ID, name).click()
