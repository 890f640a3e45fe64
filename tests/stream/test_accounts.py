"""Who may come in, and which cookies hold: none that is forged, old, or of somebody who left."""

import base64
import json

import pytest
from live import PASSWORD, USER

from stream.accounts import Accounts, is_guest, number_of
from stream.links import REMEMBERED, SignedLinks

KEY = b"k" * 32
USERS = {USER: PASSWORD, "anna": "other", "Zoë/x": "pass:wörd"}
CODES = ["guest-12345678", "another code"]


def accounts(
    users: dict[str, str] = USERS, codes: list[str] = CODES, key: bytes = KEY, **more: object
) -> Accounts:
    return Accounts(users, codes, SignedLinks(1, key), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("user", USERS)
def test_each_user_has_one_password(user: str) -> None:
    known = accounts()
    login = known.with_password(f"{user}:{USERS[user]}".encode())
    assert known.user_of(login) == user
    for other, password in USERS.items():
        assert bool(known.with_password(f"{user}:{password}".encode())) == (user == other)
    for wrong in (b"", user.encode(), f"{user}:".encode(), f"{user}:{USERS[user]} ".encode()):
        assert not known.with_password(wrong)


def test_guests_with_the_same_code_are_different_users() -> None:
    known = accounts()
    guests = [known.user_of(known.with_code(b"guest-12345678")) for _ in range(3)]
    assert len(set(guests)) == 3
    assert all(map(is_guest, guests))
    assert not any(map(is_guest, USERS))
    for wrong in (b"", b"guest-1234567", b"GUEST-12345678", f"{USER}:{PASSWORD}".encode()):
        assert not known.with_code(wrong)
    assert not known.with_password(b"guest-12345678")


def cookie_of(known: Accounts, user: str = "anna") -> str:
    return known.cookie(known.with_password(f"{user}:{USERS[user]}".encode()))


@pytest.mark.parametrize("user", USERS)
def test_a_cookie_outlives_the_server(user: str) -> None:
    cookie = cookie_of(accounts(), user)
    again = accounts()
    assert again.user_of(again.login_of(cookie)) == user
    assert USERS[user] not in cookie


def test_the_cookie_of_who_left_or_has_another_password_is_worth_nothing() -> None:
    cookie, code = cookie_of(accounts()), accounts().cookie(accounts().with_code(CODES[1].encode()))
    assert accounts().login_of(cookie)
    assert accounts().login_of(code)
    assert not accounts({**USERS, "anna": "new"}).login_of(cookie)
    assert not accounts({USER: PASSWORD}).login_of(cookie)
    assert not accounts({USER: "other"}).login_of(cookie)  # the same password, of somebody else
    assert not accounts(codes=CODES[:1]).login_of(code)
    assert accounts({USER: "new"}, CODES[1:]).login_of(code)


def test_a_cookie_of_another_server_is_worth_nothing() -> None:
    assert not accounts(key=b"x" * 32).login_of(cookie_of(accounts()))


def test_who_has_logged_out_is_out_with_every_copy_of_the_cookie() -> None:
    ended: set[str] = set()
    known = accounts(ended=ended.__contains__)
    first, second = cookie_of(known), cookie_of(known)
    number = number_of(known.login_of(first))
    assert len(number) == 32
    ended.add(number)
    assert not known.login_of(first)
    assert [known.is_void(x) for x in (first, second, "", "x")] == [True, False, False, False]
    assert not accounts(key=b"x" * 32).is_void(first)  # it is for another process to say
    assert known.login_of(second)  # on another device
    basic = known.with_password(b"anna:other")
    assert number_of(basic) == ""
    ended.add("")
    assert known.user_of(basic) == "anna"  # HTTP Basic cannot log out


def forged(login: str) -> list[str]:
    """Cookies that somebody made."""
    head = base64.urlsafe_b64encode(json.dumps(login).encode()).decode().rstrip("=")
    _, when, signature = cookie_of(accounts()).split(".")
    own = SignedLinks(1, KEY)
    device = accounts().device(accounts().with_password(b"anna:other"))
    listen = own.sign("listen", login)
    return [head, f"{head}.{when}.{signature}", f"{head}..", login, device, listen, "", "é", "\0"]


@pytest.mark.parametrize("cookie", forged(f"{USER}/{'0' * 16}/"), ids=range(9))
def test_a_forged_cookie_is_worth_nothing(cookie: str) -> None:
    assert not accounts().login_of(cookie)


@pytest.mark.parametrize(
    "what", [None, 7, [USER], {"user": USER}, "", USER, "/", "//", f"{USER}//"]
)
def test_nonsense_is_no_login_even_if_it_is_signed(what: object) -> None:
    assert not accounts().login_of(SignedLinks(1, KEY).sign("login", what))


def test_a_cookie_is_good_for_90_days(monkeypatch: pytest.MonkeyPatch) -> None:
    links = SignedLinks(1, KEY)
    known = Accounts(USERS, CODES, links)
    begun = links.clock()
    monkeypatch.setattr(links, "clock", lambda: begun)
    cookie = cookie_of(known)
    monkeypatch.setattr(links, "clock", lambda: begun + REMEMBERED)
    assert known.login_of(cookie)
    monkeypatch.setattr(links, "clock", lambda: begun + REMEMBERED + 1)
    assert not known.login_of(cookie)


def test_a_device_speaks_for_the_user_who_logged_in_with_it_alone() -> None:
    known = accounts()
    device = known.device(known.with_password(b"anna:other"))
    assert known.device_number(device, "anna")
    assert not known.device_number(device, USER)  # or who has an account could guess others'
    assert not known.device_number(device, "nobody")
    assert not known.device_number(cookie_of(known), "anna")
    assert known.device(known.with_code(CODES[0].encode())) == ""
    assert not accounts({**USERS, "anna": "new"}).device_number(device, "anna")
