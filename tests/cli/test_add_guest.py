"""--add-guest: a code, and a link that has it."""

import json
import re
from collections.abc import Callable

import pytest

from config_bach import Paths, UserError
from stream.settings import load_or_create, path_of

Run = Callable[..., None]


@pytest.mark.parametrize(("words", "begin"), [([], "guest"), (["uncle bob"], "uncle bob")])
def test_it_writes_a_code_that_is_printed_with_a_link(
    run: Run, paths: Paths, words: list[str], begin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path_of(paths).write_text('{"password": "x", "dns": "my.house", "remi_port": 9000}')
    run("--add-guest", *words)
    run("--add-guest", *words)
    said = capsys.readouterr().out
    first, second = load_or_create(paths)[0].guests
    assert first != second
    assert re.fullmatch(rf"{begin}-[a-km-np-z2-9]{{10}}", first)
    assert f"code {first}\n" in said
    assert f"link http://my.house:9000/?code={first.replace(' ', '%20')}\n" in said
    assert json.loads(path_of(paths).read_text())["password"] == "x"


@pytest.mark.parametrize("name", ["x" * 60, "a\nb", " a"])
def test_a_code_that_cannot_be_typed_changes_nothing(run: Run, paths: Paths, name: str) -> None:
    path_of(paths).write_text('{"password": "x"}')
    with pytest.raises(UserError, match="a code is text of 8 to 64 characters"):
        run("--add-guest", name)
    assert path_of(paths).read_text() == '{"password": "x"}'
