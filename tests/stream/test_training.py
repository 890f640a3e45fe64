"""Trainings from the page over real HTTP; the trained process is a stand-in, which learns nothing."""

import importlib.util
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mido
import psutil
import pytest
from conftest import ROOT
from live import LOGIN, MODEL, SHIPPED, USER, get, raw, settings, until

from config_bach import Paths, UserError
from gui.server import PageServer
from midi_io import write_midi
from music.events import Piece
from stream import training, training_process, training_reader, training_table
from stream.context import ServerContext
from stream.server import Servers
from stream.training import TrainingRequest, Trainings
from stream.training_process import Job, command

pytestmark = pytest.mark.slow

STAND_IN = ROOT / "tests" / "stand_in.py"
NewServers = Callable[..., Servers]
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of a training is a stand-in."""
    monkeypatch.setattr(training_process, "PROGRAM", STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture(scope="module")
def files(tunes: list[Piece], tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """Four small pieces, and something else."""
    path = tmp_path_factory.mktemp("files") / "piece.mid"
    made = []
    for piece in tunes[:4]:
        write_midi(path, piece.events, 100, 43)
        made.append((f"{piece.name}.mid", path.read_bytes()))
    return [*made, ("noise.mid", b"no music")]


def asking(servers: Servers, login: str = LOGIN) -> Ask:
    """Ask the audio server: status, and the JSON or the text of the answer."""
    address = f"http://127.0.0.1:{servers.context.server.flask_port}"

    def ask(method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Content-Type": kind} | ({"Authorization": login} if login else {})
        request = urllib.request.Request(address + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return ask


def send(ask: Ask, files: list[tuple[str, bytes]], path: str = "/training/files") -> None:
    for name, content in files:
        status, told = ask("POST", f"{path}?name={quote(name)}", content, "audio/midi")
        assert (status, told) == (200, {"scores": [name], "others": []})


def read(ask: Ask) -> dict[str, Any]:
    """Wait for the table."""
    ask("GET", "/training?model_type=3")
    until(lambda: not ask("GET", "/training")[1]["reading"], 30)
    state = ask("GET", "/training?model_type=3")[1]
    assert not state["reading"]  # once is enough
    table = state["table"]
    assert isinstance(table, dict)
    return table


def running(ask: Ask) -> dict[str, Any]:
    return dict(ask("GET", "/training")[1]["training"])


def begin(ask: Ask, app: str) -> None:
    status, told = ask("POST", "/training", {"app": app, "model_type": 3})
    assert status == 200, told


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A server with another user and a guest."""
    home = tmp_path_factory.mktemp("training")
    (home / "models").mkdir()
    for name in ("other2_nc_mo", MODEL):
        shutil.copy(SHIPPED, home / "models" / f"{name}.zip")
    others: dict[str, Any] = {"users": {"anna": "her password"}, "guests": ["guest-code"]}
    running = Servers(settings(**others), Paths(home), PageServer)
    yield running
    running.close()


@pytest.fixture(scope="module")
def ready(servers: Servers, files: list[tuple[str, bytes]]) -> Ask:
    """Files were sent and read."""
    ask = asking(servers)
    send(ask, files)
    assert read(ask)["pieces"] == 4
    return ask


def test_a_training_from_the_files_to_the_model(servers: Servers, ready: Ask) -> None:
    table = read(ready)
    assert len(table["lines"]) == 6
    size = servers.context.trainings.uploads.size(USER)
    assert ready("GET", "/training")[1]["mb"] == round(size / 2**20, 3) > 0
    assert any(
        "noise.mid" in line and "refused: not a MIDI file" in line for line in table["lines"]
    )
    begin(ready, "quick")
    until(lambda: not running(ready)["running"], 20)
    told = running(ready)
    assert (told["phase"], told["model"], told["told"]) == ("done", "quick3_nc_mo", "")
    assert told["history"][1] == {"epoch": 2, "train": 1.5, "valid": 1.75, "accuracy": 0.5}
    assert told["baseline"] == 2.5
    folder = servers.context.trainings.progress(USER, "quick")
    asked = (folder / "asked.txt").read_text().splitlines()
    assert asked[:2] == ["-l", "0"]
    corpus = Path(asked[asked.index("--corpus") + 1])
    assert len(list(corpus.iterdir())) == 5
    # samples, as players ask for them
    port, path = servers.context.server.flask_port, told["samples"][1]["link"] + "/sample.mp3"
    status, headers, sound = get(port, path, None, 10**7)
    assert (status, headers["Content-Type"]) == (200, "audio/mpeg")
    assert len(sound) > 20_000
    status, headers, part = get(port, path, None, Range="bytes=100-199")
    assert (status, part) == (206, sound[100:200])
    assert headers["Content-Range"] == f"bytes 100-199/{len(sound)}"
    assert get(port, "/training/samples/2.mp3", LOGIN, 10**7)[2] == sound
    midi = mido.MidiFile(file=io.BytesIO(get(port, "/training/samples/1.mid", LOGIN, 10**6)[2]))
    assert {m.note for track in midi.tracks for m in track if m.type == "note_on"} == {60, 62, 64}
    for wrong in ("/training/samples/9.mp3", "/training/samples/2.exe", "/training/samples/x.mp3"):
        assert get(port, wrong, LOGIN)[0] == 404
    assert get(port, path.replace("sample.mp3", "x.wav"), None)[0] == 404
    assert get(port, "/sample/forged/x.mp3", None)[0] == 403


def test_one_at_a_time_at_the_lowest_priority(servers: Servers, ready: Ask) -> None:
    begin(ready, "slow")
    process = servers.context.trainings._process
    assert process
    if os.name == "posix":
        until(lambda: psutil.Process(process.pid).nice() == 19)
        assert Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip() == "1000"
    status, why = ready("POST", "/training", {"app": "other", "model_type": 3})
    assert (status, why) == (400, "another training goes on; wait until it has ended.\n")
    until(lambda: running(ready)["history"], 20)
    anna = asking(servers, login_of("anna", "her password"))
    state = anna("GET", "/training")[1]
    assert (state["busy"], state["training"], state["files"]) == (True, None, 0)
    assert anna("POST", "/training/stop", {})[1] == "no training of yours goes on.\n"
    assert running(ready)["running"]
    assert ready("POST", "/training/stop", {})[0] == 200
    assert running(ready)["stopping"] or not running(ready)["running"]
    until(lambda: not running(ready)["running"], 20)
    assert running(ready)["phase"] == "done"
    assert ready("POST", "/training/stop", {})[0] == 400
    finished = servers.context.trainings.finished
    assert ready("POST", "/training/resume", {})[0] == 200  # goes on from the checkpoint
    asked = servers.context.trainings.progress(USER, "slow") / "asked.txt"
    until(lambda: asked.read_text().startswith("-l\n1\n-f\n--app\nslow\n"), 20)
    ready("POST", "/training/stop", {})
    until(lambda: not running(ready)["running"], 20)
    assert servers.context.trainings.finished == finished + 1
    assert "already" in ready("POST", "/training", {"app": "Slow", "model_type": 3})[1]


def login_of(user: str, password: str) -> str:
    import base64

    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("app", "told", "phase"),
    [
        ("crash", "the training was ended from outside", "reading"),
        (
            "bad",
            "the pieces are too short to hold any out for validation; add longer ones.",
            "failed",
        ),
    ],
)
def test_how_a_training_failed_is_told(
    servers: Servers, ready: Ask, app: str, told: str, phase: str
) -> None:
    begin(ready, app)
    until(lambda: not running(ready)["running"], 20)
    assert (running(ready)["told"], running(ready)["phase"]) == (told, phase)
    begin(ready, app)  # nothing was learned: the name is free
    until(lambda: not running(ready)["running"], 20)


def test_stopping_before_anything_is_learned_ends_at_once(servers: Servers, ready: Ask) -> None:
    begin(ready, "early")
    until(lambda: running(ready)["phase"] == "starting", 20)
    ready("POST", "/training/stop", {})
    until(lambda: not running(ready)["running"], 5)
    assert running(ready)["told"] == ""


BAD_NAMES = ("", " ", "a b", "../x", "a/b", "mine2", "-x", "x" * 31, "ä", "a\n", "a_b", "--app")
BAD: list[tuple[Any, str]] = [
    *(({"app": app, "model_type": 3}, "name is 1 to 30|understood") for app in BAD_NAMES),
    ({"app": "bach", "model_type": 3}, "a model of that name is there already"),
    ({"app": "BACH", "model_type": 3}, "a model of that name is there already"),
    ({"app": "x", "model_type": 77}, "no model type 77"),
    ({"app": "x", "model_type": "3"}, "model_type"),
    ({"app": "x", "model_type": 3, "epochs": 0}, "epochs"),
    ({"app": "x", "model_type": 3, "epochs": True}, "epochs"),
    ({"app": "x", "model_type": 3, "from": "no such"}, "no such model"),
    ({"app": "x", "model_type": 3, "from": "../models/bach2_nc_mo"}, "no such model"),
    ({"app": "x", "units": 3}, "units"),
    ({}, "app"),
    ([1], "not understood"),
    (b"[" * 4000, "not understood"),
    (b"\xff", "not understood"),
]


def test_what_cannot_be_trained_is_said_in_a_sentence(servers: Servers, ready: Ask) -> None:
    before = ready("GET", "/training")[1]["training"]
    for wanted, why in BAD:
        status, text = ready("POST", "/training", wanted)
        assert status == 400, wanted
        assert re.search(why, text), (wanted, text)
        assert text.count("\n") == 1
    assert ready("POST", "/training", b"{}", "text/plain")[0] == 415
    assert ready("GET", "/training?model_type=x")[0] == 400
    assert ready("POST", "/training/resume", {"a": 1})[0] == 400
    anna = asking(servers, login_of("anna", "her password"))
    assert anna("POST", "/training/resume", {})[1].startswith("there is no training to go on with")
    assert ready("GET", "/training")[1]["training"] == before


def test_nothing_is_trained_before_the_files_are_read(
    servers: Servers, files: list[tuple[str, bytes]]
) -> None:
    ask = asking(servers, login_of("anna", "her password"))
    send(ask, files[-1:])
    assert read(ask)["refused"].startswith("nothing in your files can be learned from")
    assert "nothing in your files" in ask("POST", "/training", {"app": "x", "model_type": 3})[1]
    send(ask, files[:1])
    assert "still being read" in ask("POST", "/training", {"app": "x", "model_type": 3})[1]
    assert read(ask)["pieces"] == 1
    status, told = ask("DELETE", "/training/files")
    assert (status, told["files"], told["table"]) == (200, 0, None)


def test_reading_that_takes_too_long_is_given_up(
    servers: Servers, files: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_table, "LONGEST_READ", (0.01, 0.0))
    ask = asking(servers, login_of("anna", "her password"))
    send(ask, files[:1])
    assert read(ask)["refused"] == "these files take too long to read here; send fewer."


def test_readings_of_scores_take_no_more_than_their_place(tmp_path: Path) -> None:
    folder = tmp_path / "reader4" / "ab"
    folder.mkdir(parents=True)
    for i in range(5):
        (folder / f"{i}.json").write_bytes(bytes(100))
        os.utime(folder / f"{i}.json", (i, i))
    (tmp_path / "other.json").write_bytes(bytes(1000))
    training_reader.tidy(tmp_path, 500)
    assert len(list(folder.iterdir())) == 5
    training_reader.tidy(tmp_path, 250)
    assert sorted(path.name for path in folder.iterdir()) == ["3.json", "4.json"]
    assert (tmp_path / "other.json").exists()


def test_uploads_are_bounded_before_they_are_read(new_servers: NewServers) -> None:
    servers = new_servers(training_mb=2)
    port = servers.context.server.flask_port
    for length in (2 * 2**20 + 1, 10**12):
        with raw(port, "/ping", f"Content-Length: {length}") as s:
            assert b" 413 " in s.recv(4096)
        head = f"Content-Length: {length}"
        with posted(port, "/training/files?name=x.zip", head, LOGIN) as s:
            assert b" 413 " in s.recv(4096)
    with posted(port, "/training/files?name=x.mid", "Content-Length: 1000", "") as s:
        s.sendall(b"x")
        assert b" 401 " in s.recv(4096)  # before the body has come
    with posted(port, "/tunes", f"Content-Length: {2**20 + 1}", LOGIN) as s:
        assert b" 413 " in s.recv(4096)


def posted(port: int, path: str, head: str, login: str) -> Any:
    import socket

    s = socket.create_connection(("127.0.0.1", port), timeout=10)
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: audio/midi", head]
    lines += [f"Authorization: {login}"] if login else []
    s.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return s


def test_only_users_train_and_each_sees_their_own(
    servers: Servers, files: list[tuple[str, bytes]]
) -> None:
    context = servers.context
    links = context.links
    page = f"/upload/{links.sign('upload', {'user': 'anna'})}"
    anna, owner = asking(servers, login_of("anna", "her password")), asking(servers)
    assert anna("DELETE", "/training/files")[0] == 200
    before = owner("GET", "/training")[1]["files"]
    send(asking(servers, ""), files[:1], page)
    assert anna("GET", "/training")[1]["files"] == 1
    assert owner("GET", "/training")[1]["files"] == before
    guest = context.accounts.cookie(context.accounts.with_code(b"guest-code"))
    port = context.server.flask_port
    for path in ("/training", "/training/samples/1.mp3"):
        assert get(port, path, None, Cookie=f"play_bach_login={guest}")[0] == 403
        assert get(port, path, None)[0] == 401
    for user in ("guest:1", "nobody", ""):
        for purpose in ("upload", "tunes"):
            path = f"/upload/{links.sign(purpose, {'user': user})}?name=x.mid"
            assert asking(servers, "")("POST", path, b"x", "audio/midi")[0] == 403
    claims = {"user": "nobody", "app": "x", "epoch": 1}
    assert get(port, f"/sample/{links.sign('sample', claims)}/x.mp3", None)[0] == 403


@pytest.mark.parametrize(
    ("changes", "missing", "why"),
    [
        ({"training": False}, (), "turned off"),
        ({}, ("tensorflow",), "needs all of requirements.txt"),
    ],
)
def test_where_nothing_can_be_trained_it_says_why(
    new_servers: NewServers,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    missing: tuple[str, ...],
    why: str,
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in missing else real(name)
    )
    ask = asking(new_servers(**changes))
    assert why in ask("GET", "/training")[1]["refusal"]
    assert why in ask("POST", "/training", {"app": "x"})[1]
    assert why in ask("POST", "/training/resume", {})[1]
    assert why in ask("POST", "/training/files?name=x.mid", b"x", "audio/midi")[1]


def test_models_of_a_user_and_hours_have_limits(
    new_servers: NewServers, files: list[tuple[str, bytes]]
) -> None:
    servers = new_servers(training_models=1, training_hours=0.01, training_units=8)
    ask = asking(servers)
    servers.context.trainings._server.__dict__["training_hours"] = 1 / 3600  # a second
    send(ask, files)
    read(ask)
    begin(ask, "slow")
    until(lambda: not running(ask)["running"], 20)
    assert running(ask)["phase"] == "done"
    for number in range(12):
        (servers.context.trainings._paths.models / f"slow3_nc_mo.{number}.zip").touch()
    assert "many versions" in ask("POST", "/training/resume", {})[1]
    assert "may train no more" in ask("POST", "/training", {"app": "next", "model_type": 3})[1]


# ---- restarts


def last_words(context: ServerContext) -> str:
    return (context.trainings.progress(USER, "slow") / "asked.txt").read_text()


def wait_for_epoch(context: ServerContext) -> None:
    def learned() -> bool:
        told = context.trainings.state(USER)["training"]
        return bool(told["history"]) and told["phase"] == "learning"

    until(learned, 20)


def test_a_training_goes_on_after_a_restart(
    files: list[tuple[str, bytes]], new_context: Callable[..., ServerContext]
) -> None:
    first = new_context()
    for name, content in files:
        first.trainings.uploads.receive(USER, name, io.BytesIO(content))
    first.trainings.tables.want(USER, 3)
    until(lambda: not first.trainings.tables.is_reading(USER), 30)
    first.trainings.start(USER, TrainingRequest("slow", 3))
    wait_for_epoch(first)
    process = first.trainings._process
    first.close()
    assert process
    until(lambda: process.poll() is not None, 10)
    context = new_context()
    assert context.trainings.state(USER)["training"]["running"]
    until(lambda: last_words(context).startswith("-l\n1\n"), 20)
    wait_for_epoch(context)
    with pytest.raises(UserError, match="another training goes on"):
        context.trainings.resume(USER)
    context.trainings.stop(USER)
    until(lambda: not context.trainings.state(USER)["training"]["running"], 20)
    context.close()
    assert not new_context().trainings.state(USER)["training"]["running"]  # it had ended


def started_by(context: ServerContext, home: Paths) -> subprocess.Popen[bytes]:
    """A training that a server remembers, and that would outlive it."""
    folder = context.trainings.progress(USER, "slow")
    job = Job(USER, "slow", 3)
    context.trainings._remember(job)
    folder.mkdir(parents=True)
    words = command(job, context.trainings.corpus(USER, "slow"), folder, False, 0)
    environment = {**os.environ, "PLAY_BACH_HOME": str(home.root)}
    return subprocess.Popen([sys.executable, str(STAND_IN), *words], env=environment)


def test_a_training_that_outlives_its_server_is_watched_again(
    equipped: Paths, new_context: Callable[..., ServerContext]
) -> None:
    first = new_context()
    orphan = started_by(first, equipped)
    try:
        wait_for_epoch(first)
        second = new_context()
        assert second.trainings._process is None
        assert second.trainings.state(USER)["training"]["running"]
        second.trainings.stop(USER)
        until(lambda: not second.trainings.state(USER)["training"]["running"], 20)
        assert second.trainings.state(USER)["training"]["phase"] == "done"
        assert orphan.wait(5) == 0
    finally:
        orphan.kill()


def test_a_training_that_ends_with_its_server_a_moment_later_goes_on(
    equipped: Paths, new_context: Callable[..., ServerContext]
) -> None:
    first = new_context()
    orphan = started_by(first, equipped)
    wait_for_epoch(first)
    second = new_context()
    orphan.send_signal(signal.SIGKILL)
    orphan.wait(5)
    until(lambda: second.trainings._process is not None, 20)
    until(lambda: last_words(second).startswith("-l\n1\n"), 20)


def test_a_training_that_never_gets_anywhere_is_not_tried_for_ever(
    new_context: Callable[..., ServerContext],
) -> None:
    job = Job(USER, "early", 3, tries=training.TRIES)
    new_context().trainings._remember(job)
    told = new_context().trainings.state(USER)["training"]
    assert (told["running"], told["told"]) == (False, "the training was ended from outside")


def test_a_damaged_note_of_a_training_harms_nobody(
    equipped: Paths, new_context: Callable[..., ServerContext]
) -> None:
    context = new_context()
    path = context.trainings.uploads.folder(USER) / "training.json"
    path.parent.mkdir(parents=True)
    for content in (
        b"",
        b"{",
        b"[]",
        b'{"user": "bach"}',
        b'{"user": "../x", "app": "a", "model_type": 1}',
    ):
        path.write_bytes(content)
        assert new_context().trainings.state(USER)["training"] is None


# ---- the command line


def test_the_command_line_of_each_kind_of_training() -> None:
    corpus, told = Path("/c"), Path("/p")
    common = ["-f", "--app", "mine", "--corpus", "/c", "--progress", "/p"]
    job = Job(USER, "mine", 2, epochs=7)
    assert command(job, corpus, told, False, 0) == [
        *("-l", "0", *common, "-e", "7", "--model-type", "2")
    ]
    assert command(job, corpus, told, False, 12)[-2:] == ["--units", "12"]
    assert command(job, corpus, told, True, 12) == ["-l", "1", *common, "--model-type", "2"]
    based = Job(USER, "mine", 2, "bach2_nc_mo", 7)
    assert command(based, corpus, told, False, 12) == [
        *("-l", "1", *common, "-e", "7", "--from", "bach2_nc_mo", "--no-scratch")
    ]


def test_a_training_can_start_from_a_model_that_is_there(
    servers: Servers, ready: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "BASES", True)
    trainings: Trainings = servers.context.trainings
    assert set(trainings.bases()) >= {"bach2_nc_mo", "other2_nc_mo"}
    wanted = TrainingRequest("quick-based", 3, "bach2_nc_mo")
    with pytest.raises(UserError, match="still being read"):  # as its own type reads them
        trainings.start(USER, wanted)
    until(lambda: not trainings.tables.is_reading(USER), 30)
    trainings.start(USER, wanted)
    asked = trainings.progress(USER, "quick-based") / "asked.txt"
    until(asked.is_file, 20)
    until(lambda: asked.read_text().endswith("--from\nbach2_nc_mo\n--no-scratch"))
    assert running(ready)["from"] == "bach2_nc_mo"
    until(lambda: not running(ready)["running"], 20)
