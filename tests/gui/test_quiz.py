"""'Bach or not?' in a real browser: from the control page to the last answer."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from live import SHIPPED, settings, until

from config_bach import Paths
from gui.server import PageServer
from stream import quiz, quiz_views
from stream.server import Servers

from .conftest import visit

pytestmark = pytest.mark.slow
WIDE = "document.documentElement.scrollWidth"


@pytest.fixture
def servers(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Servers]:
    """A server with the model of Bach's chorales, and rounds of two excerpts."""
    monkeypatch.setattr(quiz, "EXCERPTS", 2)
    monkeypatch.setattr(quiz_views, "EXCERPTS", 2)
    home = tmp_path_factory.mktemp("quiz")
    (home / "models").mkdir()
    shutil.copy(SHIPPED.parent / "bach5_nc_mo.zip", home / "models")
    running = Servers(settings(), Paths(home), PageServer)
    yield running
    running.close()


def test_a_round_is_played_with_the_keyboard(phone: Any, servers: Servers) -> None:
    ask = visit(phone, servers)
    until(lambda: ask("document.getElementById('quiz').href").count("/quiz/"))
    phone.get(ask("document.getElementById('quiz').href"))

    def press(name: str) -> None:
        until(lambda: phone.find_element("id", name).is_enabled())
        phone.find_element("id", name).send_keys("\n")

    def said() -> str:
        return str(phone.find_element("id", "state").text)

    assert ask(WIDE) <= 375
    press("go")
    for number in (1, 2):
        until(lambda n=number: f"{n} of 2" in phone.find_element("id", "number").text)  # type: ignore[misc]
        until(lambda: phone.find_element("id", "play").is_enabled())
        assert ask("document.activeElement.id") == "play"
        assert not phone.find_element("id", "bach").is_enabled()  # it was not heard yet
        press("play")
        until(lambda: ask("document.getElementById('audio').currentTime > 0.2"))
        assert "BWV" not in phone.page_source
        assert ask("document.getElementById('audio').src").startswith("blob:")
        press("bach")
        until(lambda: "It was" in said())
        (known,) = servers.context.quiz._rounds.values()
        bach = known.order[number - 1]
        assert said().startswith("Right. It was Bach, BWV" if bach else "Wrong. It was composed")
        assert not phone.find_element("id", "composed").is_enabled()
        assert ask("document.activeElement.id") == "go"
        assert ask(WIDE) <= 375
        if number == 1:
            score = phone.find_element("id", "score").text
            assert score == f"{int(bach)} of 1 right so far."
            press("go")
    assert "You told 1 of 2 rightly; guessing would give 1." in said()
    assert phone.find_element("id", "go").text == "Another ten"
    counts = servers.context.quiz._answers.of(known.model, known.fingerprint)
    assert (counts.answers, counts.right) == (2, 1)
    errors = [x for x in phone.get_log("browser") if x["level"] == "SEVERE"]
    assert errors == []
