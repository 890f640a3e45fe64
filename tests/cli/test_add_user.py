"""--add-user: a name and a random password in play_bach.json, which is printed once."""

import json
import os
import re
import stat
from collections.abc import Callable

import pytest

from config_bach import Paths, UserError
from stream.settings import Server, load_or_create, path_of

Run = Callable[..., None]


def test_it_writes_a_user_whose_password_is_printed(
    run: Run, paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--add-user", "anna")
    said = capsys.readouterr().out
    server, new = load_or_create(paths)
    assert not new
    assert f"user anna, password {server.users['anna']}   (shown this once)" in said
    assert f"user bach, password {server.password}   (shown this once)" in said  # the file is new
    assert len(server.users["anna"]) >= 16
    if os.name == "posix":
        assert stat.S_IMODE(path_of(paths).stat().st_mode) == 0o600
    run("--add-user", "Zoë")
    said = capsys.readouterr().out
    assert list(load_or_create(paths)[0].users) == ["anna", "Zoë"]
    assert server.password not in said
    assert server.users["anna"] not in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("anna", "'anna' is a user already: take the name out of users"),
        ("bach", "who is the owner already"),
        ("a:b", "users holds the name 'a:b'"),
        ("", "--add-user: is empty"),
        ("a\nb", re.escape("users holds the name 'a\\nb'")),
        ("\udcff", "users holds the name"),
    ],
)
def test_a_name_that_cannot_be_changes_nothing(
    run: Run, paths: Paths, name: str, said: str
) -> None:
    path_of(paths).write_text(json.dumps(Server(password="x", users={"anna": "y"}).to_json()))
    before = path_of(paths).read_bytes()
    with pytest.raises(UserError, match=said):
        run("--add-user", name)
    assert path_of(paths).read_bytes() == before
