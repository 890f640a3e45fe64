"""The texts of the pages: every one in every language, each of them used, none beside the table."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from duet.knobs import controllable
from duet.settings import CHOICES, TEXTS
from families.registry import families
from stream.texts import ENGLISH, ERROR, LANGUAGES, TABLE, texts, texts_for

PAGES = [*(ROOT / "gui").glob("*.js"), *(ROOT / "gui").glob("*.html")]
PYTHON = [p for name in ("gui", "stream") for p in (ROOT / name).glob("*.py")]
VALUES = re.compile(r"\{(\w*)\}")
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
SENTENCE = re.compile(r"^[A-Z][a-z]+(?: \w|[.!?…]|$)|\b[a-z]+ [a-z]+ [a-z]+\b")
NO_TEXT = {
    "Play Bach",
    "Accept-Language",
    "Range",
    "Option",
    "Backspace",
    "button wide primary",
}  # names


@pytest.mark.parametrize("key", TABLE)
def test_every_text_is_there_in_every_language_with_the_same_values(key: str) -> None:
    row = TABLE[key]
    assert set(row) == set(LANGUAGES)
    assert all(text.strip() == text and text for text in row.values())
    assert len({tuple(sorted(VALUES.findall(text))) for text in row.values()}) == 1


def test_the_pages_are_handed_all_texts_but_the_sentences_of_the_servers() -> None:
    handed = texts("de").all()
    assert handed["tempo"] == "Tempo"
    assert set(TABLE) - set(handed) == {key for key in TABLE if key.startswith(ERROR)}


def test_the_table_has_one_line_for_each_text() -> None:
    lines = (ROOT / "stream" / "texts.json").read_text("utf-8").splitlines()
    keys = [line.split('"')[1] for line in lines[1:-1]]
    assert keys == list(TABLE)  # and none twice, which JSON would not say


def test_every_text_is_used() -> None:
    names = ROOT / "music" / "instruments.py"  # of the voices
    source = "\n".join(p.read_text("utf-8") for p in (*PAGES, *PYTHON, names))
    used = {family.kind for family in families()} | set(re.findall(r'"(\w+)"', source))
    used |= {f"duet_{x}" for x in (*controllable(), *TEXTS)}
    used |= {f"duet_{name}_{x}" for name, choices in CHOICES.items() for x in choices}
    used |= {f"duet_pad_{x}" for x in used}
    used |= set(re.findall(r"\b(duet_\w+):", source))
    assert [k for k in TABLE if not k.startswith(ERROR) and k not in used] == []


def test_every_kind_of_music_has_a_name() -> None:
    assert [f.number for f in families() if f.kind not in TABLE] == []


def test_every_text_that_is_read_is_in_the_table() -> None:
    source = "\n".join(p.read_text("utf-8") for p in (*PAGES, *PYTHON))
    assert sorted(set(re.findall(r'\bt\("(\w+)"', source)) - set(TABLE)) == []


def templates(path: Path) -> Iterator[str]:
    """The strings of a file, with {} for each value."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                str(x.value) if isinstance(x, ast.Constant) else "{}" for x in node.values
            )


def test_sentences_of_the_program_are_translated_as_the_program_says_them() -> None:
    said = {text for path in PYTHON for text in templates(path)}
    table = [VALUES.sub("{}", row["en"]) for key, row in TABLE.items() if key.startswith(ERROR)]
    assert [text for text in table if text not in said] == []


def shown(path: Path) -> list[str]:
    """What a file of the pages shows literally, if it looks like words for people."""
    strings = in_python(path) if path.suffix == ".py" else in_page(path)
    words = [s for s in map(str.strip, strings) if SENTENCE.search(s) and s not in NO_TEXT]
    return [s for s in words if not re.fullmatch("[A-G][b#]?", s)]


def in_python(path: Path) -> list[str]:
    """All strings but docstrings, which stand alone."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    docs = {n.value for n in nodes if isinstance(n, ast.Expr)}
    strings = [n for n in nodes if isinstance(n, ast.Constant) and n not in docs]
    return [n.value for n in strings if isinstance(n.value, str)]


def in_page(path: Path) -> list[str]:
    """All strings of a script and, in HTML, what stands between tags."""
    source = path.read_text("utf-8")
    source = re.sub(r"<style>.*?</style>|(?<!:)//[^\n]*", "", source, flags=re.DOTALL)
    markup = re.sub(r"<script\b.*?</script>", "", source, flags=re.DOTALL)
    between = re.findall(r">([^<>{}]+)<", markup) if path.suffix == ".html" else []
    return [a or b for a, b in LITERAL.findall(source)] + between


SHOWN = [
    ROOT / "gui" / f"{n}.py"
    for n in ("cards", "page", "widgets", "melody", "listening", "training", "duet_news")
] + PAGES


@pytest.mark.parametrize("path", SHOWN, ids=lambda p: p.name)
def test_no_page_shows_words_that_are_not_in_the_table(path: Path) -> None:
    found = shown(path)
    assert found == [], 'write them into stream/texts.json, and t("key") here'


def test_words_beside_the_table_would_be_found(tmp_path: Path) -> None:
    for name, text in {
        "a.py": 'def f():\n    """A doc."""\n    card("Your tune", hint(f"it is heard in {x} s"))\n',
        "b.js": 'state.textContent = on ? "Stop" : `it is heard in ${x} s`; // "Not this one"\n',
        "c.html": '<p>Press Play</p><button class="x">Stop</button>',
    }.items():
        (tmp_path / name).write_text(text)
        assert len(shown(tmp_path / name)) == 2, name


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        ("", None, "en"),
        ("", "", "en"),
        ("", "fr-CH, fr;q=0.9, en;q=0.8", "fr"),
        ("", "de-AT", "de"),
        ("", "nl, it", "en"),
        ("", "nl, de;q=0.2, en;q=0.1", "de"),
        ("de", "fr", "de"),
        ("tlh", "fr", "fr"),
        ("", "," * 9999 + "q=;;;=de", "en"),
    ],
)
def test_the_language_is_the_chosen_one_or_that_of_the_browser(
    cookie: str, accepted: str | None, language: str
) -> None:
    assert texts_for(cookie, accepted).language == language


def test_sentences_with_values_are_translated_and_others_are_left() -> None:
    said = "all 3 places (max_connections) are taken; try again later."
    assert texts("de").sentence(said).startswith("alle 3 Plätze")
    assert texts("fr").sentence("bpm is 999; take 30 to 240.") == "bpm is 999; take 30 to 240."
    assert ENGLISH.sentence(said) == said
    assert texts("fr").number(0.05, 2) == "0,05"
    assert ENGLISH.number(0.05, 2) == "0.05"
