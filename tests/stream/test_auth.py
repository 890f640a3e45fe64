"""Guessing a password is slow; the right one always gets in; links hold against a jumping clock."""

import base64
import time
from typing import Any

import numpy as np
import pytest
from live import LOGIN, PASSWORD, USER

from stream import auth
from stream.accounts import Accounts
from stream.auth import COUNTED, Authenticator
from stream.links import Clock, SignedLinks

WRONG = "Basic " + base64.b64encode(b"bach:wrong").decode()


class Time:
    """A clock that is set by hand; sleeping moves it."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@pytest.fixture
def at() -> Time:
    return Time()


@pytest.fixture
def authenticator(at: Time) -> Authenticator:
    return Authenticator(Accounts({USER: PASSWORD}, [], SignedLinks(1)), lambda: at.now, at.sleep)


def test_guessing_gets_slower_and_slower(authenticator: Authenticator, at: Time) -> None:
    refused = 0
    for at.now in np.arange(0, 3600, 0.25):
        refused += authenticator.check(WRONG, "10.0.0.1").status == 429
    assert refused > 14_000  # of 14,400 in an hour
    assert at.slept > 14_000 * 0.9 * auth.SLOWED / 3


def test_three_typing_errors_cost_nothing(authenticator: Authenticator, at: Time) -> None:
    assert [authenticator.check(WRONG, "10.0.0.1").status for _ in range(3)] == [401] * 3
    assert authenticator.check(LOGIN, "10.0.0.1").accepted
    assert at.slept == 0


def test_each_wrong_guess_doubles_the_wait(authenticator: Authenticator) -> None:
    waits = [authenticator.check(WRONG, "10.0.0.1").wait for _ in range(11)]
    assert waits == [0, 0, 0, 0, 2, 4, 8, 16, 32, 60, 60]


def test_links_are_good_for_their_hours_to_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    links = SignedLinks(2)
    begun = links.clock()
    monkeypatch.setattr(links, "clock", lambda: begun)
    token = links.sign("listen", 1)
    monkeypatch.setattr(links, "clock", lambda: begun + 7200)
    assert links.read("listen", token) == 1
    monkeypatch.setattr(links, "clock", lambda: begun + 7202)
    assert links.read("listen", token) is None


def test_the_right_password_always_gets_in_slowed(authenticator: Authenticator, at: Time) -> None:
    for _ in range(60):
        authenticator.check(WRONG, "10.0.0.1")
    at.slept = 0
    verdict = authenticator.check(LOGIN, "10.0.0.1")
    assert verdict.accepted
    assert at.slept == auth.SLOWED
    assert authenticator.check(
        LOGIN, "10.0.0.2"
    ).accepted  # another address: the account is watched


def test_a_neighbours_login_does_not_help_who_guesses(
    authenticator: Authenticator, at: Time
) -> None:
    statuses = []
    for _ in range(60):
        statuses.append(authenticator.check(WRONG, "10.0.0.1").status)
        assert authenticator.check(LOGIN, "10.0.0.1").accepted
    assert statuses.count(429) >= 56


def test_who_has_logged_in_before_is_not_slowed_by_others(
    authenticator: Authenticator, at: Time
) -> None:
    device = authenticator.check(LOGIN, "10.0.0.1").device
    for _ in range(60):
        authenticator.check(WRONG, "10.0.0.1")
    at.slept = 0
    verdict = authenticator.check(LOGIN, "10.0.0.1", device)
    assert verdict.accepted
    assert not verdict.device  # it has one
    assert at.slept == 0
    for _ in range(10):  # but it may not guess either
        authenticator.check(WRONG, "10.0.0.1", device)
    assert at.slept > 0
    assert not authenticator.check(None, "10.0.0.1", device).accepted  # a cookie is no login


@pytest.mark.parametrize("device", ["x", "W10.x.y", "\0", "é" * 1000])
def test_a_forged_cookie_is_worth_nothing(
    authenticator: Authenticator, at: Time, device: str
) -> None:
    for _ in range(60):
        authenticator.check(WRONG, "10.0.0.1", device)
    assert at.slept > 0
    foreign = (
        Authenticator(Accounts({USER: PASSWORD}, [], SignedLinks(1))).check(LOGIN, "1.2.3.4").device
    )
    assert authenticator.check(LOGIN, "10.0.0.1", foreign).device


def test_a_new_password_voids_the_cookies(at: Time) -> None:
    links = SignedLinks(1)
    old = Authenticator(Accounts({USER: "old"}, [], links)).check(
        "Basic " + base64.b64encode(b"bach:old").decode(), "10.0.0.1"
    )
    new = Authenticator(Accounts({USER: PASSWORD}, [], links), lambda: at.now, at.sleep)
    assert new.check(LOGIN, "10.0.0.1", old.device).device


def test_an_account_guessed_at_from_many_addresses_is_slowed_too(
    authenticator: Authenticator, at: Time
) -> None:
    for i in range(200):
        authenticator.check(WRONG, f"10.0.{i}.1")
    assert at.slept > 100
    assert authenticator.check(LOGIN, "10.9.9.9").accepted


def test_wrong_guesses_are_forgotten_with_time(authenticator: Authenticator, at: Time) -> None:
    for _ in range(10):
        authenticator.check(WRONG, "10.0.0.1")
    at.now += 3600
    at.slept = 0
    assert authenticator.check(WRONG, "10.0.0.1").status == 401
    assert at.slept == 0


def test_few_logins_of_an_address_are_slowed_at_once() -> None:
    inside: list[Any] = []

    def sleep(seconds: float) -> None:
        inside.append(checker.check(LOGIN, "10.0.0.1"))  # another one meanwhile

    checker = Authenticator(Accounts({USER: PASSWORD}, [], SignedLinks(1)), lambda: 0.0, sleep)
    for _ in range(5):
        checker.check(WRONG, "10.0.0.1")
    assert [v.status for v in inside] == [429, 200, 200, 200]
    assert len(inside) == auth.AT_ONCE


def test_the_memory_of_guesses_is_bounded(authenticator: Authenticator, at: Time) -> None:
    for i in range(COUNTED + 500):
        authenticator.check("Basic xxx", f"10.{i // 65536}.{i // 256 % 256}.{i % 256}")
        authenticator.check("Basic xxx", f"2001:db8::{i:x}")  # one client with all of its addresses
    assert len(authenticator._guesses) <= COUNTED
    assert not authenticator._slowed
    at.slept = 0
    authenticator.check(LOGIN, "2001:db8::ffff")
    assert at.slept > 0


@pytest.mark.parametrize("header", ["Basic", "Basic ", "basic !!!", "Bearer x", "Basic " + "A" * 9])
def test_nonsense_is_no_login(authenticator: Authenticator, header: str) -> None:
    assert authenticator.check(header, "not an address").status == 401


def test_links_outlive_the_server_with_its_key() -> None:
    key = b"k" * 32
    token = SignedLinks(1, key).sign("listen", {"station": "x"})
    assert SignedLinks(1, key).read("listen", token) == {"station": "x"}
    assert SignedLinks(1, key).read("share", token) is None
    assert SignedLinks(1).read("listen", token) is None


@pytest.mark.parametrize("jump", [-(10**8), 10**8])
def test_a_clock_that_jumps_voids_no_link(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    links = SignedLinks(1)
    token = links.sign("listen", 1)
    jumped = time.time() + jump
    monkeypatch.setattr(time, "time", lambda: jumped)
    assert links.read("listen", token) == 1
    assert links.read("listen", links.sign("listen", 2)) == 2


def test_a_machine_that_starts_in_1970_goes_on_from_the_last_time_it_knew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key, known = b"k" * 32, time.time()
    token = SignedLinks(1, key).sign("listen", 1)
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    assert SignedLinks(1, key, Clock(known)).read("listen", token) == 1
    assert SignedLinks(1, key, Clock()).read("listen", token) is None  # it comes from the future


def test_links_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    links = SignedLinks(1)
    token = links.sign("listen", 1)
    later = time.monotonic() + 3700
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert links.read("listen", token) is None
