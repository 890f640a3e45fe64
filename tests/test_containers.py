"""The containers, taken at their word: their install steps in fresh virtual environments, their files
in a folder of their own, their commands run there. The one of the server has no TensorFlow."""

import base64
import json
import os
import re
import shlex
import shutil
import signal
import site
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT, refused
from live import free_port, get, until

DOCKER = ROOT / "docker"
FILES = ("server.Dockerfile", "training.Dockerfile")

pytestmark = pytest.mark.slow


def instructions(name: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile: ('RUN', 'pip install ...'), ..."""
    text = (DOCKER / name).read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line and line[0] != "#"]
    return [(word, re.sub(r"\s+", " ", rest)) for word, rest in lines]


def steps(name: str, word: str) -> list[str]:
    return [rest for what, rest in instructions(name) if what == word]


@dataclass(frozen=True)
class Image:
    """A container's Python, program and home."""

    python: Path
    app: Path
    home: Path

    def run(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, self.app / "play_bach.py", *words],
            env={**os.environ, "PLAY_BACH_HOME": str(self.home), "PYTHONPATH": ""},
            cwd=self.app,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def built(name: str, folder: Path, installed: bool = False) -> Image:
    """What `docker build` would lay down, without a system below it.

    installed: the packages that are installed here are there already, and pip only has to find that
    nothing is missing: TensorFlow takes a minute to unpack.
    """
    python, app, home = folder / "venv" / "bin" / "python", folder / "app", folder / "data"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    if installed:
        here, (there,) = site.getsitepackages()[0], (folder / "venv").glob("lib/*/site-packages")
        (there / "here.pth").write_text(here)
    app.mkdir()
    for copy in steps(name, "COPY"):
        *sources, target = [w for w in copy.split() if not w.startswith("--")]
        to = home / target.removeprefix("/data/") if target.startswith("/data/") else app / target
        for source in (path for pattern in sources for path in ROOT.glob(pattern)):
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, to, dirs_exist_ok=True, ignore=ignored)
            else:
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, to)
    for step in steps(name, "RUN"):
        if step.startswith("pip install"):
            pip = [str(python), "-m", *shlex.split(step), "--quiet", "--disable-pip-version-check"]
            kept = [word for word in pip if word != "--no-cache-dir"]  # twice is too long
            kept.append("--no-compile")
            subprocess.run(kept, cwd=app, check=True)
    for folder_ in ("training", "checkpoint"):
        (home / folder_).mkdir()
    return Image(python, app, home)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return built("server.Dockerfile", tmp_path_factory.mktemp("server"))


def test_the_server_has_no_tensorflow(server: Image) -> None:
    told = subprocess.run(
        [server.python, "-m", "pip", "list"], capture_output=True, text=True, check=True
    ).stdout.lower()
    assert "ai-edge-litert" in told
    assert not re.search(r"^(tensorflow|keras|music21|matplotlib|torch)\b", told, re.M)
    subprocess.run([server.python, "-m", "pip", "check"], check=True, capture_output=True)


def test_composing_needs_no_tensorflow(server: Image) -> None:
    """The same seed gives the same notes as anywhere; the other model composes there, too."""
    words = ("-l", "1", "-pm", "--app", "bach2_nc_mo", "--seed", "3", "--variant", "float32")
    result = server.run(*words, "--output", str(server.home / "a.mid"))
    assert result.returncode == 0, result.stderr
    assert server.run("-l", "1", "-pm").returncode == 0
    here = Image(Path(sys.executable), ROOT, server.home)
    assert here.run(*words, "--output", str(server.home / "b.mid")).returncode == 0
    assert (server.home / "a.mid").read_bytes() == (server.home / "b.mid").read_bytes()


def test_listing_and_measuring_need_no_tensorflow(server: Image) -> None:
    result = server.run("-bl", "--app", "bach2_nc_mo")
    assert result.returncode == 0, result.stderr
    assert "notes/s" in result.stdout
    listed = server.run("--list")
    assert "fastest here: " in listed.stdout
    (server.home / "models" / "bach2_nc_mo.benchmark.json").unlink()


def test_what_is_missing_is_called_by_name(server: Image) -> None:
    told = {
        "-f": refused(server.run("-l", "0", "-f")),
        "-sl": refused(server.run("-sl")),
        "-bf": refused(server.run("-bf")),
        "--musicxml": refused(server.run("-pm", "--musicxml")),
        "--corpus": refused(server.run("--evaluate", "music21:bach")),
    }
    assert "training (-f) needs tensorflow, which is not installed here: pip install" in told["-f"]
    assert all("not installed here: pip install -r requirements.txt" in t for t in told.values())
    doctor = server.run("--doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "composing needs none of it" in doctor.stdout


@pytest.fixture
def on_air(server: Image) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The container's own command, but for the ports, and the port of its sound."""
    (command,) = steps("server.Dockerfile", "CMD")
    page, sound = free_port(), free_port()
    told = {"password": "x", "remi_port": page, "flask_port": sound}
    (server.home / "play_bach.json").write_text(json.dumps(told))
    process = subprocess.Popen(
        [server.python, server.app / "play_bach.py", *json.loads(command)],
        env={**os.environ, "PLAY_BACH_HOME": str(server.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield process, sound
    process.kill()
    process.wait()


def test_the_server_streams_and_is_found_healthy(
    server: Image, on_air: tuple[subprocess.Popen[bytes], int]
) -> None:
    process, port = on_air
    (check,) = steps("server.Dockerfile", "HEALTHCHECK")
    command = shlex.split(check.split(" CMD ")[1].replace(":8801", f":{port}"))

    def healthy() -> bool:
        ran = subprocess.run([server.python, *command[1:]], stderr=subprocess.DEVNULL, check=False)
        return ran.returncode == 0

    until(healthy, 30)
    login = "Basic " + base64.b64encode(b"bach:x").decode()
    status, _, sound = get(port, "/play.mp3", login=login)
    assert (status, len(sound)) == (200, 65536)
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    assert not healthy()


@pytest.mark.parametrize("name", FILES)
def test_containers_are_small_and_not_root(name: str) -> None:
    told = instructions(name)
    words = [word for word, _ in told]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert steps(name, "USER") == ["bach"]
    assert steps(name, "FROM") == ["python:3.13-slim"]
    assert all("--no-cache-dir" in step for step in steps(name, "RUN") if "pip" in step)
    assert "rm -rf /var/lib/apt/lists/*" in steps(name, "RUN")[0]


def test_the_container_of_training_trains(tmp_path: Path) -> None:
    from conftest import tune

    from midi_io import write_midi

    image = built("training.Dockerfile", tmp_path, installed=True)
    for i in range(4):
        piece = tune(50 + i, 30 + 3 * i)
        write_midi(image.home / "training" / f"{i}.mid", piece.events, 100, 1)
    words = ("-l", "0", "-f", "--app", "small", "--units", "12", "--seqlen", "8", "-e", "1")
    result = image.run(*words, timeout=240)
    assert result.returncode == 0, result.stderr
    assert (image.home / "models" / "small1_nc_mo.zip").is_file()
