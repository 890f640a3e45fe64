"""play_bach.json: users, guests and the certificate are checked; what is changed is written whole."""

import json
import os
import stat
from typing import Any

import pytest

from config_bach import Paths, UserError
from stream import settings
from stream.settings import Server

FINE: dict[str, Any] = {"password": "x"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"users": []}, "users is [], but it must be an object in braces"),
        ({"users": "anna"}, "users is 'anna', but it must be an object"),
        ({"users": {"anna": ""}}, "the password of 'anna' in users must be text"),
        ({"users": {"anna": " "}}, "the password of 'anna' in users must be text"),
        ({"users": {"anna": 7}}, "the password of 'anna' in users must be text"),
        ({"users": {"anna": None}}, "the password of 'anna'"),
        ({"users": {"anna": "x" * 1001}}, "of 1 to 1000 characters"),
        ({"users": {"anna": "\ud800"}}, "the password of 'anna'"),
        ({"users": {"": "x"}}, "users holds the name ''"),
        ({"users": {"a:b": "x"}}, "users holds the name 'a:b'"),
        ({"users": {" a": "x"}}, "users holds the name ' a'"),
        ({"users": {"a\r\nSet-Cookie: x": "x"}}, "users holds the name 'a\\r\\nSet-Cookie: x'"),
        ({"users": {"a" * 65: "x"}}, "it must be 1 to 64 characters"),
        ({"users": {"bach": "x"}}, "users holds 'bach', who is the owner already"),
        ({"users": {str(i): "x" for i in range(1001)}}, "users has 1001 entries; 1000 are allowed"),
        ({"guests": {}}, "guests is {}, but it must be a list in brackets"),
        ({"guests": [7]}, "guests holds '7'; a code is text of 8 to 64 characters"),
        ({"guests": ["1234567"]}, "guests holds '1234567'"),
        ({"guests": ["x" * 65]}, "a code is text of 8 to 64 characters"),
        ({"guests": [" 12345678"]}, "without spaces around it"),
        ({"guests": ["1234\n5678"]}, "on one line"),
        ({"guests": ["12345678", "12345678"]}, "guests holds the code '12345678' twice"),
        ({"guests": [f"{i:08}" for i in range(1001)]}, "guests has 1001 entries"),
        ({"certificate": "x"}, "certificate is set and key is not"),
        ({"key": "x"}, "key is set and certificate is not"),
        ({"certificate": 7}, "certificate is 7, but it must be text"),
        ({"password": "\udfff"}, "password holds half a character"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refusal:
        Server(**{**FINE, **changes})
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"users": {"a" * 64: "x" * 1000, "Zoë/ö": "\ue000 \ud7ff"}},
        {"guests": ["x" * 8, "y" * 64, "zwei Wörter"]},
        {"users": {str(i): "x" for i in range(1000)}},
        {"certificate": "a", "key": "b"},
    ],
)
def test_what_can_be_is_taken(changes: dict[str, Any]) -> None:
    server = Server(**{**FINE, **changes})
    assert Server.from_json(json.loads(json.dumps(server.to_json()))) == server


def test_the_owner_is_a_user_too_and_addresses_follow_the_certificate() -> None:
    server = Server(**FINE, users={"anna": "y"})
    assert server.passwords == {"bach": "x", "anna": "y"}
    assert server.scheme == "http"
    assert Server(**FINE, certificate="a", key="b").scheme == "https"


def test_a_change_leaves_the_rest_as_it_stands(paths: Paths) -> None:
    path = settings.path_of(paths)
    path.write_text('{"password": "x", "bpm": 1}')
    before = path.read_bytes()
    with pytest.raises(UserError, match="'bpm' is not a setting"):
        settings.change(paths, user="anna")
    assert path.read_bytes() == before
    path.write_text('{"password": "x", "remi_port": 9000}')
    path.chmod(0o644)
    assert settings.change(paths, guests=["12345678"]).remi_port == 9000
    told = {"password": "x", "remi_port": 9000, "guests": ["12345678"]}
    assert json.loads(path.read_text()) == told
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(UserError, match="twice"):
        settings.change(paths, guests=["12345678"] * 2)
    assert json.loads(path.read_text()) == told
