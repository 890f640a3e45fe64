"""What people read on the pages, in English, French and German, from one table: texts.json.

A text is one line of the table, a key with three languages, and is read by its key: `t("tempo")` in
Python and in the scripts of the pages, `{{ t("tempo") }}` in templates. Keys that begin with `error_`
are sentences of this program that may reach a page; they are found by their English words.
"""

import functools
import json
import re
from pathlib import Path

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

LANGUAGES = {"en": "English", "fr": "Français", "de": "Deutsch"}
COOKIE = "play_bach_language"  # what was chosen on a page, for both ports
TABLE: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parent / "texts.json").read_text(encoding="utf-8")
)
ERROR = "error_"
VALUE = re.compile(r"\\\{(\w+)\\\}")  # {n}, escaped


class Texts:
    """All texts in one language."""

    def __init__(self, language: str) -> None:
        """language: one of LANGUAGES."""
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """A text with its values filled in. Raises KeyError for a key that the table lacks."""
        return TABLE[key][self.language].format(**values)

    def all(self) -> dict[str, str]:
        """The texts that the scripts of the pages may show."""
        return {k: row[self.language] for k, row in TABLE.items() if not k.startswith(ERROR)}

    def number(self, value: float, digits: int) -> str:
        """A number with so many decimals, as it is written in this language."""
        text = f"{value:.{digits}f}"
        return text if self.language == "en" else text.replace(".", ",")

    def sentence(self, english: str) -> str:
        """A sentence of this program in this language; as it is if the table does not know it."""
        for key, pattern in _patterns():
            if self.language != "en" and (found := pattern.fullmatch(english)):
                return self(key, **found.groupdict())
        return english


@functools.cache
def texts(language: str) -> Texts:
    """The texts in one of LANGUAGES."""
    return Texts(language)


ENGLISH = texts("en")


def texts_for(cookie: str, accepted: str | None) -> Texts:
    """The texts for a browser: as was chosen on a page, else as Accept-Language says, else English."""
    if cookie in LANGUAGES:
        return texts(cookie)
    wanted = parse_accept_header(accepted, LanguageAccept)
    return texts(wanted.best_match(LANGUAGES, "en"))


@functools.cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """What the sentences of the table look like in English."""
    found = [(key, row["en"]) for key, row in TABLE.items() if key.startswith(ERROR)]
    return [(key, re.compile(VALUE.sub(r"(?P<\1>.+)", re.escape(text)))) for key, text in found]
