"""The server as a process: its settings file, its start, its end. -st as a person types it."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import ROOT, play_bach, refused
from live import SHIPPED, answers, free_ports, get, raw, start, until

from config_bach import Paths, UserError
from gui.server import PageServer
from stream.server import Servers, _announce
from stream.settings import Server, load_or_create, path_of

pytestmark = pytest.mark.slow


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A home with a model and no settings yet."""
    (tmp_path / "models").mkdir()
    shutil.copy(SHIPPED, tmp_path / "models")
    return tmp_path


def write(home: Path, **changes: Any) -> dict[str, Any]:
    """Settings with free ports."""
    data = {
        "user": "bach",
        "password": "x y",
        **dict(zip(("remi_port", "flask_port"), free_ports(), strict=True)),
    }
    path_of(Paths(home)).write_text(json.dumps({**data, **changes}))
    return {**data, **changes}


@pytest.fixture
def started(empty: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any], float]]:
    """The process, its settings, and the seconds until it answered."""
    data = write(empty)
    begun = time.monotonic()
    process = start(empty)
    until(lambda: answers(data["flask_port"]))
    took = time.monotonic() - begun
    yield process, data, took
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


LOGIN = "Basic YmFjaDp4IHk="  # bach:x y


def test_it_answers_soon_stays_small_and_never_imports_tensorflow(
    started: tuple[subprocess.Popen[str], dict[str, Any], float],
) -> None:
    process, data, took = started
    listener = raw(data["flask_port"], "/play.mp3", login=LOGIN)
    assert len(listener.recv(2000)) > 0
    get(data["remi_port"], "/", LOGIN)
    time.sleep(2)
    me = psutil.Process(process.pid)
    assert me.memory_info().rss < 400 << 20
    if hasattr(me, "memory_maps"):
        libraries = {Path(m.path).name for m in me.memory_maps()}
        assert not [name for name in libraries if "tensorflow" in name]
    listener.close()
    assert took < 3 * busy()


def busy() -> float:
    """How much slower than alone a program runs on this machine now."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)) if hasattr(os, "getloadavg") else 1


def test_no_module_of_the_server_needs_tensorflow() -> None:
    code = (
        "import sys, stream.server, gui.server, stream.recording, litert.loading, cli.stream; "
        "assert 'tensorflow' not in sys.modules and 'music21' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_three_seconds_while_others_listen(
    started: tuple[subprocess.Popen[str], dict[str, Any], float], how: signal.Signals
) -> None:
    process, data, _ = started
    listener = raw(data["flask_port"], "/play.wav", login=LOGIN)
    hung = raw(data["flask_port"], "/play.wav", login=LOGIN)
    listener.recv(2000)
    time.sleep(1)
    process.send_signal(how)
    assert process.wait(3) == 0
    output = process.communicate()[0]
    assert "Traceback" not in output
    listener.close()
    hung.close()


def test_the_first_start_makes_a_password_that_only_you_can_read(empty: Path) -> None:
    server, new = load_or_create(Paths(empty))
    file = path_of(Paths(empty))
    assert new
    assert len(server.password) >= 16
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_or_create(Paths(empty)) == (server, False)
    file.unlink()
    assert load_or_create(Paths(empty))[0].password != server.password


def test_the_password_is_printed_once(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = []
    for _ in range(2):
        _announce(*load_or_create(Paths(empty)), Paths(empty))
        output.append(capsys.readouterr().out)
    password = load_or_create(Paths(empty))[0].password
    assert password in output[0]
    assert password not in output[1]
    assert "on the air: http://127.0.0.1:8800/" in output[1]


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"remi_port": "8800"}, "remi_port"),
        ({"flask_port": 99999}, "flask_port"),
        ({"ahead": True}, "ahead"),
        ({"pasword": "x"}, "pasword"),
        ({"password": ""}, "password"),
        ({"user": "a:b"}, "user"),
        ({"remi_port": 9000, "flask_port": 9000}, "flask_port"),
        ({"max_stations": 1.5}, "max_stations"),
        (
            {"sound_url": "bach.example/1"},
            "sound_url is 'bach.example/1'; write an address such as",
        ),
        ({"sound_url": "https://bach.example/1/"}, "without a slash at its end"),
        ({"sound_url": "https://bach.example/'</script>"}, "write an address such as"),
        ({"variant": "int3"}, "variant is 'int3'; it must be float32, float16, dynamic, int8"),
        ({"threads": 0}, "threads"),
        ({"delegate": 1}, "delegate"),
    ],
)
def test_a_broken_setting_is_named_in_one_sentence(
    empty: Path, broken: dict[str, Any], named: str
) -> None:
    write(empty, **broken)
    with pytest.raises(UserError, match=named) as refusal:
        load_or_create(Paths(empty))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["{", "[]", "", "\ufeff{", '{"user": }'])
def test_a_broken_file_is_named_in_one_sentence(empty: Path, text: str) -> None:
    path_of(Paths(empty)).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=re.escape("play_bach.json")):
        load_or_create(Paths(empty))


@pytest.mark.parametrize("key", ["remi_port", "flask_port"])
def test_a_port_in_use_is_one_sentence(empty: Path, key: str) -> None:
    data = write(empty)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", data[key]))
        taken.listen()
        sentence = refused(play_bach("-st", home=empty))
    assert str(data[key]) in sentence
    assert key in sentence


def test_a_delegate_that_cannot_be_used_is_one_sentence(empty: Path) -> None:
    write(empty)
    result = play_bach("-st", "--delegate", "/no/such.so", home=empty, timeout=30)
    assert "the delegate /no/such.so cannot be used" in refused(result)


def test_no_model_yet_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path)
    assert "-l 0 -f" in refused(play_bach("-st", home=tmp_path))


def test_on_the_network_it_shows_a_code_to_scan(
    empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(empty)
    _announce(Server(password="x", host="0.0.0.0", dns="my-house.example"), False, Paths(empty))
    shown = capsys.readouterr().out
    assert "http://my-house.example:8800/" in shown
    assert len([x for x in shown.splitlines() if "\u2580" in x or "\u2588" in x]) > 8


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(
    ("host", "callers"),
    [("::1", ["[::1]"]), ("::", ["[::1]", "127.0.0.1"]), ("localhost", ["localhost"])],
)
def test_it_is_heard_over_ipv6_and_over_both(
    empty: Path, host: str, callers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(empty, host=host, max_per_address=2)
    servers = Servers(load_or_create(Paths(empty))[0], Paths(empty), PageServer)
    try:
        for caller in callers:
            for number, path in ((data["flask_port"], "/ping"), (data["remi_port"], "/")):
                request = urllib.request.Request(f"http://{caller}:{number}{path}")
                request.add_header("Authorization", LOGIN)
                with urllib.request.urlopen(request, timeout=5) as answer:
                    assert answer.status == 200
    finally:
        servers.close()
    if host == "::1":
        _announce(load_or_create(Paths(empty))[0], False, Paths(empty))
        assert f"on the air: http://[::1]:{data['remi_port']}/" in capsys.readouterr().out
