"""The pages speak the language of who reads them."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from live import get, opened, until

from stream.app import station_link
from stream.server import Servers
from stream.texts import COOKIE, texts

from .conftest import choose, port, touch, visit

pytestmark = pytest.mark.slow

NewServers = Callable[..., Servers]


def test_the_page_and_that_of_friends_come_in_the_language_of_the_browser(
    new_servers: NewServers,
) -> None:
    servers = new_servers()
    link = station_link(servers.context, "share", station=opened(servers.context).name)
    audio = servers.context.server.flask_port
    for language, accepted in (("en", "nl"), ("fr", "fr-CA,fr;q=0.8"), ("de", "de,en;q=0.5")):
        t = texts(language)
        page = get(port(servers), "/", Accept_Language=accepted)[2].decode()
        assert re.search(r"<html lang=\"(\w+)\"", page)[1] == language  # type: ignore[index]
        assert t("station_title") in page
        shared = get(audio, link, None, Accept_Language=accepted)[2].decode()
        assert f'<html lang="{language}">' in shared
        assert t("friend_intro") in shared
    chosen = get(port(servers), "/", Accept_Language="fr", Cookie=f"{COOKIE}=de")[2].decode()
    assert '<html lang="de"' in chosen


def test_sentences_of_both_servers_come_in_the_language_of_the_browser(
    new_servers: NewServers,
) -> None:
    servers = new_servers(max_pages=1)
    audio = servers.context.server.flask_port
    old = get(audio, "/share/nonsense", None, Accept_Language="de")[2].decode()
    assert old.strip() == texts("de").sentence("this link is too old, or not ours.")
    assert get(audio, "/share/nonsense", None)[2].decode().startswith("this link is too old")


def test_another_language_is_chosen_on_the_page_and_stays(
    phone: Any, new_servers: NewServers
) -> None:
    servers = new_servers()
    ask = visit(phone, servers)
    choose(phone, "bpm", "111")
    until(lambda: ask("bach.settings.bpm == 111"))
    for language in ("de", "fr"):
        t = texts(language)
        choose(phone, "language", language)
        until(lambda code=language: ask("document.documentElement.lang") == code, 10)  # type: ignore[misc]
        until(lambda: ask("typeof bach !== 'undefined' && !!bach.links.listen"))
        until(lambda: ask("bach.settings.bpm == 111"), 5)  # the same station
        assert ask("document.getElementById('language').value") == language
        body = ask("document.querySelector('main').textContent")
        assert t("keep_title") in body
        assert texts("en")("keep_title") not in body
        choose(phone, "program", "20")
        until(lambda t=t: t("the_instrument") in ask("document.getElementById('hint').textContent"))  # type: ignore[misc]
        phone.execute_script("bach.request({what: 'keep'})")
        said = t.sentence("nothing was heard yet; press Play first.")
        until(lambda said=said: ask("document.getElementById('hint').textContent") == said)  # type: ignore[misc]
    touch(phone, "play")
    until(lambda: ask("document.getElementById('audio').currentTime > 0"))
    composing = texts("fr")("composing")
    until(lambda: ask("document.getElementById('state').textContent") == composing)
    link = ask("bach.url(bach.links.share)")
    phone.get(link)
    assert phone.execute_script("return document.documentElement.lang") == "fr"
    phone.delete_all_cookies()
